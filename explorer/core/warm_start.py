"""Where a sparse network starts from the trained dense one: the warm start.

Let W be a junction's weight in the trained dense network, M its 0/1 mask of kept connections (or taps), and
rho its density, the mean of M. The sparse network starts from

    M * W * rho ** -0.5.

The factor keeps the variance of a sum of inputs of which a share rho is left. All else is taken over as it
was trained: biases, dense junctions, batch norm parameters and running statistics, exit classifiers and
bottleneck layers. M follows from pattern, density and seed (``placement: magnitude``: from the weights that
the factory gives), so it is known before the dense network is trained.
"""

from collections.abc import Mapping

from torch import Tensor

from explorer.core.network import Network
from explorer.core.sparsity.layers import SparseLayer


def warm_weights(network: Network, dense: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a sparse network starts from, named as :meth:`Network.weights` names it.

    Args:
        network: The sparse network.
        dense: Weights of its variant's trained dense network, as :meth:`Network.weights` gives them.

    Raises:
        ValueError: They are not those of its dense network: a name is missing or too many, or a shape is
            another.

    Example:
        >>> from fractions import Fraction
        >>> from torch import nn, ones, zeros
        >>> from explorer.core.sparsity.sparsify import sparsify
        >>> backbone = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> sparsify(backbone, {"0": Fraction(1, 4)}, "structured", seed=0)
        >>> network = Network(backbone, zeros(1, 8), num_classes=2, exit_features=4)
        >>> trained = {"backbone.0.weight": ones(4, 8), "backbone.0.bias": zeros(4)}
        >>> others = {name: w for name, w in network.weights().items() if not name.startswith("backbone.0.")}
        >>> warm_weights(network, trained | others)["backbone.0.values_K"]  # 1 / sqrt(1 / 4)
        tensor([2., 2., 2., 2., 2., 2., 2., 2.])
    """
    own, left = network.weights(), dict(dense)
    for name, tensor in own.items():
        layer, source = _kept_of(network, name)
        trained = left.pop(source, None)
        if trained is None:
            raise ValueError(f"the dense network has no {source!r} to start from")
        if layer is not None and trained.shape[:2] == (layer.outputs, layer.inputs):
            trained = layer.kept_of(trained) * float(layer.density) ** -0.5
        if trained.shape != tensor.shape:
            raise ValueError(f"the dense network's {source!r} has another shape: {tuple(trained.shape)}")
        own[name] = trained
    if left:
        raise ValueError(f"the dense network has {next(iter(left))!r}, which the sparse one lacks")
    return own


def start_from_dense(network: Network, dense: Mapping[str, Tensor]) -> None:
    """Give a sparse network its :func:`warm_weights`.

    Args:
        network: As it was built.
        dense: Weights of the trained dense network.

    Raises:
        ValueError: They are not those of its dense network.

    Example:
        >>> from torch import nn, ones, zeros
        >>> one, other = (Network(nn.Linear(4, 2), zeros(1, 4), 2, exit_features=4) for _ in "ab")
        >>> start_from_dense(one, other.weights())  # without sparse junctions the very same weights
        >>> bool((one(ones(1, 4))[-1] == other(ones(1, 4))[-1]).all())
        True
    """
    network.load_weights(warm_weights(network, dense))


def _kept_of(network: Network, name: str) -> tuple[SparseLayer | None, str]:
    """The sparse layer whose kept weights a tensor holds, else None; and the tensor's name when dense."""
    path, _, leaf = name.rpartition(".")
    layer = network.get_submodule(path)
    if isinstance(layer, SparseLayer) and leaf == layer.kept:
        return layer, f"{path}.weight"
    return None, name
