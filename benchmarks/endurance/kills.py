"""Searches, and servers of deployed networks, that are killed at random moments of their work.

Killed are the search itself, its workers, their child processes, the scheduler of a cluster and the database
of a study; the last two are started again. Searches go on, or are gone on with. In the end nothing that was
trained is lost or trained again, there are exactly the trials asked for, no process and no temporary file is
left, and with one worker the result is that of a search that nobody killed. Then the server of a deployed
network is killed, stopped and restarted while an edge streams: every sample is answered, once and truly.
"""

import argparse
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.endurance.clusters import Cluster
from benchmarks.endurance.fuzz import SMALL
from benchmarks.endurance.rounds import Found, Life, Outside, Part, Round
from benchmarks.endurance.searches import Search
from benchmarks.endurance.streams import STREAM, stream
from benchmarks.private_postgres import MissingPostgresError, running_server
from explorer.errors import UserError
from explorer.utils.arguments import whole_number

ABOUT = "searches and servers that are killed at random moments"
PHASES = ("training", "writing", "start", "measuring")
ROUND = 6  # kills of one run
_RECIPE = {"batch_size": 8, "learning_rate": 0.01}
SPACE = SMALL | {"training": {"epochs": 2, **_RECIPE}}
WITH_RUNGS = SMALL | {"training": {"epochs": 9, **_RECIPE}}  # as many steps as two rungs need
ALONE = ["--workers", "1"]
FROM_DENSE = SMALL | {"training": {"epochs": 2, "start": "dense", **_RECIPE}}
PARTS = (
    Part("one worker", ["parent"], 8, 3, ALONE, SPACE, 16, repeatable=True),
    Part("dense first", ["parent"], 8, 0, ALONE, FROM_DENSE, 12, repeatable=True),
    Part("rungs", ["parent"], 8, 0, [*ALONE, "--rungs", "on"], WITH_RUNGS, 12, repeatable=True),
    Part("two workers", ["parent", "worker", "child"], 9, 1, ["--workers", "2"], SPACE, 24),
    Part("cluster", ["scheduler", "parent", "worker", "child"], 8, 0, [], SPACE, 24),
    Part("database", ["database", "parent"], 9, 0, ALONE, SPACE, 24, searches=2),
)
KINDS = ("lost", "trials", "orphans", "temporary", "results", "ends", "commands")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the campaign."""
    add = parser.add_argument
    add("--only", choices=[*(part.name for part in PARTS), STREAM], help="one part of it")
    add("--jobs", type=whole_number(1), default=os.cpu_count() or 1, metavar="N", help="parts at a time")
    add("--kills", type=whole_number(1), metavar="N", help="of each part (default: 50 in all)")


def run(parsed: argparse.Namespace) -> dict[str, Any]:
    """Kill, go on and count; returns counts by part and what went wrong."""
    kills = {part.name: part.quick_kills if parsed.quick else part.kills for part in PARTS}
    if parsed.kills:
        kills = dict.fromkeys(kills, parsed.kills)
    parts = [part for part in PARTS if kills[part.name] and parsed.only in (None, part.name)]
    told: dict[str, Any] = {"seed": parsed.seed, "quick": parsed.quick, "parts": {}, "problems": []}
    with ProcessPoolExecutor(parsed.jobs, multiprocessing.get_context("spawn")) as pool:
        running = {
            pool.submit(kill_searches, part, kills[part.name], parsed.seed): part.name for part in parts
        }
        if parsed.only in (None, STREAM):
            running[pool.submit(stream, parsed.quick, parsed.seed)] = STREAM
        for future in as_completed(running):
            name = running[future]
            told["parts"][name], problems = future.result()
            told["problems"] += problems
            print(f"{name}: {told['parts'][name]}", flush=True)
    told["kills"] = sum(own["kills"] for own in told["parts"].values())
    return told


def kill_searches(part: Part, kills: int, seed: int) -> tuple[dict[str, int], list[str]]:
    """Kill searches of one kind so many times; counts, and what went wrong."""
    found = Found()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        try:
            kill_part(part, kills, Path(folder), random.Random(f"{seed} {part.name}"), found)
        except MissingPostgresError as error:
            found.add("ends", [f"not run: {error}"], part.name)
    return counted(found), found.problems


def counted(found: Found) -> dict[str, int]:
    """Counts of a part; of what must not happen also where it did not."""
    return dict.fromkeys(("kills", "starts", "trials", "networks", *KINDS), 0) | dict(found.counts)


def kill_part(part: Part, kills: int, folder: Path, rng: random.Random, found: Found) -> None:
    """Kill searches of one kind so many times, a few of each run.

    Args:
        part: What is searched, and how.
        kills: How many.
        folder: For all files.
        rng: Draws the moments.
        found: Is told what happens.

    Raises:
        MissingPostgresError: It needs a database, and none can be started here.
        UserError: Kills keep missing: searches end before.
    """
    with _outside(part, folder) as outside:
        whole, life = _whole(part, folder, outside, found) if part.repeatable else (None, Life())
        for number in range(2 * kills):
            missing = kills - found.counts["kills"]
            if not missing:
                return
            one = Round(part, folder, f"run{number}", outside, life, rng, found)
            try:
                for victim, phase in plan(part, min(ROUND, missing), found.counts["kills"], rng):
                    if one.strike(victim, phase):
                        print(f"{part.name}: {victim} killed, {phase}", flush=True)
                one.end(whole)
            finally:
                one.close()
    raise UserError(f"{part.name}: only {found.counts['kills']} of {kills} kills met a search")


def plan(part: Part, count: int, done: int, rng: random.Random) -> list[tuple[str, str]]:
    """Victims and phases, all in turn over a part; measuring is the last that can be interrupted of a run."""
    plan = []
    for number in range(done, done + count):
        victim = part.victims[number % len(part.victims)]
        phases = PHASES if victim == "parent" else ("training",)
        plan.append((victim, phases[number // len(part.victims) % len(phases)]))
    rng.shuffle(plan)
    return sorted(plan, key=lambda own: own[1] == "measuring")


def _whole(part: Part, folder: Path, outside: Outside, found: Found) -> tuple[Search, Life]:
    """A run that nobody kills, and what it took."""
    one = Round(part, folder, "whole", outside, Life(), random.Random(0), found)
    try:
        one.begin()
        (search,) = one.searches.values()
        moments = [search.began]
        for came in (lambda: search.announced, lambda: search.measuring):
            search.wait_for(came)
            moments.append(time.monotonic())
        one.end(None)
        moments.append(time.monotonic())
    finally:
        one.close()
    start_s, search_s, measuring_s = (later - sooner for sooner, later in pairwise(moments))
    return search, Life(start_s, search_s / part.trials, measuring_s)


@contextmanager
def _outside(part: Part, folder: Path) -> Iterator[Outside]:
    with ExitStack() as stack:
        outside = Outside()
        if "scheduler" in part.victims:
            outside.cluster = Cluster(folder)
            stack.callback(outside.cluster.close)
        if "database" in part.victims:
            outside.database = stack.enter_context(running_server())
        yield outside
