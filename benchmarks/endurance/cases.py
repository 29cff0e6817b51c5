"""Commands under faults of what surrounds them, fault by fault."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.endurance import surroundings as around

SEARCH = ["search", "--trials", "6", "--workers", "1", "--no-energy", "--run", "run"]
NEW = [*SEARCH, "--space", "small.yaml"]
SIZES, QUICK_SIZES = 20, 4
LEAST_BYTES = 8192  # a record needs no more
MEMORY_MIB, QUICK_MEMORY_MIB = (16, 32, 64, 96, 128, 192, 256, 384, 512, 1024), (32, 256)
LONG_S, SHORT_S = 20.0, 2.0  # SQLite waits for five seconds
DAY_S = 86_400.0
COMMANDS = ("pick", "report", "resume")  # on a whole run


def nothing() -> None:
    """No fault."""


@dataclass(frozen=True, eq=False)
class Case:
    """A command under a fault.

    Attributes:
        name: Of the fault.
        reports: Folder of reports, of its own.
        line: The command, without ``--reports``.
        fault: Happens in the fork, before the command.
        lift: Undoes it.
        says: What the message must hold where the command ends with exit code 2.
        lost: Whether the fault takes away what was computed.
        may_die: Whether a library may end the process: some do where memory is refused to them.
    """

    name: str
    reports: Path
    line: Sequence[str]
    fault: Callable[[], None] = nothing
    lift: Callable[[], None] = nothing
    says: str = r"run"
    lost: bool = False
    may_die: bool = False

    @property
    def run(self) -> Path:
        return self.reports / "run"

    @property
    def command(self) -> list[str]:
        return [*self.line, "--reports", str(self.reports)]


def of_a_run(whole: Path, reports: Path, command: str) -> list[str]:
    """A command on a copy of the whole run."""
    shutil.copytree(whole, reports / "run")
    lines = {
        "pick": ["pick", "run", "--no-picture"],
        "report": ["report", "run"],
        "resume": [*SEARCH, "--resume"],
    }
    return lines[command]


def full_disks(folder: Path, whole: Path, quick: bool) -> "Cases":
    """Searches on disks of sizes up to that of the whole run, by equal ratios; commands on full ones."""
    count, needed = QUICK_SIZES if quick else SIZES, around.size_on_disk(whole)
    sizes = [int(LEAST_BYTES * (needed / LEAST_BYTES) ** (step / (count - 1))) for step in range(count)]
    return _on_disks(folder, whole, sizes, [needed] * len(COMMANDS), seal=False)


def read_only(folder: Path, whole: Path, quick: bool) -> "Cases":
    """Nothing may be written from the beginning."""
    return _on_disks(folder, whole, [around.GROWN_BYTES], [around.GROWN_BYTES] * len(COMMANDS), seal=True)


@contextmanager
def _on_disks(folder: Path, whole: Path, new: list[int], used: list[int], seal: bool) -> Iterator[list[Case]]:
    with around.disks(folder, [*new, *used]) as disks:
        cases = [
            Case(f"{disk.size:,} bytes", disk.folder, NEW, disk.limit, disk.grow, says=str(folder))
            for disk in disks[: len(new)]
        ]
        for command, disk in zip(COMMANDS, disks[len(new) :], strict=True):
            line = of_a_run(whole, disk.folder, command)
            cases.append(Case(command, disk.folder, line, disk.limit, disk.grow, says=str(folder)))
        if seal:
            for disk in disks:
                disk.seal()
        yield cases


def descriptors(folder: Path, whole: Path, quick: bool) -> "Cases":
    """64 file descriptors."""
    fault = around.few_descriptors
    cases = [Case("a search", folder / "new", NEW, fault)]
    cases += [_of_a_run(folder, whole, command, fault) for command in COMMANDS]
    if not quick:
        two = [word if word != "1" else "2" for word in NEW]
        cases.append(Case("two workers", folder / "two", two, fault))
        cases.append(Case("live", folder / "live", [*NEW, "--live", "1"], fault))
    return nullcontext(cases)


def memory(folder: Path, whole: Path, quick: bool) -> "Cases":
    """Address space that is nearly used up."""
    sizes = QUICK_MEMORY_MIB if quick else MEMORY_MIB
    cases = [
        Case(f"{size} MiB", folder / f"{size}", NEW, around.little_memory(size * 2**20)) for size in sizes
    ]
    fault = around.little_memory(64 * 2**20)
    cases += [_of_a_run(folder, whole, command, fault) for command in COMMANDS]
    return nullcontext([replace(case, says="memory", may_die=True) for case in cases])


def locked(folder: Path, whole: Path, quick: bool) -> "Cases":
    """Another process writes to the study."""
    acts = {f"for {seconds:g} s": around.lock_database(seconds) for seconds in (SHORT_S, LONG_S)}
    cases = _in_the_midst(folder, acts, says=r"study\.db.*locked")
    resumed = _of_a_run(folder, whole, "resume", nothing, says=r"study\.db.*locked")
    lock = partial(around.lock_database(LONG_S), resumed.run)
    return nullcontext([*cases, replace(resumed, fault=lock)])


def vanished(folder: Path, whole: Path, quick: bool) -> "Cases":
    """The run folder, or something in it, is gone in the midst of the search."""
    away = Case("away", folder / "away", NEW, around.in_the_midst(around.move_away))
    cases = [replace(away, lift=partial(around.move_back, away.run))]
    acts = {f"{name or 'all'} removed": around.remove(name) for name in ("", "networks", "study.db")}
    return nullcontext([*cases, *_in_the_midst(folder, acts, lost=True)])


def clocks(folder: Path, whole: Path, quick: bool) -> "Cases":
    """Wall-clock time jumps."""
    jumps = {"an hour back": -DAY_S / 24, "ten years on": 3650 * DAY_S, "ten years back": -3650 * DAY_S}
    return nullcontext(_in_the_midst(folder, {n: around.jump_clock(s) for n, s in jumps.items()}))


def _in_the_midst(
    folder: Path, acts: Mapping[str, Callable[[Path], None]], says: str = "run", lost: bool = False
) -> list[Case]:
    return [
        Case(name, folder / name.replace(" ", "-"), NEW, around.in_the_midst(act), says=says, lost=lost)
        for name, act in acts.items()
    ]


def _of_a_run(folder: Path, whole: Path, command: str, fault: around.Fault, says: str = "run") -> Case:
    reports = folder / command
    return Case(command, reports, of_a_run(whole, reports, command), fault, says=says)


Cases = AbstractContextManager[Sequence[Case]]
PARTS: dict[str, Callable[[Path, Path, bool], Cases]] = {
    "disk full": full_disks,
    "read-only": read_only,
    "descriptors": descriptors,
    "memory": memory,
    "locked": locked,
    "vanished": vanished,
    "clock": clocks,
}
