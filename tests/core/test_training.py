"""Joint training: the loss by formula, steps by count, and the same network from the same seed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from math import log
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load, save
from torch import Tensor, nn
from trainings import RECIPE, data, network

from explorer.core.bottleneck import Bottleneck, with_bottleneck
from explorer.core.losses import joint_loss, loss_weights
from explorer.core.network import Network
from explorer.core.quality import Quality
from explorer.core.recipe import Recipe
from explorer.core.sparsity.sparsify import sparsify
from explorer.core.training import Training, TrainingFailedError, train
from explorer.data.dataset import Subset


def test_classes_weigh_in_the_loss_as_in_the_quality() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    weights = loss_weights(labels, 2, Quality("balanced_accuracy"))
    assert weights is not None
    assert weights.tolist() == pytest.approx([4 / 6, 2.0])
    logits = [torch.randn(4, 2), torch.randn(4, 2)]
    of_class = [
        sum(F.cross_entropy(own[labels == label], labels[labels == label]) / 2 for label in (0, 1))
        for own in logits
    ]
    loss = joint_loss(logits, labels, [0.5], 1.0, class_weights=weights)
    assert loss.item() == pytest.approx((0.5 * of_class[0] + of_class[1]).item(), rel=1e-6)
    assert loss_weights(labels, 2, Quality()) is None
    assert loss_weights(labels, 3, Quality("balanced_accuracy")).tolist()[2] == 0  # type: ignore[union-attr]


def test_an_exit_of_no_weight_is_not_trained() -> None:
    backbone = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    trained = Network(backbone, torch.zeros(1, 4), 2, exit_features=8)
    first, *others = trained.exit_names
    before = {name: [p.clone() for p in trained.exit_at(name).parameters()] for name in trained.exit_names}
    weights = ((first, 0.0),)
    train(trained, data(16), replace(RECIPE, weight_decay=0.0, exit_loss_weights=weights))
    for name in trained.exit_names:
        moved = [
            not torch.equal(a, b)
            for a, b in zip(before[name], trained.exit_at(name).parameters(), strict=True)
        ]
        assert any(moved) == (name in others), name


@pytest.mark.parametrize(
    ("samples", "batch_size", "steps"),
    [
        (16, 8, 2),
        (19, 8, 3),  # the last batch has 3
        (17, 8, 2),  # one sample left over joins the batch before: batch normalisation needs two
        (5, 8, 1),
        (9, 3, 3),
    ],
)
def test_number_of_steps(samples: int, batch_size: int, steps: int) -> None:
    seen: list[int] = []
    trained = network()
    trained._tapped.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    record = train(trained, data(samples), replace(RECIPE, batch_size=batch_size)).record
    assert record.steps == 2 * steps
    assert record.epochs == 2
    assert len(seen) == 2 * steps
    assert sum(seen[:steps]) == sum(seen[steps:]) == samples
    assert record.seconds > 0


def test_training_learns_and_ends_in_eval_mode() -> None:
    trained, subset = network(), data(128)
    record = train(trained, subset, replace(RECIPE, epochs=20)).record
    assert not trained.training
    with torch.no_grad():
        accuracies = [
            (logits.argmax(1) == subset.labels).float().mean().item() for logits in trained(subset.inputs)
        ]
    assert min(accuracies) > 0.9
    assert record.final_loss < log(2) * (1 + 2 * 0.5)  # of guessing: output and two exits


def weights_after(global_seed: int, recipe: Recipe) -> dict[str, Tensor]:
    trained = network()
    torch.manual_seed(global_seed)
    train(trained, data(20), recipe)
    return trained.weights()


def test_training_follows_from_the_recipe_alone() -> None:
    first, second = (
        weights_after(1, RECIPE),
        weights_after(2, RECIPE),
    )  # dropout and order come from the recipe
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = weights_after(1, replace(RECIPE, seed=1))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_training_leaves_the_global_generator_alone() -> None:
    trained = network()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train(trained, data(20), RECIPE)
    assert torch.equal(torch.rand(3), expected)


def test_final_loss_is_the_mean_over_samples() -> None:
    trained = Network(nn.Sequential(nn.Linear(4, 2)), torch.zeros(1, 4), 2, exit_features=8)
    subset, standing_still = data(19), replace(RECIPE, learning_rate=0.0)
    record = train(trained, subset, standing_still).record  # batches of 8, 8 and 3
    with torch.no_grad():
        weights = standing_still.exit_weights(trained.exit_names)
        logits = trained(subset.inputs)
        expected = joint_loss(logits, subset.labels, weights, standing_still.output_loss_weight).item()
    assert record.final_loss == pytest.approx(expected, rel=1e-5)


def test_first_step_by_hand() -> None:
    """AdamW moves every weight by the learning rate, whatever the size of its gradient."""
    trained = Network(nn.Sequential(nn.Linear(4, 2)), torch.zeros(1, 4), 2, exit_features=8)
    before = trained.backbone.get_parameter("0.weight").clone()
    train(trained, data(8), replace(RECIPE, epochs=1, exit_loss_weight=0.0))
    moved = (trained.backbone.get_parameter("0.weight") - before).abs()
    # the only step, at the peak rate: 0.01 g / (|g| + eps)
    torch.testing.assert_close(moved, torch.full_like(moved, 0.01), rtol=1e-3, atol=0)


def test_rate_falls_along_half_a_cosine() -> None:
    rates: list[float] = []
    trained = network()

    class Spy(torch.optim.AdamW):
        def step(self, closure: Any = None) -> Any:
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim, "AdamW", Spy)
        train(trained, data(16), RECIPE)
    # 2 epochs of 2 steps: 0.01 (1 + cos(pi n / 4)) / 2
    assert rates == pytest.approx([0.01, 0.01 * 0.853553, 0.005, 0.01 * 0.146447], rel=1e-5)


def test_exits_without_weight_stay_as_they_were() -> None:
    trained = network()
    before = {name: tensor for name, tensor in trained.weights().items() if name.startswith("exits")}
    train(trained, data(16), replace(RECIPE, exit_loss_weight=0.0, weight_decay=0.1))
    after = trained.weights()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_divergence_says_in_which_epoch() -> None:
    subset = data(16)
    subset.inputs[3] = float("inf")
    with pytest.raises(TrainingFailedError, match=r"^diverged: loss (nan|inf) in epoch 1 of 2$"):
        train(network(), subset, RECIPE)


def test_bfloat16_forward_trains_float32_weights() -> None:
    exact, rounded = network(), network()
    loss = train(exact, data(64), RECIPE).record.final_loss
    rounded_loss = train(rounded, data(64), replace(RECIPE, precision="bfloat16")).record.final_loss
    assert all(parameter.dtype == torch.float32 for parameter in rounded.parameters())
    assert rounded_loss != loss
    assert rounded_loss == pytest.approx(loss, rel=0.05)  # bfloat16 keeps 8 bits of mantissa


def conv_network() -> Network:
    """Trained channels last; its second convolution is sparse and trains merged."""
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Dropout(),
        nn.Conv2d(8, 8, 3),
        nn.Flatten(),
        nn.Linear(32, 2),
    )
    sparsify(backbone, {"4": Fraction(1, 4)}, "block", seed=0)
    return Network(backbone, torch.zeros(1, 3, 6, 6), 2, exit_features=8)


def block_network() -> Network:
    """Blocks side by side and overlapping."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Linear(108, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 8), nn.Linear(8, 2))
    sparsify(backbone, {"0": Fraction(1, 4), "3": Fraction(3, 4)}, "block", seed=0)
    return Network(backbone, torch.zeros(1, 108), 2, exit_features=8)


