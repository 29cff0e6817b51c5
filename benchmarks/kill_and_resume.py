"""``python -m benchmarks.kill_and_resume``: kill a search with SIGKILL at random moments, resume it, compare.

Checks that the run ends with exactly the trials asked for, that no network was trained again after it had
been stored, that the report is complete, and that every proposal is the one an uninterrupted search makes.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from explorer.errors import UserError, run_command
from explorer.runs.results import read_rows


def _command(space: str, trials: int, run: str, reports: Path) -> list[str]:
    options = [
        "--trials",
        str(trials),
        "--run",
        run,
        "--reports",
        str(reports),
        "--no-energy",
        "--workers",
        "1",
    ]
    known = (reports / run / "run.json").exists()
    return [
        sys.executable,
        "-m",
        "explorer.search",
        *(["--resume"] if known else ["--space", space]),
        *options,
    ]


def kill_once(command: Sequence[str], delay_s: float) -> bool:
    """Start a search, wait ``delay_s`` after it announced itself, kill it; False if it had ended before."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay_s)
        ended = process.poll() is not None
        process.kill()
    return not ended


def stored_networks(run: Path) -> dict[str, tuple[int, int]]:
    """Epochs of each stored network, and when it was written in ns; rewriting one would change that."""
    return {
        file.parent.name: (json.loads(file.read_text())["training"]["epochs"], file.stat().st_mtime_ns)
        for file in run.glob("networks/[!.]*/network.json")
    }


def written_again(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> list[str]:
    """Networks that were lost or trained anew; training further is no repetition."""
    return [
        f"{key} was written again"
        for key, (epochs, moment) in before.items()
        if key not in after or (after[key][0] == epochs and after[key][1] != moment)
    ]


def proposals(run: Path) -> list[object]:
    """What was proposed, in order."""
    return [(trial["number"], trial["params"], trial["values"]) for trial in _read_trials(run)]


def _read_trials(run: Path) -> list[dict[str, object]]:
    return read_rows(run / "trials.json")


def kill_and_resume(
    space: str, trials: int, kills: int, longest_delay_s: float, seed: int, reports: Path
) -> list[str]:
    """Run the whole experiment; returns what went wrong, nothing if all held.

    Args:
        space: Space file or name.
        trials: Asked of the search.
        kills: How many times it is killed before it may end.
        longest_delay_s: Kills fall evenly between 0 and this, after the search announced itself.
        seed: Of the moments.
        reports: Where both runs go.
    """
    moments, problems = random.Random(seed), list[str]()
    killed = reports / "killed"
    before: dict[str, tuple[int, int]] = {}
    for number in range(kills):
        delay_s = moments.uniform(0, longest_delay_s)
        alive = kill_once(_command(space, trials, "killed", reports), delay_s)
        after = stored_networks(killed)
        problems += written_again(before, after)
        print(f"kill {number + 1} after {delay_s:.2f} s: {len(after)} networks stored", flush=True)
        before = after
        if not alive:
            problems.append(f"the search had ended before kill {number + 1}; lower --delay")
    subprocess.run(_command(space, trials, "killed", reports), check=True, stdout=subprocess.DEVNULL)
    after = stored_networks(killed)
    problems += written_again(before, after)
    subprocess.run(_command(space, trials, "whole", reports), check=True, stdout=subprocess.DEVNULL)
    told, expected = proposals(killed), proposals(reports / "whole")
    keys = {trial["network_key"] for trial in _read_trials(killed) if trial["outcome"] != "failed"}
    if len(told) != trials:
        problems.append(f"asked for {trials} trials, got {len(told)}")
    # dense networks that others start from are stored without being proposed
    if not keys <= set(after) or set(after) != set(stored_networks(reports / "whole")):
        problems.append(f"{len(keys)} networks proposed, {len(after)} stored, not those of the other search")
    if told != expected:
        problems.append("proposals differ from those of an uninterrupted search")
    problems += [
        f"{name} is missing" for name in ("report.html", "front.csv") if not (killed / name).exists()
    ]
    print(f"{len(told)} trials, {len(after)} networks, each written once; {kills} kills")
    return problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment in a temporary folder; exit code 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kill_and_resume", description=__doc__)
    parser.add_argument("--space", default="digits", help="space file or name (default: digits)")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--delay", type=float, default=6.0, metavar="S", help="latest moment of a kill")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parsed = parser.parse_args(arguments)
    if min(parsed.trials, parsed.kills) < 1:
        raise UserError("--trials and --kills must be at least 1")
    with tempfile.TemporaryDirectory() as reports:
        problems = kill_and_resume(
            parsed.space, parsed.trials, parsed.kills, parsed.delay, parsed.seed, Path(reports)
        )
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
