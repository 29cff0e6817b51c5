"""Searches as the campaign of kills sees them: their processes, their temporary files, what they have kept.

Everything that a search starts inherits a mark in its environment, so that no process is missed when its
parent is gone; its temporary folder is one of its own, so that nothing in it is another's.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from sqlalchemy import NullPool, create_engine, inspect, text

import explorer
from explorer.engine.storage.database import STORAGE_VARIABLE
from explorer.runs.summaries import read_rows

MARK = "EXPLORER_CAMPAIGN"
ORPHANS_S = 5.0
LOOK_S = 0.002
PATIENCE_S = 600.0  # for anything to happen; others may use the machine, too
Networks = dict[str, tuple[int, int]]
CACHES = re.compile(r"torchinductor_.*|\.ses")
_TOLD = "SELECT number, datetime_complete FROM trials WHERE state IN ('COMPLETE', 'PRUNED', 'FAIL')"
# where words of a command line tell what a process is for
ROLES = {"child": "explorer.engine.pool.child", "worker": "multiprocessing.spawn"}


class Marked:
    """A command in a process of its own, and all processes that it starts.

    Args:
        line: Of the command, after ``python -m``.
        folder: It runs there, and writes what it says into a file there.
        name: Of that file.
        temporary: Its temporary folder.
        variables: Of its environment.
    """

    def __init__(
        self,
        line: Sequence[str],
        folder: Path,
        name: str,
        temporary: Path,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.mark, self.log = uuid.uuid4().hex, folder / f"{name}.log"
        root = str(Path(explorer.__file__).parent.parent)
        own = {MARK: self.mark, "TMPDIR": str(temporary), "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
        with self.log.open("wb") as out:
            whole, environment = [sys.executable, "-m", *line], os.environ | own | dict(variables or {})
            self.process = subprocess.Popen(whole, cwd=folder, env=environment, stdout=out, stderr=out)
        self.began = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether the command runs."""
        return self.process.poll() is None

    @property
    def printed(self) -> str:
        """What it has said so far."""
        return self.log.read_text("utf-8", errors="replace")

    def processes(self, role: str = "") -> list[psutil.Process]:
        """What lives of it; of one role only, where one is named."""
        found = [process for process in psutil.process_iter() if _mark_of(process) == self.mark]
        return [process for process in found if ROLES.get(role, "") in " ".join(_words(process))]

    def left_after(self, seconds: float) -> list[str]:
        """What lives of it after so many seconds at most; that is ended then."""
        return ended_within(self.processes, seconds)

    def kill(self) -> None:
        """Kill the command alone."""
        self.process.kill()
        self.process.wait()


class Search(Marked):
    """A search of a run: the first one begins it, later ones go on with it.

    Args:
        folder: Holds ``space.yaml``, run folders and temporary files.
        run: Name of the run.
        options: Of the search.
        storage: URL of its database; empty where it has its own.
    """

    def __init__(self, folder: Path, run: str, options: Sequence[str], storage: str = "") -> None:
        self.run = folder / "reports" / run
        self.temporary = folder / f"tmp-{run}"
        self.temporary.mkdir(exist_ok=True)
        how = ["--resume"] if (self.run / "run.json").exists() else ["--space", "space.yaml"]
        line = ["explorer.search", *how, "--run", run, "--no-energy", *options]
        variables = {STORAGE_VARIABLE: storage} if storage else {}
        self._begun_with = self.versions
        super().__init__(line, folder, run, self.temporary, variables)

    @property
    def announced(self) -> bool:
        """Whether it has said what it searches."""
        return f"run reports/{self.run.name}: " in self.printed

    @property
    def measuring(self) -> bool:
        """Whether all its trainings are over."""
        return "measuring the parts on the front" in self.printed

    @property
    def has_worked(self) -> bool:
        """Whether its trainings have begun: what the searches before it have left is removed by then."""
        return self.measuring or self.versions != self._begun_with

    @property
    def writing(self) -> bool:
        """Whether it writes a network just now."""
        networks = self.run / "networks"
        return networks.is_dir() and any(name.startswith(".") for name in os.listdir(networks))

    @property
    def left_files(self) -> frozenset[str]:
        """What lies in the temporary folder, but for what libraries keep there for all processes."""
        names = (path.name for path in self.temporary.iterdir())
        return frozenset(name for name in names if not CACHES.fullmatch(name))

    @property
    def versions(self) -> set[tuple[str, int]]:
        """Networks as they are stored now, each as far as it is trained."""
        networks = self.run / "networks"
        try:
            return {(path.name, path.stat().st_mtime_ns) for path in networks.glob("[!.]*")}
        except FileNotFoundError:  # one is just being replaced
            return set()

    def wait_for(self, condition: Callable[[], object]) -> bool:
        """Wait until something is the case; False if the search ends before."""
        deadline = time.monotonic() + PATIENCE_S
        while self.alive and time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(LOOK_S)
        return False


