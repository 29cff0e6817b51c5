"""Samplers for a search that makes a fresh one for every trial, so that it can be resumed anywhere.

A sampler's draws depend on the seed and the trial's number alone: a resumed search proposes what an
uninterrupted one would have. Fresh NSGA samplers of Optuna's walk over all trials at every proposal. They
select the parents of a generation when its first trial asks for them, and keep them in the study for the
others. A search that is resumed selects them again, for another trial; it must come to the same parents in
the same order, or it would propose what an uninterrupted one had not.
"""

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import (
    BaseGASampler,
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState

_shared_spaces: WeakKeyDictionary[optuna.Study, IntersectionSearchSpace] = WeakKeyDictionary()
_newest_parents: WeakKeyDictionary[optuna.Study, tuple[int, list[FrozenTrial]]] = WeakKeyDictionary()


def make_sampler(name: str, seed: int, trial_number: int, parallel: bool = False) -> BaseSampler:
    """A fresh sampler for one trial.

    Args:
        name: One of :data:`explorer.engine.defaults.SAMPLERS`, but ``front``.
        seed: Of the search.
        trial_number: Of the trial.
        parallel: Keep away from what is being tried (constant liar).

    Example:
        >>> type(make_sampler("tpe", seed=0, trial_number=3)).__name__
        'TPESampler'
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


class FrontSampler(BaseSampler):
    """Proposes what a model of the search says, see :mod:`explorer.engine.surrogate.surrogate`.

    Parameters that the model leaves open are drawn at random.

    Args:
        propose: Gives the parameters of a trial.
        distributions: Of all parameters there are.
        seed: Of this trial.

    Example:
        >>> where = {"density": optuna.distributions.FloatDistribution(0.0, 1.0)}
        >>> sampler = FrontSampler(lambda trial: {"density": 0.25}, where, seed=0)
        >>> optuna.create_study(sampler=sampler).ask().suggest_float("density", 0.0, 1.0)
        0.25
    """

    def __init__(
        self,
        propose: Callable[[FrozenTrial], dict[str, Any]],
        distributions: Mapping[str, BaseDistribution],
        seed: int,
    ) -> None:
        self._propose, self._distributions = propose, dict(distributions)
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Every parameter of the space, conditional ones too; see the base class."""
        return self._distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Parameters of the network proposed, and of how it is run; see the base class."""
        return {} if "fixed_params" in trial.system_attrs else self._propose(trial)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """See the base class."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


class _Resumable(BaseGASampler):
    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """By trial number, whether selected just now (Optuna: best first) or kept; see the base class."""
        kept = _newest_parents.get(study)
        if kept is None or kept[0] != generation:
            parents = super().get_parent_population(study, generation)
            kept = generation, sorted(parents, key=lambda trial: trial.number)
            _newest_parents[study] = kept
        return kept[1]

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Parameters that all finished trials have in common; looks at trials new since the last call."""
        shared = _shared_spaces.setdefault(study, IntersectionSearchSpace()).calculate(study)
        return {name: distribution for name, distribution in shared.items() if not distribution.single()}

    def get_trial_generation(self, study: optuna.Study, trial: FrozenTrial) -> int:
        """The newest generation, or the one after it when that is full; see the base class.

        Generations never fall from a trial to the next, so the newest one lies at the end.
        """
        key = self._get_generation_key()
        if key in trial.system_attrs:
            return int(trial.system_attrs[key])
        newest, size = 0, 0
        for other in reversed(study.get_trials(deepcopy=False)):
            generation = other.system_attrs.get(key)
            if generation is None or other.state != TrialState.COMPLETE:
                continue
            if size and generation < newest:
                break
            newest, size = generation, size + 1
        assert self.population_size is not None
        generation = newest + (size >= self.population_size)
        study._storage.set_trial_system_attr(trial._trial_id, key, generation)
        return generation


class ResumableNSGAIISampler(_Resumable, NSGAIISampler):
    """NSGA-II; see the base class.

    Example:
        >>> def first(seed: int) -> float:
        ...     study = optuna.create_study(sampler=ResumableNSGAIISampler(seed=trial_seed(seed, number=0)))
        ...     return round(study.ask().suggest_float("density", 0.0, 1.0), 3)
        >>> first(seed=0), first(seed=0), first(seed=1)
        (0.549, 0.549, 0.981)
    """


class ResumableNSGAIIISampler(_Resumable, NSGAIIISampler):
    """NSGA-III, which draws lots among parents equally good.

    Args:
        search_seed: Seeds the lots of every generation.
        seed: Of the trial that this sampler proposes.

    Example:
        >>> def first(seed: int) -> float:
        ...     sampler = ResumableNSGAIIISampler(search_seed=seed, seed=trial_seed(seed, number=0))
        ...     return round(optuna.create_study(sampler=sampler).ask().suggest_float("density", 0.0, 1.0), 3)
        >>> first(seed=0), first(seed=0), first(seed=1)
        (0.549, 0.549, 0.981)
    """

    def __init__(self, search_seed: int, seed: int) -> None:
        super().__init__(seed=seed)
        self._search_seed = search_seed

    def select_parent(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """Select with lots that follow from the generation, not from the trial; see the base class."""
        own = ResumableNSGAIIISampler(self._search_seed, trial_seed(self._search_seed, generation))
        return super(ResumableNSGAIIISampler, own).select_parent(study, generation)


def trial_seed(seed: int, number: int) -> int:
    """One seed out of that of the search and a number.

    Example:
        >>> trial_seed(0, 7), trial_seed(1, 7)
        (7, 1000010)
    """
    return (seed * 1_000_003 + number) % 2**32
