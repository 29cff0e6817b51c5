"""The Optuna study behind a search: samplers, opening, resuming."""

import logging
import warnings
from collections.abc import Collection, Sequence

import optuna
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from explorer.engine.generations import ResumableNSGAIIISampler, ResumableNSGAIISampler, trial_seed
from explorer.engine.write_once import FINISHED, WriteOnceStorage
from explorer.errors import UserError
from explorer.objectives import Metric

SAMPLERS = ("tpe", "nsga2", "nsga3", "gp", "random")
RESULT = "result"  # user attribute: what became of a trial
SIBLING_OF = "sibling_of"  # user attribute: number of the trial whose network an added trial belongs to
REFERENCE = "reference"  # user attribute: name of an enqueued reference


def make_sampler(name: str, seed: int, trial_number: int, parallel: bool = False) -> BaseSampler:
    """A sampler whose draws depend on the seed and the trial's number alone.

    A fresh one for each trial lets a resumed search propose what an uninterrupted one would have. In
    ``parallel`` it keeps away from what is being tried (constant liar).
    """
    own_seed = trial_seed(seed, trial_number)
    if name == "tpe":
        return TPESampler(multivariate=True, group=True, constant_liar=parallel, seed=own_seed)
    if name == "gp":
        return GPSampler(seed=own_seed, deterministic_objective=True, warn_independent_sampling=False)
    if name == "nsga3":
        return ResumableNSGAIIISampler(seed, own_seed)
    simple: dict[str, type[ResumableNSGAIISampler] | type[RandomSampler]] = {
        "nsga2": ResumableNSGAIISampler,
        "random": RandomSampler,
    }
    return simple[name](seed=own_seed)


def open_study(storage: str, name: str, metrics: Sequence[Metric]) -> optuna.Study:
    """Create or load the study ``name``; with SQLite, trials are written once they are finished.

    Raises:
        UserError: The storage URL cannot be used, or the study there has other objectives.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # samplers, metric names and constraints are "experimental"; one warning per trial helps nobody
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    directions = [metric.direction for metric in metrics]
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=directions,
            sampler=RandomSampler(),
            load_if_exists=True,
        )
    except Exception as error:  # SQLAlchemy, its drivers and Optuna each raise their own
        raise UserError(f"--storage {storage!r} cannot be used: {type(error).__name__}: {error}") from None
    if [direction.name.lower() for direction in study.directions] != directions:
        raise UserError(f"--storage {storage!r}: study {name!r} has other objectives than this space")
    study.set_metric_names([metric.name for metric in metrics])
    if not storage.startswith("sqlite"):
        return study
    live = optuna.load_study(study_name=name, storage=WriteOnceStorage(study), sampler=RandomSampler())
    live.set_metric_names([metric.name for metric in metrics])
    return live


def finished_trials(study: optuna.Study) -> list[FrozenTrial]:
    """Proposals that were told, in order; siblings are no proposals."""
    trials = study.get_trials(deepcopy=False, states=FINISHED)
    return [trial for trial in trials if SIBLING_OF not in trial.user_attrs]


def missing_references(
    study: optuna.Study, references: Sequence[tuple[str, dict[str, object]]]
) -> list[tuple[str, dict[str, object]]]:
    """Those of (name, params) references that the study does not hold yet, in any state."""
    held = {
        (trial.user_attrs[REFERENCE], trial.system_attrs["fixed_params"]["backbone"])
        for trial in study.get_trials(deepcopy=False)
        if REFERENCE in trial.user_attrs
    }
    return [(name, params) for name, params in references if (name, params["backbone"]) not in held]


def next_trial(study: optuna.Study, sampler: str, seed: int, under_way: Collection[int] = ()) -> optuna.Trial:
    """Take up a trial that was asked but never told (its process was killed), else ask for a new one.

    Args:
        study: To ask.
        sampler: One of :data:`SAMPLERS`.
        seed: Of the search.
        under_way: Numbers of trials that this process will still tell.
    """
    trials = study.get_trials(deepcopy=False)
    orphans = [t for t in trials if t.state == TrialState.RUNNING and t.number not in under_way]
    number = orphans[0].number if orphans else _next_number(trials)
    study.sampler = make_sampler(sampler, seed, number, parallel=bool(under_way))
    if orphans:
        return optuna.Trial(study, orphans[0]._trial_id)
    return study.ask()


def _next_number(trials: Sequence[FrozenTrial]) -> int:
    waiting = [trial.number for trial in trials if trial.state == TrialState.WAITING]
    return min(waiting, default=len(trials))
