"""A trained network as it is deployed: one module from raw samples to logits, with all that is sent or said.

The chain leads from cut to cut, through what both halves need: normalisation, the crossing tensor of every
cut, and the exits with their confidences. One export of it holds every part of every operating point.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from explorer.core.calibration import Calibration
from explorer.core.exits import Score
from explorer.core.folded import fold_norms
from explorer.core.graph.split_points import OUTPUT, SplitPoint, cut
from explorer.core.network import Network
from explorer.runtime.stages import CONFIDENCE, CROSSING, INPUT, LOGITS

UINT8 = "uint8"
_HARMLESS = 64.0  # mean over deviation up to which float32 loses no more than 1e-5 by subtracting


class Normalise(nn.Module):
    """What data sets do to raw samples: scale uint8 to [0, 1], subtract the mean, divide by the deviation.

    Args:
        mean: One number per channel or feature, or a single one.
        std: Likewise.
        input_shape: Of a sample, without batch.
        dtype: ``uint8`` where samples have values 0 to 255.

    Example:
        >>> Normalise([0.5], [0.25], input_shape=(1, 2, 2), dtype="uint8")(torch.full((1, 1, 2, 2), 255.0))
        tensor([[[[2., 2.],
                  [2., 2.]]]])
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], input_shape: tuple[int, ...], dtype: str
    ) -> None:
        super().__init__()
        scale = 255.0 if dtype == UINT8 else 1.0
        over = (1, -1, *[1] * (len(input_shape) - 1))
        means, stds = (torch.tensor(values, dtype=torch.float64).view(over) * scale for values in (mean, std))
        self.nothing = bool((means == 0).all() and (stds == 1).all())
        self.precise = bool((means / stds).abs().max() > _HARMLESS)  # large offsets lose digits otherwise
        kind = torch.float64 if self.precise else torch.float32
        self.register_buffer("mean", means.to(kind))
        self.register_buffer("std", stds.to(kind))

    def forward(self, x: Tensor) -> Tensor:
        """Raw samples (N, ...), float32, to what the network was trained with."""
        if self.nothing:
            return x
        return ((x.to(self.mean.dtype) - self.mean) / self.std).float()  # type: ignore[operator,arg-type]


class DeployedChain(nn.Module):
    """The whole network with outputs for every cut.

    Args:
        network: Restored, in eval mode; its batch normalisations are folded here.
        cuts: Split points at which it is cut, in order, without ``output``.
        exits: Those of ``cuts`` at which the edge may answer.
        calibration: Score and temperatures of the exits.
        normalise: First of all.

    Attributes:
        names: Of what :meth:`forward` gives, see :func:`crossing_name` and its kin; the logits come last.
        shapes: Of these and of the samples, without batch, by name.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> backbone = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> normalise = Normalise([0.0], [1.0], (4,), "float32")
        >>> cut_at = [network.split_point("1")]
        >>> chain = DeployedChain(network, cut_at, {"1"}, uncalibrated(["1"], (8,)), normalise)
        >>> dict(zip(chain.names, [tuple(value.shape) for value in chain(torch.zeros(5, 4))]))
        {'crossing.0': (5, 3), 'logits.0': (5, 2), 'confidence.0': (5,), 'logits': (5, 2)}
    """

    def __init__(
        self,
        network: Network,
        cuts: Sequence[SplitPoint],
        exits: set[str],
        calibration: Calibration,
        normalise: Normalise,
    ) -> None:
        super().__init__()
        fold_norms(network, {name for point in cuts for name in point.nodes})
        first, last = network.split_points[0], network.split_points[-1]
        ends = [first, *(point for point in cuts if point is not first), last]
        self.starts_cut = bool(cuts) and cuts[0] is first
        self.normalise = normalise
        self.parts = nn.ModuleList(cut(network.backbone, *pair) for pair in pairwise(ends))
        self.cuts = tuple(cuts)
        found = {point.name: network.exit_at(point.name) for point in cuts if point.name in exits}
        self.exits = nn.ModuleDict({str(place): exit_ for place, exit_ in self._placed(found)})
        self._calibration = calibration
        self.names = list[str]()
        for place in range(len(cuts)):
            self.names.append(crossing_name(place))
            if str(place) in self.exits:
                self.names += [exit_name(place), confidence_name(place)]
        self.names.append(LOGITS)
        self.shapes: dict[str, tuple[int, ...]] = {INPUT: first.shape, LOGITS: last.shape}
        for place, point in enumerate(cuts):
            self.shapes[crossing_name(place)] = point.shape
            self.shapes |= {exit_name(place): last.shape, confidence_name(place): ()}

    def scored_by(self, split_point: str) -> tuple[Score, float]:
        """By which score an exit is sure, and the temperature that divides its logits first."""
        config = self._calibration.inference_config
        return config.score, self._calibration.temperatures.get(split_point, 1.0)

    def _placed(self, found: Mapping[str, nn.Module | None]) -> list[tuple[int, nn.Module]]:
        return [
            (place, exit_)
            for place, point in enumerate(self.cuts)
            if (exit_ := found.get(point.name)) is not None and point.name != OUTPUT
        ]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Raw samples (N, ...) to what :attr:`names` says."""
        found = list[Tensor]()
        tensor, parts = self.normalise(x), list(self.parts)
        for place, point in enumerate(self.cuts):
            if place or not self.starts_cut:
                tensor = parts.pop(0)(tensor)
            found.append(tensor)
            if str(place) in self.exits:
                logits = self.exits[str(place)](tensor)
                found += [logits, self._calibration.confidence(point.name, logits)]
        return (*found, parts.pop(0)(tensor))


def crossing_name(place: int) -> str:
    """What the crossing tensor of a cut is called in the exported chain.

    Example:
        >>> crossing_name(0), exit_name(0), confidence_name(0)
        ('crossing.0', 'logits.0', 'confidence.0')
    """
    return f"{CROSSING}.{place}"


def exit_name(place: int) -> str:
    """What the logits of a cut's exit are called, see :func:`crossing_name`.

    Example:
        >>> exit_name(2)
        'logits.2'
    """
    return f"{LOGITS}.{place}"


def confidence_name(place: int) -> str:
    """What the confidence of a cut's exit is called, see :func:`crossing_name`.

    Example:
        >>> confidence_name(2)
        'confidence.2'
    """
    return f"{CONFIDENCE}.{place}"
