"""From a spec to its network: untrained, with what it costs, or restored from its stored weights."""

import torch
from torch import Tensor

from explorer.backbones import build_backbone
from explorer.core.bottleneck import with_bottleneck
from explorer.core.failures import failing_alone
from explorer.core.input_pool import pooled_shape
from explorer.core.network import Network
from explorer.core.payload import Ranges
from explorer.core.sparsity.sparsify import placement_checksum, sparsify
from explorer.costs.dense_macs import DenseCounts, dense_counts
from explorer.costs.split_costs import SplitCosts, split_costs
from explorer.errors import UserError
from explorer.space.candidate import NetworkSpec
from explorer.space.rebuilt import another_network, check_logits


def build_network(
    spec: NetworkSpec, input_shape: tuple[int, ...], num_classes: int, probe: bool = True
) -> Network:
    """The untrained network of ``spec``, initialised by its seed; ``probe`` as of :class:`Network`.

    Example:
        >>> from explorer.space.files import load_space
        >>> recipe, arguments = load_space("digits")[0].recipe, '{"hidden": [4]}'
        >>> spec = NetworkSpec("mlp", "explorer.backbones:mlp", arguments, "block", (), 8, recipe, "{}")
        >>> build_network(spec, input_shape=(8,), num_classes=2).exit_names
        ['input', 'relu1']
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.recipe.seed)
        inner, seed = pooled_shape(input_shape, spec.input_pool), spec.recipe.seed
        backbone = build_backbone(spec.factory, spec.argument_values, inner, num_classes, seed)
        sparsify(backbone, dict(spec.densities), spec.pattern, seed, spec.initial)
        return Network(
            with_bottleneck(backbone, torch.zeros(1, *inner), spec.bottleneck),
            torch.zeros(1, *input_shape),
            num_classes,
            spec.exit_features,
            exit_kind=spec.exit_kind,
            exits_at=spec.exits_at,
            max_crossing_tensors=spec.max_crossing_tensors,
            precision=spec.recipe.precision,
            probe=probe,
            input_pool=spec.input_pool,
        )


def dense_counterpart(spec: NetworkSpec, input_shape: tuple[int, ...], num_classes: int) -> DenseCounts:
    """What fvcore counts in the dense network of the same variant.

    Example:
        >>> from explorer.space.files import load_space
        >>> recipe, arguments = load_space("digits")[0].recipe, '{"hidden": [4]}'
        >>> spec = NetworkSpec("mlp", "explorer.backbones:mlp", arguments, "block", (), 8, recipe, "{}")
        >>> dense_counterpart(spec, input_shape=(8,), num_classes=2).edge_macs
        {'input': 0, 'relu1': 32, 'output': 40}
    """
    how = (input_shape, num_classes, spec.exit_features, spec.bottleneck, spec.max_crossing_tensors)
    return dense_counts(spec.factory, spec.arguments, *how, spec.input_pool)


def costs_before_training(
    spec: NetworkSpec, input_shape: tuple[int, ...], num_classes: int, ranges: Ranges
) -> tuple[SplitCosts, ...]:
    """Costs at every split point of a network: training changes none of them.

    Raises:
        TrainingFailedError: It cannot be built.

    Example:
        >>> from explorer.space.files import load_space
        >>> recipe, arguments = load_space("digits")[0].recipe, '{"hidden": [4]}'
        >>> spec = NetworkSpec("mlp", "explorer.backbones:mlp", arguments, "block", (), 8, recipe, "{}")
        >>> costs = costs_before_training(spec, input_shape=(8,), num_classes=2, ranges="sample")
        >>> [(split.name, split.edge_macs, split.server_macs) for split in costs]
        [('input', 0, 40), ('relu1', 32, 8), ('output', 40, 0)]
    """
    with failing_alone():
        network = build_network(spec, input_shape, num_classes, probe=False).eval()
        return split_costs(network, dense_counterpart(spec, input_shape, num_classes), ranges)


def restore_network(
    spec: NetworkSpec,
    weights: dict[str, Tensor],
    checksum: int,
    logits: Tensor,
    inputs: Tensor,
    num_classes: int,
) -> Network:
    """Rebuild a trained network from its stored weights, in eval mode.

    Args:
        spec: What was trained.
        weights: Parameters and buffers by name.
        checksum: Of the kept positions.
        logits: What it gave for its first validation samples.
        inputs: Validation inputs (N, ...), in their order.
        num_classes: Number of logits.

    Raises:
        UserError: The network is not the one that was trained.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.rebuilt import sample_logits
        >>> recipe, arguments = load_space("digits")[0].recipe, '{"hidden": [4]}'
        >>> spec = NetworkSpec("mlp", "explorer.backbones:mlp", arguments, "block", (), 8, recipe, "{}")
        >>> network, inputs = build_network(spec, (8,), num_classes=2).eval(), torch.ones(2, 8)
        >>> what = (network.weights(), placement_checksum(network), sample_logits(network, inputs))
        >>> torch.equal(restore_network(spec, *what, inputs, num_classes=2)(inputs)[-1], network(inputs)[-1])
        True
    """
    network = build_network(spec, tuple(inputs.shape[1:]), num_classes)
    try:
        network.load_weights(weights)
    except ValueError as error:
        raise another_network(spec.factory, str(error)) from error
    if placement_checksum(network) != checksum:
        raise UserError(
            f"{spec.key}: kept connections differ from the stored ones; numpy's generator changed"
        )
    check_logits(network, spec.factory, inputs, logits)
    return network.eval()
