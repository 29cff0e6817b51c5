"""Samples of a run, replayed on a link that changes: at fixed points, with the policy, and with an oracle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from explorer.core.evidence import Evidence
from explorer.core.run_point import RunPoint
from explorer.runtime.policy.point_costs import PointCosts
from explorer.runtime.policy.policy import Change, Policy

Floats = NDArray[np.float64]
JITTER = 0.15  # standard deviation of the logarithm of a message's time
COMPUTE_JITTER = 0.05  # likewise of a part's
OUTLIERS, OUTLIER_FACTOR = 0.01, 4.0  # messages that take much longer
PROBE_BYTES = 300


@dataclass(frozen=True)
class Phase:
    """A link that stays as it is for some samples."""

    samples: int
    bits_per_s: float
    rtt_s: float


@dataclass(frozen=True)
class Answers:
    """What validation samples do at each point (P, N): whether one is sent, in how many bytes, if right."""

    sent_PN: NDArray[np.bool_]
    payload_PN: NDArray[np.int64]
    right_PN: NDArray[np.bool_]

    @classmethod
    def of(cls, evidence: Evidence, points: Sequence[RunPoint]) -> "Answers":
        rows = [_answers(evidence, point) for point in points]
        return cls(*(np.array(column) for column in zip(*rows, strict=True)))


def _answers(
    evidence: Evidence, point: RunPoint
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_]]:
    count = evidence.num_samples
    if point.payload_bits is None:
        return np.zeros(count, bool), np.zeros(count, np.int64), evidence.output_correct_N
    split = evidence.split_points.index(point.split_point)
    bits = evidence.payload_bits.index(point.payload_bits)
    sent = np.ones(count, bool)
    if point.confidence_threshold is not None:
        sent = evidence.exit_confidence_SN[split].astype(np.float64) < point.confidence_threshold
    right = np.where(sent, evidence.server_correct_SBN[split, bits], evidence.exit_correct_SN[split])
    return sent, evidence.encoded_bytes(split, bits).astype(np.int64), right


@dataclass(frozen=True)
class Replayed:
    """Per sample: seconds until its answer, whether that was right, and the point it ran at."""

    latency_S: Floats
    right_S: NDArray[np.bool_]
    point_S: NDArray[np.int64]
    changes: tuple[Change, ...] = ()
    probes: int = 0
    probe_s: float = 0.0


class World:
    """One sequence of samples, links and chances, the same for everyone who is compared.

    Args:
        costs: Of the points.
        answers: Of the validation samples at these points.
        phases: Of the link.
        protocol_bytes: Around a payload, and in an answer.
        seed: Of samples and chances.
    """

    def __init__(
        self,
        costs: Sequence[PointCosts],
        answers: Answers,
        phases: Sequence[Phase],
        protocol_bytes: tuple[int, int],
        seed: int,
    ) -> None:
        generator = np.random.default_rng(seed)
        self.costs, self.phases = costs, phases
        self.request_bytes, self.answer_bytes = protocol_bytes
        counts = [phase.samples for phase in phases]
        self.count = sum(counts)
        picked = generator.integers(answers.right_PN.shape[1], size=self.count)
        self.sent_PS, self.right_PS = answers.sent_PN[:, picked], answers.right_PN[:, picked]
        self.payload_PS = answers.payload_PN[:, picked]
        self.phase_S = np.repeat(np.arange(len(phases)), counts)
        self.rtt_S = np.array([phase.rtt_s for phase in phases])[self.phase_S]
        self.s_per_byte_S = np.array([8 / phase.bits_per_s for phase in phases])[self.phase_S]
        self._chances, self._probe_chances = generator, np.random.default_rng([seed, 1])
        self.link_factor_S = self._link_factors(generator, self.count)
        self.compute_factor_S = np.exp(COMPUTE_JITTER * generator.standard_normal(self.count))
        self.latency_PS = np.array([self._latency(place) for place in range(len(costs))])

    @staticmethod
    def _link_factors(generator: np.random.Generator, count: int) -> Floats:
        factors = np.exp(JITTER * generator.standard_normal(count))
        return np.where(generator.random(count) < OUTLIERS, OUTLIER_FACTOR * factors, factors)

    def _round_trip(self, place: int) -> Floats:
        """Seconds of each sample's message, server included, if it is sent."""
        own = self.costs[place]
        size = self.payload_PS[place] + self.request_bytes + self.answer_bytes
        link = (self.rtt_S + self.s_per_byte_S * size) * self.link_factor_S
        return np.asarray(link + own.decode_s + own.server_s)

    def _latency(self, place: int) -> Floats:
        own = self.costs[place]
        alone = (own.edge_s + own.exit_s) * self.compute_factor_S
        sent = own.encode_s * self.compute_factor_S + self._round_trip(place)
        return np.asarray(alone + np.where(self.sent_PS[place], sent, 0.0))

    def at(self, point_S: NDArray[np.int64]) -> Replayed:
        """Every sample at a given point."""
        samples = np.arange(self.count)
        return Replayed(self.latency_PS[point_S, samples], self.right_PS[point_S, samples], point_S)

    def fixed(self, place: int) -> Replayed:
        """All samples at one point."""
        return self.at(np.full(self.count, place))

    def oracle(self, eligible: Sequence[int]) -> Replayed:
        """For each sample the best point by the formula on the link as it is: it knows the present rate."""
        around = self.request_bytes + self.answer_bytes
        best = [
            min(
                eligible,
                key=lambda place: self.costs[place].latency_s(phase.rtt_s, 8 / phase.bits_per_s, around),
            )
            for phase in self.phases
        ]
        return self.at(np.array(best)[self.phase_S])

    def with_policy(self, policy: Policy, clock: "Clock") -> Replayed:
        """As the policy chooses; probes delay the sample that follows them."""
        trips_PS = np.array([self._round_trip(place) for place in range(len(self.costs))])
        factors = iter(self._link_factors(self._probe_chances, 4 * self.count))
        points, latencies = np.zeros(self.count, np.int64), np.zeros(self.count)
        for sample in range(self.count):
            waited = 0.0
            if size := policy.probe_bytes():
                waited = (self.rtt_S[sample] + self.s_per_byte_S[sample] * size) * next(factors)
                clock.now += waited
                policy.observe_probe(size, waited)
            place = points[sample] = policy.choose()
            clock.now += self.latency_PS[place, sample]
            if self.sent_PS[place, sample]:
                policy.observe(self.payload_PS[place, sample] + self.request_bytes, trips_PS[place, sample])
            latencies[sample] = waited + self.latency_PS[place, sample]
        own = self.at(points)
        told = {"changes": tuple(policy.changes), "probes": policy.probes, "probe_s": policy.probe_s}
        return replace(own, latency_S=latencies, **told)


class Clock:
    """Time as it passes for the edge: samples come one right after another."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
