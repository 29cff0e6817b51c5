"""Train one network and gather all that can be known about it: the one expensive step of the search."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explorer.core.calibration import Calibration, InferenceConfig, calibrate
from explorer.core.device import CPU, chosen_device, computing_on
from explorer.core.evidence import Evidence, collect_evidence
from explorer.core.failures import failing_alone
from explorer.core.input_pool import pooled_shape
from explorer.core.network import Network
from explorer.core.run_point import INT8
from explorer.core.sparsity.sparsify import placement_checksum
from explorer.core.training import TrainingFailedError, train
from explorer.core.training_record import TrainingRecord
from explorer.core.training_state import load_trained_weights
from explorer.core.warm_start import start_from_dense
from explorer.costs.build import build_network, dense_counterpart
from explorer.costs.split_costs import SplitCosts, split_costs
from explorer.data.dataset import DataSet, on_device
from explorer.microcontroller.int8_evidence import with_c_edges
from explorer.space.candidate import NetworkSpec
from explorer.space.rebuilt import (
    SAMPLES,
    Built,
    Signature,
    another_network,
    check_factory,
    check_logits,
    sample_logits,
)

_STATE_LOGITS = "validation.logits"  # in a training state: sample_logits when it was left


@dataclass(frozen=True)
class TrainingTask:
    """A network and how far to train it.

    Attributes:
        spec: What to train.
        until_epoch: Epochs after which training stops, counted from the first.
        state: ``training_state`` of the same network at fewer epochs; None trains from the start.
        dense: Weights of the trained network :attr:`NetworkSpec.dense`, where it starts or learns from one.

    Example:
        >>> from explorer.space.files import load_space
        >>> recipe, arguments = load_space("digits")[0].recipe, '{"hidden": [4]}'
        >>> spec = NetworkSpec("mlp", "explorer.backbones:mlp", arguments, "block", (), 8, recipe, "{}")
        >>> task = TrainingTask(spec, until_epoch=3)
        >>> task.until_epoch, task.spec.recipe.total_epochs
        (3, 10)
    """

    spec: NetworkSpec
    until_epoch: int
    state: dict[str, Tensor] | None = None
    dense: dict[str, Tensor] | None = None


@dataclass(frozen=True)
class EvaluatedNetwork:
    """A trained network as plain data.

    Attributes:
        spec: What was trained.
        splits: Costs at every split point.
        evidence: Validation outcomes.
        training: What training took.
        weights: Parameters and buffers by name.
        placement_checksum: Of the kept positions derived from the seed.
        uncounted: Operators fvcore did not count in the dense counterpart.
        calibration: What was fitted to it besides the weights.
        logits: Of its first validation samples, see :func:`explorer.space.rebuilt.sample_logits`.
        training_state: What training needs to go on; None when it is complete.
        int8_evidence: Validation outcomes of edge parts in int8; None where they were not asked for, or there
            is no C for any.

    Example:
        >>> from explorer.data.dataset import Subset
        >>> from explorer.space.files import load_space
        >>> space, arguments = load_space("digits")[0], '{"hidden": [4]}'
        >>> spec = NetworkSpec("mlp", "explorer.backbones:mlp", arguments, "block", (), 8, space.recipe, "{}")
        >>> own = Subset(torch.zeros(4, 8), torch.arange(4) % 2)
        >>> data = DataSet("zeros", own, own, own, num_classes=2, input_shape=(8,))
        >>> trained = evaluate_network(TrainingTask(spec, until_epoch=1), data, space.inference_config)
        >>> trained.epochs, trained.evidence.num_samples, [split.name for split in trained.splits]
        (1, 4, ['input', 'relu1', 'output'])
    """

    spec: NetworkSpec
    splits: tuple[SplitCosts, ...]
    evidence: Evidence
    training: TrainingRecord
    weights: dict[str, Tensor]
    placement_checksum: int
    uncounted: dict[str, int]
    calibration: Calibration
    logits: Tensor
    training_state: dict[str, Tensor] | None = None
    int8_evidence: Evidence | None = None

    @property
    def evidences(self) -> list[Evidence]:
        """Of edge parts in float32 and, where there are such, in int8."""
        return [self.evidence] if self.int8_evidence is None else [self.evidence, self.int8_evidence]

    @property
    def epochs(self) -> int:
        """Epochs trained so far."""
        return self.training.epochs


def evaluate_network(
    task: TrainingTask,
    data: DataSet,
    inference_config: InferenceConfig,
    signatures: Mapping[Built, Signature] | None = None,
    device: str = "cpu",
) -> EvaluatedNetwork:
    """Build, probe and train a network as far as asked, and measure it on the validation subset.

    Args:
        task: What to train.
        data: Training and validation subsets; the test subset is not touched.
        inference_config: How it is run; server answers are recomputed for each of its payload bits.
        signatures: What factories built where the search began, by what they were given; None where that
            is here and now.
        device: Where it is trained and measured, see :func:`explorer.core.device.chosen_device`. It is built
            on the CPU, so that initial weights, placements and costs are the same wherever that is.

    Raises:
        TrainingFailedError: Training diverged, memory ran out, a crossing tensor holds NaN, the factory
            builds another network than it did, or the user's code raised anything.

    Example:
        >>> from explorer.data.dataset import Subset
        >>> from explorer.space.files import load_space
        >>> space, arguments = load_space("digits")[0], '{"hidden": [4]}'
        >>> spec = NetworkSpec("mlp", "explorer.backbones:mlp", arguments, "block", (), 8, space.recipe, "{}")
        >>> own = Subset(torch.zeros(4, 8), torch.arange(4) % 2)
        >>> data = DataSet("zeros", own, own, own, num_classes=2, input_shape=(8,))
        >>> trained = evaluate_network(TrainingTask(spec, until_epoch=1), data, space.inference_config)
        >>> list(trained.weights)[:2], trained.training.steps
        (['backbone.fc1.weight', 'backbone.fc1.bias'], 1)
    """
    with failing_alone():
        if signatures is not None:
            inner = pooled_shape(data.input_shape, task.spec.input_pool)
            built = (task.spec.factory, task.spec.arguments, inner)
            check_factory(*built, data.num_classes, task.spec.recipe.seed, signatures[built])
        there = chosen_device(device)
        with computing_on(there):
            return _evaluated(task, data, inference_config, there)


def _evaluated(
    task: TrainingTask, data: DataSet, inference_config: InferenceConfig, device: torch.device
) -> EvaluatedNetwork:
    spec, there = task.spec, on_device(data, device)
    network = build_network(spec, data.input_shape, data.num_classes)
    if task.state is not None:
        _check_checkpoint(network, spec, data, task.state)
    elif spec.starts_from_dense:
        assert task.dense is not None, spec.key
        start_from_dense(network, task.dense)
    network.move(device)
    network.check_split_points(there.validation.first(2))
    how = (spec.recipe, task.until_epoch, task.state)
    teacher = _teacher(task, data, device)
    training = train(network, there.train, *how, validation=there.validation, teacher=teacher)
    calibration = calibrate(network, there.train, there.validation, inference_config)
    evidence = collect_evidence(network, there.validation, calibration, spec.recipe.quality)
    network.move(CPU)  # where it will be restored, and its logits compared
    logits = sample_logits(network, data.validation.first(SAMPLES))
    if not logits.isfinite().all():
        raise TrainingFailedError("diverged: a logit is infinite or NaN")
    int8_evidence = None
    if INT8 in inference_config.edge_weight_bits:
        evidence, int8_evidence = with_c_edges(network, data, evidence, calibration)
    dense = dense_counterpart(spec, data.input_shape, data.num_classes)
    return EvaluatedNetwork(
        spec,
        split_costs(network, dense, inference_config.payload.ranges),
        evidence,
        training.record,
        network.weights(),
        placement_checksum(network),
        dict(dense.uncounted),
        calibration,
        logits,
        None if training.state is None else training.state | {_STATE_LOGITS: logits},
        int8_evidence,
    )


def _teacher(task: TrainingTask, data: DataSet, device: torch.device) -> nn.Module | None:
    """The trained dense network's backbone in eval mode, where the recipe has a teacher."""
    dense = task.spec.dense
    if task.spec.recipe.teacher is None or dense is None:
        return None
    assert task.dense is not None, task.spec.key
    network = build_network(dense, data.input_shape, data.num_classes, probe=False)
    network.load_weights(task.dense)
    network.move(device)
    return network.eval().backbone


def _check_checkpoint(network: Network, spec: NetworkSpec, data: DataSet, state: dict[str, Tensor]) -> None:
    """Whether ``network`` is the one whose training goes on from ``state``."""
    try:
        load_trained_weights(network, state)
    except ValueError as error:
        raise another_network(spec.factory, str(error)) from error
    check_logits(network, spec.factory, data.validation.first(SAMPLES), state[_STATE_LOGITS])
