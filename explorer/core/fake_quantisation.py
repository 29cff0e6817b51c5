"""Fake quantisation: layers compute in floats, but with values that int8 can hold, while they learn.

So a network gets used to being rounded (quantisation-aware training: Jacob et al., CVPR 2018, arXiv
1712.05877, sec. 3). What is rounded is what :mod:`explorer.microcontroller.quantise` rounds:

- weights of every Linear layer and convolution, exits included, with a step s = max |w| / 127 of their own
  for each output: w becomes s round(w / s);
- what such a layer reads, with one step s = (high - low) / 255 and one zero point z = round(-128 - low / s),
  where the range, widened to hold 0, is that of the batch: x becomes s (clip(round(x / s) + z) - z).

Gradients pass straight through (Bengio et al., arXiv 1308.3432): in the range the derivative of rounding is
taken as 1, and nothing lies outside of a range of its own. Ranges of batches need no state, so a training
can stop and go on as any. A batch normalisation that is folded later multiplies the weights of an output and
their step by one factor, so they are rounded to the same integers before as after.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from explorer.core.network import Network
from explorer.core.sparsity.layers import DenseLayer, SparseLayer
from explorer.core.sparsity.patterns import KERNEL_PATTERN_NAMES

_LARGEST, _LOWEST, _HIGHEST = 127, -128, 127  # of a weight's integers; of a tensor's
_SMALLEST_STEP = torch.finfo(torch.float32).tiny  # where all values are zero


class FakeQuantisation:
    """Rounds a network while a batch runs through it.

    Args:
        network: On the device where it is trained.

    Example:
        >>> network = Network(nn.Sequential(nn.Linear(4, 2)), torch.zeros(1, 4), 2, exit_features=4)
        >>> fake, weight = FakeQuantisation(network), network.backbone.get_parameter("0.weight")
        >>> before = weight.detach().clone()
        >>> with fake.rounding():
        ...     bool((weight == before).all())
        False
        >>> bool((weight == before).all())
        True
    """

    def __init__(self, network: Network) -> None:
        parts = (*network.backbone.modules(), *network.exits.modules())
        self._layers = [own for own in parts if isinstance(own, DenseLayer | SparseLayer)]
        # layers may share a weight
        self._weights = {_weight(layer): _outputs_of_rows(layer) for layer in self._layers}

    @contextmanager
    def rounding(self) -> Iterator[None]:
        """Rounded weights and inputs, for a forward and a backward pass; then weights are what they were.

        They keep the gradients that the rounded ones got, so the optimiser takes its step behind it.
        """
        kept = [(weight, weight.detach().clone()) for weight in self._weights]
        hooks = [layer.register_forward_pre_hook(_round_inputs, with_kwargs=True) for layer in self._layers]
        try:
            with torch.no_grad():
                for weight, outputs_R in self._weights.items():
                    weight.copy_(rounded_weight(weight, outputs_R))
            yield
        finally:
            for hook in hooks:
                hook.remove()
            with torch.no_grad():
                for weight, own in kept:
                    weight.copy_(own)


def rounded_weight(weight: Tensor, outputs_R: Tensor) -> Tensor:
    """The nearest weight that int8 can hold.

    Args:
        weight: As a layer stores it; seen as R rows, none of which belongs to two outputs.
        outputs_R: The output of each row.

    Example:
        >>> rounded_weight(torch.tensor([[127.0, 3.4], [1.27, -0.026]]), torch.arange(2))
        tensor([[ 1.2700e+02,  3.0000e+00],
                [ 1.2700e+00, -3.0000e-02]])
    """
    rows_RW = weight.detach().reshape(len(outputs_R), -1)
    largest_R = rows_RW.abs().amax(dim=1)
    largest_O = largest_R.new_zeros(len(outputs_R)).scatter_reduce(0, outputs_R, largest_R, "amax")
    steps_R1 = (largest_O / _LARGEST).clamp(min=_SMALLEST_STEP)[outputs_R, None]
    return ((rows_RW / steps_R1).round() * steps_R1).reshape(weight.shape)


def rounded_tensor(x: Tensor) -> Tensor:
    """The nearest values that int8 can hold in the range of ``x``; gradients pass straight through.

    Example:
        >>> rounded_tensor(torch.tensor([0.0, 1.4, 1.6, 255.0]))
        tensor([  0.,   1.,   2., 255.])
    """
    low, high = (end.float() for end in x.detach().aminmax())
    low, high = low.clamp(max=0.0), high.clamp(min=0.0)
    step = ((high - low) / (_HIGHEST - _LOWEST)).clamp(min=_SMALLEST_STEP)
    zero = (_LOWEST - low / step).round().nan_to_num().clamp(_LOWEST, _HIGHEST).int()
    return torch.fake_quantize_per_tensor_affine(x, step, zero, _LOWEST, _HIGHEST)


def _round_inputs(
    layer: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    return tuple(map(rounded_tensor, args)), {name: rounded_tensor(x) for name, x in kwargs.items()}


def _weight(layer: DenseLayer | SparseLayer) -> Tensor:
    weight: Tensor = getattr(layer, layer.kept) if isinstance(layer, SparseLayer) else layer.weight
    return weight


def _outputs_of_rows(layer: DenseLayer | SparseLayer) -> Tensor:
    """The output that each stored row of a layer's weight belongs to."""
    weight = _weight(layer)
    if not isinstance(layer, SparseLayer):
        return torch.arange(len(weight), device=weight.device)
    each = layer.inputs * (layer.taps if layer.pattern in KERNEL_PATTERN_NAMES else 1)
    return layer.kept_positions().to(weight.device) // each