def images(shape: tuple[int, ...]) -> Subset:
    inputs = torch.randn(50, *shape, generator=torch.Generator().manual_seed(0))
    return Subset(inputs, (inputs.flatten(1)[:, 0] > 0).long())


def train_in_pieces(
    build: Callable[[], Network], subset: Subset, recipe: Recipe, pieces: Sequence[int]
) -> tuple[Network, Training]:
    """Each piece in a network built anew, its state through bytes, other random numbers drawn in between."""
    state: dict[str, Tensor] | None = None
    for until in accumulate(pieces):
        trained = build()
        torch.manual_seed(until)
        training = train(trained, subset, recipe, until, state)
        state = None if training.state is None else load(save(training.state))
    return trained, training


@pytest.mark.parametrize("pieces", [(1, 3), (2, 2), (1, 1, 2)])
@pytest.mark.parametrize(("build", "shape"), [(conv_network, (3, 6, 6)), (block_network, (108,))])
def test_pieces_give_the_same_bits(
    build: Callable[[], Network], shape: tuple[int, ...], pieces: tuple[int, ...]
) -> None:
    recipe, subset = replace(RECIPE, epochs=4, weight_decay=0.1), images(shape)
    whole = build()
    expected = train(whole, subset, recipe)
    continued, got = train_in_pieces(build, subset, recipe, pieces)
    assert got.state is expected.state is None
    assert replace(got.record, seconds=0.0) == replace(expected.record, seconds=0.0)
    after = continued.weights()
    assert all(torch.equal(after[name], tensor) for name, tensor in whole.weights().items())
    assert all(tensor.is_contiguous() for tensor in continued.state_dict().values())


def test_stopping_early_is_part_of_the_whole() -> None:
    """Not a shorter schedule: what an epoch does is the same whether or not training stops behind it."""
    recipe, subset = replace(RECIPE, epochs=4), data(20)
    first = train(network(), subset, recipe, 1)
    assert first.state is not None
    assert (first.record.epochs, first.record.steps) == (1, 3)
    assert first.state["seconds"] == first.record.seconds
    second = train(network(), subset, recipe, 2, first.state | {"seconds": torch.tensor(1000.0)})
    assert (second.record.epochs, second.record.steps) == (2, 6)
    assert second.record.seconds > 1000
    assert second.record.final_loss == train(network(), subset, recipe, 2).record.final_loss
    shorter = train(network(), subset, replace(recipe, epochs=2))
    assert shorter.record.final_loss != second.record.final_loss


