"""The edge part of a trained network as a program, and in integers: the same wherever it is needed.

The sweep evaluates these integers, and a bundle writes them as C.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from explorer.core.calibration import CALIBRATION_SAMPLES, Calibration
from explorer.core.chain import DeployedChain, Normalise
from explorer.core.folded import fold_norms
from explorer.core.graph.module_state import keeping_state
from explorer.core.graph.split_points import OUTPUT, SplitPoint
from explorer.core.network import Network
from explorer.data.dataset import DataSet
from explorer.errors import UserError
from explorer.microcontroller.edge_programs import lowered_chain, lowered_points
from explorer.microcontroller.program import Program
from explorer.microcontroller.quantise import Integers, quantised
from explorer.microcontroller.sharing import SharedRanges

INT8_PAYLOAD = 8  # bits of the payload whose codes the integers of the crossing tensor may be


def edge_chain(
    network: Network, split_point: str, calibration: Calibration, data: DataSet, has_exit: bool = True
) -> DeployedChain:
    """A network cut for one edge part.

    Args:
        network: In eval mode; its batch normalisations are folded here.
        split_point: Where it is cut; nowhere for ``output``.
        calibration: Its own.
        data: How samples were normalised.
        has_exit: Whether the edge part has its exit classifier.

    Example:
        >>> import torch
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.data.subset import Subset
        >>> backbone = torch.nn.Sequential(torch.nn.Linear(4, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> own = Subset(torch.zeros(4, 4), torch.arange(4) % 2)
        >>> data = DataSet("zeros", own, own, own, 2, (4,), mean=(0.0,), std=(1.0,))
        >>> edge_chain(network, "output", uncalibrated([], []), data).names
        ['logits']
    """
    cuts = [] if split_point == OUTPUT else [network.split_point(split_point)]
    normalise = Normalise(data.mean, data.std, data.input_shape, data.dtype)
    return DeployedChain(network, cuts, {split_point} if has_exit else set(), calibration, normalise)


def edge_program(chain: DeployedChain, data: DataSet) -> Program:
    """What an edge part computes.

    Args:
        chain: Cut for it.
        data: Shape and type of samples.

    Raises:
        UserError: There is no C for a layer; it is named.

    Example:
        >>> import torch
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.data.subset import Subset
        >>> backbone = torch.nn.Sequential(torch.nn.Linear(4, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> own = Subset(torch.zeros(4, 4), torch.arange(4) % 2)
        >>> data = DataSet("zeros", own, own, own, 2, (4,), mean=(0.0,), std=(1.0,))
        >>> edge_program(edge_chain(network, "output", uncalibrated([], []), data), data).sends
        False
    """
    return lowered_chain(chain, data.input_shape, data.dtype)


def training_ranges(data: DataSet) -> SharedRanges:
    """Ranges of tensors over the training samples that payload ranges are fitted to.

    Example:
        >>> import torch
        >>> from explorer.data.subset import Subset
        >>> own = Subset(torch.zeros(400, 4), torch.arange(400) % 2)
        >>> data = DataSet("zeros", own, own, own, 2, (4,), mean=(0.0,), std=(1.0,))
        >>> training_ranges(data).raw.shape
        (128, 4)
    """
    return SharedRanges(data.raw(data.train.first(CALIBRATION_SAMPLES).cpu()))


def integers_of(
    program: Program, split_point: str, calibration: Calibration, ranges: SharedRanges
) -> Integers:
    """An edge part in integers, whatever the payload bits of the point that it is for.

    Where payloads of 8 bits have one calibrated range, the crossing tensor takes it, so that its integers are
    their codes.

    Args:
        program: What is computed.
        split_point: Where it ends.
        calibration: Its payloads.
        ranges: See :func:`training_ranges`.

    Raises:
        UserError: A layer cannot be quantised; it is named.

    Example:
        >>> import torch
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.data.subset import Subset
        >>> backbone = torch.nn.Sequential(torch.nn.Linear(4, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> own = Subset(torch.zeros(4, 4), torch.arange(4) % 2)
        >>> data = DataSet("zeros", own, own, own, 2, (4,), mean=(0.0,), std=(1.0,))
        >>> calibration = uncalibrated(["input"], [8])
        >>> program = edge_program(edge_chain(network, "input", calibration, data), data)
        >>> integers_of(program, "input", calibration, training_ranges(data)).scales["input"].zero
        -128
    """
    return quantised(program, ranges, calibration.codecs.get((split_point, INT8_PAYLOAD)))


@dataclass(frozen=True, eq=False)
class LoweredEdge:
    """An edge part that there is C for.

    Attributes:
        point: Where it ends.
        program: In floats.
        integers: The same in integers; None where it cannot be quantised.
        refusal: Why not; empty where it can.

    Example:
        >>> LoweredEdge.__name__
        'LoweredEdge'
    """

    point: SplitPoint
    program: Program
    integers: Integers | None
    refusal: str = ""

    @property
    def without_exit(self) -> "LoweredEdge":
        """The same without its exit classifier."""
        shorter = replace(self.program, logits=None).with_ops(self.program.ops)
        integers = None if self.integers is None else replace(self.integers, program=shorter)
        return replace(self, program=shorter, integers=integers)


def lowered_edges(network: Network, data: DataSet, calibration: Calibration) -> list[LoweredEdge]:
    """Every edge part of a network that there is C for.

    Args:
        network: In eval mode, on the CPU; it stays as it is.
        data: Training samples, and how samples were normalised.
        calibration: Of the network.

    Example:
        >>> import torch
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.data.subset import Subset
        >>> backbone = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> own = Subset(torch.randn(4, 4), torch.arange(4) % 2)
        >>> data = DataSet("noise", own, own, own, 2, (4,), mean=(0.0,), std=(1.0,))
        >>> [edge.point.name for edge in lowered_edges(network, data, uncalibrated(["input", "1"], [8]))]
        ['input']
    """
    found = _lowered(network, data, calibration).values()
    return [edge for edge in found if isinstance(edge, LoweredEdge)]


def refusals(network: Network, data: DataSet, calibration: Calibration) -> dict[str, str]:
    """Why edge parts of a network have no C in int8, by split point; arguments as of :func:`lowered_edges`.

    Example:
        >>> import torch
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.data.subset import Subset
        >>> backbone = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> own = Subset(torch.randn(4, 4), torch.arange(4) % 2)
        >>> data = DataSet("noise", own, own, own, 2, (4,), mean=(0.0,), std=(1.0,))
        >>> refusals(network, data, uncalibrated(["input", "1"], [8]))["output"]
        '1: there is no C for Tanh'
    """
    found = _lowered(network, data, calibration)
    texts = {name: own.refusal if isinstance(own, LoweredEdge) else own for name, own in found.items()}
    return {name: why for name, why in texts.items() if why}


def _lowered(network: Network, data: DataSet, calibration: Calibration) -> dict[str, LoweredEdge | str]:
    """Every edge part by split point, or why there is no C for it."""
    ranges, found = training_ranges(data), dict[str, LoweredEdge | str]()
    for points in _folded_alike(network):
        with keeping_state(network):
            for point, program in _programs(network, points, calibration, data):
                found[point.name] = _quantised(point, program, calibration, ranges)
    return {point.name: found[point.name] for point in network.split_points}


def _folded_alike(network: Network) -> list[list[SplitPoint]]:
    """Split points by the layers that take up no batch normalisation, since what they write is sent."""
    folds = {value.folds_into for value in network.dataflow.values.values() if value.folds_into}
    found = dict[frozenset[str], list[SplitPoint]]()
    for point in network.split_points:
        sent = frozenset[str]() if point.name == OUTPUT else folds.intersection(point.nodes)
        found.setdefault(frozenset(sent), []).append(point)
    return list(found.values())


def _programs(
    network: Network, points: Sequence[SplitPoint], calibration: Calibration, data: DataSet
) -> Iterator[tuple[SplitPoint, Program | UserError]]:
    """Of edge parts that are folded alike, which happens here: all that send one tensor at once."""
    fold_norms(network, points[0].nodes if points[0].name != OUTPUT else ())
    normalise = Normalise(data.mean, data.std, data.input_shape, data.dtype)
    alone = [point for point in points if len(point.nodes) == 1]
    known = lowered_points(network, alone, normalise, data.dtype)
    for point in points:
        if point.name in known:
            yield point, known[point.name]
            continue
        try:
            yield point, edge_program(edge_chain(network, point.name, calibration, data), data)
        except UserError as error:
            yield point, error


def _quantised(
    point: SplitPoint, program: Program | UserError, calibration: Calibration, ranges: SharedRanges
) -> LoweredEdge | str:
    """An edge part, or why there is no C for it."""
    if isinstance(program, UserError):
        return _reason(program)
    try:
        return LoweredEdge(point, program, integers_of(program, point.name, calibration, ranges))
    except UserError as error:
        return LoweredEdge(point, program, None, _reason(error))


def _reason(error: UserError) -> str:
    return str(error).removeprefix("--c-code int8: ").removeprefix("--c-code: ")
