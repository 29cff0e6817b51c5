"""``python -m explorer.pick RUN``: choose one operating point, say why, and write what a deployment needs."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from explorer.arguments import above_zero
from explorer.choice import Choice, Wishes, choose, override_setting
from explorer.core.calibration import Calibration
from explorer.core.operating_points import collect_evidence, outcome_at
from explorer.core.split_points import OUTPUT
from explorer.cost import Setting, battery_life_days, wilson_interval
from explorer.dry_run import IMBALANCED
from explorer.errors import UserError, run_command
from explorer.files import write_json
from explorer.measure import restored
from explorer.pick_output import print_choice, print_front
from explorer.profile.payload import header_bytes
from explorer.results import FRONT_COLUMNS, RunResults, load_run, read_setting, records
from explorer.runs import REPORTS, find_run
from explorer.session import load_space_data
from explorer.space_files import parse_space
from explorer.store import SCHEMA_VERSION, Store


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
    network = restored(store, point["network_key"], data)
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


def deployment(
    results: RunResults, choice: Choice, setting: Setting, test: dict[str, Any] | None
) -> dict[str, Any]:
    """All that a deployment needs, as plain data (``pick.json``); ``test`` is None where it was not read."""
    key = choice.point["network_key"]
    stored, calibration = results.networks[key], Store(results.path).read_calibration(key)
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
        "weights": None if test is None else f"networks/{key}/weights.safetensors",
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
        "profiles": {role: profile.model_dump(mode="json") for role, profile in vars(setting).items()},
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
    parsed = make_parser().parse_args(arguments)
    results = load_run(find_run(parsed.run, parsed.reports))
    if results.all_failed:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in results.failures.items())
        raise UserError(f"{results.path}: no network of this run could be trained: {reasons}")
    own = read_setting(results.run)
    setting = override_setting(
        own, edge=parsed.edge, server=parsed.server, link=parsed.link, changes=parsed.set
    )
    choice = choose(results, wishes_of(parsed), None if setting == own else setting)
    content = deployment(results, choice, setting, _test_outcome(results, choice, parsed.data_dir))
    path = results.path / "pick.json"
    write_json(path, content)
    if parsed.json:
        print(json.dumps(content, indent=1, allow_nan=False))
        return 0
    console = Console()
    print_choice(choice, content["test"], console)
    for note in results.run.get("notes", []):
        if note.startswith(IMBALANCED):
            console.print(note, markup=False, highlight=False)
    energy = choice.point["energy_model_j"]
    if parsed.battery_wh is not None and not pd.isna(energy):
        days = battery_life_days(np.array([energy]), parsed.samples_per_day, parsed.battery_wh)[0]
        print(f"battery: {days:,.1f} days at {parsed.samples_per_day:g} samples a day, sleep not counted")
    if not parsed.no_picture:
        print_front(choice, console)
    print(f"written: {path}")
    return 0


def wishes_of(parsed: argparse.Namespace) -> Wishes:
    """What the command line asks of the point."""
    return Wishes(
        where=parsed.where,
        relax=parsed.relax,
        fully_trained=parsed.fully_trained,
        objectives=parsed.objectives,
        ideal=parsed.closest_to_ideal,
        weights=parsed.weights,
        minimize=parsed.minimize,
        maximize=parsed.maximize,
        point_id=parsed.id,
    )


def _test_outcome(results: RunResults, choice: Choice, data_dir: Path | None) -> dict[str, Any] | None:
    """The test subset's answer, where the network's weights are still there."""
    if Store(results.path).has_weights(choice.point["network_key"]):
        return read_test_subset(results, choice.point, data_dir)
    print(
        f"warning: weights of {choice.point['network_key']} were dropped when it left the run's front (see "
        "--keep-weights of explorer.search); the test subset is not read",
        file=sys.stderr,
    )
    return None


def _columns(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _weights(text: str) -> dict[str, float]:
    pairs = [part.partition("=") for part in text.split(",")]
    try:
        return {name.strip(): float(number) for name, _, number in pairs}
    except ValueError:
        raise argparse.ArgumentTypeError(f"must read COLUMN=NUMBER,..., got {text!r}") from None


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m explorer.pick", description=__doc__)
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder, or the name of a run under reports/")
    rule = 'such as "accuracy >= 0.95"; may be repeated'
    add("--where", action="append", default=[], metavar="RULE", help=rule)
    add("--relax", action="store_true", help="leave the run's own constraints out")
    add("--fully-trained", action="store_true", help="only networks trained for all their epochs")
    add("--objectives", type=_columns, default=[], metavar="A,B", help="span the front (default: the run's)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--minimize", metavar="COLUMN", help="the feasible point with the smallest value")
    how.add_argument("--maximize", metavar="COLUMN", help="the feasible point with the largest value")
    how.add_argument("--knee", action="store_true", help="the knee of the front (the default)")
    how.add_argument("--closest-to-ideal", action="store_true", help="nearest to best in every objective")
    weights = "smallest weighted sum of scaled objectives; 1 where no weight is given"
    how.add_argument("--weights", type=_weights, default={}, metavar="A=2,B=1", help=weights)
    how.add_argument("--id", metavar="POINT_ID", help="the point with this id")
    add("--edge", metavar="DEVICE", help="another edge device: a shipped profile or a YAML file")
    add("--server", metavar="DEVICE", help="another server")
    add("--link", metavar="LINK", help="another link")
    change = "another number, such as link.uplink_bits_per_s=250000; may be repeated"
    add("--set", action="append", default=[], metavar="ROLE.QUANTITY=N", help=change)
    add("--battery-wh", type=above_zero, metavar="WH", help="print how long such a battery lasts")
    add("--samples-per-day", type=above_zero, default=1000.0, metavar="N", help="for it (default: 1000)")
    add("--json", action="store_true", help="print pick.json instead of a table")
    add("--no-picture", action="store_true", help="do not draw the front")
    add("--data-dir", type=Path, metavar="DIR", help="where data files lie")
    add("--reports", type=Path, default=REPORTS, metavar="DIR", help="where runs are")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
