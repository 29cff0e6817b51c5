"""``python -m explorer.pick RUN``: choose one operating point, say why, and write what a deployment needs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from explorer.choice import Choice, choose
from explorer.core.calibration import Calibration
from explorer.core.operating_points import collect_evidence, outcome_at
from explorer.core.split_points import OUTPUT
from explorer.cost import wilson_interval
from explorer.errors import UserError, run_command
from explorer.evaluate import restore_network
from explorer.profile.payload import header_bytes
from explorer.results import FRONT_COLUMNS, RunResults, load_run, records
from explorer.runs import REPORTS, find_run
from explorer.session import load_space_data
from explorer.space import parse_space
from explorer.store import SCHEMA_VERSION, Store, write_json


def read_test_subset(results: RunResults, point: "pd.Series[Any]", data_dir: Path | None) -> dict[str, Any]:
    """Accuracy and exit rate on the test subset, with its 95 % interval. The only place that reads it.

    Args:
        results: The run.
        point: The chosen row.
        data_dir: Where data files lie.
    """
    space = parse_space(results.run["space_file"], str(results.path / "run.json"))
    data = load_space_data(space, data_dir)
    if data.fingerprint != results.run["data_fingerprint"]:
        raise UserError(
            f"{results.path}: the data of {space.data.source!r} are not those the run was made with"
        )
    store = Store(results.path)
    stored = store.read(point["network_key"])
    weights = store.read_weights(point["network_key"])
    network = restore_network(
        stored.spec, weights, stored.placement_checksum, data.input_shape, data.num_classes
    )
    bits = None if pd.isna(point["payload_bits"]) else int(point["payload_bits"])
    threshold = None if pd.isna(point["confidence_threshold"]) else float(point["confidence_threshold"])
    calibration = store.read_calibration(point["network_key"])
    evidence = collect_evidence(
        network, data.test, calibration.only(bits or calibration.readout.payload.bits[0])
    )
    outcome = outcome_at(evidence, point["split_point"], bits, threshold)
    low, high = wilson_interval(np.array([outcome.correct]), len(data.test))
    return {
        "accuracy": outcome.correct / len(data.test),
        "accuracy_ci95_low": float(low[0]),
        "accuracy_ci95_high": float(high[0]),
        "exit_rate": outcome.exited / len(data.test),
        "samples": len(data.test),
    }


def deployment(results: RunResults, choice: Choice, test: dict[str, Any]) -> dict[str, Any]:
    """All that a deployment needs, as plain data (``pick.json``)."""
    key = choice.point["network_key"]
    store = Store(results.path)
    stored, calibration = store.read(key), store.read_calibration(key)
    split = next(split for split in stored.splits if split.name == choice.point["split_point"])
    (row,) = records(choice.point[FRONT_COLUMNS].to_frame().T)
    return {
        "schema_version": SCHEMA_VERSION,
        "run": results.path.name,
        "why": choice.why,
        "point": row,
        "test": test,
        "network": stored.spec.to_json(),
        "placement_checksum": stored.placement_checksum,
        "weights": f"networks/{key}/weights.safetensors",
        "input": {
            "shape": results.run["data"]["input_shape"],
            "mean": results.run["data"]["mean"],
            "std": results.run["data"]["std"],
            "num_classes": results.run["data"]["num_classes"],
            "class_names": results.run["data"].get("class_names", []),
        },
        "split": {
            "split_point": split.name,
            "crossing_shape": list(split.shape),
            "has_server_part": split.name != OUTPUT,
            "has_exit_classifier": row["confidence_threshold"] is not None and split.name != OUTPUT,
            "exit_rule": "answer on the edge when the score of the exit's logits is >= confidence_threshold",
            "exit_score": calibration.readout.score,
            "exit_temperature": calibration.temperatures.get(split.name, 1.0),
        },
        "payload": None if split.name == OUTPUT else _described(calibration, row),
        "profiles": results.run["profiles"],
        "neighbours": records(choice.neighbours[FRONT_COLUMNS]),
    }


def _described(calibration: Calibration, row: dict[str, Any]) -> dict[str, Any]:
    """What encoder and decoder must know, see :class:`explorer.profile.payload.Codec`."""
    codec = calibration.codecs[row["split_point"], row["payload_bits"]]
    return {
        "bits": codec.bits,
        "ranges": codec.ranges,
        "entropy": codec.entropy,
        "header_bytes": header_bytes(codec.ranges),
        "low": None if codec.low is None else codec.low.tolist(),
        "step": None if codec.step is None else codec.step.tolist(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Choose, print and write ``pick.json``."""
    parsed = _parser().parse_args(arguments)
    results = load_run(find_run(parsed.run, parsed.reports))
    choice = choose(
        results, where=parsed.where, minimize=parsed.minimize, maximize=parsed.maximize, point_id=parsed.id
    )
    test = read_test_subset(results, choice.point, parsed.data_dir)
    path = results.path / "pick.json"
    write_json(path, deployment(results, choice, test))
    _print(choice, test, Console())
    print(f"written: {path}")
    return 0


def _print(choice: Choice, test: dict[str, Any], console: Console) -> None:
    point = choice.point
    console.print(f"{point['point_id']}: {choice.why}.", markup=False, highlight=False)
    console.print(
        f"validation accuracy {point['accuracy']:.4f} [{point['accuracy_ci95_low']:.4f}, "
        f"{point['accuracy_ci95_high']:.4f}]; test accuracy {test['accuracy']:.4f} "
        f"[{test['accuracy_ci95_low']:.4f}, {test['accuracy_ci95_high']:.4f}] on {test['samples']} samples",
        markup=False,
        highlight=False,
    )
    columns = ["point_id", "split_point", "confidence_threshold", "payload_bits", "accuracy", "exit_rate"]
    columns += ["edge_macs", "edge_memory_bytes", "payload_bytes", "latency_model_s", "energy_model_j"]
    table = Table("", "chosen", *(f"neighbour {n + 1}" for n in range(len(choice.neighbours))), box=None)
    for column in columns:
        cells = [point[column], *choice.neighbours[column]]
        table.add_row(column, *(_cell(value) for value in cells))
    console.print(table)


def _cell(value: Any) -> str:
    if pd.isna(value):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m explorer.pick", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run folder, or the name of a run under reports/")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="RULE",
        help='such as "accuracy >= 0.95"; may be repeated',
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--minimize", metavar="COLUMN", help="the point with the smallest value")
    how.add_argument("--maximize", metavar="COLUMN", help="the point with the largest value")
    how.add_argument("--knee", action="store_true", help="the knee of the front (the default)")
    how.add_argument("--id", metavar="POINT_ID", help="the point with this id")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where data files lie")
    parser.add_argument("--reports", type=Path, default=REPORTS, metavar="DIR", help="where runs are")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
