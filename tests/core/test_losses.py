"""Losses by formula: labels, smoothed labels, mixed labels, and what a teacher says."""

from math import exp, log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from explorer.core.losses import Distillation, Lesson, distillation_loss, joint_loss

EVEN, SURE = torch.zeros(1, 2), torch.tensor([[log(3.0), 0.0]])  # probabilities 1/2 and 3/4 for class 0
FIRST = torch.tensor([0])


def test_joint_loss() -> None:
    # 2 x output + 0.5 x each exit
    expected = 2.0 * -log(3 / 4) + 0.5 * (-log(1 / 2) - log(3 / 4))
    assert joint_loss([EVEN, SURE, SURE], FIRST, [0.5, 0.5], 2.0).item() == pytest.approx(expected)
    assert joint_loss([EVEN, SURE], FIRST, [0.0], 2.0).item() == pytest.approx(2.0 * -log(3 / 4))


def test_smoothed_labels() -> None:
    """A share of 0.2 is spread over both classes: 0.9 of the right one, 0.1 of the other."""
    expected = -0.9 * log(3 / 4) - 0.1 * log(1 / 4)
    assert joint_loss([SURE], FIRST, [], 1.0, label_smoothing=0.2).item() == pytest.approx(expected)


def test_labels_may_be_probabilities() -> None:
    mixed = torch.tensor([[0.25, 0.75]])
    assert joint_loss([SURE], mixed, [], 1.0).item() == pytest.approx(-0.25 * log(3 / 4) - 0.75 * log(1 / 4))


def test_distillation_by_hand() -> None:
    """KL((3/4, 1/4) || (1/2, 1/2)) at temperature 1; at T the logits are log(3) / T, and T^2 goes before."""
    lesson = Lesson(SURE, Distillation(temperature=1.0))
    expected = 3 / 4 * log(3 / 2) + 1 / 4 * log(1 / 2)
    assert distillation_loss(EVEN, lesson).item() == pytest.approx(expected)
    share = exp(log(3) / 4) / (exp(log(3) / 4) + 1)
    expected = 16 * (share * log(2 * share) + (1 - share) * log(2 * (1 - share)))
    assert distillation_loss(EVEN, Lesson(SURE, Distillation(temperature=4.0))).item() == pytest.approx(
        expected, rel=1e-4
    )


def test_exits_and_output_learn_from_their_own_teachers() -> None:
    kind = Distillation(weight=0.25, temperature=1.0)
    kl = 3 / 4 * log(3 / 2) + 1 / 4 * log(1 / 2)
    of_exit = joint_loss([EVEN, SURE], FIRST, [0.5], 1.0, for_exits=Lesson(SURE, kind)).item()
    assert of_exit == pytest.approx(-log(3 / 4) + 0.5 * (0.75 * log(2) + 0.25 * kl))
    of_output = joint_loss([SURE, EVEN], FIRST, [0.5], 1.0, for_output=Lesson(SURE, kind)).item()
    assert of_output == pytest.approx(0.75 * log(2) + 0.25 * kl + 0.5 * -log(3 / 4))


def logits(draws: list[float]) -> Tensor:
    return torch.tensor(draws, dtype=torch.float64).view(2, 3)


six = st.lists(st.floats(-5, 5), min_size=6, max_size=6)


@given(six, six, st.floats(0.5, 20))
def test_nothing_is_to_be_learned_from_an_equal_teacher_alone(
    own: list[float], other: list[float], temperature: float
) -> None:
    kind = Distillation(temperature=temperature)
    assert distillation_loss(logits(own), Lesson(logits(own), kind)).item() == pytest.approx(0, abs=1e-9)
    assert distillation_loss(logits(own), Lesson(logits(other), kind)).item() >= -1e-9
