"""``python -m benchmarks.sparse_layers``: speed and size of single sparse layers against dense ones.

Contestants: the dense layer, a masked dense layer, torch CSR (inference) and every pattern of the explorer.
Cases: inference of one sample on one thread, in PyTorch and ONNX Runtime; batched inference and one training
step (forward, backward to weights and input, fused AdamW; batch 256, convolutions 64) on ``--threads``. All
contestants of a shape and density run in turn, several times, each after an untimed call; speed-ups are
medians of the paired ratios.
A table says which share of a training step's time products, copies and the optimiser take.
One-threaded cases take the CPU time of the process, which other programs on the machine disturb little; more
threads need wall time and an idle machine, since threads that wait for one another make every pause longer.
"""

import argparse
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import plotly.graph_objects as go
import torch
from plotly.subplots import make_subplots

from benchmarks.sparse_layers.cases import DENSITIES, OVERLAPPING, QUICK_SHAPES, SHAPES
from benchmarks.sparse_layers.measure import Row, measure
from benchmarks.sparse_layers.shares import KINDS
from explorer.errors import UserError, run_command
from explorer.utils.files import write_json

# Of the limit 1/density, on every processor: what is left is spent on what does not shrink with the weights.
LEAST_OF_LIMIT = {"1/4": 0.6, "2/7": 0.6, "1/8": 0.5, "2/15": 0.5, "1/16": 0.44}
WIDE = (
    *("linear 1024x1024", "linear 1008x1008", "linear 1020x1020"),
    *("conv 256->256 8x8", "conv 224->224 8x8", "conv 240->240 8x8"),
)
LEAST_ONNX = {("linear 1024x1024", "1/4"): 2.4, ("linear 1024x1024", "1/8"): 3.6}
LEAST_OVERLAPPING = 0.8  # of few channels, which train as a dense layer: as fast, but for noise
MOST_BYTES = {"1/4": 0.27, "1/8": 0.14}  # of the dense file; biases included
NOT_OURS = ("dense", "masked", "csr")


def least_speedup(row: Row) -> float:
    """What the speed-up of a ``block`` layer must reach; 0 where nothing is asked of it."""
    shape, density, case, contestant = (row[key] for key in ("shape", "density", "case", "contestant"))
    if not contestant.startswith("block"):
        return 0.0
    if case == "onnx 1":
        return LEAST_ONNX.get((shape, density), 0.0)
    if case != "training step":
        return 0.0
    least = LEAST_OF_LIMIT.get(density, 0.0) / float(Fraction(density)) if shape in WIDE else 0.0
    return max(least, 1.0 if contestant == "block k=1" else LEAST_OVERLAPPING)


def shortfalls(rows: Sequence[Row]) -> list[str]:
    """What falls short of the minima, one line per figure."""
    short = []
    for row in rows:
        key = (row["shape"], row["density"], row["case"], row["contestant"])
        if row["speedup"] < (least := least_speedup(row)):
            short.append(f"{', '.join(key)}: {row['speedup']:.2f}x, at least {least:.2f}x")
        if row["contestant"] in NOT_OURS:
            continue
        most = MOST_BYTES.get(row["density"], 1.0)
        if row["case"] == "inference 1" and row["bytes_ratio"] > most:
            short.append(f"{', '.join(key)}: {row['bytes_ratio']:.3f} of dense bytes, at most {most}")
        if key[:3] == ("linear 4096x4096", "1/8", "training step") and row["training_bytes_ratio"] > 0.14:
            short.append(
                f"{', '.join(key)}: {row['training_bytes_ratio']:.3f} of training bytes, at most 0.14"
            )
    return short


def without_gain(rows: Sequence[Row]) -> list[str]:
    """Shapes and inference cases in which no sparse form of ours beats dense at any density below 1."""
    best: dict[tuple[str, str], float] = {}
    for row in rows:
        if row["case"] != "training step" and row["contestant"] not in NOT_OURS:
            key = (row["shape"], row["case"])
            best[key] = max(best.get(key, 0.0), row["speedup"])
    return [f"{shape}, {case}: best {speedup:.2f}x" for (shape, case), speedup in best.items() if speedup < 1]


