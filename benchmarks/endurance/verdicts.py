"""What is held against a run once its search has ended: what was asked, and runs that nobody killed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.endurance.forked import run_forked
from benchmarks.endurance.searches import Search, proposals, read_trials, stored_networks
from explorer.runs.point_table import FRONT_COLUMNS

READ = {"pick": ["pick", "--no-picture"], "report": ["report"]}  # commands that read a run


def broken_promises(
    search: Search, folder: Path, trials_asked: int, killed: int
) -> Iterator[tuple[str, list[str]]]:
    """What is wrong with a run, by kind.

    Args:
        search: Which has ended.
        folder: Where commands are run.
        trials_asked: How many it had to tell.
        killed: Children that were killed: so many trials may have failed.
    """
    trials, stored = read_trials(search.run), stored_networks(search.run)
    numbers = [trial["number"] for trial in trials]
    if numbers != list(range(trials_asked)):
        yield "trials", [f"asked for {trials_asked}, got {numbers}"]
    trained = Counter(trial["network_key"] for trial in trials if trial["outcome"] == "trained")
    yield "lost", [f"{key} was trained {count} times" for key, count in trained.items() if count > 1]
    proposed = {trial["network_key"] for trial in trials if trial["outcome"] in ("trained", "cached")}
    yield "lost", [f"{key} is not stored" for key in sorted(proposed - set(stored))]
    failed = sum(trial["outcome"] == "failed" for trial in trials)
    if failed > killed:
        yield "ends", [f"{failed} failed trials of {killed} killed children"]
    yield "commands", failing_commands(list(READ), search.run.name, folder, codes=(0,))
    yield "temporary", sorted(search.left_files)
    hidden = (*search.run.glob(".*"), *search.run.glob("networks/.*"), *search.run.glob("*.lock"))
    yield "temporary", [str(path.relative_to(search.run)) for path in hidden]


def failing_commands(
    names: Sequence[str], run: str, folder: Path, codes: Sequence[int] = (0, 2)
) -> list[str]:
    """What goes wrong when a run is read."""
    lines = [READ[name] + [run] for name in names]
    return [
        f"{one.arguments}: {one.problem or one.code}: {one.printed[-400:]!r}"
        for one in run_forked(lines, folder, 1)
        if one.problem or one.code not in codes
    ]


def same_result(search: Search, whole: Search) -> bool:
    """Whether a run proposed what another did, and has its front."""
    return proposals(search.run) == proposals(whole.run) and _front(search).equals(_front(whole))


def differences(searches: Sequence[Search]) -> list[str]:
    """How run folders of one study differ: in nothing, seconds of trainings included: each was done once."""
    one, *others = searches
    found: list[str] = []
    for other in others:
        files, theirs = _files(one.run / "networks"), _files(other.run / "networks")
        names = [name for name in sorted(files | theirs) if files.get(name) != theirs.get(name)]
        found += [f"{name} differs between the run folders" for name in names]
        if not _front(one).equals(_front(other)):
            found.append("the fronts differ")
    return found


def _front(search: Search) -> pd.DataFrame:
    """All of the front that is not measured on the host."""
    front = pd.read_csv(search.run / "front.csv")
    return front[[column for column in FRONT_COLUMNS if "_host_" not in column]]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
