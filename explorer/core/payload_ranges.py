"""Calibrated ranges of affine payloads, fitted to tensors of training samples."""

import torch
from torch import Tensor

from explorer.core.payload import AFFINE_MAX, Codec, Entropy, Ranges, affine_step, is_calibrated, roundtrip

# Tried sizes of the range, largest first. With few codes a range that cuts outliers off has the smaller error
# (Banner et al., "Post training 4-bit quantization of convolutional networks", NeurIPS 2019).
_SHRINKING = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


def fitted_codec(batch: Tensor, bits: int, ranges: Ranges, entropy: Entropy) -> Codec:
    """The codec of one split point.

    The range is the smallest and largest value of ``batch``, both shrunk towards 0 by the one factor that
    gives the smallest sum of squared errors.

    Args:
        batch: Crossing tensors of training samples, shape (B, channels, ...).
        bits: Bits per value; more than 8 have no range.
        ranges: ``sample`` has nothing to fit.
        entropy: Part of the codec.

    Example:
        >>> batch = torch.tensor([[[-1.0, 2.0], [0.0, 30.0]]])
        >>> fitted_codec(batch, 8, "channel", "none").low
        tensor([-1.,  0.])
        >>> fitted_codec(batch, 8, "channel", "none").step * 255
        tensor([ 3., 30.])
    """
    if not is_calibrated(bits, ranges):
        return Codec(bits, ranges, entropy)
    rows = batch.transpose(0, 1).flatten(1) if ranges == "channel" else batch.reshape(1, -1)
    low, high = rows.clamp(-AFFINE_MAX, AFFINE_MAX).aminmax(dim=1)
    fits = [
        Codec(bits, ranges, entropy, factor * low, affine_step(factor * low, factor * high, bits))
        for factor in _SHRINKING
    ]
    errors = torch.stack([_squared_errors(rows, fit) for fit in fits])
    best, rows_index = errors.argmin(dim=0), torch.arange(len(rows))
    lows, steps = (torch.stack([getattr(fit, name) for fit in fits]) for name in ("low", "step"))
    return Codec(bits, ranges, entropy, lows[best, rows_index], steps[best, rows_index])


def _squared_errors(rows: Tensor, codec: Codec) -> Tensor:
    """Per row of ``rows`` (channels or 1, N); the rows are one sample's channels to the codec."""
    return (roundtrip(rows[None], codec)[0] - rows).square().sum(dim=1)
