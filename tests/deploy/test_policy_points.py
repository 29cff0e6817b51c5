"""Terms of the expected latency are those of the cost model, and few points stand for all."""

import numpy as np
import pytest

import explorer
from explorer.costs.latency import bytes_on_air
from explorer.deploy.policy_points import network_points, useful_points
from explorer.devices import PROTOCOLS, Setting
from explorer.errors import UserError
from explorer.runs.results import RunResults
from explorer.runtime.policy.point_costs import PointCosts

AROUND, RTT_S = 640, 0.01


@pytest.fixture(scope="module")
def results(digits_run: explorer.Run) -> RunResults:
    return digits_run.results


def test_the_formula_is_that_of_the_cost_model(results: RunResults) -> None:
    """With protocol and headers around its payload, every point has the latency that its row says."""
    link, protocol = results.setting.link, PROTOCOLS[results.setting.protocol]
    assert link.uplink_bits_per_s is not None
    assert link.rtt_s is not None
    for key in results.networks:
        rows, costs = network_points(results, key)
        assert len(rows) == len(costs) > 10
        for own, modelled in zip(costs, rows["latency_model_s"], strict=True):
            messages = [own.message_bytes + protocol.overhead_bytes, protocol.answer_bytes]
            around = float(bytes_on_air(messages, link).sum()) - own.message_bytes
            latency_s = own.latency_s(link.rtt_s, 8 / link.uplink_bits_per_s, around)
            assert latency_s == pytest.approx(modelled)


def test_devices_without_a_rate_are_refused(results: RunResults) -> None:
    with pytest.raises(UserError, match="esp32: macs_per_s: is needed"):
        network_points(results, next(iter(results.networks)), on_edge(results, "esp32"))


def on_edge(results: RunResults, edge: str) -> Setting:
    return results.setting.with_profiles(edge=edge)


def random_points(count: int, seed: int) -> list[PointCosts]:
    """The less a point sends, the dearer its edge part."""
    generator = np.random.default_rng(seed)
    numbers = zip(*generator.random((4, count)).tolist(), strict=True)
    rest = {"exit_s": 0.0, "encode_s": 0.0, "server_s": 0.0}
    return [
        PointCosts(
            edge_s=0.2 * (1 - rate) ** 2 * (1 + dearer),
            offload_rate=rate,
            message_bytes=4000 * size,
            accuracy=0.8 + 0.2 * right,
            **rest,
        )
        for rate, dearer, size, right in numbers
    ]


@pytest.mark.parametrize("seed", range(5))
def test_few_points_come_close_to_all_at_every_rate(seed: int) -> None:
    points, floor = random_points(200, seed), 0.85
    few = useful_points(
        points,
        accuracy_floor=floor,
        rtt_s=RTT_S,
        slowest_bits_per_s=1e4,
        fastest_bits_per_s=1e7,
        protocol_bytes=AROUND,
    )
    assert 2 <= len(few) <= 6
    assert all(points[place].accuracy >= floor for place in few)
    for rate in np.geomspace(1e4, 1e7, 50):
        latency = [own.latency_s(RTT_S, 8 / rate, AROUND) for own in points if own.accuracy >= floor]
        with_few = [points[place].latency_s(RTT_S, 8 / rate, AROUND) for place in few]
        assert min(with_few) <= 1.1 * min(latency)


def test_the_first_is_the_best_alone_and_no_more_are_taken_than_help() -> None:
    one = random_points(1, 0) * 4
    link = {"rtt_s": RTT_S, "slowest_bits_per_s": 1e4, "fastest_bits_per_s": 1e7, "protocol_bytes": AROUND}
    assert useful_points(one, accuracy_floor=0.0, **link) == [0]  # type: ignore[arg-type]


def test_a_floor_that_none_keeps_is_refused() -> None:
    link = {"rtt_s": RTT_S, "slowest_bits_per_s": 1e4, "fastest_bits_per_s": 1e7, "protocol_bytes": AROUND}
    with pytest.raises(UserError, match="no point reaches 1"):
        useful_points(random_points(5, 0), accuracy_floor=1.0, **link)  # type: ignore[arg-type]
