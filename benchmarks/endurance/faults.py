"""Faults of what surrounds a search: it says so in one sentence, and nothing that was computed is lost.

A disk that is full at one of 20 sizes, a read-only folder, 64 file descriptors, little memory, a study that
another process writes to, a folder that vanishes, a clock that jumps. Then the fault is lifted and the search
goes on: it must end with the very proposals of a search without fault, each network trained once. Where
memory is refused, libraries may end the process, as the counts show; what was computed must be there even
then. A network that found no memory there failed alone: it stays failed, and what was proposed after it may
differ. Last, networks that fail at every stage of their making, in every kind of search: they fail alone.
"""

import argparse
import os
import re
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.endurance import stages
from benchmarks.endurance.cases import NEW, PARTS, SEARCH, Case
from benchmarks.endurance.forked import CRASHED, Ended, run_forked
from benchmarks.endurance.fuzz import SMALL, counted
from benchmarks.endurance.searches import proposals, read_trials, stored_networks, written_again
from benchmarks.endurance.surroundings import without_export
from explorer.errors import UserError
from explorer.utils.arguments import whole_number
from explorer.utils.signals import ended_by_signals

DEATHS = (signal.SIGABRT, signal.SIGSEGV)  # of libraries that do not look whether they got their memory
UNSAID = "SystemError: "  # of such libraries, too
NOTHING_TRAINED = 3  # exit code
ABOUT = "full disks, little memory, locked studies, folders that vanish, networks that fail"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the campaign."""
    add = parser.add_argument
    add("--jobs", type=whole_number(1), default=os.cpu_count() or 1, metavar="N", help="commands at a time")
    add("--only", choices=[*PARTS, "networks"], help="one part of the campaign")


def run(parsed: argparse.Namespace) -> dict[str, Any]:
    """Let things go wrong, and count; returns counts by part and what was not as it should be."""
    found: dict[str, Any] = {"seed": parsed.seed, "quick": parsed.quick, "parts": {}, "problems": []}
    wanted = [parsed.only] if parsed.only else [*PARTS, "networks"]
    with ended_by_signals(), tempfile.TemporaryDirectory(prefix="faults-") as name:  # disks are given back
        folder = Path(name)
        whole = _searched(folder)
        for part in wanted:
            (folder / part).mkdir()
            if part == "networks":
                ended, problems = stages.run(folder / part, parsed.quick, parsed.jobs)
            else:
                with PARTS[part](folder / part, whole, parsed.quick) as cases:
                    ended, problems = endured(cases, folder, whole, parsed.jobs)
            found["parts"][part] = counted(ended)
            found["problems"] += [f"{part}: {problem}" for problem in problems]
            print(f"{part}: {found['parts'][part]}", flush=True)
    return found


def endured(cases: Sequence[Case], folder: Path, whole: Path, jobs: int) -> tuple[list[Ended], list[str]]:
    """Run commands under their faults, lift those, and go on; how they ended, and what was wrong."""
    by_command = {tuple(case.command): case for case in cases}
    ended, before, problems = list[Ended](), {}, list[str]()

    def prepare(line: Sequence[str]) -> None:
        without_export()
        by_command[tuple(line)].fault()

    for one in run_forked([*by_command], folder, jobs, prepare):
        case = by_command[one.arguments]
        print(f"{case.name}: exit code {one.code}, {one.message[:150]}", flush=True)
        ended.append(one)
        problems += [f"{case.name}: {problem}" for problem in told(case, one)]
        case.lift()
        before[case] = {} if case.lost else stored_networks(case.run)
    lifted = {tuple(goes_on(case)): case for case in cases}
    for again in run_forked([*lifted], folder, jobs, lambda _: without_export()):
        case = lifted[again.arguments]
        alike = alike_until(case)
        may_end = (0, NOTHING_TRAINED) if alike == 0 else (0,)
        wrong = [again.problem] if again.problem else []
        wrong += [] if again.code in may_end else [f"exit code {again.code}"]
        wrong += written_again(before[case], stored_networks(case.run))
        if not wrong and proposals(case.run)[:alike] != proposals(whole)[:alike]:
            wrong.append("other proposals than without the fault")
        problems += [f"{case.name}, lifted: {problem}: {again.message[:300]}" for problem in wrong]
    return ended, problems


def alike_until(case: Case) -> int | None:
    """The proposals that must be those of a search without fault; None: all of them."""
    trials = read_trials(case.run) if case.may_die and (case.run / "trials.json").exists() else []
    return next((trial["number"] for trial in trials if trial["outcome"] == "failed"), None)


def told(case: Case, one: Ended) -> list[str]:
    """What is wrong with how a command under a fault ended."""
    if case.may_die and (-one.code in DEATHS or (one.code == CRASHED and UNSAID in one.printed)):
        return []
    if one.problem:
        return [f"{one.problem}: {one.printed[-600:] if 'traceback' in one.problem else one.message[:300]}"]
    named = one.code != 2 or re.search(case.says, one.message)
    return [] if named else [f"does not say {case.says!r}: {one.message[:300]}"]


def goes_on(case: Case) -> list[str]:
    """The search that goes on with a run, or begins it."""
    known = (case.run / "run.json").exists()
    return [*SEARCH, *(["--resume"] if known else ["--space", "small.yaml"]), "--reports", str(case.reports)]


def _searched(folder: Path) -> Path:
    """The search without fault that all others are held against."""
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    (done,) = run_forked([NEW], folder, 1, lambda _: without_export())
    if done.code:
        raise UserError(f"the search that the campaign begins with ended with {done.code}: {done.message}")
    return folder / "reports" / "run"
