"""Edge parts of trained networks in C, on every emulated core: values, payloads, flash and RAM.

Five backbones are searched for a moment with each pattern, on scikit-learn's digits; of each run's
front the sparsest network is cut, at another place for each pattern. What the C gives is compared with
PyTorch in float32, with the integers of the sweep in int8, and payloads with the codec.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

import explorer
from explorer.core.graph.split_points import OUTPUT
from explorer.core.run_point import RunPoint
from explorer.deploy.bundle import Source
from explorer.deploy.edge_part import EdgePart, Weights, edge_part
from explorer.microcontroller.emulator import emulate
from explorer.microcontroller.int8_edge import edge_chain
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.reference import torch_order
from explorer.microcontroller.sizes import predicted
from explorer.microcontroller.toolchain import CORES
from explorer.runtime.codec import encode
from explorer.runtime.protocol.frame import unpack
from explorer.space.files import load_space

BACKBONES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "MLP": ("mlp", {"hidden": [[32, 16]]}),
    "CNN": ("cnn", {"channels": [[8, 16]], "hidden": [16]}),
    "ResNet": ("resnet", {"depth": [8], "width": [4]}),
    "DS-CNN": ("ds_cnn", {"width": [12], "blocks": [2]}),
    "1-D CNN": ("cnn1d", {"channels": [[8, 16]]}),
}
PATTERNS = ("block", "structured", "random", "clash_free", "periodic")
WITHOUT = {("MLP", "periodic")}  # no layer has a kernel, of which periodic keeps some taps
WEIGHTS: tuple[Weights, ...] = ("float", "int8")
DIGEST = "0123456789abcdef" * 4
TRIALS, SAMPLES, THRESHOLD = 4, 4, 0.5
MOST_OFF, MOST_FLASH = 1e-5, 0.03


@dataclass(frozen=True)
class PartRow:
    """One edge part on one core.

    Attributes:
        backbone, pattern, split_point, weights, core: Which.
        off: Largest difference from PyTorch, relative to the largest value where that exceeds 1, in float32;
            in int8 how many integers differ.
        wrong_frames: Samples whose answer or payload is not what the C's own numbers say.
        flash, ram: Bytes; static RAM.
        predicted_flash, predicted_ram: The same without a compiler.
        stack, predicted_stack: Likewise, an upper bound.
    """

    backbone: str
    pattern: str
    split_point: str
    weights: Weights
    core: str
    off: float
    wrong_frames: int
    flash: int
    ram: int
    predicted_flash: int
    predicted_ram: int
    stack: int
    predicted_stack: int

    @property
    def flash_off(self) -> float:
        """Relative difference of the flash that was predicted."""
        return abs(self.predicted_flash - self.flash) / self.flash

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def measured(cores: Sequence[str] = tuple(CORES), seed: int = 0) -> Iterator[PartRow]:
    """Train, cut, write, compile and run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_series(folder / "series.npz")
        for backbone in BACKBONES:
            for number, pattern in enumerate(PATTERNS):
                if (backbone, pattern) in WITHOUT:
                    continue
                source, splits = _trained(backbone, pattern, folder, seed)
                split = splits[round(number * (len(splits) - 1) / (len(PATTERNS) - 1))]
                for weights in WEIGHTS:
                    yield from _rows(source, (backbone, pattern, split), weights, cores)


def _write_series(path: Path) -> None:
    """The digits as series of eight steps, a channel for each row of pixels."""
    images, labels = load_digits(return_X_y=True)
    x, test = images.reshape(-1, 8, 8).astype(np.float32), 400
    np.savez(path, x_train=x[test:], y_train=labels[test:], x_test=x[:test], y_test=labels[:test])


def _trained(backbone: str, pattern: str, folder: Path, seed: int) -> tuple[Source, list[str]]:
    """The sparsest network on the front of a short run, and its split points behind the input."""
    space, (factory, arguments) = load_space("digits")[0], BACKBONES[backbone]
    content = space.model_dump(mode="json", exclude_unset=True)
    if backbone == "1-D CNN":
        content["data"] |= {"source": "npz:series.npz", "layout": "series"}
    densities = {"low": 0.15, "high": 0.7, "limit": 4}
    content["backbones"] = {
        "net": {"factory": f"explorer.backbones:{factory}", "arguments": arguments, "densities": densities}
    }
    content |= {"patterns": [pattern], "payload_bits": [8], "fit": "none"}
    content["training"] |= {"epochs": 3}
    options: dict[str, Any] = {"workers": 1, "energy": False, "progress": False, "sampler": "random"}
    run = explorer.run_search(
        type(space).model_validate(content),
        trials=TRIALS,
        seed=seed,
        name=f"{factory}-{pattern}",
        data_dir=folder,
        reports=folder / "reports",
        **options,
    )
    networks = run.results.networks
    kept = sorted(set(run.results.front["network_key"]))  # those with weights
    key = min(kept, key=lambda own: sum(float(density) for _, density in networks[own].spec.densities))
    assert min(float(density) for _, density in networks[key].spec.densities) < 1, f"{backbone}, {pattern}"
    splits = [own.name for own in networks[key].splits]
    return Source.of_run(run.results, key, run.load_data()), splits[1:]