def test_state_is_flat_and_stays_as_it_was() -> None:
    stopped = network()
    state = train(stopped, data(16), replace(RECIPE, exit_loss_weight=0.0), 1).state
    assert state is not None
    groups = {"epochs", "steps", "seconds", "generator", "curve", "network", "optimiser"}
    assert {name.split(".")[0] for name in state} == groups
    assert {f"network.{name}" for name in stopped.weights()} <= state.keys()
    # 2 Linear layers and a normalisation have weight and bias, three slots each; exits were not trained
    assert sum(name.startswith("optimiser.") for name in state) == 3 * 6
    assert state["optimiser.0.exp_avg"].shape == state["network.backbone.0.weight"].shape
    before = {name: tensor.clone() for name, tensor in state.items()}
    train(stopped, data(16), replace(RECIPE, exit_loss_weight=0.0), 2, state)
    assert all(torch.equal(state[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("until", [0, 1, 3])
def test_some_epoch_must_be_left(until: int) -> None:
    state = train(network(), data(16), RECIPE, 1).state
    with pytest.raises(ValueError, match=rf"`1 < until_epoch <= 2` must hold, got until_epoch={until}"):
        train(network(), data(16), RECIPE, until, state)


def test_state_of_another_network_is_refused() -> None:
    state = train(block_network(), images((108,)), RECIPE, 1).state
    with pytest.raises(ValueError, match="not of this network: names or shapes differ"):
        train(network(), data(16), RECIPE, 2, state)


def test_divergence_names_the_epoch_of_the_whole() -> None:
    subset = data(16)
    state = train(network(), subset, RECIPE, 1).state
    subset.inputs[3] = float("inf")
    with pytest.raises(TrainingFailedError, match=r"^diverged: loss (nan|inf) in epoch 2 of 2$"):
        train(network(), subset, RECIPE, 2, state)


def norms(seed: int = 0, at: str | None = None) -> Network:
    """A network with batch norm and dropout, and perhaps a bottleneck."""
    torch.manual_seed(seed)
    layers = (nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 2))
    backbone = with_bottleneck(
        nn.Sequential(*layers), torch.zeros(1, 4), None if at is None else Bottleneck(at, 2)
    )
    return Network(backbone, torch.zeros(1, 4), 2, exit_features=8)


def backbone_and_exits(network: Network) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    weights = network.weights()
    return (
        {n: t for n, t in weights.items() if n.startswith("backbone.") and "bottleneck" not in n},
        {n: t for n, t in weights.items() if n.startswith("exits.") or "bottleneck" in n},
    )


@pytest.mark.parametrize("at", [None, "3"])
@pytest.mark.parametrize(
    "changes",
    [{"backbone": "frozen"}, {"epochs": 0, "exit_epochs": 2}, {"exit_epochs": 1, "backbone": "frozen"}],
)
def test_a_frozen_backbone_stays_bit_for_bit(changes: dict[str, Any], at: str | None) -> None:
    """Parameters, running statistics, and decay too; exits and the bottleneck learn."""
    frozen = norms(at=at)
    needed = [parameter.requires_grad for parameter in frozen.parameters()]
    before = backbone_and_exits(frozen)
    recipe = replace(RECIPE, weight_decay=0.1, **changes)
    record = train(frozen, data(24), recipe).record
    after = backbone_and_exits(frozen)
    assert all(torch.equal(after[0][name], tensor) for name, tensor in before[0].items())
    assert not any(torch.equal(after[1][name], tensor) for name, tensor in before[1].items())
    assert (record.epochs, record.steps) == (recipe.total_epochs, recipe.total_epochs * 3)
    assert [parameter.requires_grad for parameter in frozen.parameters()] == needed


def test_exits_go_on_alone_after_the_joint_epochs() -> None:
    joint, longer = norms(), norms()
    train(joint, data(24), RECIPE)
    train(longer, data(24), replace(RECIPE, exit_epochs=2))
    one, other = backbone_and_exits(joint), backbone_and_exits(longer)
    assert all(torch.equal(one[0][name], tensor) for name, tensor in other[0].items())
    assert not any(torch.equal(one[1][name], tensor) for name, tensor in other[1].items())


def test_nothing_to_train() -> None:
    torch.manual_seed(0)
    whole = Network(nn.Sequential(nn.Linear(4, 2)), torch.zeros(1, 4), 2, exit_features=8, exits_at=())
    before = whole.weights()
    record = train(whole, data(16), replace(RECIPE, backbone="frozen")).record
    assert record.steps == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in whole.weights().items())


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_phases_may_be_interrupted(stop: int) -> None:
    recipe = replace(RECIPE, exit_epochs=2)
    whole, pieces = norms(), norms()
    train(whole, data(24), recipe)
    state = train(pieces, data(24), recipe, stop).state
    again = norms(seed=1)
    record = train(again, data(24), recipe, state=state).record
    assert record.steps == recipe.total_epochs * 3
    assert all(torch.equal(tensor, again.weights()[name]) for name, tensor in whole.weights().items())