@dataclass(frozen=True)
class Kept:
    """What a run has kept at some moment, and whatever else lies about.

    Attributes:
        networks: See :func:`stored_networks`.
        told: Trials that were told: when, by their number.
        temporary: Names in the temporary folder.
    """

    networks: Networks
    told: Mapping[int, str]
    temporary: frozenset[str]

    @classmethod
    def now(cls, search: Search, storage: str) -> "Kept":
        """What it has now; nothing writes to it."""
        return cls(stored_networks(search.run), told_trials(search.run, storage), search.left_files)

    def lost_in(self, later: "Kept") -> list[str]:
        """What is gone later, or was done once more."""
        again = [f"trial {number} was lost or told again" for number in self.told if number not in later.told]
        again += [
            f"trial {number} was told again"
            for number, moment in self.told.items()
            if later.told.get(number, moment) != moment
        ]
        return written_again(self.networks, later.networks) + again


def stored_networks(run: Path) -> Networks:
    """Epochs of each stored network, and when it was written in ns; rewriting one would change that.

    One that was taken away by a writer who was killed before its successor was in its place counts, too.
    """
    found = {}
    for file in sorted(run.glob("networks/*/network.json")):  # those that were taken away come first
        name = file.parent.name.removeprefix(".replaced-")
        if not name.startswith("."):
            content = json.loads(file.read_text())
            found[name] = (content["training"]["epochs"], file.stat().st_mtime_ns)
    return found


def written_again(before: Networks, after: Networks) -> list[str]:
    """Networks that were lost or trained anew; training further is no repetition."""
    return [
        f"{key} was lost or written again"
        for key, (epochs, moment) in before.items()
        if key not in after or (after[key][0] == epochs and after[key][1] != moment)
    ]


def told_trials(run: Path, storage: str) -> dict[int, str]:
    """When each finished trial was told, by its number; ``storage`` is empty where the run has its own."""
    with TemporaryDirectory() as copied:  # reading what SQLite was writing to may write, too
        for file in run.glob("study.db*"):
            shutil.copy(file, copied)
        engine = create_engine(storage or f"sqlite:///{copied}/study.db", poolclass=NullPool)
        with engine.connect() as connection:
            if not inspect(connection).has_table("trials"):  # it was killed before it made them
                return {}
            return {row.number: str(row.datetime_complete) for row in connection.execute(text(_TOLD))}


def read_trials(run: Path) -> list[dict[str, Any]]:
    """The trials as the run's own table has them."""
    return read_rows(run / "trials.json")


def proposals(run: Path) -> list[object]:
    """What was proposed and answered, in order."""
    return [(trial["number"], trial["params"], trial["values"]) for trial in read_trials(run)]


def ended_within(living: Callable[[], Sequence[psutil.Process]], seconds: float) -> list[str]:
    """Command lines of processes that still live after so many seconds; they are killed then."""
    deadline = time.monotonic() + seconds
    while (found := living()) and time.monotonic() < deadline:
        time.sleep(10 * LOOK_S)
    told = []
    for process in found:
        told.append(" ".join(_words(process))[:200])
        with suppress(psutil.NoSuchProcess):
            process.kill()
    return told


def _mark_of(process: psutil.Process) -> str | None:
    try:
        living = process.status() != psutil.STATUS_ZOMBIE
        return process.environ().get(MARK) if living else None
    except psutil.Error:
        return None


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