def _rows(
    source: Source, which: tuple[str, str, str], weights: Weights, cores: Sequence[str]
) -> Iterator[PartRow]:
    split = which[-1]
    point = RunPoint.at_output() if split == OUTPUT else RunPoint(split, THRESHOLD, 8)
    part = edge_part(source, point.to_row(), weights)
    code, samples = part.code(DIGEST), part.samples[:SAMPLES]
    expected = _expected(source, part, split, samples)
    for core in cores:
        found, known = emulate(code.files, samples, core), predicted(code, weights, core)
        yield PartRow(
            *which,
            weights,
            core,
            _off(part, expected, found.rows),
            sum(_is_wrong(part, source, split, row) for row in found.rows),
            found.edge.flash,
            found.edge.bss,
            known.flash,
            known.bss,
            found.stack,
            known.stack,
        )


def _expected(source: Source, part: EdgePart, split: str, samples: Any) -> dict[str, Any]:
    """Crossing tensors and logits: of PyTorch in float32, of the sweep's integers in int8."""
    own = EdgePart(part.numbers, part.task, samples, 0.0).expected()
    if isinstance(part.numbers, Int8Numbers):
        return own
    chain = edge_chain(source.restore(), split, source.calibration, source.data)
    with torch.inference_mode():
        found = dict(zip(chain.names, chain(torch.from_numpy(samples)), strict=True))
    names = {"logits": "logits"} if split == OUTPUT else {"crossing": "crossing.0", "logits": "logits.0"}
    return {name: found[other].flatten(1).numpy() for name, other in names.items()}


def _crossing(part: EdgePart, row: Mapping[str, Any]) -> Any:
    """In PyTorch's order."""
    kind = np.int8 if isinstance(part.numbers, Int8Numbers) else np.float32
    program = part.numbers.program
    values = np.frombuffer(row["crossing"], kind)[np.newaxis]
    return torch_order(values, program.shapes[program.crossing])[0]


def _off(part: EdgePart, expected: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> float:
    integers, most = isinstance(part.numbers, Int8Numbers), 0.0
    for number, row in enumerate(rows):
        pairs = [(np.frombuffer(row["logits"], np.int32 if integers else np.float32), "logits")]
        if part.numbers.program.sends:
            pairs.append((_crossing(part, row), "crossing"))
        for found, name in pairs:
            own = expected[name][number]
            if integers:
                most += int((found != own).sum())
            else:
                most = max(most, float(np.abs(found - own).max()) / max(1.0, float(np.abs(own).max())))
    return most


def _is_wrong(part: EdgePart, source: Source, split: str, row: Mapping[str, Any]) -> bool:
    """Whether the decision of the exit, or the payload, does not follow from the C's own numbers."""
    if part.task.codec is None or part.task.exit is None:
        return False
    sure = np.frombuffer(row["confidence"], np.float32)[0]
    answers = bool(sure >= np.float32(part.task.exit.threshold))
    if answers != bool(row["answers"]) or answers == ("frame" in row):
        return True
    if answers:
        return False
    real = _crossing(part, row)
    if isinstance(part.numbers, Int8Numbers):
        program = part.numbers.program
        real = part.numbers.integers.scales[program.crossing].floats(real.astype(np.int64))
    shape = source.restore().split_point(split).shape
    content = unpack(row["frame"], bytes.fromhex(DIGEST)[:8]).content
    return bool(content != encode(real.reshape(shape), part.task.codec))


def show(row: PartRow) -> None:
    """Print it."""
    off = f"{row.off:.0f} integers differ" if row.weights == "int8" else f"off by {row.off:.1e}"
    print(f"{row.backbone:<8}{row.pattern:<11}{row.split_point:<20}{row.weights:<6}{row.core:<4}{off:<20}"
          f"flash {row.flash:>7,} ({row.flash_off:.1%} off)  RAM {row.ram:>6,}"
          f"  stack {row.stack:>4,}", flush=True)  # fmt: skip


def summary(rows: Sequence[PartRow]) -> str:
    """All rows in one sentence."""
    parts = {(row.backbone, row.pattern, row.split_point) for row in rows}
    off = max((row.off for row in rows if row.weights == "float"), default=0.0)
    return (
        f"{len(parts)} edge parts, {len(rows)} programs: floats off by {off:.1e} at most, "
        f"{sum(row.off > 0 for row in rows if row.weights == 'int8')} programs of int8 with other integers, "
        f"flash {max(row.flash_off for row in rows):.1%} off at most, "
        f"{sum(row.ram != row.predicted_ram for row in rows)} with other RAM"
    )


def shortfalls(rows: Sequence[PartRow]) -> list[str]:
    """What falls short, one line per figure."""
    short = []
    for row in rows:
        where = f"{row.backbone}, {row.pattern}, {row.split_point}, {row.weights}, {row.core}"
        if row.off > (0 if row.weights == "int8" else MOST_OFF):
            short.append(f"{where}: off by {row.off:.2g}")
        if row.wrong_frames:
            short.append(f"{where}: {row.wrong_frames} samples with a wrong answer or payload")
        if row.flash_off > MOST_FLASH:
            short.append(f"{where}: flash {row.flash}, predicted {row.predicted_flash}")
        if row.ram != row.predicted_ram:
            short.append(f"{where}: static RAM {row.ram}, predicted {row.predicted_ram}")
        if row.stack > row.predicted_stack:
            short.append(f"{where}: stack {row.stack}, predicted {row.predicted_stack} at most")
    return short
