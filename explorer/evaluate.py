"""Train one network and gather all that can be known about it: the one expensive step of the search."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from explorer.backbones import build_backbone
from explorer.candidate import NetworkSpec
from explorer.core.bottleneck import with_bottleneck
from explorer.core.calibration import Calibration, Readout, calibrate
from explorer.core.network import Network
from explorer.core.operating_points import Evidence, collect_evidence
from explorer.core.sparsify import placement_checksum, sparsify
from explorer.core.symbolic import where_in_user_code
from explorer.core.training import TrainingFailedError, TrainingRecord, train
from explorer.data import DataSet
from explorer.errors import UserError
from explorer.profile.payload import PayloadError, Ranges
from explorer.split_costs import DenseCounts, SplitCosts, dense_counts, split_costs
from explorer.user_code import said


@dataclass(frozen=True)
class TrainingTask:
    """A network and how far to train it.

    Attributes:
        spec: What to train.
        until_epoch: Epochs after which training stops, counted from the first.
        state: ``training_state`` of the same network at fewer epochs; None trains from the start.
    """

    spec: NetworkSpec
    until_epoch: int
    state: dict[str, Tensor] | None = None


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
        uncounted: Operators fvcore did not count in the dense twin.
        calibration: What was fitted to it besides the weights.
        training_state: What training needs to go on; None when it is complete.
    """

    spec: NetworkSpec
    splits: tuple[SplitCosts, ...]
    evidence: Evidence
    training: TrainingRecord
    weights: dict[str, Tensor]
    placement_checksum: int
    uncounted: dict[str, int]
    calibration: Calibration
    training_state: dict[str, Tensor] | None = None

    @property
    def epochs(self) -> int:
        """Epochs trained so far."""
        return self.training.epochs


def build_network(spec: NetworkSpec, input_shape: tuple[int, ...], num_classes: int) -> Network:
    """The untrained network of ``spec``, initialised by its seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.recipe.seed)
        backbone = build_backbone(
            spec.factory, spec.argument_values, input_shape, num_classes, seed=spec.recipe.seed
        )
        sparsify(backbone, dict(spec.densities), spec.pattern, spec.recipe.seed, spec.initial)
        sample = torch.zeros(1, *input_shape)
        return Network(
            with_bottleneck(backbone, sample, spec.bottleneck),
            sample,
            num_classes,
            spec.exit_features,
            exit_kind=spec.exit_kind,
            exits_at=spec.exits_at,
            max_crossing_tensors=spec.max_crossing_tensors,
        )


def evaluate_network(task: TrainingTask, data: DataSet, readout: Readout) -> EvaluatedNetwork:
    """Build, probe and train a network as far as asked, and measure it on the validation subset.

    Args:
        task: What to train.
        data: Training and validation subsets; the test subset is not touched.
        readout: How it is run; server answers are recomputed for each of its payload bits.

    Raises:
        TrainingFailedError: Training diverged, memory ran out, a crossing tensor holds NaN, or the user's
            code raised anything.
    """
    with failing_alone():
        return _evaluated(task, data, readout)


def _evaluated(task: TrainingTask, data: DataSet, readout: Readout) -> EvaluatedNetwork:
    spec = task.spec
    network = build_network(spec, data.input_shape, data.num_classes)
    network.check_split_points(data.validation.inputs[:2])
    training = train(network, data.train, spec.recipe, task.until_epoch, task.state)
    calibration = calibrate(network, data.train, data.validation, readout)
    evidence = collect_evidence(network, data.validation, calibration)
    dense = _dense_twin(spec, data.input_shape, data.num_classes)
    return EvaluatedNetwork(
        spec,
        split_costs(network, dense, readout.payload.ranges),
        evidence,
        training.record,
        network.weights(),
        placement_checksum(network),
        dict(dense.uncounted),
        calibration,
        training.state,
    )


def costs_before_training(
    spec: NetworkSpec, input_shape: tuple[int, ...], num_classes: int, ranges: Ranges
) -> tuple[SplitCosts, ...]:
    """Costs at every split point of a network: training changes none of them.

    Raises:
        TrainingFailedError: It cannot be built.
    """
    with failing_alone():
        network = build_network(spec, input_shape, num_classes).eval()
        return split_costs(network, _dense_twin(spec, input_shape, num_classes), ranges)


@contextmanager
def failing_alone() -> Iterator[None]:
    """What goes wrong with one network is that network's failure, with its reason, and ends nothing else.

    Raises:
        TrainingFailedError: Anything was raised; a module and a factory may raise whatever they like.
    """
    try:
        yield
    except TrainingFailedError:
        raise
    except (Exception, SystemExit) as error:
        raise TrainingFailedError(failure_reason(error)) from error


def failure_reason(error: BaseException) -> str:
    """One line: what was raised, and the line of the user's code that raised it."""
    if isinstance(error, PayloadError):
        return f"diverged: {error}"
    if _is_out_of_memory(error):
        return f"out of memory: {error}"
    if isinstance(error, UserError):
        return " ".join(str(error).split())
    first = next(iter(said(error).splitlines()), "")
    where = where_in_user_code(error)
    return f"{first} ({where})" if where else first


def _dense_twin(spec: NetworkSpec, input_shape: tuple[int, ...], num_classes: int) -> DenseCounts:
    how = (input_shape, num_classes, spec.exit_features, spec.bottleneck, spec.max_crossing_tensors)
    return dense_counts(spec.factory, spec.arguments, *how)


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def restore_network(
    spec: NetworkSpec,
    weights: dict[str, Tensor],
    checksum: int,
    input_shape: tuple[int, ...],
    num_classes: int,
) -> Network:
    """Rebuild a trained network from its stored weights, in eval mode.

    Raises:
        ValueError: The weights do not belong to ``spec``, or kept positions come out differently.
    """
    network = build_network(spec, input_shape, num_classes)
    if placement_checksum(network) != checksum:
        raise ValueError(
            f"{spec.key}: kept connections differ from the stored ones; numpy's generator changed"
        )
    network.load_weights(weights)
    return network.eval()
