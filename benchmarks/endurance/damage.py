"""Run folders that are damaged at random, in every kind of file: told in one message, never another number.

Each folder is a copy of one run, in which a bit of one file is flipped, or its end is cut off. Then it is
picked from, its report is built, or the search goes on with it.
"""

import argparse
import json
import os
import random
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from benchmarks.endurance.forked import Ended, run_forked, run_process
from benchmarks.endurance.fuzz import SMALL, counted
from explorer.errors import UserError
from explorer.utils.arguments import whole_number

ABOUT = "damaged run folders"
COUNT, QUICK_COUNT = 500, 24
UNREAD = {"report.html", "front.csv"}  # written for others: no command reads numbers from them
COMMANDS = {
    "pick": ["pick", "run", "--no-picture", "--json"],
    "report": ["report", "run"],
    "resume": ["search", "--run", "run", "--resume", "--workers", "1", "--no-energy", "--json"],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the campaign."""
    add = parser.add_argument
    add("--jobs", type=whole_number(1), default=os.cpu_count() or 1, metavar="N", help="commands at a time")


def run(parsed: argparse.Namespace) -> dict[str, Any]:
    """Damage, run and count; returns counts by command and what went wrong."""
    count, rng = QUICK_COUNT if parsed.quick else COUNT, random.Random(parsed.seed)
    found: dict[str, Any] = {"seed": parsed.seed, "quick": parsed.quick, "parts": {}, "problems": []}
    with tempfile.TemporaryDirectory(prefix="damage-") as name:
        folder = Path(name)
        whole = searched(folder)
        kinds = _kinds(whole)
        for command, line in COMMANDS.items():
            said = _numbers(next(iter(run_forked([[*line, *_at(whole)]], folder, 1))))
            damaged = {}
            for number in range(count // len(COMMANDS)):
                reports = folder / f"{command}{number}"
                shutil.copytree(whole, reports / "run")
                damaged[reports.name] = damage(reports / "run", rng.choice(kinds[number % len(kinds)]), rng)
            lines = [[*line, "--reports", reports] for reports in damaged]
            ended = list(run_forked(lines, folder, parsed.jobs))
            found["parts"][command] = counted(ended)
            for one in ended:
                problem = one.problem or ("another number" if one.code == 0 and _numbers(one) != said else "")
                if problem:
                    found["problems"].append(f"{problem}: {damaged[one.arguments[-1]]}: {one.message[:300]}")
            print(f"{command}: {found['parts'][command]}", flush=True)
    return found


def damage(run: Path, name: str, rng: random.Random) -> str:
    """Flip a bit of a file of a run, or cut off its end; returns what was done."""
    path = run / name
    content = bytearray(path.read_bytes())
    place = rng.randrange(len(content))
    if rng.random() < 0.5:
        content[place] ^= 1 << rng.randrange(8)
        done = "a bit flipped"
    else:
        del content[place:]
        done = "cut"
    path.write_bytes(content)
    return f"{name}, {done} at {place}"


def searched(folder: Path) -> Path:
    """A small run for the campaigns; its weights are kept, so that there is more to damage."""
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    line = ["search", "--space", "small.yaml", "--run", "run", "--trials", "6", "--workers", "1"]
    done = run_process([*line, "--no-energy", "--keep-weights"], folder)
    if done.code:
        raise UserError(f"the search that the campaign begins with ended with {done.code}: {done.message}")
    return folder / "reports" / "run"


def _kinds(run: Path) -> list[list[str]]:
    """Files of a run by what they are called, so that each kind is damaged as often as others."""
    kinds = defaultdict(list)
    for path in sorted(run.rglob("*.*")):
        if path.is_file() and path.name not in UNREAD:
            kinds[path.name].append(path.relative_to(run).as_posix())
    return [kinds[name] for name in sorted(kinds)]


def _at(run: Path) -> list[str]:
    return ["--reports", run.parent.name]


def _numbers(one: Ended) -> Any:
    """What a command said of points that is not measured on this host; None where that is nothing."""
    start = one.printed.find("{\n")
    if one.code or start < 0:
        return None
    content, _ = json.JSONDecoder().raw_decode(one.printed[start:])
    points = content.get("points") or [content.get("point")]
    return [
        {name: value for name, value in (point or {}).items() if "_host_" not in name} for point in points
    ]