def speedup_figure(rows: Sequence[Row]) -> go.Figure:
    """Speed-up against density: a panel per shape; training solid, ONNX dotted, limit dashed."""
    shapes = list(dict.fromkeys(row["shape"] for row in rows if row["density"].startswith("1")))
    figure = make_subplots(rows=(len(shapes) + 1) // 2, cols=2, subplot_titles=shapes)
    names = list(dict.fromkeys(row["contestant"] for row in rows if row["contestant"] != "dense"))
    dashes = {"training step": "solid", "onnx 1": "dot"}
    for index, shape in enumerate(shapes):
        place = {"row": index // 2 + 1, "col": index % 2 + 1}
        for name in names:
            for case, dash in dashes.items():
                points = [r for r in rows if (r["shape"], r["contestant"], r["case"]) == (shape, name, case)]
                if points:
                    label = f"{name}, {case}"
                    figure.add_scatter(
                        x=[float(Fraction(point["density"])) for point in points],
                        y=[point["speedup"] for point in points],
                        name=label,
                        legendgroup=label,
                        showlegend=not any(trace.name == label for trace in figure.data),
                        mode="lines+markers",
                        line={"dash": dash},
                        **place,
                    )
        xs = [float(density) for density in DENSITIES]
        limit = {"color": "grey", "dash": "dash"}
        figure.add_scatter(
            x=xs, y=[1 / x for x in xs], name="limit 1/density", line=limit, showlegend=index == 0, **place
        )
    figure.update_xaxes(type="log", title="density", tickvals=[float(density) for density in DENSITIES])
    figure.update_yaxes(type="log", title="speed-up over dense", tickvals=[0.5, 1, 2, 4, 8, 16])
    figure.update_layout(
        title="Sparse layers: speed-up over the dense layer", height=420 * len(shapes) // 2 + 200
    )
    return figure


def print_table(rows: Sequence[Row]) -> None:
    print(f"{'shape':<20}{'density':>8}  {'case':<16}{'contestant':<12}{'ms':>10}{'speed-up':>9}"
          f"{'of limit':>9}{'bytes':>8}{'state':>8}{'onnx':>8}")  # fmt: skip
    for row in rows:
        extra = [row.get("training_bytes_ratio"), row.get("onnx_bytes_ratio")]
        print(
            f"{row['shape']:<20}{row['density']:>8}  {row['case']:<16}{row['contestant']:<12}"
            f"{row['seconds'] * 1e3:>10.3f}{row['speedup']:>9.2f}{row['of_limit']:>9.2f}"
            f"{row['bytes_ratio']:>8.3f}"
            + "".join(f"{value:>8.3f}" if value is not None else f"{'':>8}" for value in extra)
        )


def print_shares(rows: Sequence[Row]) -> None:
    """Where the time of training steps goes, as the profiler sees it."""
    print("\nshares of a training step's time")
    print(f"{'shape':<20}{'density':>8}  {'contestant':<12}" + "".join(f"{kind:>12}" for kind in KINDS))
    for row in rows:
        if "shares" in row:
            shares = "".join(f"{row['shares'][kind]:>12.0%}" for kind in KINDS)
            print(f"{row['shape']:<20}{row['density']:>8}  {row['contestant']:<12}{shares}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; ``--check`` fails where a figure falls short."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sparse_layers", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="three shapes, densities 1/4 and 1/8, fewer rounds"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of the products of training steps; the dense layer, the yardstick, keeps float32",
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: all cores")
    parser.add_argument("--check", action="store_true", help="exit 1 if a figure falls short, and name it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="write a page with the figure")
    parsed = parser.parse_args(arguments)
    if parsed.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: needs a CUDA device that torch can use, found none; use cpu")
    if parsed.threads < 1:
        raise UserError(f"--threads: at least 1, got {parsed.threads}")
    torch.manual_seed(0)
    torch.set_num_threads(parsed.threads)
    shapes, densities = (QUICK_SHAPES, DENSITIES[2:4]) if parsed.quick else (SHAPES, DENSITIES)
    pairs = [(shape, density) for shape in shapes for density in densities] + list(OVERLAPPING)
    budget_s, least_rounds = (0.25, 3) if parsed.quick else (0.4, 3)
    print(f"{parsed.device}; one thread for 'inference 1' and 'onnx 1', {parsed.threads} for the rest")
    rows: list[Row] = []
    for shape, density in pairs:
        with_onnx = density in DENSITIES[2:4] and parsed.device == "cpu"
        rows += measure(
            shape, density, parsed.device, budget_s, least_rounds, with_onnx, parsed.precision == "bfloat16"
        )
    print_table(rows)
    print("bytes, state (parameters, gradients, AdamW) and onnx: size relative to dense")
    print_shares(rows)
    for line in without_gain(rows):
        print(f"no sparse form beats dense: {line}")
    if parsed.out:
        write_json(parsed.out, {"device": parsed.device, "threads": parsed.threads, "rows": rows})
    if parsed.figure:
        config = {"showSendToCloud": False, "displaylogo": False}
        speedup_figure(rows).write_html(parsed.figure, include_plotlyjs=True, config=config)
    short = shortfalls(rows) if parsed.check else []
    for line in short:
        print(f"falls short: {line}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
