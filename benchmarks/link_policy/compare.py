"""Mean latency of the policy beside fixed points and beside an oracle that knows the present rate."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from benchmarks.link_policy.replay import PROBE_BYTES, Clock, Replayed, World
from benchmarks.link_policy.scenarios import Scenario
from explorer.runtime.policy.policy import Policy, Probing

MOST_OVER_ORACLE = 1.15
WORTH_FOLLOWING = 1.05  # what the oracle must gain over the best fixed point for the policy to beat that one
_SMOOTHED, _STEP = 200, 10  # samples that a point of the figure averages, and from one to the next


@dataclass(frozen=True)
class Comparison:
    """One scenario, replayed once.

    Attributes:
        scenario: What was replayed.
        fixed: At each point for all samples.
        policy: As the policy chose.
        oracle: At the best point for each sample's link.
        eligible: Places of the points that keep the floor.
        seed: Of samples and chances.
    """

    scenario: Scenario
    fixed: tuple[Replayed, ...]
    policy: Replayed
    oracle: Replayed
    eligible: tuple[int, ...]
    seed: int

    @property
    def best_fixed_s(self) -> float:
        return min(float(self.fixed[place].latency_S.mean()) for place in self.eligible)

    @property
    def policy_s(self) -> float:
        return float(self.policy.latency_S.mean())

    @property
    def oracle_s(self) -> float:
        return float(self.oracle.latency_S.mean())

    @property
    def accuracy(self) -> float:
        return float(self.policy.right_S.mean())

    @property
    def expected_accuracy(self) -> float:
        """Of the points that were chosen, on the validation subset."""
        return float(np.array([own.accuracy for own in self.scenario.costs])[self.policy.point_S].mean())

    def to_json(self) -> dict[str, Any]:
        policy = self.policy
        return {
            "scenario": self.scenario.name,
            "seed": self.seed,
            "samples": len(policy.latency_S),
            "points": list(self.scenario.labels),
            "fixed_s": [float(own.latency_S.mean()) for own in self.fixed],
            "best_fixed_s": self.best_fixed_s,
            "policy_s": self.policy_s,
            "oracle_s": self.oracle_s,
            "policy_over_oracle": self.policy_s / self.oracle_s,
            "policy_over_best_fixed": self.policy_s / self.best_fixed_s,
            "changes": [vars(change) for change in policy.changes],
            "probes": policy.probes,
            "probe_share": policy.probe_s / float(policy.latency_S.sum()),
            "accuracy": self.accuracy,
            "expected_accuracy": self.expected_accuracy,
            "accuracy_floor": self.scenario.floor,
        }


def compare(scenario: Scenario, samples: int, seed: int) -> Comparison:
    """Replay a scenario, ``samples`` of them in each phase."""
    world = World(scenario.costs, scenario.answers, scenario.phases(samples), scenario.protocol, seed)
    eligible = tuple(k for k, own in enumerate(scenario.costs) if own.accuracy >= scenario.floor)
    clock = Clock()
    policy = Policy(
        scenario.costs,
        accuracy_floor=scenario.floor,
        bits_per_s=scenario.bits_per_s,
        rtt_s=scenario.rtt_s,
        protocol_bytes=scenario.protocol[0],
        answer_bytes=scenario.protocol[1],
        probing=Probing(small_bytes=min(PROBE_BYTES, sum(scenario.protocol))),
        clock=clock,
    )
    fixed = tuple(world.fixed(place) for place in range(len(scenario.costs)))
    return Comparison(
        scenario, fixed, world.with_policy(policy, clock), world.oracle(eligible), eligible, seed
    )


def shortfalls(comparisons: Sequence[Comparison]) -> list[str]:
    """One line per figure that falls short."""
    short = []
    for own in comparisons:
        name = f"{own.scenario.name}, seed {own.seed}"
        if not own.policy_s <= MOST_OVER_ORACLE * own.oracle_s:
            short.append(f"{name}: policy takes {own.policy_s / own.oracle_s:.3f} of the oracle's latency")
        worth = own.best_fixed_s >= WORTH_FOLLOWING * own.oracle_s
        if worth and not own.policy_s < own.best_fixed_s:
            short.append(
                f"{name}: policy takes {own.policy_s / own.best_fixed_s:.3f} of the best fixed point's"
            )
        slack = accuracy_slack(own.scenario.floor, len(own.policy.right_S))
        if own.accuracy < own.scenario.floor - slack:
            short.append(f"{name}: accuracy {own.accuracy:.4f} is below {own.scenario.floor:.4f}")
        if not set(own.policy.point_S.tolist()) <= set(own.eligible):
            short.append(f"{name}: a point below the floor was chosen")
    return short


def accuracy_slack(floor: float, samples: int) -> float:
    """Three standard errors: the floor holds for expectations, and samples are drawn."""
    return 3 * sqrt(floor * (1 - floor) / samples)


def figure(comparisons: Sequence[Comparison]) -> go.Figure:
    """Moving mean of the latency over the samples, a row per scenario."""
    titles = [own.scenario.name for own in comparisons]
    chart = make_subplots(rows=len(comparisons), cols=1, subplot_titles=titles)
    for row, own in enumerate(comparisons, start=1):
        grey, black, orange = "rgb(170,170,170)", "rgb(0,0,0)", "rgb(213,94,0)"
        shown = [("fixed point", replayed, label, grey) for label, replayed in _by_label(own)]
        shown += [("oracle", own.oracle, "oracle", black), ("policy", own.policy, "policy", orange)]
        for place, (name, replayed, label, colour) in enumerate(shown):
            mean = 1e3 * _moving_mean(replayed.latency_S)
            chart.add_scatter(
                x=list(range(_SMOOTHED, _SMOOTHED + _STEP * len(mean), _STEP)),
                y=mean,
                name=name,
                hovertext=label,
                line={"color": colour, "dash": "dot" if name == "fixed point" else "solid"},
                showlegend=row == 1 and (place == 0 or name != "fixed point"),
                row=row,
                col=1,
            )
        for change in own.policy.changes:
            chart.add_vline(x=change.number, line={"color": orange, "width": 1}, row=row, col=1)
    chart.update_xaxes(title="sample")
    chart.update_yaxes(title="latency (ms)", type="log")
    return chart.update_layout(
        title=f"Latency while the rate falls to a twentieth and recovers (mean of {_SMOOTHED} samples)",
        height=360 * len(comparisons),
    )


def _by_label(own: Comparison) -> list[tuple[str, Replayed]]:
    return list(zip(own.scenario.labels, own.fixed, strict=True))


def _moving_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.convolve(values, np.ones(_SMOOTHED) / _SMOOTHED, mode="valid")[::_STEP]
