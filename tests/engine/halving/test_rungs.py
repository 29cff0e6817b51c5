"""Who continues, decided by whole fronts: hand-made rungs, closed forms, invariances."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import ceil

import moocore
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from explorer.engine.halving.ranking import Ranking, greedy_gains, rankings, thinned, unit_scaled
from explorer.engine.halving.rungs import LEAST_STEPS, Rungs, rung_epochs, worthwhile_rungs
from explorer.front.pareto import Losses, non_dominated

Points = Sequence[Sequence[float]]
FRONTS = st.lists(  # whole numbers, so that ties, duplicates and zeros are common
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4), min_size=1, max_size=14
)


def array(points: Points) -> Losses:
    """Shape (n, 2), also without points."""
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def filled(fronts: Iterable[Points], log: Sequence[bool] = (False, False), eta: int = 3) -> Rungs:
    """Networks "0", "1", .. with these fronts at the first of three rungs."""
    rungs = Rungs((1, 3, 9), log, eta)
    for number, front in enumerate(fronts):
        rungs.record(str(number), 1, array(front))
    return rungs


def drained(rungs: Rungs) -> list[str]:
    """All that may continue, in order."""
    keys = []
    while (found := rungs.promotable()) is not None:
        rungs.promote(*found)
        keys.append(found[0])
    return keys


def singles(*corners: float) -> list[Points]:
    """Networks with the one point (c, c)."""
    return [[(corner, corner)] for corner in corners]


def curve(num: int, offset: float, axes: int, seed: int) -> Losses:
    """Points on a sphere's octant, shifted away from the ideal."""
    points = np.abs(np.random.default_rng(seed).standard_normal((num, axes)))
    return 1.0 - points / np.linalg.norm(points, axis=1, keepdims=True) + offset


@pytest.mark.parametrize("epochs", [1, 2, 3, 7, 9, 10, 27, 30, 81, 100])
@pytest.mark.parametrize("eta", [2, 3, 4])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_rung_epochs_follow_the_formula(epochs: int, eta: int, share: float) -> None:
    powers = [ceil(epochs / eta**power) for power in range(10)]
    expected = sorted({rung for rung in powers if rung / epochs >= share})
    assert list(rung_epochs(epochs, eta, share)) == expected


@pytest.mark.parametrize(
    ("epochs", "rungs"), [(30, (4, 10, 30)), (27, (3, 9, 27)), (10, (1, 2, 4, 10)), (1, (1,))]
)
def test_rung_epochs_by_hand(epochs: int, rungs: tuple[int, ...]) -> None:
    assert rung_epochs(epochs) == rungs


@pytest.mark.parametrize("steps_per_epoch", [1, 5, 9, 17, 24, 25, 100])
@pytest.mark.parametrize("epochs", [1, 4, 10, 30])
def test_nobody_pauses_before_training_outweighs_the_rest(epochs: int, steps_per_epoch: int) -> None:
    rungs = worthwhile_rungs(epochs, steps_per_epoch)
    assert rungs[-1] == epochs
    assert all(rung * steps_per_epoch >= LEAST_STEPS for rung in rungs[:-1])
    assert set(rungs) == {
        rung
        for rung in rung_epochs(epochs)
        if rung * steps_per_epoch >= min(LEAST_STEPS, epochs * steps_per_epoch)
    }


def test_a_newcomer_that_dominates_everything_continues() -> None:
    rungs = filled(singles(1, 2, 3, 9))
    rungs.promote("0", 3)
    assert rungs.promotable() is None
    rungs.record("new", 1, array([(0, 0)]))
    assert rungs.promotable() == ("new", 3)


def test_a_dominated_newcomer_does_not() -> None:
    rungs = filled([*singles(9, 1, 2, 3), [(8, 8)]])
    assert drained(rungs) == ["1"]


