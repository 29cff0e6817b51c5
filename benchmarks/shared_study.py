"""``python -m benchmarks.shared_study --storage URL``: two searches share a PostgreSQL study, one is killed.

Both work on one study, each with a run folder of its own. When half of the proposals are finished, one is
killed with SIGKILL and resumed. Checks that exactly the proposals asked for are finished and none is left
over, that no network was trained twice, and that both end with the same networks and the same front.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import optuna
import pandas as pd
from optuna.trial import TrialState

from benchmarks.kill_and_resume import stored_networks, written_again
from explorer.engine.outcomes import TrialResult, finished_trials
from explorer.errors import UserError, run_command
from explorer.runs.results import FRONT_COLUMNS

POLL_S = 0.1
NAMES = ("one", "two")


class Experiment:
    """The searches of one study, and the study as an onlooker sees it.

    Args:
        space: Space file or name.
        storage: URL of a PostgreSQL database.
        trials: Asked of the study.
        reports: Where the run folders go.
    """

    def __init__(self, space: str, storage: str, trials: int, reports: Path) -> None:
        self.space, self.storage, self.trials, self.reports = space, storage, trials, reports
        self.name = f"shared-{uuid.uuid4().hex[:8]}"

    def start(self, run: str) -> "subprocess.Popen[bytes]":
        """Begin a search, or go on with it."""
        resumed = (self.reports / run / "run.json").exists()
        command = [sys.executable, "-m", "explorer.search", "--storage", self.storage, "--run", run]
        command += ["--resume"] if resumed else ["--space", self.space, "--study", self.name]
        command += ["--trials", str(self.trials), "--reports", str(self.reports), "--no-energy"]
        command += ["--workers", "1"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def wait_for(self, count: int, processes: Sequence["subprocess.Popen[bytes]"]) -> None:
        """Return when ``count`` proposals are finished.

        Raises:
            UserError: A search ended before.
        """
        while self._finished() < count:
            if any(process.poll() for process in processes):
                raise UserError(f"a search failed before {count} proposals were finished")
            time.sleep(POLL_S)

    def _finished(self) -> int:
        names = optuna.get_all_study_names(self.storage)
        return len(finished_trials(self.study())) if self.name in names else 0

    def study(self) -> optuna.Study:
        return optuna.load_study(study_name=self.name, storage=self.storage)

    def front(self, run: str) -> pd.DataFrame:
        """All of the front that is not measured on the host."""
        front = pd.read_csv(self.reports / run / "front.csv")
        return front[[column for column in FRONT_COLUMNS if "_host_" not in column]]


def share_and_kill(space: str, storage: str, trials: int, reports: Path) -> list[str]:
    """Run the whole experiment; returns what went wrong, nothing if all held. Arguments as of Experiment."""
    experiment = Experiment(space, storage, trials, reports)
    begun = time.perf_counter()
    processes = [experiment.start(run) for run in NAMES]
    try:
        experiment.wait_for(trials // 2, processes)
        processes[0].kill()
        processes[0].wait()
        before = stored_networks(reports / NAMES[0])
        processes[0] = experiment.start(NAMES[0])
        codes = [process.wait() for process in processes]
    finally:
        for process in processes:
            process.kill()
    seconds = time.perf_counter() - begun
    if any(codes):
        return [f"searches ended with exit codes {codes}"]
    after = stored_networks(reports / NAMES[0])
    return (
        written_again(before, after) + _proposal_problems(experiment, seconds) + _folder_problems(experiment)
    )


def _proposal_problems(experiment: Experiment, seconds: float) -> list[str]:
    study, problems = experiment.study(), list[str]()
    results = [TrialResult.of(trial) for trial in finished_trials(study)]
    left = [trial for trial in study.trials if trial.state in (TrialState.RUNNING, TrialState.WAITING)]
    outcomes = Counter(result.outcome for result in results)
    print(f"{len(results)} proposals finished in {seconds:.0f} s: {dict(outcomes)}; {len(left)} left over")
    if len(results) != experiment.trials or left:
        problems.append(f"asked for {experiment.trials} proposals: {len(results)} finished, {len(left)} left")
    trained = Counter(result.network_key for result in results if result.outcome == "trained")
    problems += [f"{key} was trained {count} times" for key, count in trained.items() if count > 1]
    known = {result.network_key for result in results if result.outcome in ("trained", "cached")}
    problems += [
        f"run {run!r} does not hold the networks proposed"
        for run in NAMES
        if known != set(stored_networks(experiment.reports / run))
    ]
    return problems


def _folder_problems(experiment: Experiment) -> list[str]:
    """Both run folders hold the same; seconds in ``network.json`` are measured, so equal is trained once."""
    one, two = (_files(experiment.reports / run / "networks") for run in NAMES)
    differing = [name for name in sorted(one | two) if one.get(name) != two.get(name)]
    problems = [f"{name} differs between the run folders" for name in differing]
    if not experiment.front(NAMES[0]).equals(experiment.front(NAMES[1])):
        problems.append("the fronts differ")
    networks, front = stored_networks(experiment.reports / NAMES[0]), experiment.front(NAMES[0])
    print(f"{len(networks)} networks in each run folder, front of {len(front)}")
    return problems


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the experiment in a temporary folder; exit code 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shared_study", description=__doc__)
    parser.add_argument("--storage", required=True, metavar="URL", help="an existing PostgreSQL database")
    parser.add_argument("--space", default="digits", help="space file or name (default: digits)")
    parser.add_argument("--trials", type=int, default=200)
    parsed = parser.parse_args(arguments)
    if parsed.trials < 2:
        raise UserError("--trials must be at least 2")
    with tempfile.TemporaryDirectory() as reports:
        problems = share_and_kill(parsed.space, parsed.storage, parsed.trials, Path(reports))
    for problem in problems:
        print(f"PROBLEM: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
