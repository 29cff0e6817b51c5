"""One run that is killed at random moments until it may end."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.endurance.clusters import Cluster
from benchmarks.endurance.forked import Ended
from benchmarks.endurance.searches import (
    ORPHANS_S,
    PATIENCE_S,
    Kept,
    Search,
    ended_within,
    read_trials,
    stored_networks,
)
from benchmarks.endurance.verdicts import READ, broken_promises, differences, failing_commands, same_result
from benchmarks.private_postgres import Server
from explorer.errors import EXIT_USER_ERROR

DEATH_S = 60.0  # until a search has noticed that its database is gone
AHEAD = 3  # trainings within which a kill falls


@dataclass(frozen=True)
class Part:
    """Searches of one kind.

    Attributes:
        name: Of the kind.
        victims: Who is killed, in turn; see :data:`STRIKES`.
        kills, quick_kills: How many in all.
        options: Of the search, beside its trials.
        space: What is searched.
        trials: Of a run.
        searches: Runs that share one study.
        repeatable: Whether the result has to be that of a run that nobody kills.
    """

    name: str
    victims: Sequence[str]
    kills: int
    quick_kills: int
    options: Sequence[str]
    space: dict[str, Any]
    trials: int
    searches: int = 1
    repeatable: bool = False


@dataclass(frozen=True)
class Life:
    """What a search takes that nobody kills, seconds: moments of kills are drawn from it.

    Attributes:
        start_s: Until it says what it searches.
        training_s: For each network.
        measuring_s: From its last training to its end.
    """

    start_s: float = 6.0
    training_s: float = 0.5
    measuring_s: float = 6.0


@dataclass
class Outside:
    """What searches use beside their own processes."""

    cluster: Cluster | None = None
    database: Server | None = None


@dataclass
class Found:
    """Counts, and what went wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, kind: str, what: Sequence[str], where: str) -> None:
        """Count problems of a kind."""
        self.counts[kind] += len(what)
        self.problems += [f"{where}: {kind}: {text}" for text in what]