@given(FRONTS)
def test_a_dominating_newcomer_continues_whatever_came_before(fronts: list[Points]) -> None:
    rungs = filled(fronts)
    rungs.record("new", 1, array([(-1, -1)]))
    assert rungs.promotable() == ("new", 3)


@pytest.mark.parametrize(("eta", "networks"), [(2, 4), (2, 9), (3, 6), (3, 7), (3, 30)])
def test_one_in_eta_continues(eta: int, networks: int) -> None:
    corners = np.random.default_rng(0).permutation(networks)
    rungs = filled(singles(*corners), eta=eta)
    best_first = [str(number) for number in np.argsort(corners)]
    assert drained(rungs) == best_first[: networks // eta]


def test_at_least_one_network_of_a_rung_continues() -> None:
    assert drained(filled(singles(5))) == ["0"]
    assert drained(filled(singles(5, 1))) == ["1"]
    stairs = [[(float(step), 4.0 - step)] for step in range(5)]  # all in the first front
    assert len(drained(filled(stairs))) == 1
    assert len(drained(filled([*stairs, [(9, 9)]]))) == 2


def test_large_rungs_wait_for_several_newcomers() -> None:
    rungs = filled(singles(*range(100, 200)))
    assert rungs.promotable() == ("0", 3)
    for number in range(10):
        rungs.record(f"new{number}", 1, array([(number, number)]))
        assert rungs.promotable() == ("0", 3)  # ranked once, with one hundred
    rungs.record("best", 1, array([(-1, -1)]))
    assert rungs.promotable() == ("best", 3)


def test_one_good_point_is_enough() -> None:
    # the second network is bad but for the cheapest point of all
    ranking = filled([[(1, 5), (2, 4)], [(9, 9), (8, 0)], [(2, 6)]]).ranking(1)
    assert {key: ranking.rank for key, ranking in ranking.items()} == {"0": 0, "1": 0, "2": 1}


def test_higher_rungs_come_first() -> None:
    rungs = filled(singles(0, 1, 2, 3, 4, 5))
    for key in ("0", "1"):
        rungs.promote(key, 3)
        assert rungs.epochs_of(key) == 1  # under way
    rungs.record("1", 3, array([(1, 1)]))
    rungs.record("better", 1, array([(-1, -1)]))
    assert rungs.epochs_of("1") == 3
    assert drained(rungs) == ["1", "better"]
    rungs.record("1", 9, array([(0, 0)]))  # trained to the end: nowhere to go
    assert rungs.promotable() is None


def test_what_was_trained_further_is_not_promoted_from_below() -> None:
    rungs = filled(singles(0, 1, 2))
    rungs.record("0", 9, array([(0, 0)]))
    assert rungs.promotable() is None
    assert rungs.epochs_of("0") == 9
    assert rungs.epochs_of("unknown") == 0


def test_failed_networks_stay_where_they_are() -> None:
    rungs = filled(singles(0, 1, 2, 3, 4, 5))
    rungs.fail("0")
    assert drained(rungs) == ["1"]  # "0" keeps one of two places
    with pytest.raises(AssertionError):
        rungs.promote("0", 3)


def test_networks_without_points_come_last() -> None:
    rungs = filled([[], [(9, 9)], [], [], [], []])
    assert list(rungs.ranking(1)) == ["1", "0", "2", "3", "4", "5"]
    assert drained(rungs) == ["1", "0"]  # two may continue, only one has points
    assert drained(filled([[], []])) == ["0"]
    assert drained(filled([[]] * 6)) == ["0", "1"]
    assert drained(Rungs((1, 3), (False, False))) == []


def test_one_objective_and_one_rung() -> None:
    rungs = Rungs((1, 3), (False,))
    for key, loss in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        rungs.record(key, 1, np.array([[loss]]))
    assert list(rungs.ranking(1)) == ["b", "c", "a"]
    single = Rungs((5,), (False,))
    single.record("a", 5, np.array([[1.0]]))
    assert single.promotable() is None
    assert single.rank_correlations() == {}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_losses_are_finite(bad: float) -> None:
    with pytest.raises(AssertionError):
        filled([[(1.0, bad)]])


def test_losses_on_a_log_scale_are_not_negative() -> None:
    filled([[(-1, 0)]], log=(False, True))
    with pytest.raises(AssertionError):
        filled([[(-1, 0)]], log=(True, False))


def test_a_result_does_not_change() -> None:
    rungs = filled([[(1, 2), (2, 1)]])
    rungs.record("0", 1, array([(2, 1), (1, 2), (1, 2), (3, 3)]))  # the same front
    with pytest.raises(AssertionError):
        rungs.record("0", 1, array([(2, 1), (1, 3)]))
    with pytest.raises(AssertionError):
        rungs.record("1", 1, np.zeros((1, 3)))
    with pytest.raises(KeyError):
        rungs.record("1", 2, array([(1, 1)]))


@pytest.mark.parametrize("epoch", [0, 1, 2, 10])
def test_promotion_leads_to_a_higher_rung(epoch: int) -> None:
    rungs = filled(singles(0))
    with pytest.raises(AssertionError):
        rungs.promote("0", epoch)


@pytest.mark.parametrize("epoch", [3, 9])
def test_what_is_under_way_is_not_promoted_again(epoch: int) -> None:
    rungs = filled(singles(0))
    assert rungs.may_continue("0")
    rungs.promote("0", epoch)
    assert not rungs.may_continue("0")
    assert rungs.promotable() is None
    with pytest.raises(AssertionError):
        rungs.promote("0", 9)
    rungs.record("0", epoch, array([(0, 0)]))
    assert rungs.may_continue("0") == (epoch < 9)


@given(FRONTS, st.data())
def test_the_order_of_arrival_does_not_matter(fronts: list[Points], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(fronts))))
    before, after = Rungs((1, 3), (False, True)), Rungs((1, 3), (False, True))
    for number in range(len(fronts)):
        before.record(str(number), 1, array(fronts[number]))
    for number in order:
        after.record(str(number), 1, array(fronts[number]))
    values = list(before.ranking(1).values())
    assert values == list(after.ranking(1).values())  # to the last bit; equal networks may change places
    chosen = drained(before)
    assume(not 0 < len(chosen) < len(values) or values[len(chosen) - 1] != values[len(chosen)])

    def content(key: str) -> list[list[float]]:
        front = array(fronts[int(key)])
        own: list[list[float]] = np.unique(front[non_dominated(front)], axis=0).tolist()
        return own

    assert sorted(map(content, chosen)) == sorted(map(content, drained(after)))


