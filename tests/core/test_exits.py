"""Exit classifiers: layers and costs by formula, scores in [0, 1], temperatures against a grid."""

from math import log
from typing import Any, get_args

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from recipes import recipe
from tiny_nets import IMAGE, NUM_CLASSES, Chain, build
from torch.utils.flop_counter import FlopCounterMode

from explorer.core.calibration import InferenceConfig, calibrate
from explorer.core.evidence import collect_evidence
from explorer.core.exits import ExitClassifier, Score, confidence, fitted_temperature
from explorer.core.network import Network
from explorer.core.payload import PayloadForm
from explorer.core.recipe import Recipe
from explorer.core.sweep import sweep
from explorer.core.training import train
from explorer.data.dataset import Subset

LOGITS = st.lists(st.floats(-30, 30, width=32), min_size=3, max_size=3).map(torch.tensor)
RECIPE = recipe(batch_size=16, weight_decay=1e-4, exit_loss_weight=0.5)


def network(**changes: Any) -> Network:
    torch.manual_seed(0)
    return Network(build(Chain), torch.zeros(1, *IMAGE), NUM_CLASSES, exit_features=8, **changes)


def data(samples: int = 60) -> Subset:
    inputs = torch.randn(samples, *IMAGE, generator=torch.Generator().manual_seed(0))
    return Subset(inputs, (inputs.mean((1, 2, 3)) > 0).long())


@pytest.mark.parametrize(
    ("shape", "limit", "features"),
    [
        ((100,), 8, 100),  # nothing to pool over: read whole
        ((4, 8, 8), 64, 4 * 4 * 4),  # 16 per channel: 4 x 4 positions of 2 x 2 pixels
        ((4, 8, 8), 63, 4 * 2 * 2),  # 3 positions per axis take 3 pixels each, of which 2 fit into 8
        ((4, 8, 8), 1, 4),  # one per channel is always allowed
        ((4, 2, 2), 64, 4 * 2 * 2),  # small enough as it is
        ((4, 9), 12, 4 * 3),
        ((2, 4, 4, 4), 16, 2 * 2 * 2 * 2),
        ((3, 1, 7), 9, 3 * 1 * 1),  # 1 position per axis: sqrt(9 / 3) = 1.7
    ],
)
def test_exit_features(shape: tuple[int, ...], limit: int, features: int) -> None:
    exit_ = ExitClassifier(shape, NUM_CLASSES, limit)
    assert exit_.steps[-1].inputs == features
    assert exit_(torch.zeros(2, *shape)).shape == (2, NUM_CLASSES)
    assert len(exit_.steps) == 1 + (features < torch.Size(shape).numel())  # pooled or not


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple), st.integers(1, 100))
def test_exit_reads_no_more_than_allowed(shape: tuple[int, ...], limit: int) -> None:
    exit_ = ExitClassifier(shape, NUM_CLASSES, limit)
    whole = len(shape) == 1
    assert exit_.steps[-1].inputs <= (shape[0] if whole else max(limit, shape[0]))
    assert exit_(torch.zeros(1, *shape)).shape == (1, NUM_CLASSES)


def test_exit_is_average_pooling_and_a_linear_layer() -> None:
    exit_ = ExitClassifier((2, 4, 4), NUM_CLASSES, 8)
    x = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    pooled = x.reshape(3, 2, 2, 2, 2, 2).mean((3, 5)).flatten(1)  # 2 x 2 blocks of 2 x 2 pixels
    linear = exit_[-1]
    torch.testing.assert_close(exit_(x), pooled @ linear.weight.T + linear.bias)


@pytest.mark.parametrize("shape", [(5,), (3, 9), (3, 7, 10), (3, 4, 4, 4)])
@pytest.mark.parametrize("kind", ["pooled", "conv"])
def test_steps_are_what_runs(shape: tuple[int, ...], kind: Any) -> None:
    exit_ = ExitClassifier(shape, NUM_CLASSES, 20, kind)
    with FlopCounterMode(display=False) as counter:
        assert exit_(torch.zeros(2, *shape)).shape == (2, NUM_CLASSES)
    assert sum(step.macs for step in exit_.steps) == counter.get_total_flops() // 2 // 2
    assert sum(step.parameters for step in exit_.steps) == sum(p.numel() for p in exit_.parameters())
    assert exit_.steps[0].inputs == torch.Size(shape).numel()
    assert all(b.inputs == a.outputs for a, b in zip(exit_.steps, exit_.steps[1:], strict=False))


