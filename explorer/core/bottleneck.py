"""A learned bottleneck: two layers around a split point that make the crossing tensor narrower.

The encoder maps the tensor's channels to fewer, the decoder back, position by position (a 1x1 convolution;
Linear for flat tensors), and both are trained with the network, as in BottleNet (Eshratifar et al., ISLPED
2019). They are part of the backbone before it is cut, so the narrow tensor is a split point like any other.
"""

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn

from explorer.core.graph.split_points import OUTPUT, find_split_points
from explorer.core.graph.trace import trace
from explorer.errors import UserError

BOTTLENECK = "bottleneck"  # name of the module that holds its layers
NARROW_POINT = f"{BOTTLENECK}.encode"  # name of the split point between the two layers


@dataclass(frozen=True)
class Bottleneck:
    """Where a bottleneck is and how narrow.

    Attributes:
        at: Name of a split point of the backbone without it.
        channels: Channels (or features) of the narrow tensor, fewer than there are.

    Example:
        >>> from explorer.backbones import mlp
        >>> from torch import zeros
        >>> backbone = mlp(input_shape=(8,), num_classes=3, hidden=[6])
        >>> with_bottleneck(backbone, zeros(1, 8), Bottleneck(at="relu1", channels=2)).bottleneck.encode
        Linear(in_features=6, out_features=2, bias=True)
    """

    at: str
    channels: int


def with_bottleneck(backbone: nn.Module, sample: Tensor, bottleneck: Bottleneck | None) -> nn.Module:
    """Put a bottleneck into a backbone; without one it stays as it is.

    Args:
        backbone: Sparsified or dense; the result shares its layers. The two new ones are always dense.
        sample: Batch of one input.
        bottleneck: Its place and width; the weights come from torch's generator.

    Raises:
        UserError: There is no such split point, it does not have more channels, or the backbone has a module
            called like the bottleneck.

    Example:
        >>> from explorer.backbones import mlp
        >>> from torch import zeros
        >>> backbone, sample = mlp(input_shape=(8,), num_classes=3, hidden=[6]), zeros(1, 8)
        >>> narrow = with_bottleneck(backbone, sample, Bottleneck(at="relu1", channels=2))
        >>> [point.name for point in find_split_points(trace(narrow, sample).dataflow)]
        ['input', 'relu1', 'bottleneck.encode', 'bottleneck.decode', 'output']
    """
    if bottleneck is None:
        return backbone
    traced = trace(backbone, sample)
    points = {point.name: point for point in find_split_points(traced.dataflow) if point.name != OUTPUT}
    if bottleneck.at not in points:
        raise UserError(f"bottleneck: no split point {bottleneck.at!r}; there are: {', '.join(points)}")
    point, whole = points[bottleneck.at], traced.graph_module
    if not bottleneck.channels < point.shape[0]:
        raise UserError(
            f"bottleneck at {bottleneck.at!r}: channels must be fewer than its {point.shape[0]}, "
            f"got {bottleneck.channels}"
        )
    if hasattr(whole, BOTTLENECK):
        raise UserError(f"bottleneck: the backbone already has a module {BOTTLENECK!r}")
    whole.add_module(BOTTLENECK, _layers(point.shape, bottleneck.channels))
    node = next(node for node in whole.graph.nodes if (node.name,) == point.nodes)
    with whole.graph.inserting_after(node):
        narrow = whole.graph.call_module(NARROW_POINT, (node,))
    with whole.graph.inserting_after(narrow):
        widened = whole.graph.call_module(f"{BOTTLENECK}.decode", (narrow,))
    node.replace_all_uses_with(widened, delete_user_cb=lambda user: user is not narrow)
    whole.recompile()
    return whole


def _layers(shape: tuple[int, ...], channels: int) -> nn.Sequential:
    wide, axes = shape[0], len(shape) - 1
    if axes == 0:
        pair: tuple[nn.Module, nn.Module] = (nn.Linear(wide, channels), nn.Linear(channels, wide))
    else:
        convolution = getattr(nn, f"Conv{axes}d")
        pair = (convolution(wide, channels, 1), convolution(channels, wide, 1))
    return nn.Sequential(OrderedDict(zip(("encode", "decode"), pair, strict=True)))