@given(FRONTS, st.integers(-20, 20), st.floats(-3, 3))
def test_units_do_not_matter(fronts: list[Points], power: int, decades: float) -> None:
    # linear scale: seconds or any binary fraction; log scale: J, mJ, kWh, ..
    plain = filled(fronts, log=(False, True))
    units = np.array([2.0**power, 10.0**decades])
    rescaled = filled([(array(front) * units).tolist() for front in fronts], log=(False, True))
    for key, ranking in plain.ranking(1).items():
        assert rescaled.ranking(1)[key] == pytest.approx(ranking, abs=1e-9)


def test_milliseconds_do_not_swamp_accuracy() -> None:
    random = np.random.default_rng(0)
    fronts = [np.stack([-random.random(5), random.random(5)], axis=1) for _ in range(30)]
    in_seconds = drained(filled([front.tolist() for front in fronts]))
    in_milliseconds = drained(filled([(front * [1, 1000]).tolist() for front in fronts]))
    assert in_seconds == in_milliseconds


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 9), st.integers(0, 9)), max_size=60))
def test_a_replay_decides_the_same(events: list[tuple[int, int, int]]) -> None:
    def play(asked_often: bool) -> list[tuple[str, int]]:
        rungs, decisions = Rungs((1, 3, 9), (False, True)), []
        for number, one, other in events:
            if rungs.epochs_of(str(number)) == 0:
                rungs.record(str(number), 1, array([(one, other), (other, one)]))
            elif (found := rungs.promotable()) is not None:
                decisions.append(found)
                rungs.promote(*found)
                rungs.record(*found, array([(other, one)]))
            if asked_often:  # asking marks nothing
                assert rungs.promotable() == rungs.promotable()
                rungs.rank_correlations()
        return decisions

    assert play(asked_often=False) == play(asked_often=True)


