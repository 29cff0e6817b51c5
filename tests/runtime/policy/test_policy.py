"""The run-time policy: never under the floor, at the best point on a steady link, and not restless."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.runtime.errors import UserError
from explorer.runtime.policy.point_costs import PointCosts
from explorer.runtime.policy.policy import Change, Hysteresis, Policy, Probing

REQUEST, ANSWER = 384, 256
times = st.floats(1e-5, 0.1)
point_costs = st.builds(
    PointCosts,
    edge_s=times,
    exit_s=times,
    encode_s=times,
    server_s=times,
    offload_rate=st.one_of(st.just(0.0), st.floats(0.02, 1.0)),
    message_bytes=st.integers(1, 5000).map(float),
    accuracy=st.floats(0.5, 1.0),
    decode_s=times,
)
networks = st.lists(point_costs, min_size=1, max_size=6)


def point(
    edge_s: float, offload_rate: float, message_bytes: float = 360, accuracy: float = 0.9
) -> PointCosts:
    rest = {"exit_s": 0.0, "encode_s": 0.0, "server_s": 0.001, "accuracy": accuracy}
    return PointCosts(edge_s=edge_s, offload_rate=offload_rate, message_bytes=message_bytes, **rest)


EARLY, LATE, ALONE = point(0.001, 1.0), point(0.02, 0.1), point(0.06, 0.0)


class Edge:
    """An edge that runs samples one after another; a link that may change, without noise."""

    def __init__(self, points: Sequence[PointCosts], bits_per_s: float, rtt_s: float, **how: object) -> None:
        self.now, self.bits_per_s, self.rtt_s, self.down = 0.0, bits_per_s, rtt_s, False
        expected = {"bits_per_s": bits_per_s, "rtt_s": rtt_s} | how
        self.policy = Policy(points, clock=lambda: self.now, **expected)  # type: ignore[arg-type]
        self.chosen: list[int] = []
        self.sent = self.probes = 0
        self._owed = [0.0] * len(points)

    def seconds(self, size: float) -> float:
        return self.rtt_s + 8 * size / self.bits_per_s

    def run(self, samples: int) -> list[int]:
        """Places of the points that so many samples ran at; a point sends evenly, as often as it says."""
        for _ in range(samples):
            self.probe()
            self.chosen.append(self.policy.choose())
            own = self.policy.points[self.chosen[-1]]
            self.now += own.edge_s + own.exit_s
            self._owed[self.chosen[-1]] += own.offload_rate
            if self._owed[self.chosen[-1]] >= 1:
                self._owed[self.chosen[-1]] -= 1
                self.message(own)
        return self.chosen[-samples:]

    def probe(self) -> None:
        if size := self.policy.probe_bytes():
            self.probes += 1
            if self.down:
                self.now += 1.0
                self.policy.failed(1.0, probe=True)
            else:
                self.now += self.seconds(size)
                self.policy.observe_probe(size, self.seconds(size))

    def message(self, own: PointCosts) -> None:
        self.sent += 1
        if self.down:
            self.now += 1.0
            self.policy.failed(1.0)
            return
        link_s = self.seconds(own.message_bytes + REQUEST + ANSWER)
        took = link_s + own.decode_s + own.server_s
        self.now += own.encode_s + took
        self.policy.observe(own.message_bytes + REQUEST, took)

    def latency_s(self, place: int) -> float:
        own = self.policy.points[place]
        return own.latency_s(self.rtt_s, 8 / self.bits_per_s, REQUEST + ANSWER)


def test_latency_is_the_formula() -> None:
    own = PointCosts(
        edge_s=1,
        exit_s=2,
        encode_s=3,
        server_s=4,
        offload_rate=0.5,
        message_bytes=60,
        accuracy=0.9,
        decode_s=5,
    )
    rate, rtt_s = 800.0, 6.0
    expected = 1 + 2 + 0.5 * (3 + rtt_s + 8 * (60 + REQUEST) / rate + 8 * ANSWER / rate + 5 + 4)
    assert own.latency_s(rtt_s, 8 / rate, REQUEST + ANSWER) == pytest.approx(expected)


def test_a_point_that_never_sends_needs_no_link() -> None:
    assert ALONE.latency_s(math.inf, math.inf, 640) == 0.06


@given(points=networks, floor=st.floats(0.5, 1.0), data=st.data())
def test_no_point_under_the_floor_is_ever_chosen(
    points: list[PointCosts], floor: float, data: st.DataObject
) -> None:
    """Whatever is observed, and however often nothing is answered."""
    if not any(own.accuracy >= floor for own in points):
        with pytest.raises(UserError, match="no point reaches"):
            Policy(points, accuracy_floor=floor, bits_per_s=1e6, rtt_s=0.02)
        return
    policy = Policy(points, accuracy_floor=floor, bits_per_s=1e6, rtt_s=0.02, hysteresis=Hysteresis(dwell=1))
    events = st.tuples(st.integers(0, 3), st.floats(1, 1e5), st.floats(0.0, 100.0))
    for kind, size, seconds in data.draw(st.lists(events, max_size=30)):
        assert points[policy.choose()].accuracy >= floor
        if kind == 0:
            policy.observe(size, seconds)
        elif kind == 1:
            policy.observe_probe(size, seconds)
        else:
            policy.failed(seconds, probe=kind == 3)


@given(
    points=networks,
    bits_per_s=st.floats(1e4, 1e8),
    rtt_s=st.floats(0.0, 0.5),
    believed=st.tuples(st.floats(1e4, 1e8), st.floats(0.0, 0.5)),
)
def test_on_a_steady_link_the_best_point_is_found(
    points: list[PointCosts], bits_per_s: float, rtt_s: float, believed: tuple[float, float]
) -> None:
    """Whatever was believed of it at first; within the margin, and that of rates that make no difference."""
    hysteresis = Hysteresis(margin=0.05, dwell=5)
    edge = Edge(points, bits_per_s, rtt_s, hysteresis=hysteresis)
    edge.policy = Policy(
        points, bits_per_s=believed[0], rtt_s=believed[1], hysteresis=hysteresis, clock=lambda: edge.now
    )
    edge.run(2000)
    edge.now += 1000.0  # time in which probes are earned
    chosen = edge.run(1000)[-1]
    best = min(edge.latency_s(place) for place in range(len(points)))
    assert edge.latency_s(chosen) * (1 - 0.05) <= best * 1.06
    assert len(edge.policy.changes) <= len(points) + 2


@given(
    points=networks,
    dwell=st.integers(1, 20),
    observed=st.lists(st.tuples(st.floats(100, 1e4), st.floats(1e-4, 10.0)), min_size=20, max_size=80),
)
def test_changes_are_as_rare_as_asked(
    points: list[PointCosts], dwell: int, observed: list[tuple[float, float]]
) -> None:
    """However restless the link is."""
    policy = Policy(points, bits_per_s=1e6, rtt_s=0.02, hysteresis=Hysteresis(dwell=dwell, observations=1))
    for size, seconds in observed:
        policy.choose()
        policy.observe(size, seconds)
    numbers = [change.number for change in policy.changes]
    assert len(numbers) <= len(observed) / dwell
    assert all(after - before >= dwell for before, after in pairwise(numbers))


def test_it_follows_a_rate_that_falls_and_recovers() -> None:
    edge = Edge([EARLY, LATE], bits_per_s=1e6, rtt_s=0.01)
    assert set(edge.run(300)) == {0}
    edge.bits_per_s = 5e4
    chosen = edge.run(1000)
    assert chosen.index(1) <= 25
    assert set(chosen[25:]) == {1}
    edge.bits_per_s = 1e6
    chosen = edge.run(1000)
    assert chosen.index(0) <= 100
    assert [(change.before, change.after) for change in edge.policy.changes] == [(0, 1), (1, 0)]


def test_it_finds_out_that_a_link_recovered_which_it_does_not_use() -> None:
    """Where nothing is sent, only probes can tell; they take a small share of the time."""
    edge = Edge([EARLY, ALONE], bits_per_s=1e6, rtt_s=0.01)
    edge.run(100)
    edge.bits_per_s = 5e4
    assert edge.run(2000)[-1] == 1
    sent, begun = edge.sent, edge.now
    edge.run(1000)
    assert edge.sent == sent
    assert edge.probes == edge.policy.probes >= 3
    assert edge.policy.probe_s < 0.03 * edge.now
    edge.bits_per_s = 1e6
    assert edge.run(200)[-1] == 0
    assert edge.now > begun


def test_where_no_link_could_help_none_is_probed() -> None:
    for points in ([EARLY], [ALONE, point(0.07, 0.5)]):
        edge = Edge(points, bits_per_s=1e6, rtt_s=0.01)
        edge.run(2000)
        assert edge.probes == 0


def test_a_change_of_the_round_trip_time_is_told_from_one_of_the_rate() -> None:
    """Large messages suffer from the rate, frequent ones from the round-trip time."""
    rare, small = point(0.001, 0.3, message_bytes=20_000), point(0.002, 0.5, message_bytes=10)
    for change, best in (({"rtt_s": 0.5}, 0), ({"bits_per_s": 1e6}, 1)):
        edge = Edge([rare, small], bits_per_s=2e7, rtt_s=0.01)
        edge.run(200)
        vars(edge).update(change)
        assert edge.run(1500)[-1] == best, change
        assert edge.policy.link.rtt_s == pytest.approx(edge.rtt_s, rel=0.1)


def test_one_slow_message_changes_nothing() -> None:
    edge = Edge([EARLY, LATE], bits_per_s=1e6, rtt_s=0.01)
    edge.run(100)
    for _ in range(10):
        edge.policy.observe(EARLY.message_bytes + REQUEST, 2.0)
        edge.run(30)
    assert not edge.policy.changes


def test_a_slow_server_is_not_a_slow_link() -> None:
    slow = PointCosts(
        edge_s=0.001, exit_s=0, encode_s=0, server_s=2.0, offload_rate=1.0, message_bytes=360, accuracy=0.9
    )
    edge = Edge([slow, point(0.5, 1.0)], bits_per_s=1e6, rtt_s=0.01)
    edge.run(100)
    assert edge.policy.link.expected_s(1000) == pytest.approx(0.018, rel=0.01)


def test_a_link_that_fails_is_left_at_once_and_found_again() -> None:
    edge = Edge([EARLY, LATE, ALONE], bits_per_s=1e6, rtt_s=0.01)
    edge.run(100)
    edge.down = True
    chosen = edge.run(200)
    assert chosen[:3] == [0, 0, 2]
    assert set(chosen[2:]) == {2}
    change = edge.policy.changes[0]
    assert (change.number, change.before, change.after, change.reason) == (103, 0, 2, "the link failed")
    assert edge.policy.link_failed
    edge.now += 100.0
    edge.run(1)
    assert edge.policy.link_failed
    edge.down = False
    edge.now += 100.0
    edge.run(20)
    assert not edge.policy.link_failed
    edge.now += 10.0
    assert edge.run(300)[-1] == 0


def test_without_a_point_that_stays_alone_the_one_that_sends_least_is_taken() -> None:
    edge = Edge([EARLY, LATE], bits_per_s=1e6, rtt_s=0.01)
    edge.run(10)
    edge.down = True
    assert edge.run(10)[-1] == 1


def test_probes_of_a_link_that_failed_are_rare() -> None:
    """They wait for their time-out, so they may take no more than their share either."""
    edge = Edge([EARLY, ALONE], bits_per_s=1e6, rtt_s=0.01, probing=Probing(share=0.02))
    edge.down = True
    edge.run(10)
    before = edge.now
    edge.run(10_000)
    assert edge.probes >= 5
    assert edge.probes * 1.0 <= 0.03 * (edge.now - before) + 1


def test_a_change_says_why() -> None:
    edge = Edge([EARLY, LATE], bits_per_s=1e6, rtt_s=0.01)
    edge.run(100)
    edge.bits_per_s = 5e4
    edge.run(100)
    (change,) = edge.policy.changes
    assert isinstance(change, Change)
    assert change.number > 100
    assert change.reason.endswith("s expected instead of 0.172 s")
    assert change.bits_per_s == pytest.approx(5e4, rel=0.05)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Policy([], bits_per_s=1e6, rtt_s=0.0), "no point reaches 0, the best has nan"),
        (
            lambda: Policy([EARLY], accuracy_floor=0.95, bits_per_s=1e6, rtt_s=0.0),
            "reaches 0.95, the best has 0.9",
        ),
        (lambda: Policy([EARLY], bits_per_s=0.0, rtt_s=0.0), "a rate > 0"),
        (lambda: Policy([EARLY], bits_per_s=1e6, rtt_s=math.nan), "a finite time >= 0"),
        (lambda: point(-1.0, 0.5), "edge_s: must be a finite number >= 0, got -1.0"),
        (lambda: point(1.0, 1.5), "offload_rate: must be between 0 and 1, got 1.5"),
        (lambda: point(1.0, 0.5, accuracy=math.nan), "accuracy: must be between 0 and 1, got nan"),
    ],
)
def test_what_makes_no_policy_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()
