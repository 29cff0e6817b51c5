"""What right answers are worth: the mean over samples is the quality, whatever it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from explorer.core.credits import earned, worths
from explorer.core.quality import ACCURACY, Quality, counts

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=20)
GIVEN = Quality("weighted_accuracy", ((0, 3.0), (3, 0.5)))
QUALITIES = st.sampled_from([ACCURACY, Quality("balanced_accuracy"), GIVEN])


@given(LABELS, st.data())
def test_qualities_are_those_of_scikit_learn(labels: list[int], data: st.DataObject) -> None:
    label_N = np.array(labels)
    right_N = np.array(data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels))))
    answer_N = np.where(right_N, label_N, 9)
    balanced = earned(right_N, label_N, Quality("balanced_accuracy"))["balanced"] / len(labels)
    # its warning is of answers that no label has
    expected = np.mean([(answer_N == own)[label_N == own].mean() for own in np.unique(label_N)])
    assert balanced == pytest.approx(expected)
    weights = np.select([label_N == 0, label_N == 3], [3.0, 0.5], 1.0)
    weighted = earned(right_N, label_N, GIVEN)["weighted"] / len(labels)
    assert weighted == pytest.approx(accuracy_score(label_N, answer_N, sample_weight=weights))


def test_balanced_accuracy_is_that_of_scikit_learn() -> None:
    label_N, answer_N = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2])
    own = earned(answer_N == label_N, label_N, Quality("balanced_accuracy"))["balanced"] / 6
    assert own == pytest.approx(balanced_accuracy_score(label_N, answer_N))


@given(LABELS, QUALITIES, st.data())
def test_worths_sum_to_the_samples_and_shares_to_one(
    labels: list[int], quality: Quality, data: st.DataObject
) -> None:
    times = data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=len(labels), max_size=len(labels)))
    label_N, times_N = np.array(labels), np.array(times)
    if times_N.sum():
        assert quality.worths(label_N, times_N).sum() == pytest.approx(times_N.sum())
        assert quality.class_shares(counts(label_N, times_N)).sum() == pytest.approx(1)


def test_a_sample_that_counts_twice_is_two_samples() -> None:
    label_N, times_N = np.array([0, 0, 1]), np.array([1.0, 1.0, 2.0])
    twice = np.array([0, 0, 1, 1])
    own = worths(label_N, Quality("balanced_accuracy"), times_N)["balanced"]
    assert own[2] == pytest.approx(worths(twice, Quality("balanced_accuracy"))["balanced"][2:].sum())


def test_a_class_weight_beyond_the_labels_is_ignored() -> None:
    assert Quality("weighted_accuracy", ((7, 2.0),)).class_worths(np.array([2.0, 2.0])).tolist() == [1, 1]