def test_a_single_network_dominates_its_hypervolume() -> None:
    # (0, 1), (1, 0) against (1.1, 1.1): two bars of 1.1 x 0.1 that share 0.1 x 0.1
    (ranking,) = rankings([array([(0, 1), (1, 0)])], (False, False))
    assert ranking.contribution == pytest.approx(2 * 1.1 * 0.1 - 0.1**2, rel=0.02)


@pytest.mark.parametrize("axes", [2, 3, 4])
def test_gains_are_exact_ones_within_a_few_percent(axes: int) -> None:
    fronts = [curve(16, offset, axes, seed) for seed, offset in enumerate((0.0, 0.0, 0.02, 0.05))]
    found = rankings(fronts, [False] * axes)
    scaled = np.split(unit_scaled(np.concatenate(fronts), [False] * axes), len(fronts))
    peers = sorted(
        (n for n, ranking in enumerate(found) if ranking.rank == 0), key=lambda n: -found[n].contribution
    )
    assert len(peers) >= 2
    volumes = [0.0]
    for count in range(1, len(peers) + 1):
        union = np.concatenate([scaled[n] for n in peers[:count]])
        volumes.append(float(moocore.hypervolume(union, ref=[1.1] * axes)))
    exact = np.diff(volumes)
    assert [found[n].contribution for n in peers] == pytest.approx(exact, abs=0.03 * volumes[-1])


@given(st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=8))
def test_gains_are_those_of_a_plain_greedy_choice(volumes: list[list[int]]) -> None:
    volume_ND = np.array(volumes, dtype=np.float64)
    chosen, expected = np.zeros(4), [0.0] * len(volumes)
    left = list(range(len(volumes)))
    while left:
        gains = [float(np.maximum(volume_ND[n] - chosen, 0).mean()) for n in left]
        best = left.pop(int(np.argmax(gains)))
        expected[best], chosen = max(gains), np.maximum(chosen, volume_ND[best])
    assert greedy_gains(volume_ND) == pytest.approx(expected)


def test_who_adds_more_comes_first() -> None:
    # all in the first front; the middle one lies far below the line between the others
    ranking = filled([[(0, 10)], [(2, 2)], [(10, 0)]]).ranking(1)
    assert next(iter(ranking)) == "1"
    # behind the first front gains still tell networks apart
    behind = filled([[(0, 0)], [(1, 10)], [(3, 3)], [(10, 1)], [(9, 2)]]).ranking(1)
    assert list(behind)[:2] == ["0", "2"]
    assert [ranking.rank for ranking in behind.values()] == [0, 1, 1, 1, 1]


def test_of_near_twins_one_comes_first_and_the_other_late() -> None:
    # each twin alone adds most, but the second of them adds nearly nothing to the first
    ranking = filled([[(2.0, 2.0)], [(2.0, 2.01), (2.01, 2.0)], [(0.0, 8.0)], [(8.0, 0.0)]]).ranking(1)
    assert list(ranking) == ["0", "2", "3", "1"]


def test_equal_networks_follow_the_order_of_arrival() -> None:
    rungs = filled([[(5, 5)]] + [[(1, 1)]] * 2)
    assert list(rungs.ranking(1)) == ["1", "2", "0"]
    one, other = rungs.ranking(1)["1"], rungs.ranking(1)["2"]
    assert one == Ranking(0, one.volume, other.volume)
    assert other == Ranking(0, 0.0, one.volume)


