"""The front a network would have if it were trained: another's operating points, moved to where it would be.

Of the nearest trained network of the same variant the points are taken: split point, bits and exit rate stay.
Costs become the network's own, which are exact; the logit of a point's accuracy moves by what the regression
says of exit and output, each weighted with the share of samples that it answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.graph.split_points import OUTPUT
from explorer.core.payload import least_encoded_bytes
from explorer.core.quality import MARGINS
from explorer.core.run_point import RunPoint
from explorer.costs.intervals import learned_columns
from explorer.costs.model import CostModel
from explorer.engine.surrogate.accuracy_model import AccuracyModel
from explorer.engine.surrogate.architectures import Architecture, Architectures
from explorer.engine.surrogate.gaussian_process import Floats
from explorer.engine.surrogate.observation import Observation, Rows, from_logit, to_logit
from explorer.front.pareto import log_scaled
from explorer.space.constraints import Constraint
from explorer.space.metrics import SEARCHED_METRICS, Metric
from explorer.space.schema import SearchSpace


@dataclass(frozen=True, eq=False)
class PredictedFronts:
    """Operating points that networks are predicted to have.

    Shape suffix: R points of all networks.

    Attributes:
        owner_R: Number of each point's network.
        split_points, bits_R, thresholds_R: How each is run.
        scaled: Losses (R, objectives), of learned shares as the templates had them.
        logits: Of each learned share, by credit: mean and standard deviation (R, 2).
        samples_R: Behind the shares.
        known_R: Whether all constraints that need no training are satisfied.
        margins: Of the quality, where it is not plain accuracy: as the templates had them.

    Example:
        >>> one, logits = np.ones(1), {"correct": np.zeros((1, 2))}
        >>> how = (np.array([0]), ["relu1"], np.array([8]), 0.9 * one)
        >>> PredictedFronts(*how, np.array([[0.5, 0.2]]), logits, np.array([400]), one > 0).point(0)
        RunPoint(split_point='relu1', confidence_threshold=0.9, payload_bits=8, edge_weight_bits=32)
    """

    owner_R: NDArray[np.int64]
    split_points: Sequence[str]
    bits_R: NDArray[np.int64]
    thresholds_R: Floats
    scaled: Floats
    logits: Mapping[str, Floats]
    samples_R: NDArray[np.int64]
    known_R: NDArray[np.bool_]
    margins: Mapping[str, Floats] = field(default_factory=dict)

    def point(self, row: int) -> RunPoint:
        """How an operating point is run."""
        if self.split_points[row] == OUTPUT:
            return RunPoint.at_output()
        threshold = float(self.thresholds_R[row])
        sure = None if np.isnan(threshold) else threshold
        return RunPoint(self.split_points[row], sure, int(self.bits_R[row]))


class FrontPredictor:
    """Predicts fronts of the networks of one space.

    Args:
        architectures: Of the space.
        costs: The cost model of the search.
        space: Its objectives and constraints.
        reference: Worst corner of the hypervolume as losses.
        ideal: Best corner.

    Example:
        >>> from explorer.engine.proposals import Proposer
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> from explorer.devices import Setting
        >>> from explorer.engine.surrogate.features import Features
        >>> from explorer.front.pareto import reference_and_ideal
        >>> networks = Architectures(inventory, Proposer(inventory, {}).network)
        >>> rng, zero = np.random.default_rng(0), np.zeros(1)
        >>> rows = Rows(("output",), np.array([0]), zero, zero, zero, {"correct": zero + 0.8})
        >>> some = [networks.draw(rng, "mlp") for _ in range(5)]
        >>> trained = [Observation(one, 400, {("correct", "output"): 0.8}, rows, 1.0) for one in some]
        >>> model = AccuracyModel("mlp", Features(networks, "mlp"), trained)
        >>> space, costs = inventory.space, CostModel(Setting.load("rpi4", "nvidia_t4", "lte_2021"))
        >>> corners = reference_and_ideal(space.metrics, space.objectives)
        >>> predictor = FrontPredictor(networks, costs, space, *corners)
        >>> fronts = predictor.predict(model, [networks.draw(rng, "mlp")])
        >>> fronts.point(0), predictor.losses(fronts, 0.0)[:, [0, 3]].round(2)  # accuracy, payload
        (RunPoint(split_point='output', ..., edge_weight_bits=32), array([[0.4, 0. ]]))
    """

    def __init__(
        self,
        architectures: Architectures,
        costs: CostModel,
        space: SearchSpace,
        reference: Floats,
        ideal: Floats,
    ) -> None:
        self._architectures, self._costs, self._metrics = architectures, costs, space.metrics
        self._reference, self._ideal = reference, ideal
        self._form = space.inference_config.payload
        constraints = space.constraints_on(costs.setting)
        self._learned = [own for own in constraints if _is_predicted(SEARCHED_METRICS[own.column])]
        self._exact = [own for own in constraints if not _is_predicted(SEARCHED_METRICS[own.column])]

    def predict(self, model: AccuracyModel, some: Sequence[Architecture]) -> PredictedFronts:
        """Fronts of networks of the model's backbone."""
        X = model.features.of(some)
        groups = self._groups(model, some, X)
        mean, sd = model.predict(X)
        parts = [
            self._moved(model, some[places[0]].variant, template, places, mean[places], sd[places])
            for template, places in groups
        ]
        swept: dict[str, Any] = {
            name: np.concatenate([part.swept[name] for part in parts]) for name in parts[0].swept
        }
        swept["split_point"] = [name for part in parts for name in part.split_points]
        samples = np.concatenate([part.samples for part in parts])
        table = self._table(some, groups, parts)
        columns = self._costs.expected(swept, table, samples)
        logits = {
            credit: np.concatenate([part.logits[credit] for part in parts]) for credit in parts[0].logits
        }
        signs = [-1.0 if metric.direction == "maximize" else 1.0 for metric in self._metrics]
        losses = [sign * columns[own.name] for sign, own in zip(signs, self._metrics, strict=True)]
        scaled = log_scaled(np.column_stack(losses), self._reference, self._ideal)
        return PredictedFronts(
            np.concatenate([part.owner for part in parts]),
            swept["split_point"],
            swept["payload_bits"],
            swept["confidence_threshold"],
            np.nan_to_num(scaled, nan=np.inf, posinf=np.inf),
            logits,
            samples,
            _satisfied(columns, self._exact, len(samples)),
            {name: swept[name] for name in MARGINS if name in swept},
        )

    def losses(self, fronts: PredictedFronts, z: float) -> Floats:
        """Scaled losses (R, objectives) if all shares lie ``z`` standard deviations off.

        Infinite where a constraint is violated.
        """
        losses = fronts.scaled.copy()
        shares = {credit: from_logit(own[:, 0] + z * own[:, 1]) for credit, own in fronts.logits.items()}
        right = {credit: share * fronts.samples_R for credit, share in shares.items()}
        columns = learned_columns(right | dict(fronts.margins), fronts.samples_R)
        for place, metric in enumerate(self._metrics):
            if _is_predicted(metric):
                best, worst = self._ideal[place], self._reference[place]
                losses[:, place] = (-columns[metric.name] - best) / (worst - best)
        losses[~(fronts.known_R & _satisfied(columns, self._learned, len(losses)))] = np.inf
        return losses

    def _groups(
        self, model: AccuracyModel, some: Sequence[Architecture], X_MD: Floats
    ) -> list[tuple[Observation, NDArray[np.int64]]]:
        """Networks of one variant by their template, the nearest observation: of the same variant, if any."""
        known = model.X
        variants = np.array([one.architecture.variant for one in model.observations])
        own = np.array([one.variant for one in some])
        squares = np.square(X_MD).sum(1)[:, np.newaxis] + np.square(known).sum(1) - 2 * X_MD @ known.T
        nearest = (squares + 1e6 * (variants != own[:, np.newaxis])).argmin(axis=1)
        pairs, inverse = np.unique(np.column_stack([own, nearest]), axis=0, return_inverse=True)
        return [
            (model.observations[template], np.flatnonzero(inverse == number))
            for number, (_, template) in enumerate(pairs)
        ]

    def _moved(
        self,
        model: AccuracyModel,
        variant: int,
        template: Observation,
        places: NDArray[np.int64],
        mean_GT: Floats,
        sd_GT: Floats,
    ) -> "_Moved":
        """A template's points as those of G networks of a variant, at the split points that it has."""
        names = self._architectures.costs(variant).split_points
        rows, n = template.rows.at(names), template.num_samples
        at = {target: place for place, target in enumerate(model.targets)}
        logits = {}
        for credit, share in rows.shares.items():
            output = at[credit, OUTPUT]
            exits = np.array([at.get((credit, name), output) for name in rows.split_points], dtype=np.int64)
            seen = np.array([template.shares.get(target, np.nan) for target in model.targets])
            moved = np.nan_to_num(mean_GT - to_logit(seen, n))  # 0 where the template has no such exit
            stay = 1 - rows.exited
            mean = to_logit(share, n) + rows.exited * moved[:, exits] + stay * moved[:, [output]]
            sd = rows.exited * sd_GT[:, exits] + stay * sd_GT[:, [output]]
            logits[credit] = np.column_stack([mean.ravel(), sd.ravel()])
        at_output = np.array([name == OUTPUT for name in rows.split_points], dtype=np.bool_)
        once = {
            "payload_bits": rows.bits,
            "confidence_threshold": rows.thresholds,
            "exited": np.where(at_output, 1.0, rows.exited) * n,
            "sent_bytes": rows.sent_bytes * self._payload_ratio(variant, template, rows),
        } | {credit: share * n for credit, share in rows.shares.items()}
        once |= rows.margins
        count, points = len(places), len(rows.split_points)
        return _Moved(
            np.repeat(places, points),
            list(rows.split_points) * count,
            {name: np.tile(values, count) for name, values in once.items()},
            logits,
            np.full(count * points, n),
            np.array([names.index(name) for name in rows.split_points], dtype=np.int64),
        )

    def _payload_ratio(self, variant: int, template: Observation, rows: Rows) -> NDArray[np.float64] | float:
        """How much longer payloads are than those of the template; 1 within a variant."""
        other = template.architecture.variant
        if variant == other:
            return 1.0

        def length(number: int, name: str, bits: int) -> float:
            costs = self._architectures.costs(number)
            elements = costs.counts["payload_elements"][0, costs.split_points.index(name)]
            return least_encoded_bytes(int(elements), bits, self._form) if bits else 1.0

        pairs = zip(rows.split_points, rows.bits.tolist(), strict=True)
        return np.array([length(variant, *pair) / length(other, *pair) for pair in pairs])

    def _table(
        self,
        some: Sequence[Architecture],
        groups: Sequence[tuple[Observation, NDArray[np.int64]]],
        parts: Sequence["_Moved"],
    ) -> dict[str, NDArray[Any]]:
        """What each point's split point costs, by name."""
        by_variant, row = self._tables(some), np.empty(len(some), dtype=np.int64)
        for variant in by_variant:
            members = [place for place, one in enumerate(some) if one.variant == variant]
            row[members] = np.arange(len(members))
        found: dict[str, list[NDArray[Any]]] = {}
        for (_, places), part in zip(groups, parts, strict=True):
            cells = np.ix_(row[places], part.splits)
            for name, values in by_variant[some[places[0]].variant].items():
                found.setdefault(name, []).append(values[cells].ravel())
        return {name: np.concatenate(values) for name, values in found.items()}

    def _tables(self, some: Sequence[Architecture]) -> dict[int, dict[str, NDArray[Any]]]:
        """What every split point costs, by variant: arrays (networks of the variant, split points)."""
        found = {}
        for variant in dict.fromkeys(one.variant for one in some):
            own = [one for one in some if one.variant == variant]
            densities = self._architectures.densities(variant, own)
            patterns = [self._architectures.patterns[one.pattern] for one in own]
            found[variant] = self._architectures.costs(variant).table(
                densities, patterns, self._costs.setting
            )
        return found


@dataclass(frozen=True, eq=False)
class _Moved:
    """Points of the networks that share a template, network by network."""

    owner: NDArray[np.int64]
    split_points: list[str]
    swept: Mapping[str, NDArray[Any]]
    logits: Mapping[str, Floats]
    samples: NDArray[np.int64]
    splits: NDArray[np.int64]  # number of each of the template's split points


def _is_predicted(metric: Metric) -> bool:
    return bool(metric.credit or metric.bounds)


def _satisfied(
    columns: Mapping[str, NDArray[Any]], constraints: Sequence[Constraint], count: int
) -> NDArray[np.bool_]:
    found = np.ones(count, dtype=np.bool_)
    for own in constraints:
        values = columns[own.column]
        found &= values <= own.bound if own.operator == "<=" else values >= own.bound
    return found
