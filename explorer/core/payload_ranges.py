"""Calibrated ranges of affine payloads, fitted to tensors of training samples."""

import numpy as np
from torch import Tensor

from explorer.runtime.codec import (
    AFFINE_MAX,
    Codec,
    Entropy,
    Floats,
    Ranges,
    affine_step,
    is_calibrated,
    roundtrip,
)

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
        >>> batch = Tensor([[[-1.0, 2.0], [0.0, 30.0]]])
        >>> fitted_codec(batch, 8, "channel", "none").low.tolist()
        [-1.0, 0.0]
        >>> (fitted_codec(batch, 8, "channel", "none").step * 255).tolist()
        [3.0, 30.0]
    """
    if not is_calibrated(bits, ranges):
        return Codec(bits, ranges, entropy)
    values = batch.detach().float().cpu().numpy()
    channels = values.shape[1] if ranges == "channel" else 1
    rows = values.swapaxes(0, 1).reshape(channels, -1) if channels > 1 else values.reshape(1, -1)
    inside = rows.clip(-AFFINE_MAX, AFFINE_MAX)
    low, high = inside.min(axis=1), inside.max(axis=1)
    fits = [
        Codec(bits, ranges, entropy, factor * low, affine_step(factor * low, factor * high, bits))
        for factor in map(np.float32, _SHRINKING)
    ]
    errors = np.stack([_squared_errors(rows, fit) for fit in fits])
    best, rows_index = errors.argmin(axis=0), np.arange(len(rows))
    lows, steps = (np.stack([getattr(fit, name) for fit in fits]) for name in ("low", "step"))
    return Codec(bits, ranges, entropy, lows[best, rows_index], steps[best, rows_index])


def _squared_errors(rows: Floats, codec: Codec) -> Floats:
    """Per row of ``rows`` (channels or 1, N); the rows are one sample's channels to the codec."""
    with np.errstate(over="ignore"):  # an infinite error is one
        return np.asarray(np.square(roundtrip(rows[None], codec)[0] - rows).sum(axis=1))
