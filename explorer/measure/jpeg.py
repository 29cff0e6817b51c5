"""Compress and offload: every input goes to the server as a JPEG file, the network runs there as a whole.

The baseline that a split has to beat on images. It is never proposed and lies on no front: the explorer does
not deploy it.
"""

import io
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from explorer.core.credits import earned
from explorer.core.network import Network
from explorer.core.sweep import Outcome
from explorer.data.dataset import DataSet, Subset

QUALITIES = (90, 50)
_BLOCK = 8  # JPEG codes squares of 8 x 8
_BATCH = 512


def is_image(input_shape: tuple[int, ...]) -> bool:
    """Whether inputs are grey or RGB images of at least one JPEG block: (1 or 3, H, W).

    Example:
        >>> is_image((3, 32, 32)), is_image((1, 28, 28)), is_image((64,))
        (True, True, False)
    """
    return len(input_shape) == 3 and input_shape[0] in (1, 3) and min(input_shape[1:]) >= _BLOCK


def jpeg_rows(key: str, network: Network, data: DataSet) -> list[dict[str, Any]]:
    """What becomes of the validation subset at each of :data:`QUALITIES`, as plain data.

    Args:
        key: Of the network.
        network: Trained; runs on the server.
        data: Images, see :func:`is_image`.

    Example:
        >>> from explorer.data.dataset import load_data
        >>> data = load_data("digits", train_samples=100, validation_samples=50, test_samples=20, seed=0)
        >>> backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> network = Network(backbone, torch.zeros(1, 1, 8, 8), num_classes=10, exit_features=64)
        >>> [row["reference"] for row in jpeg_rows("some-key", network, data)]
        ['jpeg_90', 'jpeg_50']
    """
    return [
        {"network_key": key, "reference": f"jpeg_{quality}"}
        | jpeg_outcome(network, data, data.validation, quality).to_row()
        for quality in QUALITIES
    ]


@torch.inference_mode()
def jpeg_outcome(network: Network, data: DataSet, subset: Subset, quality: int) -> Outcome:
    """Right answers for a subset sent as JPEG files, and the length of all files, headers included.

    Example:
        >>> few = Subset(torch.rand(4, 1, 8, 8), torch.tensor([0, 1, 0, 1]))
        >>> data = DataSet("mine", few, few, few, 2, (1, 8, 8), mean=(0.0,), std=(1.0,))
        >>> backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
        >>> network = Network(backbone, few.inputs[:1], num_classes=2, exit_features=64)
        >>> jpeg_outcome(network, data, few, 50).sent_bytes < jpeg_outcome(network, data, few, 90).sent_bytes
        True
    """
    network.eval()
    right, sent_bytes = [], 0
    levels = GreyLevels(data)
    for inputs, labels in subset.batches(_BATCH):
        files = [jpeg_file(image, quality) for image in levels.of(inputs)]
        received = levels.inputs(np.stack([_pixels(file) for file in files]))
        right.append(network.backbone(received).argmax(-1) == labels)
        sent_bytes += sum(map(len, files))
    return Outcome(earned(torch.cat(right).numpy(), subset.labels.numpy()), 0, sent_bytes)


def jpeg_file(image: NDArray[np.uint8], quality: int) -> bytes:
    """A JPEG file of one image (H, W) or (H, W, 3), with Huffman tables of its own.

    Example:
        >>> image = np.arange(256, dtype=np.uint8).reshape(16, 16)
        >>> len(jpeg_file(image, quality=90)) > len(jpeg_file(image, quality=50))
        True
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue()


def _pixels(file: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(file)) as image:
        return np.asarray(image)


class GreyLevels:
    """Normalised inputs as pixels and back; the range of the training subset becomes 0 .. 255.

    For uint8 data that uses all levels, which images do, these are the original pixels.

    Args:
        data: Normalised by its ``mean`` and ``std``, one number per channel.

    Example:
        >>> from explorer.data.dataset import load_data
        >>> data = load_data("digits", train_samples=100, validation_samples=50, test_samples=20, seed=0)
        >>> pixels = GreyLevels(data).of(data.validation.inputs)
        >>> pixels.shape, pixels.dtype
        ((50, 8, 8), dtype('uint8'))
    """

    def __init__(self, data: DataSet) -> None:
        shape = (1, -1, 1, 1)
        self._mean, self._std = (torch.tensor(values).view(shape) for values in (data.mean, data.std))
        ends = [self._raw(inputs).aminmax() for inputs, _ in data.train.batches(_BATCH)]
        self._low = min(float(low) for low, _ in ends)
        self._high = max(float(high) for _, high in ends)

    def _raw(self, inputs: Tensor) -> Tensor:
        return inputs * self._std + self._mean

    def of(self, inputs: Tensor) -> NDArray[np.uint8]:
        """Pixels (N, H, W) or (N, H, W, 3) of inputs (N, C, H, W)."""
        share = (self._raw(inputs) - self._low) / (self._high - self._low)
        pixels = (share * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return pixels[..., 0] if pixels.shape[-1] == 1 else pixels

    def inputs(self, pixels: NDArray[np.uint8]) -> Tensor:
        """The inverse of :meth:`of`, but for rounding."""
        share = torch.from_numpy(pixels.copy()).float() / 255
        share = share.unsqueeze(1) if share.dim() == 3 else share.permute(0, 3, 1, 2)
        return ((share * (self._high - self._low) + self._low) - self._mean) / self._std
