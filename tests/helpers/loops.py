"""Search loops over made-up networks, and what tests ask of them."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from stand_ins import SETTING, fabricate, make_proposer

from explorer.costs.evaluate import EvaluatedNetwork
from explorer.costs.model import CostModel
from explorer.devices import Setting
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import Progress, TrialResult
from explorer.engine.pool.base import SerialPool
from explorer.engine.storage.open import open_study
from explorer.runs.store import Store
from explorer.space.candidate import NetworkSpec

Evaluate = Callable[[NetworkSpec], EvaluatedNetwork]
COMPLETE = 1  # epochs of the made-up recipe
REFERENCES = ["small_dense", "large_sparse", "dense", "all_edge", "all_server"]


class Killed(BaseException):
    """The process dies here: nothing in the loop may catch it."""


class Spy:
    """Counts what is evaluated; breaks or fails when told to."""

    def __init__(self, evaluate: Evaluate = fabricate) -> None:
        self.evaluate = evaluate
        self.calls: Counter[str] = Counter()

    def __call__(self, spec: NetworkSpec) -> EvaluatedNetwork:
        self.calls[spec.key] += 1
        return self.evaluate(spec)


def make_loop(
    folder: Path,
    evaluate: Evaluate,
    sampler: str = "random",
    seed: int = 0,
    study: optuna.Study | None = None,
    encoding: str = "conditional",
    setting: Setting = SETTING,
    **space: Any,
) -> SearchLoop:
    """A loop as a new process would make it: everything is read from the folder, or the study given."""
    proposer = make_proposer(encoding, **space)
    metrics = proposer.space.metrics
    return SearchLoop(
        study=study or open_study(f"sqlite:///{folder / 'study.db'}", "run", metrics),
        proposer=proposer,
        store=Store(folder),
        costs=CostModel(setting),
        pool=SerialPool(lambda task: evaluate(task.spec)),
        rung_epochs=(COMPLETE,),
        sampler=sampler,
        seed=seed,
    )


def in_memory(objectives: int = 2) -> optuna.Study:
    """A study that is fast and gone with the process."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(directions=["maximize", "minimize"][:objectives])


def silent(progress: Progress) -> None:
    """Nothing is shown."""


def results(loop: SearchLoop) -> list[TrialResult]:
    return [TrialResult.of(trial) for trial in loop.study.optuna_study.trials]


def proposals(loop: SearchLoop) -> list[dict[str, Any]]:
    return [trial.params for trial in loop.study.optuna_study.trials]


Finished = tuple[SearchLoop, Spy, list[Progress]]