class Round:
    """A run, or several of one study.

    Args:
        part: What is searched, and how.
        folder: For all files of the round.
        name: Of the run; several get a letter more.
        outside: What it uses.
        life: What moments are drawn from.
        rng: Draws them.
        found: Is told what happens.
    """

    def __init__(
        self,
        part: Part,
        folder: Path,
        name: str,
        outside: Outside,
        life: Life,
        rng: random.Random,
        found: Found,
    ) -> None:
        self.part, self.folder, self.outside, self.life, self.rng = part, folder, outside, life, rng
        self.found, self.name = found, name
        (folder / "space.yaml").write_text(yaml.safe_dump(part.space), encoding="utf-8")
        self.runs = [f"{name}{letter}" for letter in ("ab" if part.searches == 2 else [""])]
        if outside.database is not None:
            outside.database.create(name)
        self.searches: dict[str, Search] = {}
        self.kept: dict[str, Kept] = {}

    @property
    def storage(self) -> str:
        """URL of the database, if there is one."""
        return "" if self.outside.database is None else self.outside.database.url(self.name)

    def begin(self) -> None:
        """Start or go on with every run that is not being searched."""
        options = [*self.part.options, "--trials", str(self.part.trials)]
        if self.outside.cluster is not None:
            options += ["--scheduler", self.outside.cluster.address]
        for run in self.runs:
            if run not in self.searches or not self.searches[run].alive:
                shared = ["--study", self.name] if self.storage else []
                self.searches[run] = Search(self.folder, run, options + shared, self.storage)
                self.found.counts["starts"] += 1

    def strike(self, victim: str, phase: str) -> bool:
        """Kill once, at a moment that is drawn; False if the search ended before."""
        self.begin()
        search, share = self.searches[self.rng.choice(self.runs)], self.rng.random()
        if not self._moment_came(search, victim, phase, share):
            return False
        STRIKES[victim](self, search)
        self.found.counts[f"kills of {victim}, {phase}"] += 1
        self.found.counts["kills"] += 1
        return True

    def end(self, whole: Search | None) -> None:
        """Let all searches end, and hold what they give against what was asked, and against a whole run."""
        self.begin()
        for search in self.searches.values():
            deadline = time.monotonic() + PATIENCE_S
            while search.alive and time.monotonic() < deadline:
                time.sleep(0.05)
            code = search.process.poll()
            if code != 0:
                self._tell("ends", [f"exit code {code}: {search.printed[-600:]!r}"])
                search.kill()
            self._look_at(search, quietly=True)
        if not any(text.startswith(f"{self.part.name}: {self.name}: ends") for text in self.found.problems):
            for search in self.searches.values():
                self._hold(search, whole)
            self._tell("results", differences(list(self.searches.values())))

    def close(self) -> None:
        """End whatever is left."""
        for search in self.searches.values():
            search.left_after(0.0)

    def _tell(self, kind: str, what: Sequence[str]) -> None:
        self.found.add(kind, what, f"{self.part.name}: {self.name}")

    def _moment_came(self, search: Search, victim: str, phase: str, share: float) -> bool:
        if phase == "start":
            moment = search.began + share * self.life.start_s
            return search.wait_for(lambda: time.monotonic() > moment)
        if phase == "measuring":
            came = search.wait_for(lambda: search.measuring)
            time.sleep(share * self.life.measuring_s)
            return came and search.alive
        seen = set(search.versions)
        before = len(seen)

        def written() -> bool:
            seen.update(search.versions)
            return search.announced and len(seen) - before >= int(AHEAD * share)

        came = search.wait_for(written)
        if phase == "writing":
            came = came and search.wait_for(lambda: search.writing)
        else:
            time.sleep(AHEAD * share % 1 * self.life.training_s)
        if victim in ("worker", "child"):
            came = came and search.wait_for(lambda: self._of_role(search, victim))
        return came and search.alive

    def _of_role(self, search: Search, role: str) -> list[psutil.Process]:
        return (self.outside.cluster or search).processes(role)

    def _kill_parent(self, search: Search) -> None:
        search.kill()
        self._look_at(search)

    def _kill_below(self, search: Search, role: str) -> None:
        """One of its processes, which takes those below it along; the search goes on."""
        own = self._of_role(search, role)
        if not own:
            return
        one = self.rng.choice(own)
        below = one.children(recursive=True)
        one.kill()
        self._tell("orphans", ended_within(lambda: [own for own in below if _lives(own)], ORPHANS_S))

    def _kill_scheduler(self, search: Search) -> None:
        assert self.outside.cluster is not None
        self.outside.cluster.kill_scheduler()
        time.sleep(self.rng.random())
        self.outside.cluster.restart()

    def _kill_database(self, search: Search) -> None:
        """The searches end with one message, and go on when it is there again."""
        assert self.outside.database is not None
        self.outside.database.kill()
        deadline = time.monotonic() + DEATH_S
        while any(own.alive for own in self.searches.values()) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.outside.database.start()
        for own in self.searches.values():
            ended = Ended(("search",), own.process.poll() or 0, 0.0, 0, own.printed)
            if own.alive:
                self._tell("ends", [f"does not notice within {DEATH_S:.0f} s that its database is gone"])
                own.kill()
            elif ended.problem or ended.code not in (0, EXIT_USER_ERROR):
                self._tell("ends", [f"{ended.problem}: {own.printed[-600:]!r}"])
            self._look_at(own)

    def _look_at(self, search: Search, quietly: bool = False) -> None:
        """What a search that is gone has left; ``quietly``: commands are not tried on it."""
        self._tell("orphans", search.left_after(ORPHANS_S))
        if self.outside.cluster is not None:
            cluster = self.outside.cluster
            self._tell("orphans", ended_within(lambda: cluster.processes("child"), ORPHANS_S))
        now = Kept.now(search, self.storage)
        if (before := self.kept.get(search.run.name)) is not None:
            self._tell("lost", before.lost_in(now))
            if search.has_worked:
                self._tell("temporary", sorted(before.temporary & now.temporary))
        self.kept[search.run.name] = now
        if not quietly and (search.run / "run.json").exists():
            self._tell(
                "commands", failing_commands([self.rng.choice(list(READ))], search.run.name, self.folder)
            )

    def _hold(self, search: Search, whole: Search | None) -> None:
        """Hold the result of a run against what was asked, and against a run that nobody killed."""
        counts = self.found.counts
        counts["trials"] += len(read_trials(search.run))
        counts["networks"] += len(stored_networks(search.run))
        killed = sum(count for kind, count in counts.items() if kind.startswith("kills of child"))
        for kind, problems in broken_promises(search, self.folder, self.part.trials, killed):
            self._tell(kind, problems)
        if whole is not None and not same_result(search, whole):
            self._tell("results", ["differs from that of a run that nobody killed"])


STRIKES = {
    "parent": Round._kill_parent,
    "worker": lambda own, search: own._kill_below(search, "worker"),
    "child": lambda own, search: own._kill_below(search, "child"),
    "scheduler": Round._kill_scheduler,
    "database": Round._kill_database,
}


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
