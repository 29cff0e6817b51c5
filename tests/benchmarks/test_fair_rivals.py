"""The benchmark of fair rivals: equal weights by formula, legal densities, and the order that is checked."""

import pytest
import torch

from benchmarks import fair_rivals
from benchmarks.fair_rivals import KINDS, RIVALS, SMALL_DENSE, TOLERANCE, Rival
from explorer.backbones import mlp
from explorer.core.input_pool import pooled_shape
from explorer.core.sparsity.sparsify import find_junctions
from explorer.data.dataset import DataSet, Subset

EVERY = [(budget, rival) for budget, own in RIVALS.items() for rival in own]


@pytest.mark.parametrize(("budget", "rival"), EVERY)
def test_weights_are_those_of_the_budget_and_densities_legal(budget: int, rival: Rival) -> None:
    shape = pooled_shape(fair_rivals.INPUT_SHAPE, rival.input_pool)
    module = mlp(input_shape=shape, num_classes=fair_rivals.CLASSES, hidden=rival.hidden)
    junctions = {junction.path: junction for junction in find_junctions(module, "block")}
    densities = dict(rival.densities)
    assert list(densities) == list(junctions)
    assert all(densities[path] in junction.legal for path, junction in junctions.items())
    kept = sum(junction.num_weights * densities[path] for path, junction in junctions.items())
    assert kept == rival.num_weights == pytest.approx(budget, rel=TOLERANCE)
    assert ("dense" in rival.kind) == all(density == 1 for density in densities.values())


def test_every_kind_has_as_many_shapes() -> None:
    for own in RIVALS.values():
        assert [sum(rival.kind == kind for rival in own) for kind in KINDS] == [2] * len(KINDS)


def test_shape_and_rate_are_chosen_by_validation_with_the_first_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained_once(rival: Rival, data: DataSet, recipe: fair_rivals.Recipe) -> fair_rivals.Row:
        best = (rival.hidden, recipe.learning_rate) == ((8,), 0.03)
        row = {
            "kind": rival.kind,
            "hidden": list(rival.hidden),
            "input_pool": 1,
            "weights": rival.num_weights,
        }
        row |= {"rate": recipe.learning_rate, "seed": recipe.seed, "validation": 0.9 if best else 0.5}
        return row | {"test": 0.7 + 0.1 * recipe.seed if best else 0.99}

    monkeypatch.setattr(fair_rivals, "trained_once", trained_once)
    subset = Subset(torch.zeros(2, 1, 28, 28), torch.arange(2))
    data, trained = DataSet("none", subset, subset, subset, 10, (1, 28, 28)), list[fair_rivals.Row]()
    rivals = [Rival(SMALL_DENSE, (4,)), Rival(SMALL_DENSE, (8,))]
    row = fair_rivals.compared(100, SMALL_DENSE, rivals, data, 3, 1, trained)
    assert (row["hidden"], row["rate"], len(trained)) == ([8], 0.03, 2 * 3 + 2)
    assert (row["test"], row["test_min"], row["test_max"]) == pytest.approx((0.8, 0.7, 0.9))


def test_a_rival_learns_to_tell_bright_from_dark() -> None:
    bright = torch.arange(200) % 2
    inputs = bright.float()[:, None, None, None] + 0.1 * torch.randn(200, 1, 28, 28)
    subset = Subset(inputs, bright)
    data = DataSet("halves", subset, subset, subset, fair_rivals.CLASSES, (1, 28, 28))
    row = fair_rivals.trained_once(RIVALS[2360][-1], data, fair_rivals._recipe(0.03, seed=0, epochs=8))
    assert row["test"] == row["validation"] == 1.0
    assert (row["input_pool"], row["weights"]) == (4, 784 + 448 + 1120)


def test_what_falls_short_is_said() -> None:
    def rows(*accuracies: float) -> list[fair_rivals.Row]:
        return [
            {"budget": budget, "kind": kind, "test": accuracy}
            for budget in fair_rivals.BUDGETS
            for kind, accuracy in zip(KINDS, accuracies, strict=True)
        ]

    assert fair_rivals.shortcomings(rows(0.9, 0.8, 0.95, 0.96)) == []
    assert fair_rivals.shortcomings(rows(0.9, 0.8, 0.85, 0.96)) == [
        "falls short at 2360 weights: pooled dense 0.8500, sparse 0.9000"
    ]
