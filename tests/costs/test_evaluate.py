"""One network, from spec to plain data: the same from the same spec, never looking at the test subset."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch import Tensor

from explorer.core.calibration import InferenceConfig
from explorer.core.evidence import collect_evidence
from explorer.core.network import Network
from explorer.core.payload import PayloadForm
from explorer.core.recipe import Recipe
from explorer.core.sparsity.sparsify import placement_checksum
from explorer.core.training import TrainingFailedError
from explorer.costs.evaluate import (
    EvaluatedNetwork,
    TrainingTask,
    build_network,
    costs_before_training,
    evaluate_network,
    restore_network,
)
from explorer.data.dataset import DataSet, Subset
from explorer.errors import UserError
from explorer.space.candidate import NetworkSpec
from explorer.space.rebuilt import sample_logits

RECIPE = Recipe(
    epochs=2,
    batch_size=16,
    learning_rate=0.01,
    weight_decay=1e-4,
    exit_loss_weight=0.3,
    output_loss_weight=1.0,
    seed=0,
    precision="float32",
)
SPEC = NetworkSpec(
    backbone="mlp",
    factory="explorer.backbones:mlp",
    arguments=json.dumps({"hidden": [16, 8]}),
    pattern="structured",
    densities=(("fc1", Fraction(1, 4)), ("fc2", Fraction(1, 2)), ("classifier", Fraction(1))),
    exit_features=8,
    recipe=RECIPE,
    data="{}",
)


READOUT = InferenceConfig(PayloadForm((32, 8), "channel"))


class Forbidden:
    """Stands for the test subset; any look at it is an error."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the test subset was asked for {name}")


def subset(samples: int, seed: int) -> Subset:
    inputs = torch.randn(samples, 8, generator=torch.Generator().manual_seed(seed))
    return Subset(inputs, (inputs[:, 0] > 0).long() + 2 * (inputs[:, 1] > 0).long())


DATA = DataSet("blobs", subset(96, 0), subset(50, 1), Forbidden(), 4, (8,))  # type: ignore[arg-type]


def complete(spec: NetworkSpec) -> TrainingTask:
    return TrainingTask(spec, spec.recipe.epochs)


@pytest.fixture(scope="module")
def evaluated() -> EvaluatedNetwork:
    return evaluate_network(complete(SPEC), DATA, READOUT)


def test_everything_is_there(evaluated: EvaluatedNetwork) -> None:
    assert evaluated.spec is SPEC
    assert [split.name for split in evaluated.splits] == ["input", "relu1", "relu2", "output"]
    assert evaluated.evidence.split_points == ("input", "relu1", "relu2")
    assert evaluated.evidence.payload_bits == (32, 8)
    assert evaluated.evidence.num_samples == 50
    assert evaluated.training.steps == 2 * 96 // 16
    # kept connections, and the dense counterpart's as fvcore counts them
    assert [split.edge_macs for split in evaluated.splits] == [0, 32, 32 + 64, 32 + 64 + 32]
    assert [split.edge_macs_dense for split in evaluated.splits] == [0, 128, 128 + 128, 128 + 128 + 32]
    # one range, low and step, per feature and split point
    assert [split.range_bytes for split in evaluated.splits] == [8 * 8, 8 * 16, 8 * 8, 0]
    # weights and biases of the whole network, float32
    assert evaluated.splits[-1].edge_param_bytes == 4 * (32 + 64 + 32 + 16 + 8 + 4)


def test_same_spec_same_network(evaluated: EvaluatedNetwork) -> None:
    torch.manual_seed(99)  # whatever was drawn before
    again = evaluate_network(complete(SPEC), DATA, READOUT)
    assert all(torch.equal(again.weights[name], tensor) for name, tensor in evaluated.weights.items())
    assert (again.evidence.exit_confidence_SN == evaluated.evidence.exit_confidence_SN).all()
    assert (again.splits, again.placement_checksum) == (evaluated.splits, evaluated.placement_checksum)


def test_other_seed_other_network(evaluated: EvaluatedNetwork) -> None:
    other = evaluate_network(complete(replace(SPEC, recipe=replace(RECIPE, seed=1))), DATA, READOUT)
    assert other.placement_checksum != evaluated.placement_checksum
    assert any(not torch.equal(other.weights[name], tensor) for name, tensor in evaluated.weights.items())


def test_costs_are_known_before_training(evaluated: EvaluatedNetwork) -> None:
    assert costs_before_training(SPEC, (8,), 4, READOUT.payload.ranges) == evaluated.splits


def test_seeds_do_not_leak() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    build_network(SPEC, (8,), 4)
    assert torch.equal(torch.rand(3), expected)


def test_evaluated_in_two_steps(evaluated: EvaluatedNetwork) -> None:
    half = evaluate_network(TrainingTask(SPEC, 1), DATA, READOUT)
    assert half.epochs == 1
    assert half.training_state is not None
    assert any(not torch.equal(half.weights[name], tensor) for name, tensor in evaluated.weights.items())
    # costs and connections do not depend on training
    assert (half.splits, half.placement_checksum) == (evaluated.splits, evaluated.placement_checksum)
    whole = evaluate_network(TrainingTask(SPEC, RECIPE.epochs, half.training_state), DATA, READOUT)
    assert whole.epochs == evaluated.epochs == 2
    assert whole.training_state is evaluated.training_state is None
    assert all(torch.equal(whole.weights[name], tensor) for name, tensor in evaluated.weights.items())
    assert (whole.evidence.exit_confidence_SN == evaluated.evidence.exit_confidence_SN).all()


