"""The programs of edge parts: of one in a deployed chain, or of all that a network has at once."""

from collections.abc import Sequence

import torch
from torch import fx

from explorer.core.chain import DeployedChain, Normalise
from explorer.core.graph.split_points import OUTPUT, SplitPoint
from explorer.core.network import Network
from explorer.errors import UserError
from explorer.microcontroller import program as ir
from explorer.microcontroller.layouts import simplified
from explorer.microcontroller.lowering import Lowering
from explorer.microcontroller.walks import Walk


def lowered_chain(chain: DeployedChain, input_shape: tuple[int, ...], dtype: str = "float32") -> ir.Program:
    """The program of the chain's first cut: what the edge computes until then, and the exit there.

    Args:
        chain: With at most one cut; without any, the edge computes all.
        input_shape: Of a raw sample, without batch.
        dtype: Of raw samples: ``uint8`` or ``float32``.

    Raises:
        UserError: A layer or operation is none of those that there is C for; it is named.

    Example:
        >>> from torch import nn
        >>> from explorer.core.calibration import uncalibrated
        >>> backbone = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> normalise = Normalise([0.0], [1.0], (4,), "float32")
        >>> cuts = [network.split_point("1")]
        >>> chain = DeployedChain(network, cuts, {"1"}, uncalibrated(["1"], (8,)), normalise)
        >>> [op.name for op in lowered_chain(chain, (4,)).ops]
        ['input', '0', 'exit.1']
    """
    own = Lowering(input_shape, chain.normalise, dtype)
    crossing, sample = ir.INPUT, chain.normalise(torch.zeros(1, *input_shape))
    if not chain.starts_cut:
        part = chain.parts[0]
        assert isinstance(part, fx.GraphModule)
        crossing, sample = own.walk(part.graph, part, crossing, sample).end
    logits = None if chain.cuts else crossing
    if "0" in chain.exits:
        logits = own.exit(chain.exits["0"], crossing, sample)
    return simplified(ir.Program(tuple(own.ops), own.shapes, crossing, logits))


def lowered_points(
    network: Network, points: Sequence[SplitPoint], normalise: Normalise, dtype: str = "float32"
) -> dict[str, ir.Program | UserError]:
    """What :func:`lowered_chain` gives for a cut at each of several split points: the graph is walked once.

    Args:
        network: In eval mode, its batch normalisations folded as for each of these cuts.
        points: At which a single tensor is sent, or ``output``.
        normalise: What is done to raw samples first.
        dtype: Of raw samples: ``uint8`` or ``float32``.

    Returns:
        Programs by split point, or why there is no C for what is computed until there.

    Example:
        >>> from torch import nn
        >>> backbone = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2), nn.Tanh())
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> found = lowered_points(network, network.split_points, Normalise([0.0], [1.0], (4,), "float32"))
        >>> [op.name for op in found["1"].ops], str(found["output"])
        (['input', '0', 'exit.1'], '--c-code: 3: there is no C for Tanh')
    """
    backbone, input_shape = network.backbone, network.split_points[0].shape
    own = Lowering(input_shape, normalise, dtype)
    sample = normalise(torch.zeros(1, *input_shape))
    walk = own.walk(backbone.graph, backbone, ir.INPUT, sample)
    nodes, before = {node.name: node for node in backbone.graph.nodes}, len(own.ops)
    found = dict[str, ir.Program | UserError]()
    for point in points:
        (name,) = point.nodes
        try:
            found[point.name] = _until(network, point, own, walk, nodes[name])
        except UserError as error:
            found[point.name] = error
        del own.ops[before:]  # those of an exit
    return found


def _until(network: Network, point: SplitPoint, own: Lowering, walk: Walk, node: fx.Node) -> ir.Program:
    """The program until a node of a walk, and of the exit there."""
    crossing, value = walk.at(node)
    exit_ = network.exit_at(point.name)
    logits = crossing if point.name == OUTPUT else None
    if exit_ is not None:
        logits = own.exit(exit_, crossing, value)
    return simplified(ir.Program((), dict(own.shapes), crossing, logits).with_ops(own.ops))
