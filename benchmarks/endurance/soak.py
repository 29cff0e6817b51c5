"""A long search over made-up trainings: what grows with it, in memory, in files and in open descriptors.

Memory may grow by what is known of every proposal and network; descriptors and files that are not those of a
network may not grow at all.
"""

import argparse
import gc
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil

from benchmarks.engine_overhead.search import make_inventory, make_loop, make_study
from benchmarks.engine_overhead.stub import Stub
from explorer.engine.defaults import DEFAULT_SAMPLER
from explorer.engine.outcomes import Progress
from explorer.engine.pool.base import Pool, SerialPool
from explorer.engine.pool.dask import DaskPool, Limits
from explorer.runs.store import Store

ABOUT = "thousands of proposals: growth of memory, files and descriptors"
PROPOSALS, QUICK_PROPOSALS = 5_000, 200
MOST_KB = 30.0  # of memory for each proposal over the second half: what is known of it and its network is 25
CASES = ((DEFAULT_SAMPLER, 1), ("random", 2))  # sampler, worker processes


@dataclass(frozen=True)
class Held:
    """What a search holds at one moment.

    Attributes:
        proposals: Told so far.
        memory_bytes: Resident in this process.
        descriptors: Open in this process.
        networks: Stored.
        network_files: Files in the folders of networks.
        other_files: Files of the run beside them, and of the temporary folder.
        processes: This one and those it started.
    """

    proposals: int
    memory_bytes: int
    descriptors: int
    networks: int
    network_files: int
    other_files: int
    processes: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the campaign."""
    parser.add_argument("--proposals", type=int, metavar="N", help=f"of each search (default: {PROPOSALS})")


def run(parsed: argparse.Namespace) -> dict[str, Any]:
    """Search, and look at what grows."""
    count = parsed.proposals or (QUICK_PROPOSALS if parsed.quick else PROPOSALS)
    found: dict[str, Any] = {"seed": parsed.seed, "quick": parsed.quick, "parts": {}, "problems": []}
    for sampler, workers in CASES:
        name = f"{sampler}, {workers} worker{'s' * (workers > 1)}"
        with ProcessPoolExecutor(1, get_context("forkserver"), max_tasks_per_child=1) as pool:
            held = pool.submit(soaked, sampler, workers, count).result()
        found["parts"][name] = [asdict(moment) for moment in held]
        found["problems"] += [f"{name}: {line}" for line in grown(held, few=count < PROPOSALS)]
        for moment in held:
            print(f"{name}: {asdict(moment)}", flush=True)
    return found


def soaked(sampler: str, workers: int, proposals: int) -> list[Held]:
    """Run one search in this process, a fresh one; what it holds after each tenth of the proposals."""
    inventory, _ = make_inventory("distinct")
    stub, held = Stub(inventory), list[Held]()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        run, scratch = Path(folder, "run"), Path(folder, "tmp")
        run.mkdir()
        scratch.mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)
        pool: Pool[Any, Any] = SerialPool(stub)
        if workers > 1:
            pool = DaskPool(stub, workers=workers, threads=1, limits=Limits())
        with pool:
            loop = make_loop(inventory, run, pool, sampler, make_study("sqlite", run, inventory.space))

            def look(progress: Progress) -> None:
                if progress.trials % max(1, proposals // 10) == 0:
                    held.append(_held(progress.trials, run, scratch))

            loop.run(proposals, None, look)
        left = [path.name for path in scratch.glob("explorer-*")]
        assert not left, left
    return held


def grown(held: list[Held], few: bool) -> list[str]:
    """What grew that should not have; of few proposals, what the first fetch hides how memory grows."""
    middle, last = held[len(held) // 2 - 1], held[-1]
    kb = (last.memory_bytes - middle.memory_bytes) / 1e3 / (last.proposals - middle.proposals)
    per_network = {moment.network_files / max(1, moment.networks) for moment in held}
    found = (
        [f"{kb:.1f} KB of memory for each proposal, at most {MOST_KB}"] if kb > MOST_KB and not few else []
    )
    for what in ("descriptors", "other_files", "processes"):
        before, after = getattr(middle, what), getattr(last, what)
        found += (
            [f"{what}: {before} at {middle.proposals:,}, {after} at {last.proposals:,}"]
            if after > before
            else []
        )
    if len(per_network) > 1:
        found.append(f"files of a network: {sorted(per_network)}")
    return found


def _held(proposals: int, run: Path, scratch: Path) -> Held:
    gc.collect()
    process, store = psutil.Process(), Store(run)
    files = [path for path in run.rglob("*") if path.is_file()]
    inside = sum(path.is_relative_to(store.networks) for path in files)
    others = len(files) - inside + sum(path.is_file() for path in scratch.rglob("*"))
    return Held(
        proposals,
        process.memory_info().rss,
        process.num_fds(),
        len(list(store)),
        inside,
        others,
        1 + len(process.children(recursive=True)),
    )
