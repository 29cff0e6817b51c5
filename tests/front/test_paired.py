"""McNemar's exact test, and the cheaper of two points that do not differ."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from explorer import Run, load_run
from explorer.core.quality import Quality
from explorer.front.paired import Comparison, cheaper_alike, compared
from explorer.front.select import Selection, select
from explorer.space.metrics import METRICS

OBJECTIVES = (METRICS["accuracy"], METRICS["edge_macs"], METRICS["payload_bytes"])


@given(st.integers(0, 60), st.integers(0, 60))
def test_p_value_is_that_of_the_two_sided_binomial_test(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert Comparison(first, second).p_value == pytest.approx(expected)
    assert Comparison(first, second).p_value == Comparison(second, first).p_value


def test_common_answers_do_not_count() -> None:
    first, second = np.array([1, 1, 1, 0, 0], dtype=bool), np.array([1, 0, 0, 1, 0], dtype=bool)
    assert compared(first, second) == Comparison(2, 1)
    assert compared(np.tile(first, 2)[:5], first) == Comparison(0, 0)


def test_where_classes_weigh_alike_the_chances_are_those_of_mcnemar() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(200) < 0.85, rng.random(200) < 0.78
    labels = np.arange(200) % 2
    plain = compared(first, second)
    weighed = compared(first, second, labels, Quality("balanced_accuracy"))
    assert (weighed.only_first, weighed.only_second) == (plain.only_first, plain.only_second)
    assert weighed.p_value == pytest.approx(plain.p_value, abs=0.02)


def test_a_few_rare_samples_weigh_more_than_many_common_ones() -> None:
    labels = np.array([0] * 970 + [1] * 30)
    first, second = np.zeros(1000, dtype=bool), np.zeros(1000, dtype=bool)
    first[:12], second[970:980] = True, True  # 12 of 970 against 10 of 30
    assert compared(first, second).p_value > 0.5
    own = compared(first, second, labels, Quality("balanced_accuracy"))
    assert own.differ
    assert own.p_value == compared(second, first, labels, Quality("balanced_accuracy")).p_value
    # by the exact distribution: 10 rare ones fall one way, or nearly so
    assert own.p_value == pytest.approx(2 * 2**-10, abs=0.003)


def test_points_that_answer_alike_do_not_differ_in_any_quality() -> None:
    same = np.array([True, False])
    assert compared(same, same, np.array([0, 1]), Quality("balanced_accuracy")) == Comparison(0, 0)


def front_of(shares: list[float], macs: list[int], sent: list[int]) -> pd.DataFrame:
    points = pd.DataFrame({"accuracy": shares, "edge_macs": macs, "payload_bytes": sent})
    return points.assign(point_id=list("abcd")[: len(shares)], split_point="conv1", payload_bits=8)


def right_answers(points: pd.DataFrame, samples: int) -> dict[str, np.ndarray]:
    counts = zip(points["point_id"], points["accuracy"], strict=True)
    return {name: np.arange(samples) < round(share * samples) for name, share in counts}


def test_the_cheapest_that_does_not_differ_is_taken() -> None:
    points = front_of([0.95, 0.94, 0.93, 0.80], [90, 60, 30, 10], [90, 60, 30, 10])
    right = right_answers(points, samples=100)  # nested: 0 against 1, 2 and 15
    best = select(points, Selection(maximize="accuracy"), OBJECTIVES)
    assert cheaper_alike(best, lambda point: right[point["point_id"]]).point["point_id"] == "c"


def test_what_is_cheaper_in_one_objective_and_dearer_in_another_is_not_taken() -> None:
    points = front_of([0.95, 0.94], [90, 30], [30, 90])
    right = right_answers(points, samples=100)
    best = select(points, Selection(maximize="accuracy"), OBJECTIVES)
    assert cheaper_alike(best, lambda point: right[point["point_id"]]) == best


def test_a_run_compares_by_its_evidence_and_picks_indifferently(digits_run: Run) -> None:
    run = load_run(digits_run.path)
    best = run.select(maximize="accuracy")
    for _, other in run.front.iterrows():
        comparison = run.results.compare(best.point, other)
        gained = comparison.only_first - comparison.only_second
        assert gained == best.point["correct"] - other["correct"]
    alike = run.select(maximize="accuracy", indifferent=True)
    assert alike.point["edge_macs"] <= best.point["edge_macs"]
    assert not run.results.compare(best.point, alike.point).differ
    by_id = best.point["point_id"]
    assert run.select(point_id=by_id, indifferent=True).point["point_id"] == by_id
