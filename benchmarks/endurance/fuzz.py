"""Spaces, profiles, command lines and data broken at random: one message and exit code 2, or an answer.

Every command must end with exit code 0, 2 or 3, with one message where that is 2, within 30 seconds and
1 GiB. Most run in forks of one process; a sample runs again in processes of their own, which must end alike.
"""

import argparse
import os
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from benchmarks.endurance.data_files import with_damaged_data
from benchmarks.endurance.forked import Ended, run_forked, run_process
from benchmarks.endurance.mutations import broken_file, pick_line
from explorer.errors import UserError
from explorer.space.files import SHIPPED
from explorer.utils.arguments import whole_number

ABOUT = "broken spaces, profiles, command lines and data files"
COUNTS = {"spaces": 1000, "profiles": 300, "pick lines": 1000, "data files": 300}
QUICK_COUNTS = {"spaces": 40, "profiles": 20, "pick lines": 40, "data files": 12}
AGAIN, QUICK_AGAIN = 24, 3  # in processes of their own
REPORTED = 100  # commands between two lines
SEARCHED = 10  # one in so many broken spaces is searched, not only looked at
LEFT_ALONE = {"training", "data", "exits"}  # in spaces that are searched: faults there may train for days

SMALL: dict[str, Any] = {
    "data": {"source": "digits", "train_samples": 300, "validation_samples": 100, "test_samples": 100},
    "backbones": {
        "mlp": {
            "factory": "explorer.backbones:mlp",
            "arguments": {"hidden": [[16, 8], [32, 16]]},
            "densities": {"low": 0.1, "high": 1.0, "limit": 4},
            "split_points": ["input", "relu1", "output"],
        }
    },
    "patterns": ["block", "structured"],
    "confidence_thresholds": {"low": 0.0, "high": 1.0, "step": 0.05},
    "payload_bits": [32, 8],
    "exits": {"kind": "pooled", "loss_weights": {"relu1": 0.5}},
    "training": {"epochs": 1, "batch_size": 64, "learning_rate": 0.02},
    "objectives": {"accuracy": 0.0, "edge_macs": 100_000, "payload_bytes": 400},
    "constraints": ["edge_memory_bytes <= 64 KiB"],
    "edge_device": "stm32h7a3",
    "server_device": "xeon_8124m",
    "link": "ble_2m_dle",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the campaign."""
    add = parser.add_argument
    add("--jobs", type=whole_number(1), default=os.cpu_count() or 1, metavar="N", help="commands at a time")
    add("--only", choices=list(COUNTS), help="one part of the campaign")


def run(parsed: argparse.Namespace) -> dict[str, Any]:
    """Break, run and count; returns counts by part and what went wrong."""
    counts = QUICK_COUNTS if parsed.quick else COUNTS
    parts = [parsed.only] if parsed.only else list(counts)
    found: dict[str, Any] = {"seed": parsed.seed, "quick": parsed.quick, "parts": {}, "problems": []}
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        _search_once(folder)
        ended: list[Ended] = []
        for part in parts:
            commands = commands_of(part, counts[part], folder, random.Random(f"{part} {parsed.seed}"))
            own = []
            for one in run_forked(commands, folder, parsed.jobs):
                own.append(one)
                if len(own) % REPORTED == 0 or one.problem:
                    print(f"{part}: {len(own)} of {len(commands)} {one.problem}", flush=True)
            found["parts"][part] = counted(own)
            found["problems"] += [_told(one, folder) for one in own if one.problem]
            print(f"{part}: {found['parts'][part]}", flush=True)
            ended += own
        again = _again(ended, QUICK_AGAIN if parsed.quick else AGAIN, parsed.seed, folder)
        found["again"] = {"processes": len(again), "ended otherwise": sum(again.values())}
        found["problems"] += [
            f"ended otherwise in a process of its own: {line}" for line, no in again.items() if no
        ]
        print(f"in processes of their own: {found['again']}")
    return found


def commands_of(part: str, count: int, folder: Path, rng: random.Random) -> list[list[str]]:
    """Commands of one part; the broken files that they name are written into ``folder``."""
    if part == "pick lines":
        return [["pick", *pick_line("run", rng)] for _ in range(count)]
    if part == "profiles":
        return [_with_broken_profile(number, folder, rng) for number in range(count)]
    if part == "data files":
        paths = [with_damaged_data(number, folder, SMALL, rng) for number in range(count)]
        return [_searching(path, number % SEARCHED == 0) for number, path in enumerate(paths)]
    texts = [(SHIPPED / "digits.yaml").read_text(), yaml.safe_dump(SMALL, sort_keys=False)]
    commands = []
    for number in range(count):
        searched = number % SEARCHED == 0
        text, top = broken_file(texts[not searched and number % 2 == 0], rng) if not searched else ("", "")
        while searched and (not text or not top or top in LEFT_ALONE):
            text, top = broken_file(texts[1], rng)
        path = folder / f"space{number}.yaml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        commands.append(_searching(path, searched))
    return commands


def _searching(space: Path, searched: bool) -> list[str]:
    """Search a space, or only look at it."""
    how = (
        ["--trials", "2", "--workers", "1", "--no-energy", "--run", space.stem] if searched else ["--dry-run"]
    )
    return ["search", "--space", space.name, *how]


def counted(ended: Sequence[Ended]) -> dict[str, Any]:
    """How commands ended, and what they took at most."""
    codes = Counter(one.code for one in ended)
    return {
        "commands": len(ended),
        "exit codes": {str(code): codes[code] for code in sorted(codes)},
        "problems": sum(bool(one.problem) for one in ended),
        "longest_s": round(max(one.seconds for one in ended), 1),
        "largest_mib": round(max(one.memory_bytes for one in ended) / 2**20),
    }


def _with_broken_profile(number: int, folder: Path, rng: random.Random) -> list[str]:
    role, shipped = rng.choice((("edge", "stm32h7a3"), ("server", "xeon_8124m"), ("link", "lorawan_sf7")))
    text = files("explorer.devices").joinpath(f"{shipped}.yaml").read_text("utf-8")
    broken, _ = broken_file(text, rng)
    path = folder / f"{number}" / f"{shipped}.yaml"
    path.parent.mkdir()
    path.write_text(broken, encoding="utf-8", errors="surrogatepass")
    return ["pick", "run", "--no-test", "--no-picture", f"--{role}", str(path)]


def _search_once(folder: Path) -> None:
    """The run that is picked from."""
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    arguments = ["search", "--space", "small.yaml", "--run", "run", "--trials", "6", "--workers", "1"]
    done = run_process([*arguments, "--no-energy"], folder)
    if done.code:
        raise UserError(f"the search that the campaign picks from ended with {done.code}: {done.message}")


def _again(ended: Sequence[Ended], count: int, seed: int, folder: Path) -> dict[str, bool]:
    """A sample in processes of their own: whether each ended otherwise than its fork did."""
    fit = [
        one for one in ended if "--run" not in one.arguments and not any("\0" in own for own in one.arguments)
    ]
    sample = random.Random(seed).sample(fit, min(count, len(fit)))
    return {_told(one, folder): run_process(one.arguments, folder).code != one.code for one in sample}


def _told(one: Ended, folder: Path) -> str:
    words = " ".join(word if len(word) < 60 else f"{word[:57]}..." for word in map(repr, one.arguments))
    named = [folder / word for word in one.arguments if word.endswith(".yaml") and (folder / word).is_file()]
    text = f"; {named[0].read_text('utf-8', errors='replace')[:3000]!r}" if named and one.problem else ""
    return f"{one.problem or one.code}: {words}: {one.message[:300]!r}{text}"
