"""``python -m explorer.pick RUN``: choose one operating point, say why, and write what is known of it."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import UserError, run_command
from explorer.runs.folder import REPORTS, find_run
from explorer.utils.arguments import above_zero, add_data_options, make_parser
from explorer.utils.garbage import rarely_collected

if TYPE_CHECKING:
    from rich.console import Console

    from explorer.devices import Deadline
    from explorer.front.select import Pick, Selection
    from explorer.runs.results import RunResults

EXAMPLES = """examples:
  explorer pick RUN --knee
  explorer pick RUN --where "accuracy >= 0.95" --where "edge_memory_bytes <= 64 KiB" --minimize payload_bytes
  explorer pick RUN --assured --where "accuracy >= 0.95" --minimize edge_macs
  explorer pick RUN --link lorawan_sf7 --set link.rtt_s=0.5 --objectives accuracy,latency_model_s
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Choose, print and write ``pick.json``."""
    return run(make_parser("explorer.pick", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Choose as parsed arguments say."""
    folder = find_run(parsed.run, parsed.reports)
    with rarely_collected():
        return _pick(folder, parsed)


def _pick(folder: Path, parsed: argparse.Namespace) -> int:
    from explorer.runs.deployment import deployment
    from explorer.utils.files import write_json

    results, pick = picked(folder, parsed)
    test = None if parsed.no_test else _test_outcome(results, pick, parsed)
    content = deployment(results, pick, test)
    path = results.path / "pick.json"
    write_json(path, content)
    if parsed.json:
        print(json.dumps(content, indent=1, allow_nan=False))
    else:
        _show(results, pick, content, parsed)
        print(f"written: {path}")
        print(f"next: {_deploy_command(pick, parsed)}")
    for warning in test["warnings"] if test else ():
        print(f"WARNING: {warning}", file=sys.stderr)
    return 0


def picked(folder: Path, parsed: argparse.Namespace) -> tuple["RunResults", "Pick"]:
    """The run in the setting that is asked for, and the point that was chosen there."""
    from explorer.runs.results import load_run

    results = load_run(folder)
    if results.all_failed:
        reasons = "; ".join(f"{reason} ({count})" for reason, count in results.failures.items())
        raise UserError(f"{results.path}: no network of this run could be trained: {reasons}")
    roles = parsed.edge, parsed.server, parsed.link, parsed.protocol
    deadline = deadline_of(parsed)
    others = results.setting.with_profiles(*roles, deadline.seconds if deadline else None)
    changed = others.with_changes(parsed.set)
    if changed != results.setting:
        results = results.with_setting(changed)
    return results, results.select(selection_of(parsed))


def _show(results: "RunResults", pick: "Pick", content: dict[str, Any], parsed: argparse.Namespace) -> None:
    """Print the choice, its neighbours and the front."""
    from rich.console import Console

    from explorer.costs.battery import BatteryUse, battery_text
    from explorer.data.balance import is_warning
    from explorer.devices import CELLS
    from explorer.front.classes import print_classes
    from explorer.front.terminal import print_front, print_neighbours, print_pick
    from explorer.space.fit import misfit

    console = Console()
    others = [other for _, other in pick.neighbours.iterrows()]
    names = [results.name_of(other) for other in others]
    chances = [results.compare(pick.point, other).p_value for other in others]
    test, data = content["test"], results.record.data
    console.print(results.name_of(pick.point), style="bold", markup=False, highlight=False)
    print_pick(pick, test, console)
    console.print(f"setting: {results.setting.text}", markup=False, highlight=False)
    if parsed.set:
        console.print(f"changed: {', '.join(parsed.set)}", markup=False, highlight=False)
    print_neighbours(pick, names, chances, console)
    if unfit := misfit(pick.point.to_dict(), results.setting.edge):
        console.print(f"{results.setting.edge.name}: {unfit}", markup=False, highlight=False)
    subsets = {"validation": content["validation"]} | ({"test": test["by_class"]} if test else {})
    print_classes(subsets, data.class_names or [str(label) for label in range(data.num_classes)], console)
    for note in filter(is_warning, results.record.notes):
        console.print(note, markup=False, highlight=False)
    print(f"latency is modelled from: {results.setting.latency_basis}")
    if parsed.battery_wh is not None:
        asked = {"battery_wh": parsed.battery_wh, "samples_per_day": parsed.samples_per_day}
        use = BatteryUse(**asked, cell=CELLS[parsed.cell])
        print(battery_text(pick.point.to_dict(), results.setting, use))
    if parsed.front:
        _list_front(results, pick, console)
    if not parsed.no_picture:
        print_front(pick, console)


def _list_front(results: "RunResults", pick: "Pick", console: "Console") -> None:
    """Print the front, one row for each network, cut and bits."""
    from explorer.front.listing import print_groups
    from explorer.runs.answers import grouped_front

    names = [results.name_of(point) for _, point in pick.front.iterrows()]
    print_groups(pick.front, grouped_front(results, pick), names, pick.objectives, console)


def _deploy_command(pick: "Pick", parsed: argparse.Namespace) -> str:
    """What builds the two halves of a point; it works when pasted."""
    words = ["explorer", "deploy", parsed.run, "--point", str(pick.point["point_id"]), "--out", "bundle"]
    if pick.run_point.edge_weight_bits == 8:
        words += ["--c-code", "int8"]
    if parsed.reports != REPORTS:
        words += ["--reports", str(parsed.reports)]
    if parsed.data_dir is not None:
        words += ["--data-dir", str(parsed.data_dir)]
    if parsed.max_data_bytes is not None:
        words += ["--max-data-bytes", str(parsed.max_data_bytes)]
    return shlex.join(words)


