"""Early exits: layers of the exit classifiers, how sure they are of an answer, and their temperature."""

from dataclasses import dataclass
from math import exp, log, prod
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ExitKind = Literal["pooled", "conv"]
Score = Literal["max_softmax", "entropy", "margin"]

CONV_CHANNELS, _CONV_WIDTH, _CONV_STRIDE = 16, 3, 2
_LARGEST_LOG_TEMPERATURE = 3.0


@dataclass(frozen=True)
class ExitStep:
    """One layer of an exit classifier for one sample: values read and written, MACs, parameters, kind.

    The kind is one of :data:`explorer.devices.operators.KINDS`.

    Example:
        >>> ExitClassifier((4,), num_classes=3, max_features=8).steps
        (ExitStep(inputs=4, outputs=3, macs=12, parameters=15, kind='linear'),)
    """

    inputs: int
    outputs: int
    macs: int
    parameters: int
    kind: str

    @property
    def is_activation(self) -> bool:
        """Whether it changes each value alone: the only layer without parameters that keeps their number."""
        return not self.parameters and self.inputs == self.outputs


class ExitClassifier(nn.Sequential):
    """Average pooling to at most ``max_features`` values where the tensor has spatial axes, then one Linear.

    The kind ``conv`` has a convolution before that, 3 wide with stride 2 to 16 channels, and ReLU, like the
    side branches of BranchyNet (Teerapittayanon et al., ICPR 2016); without spatial axes it has none.

    Args:
        shape: Shape of the crossing tensor without batch: (F,), (C, L), (C, H, W) or (C, D, H, W).
        num_classes: Number of logits.
        max_features: Values the Linear layer may read; one per channel is always allowed, and a tensor
            without spatial axes is read whole.
        kind: ``pooled`` or ``conv``.

    Example:
        >>> ExitClassifier((4, 8, 8), num_classes=3, max_features=16)
        ExitClassifier(
          (0): AvgPool2d(kernel_size=(4, 4), stride=(4, 4), padding=0)
          (1): Flatten(start_dim=1, end_dim=-1)
          (2): Linear(in_features=16, out_features=3, bias=True)
        )
    """

    def __init__(
        self, shape: tuple[int, ...], num_classes: int, max_features: int, kind: ExitKind = "pooled"
    ) -> None:
        layers: list[nn.Module] = []
        steps: list[ExitStep] = []
        if kind == "conv" and len(shape) > 1:
            convolution = getattr(nn, f"Conv{len(shape) - 1}d")(
                shape[0], CONV_CHANNELS, _CONV_WIDTH, _CONV_STRIDE, _CONV_WIDTH // 2
            )
            reduced = (CONV_CHANNELS, *(-(-extent // _CONV_STRIDE) for extent in shape[1:]))
            macs = convolution.weight.numel() * prod(reduced[1:])
            steps.append(ExitStep(prod(shape), prod(reduced), macs, _num_parameters(convolution), "conv"))
            steps.append(ExitStep(prod(reduced), prod(reduced), 0, 0, "elementwise"))
            layers += [convolution, nn.ReLU()]
            shape = reduced
        channels, extents = shape[0], shape[1:]
        positions = max(1, int((max_features / channels) ** (1 / max(1, len(extents))) + 1e-9))
        kernel = [-(-extent // positions) for extent in extents]
        features = channels * prod(extent // size for extent, size in zip(extents, kernel, strict=True))
        if max(kernel, default=1) > 1:
            layers.append(getattr(nn, f"AvgPool{len(kernel)}d")(tuple(kernel)))
            steps.append(ExitStep(prod(shape), features, 0, 0, "pool"))
        linear = nn.Linear(features, num_classes)
        steps.append(
            ExitStep(features, num_classes, features * num_classes, _num_parameters(linear), "linear")
        )
        super().__init__(*layers, nn.Flatten(), linear)
        self.steps = tuple(steps)


def _num_parameters(layer: nn.Module) -> int:
    return sum(parameter.numel() for parameter in layer.parameters())


def confidence(logits: Tensor, score: Score, temperature: float) -> Tensor:
    """How sure an exit is of its answer, in [0, 1]; the edge answers alone from a threshold on.

    Args:
        logits: Shape (..., classes).
        score: ``max_softmax``: the largest probability; ``entropy``: 1 less the probabilities' entropy
            relative to that of a uniform distribution; ``margin``: the largest less the second largest.
        temperature: Divides the logits first.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
        >>> confidence(logits, "max_softmax", temperature=1.0)
        tensor([0.8808, 0.5000])
        >>> confidence(logits, "margin", temperature=2.0)
        tensor([0.4621, 0.0000])
    """
    probabilities = (logits / temperature).softmax(-1)
    if score == "max_softmax":
        return probabilities.amax(-1)
    if score == "margin":
        largest = probabilities.topk(2, dim=-1).values
        return largest.select(-1, 0) - largest.select(-1, 1)
    entropy: Tensor = torch.special.entr(probabilities).sum(-1)
    return entropy.div(-log(logits.shape[-1])).add(1).clamp(0, 1)


def fitted_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the smallest cross-entropy (Guo et al., ICML 2017), between 1/20 and 20.

    Args:
        logits: Shape (N, classes), of samples that the exit was not trained with.
        labels: Shape (N,).

    Example:
        >>> logits = torch.tensor([[5.0, 0.0]]).expand(4, 2)  # 99 % sure, but right in 3 of 4 samples
        >>> round(fitted_temperature(logits, torch.tensor([0, 0, 0, 1])), 1)
        4.6
    """

    def loss(log_temperature: float) -> float:
        return F.cross_entropy(logits.double() / exp(log_temperature), labels).item()

    from scipy.optimize import minimize_scalar  # slow to import; worker processes seldom need it

    bounds = (-_LARGEST_LOG_TEMPERATURE, _LARGEST_LOG_TEMPERATURE)
    return exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)
