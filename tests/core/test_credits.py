"""What right answers earn, and that the sweep keeps the frontier of several credits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.core import credits as credit_table
from explorer.core import sweep as sweep_module
from explorer.core.credits import earned
from explorer.core.sweep import undominated


def test_accuracy_counts_right_answers() -> None:
    right = np.array([True, False, True, True])
    assert earned(right, np.array([0, 0, 1, 2])) == {"correct": 3.0}


def test_another_credit_is_earned_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def balanced(label_N: np.ndarray) -> np.ndarray:
        return len(label_N) / (np.bincount(label_N) * len(set(label_N.tolist())))[label_N]

    monkeypatch.setattr(credit_table, "CREDITS", {**credit_table.CREDITS, "balanced": balanced})
    labels = np.array([0, 0, 0, 1])
    everything, rare = np.ones(4, dtype=bool), np.array([False, False, False, True])
    assert earned(everything, labels) == {"correct": 4.0, "balanced": 4.0}  # shares of 1, over four samples
    assert earned(rare, labels) == {"correct": 1.0, "balanced": 2.0}  # one class of two is right


CUTS = st.integers(1, 3).flatmap(
    lambda credits: st.lists(
        st.lists(st.integers(0, 3), min_size=credits, max_size=credits), min_size=1, max_size=8
    )
)


@given(CUTS)
def test_kept_cuts_are_those_no_cheaper_cut_matches_in_everything(cuts: list[list[int]]) -> None:
    earned_KC = np.array(cuts, dtype=float).T
    expected = [
        not any((earned_KC[:, before] >= earned_KC[:, place]).all() for before in range(place))
        for place in range(len(cuts))
    ]
    assert undominated(earned_KC).tolist() == expected


def test_the_sweep_has_a_column_for_every_credit() -> None:
    assert [name for name in sweep_module.POINT_COLUMNS if name in credit_table.CREDITS] == list(
        credit_table.CREDITS
    )