def deadline_of(parsed: argparse.Namespace) -> "Deadline | None":
    """The deadline of the command line."""
    from explorer.devices import Deadline

    return None if parsed.deadline is None else Deadline.parse(parsed.deadline, "--deadline")


def selection_of(parsed: argparse.Namespace) -> "Selection":
    """What the command line asks of the point."""
    from explorer.front.select import Selection

    for direction in ("minimize", "maximize"):
        _check_direction(direction, getattr(parsed, direction))
    deadline = deadline_of(parsed)
    return Selection(
        where=parsed.where + (deadline.rules if deadline else []),
        relax=parsed.relax,
        fit=parsed.fit,
        assured=parsed.assured,
        indifferent=parsed.indifferent,
        fully_trained=parsed.fully_trained,
        objectives=parsed.objectives,
        ideal=parsed.closest_to_ideal,
        weights=parsed.weights,
        minimize=parsed.minimize,
        maximize=parsed.maximize,
        point_id=parsed.id,
    )


def _check_direction(direction: str, column: str | None) -> None:
    """Ask back where the worst point was asked for, which is most likely a slip; Python takes it as it is."""
    from explorer.space.metrics import ALL_METRICS

    if column in ALL_METRICS and (right := ALL_METRICS[column].direction) != direction:
        better = "larger" if right == "maximize" else "smaller"
        raise UserError(f"--{direction} {column}: the {better} the better; did you mean --{right} {column}?")


def _test_outcome(results: "RunResults", pick: "Pick", parsed: argparse.Namespace) -> dict[str, Any] | None:
    """The test subset's answer, where the network's weights are still there."""
    from explorer.runs.deployment import load_run_data
    from explorer.runs.held_out import read_test_subset
    from explorer.runs.store import Store

    key = pick.network_key
    if Store(results.path).has_weights(key):
        data = load_run_data(results, parsed.data_dir, parsed.max_data_bytes)
        return read_test_subset(results, pick, data)
    print(
        f"warning: weights of {key} were dropped when it left the run's front (see "
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer pick``."""
    add_selection(parser)
    add = parser.add_argument
    add("--battery-wh", type=above_zero, metavar="WH", help="print how long such a battery lasts")
    add("--samples-per-day", type=above_zero, default=1000.0, metavar="N", help="for it (default: 1000)")
    kinds = "its kind, for self-discharge and shelf life: li-ion (default), li-mno2, li-socl2"
    add("--cell", choices=("li-ion", "li-mno2", "li-socl2"), default="li-ion", help=kinds)
    add("--json", action="store_true", help="print pick.json instead of a table")
    add("--no-test", action="store_true", help="do not read the test subset; every read is counted")
    add("--front", action="store_true", help="list the front, one row for each network, cut and payload bits")
    add("--no-picture", action="store_true", help="do not draw the front")


def add_selection(parser: argparse.ArgumentParser) -> None:
    """What names a run, a setting and one of the run's points."""
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder, or the name of a run under reports/")
    rule = 'such as "accuracy >= 0.95"; may be repeated'
    add("--where", action="append", default=[], metavar="RULE", help=rule)
    add("--relax", action="store_true", help="leave the constraints of the run's space out")
    fits = "whether points must fit the memory of the edge device (default: as the run's space says)"
    add("--fit", action=argparse.BooleanOptionalAction, default=None, help=fits)
    kept = "ask the lower end of its interval for every accuracy that is asked for"
    add("--assured", action="store_true", help=kept)
    alike = "the cheapest point of the front instead whose accuracy does not differ from the chosen one's"
    add("--indifferent", action="store_true", help=alike)
    add("--fully-trained", action="store_true", help="only networks trained for all their epochs")
    add("--objectives", type=_columns, default=[], metavar="A,B", help="span the front (default: the run's)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--minimize", metavar="COLUMN", help="the feasible point with the smallest value")
    how.add_argument("--maximize", metavar="COLUMN", help="the feasible point with the largest value")
    how.add_argument("--knee", action="store_true", help="the knee of the front (the default)")
    how.add_argument("--closest-to-ideal", action="store_true", help="nearest to best in every objective")
    weights = "smallest weighted sum of scaled objectives; 1 where no weight is given"
    how.add_argument("--weights", type=_weights, default={}, metavar="A=2,B=1", help=weights)
    how.add_argument("--id", "--point", metavar="POINT_ID", help="the point with this id")
    add("--edge", metavar="DEVICE", help="another edge device: a shipped profile or a YAML file")
    add("--server", metavar="DEVICE", help="another server")
    add("--link", metavar="LINK", help="another link")
    carried = "other messages that carry payloads: http, frame, or none for the payload alone"
    add("--protocol", metavar="PROTOCOL", help=carried)
    in_time = 'such as "0.1 s for 95 %%", or "0.1 s" to count late samples only'
    add("--deadline", metavar="TIME", help=in_time)
    change = "another number, such as link.uplink_bits_per_s=250000; may be repeated"
    add("--set", action="append", default=[], metavar="ROLE.QUANTITY=N", help=change)
    add_data_options(parser)
    add("--reports", type=Path, default=REPORTS, metavar="DIR", help="where runs are")


if __name__ == "__main__":
    sys.exit(run_command(main))
