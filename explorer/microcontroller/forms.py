"""What a layer's weights look like: which are kept, where its kernel lies, what cuts its outputs off."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
LARGEST = float(np.finfo(np.float32).max)


class Shape(NamedTuple):
    """Of a tensor: rows, pixels of each, channels of each.

    Example:
        >>> Shape(8, 8, 16).pixels, Shape(1, 1, 10).size
        (64, 10)
    """

    height: int
    width: int
    channels: int

    @property
    def pixels(self) -> int:
        """Rows times pixels of each."""
        return self.height * self.width

    @property
    def size(self) -> int:
        """Values there are."""
        return self.pixels * self.channels


class Clamp(NamedTuple):
    """An activation that cuts values off: ReLU and ReLU6 among them.

    Example:
        >>> Clamp(0.0, 6.0).high, Clamp().low < -1e38
        (6.0, True)
    """

    low: float = -LARGEST
    high: float = LARGEST

    @property
    def nothing(self) -> bool:
        """Whether no value is changed."""
        return self == Clamp()


@dataclass(frozen=True)
class Window:
    """Where a kernel lies on its input; pairs are for rows and pixels.

    Attributes:
        kernel, stride, dilation: Taps, pixels from one position to the next, pixels between taps.
        padding: Pixels of zero above and to the left.

    Example:
        >>> Window().kernel
        (1, 1)
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def taps(self) -> int:
        """Of a kernel."""
        return self.kernel[0] * self.kernel[1]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Groups of outputs that read whole groups of neighbouring inputs; a dense layer is one group.

    Attributes:
        groups: How many.
        reads: Groups of inputs that each reads.
        sources: Which ones (groups, reads); None for the group of the same number and those after it.

    Example:
        >>> Blocks(4, 2, None).of(3).tolist()
        [3, 0]
    """

    groups: int = 1
    reads: int = 1
    sources: NDArray[np.int64] | None = None

    def of(self, block: int) -> NDArray[np.int64]:
        """Groups of inputs that a group of outputs reads, in the order of its weights."""
        if self.sources is not None:
            return np.asarray(self.sources[block])
        return (block + np.arange(self.reads)) % self.groups

    def runs(self, block: int) -> list[tuple[int, int]]:
        """The same as first groups and numbers of groups that lie side by side.

        Example:
            >>> Blocks(4, 3, None).runs(2)
            [(2, 2), (0, 1)]
        """
        found = list[tuple[int, int]]()
        for source in self.of(block).tolist():
            if found and sum(found[-1]) == source:
                found[-1] = (found[-1][0], found[-1][1] + 1)
            else:
                found.append((source, 1))
        return found


@dataclass(frozen=True)
class Depthwise:
    """One kernel for each channel.

    Example:
        >>> Depthwise()
        Depthwise()
    """


@dataclass(frozen=True, eq=False)
class Listed:
    """Freely placed connections.

    Attributes:
        kept: Which inputs each output reads, (outputs, inputs).

    Example:
        >>> Listed(np.eye(2, dtype=bool)).kept.shape
        (2, 2)
    """

    kept: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Periodic:
    """Kernels that keep some taps: kernel (o, i) those of the variant ``(o + i) % variants``.

    Attributes:
        supports: Kept taps of every variant, ascending, (variants, kept).

    Example:
        >>> Periodic(np.array([[0, 1], [1, 2], [0, 2]])).supports.shape
        (3, 2)
    """

    supports: NDArray[np.int64]


Form = Blocks | Depthwise | Listed | Periodic


def kept_weights(form: Form, shape: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Which weights of a layer are stored.

    Args:
        form: Of the layer.
        shape: Of its dense weight (O, I, Y, X).

    Example:
        >>> int(kept_weights(Blocks(2, 1), (4, 4, 3, 3)).sum())
        72
    """
    kept = np.ones(shape, np.bool_)
    if isinstance(form, Listed):
        kept &= form.kept[:, :, None, None]
    elif isinstance(form, Periodic):
        variant = (np.arange(shape[0])[:, None] + np.arange(shape[1])) % len(form.supports)
        taps = np.zeros((*shape[:2], shape[2] * shape[3]), np.bool_)
        np.put_along_axis(taps, form.supports[variant], True, axis=2)
        kept = taps.reshape(shape)
    elif isinstance(form, Blocks):
        inputs = np.zeros((form.groups, form.groups), np.bool_)
        for block in range(form.groups):
            inputs[block, form.of(block)] = True
        each = np.repeat(np.repeat(inputs, shape[0] // form.groups, 0), shape[1] // form.groups, 1)
        kept &= each[:, :, None, None]
    return kept