def restored(network: EvaluatedNetwork) -> Network:
    stored = (network.spec, network.weights, network.placement_checksum, network.logits)
    return restore_network(*stored, DATA.validation.inputs, 4)


def test_logits_of_the_first_samples_are_kept(evaluated: EvaluatedNetwork) -> None:
    assert evaluated.logits.shape == (3 + 1, 8, 4)  # three exits and the output
    assert evaluated.logits.dtype == torch.float32
    assert evaluated.logits.is_contiguous()
    right = evaluated.logits[-1].argmax(-1) == DATA.validation.labels[:8]
    assert right.tolist() == evaluated.evidence.output_correct_N[:8].tolist()


def test_other_logits_are_refused(evaluated: EvaluatedNetwork) -> None:
    scale = max(1.0, evaluated.logits.abs().max().item())
    restored(replace(evaluated, logits=evaluated.logits + 5e-6 * scale))
    wanted = (
        r"^the factory `explorer\.backbones:mlp` builds another network .* \(logits differ by 2e-05\): was it"
    )
    with pytest.raises(UserError, match=wanted):
        restored(replace(evaluated, logits=evaluated.logits + 2e-5 * scale))
    with pytest.raises(UserError, match="logits differ by inf"):
        restored(replace(evaluated, logits=evaluated.logits[1:]))


def test_a_checkpoint_of_another_network_is_a_failed_training() -> None:
    state = evaluate_network(TrainingTask(SPEC, 1), DATA, READOUT).training_state
    assert state is not None
    moved = state | {"validation.logits": state["validation.logits"] + 0.5}
    with pytest.raises(TrainingFailedError, match=r"builds another network .*\(logits differ by 0\.\d+\)"):
        evaluate_network(TrainingTask(SPEC, RECIPE.epochs, moved), DATA, READOUT)
    narrower = replace(SPEC, arguments=json.dumps({"hidden": [16, 4]}), densities=())
    with pytest.raises(TrainingFailedError, match=r"builds another network .* names or shapes differ"):
        evaluate_network(TrainingTask(narrower, RECIPE.epochs, state), DATA, READOUT)


def test_restored_network_answers_the_same(evaluated: EvaluatedNetwork) -> None:
    network = restored(evaluated)
    assert not network.training
    assert torch.equal(sample_logits(network, DATA.validation.inputs), evaluated.logits)
    evidence = collect_evidence(network, DATA.validation, evaluated.calibration)
    assert (evidence.exit_confidence_SN == evaluated.evidence.exit_confidence_SN).all()
    assert (evidence.server_correct_SBN == evaluated.evidence.server_correct_SBN).all()
    assert (evidence.output_correct_N == evaluated.evidence.output_correct_N).all()


def test_moved_connections_are_noticed(evaluated: EvaluatedNetwork) -> None:
    with pytest.raises(UserError, match="kept connections differ from the stored ones"):
        restored(replace(evaluated, placement_checksum=evaluated.placement_checksum + 1))


def test_weights_of_another_spec_are_refused(evaluated: EvaluatedNetwork) -> None:
    dense = replace(SPEC, densities=())
    checksum = placement_checksum(build_network(dense, (8,), 4))
    wanted = r"`explorer\.backbones:mlp` builds another network .* not those of this network: names or shapes"
    with pytest.raises(UserError, match=wanted):
        restored(replace(evaluated, spec=dense, placement_checksum=checksum))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError("host"), "out of memory: host"),
        (torch.OutOfMemoryError("device"), "out of memory: device"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
            "out of memory: ",
        ),
        (TrainingFailedError("diverged: loss nan"), "^diverged: loss nan$"),
    ],
)
def test_what_is_a_failed_training(monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("explorer.costs.evaluate.train", failing)
    with pytest.raises(TrainingFailedError, match=reason):
        evaluate_network(complete(SPEC), DATA, READOUT)


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (
            RuntimeError("shapes differ\nin detail"),
            r"^RuntimeError: shapes differ \(test_evaluate.py line",
        ),
        (SystemExit("no licence"), r"^it called sys.exit\('no licence'\) \(test_evaluate.py line"),
        (UserError("two\nlines"), r"^two lines \(test_evaluate.py line"),
        (MemoryError("of 3 GiB"), "^out of memory: of 3 GiB$"),
    ],
)
def test_whatever_is_raised_is_the_failure_of_that_network(
    monkeypatch: pytest.MonkeyPatch, raised: BaseException, reason: str
) -> None:
    def failing(*_: object, **__: object) -> Tensor:
        raise raised

    monkeypatch.setattr("explorer.costs.evaluate.train", failing)
    with pytest.raises(TrainingFailedError, match=reason):
        evaluate_network(complete(SPEC), DATA, READOUT)


def test_an_interrupt_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> Tensor:
        raise KeyboardInterrupt

    monkeypatch.setattr("explorer.costs.evaluate.train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate_network(complete(SPEC), DATA, READOUT)


def test_divergence_is_a_failed_training() -> None:
    wild = replace(SPEC, recipe=replace(RECIPE, learning_rate=1e38))
    with pytest.raises(TrainingFailedError, match=r"^diverged: loss "):
        evaluate_network(complete(wild), DATA, READOUT)
