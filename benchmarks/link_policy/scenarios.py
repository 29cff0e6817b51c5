"""Networks, devices and links that are replayed."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import explorer
from benchmarks.link_policy.replay import Answers, Phase
from explorer.core.run_point import RunPoint
from explorer.deploy.policy_points import network_points, useful_points
from explorer.devices import Setting
from explorer.runs.results import RunResults
from explorer.runs.store import Store
from explorer.runtime.policy.point_costs import PointCosts
from explorer.runtime.sizes import FRAME_ANSWER_BYTES, FRAME_BYTES, REQUEST_OVERHEAD, RESPONSE_BYTES

FALL = 20.0  # the rate falls to a twentieth
LOSS_OF_ACCURACY = 0.01  # the floor lies so far below the best point of the network
HTTP, FRAME = (REQUEST_OVERHEAD, RESPONSE_BYTES), (FRAME_BYTES, FRAME_ANSWER_BYTES)
TRIALS, SERVER = 25, "xeon_8124m"


@dataclass(frozen=True)
class Scenario:
    """Points of one network on one link.

    Attributes:
        name: For a person.
        labels: Of the points.
        costs: Of the points.
        answers: Of the validation samples at the points.
        floor: Of the accuracy.
        bits_per_s: Of the link while it is well.
        rtt_s: Of the link.
        protocol: Bytes around a payload, bytes of an answer.
        point_ids: Of the points, in the run; none where they are made up.
    """

    name: str
    labels: tuple[str, ...]
    costs: tuple[PointCosts, ...]
    answers: Answers
    floor: float
    bits_per_s: float
    rtt_s: float
    protocol: tuple[int, int]
    point_ids: tuple[str, ...] = ()

    def phases(self, samples: int) -> tuple[Phase, ...]:
        """Well, fallen, and well again."""
        rates = (self.bits_per_s, self.bits_per_s / FALL, self.bits_per_s)
        return tuple(Phase(samples, rate, self.rtt_s) for rate in rates)

    def gain(self) -> float:
        """Expected latency of the best fixed point over that of the best point for each rate."""
        around = sum(self.protocol)
        latency = np.array(
            [
                [own.latency_s(self.rtt_s, 8 / phase.bits_per_s, around) for phase in self.phases(1)]
                for own in self.costs
                if own.accuracy >= self.floor
            ]
        )
        return float(latency.mean(axis=1).min() / latency.min(axis=0).mean())


def synthetic() -> Scenario:
    """Four points made up: the later the split, the dearer the edge part and the surer the exit."""
    generator = np.random.default_rng(0)
    sure = generator.random(2000)
    rates, edge_s, sizes = (1.0, 0.5, 0.2, 0.05), (0.001, 0.006, 0.012, 0.03), (794, 402, 206, 108)
    sent = np.array([sure < rate for rate in rates])
    right = generator.random((4, 2000)) < np.array([[0.93], [0.925], [0.92], [0.915]])
    costs = [
        PointCosts(
            edge_s=edge_s[k],
            exit_s=0.0 if k == 0 else 0.0005,
            encode_s=0.0003,
            server_s=0.001,
            offload_rate=float(sent[k].mean()),
            message_bytes=sizes[k],
            accuracy=float(right[k].mean()),
        )
        for k in range(4)
    ]
    answers = Answers(sent, np.repeat(np.array(sizes)[:, None], 2000, axis=1), right)
    labels = tuple(f"point {k + 1}: {rates[k]:.0%} sent" for k in range(4))
    return Scenario("synthetic, 4 Mb/s", labels, tuple(costs), answers, 0.9, 4e6, 0.005, HTTP)


def of_run(
    results: RunResults,
    edge: str,
    link: str,
    share: float,
    protocol: tuple[int, int],
    keys: Sequence[str] | None = None,
) -> Scenario:
    """The network of a run that has most to gain from following this link, and its most useful points.

    Args:
        results: Of the run.
        edge: Profile of the edge device.
        link: Profile of the link.
        share: Of the profile's rate that there is while the link is well.
        protocol: Bytes around a payload, bytes of an answer.
        keys: Of the networks that are considered; all where None.
    """
    setting = Setting.load(edge=edge, server=SERVER, link=link)
    rate, rtt_s = setting.link.uplink_bits_per_s, setting.link.rtt_s
    assert rate is not None
    assert rtt_s is not None
    known = results.networks if keys is None else keys
    found = [_of_network(results, key, setting, rate * share, rtt_s, protocol) for key in known]
    return max(found, key=Scenario.gain)


def _of_network(
    results: RunResults, key: str, setting: Setting, rate: float, rtt_s: float, protocol: tuple[int, int]
) -> Scenario:
    rows, costs = network_points(results, key, setting)
    floor = float(rows["accuracy"].max()) - LOSS_OF_ACCURACY
    places = useful_points(
        costs,
        accuracy_floor=floor,
        rtt_s=rtt_s,
        slowest_bits_per_s=rate / FALL,
        fastest_bits_per_s=rate,
        protocol_bytes=sum(protocol),
    )
    points = [RunPoint.from_row(row) for row in rows.iloc[places].to_dict("records")]
    how = "HTTP" if protocol == HTTP else "frames"
    return Scenario(
        f"{key}, {setting.edge.name}, {setting.link.name}, {rate / 1e3:.5g} kb/s, {how}",
        tuple(
            f"{point.split_point}, {costs[k].offload_rate:.1%} sent"
            for k, point in zip(places, points, strict=True)
        ),
        tuple(costs[place] for place in places),
        Answers.of(Store(results.path).read_evidence(key), points),
        floor,
        rate,
        rtt_s,
        protocol,
        tuple(rows["point_id"].iloc[places]),
    )


@contextmanager
def digits_run(seed: int = 0) -> Iterator[explorer.Run]:
    """A digits run, as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="link-policy-") as reports:
        quiet = {"workers": 1, "energy": False, "progress": False, "reports": Path(reports)}
        yield explorer.run_search("digits", trials=TRIALS, seed=seed, name="digits", **quiet)


def digits(results: RunResults) -> list[Scenario]:
    """Links on which networks of a digits run have something to gain, and one on which they have not."""
    return [
        of_run(results, "stm32l4r5", "ble_2m_dle", 1.0, HTTP),
        of_run(results, "stm32l4r5", "ble_2m_dle", 0.1, FRAME),
        of_run(results, "stm32h7a3", "ble_2m_dle", 0.3, FRAME),
        of_run(results, "stm32l4r5", "wifi_esp32_11n", 0.1, HTTP),
        of_run(results, "rpi_zero_2w", "wifi_esp32_11n", 1.0, HTTP),
    ]