def test_summary_is_plain_data() -> None:
    rungs = filled(singles(0, 1, 2))
    rungs.record("0", 3, array([(0, 0)]))
    expected = {"epochs": [1, 3, 9], "networks": [3, 1, 0], "rank_correlation": [None, None]}
    assert rungs.summary() == expected


def test_scaled_by_range_or_by_ratio() -> None:
    losses = np.array([[1.0, 1.0, 0.0, 7.0, 0.0], [2.0, 10.0, 1.0, 7.0, 0.0], [5.0, 100.0, 10.0, 7.0, 0.0]])
    expected = np.array([[0, 0.25, 1], [0, 0.5, 1], [0, 0.5, 1], [0, 0, 0], [0, 0, 0]]).T
    assert unit_scaled(losses, (False, True, True, True, True)) == pytest.approx(expected)
    assert losses[0, 0] == 1.0  # not in place


@pytest.mark.parametrize("axes", [1, 2, 4])
def test_thinned_keeps_extremes_and_order(axes: int) -> None:
    points = curve(200, 0.0, axes, seed=1)
    front = np.unique(points[non_dominated(points)], axis=0)
    kept = thinned(front, [False] * axes, limit=10)
    assert len(kept) == min(10, len(front))
    assert kept.min(axis=0).tolist() == front.min(axis=0).tolist()
    rows = [front.tolist().index(row) for row in kept.tolist()]
    assert all(low < high for low, high in pairwise(rows))
    assert thinned(kept, [False] * axes, limit=10) is kept


def test_thinned_spreads_over_a_curve() -> None:
    share = np.linspace(0, 1, 101)
    kept = thinned(np.stack([share, 1 - share], axis=1), (False, False), limit=5)
    assert kept[:, 0].tolist() == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_order_and_repetition_of_points_do_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    points = curve(100, 0.0, 3, seed)
    rungs = Rungs((1, 3), (False,) * 3)
    rungs.record("a", 1, points)
    rungs.record("a", 1, np.repeat(points, 2, axis=0)[random.permutation(200)])  # no other result


@pytest.mark.parametrize(
    ("second", "expected"), [((0, 1, 2, 3), 1.0), ((3, 2, 1, 0), -1.0), ((1, 0, 2, 3), 0.8)]
)
def test_rank_correlation_of_consecutive_rungs(second: Sequence[int], expected: float) -> None:
    # 1 - 6 sum d^2 / (n (n^2 - 1)): one exchange of neighbours among four costs 12 / 60
    rungs = filled(singles(0, 1, 2, 3, 50, 60))  # the last two stay below
    for key, corner in enumerate(second):
        rungs.record(str(key), 3, array([(corner, corner)]))
    correlations = rungs.rank_correlations()
    assert list(correlations) == [(1, 3), (3, 9)]
    assert correlations[(1, 3)] == pytest.approx(expected)
    assert correlations[(3, 9)] is None


def test_rank_correlation_needs_three_different_networks() -> None:
    rungs = filled(singles(5, 5, 5))
    assert rungs.rank_correlations()[(1, 3)] is None
    for key in ("0", "1"):
        rungs.record(key, 3, array([(float(key), 0)]))
    assert rungs.rank_correlations()[(1, 3)] is None  # two
    rungs.record("2", 3, array([(2, 2)]))
    assert rungs.rank_correlations()[(1, 3)] is None  # the first rung tells none apart


def test_rank_correlation_with_ties_takes_mean_places() -> None:
    # places 1.5, 1.5, 3 against 1, 2, 3: covariance 1.5, variances 1.5 and 2
    rungs = filled(singles(0, 0, 1))
    for key, corner in (("0", 0), ("1", 1), ("2", 2)):
        rungs.record(key, 3, array([(corner, corner)]))
    assert rungs.rank_correlations()[(1, 3)] == pytest.approx(1.5 / (1.5 * 2) ** 0.5)
