"""The Optuna study behind a search: samplers, opening, resuming."""

import logging
import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from explorer.engine.claims import Claims
from explorer.engine.database import check_url, described, explained
from explorer.engine.generations import ResumableNSGAIIISampler, ResumableNSGAIISampler, trial_seed
from explorer.engine.write_once import FINISHED, WriteOnceStorage
from explorer.errors import UserError
from explorer.objectives import Metric

SAMPLERS = ("tpe", "nsga2", "nsga3", "gp", "random")
RESULT = "result"  # user attribute: what became of a trial
SIBLING_OF = "sibling_of"  # user attribute: number of the trial whose network an added trial belongs to
REFERENCE = "reference"  # user attribute: name of an enqueued reference
BEGUN_WITH = "begun_with"  # user attribute of a study: what all its processes must agree on


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


def open_study(
    storage: str, name: str, metrics: Sequence[Metric], begun_with: Mapping[str, object] | None = None
) -> optuna.Study:
    """Create or load the study ``name``; with SQLite, trials are written once they are finished.

    Args:
        storage: Optuna storage URL.
        name: Of the study.
        metrics: The objectives.
        begun_with: Plain data by name that has to be what the study was created with.

    Raises:
        UserError: The storage URL cannot be used, or the study there is of another search.
    """
    check_url(storage)
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
        raise UserError(f"{described(storage)} cannot be used: {explained(storage, error)}") from None
    if [direction.name.lower() for direction in study.directions] != directions:
        raise UserError(f"{described(storage)}: study {name!r} has other objectives than this space")
    _check_begun_with(study, begun_with or {}, f"{described(storage)}: study {name!r}")
    study.set_metric_names([metric.name for metric in metrics])
    if not storage.startswith("sqlite"):
        return study
    live = optuna.load_study(study_name=name, storage=WriteOnceStorage(study), sampler=RandomSampler())
    live.set_metric_names([metric.name for metric in metrics])
    return live


def _check_begun_with(study: optuna.Study, given: Mapping[str, object], where: str) -> None:
    held = study.user_attrs.get(BEGUN_WITH)
    if held is None:
        if given:
            study.set_user_attr(BEGUN_WITH, dict(given))
    elif differing := [
        f"{key} {held.get(key)!r}, got {given[key]!r}" for key in given if held.get(key) != given[key]
    ]:
        raise UserError(f"{where} was begun with {'; '.join(differing)}")


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


def count_asked(study: optuna.Study) -> int:
    """Proposals asked for, told or not."""
    trials = study.get_trials(deepcopy=False)
    return sum(trial.state != TrialState.WAITING and SIBLING_OF not in trial.user_attrs for trial in trials)


def take_up_trial(study: optuna.Study, sampler: str, seed: int, claims: Claims) -> optuna.Trial | None:
    """Claim a trial that was asked but never told (its process was killed); None if there is none.

    Args:
        study: To search.
        sampler: One of :data:`SAMPLERS`; draws what had not been drawn.
        seed: Of the search.
        claims: A running trial that is claimed has an owner.
    """
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    orphan = next((trial for trial in running if _is_orphan(study, trial, claims)), None)
    if orphan is None:
        return None
    study.sampler = make_sampler(sampler, seed, orphan.number, parallel=len(running) > 1)
    return optuna.Trial(study, orphan._trial_id)


def ask_trial(study: optuna.Study, sampler: str, seed: int, claims: Claims) -> optuna.Trial:
    """Ask for a trial and claim it. Arguments as of :func:`take_up_trial`."""
    unfinished = study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
    parallel = any(trial.state == TrialState.RUNNING for trial in unfinished)
    waiting = [trial.number for trial in unfinished if trial.state == TrialState.WAITING]
    number = min(waiting) if waiting else len(study.get_trials(deepcopy=False))
    study.sampler = make_sampler(sampler, seed, number, parallel)
    trial = study.ask()
    claims.take(trial_claim(trial.number))
    return trial


def trial_claim(number: int) -> str:
    """Name of the claim on the trial of this number."""
    return f"trial {number}"


def _is_orphan(study: optuna.Study, trial: FrozenTrial, claims: Claims) -> bool:
    """Claim a trial that was seen running; false if it has an owner, or was told since."""
    if not claims.take(trial_claim(trial.number)):
        return False
    if study._storage.get_trial(trial._trial_id).state == TrialState.RUNNING:
        return True
    claims.release(trial_claim(trial.number))
    return False
