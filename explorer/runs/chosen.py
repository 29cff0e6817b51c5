"""How much better a run's front looks than it is, from the evidence that the run keeps."""

from explorer.costs.model import CostModel
from explorer.front.estimators import METHOD, REPEATS, estimated_optimism
from explorer.front.optimism import Method, Optimism
from explorer.front.resampled import Resampler
from explorer.runs.results import RunResults
from explorer.runs.store import Store


def run_optimism(
    results: RunResults, low: float, high: float, method: Method = METHOD, repeats: int = REPEATS
) -> Optimism | None:
    """Estimate by how much accuracies of front points are too high; None for a run without points.

    Args:
        results: The run; its objectives and constraints make the front.
        low: Least confidence threshold that the space allows.
        high: Largest.
        method: See :mod:`explorer.front.optimism`.
        repeats: How often samples are divided or drawn.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="chosen", workers=1, energy=False, progress=False)
        >>> run_optimism(run.results, low=0.0, high=1.0) == run.record.optimism
        True
    """
    store = Store(results.path)
    networks = [
        (evidence, stored.splits)
        for key, stored in results.networks.items()
        for evidence in store.read_evidences(key)
    ]
    if not networks:
        return None
    constraints = results.record.constraints_on(results.setting)
    front_of = CostModel(results.setting), results.objectives, constraints
    return estimated_optimism(Resampler(networks, *front_of, low, high), method, repeats)
