"""What ``explorer search`` does and says, after its command line is parsed."""

import json
import re
import sys
from itertools import pairwise
from typing import Any, TextIO

import torch
from rich.console import Console

from explorer.data.balance import data_notes
from explorer.engine.progress import counter, make_reporter
from explorer.engine.storage.database import failures_explained
from explorer.errors import EXIT_ALL_FAILED, EXIT_INTERRUPTED, printable
from explorer.front.select import why_no_front
from explorer.runs.folder import resume_command
from explorer.runs.front_files import front_content
from explorer.runs.learned import Learned
from explorer.runs.record import RungResults
from explorer.runs.results import RunResults
from explorer.session.dry_run import inventory_content, print_data, print_inventory
from explorer.session.finish import finish
from explorer.session.options import Options
from explorer.session.prepare import Session, owning, prepare
from explorer.session.run import search
from explorer.space.fit import memory_limits
from explorer.space.texts import share_text
from explorer.utils.signals import ended_by_signals


def dry_run(options: Options, as_json: bool) -> int:
    """Say what a space contains, without training anything.

    Example:
        >>> dry_run(Options(space="digits"), as_json=False)
        data: digits, 1 x 8 x 8, 10 classes; 1,037 train, 400 validation, 360 test
        ...
        distinct networks: 624
        0
    """
    session = prepare(options)
    if as_json:
        print(json.dumps(inventory_content(session.inventory, session.data), indent=1, allow_nan=False))
        return 0
    print_data(session.data, Console(), session.record.quality.name)
    print_inventory(session.inventory, Console())
    for sentence in session.without_code:
        print(printable(sentence))
    return 0


def search_and_report(options: Options, as_json: bool) -> int:
    """Search, say how it goes, and write the report.

    Returns:
        The exit code: 0, 3 when no network could be trained, or 130 when interrupted.

    Example:
        >>> options = Options(space="digits", run="tiny", trials=2, workers=1, energy=False)
        >>> search_and_report(options, as_json=False)
        run reports/tiny: 2 trials of ... networks in digits on digits, sampler front ...
        ...
        report: reports/tiny/report.html
        0
    """
    torch.set_num_threads(options.threads)
    stream = sys.stderr if as_json else sys.stdout
    with ended_by_signals(), owning(options) as session:
        _announce(session, stream)
        try:
            results, interrupted = _searched(session, options, stream)
        except KeyboardInterrupt:  # before the first proposal, or while measuring
            print(_resume_hint(session), file=stream)
            raise
    _conclude(session, results, stream)
    if interrupted:
        print(_resume_hint(session), file=stream)
    if as_json:
        print(json.dumps(_content(results, interrupted), indent=1, allow_nan=False))
    if interrupted:
        return EXIT_INTERRUPTED
    return EXIT_ALL_FAILED if results.all_failed else 0


def _searched(session: Session, options: Options, stream: TextIO) -> tuple[RunResults, bool]:
    with make_reporter(stream) as reporter:
        study, interrupted = search(session, options, reporter)
    what = "measuring the parts on the front, one at a time, for at most a quarter of the search's time"
    with counter(stream, what) as show, failures_explained(session.storage):
        return finish(session, options, study, show), interrupted


def _content(results: RunResults, interrupted: bool) -> dict[str, Any]:
    """What came of a search, as plain data."""
    return front_content(results) | {
        "folder": str(results.path),
        "report": str(results.path / "report.html"),
        "counts": results.record.counts,
        "hypervolume": results.record.hypervolume,
        "failures": results.failures,
        "learned": results.record.learned and results.record.learned.model_dump(mode="json"),
        "interrupted": interrupted,
    }


def _announce(session: Session, stream: TextIO) -> None:
    record = session.record
    print(
        f"run {session.folder}: {record.trials_asked} trials of {session.inventory.num_networks:,} networks "
        f"in {record.space_name} on {printable(session.space.data.source)}, sampler {record.sampler} "
        f"({record.encoding} encoding), seed {record.seed}",
        file=stream,
        flush=True,
    )
    for mended in session.mended:
        print(printable(f"damaged: {mended}"), file=stream, flush=True)
    for variant in session.inventory.failures:
        print(printable(f"{variant.name} cannot be used: {variant.failure}"), file=stream, flush=True)
    for sentence in session.without_code:
        print(printable(sentence), file=stream, flush=True)
    for note in data_notes(session.data, record.quality.name):
        print(note, file=stream, flush=True)


def _conclude(session: Session, results: RunResults, stream: TextIO) -> None:
    lines = []
    if results.record.exhausted:
        lines.append(f"the space is exhausted: all its {session.inventory.num_networks} networks were tried")
    counts, front, search = results.record.counts, results.front, results.record.search
    lines.append(
        f"{counts['trials']} trials, {counts['trainings']} trainings, {counts['cached']} cached, "
        f"{counts['infeasible']} infeasible, {counts['failed']} failed; "
        f"{counts['operating_points']:,} operating points, {counts['front']} on the front"
    )
    if (rungs := results.record.rung_results).epochs[1:]:
        lines.append(_describe_rungs(rungs))
    if not front.empty and search is not None:
        quality, macs = front[results.quality_column], front["edge_macs"]
        name = results.quality_column.replace("_", " ")
        lines.append(
            f"front: {name} {share_text(quality.min())} .. {share_text(quality.max())}, "
            f"edge MACs {macs.min():,.0f} .. {macs.max():,.0f}; {search.seconds:.0f} s of search"
        )
    limits = memory_limits(results.record.setting.edge) if results.record.fits_device else ()
    if why := why_no_front(results.points, results.record.parsed_constraints, limits):
        paste = re.sub("--(relax|no-fit)", r"`explorer pick --\1`", why)
        lines.append(f"no front: {paste}")
    if (learned := results.record.learned) is not None:
        lines.append(_describe_learned(learned))
    for reason, count in results.failures.items():
        lines.append(printable(f"failed, {count} network{'s' * (count > 1)}: {reason}"))
    if results.all_failed:
        lines.append("no network could be trained")
    lines.append(f"report: {results.path / 'report.html'}")
    print("\n".join(lines), file=stream)


def _describe_learned(learned: Learned) -> str:
    """How well accuracies are predicted, over the networks of all backbones."""
    after = "" if learned.epochs is None else f" after {learned.epochs} epochs"
    first, *others = learned.backbones
    networks = ", ".join(
        [f"{first.backbone} {first.networks} networks", *(f"{b.backbone} {b.networks}" for b in others)]
    )
    return (
        f"accuracy{after} is predicted to {learned.error:.1f} points (guessing: {learned.guess_error:.1f}), "
        f"by networks left out; {networks}"
    )


def _resume_hint(session: Session) -> str:
    """What goes on with the run; it works when pasted."""
    return f"interrupted; go on with `{resume_command(session.folder)}`"


def _describe_rungs(rungs: RungResults) -> str:
    """How many networks reached each rung, and how well each rung foretold the next."""
    reached = ", ".join(
        f"{number} at {epochs}" for epochs, number in zip(rungs.epochs, rungs.networks, strict=True)
    )
    foretold = ", ".join(
        f"{low} to {high}: {'too few networks' if rho is None else f'{rho:.2f}'}"
        for (low, high), rho in zip(pairwise(rungs.epochs), rungs.rank_correlation, strict=True)
    )
    return f"networks by epochs: {reached}; rank correlation between rungs: {foretold}"
