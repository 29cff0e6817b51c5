"""The edge part of a trained network as a program, and in integers: the same wherever it is needed.

The sweep evaluates these integers, and a bundle writes them as C.
"""

from copy import deepcopy
from dataclasses import dataclass, replace

from explorer.core.calibration import CALIBRATION_SAMPLES, Calibration
from explorer.core.chain import DeployedChain, Normalise
from explorer.core.graph.split_points import OUTPUT, SplitPoint
from explorer.core.network import Network
from explorer.data.dataset import DataSet
from explorer.errors import UserError
from explorer.microcontroller.lowering import lowered_chain
from explorer.microcontroller.program import Program
from explorer.microcontroller.quantise import Integers, quantised

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


def integers_of(program: Program, split_point: str, calibration: Calibration, data: DataSet) -> Integers:
    """An edge part in integers, whatever the payload bits of the point that it is for.

    Ranges are those of the training samples that payload ranges are fitted to. Where payloads of 8 bits have
    one calibrated range, the crossing tensor takes it, so that its integers are their codes.

    Args:
        program: What is computed.
        split_point: Where it ends.
        calibration: Its payloads.
        data: Training samples.

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
        >>> integers_of(program, "input", calibration, data).scales["input"].zero
        -128
    """
    training = data.raw(data.train.first(CALIBRATION_SAMPLES).cpu())
    return quantised(program, training, calibration.codecs.get((split_point, INT8_PAYLOAD)))


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
    found = [_lowered(own, point, data, calibration) for own, point in _folded_alike(network)]
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
    found = [(point.name, _lowered(own, point, data, calibration)) for own, point in _folded_alike(network)]
    texts = {name: own.refusal if isinstance(own, LoweredEdge) else own for name, own in found}
    return {name: why for name, why in texts.items() if why}


def _folded_alike(network: Network) -> list[tuple[Network, SplitPoint]]:
    """Every split point with a copy of the network, whose batch normalisations are folded as for it alone."""
    folds = {value.folds_into for value in network.dataflow.values.values() if value.folds_into}
    copies = dict[frozenset[str], Network]()
    found = []
    for point in network.split_points:
        kept = frozenset[str]() if point.name == OUTPUT else frozenset(folds.intersection(point.nodes))
        if kept not in copies:
            copies[kept] = deepcopy(network) if folds else network  # nothing changes where nothing folds
        found.append((copies[kept], point))
    return found


def _lowered(
    network: Network, point: SplitPoint, data: DataSet, calibration: Calibration
) -> LoweredEdge | str:
    """An edge part, or why there is no C for it."""
    try:
        program = edge_program(edge_chain(network, point.name, calibration, data), data)
    except UserError as error:
        return _reason(error)
    try:
        return LoweredEdge(point, program, integers_of(program, point.name, calibration, data))
    except UserError as error:
        return LoweredEdge(point, program, None, _reason(error))


def _reason(error: UserError) -> str:
    return str(error).removeprefix("--c-code int8: ").removeprefix("--c-code: ")