def test_convolution_by_hand() -> None:
    steps = ExitClassifier((3, 7, 10), 4, 1000, "conv").steps
    # 3 channels 7 x 10 to 16 channels 4 x 5, all read by the Linear layer
    assert steps[0].macs == 3 * 16 * 9 * 4 * 5
    assert steps[-1].macs == 16 * 4 * 5 * 4
    assert ExitClassifier((5,), 4, 8, "conv").steps == ExitClassifier((5,), 4, 8).steps


@given(LOGITS, st.sampled_from(get_args(Score)), st.floats(0.1, 10))
def test_scores_lie_between_0_and_1(logits: torch.Tensor, score: Score, temperature: float) -> None:
    assert 0 <= confidence(logits, score, temperature).item() <= 1


@pytest.mark.parametrize("score", get_args(Score))
def test_scores_at_their_ends(score: Score) -> None:
    even, sure = torch.zeros(4), torch.tensor([1000.0, 0, 0, 0])
    assert confidence(even, score, 1.0).item() == pytest.approx(0.25 if score == "max_softmax" else 0)
    assert confidence(sure, score, 1.0).item() == pytest.approx(1)


def test_scores_by_hand() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log()
    assert confidence(logits, "max_softmax", 1.0).item() == pytest.approx(0.5)
    assert confidence(logits, "margin", 1.0).item() == pytest.approx(0.2)
    entropy = -sum(p * log(p) for p in (0.5, 0.3, 0.2))
    assert confidence(logits, "entropy", 1.0).item() == pytest.approx(1 - entropy / log(3))
    squared = 0.5**2 / (0.5**2 + 0.3**2 + 0.2**2)  # temperature 1/2 squares the probabilities
    assert confidence(logits, "max_softmax", 0.5).item() == pytest.approx(squared)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 4.0])
def test_temperature_has_the_least_loss(true_temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(4000, 5, generator=generator)
    labels = (logits / true_temperature).softmax(-1).multinomial(1, generator=generator)[:, 0]
    found = fitted_temperature(logits, labels)
    assert found == pytest.approx(true_temperature, rel=0.1)
    least = min(F.cross_entropy(logits / t, labels).item() for t in torch.logspace(-1, 1, 100).tolist())
    assert F.cross_entropy(logits / found, labels).item() <= least + 1e-6


def test_exits_at_some_split_points() -> None:
    names = [point.name for point in network().split_points]
    own = network(exits_at=names[1:2])
    assert [name for name in names if own.exit_at(name) is not None] == names[1:2]
    subset = data()
    assert len(own(subset.inputs)) == 2
    evidence = collect_evidence(
        own, subset, calibrate(own, subset, subset, InferenceConfig(PayloadForm((8,))))
    )
    points = sweep(evidence, 0.0, 0.5)  # the exit may not be left out, yet the others have none
    for name in names[:-1]:
        rows = points[points["split_point"] == name]
        if name == names[1]:
            assert rows["confidence_threshold"].notna().all()
        else:
            assert rows["exited"].tolist() == [0]
            assert rows["confidence_threshold"].isna().all()


def test_frozen_training_leaves_the_backbone_as_without_exits() -> None:
    frozen, alone, joint = network(), network(), network()
    before = [parameter.clone() for parameter in frozen.exits.parameters()]
    train(frozen, data(), Recipe(**{**vars(RECIPE), "exit_training": "frozen"}))
    train(alone, data(), Recipe(**{**vars(RECIPE), "exit_loss_weight": 0.0}))
    train(joint, data(), RECIPE)
    weights = [list(own.backbone.parameters()) for own in (frozen, alone, joint)]
    assert all(torch.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(before, frozen.exits.parameters(), strict=True))


@pytest.mark.parametrize("score", get_args(Score))
def test_evidence_is_scored_at_the_fitted_temperature(score: Score) -> None:
    own, subset = network(), data()
    train(own, subset, RECIPE)
    calibration = calibrate(own, subset, subset, InferenceConfig(PayloadForm((32,)), score, "fitted"))
    evidence = collect_evidence(own, subset, calibration)
    with torch.no_grad():
        *exits, _ = own(subset.inputs)
    for row, (name, logits) in enumerate(zip(evidence.split_points, exits, strict=True)):
        assert calibration.temperatures[name] == pytest.approx(fitted_temperature(logits, subset.labels))
        expected = confidence(logits, score, calibration.temperatures[name])
        assert evidence.exit_confidence_SN[row] == pytest.approx(expected.numpy(), abs=1e-5)
