"""How much of a front is luck of the validation subset: chosen by one half of it, judged by the other."""

from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.search_efficiency.curves import log_hypervolume
from benchmarks.subsamples import only
from benchmarks.true_front.curves import Judge, Losses
from explorer.core.run_point import RunPoint
from explorer.core.sweep import outcome_at, sweep
from explorer.costs.evaluate import EvaluatedNetwork
from explorer.front.pareto import non_dominated
from explorer.space.metrics import loss_values


def share_of_luck(judge: Judge, seed: int = 0) -> float:
    """Regret, on the half that did not choose, of the operating points of the front that a half chooses.

    What is left when every network of a table is known, on fewer samples than a search has; so it is an upper
    bound of what a second draw of the validation subset would change.
    """
    networks = list(judge.table.read_all())
    count = networks[0].evidence.num_samples
    order = np.random.default_rng(seed).permutation(count)
    one, other = order[: count // 2], order[count // 2 :]
    thresholds = judge.space.confidence_thresholds
    chosen, judged, best = list[Losses](), list[Losses](), list[Losses]()
    for network in networks:
        halves = [replace(network, evidence=only(network.evidence, half)) for half in (one, other)]
        swept = sweep(halves[0].evidence, thresholds.low, thresholds.high)
        points = judge.costs.points(swept, network.splits, len(one))
        losses = loss_values(points, judge.space.metrics).to_numpy()
        kept = non_dominated(losses)
        chosen.append(losses[kept])
        rows = swept[kept].astype({"payload_bits": object}).to_dict("records")
        judged.append(_losses(judge, halves[1], [RunPoint.from_row(row) for row in rows]))
        best.append(judge.losses(halves[1]))
    on_front = non_dominated(np.vstack(chosen))
    reached = log_hypervolume(_front(np.vstack(judged)[on_front]), judge.space)
    return 1.0 - reached / log_hypervolume(_front(np.vstack(best)), judge.space)


def _front(losses: Losses) -> Losses:
    return losses[non_dominated(losses)]


def _losses(judge: Judge, network: EvaluatedNetwork, points: list[RunPoint]) -> Losses:
    rows = [
        judge.costs.point(
            point, outcome_at(network.evidence, point), network.splits, network.evidence.num_samples
        )
        for point in points
    ]
    return loss_values(pd.DataFrame(rows), judge.space.metrics).to_numpy()
