"""What a run's trained networks teach, whichever sampler proposed them."""

import warnings
from collections import Counter

import numpy as np
import optuna
import pandas as pd

from explorer.core.code_bytes import SIZES
from explorer.core.sweep import POINT_COLUMNS, is_deployable, without_code
from explorer.costs.model import CostModel
from explorer.engine.outcomes import TrialResult, finished_trials
from explorer.engine.proposals import Proposer
from explorer.engine.surrogate.quality import LEAST_NETWORKS, what_was_learned
from explorer.engine.surrogate.surrogate import Surrogate
from explorer.errors import UserError
from explorer.front.pareto import mark_front
from explorer.runs.learned import Learned
from explorer.runs.results import RunResults
from explorer.runs.store import Store
from explorer.session.prepare import Session
from explorer.space.metrics import loss_values

_NOT_COMPUTED = "what the model learned could not be computed"


def learned_or_why_not(
    session: Session, study: optuna.Study, results: RunResults
) -> tuple[Learned | None, str]:
    """:func:`learned`, or what a note says where that fails: a search that is over loses nothing by it.

    A network of the user's that cannot be built any more is such a failure. Any other is a defect, and is
    warned of, too; the project's own tests make an error of that warning.

    Example:
        >>> from explorer import load_run, run_search
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> run = run_search("digits", trials=1, name="one", workers=1, energy=False, progress=False)
        >>> session = prepare(Options(run="one", resume=True))
        >>> learned_or_why_not(session, optuna.create_study(), run.results)
        (None, '')
    """
    try:
        return learned(session, study, results), ""
    except UserError as error:
        return None, f"{_NOT_COMPUTED}: {error}"
    except Exception as error:
        why = f"{_NOT_COMPUTED}: {type(error).__name__}: {error}"
        warnings.warn(why, RuntimeWarning, stacklevel=2)
        return None, why


def learned(session: Session, study: optuna.Study, results: RunResults) -> Learned | None:
    """What a surrogate model learns of all networks in the run folder; None where too few are trained.

    With rungs it learns from what networks were at the first one, as it does in a search.

    Args:
        session: Of the run.
        study: Its study: networks that failed in it are not to be tried next.
        results: What the run folder holds.

    Example:
        >>> from explorer import run_search
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> run = run_search("digits", trials=24, name="some", workers=1, energy=False, progress=False)
        >>> found = learned(prepare(Options(run="some", resume=True)), optuna.create_study(), run.results)
        >>> found.backbones[0].backbone, len(found.next_networks)
        ('mlp', 10)
    """
    trained = Counter(stored.spec.backbone for stored in results.networks.values())
    if max(trained.values(), default=0) < LEAST_NETWORKS:
        return None
    proposer, costs = Proposer(session.inventory, {}, session.record.encoding), CostModel(results.setting)
    surrogate = Surrogate(session.inventory, proposer.network, costs)
    points = _known_points(results, costs)
    paused = _observe(surrogate, results, costs, points)
    for trial in finished_trials(study):
        result = TrialResult.of(trial)
        surrogate.tell(result.network_key)
        if result.outcome == "failed":
            surrogate.fail(proposer.suggest(optuna.trial.FixedTrial(trial.params)).network)
    for key in sorted(results.networks):  # those that no proposal asked for count, too
        surrogate.tell(key)
    front = points[points["on_front"]]
    losses = loss_values(front, results.objectives).to_numpy()
    return what_was_learned(surrogate, losses, set(front["network_key"]), min(paused, default=None))


def _known_points(results: RunResults, costs: CostModel) -> pd.DataFrame:
    """The points that the surrogate knows: edge parts in float32, with costs that follow from structure."""
    if SIZES[0] not in results.points:
        return results.points
    swept = {key: without_code(own.points) for key, own in results.networks.items()}
    networks = [(own.splits, own.num_samples) for own in results.networks.values()]
    owners = np.repeat(np.arange(len(swept)), [len(own) for own in swept.values()])
    points = costs.points_of_networks(pd.concat(swept.values(), ignore_index=True), owners, networks)
    points = points.assign(network_key=np.array(list(swept))[owners])
    return mark_front(points, results.objectives, results.record.constraints_on(results.setting))


def _observe(surrogate: Surrogate, results: RunResults, costs: CostModel, known: pd.DataFrame) -> set[int]:
    """Let a surrogate learn from every network; the epochs of those that are not trained to the end then."""
    store, paused = Store(results.path), set[int]()
    needed = dict.fromkeys([*POINT_COLUMNS, *(metric.name for metric in surrogate.metrics)])
    swept = known[is_deployable(known)]
    points_now = dict(iter(swept[[*needed]].groupby(swept["network_key"], sort=False)))
    for key, stored in results.networks.items():
        if surrogate.architectures.of(stored.spec) is None:
            continue  # of a variant that cannot be used any more
        first = next(iter(store.earlier_epochs(key)), None)
        points = points_now[key]
        if first is not None:
            earlier = without_code(store.read_earlier_points(key, first))
            points = costs.points(earlier, stored.splits, stored.num_samples)
        surrogate.observe(stored.spec, store.read_evidence(key, first), points, stored.training.seconds)
        epochs = stored.training.epochs if first is None else first
        if epochs < stored.spec.recipe.total_epochs:
            paused.add(epochs)
    return paused
