"""One network, from spec to plain data: the same from the same spec, never looking at the test subset."""

import json
from dataclasses import replace

import pytest
import torch
from blobs import DATA, READOUT, RECIPE, SPEC, complete
from torch import Tensor

from explorer.core.training import TrainingFailedError
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.errors import UserError


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


def test_logits_of_the_first_samples_are_kept(evaluated: EvaluatedNetwork) -> None:
    assert evaluated.logits.shape == (3 + 1, 8, 4)  # three exits and the output
    assert evaluated.logits.dtype == torch.float32
    assert evaluated.logits.is_contiguous()
    right = evaluated.logits[-1].argmax(-1) == DATA.validation.labels[:8]
    assert right.tolist() == evaluated.evidence.output_correct_N[:8].tolist()


def test_a_checkpoint_of_another_network_is_a_failed_training() -> None:
    state = evaluate_network(TrainingTask(SPEC, 1), DATA, READOUT).training_state
    assert state is not None
    moved = state | {"validation.logits": state["validation.logits"] + 0.5}
    with pytest.raises(TrainingFailedError, match=r"builds another network .*\(logits differ by 0\.\d+\)"):
        evaluate_network(TrainingTask(SPEC, RECIPE.epochs, moved), DATA, READOUT)
    narrower = replace(SPEC, arguments=json.dumps({"hidden": [16, 4]}), densities=())
    with pytest.raises(TrainingFailedError, match=r"builds another network .* names or shapes differ"):
        evaluate_network(TrainingTask(narrower, RECIPE.epochs, state), DATA, READOUT)


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
