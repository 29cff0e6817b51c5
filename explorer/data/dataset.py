"""Labelled data as fixed train, validation and test subsets: drawn by seed, stratified, normalised.

Shapes: N samples, C channels, H and W pixels, F features.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from explorer.data.archives import Array
from explorer.data.checks import Layout, checked
from explorer.data.division import IndexArray, divided, draw, quotas
from explorer.data.mapped import MappedArray, as_tensor
from explorer.data.normalisation import (
    GivenMoments,
    Normalisation,
    Scaling,
    chunks,
    moments,
    normalised,
    scaling,
)
from explorer.data.notes import exchanged_axes_note, repeated_notes, scale_note
from explorer.data.sources import read_source
from explorer.data.subset import Subset
from explorer.errors import UserError

__all__ = ["DataSet", "Subset", "load_data", "on_device"]

_COPIED_SHARE = 0.25  # of an array; where more of it is chosen, it stays whole and is not copied
_SAMPLES_TO_COMPARE = 30  # of test with train, in size; fewer vary by chance
_TEST_SEED = 0  # the test subset is the same for every seed


@dataclass(frozen=True, eq=False)
class DataSet:
    """Three disjoint subsets and what was done to them.

    Attributes:
        name: The source; for ``npz:PATH`` and ``folder:PATH`` without the folders above.
        train, validation, test: The subsets; search and thresholds see the first two only.
        num_classes: At least 2.
        input_shape: Shape of one sample, without the batch: (C, H, W), (C, L) or (F,).
        mean, std: What normalised the inputs, after uint8 was scaled to [0, 1]: one number per
            channel or feature, a single one for uint8 features.
        fingerprint: 32 hex digits that change when any sample, label or its order changes.
        class_names: In the order of the labels; empty where the source has none.
        dtype: Of the samples as the source has them: ``uint8`` or ``float32``.
        validation_is_apart: Why validation shares no person, device or recording with train; empty where that
            is not known.
        notes: What looks wrong, one sentence each; the data can be used all the same.

    Example:
        >>> data = load_data("digits", train_samples=100, validation_samples=50, test_samples=20, seed=0)
        >>> data.num_classes, data.class_counts()["test"]
        (10, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    """

    name: str
    train: Subset
    validation: Subset
    test: Subset
    num_classes: int
    input_shape: tuple[int, ...]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    fingerprint: str = ""
    class_names: tuple[str, ...] = ()
    dtype: str = "float32"
    validation_is_apart: str = ""
    notes: tuple[str, ...] = ()

    def raw(self, inputs: torch.Tensor) -> npt.NDArray[np.float32]:
        """Normalised samples (N, ...) as they came: 0 to 255 where the source has uint8.

        Example:
            >>> data = load_data("digits", train_samples=99, validation_samples=9, test_samples=9, seed=0)
            >>> sorted(set(data.raw(data.test.inputs).round().ravel().astype(int).tolist()))[:3]
            [0, 1, 2]
        """
        over = (-1, *[1] * (inputs.dim() - 2))
        mean, std = (np.array(values).reshape(over) for values in (self.mean, self.std))
        values = inputs.numpy().astype(np.float64) * std + mean
        return np.asarray(np.rint(255 * values) if self.dtype == "uint8" else values, dtype=np.float32)

    def class_counts(self) -> dict[str, list[int]]:
        """Samples per class (shape (num_classes,)) of each subset, by the subset's name."""
        subsets = {"train": self.train, "validation": self.validation, "test": self.test}
        return {
            name: torch.bincount(subset.labels, minlength=self.num_classes).tolist()
            for name, subset in subsets.items()
        }

    @property
    def sample_bytes(self) -> int:
        """Bytes of the samples of all subsets, as they are held."""
        return sum(subset.sample_bytes for subset in (self.train, self.validation, self.test))

    def without_test(self) -> "DataSet":
        """Without the samples of the test subset, which no training may see."""
        return replace(self, test=self.test.without_samples())

    def compact(self) -> "DataSet":
        """With copies of the chosen samples alone, so that no file and no other sample travels along."""
        parts = (self.train, self.validation, self.test)
        train, validation, test = (part.compact() for part in parts)
        return replace(self, train=train, validation=validation, test=test)


def load_data(
    source: str,
    *,
    train_samples: int | None,
    validation_samples: int,
    test_samples: int | None,
    seed: int,
    data_dir: Path | None = None,
    layout: Layout = "images",
    normalise: Scaling | GivenMoments = "train",
    max_bytes: int | None = None,
) -> DataSet:
    """Load a data set; equal arguments give equal tensors, whatever was called before.

    Sources:
        * ``digits``: embedded, 1,797 grey 8x8 images; 36 fixed samples per class are its test part.
        * ``mnist``, ``fashion_mnist``: four IDX files, plain or gzipped, in ``data_dir/<source>``,
          ``data_dir`` or the same below ``EXPLORER_DATA_DIR``; downloaded where there are none.
          Their decompressed bytes must match the published MD5s.
        * ``cifar10``: ``cifar-10-binary.tar.gz`` in the same places, or downloaded; checked likewise.
        * ``npz:PATH``: ``x_train``, ``y_train``, ``x_test``, ``y_test``, and ``class_names`` (text, one per
          class) where classes have names; a relative path may also lie below ``data_dir`` or
          ``EXPLORER_DATA_DIR``.
        * ``npy:DIR``: a folder with ``x_train.npy``, ``y_train.npy``, ``x_test.npy``, ``y_test.npy``; samples
          stay in their files, which may be larger than memory; likewise.
        * ``folder:PATH``: images, see :func:`explorer.data.images.read_image_folder`; likewise.
        * ``package.module:function``: returns the tuple ``(x_train, y_train, x_test, y_test)``; found on the
          path or from the working directory.

    With the four arrays may come ``groups_train``, which person, device or recording each training sample
    belongs to, or ``x_validation`` and ``y_validation``; with a folder of images, ``groups.csv``.

    Subsets: validation is drawn from the training part, train from what remains, test from the
    test part only. With groups, no group has samples in both: groups are drawn until they hold enough
    samples for validation, and train is drawn from the others. A validation part that is given is drawn
    from instead. Class shares follow the part's; with enough samples every class is present, and
    a class with a single training sample keeps it in train. Validation does not depend on
    ``train_samples``, test not on ``seed``. The order within a subset is shuffled.

    Samples stay as they are where they are uint8 or lie in a file (``npy:DIR``), and each batch is normalised
    when it is taken; others are normalised at once. The numbers are the same.

    Inputs: (N, H, W) becomes (N, 1, H, W). uint8 arrays (N, H, W, C) with C of 1, 3 or 4 become
    (N, C, H, W); other types must have channels first. (N, F) stays. With ``layout`` ``series``
    (N, C, L) stays and (N, L) becomes (N, 1, L). uint8 is scaled to [0, 1], nothing else is. Then
    the mean is subtracted and the result divided by the standard deviation (1 where a channel is
    constant), both per channel and of the train subset only; each of F features is a channel of
    its own, except that uint8 features share one. ``normalise`` may say otherwise.

    Args:
        source: See above.
        train_samples: Size of train, at least the number of classes; None takes all that remain.
        validation_samples: Size of validation, at least 1.
        test_samples: Size of test, at least 1; None takes the whole test part.
        seed: 0 .. 2**32 - 1; chooses train and validation.
        data_dir: Folder with data files.
        layout: What the axes of arrays mean, see above.
        normalise: ``train``: see above; ``none``: nothing is subtracted; or (mean, std), each one number per
            channel, or a single one for all.
        max_bytes: That arrays read from files may take in memory; None: ``EXPLORER_MAX_DATA_BYTES``, else
            half of the machine's memory. What stays in its files (``npy:DIR``) does not count.

    Raises:
        UserError: Unknown source, unusable file or array, failed download, impossible size or seed.

    Example:
        >>> data = load_data("digits", train_samples=100, validation_samples=50, test_samples=None, seed=0)
        >>> data.train.inputs.shape, len(data.validation), len(data.test)
        (torch.Size([100, 1, 8, 8]), 50, 360)
    """
    if not 0 <= seed < 2**32:
        raise UserError(f"{source}: `0 <= seed < 2**32` must hold, got seed={seed}")
    raw = checked(read_source(source, data_dir, max_bytes), layout)
    num_classes = int(raw.y_train.max()) + 1
    test_samples = len(raw.y_test) if test_samples is None else test_samples
    if not 1 <= test_samples <= len(raw.y_test):
        raise UserError(
            f"{raw.name}: test_samples must be 1 .. {len(raw.y_test)} (the test part), got {test_samples}"
        )
    train, validation = divided(raw, num_classes, train_samples, validation_samples, seed)
    test_quotas = quotas(np.bincount(raw.y_test, minlength=num_classes), test_samples)
    (test,) = draw(raw.y_test, [test_quotas], _TEST_SEED)
    mean, std = scaling(raw, train, normalise)
    drawn = [(raw.x_train, raw.y_train, train), (*raw.validation_part, validation)]
    drawn += [(raw.x_test, raw.y_test, test)]
    divisor = 255.0 if raw.x_train.dtype == np.uint8 else 1.0
    subsets = _subsets(drawn, Normalisation.of(divisor, mean, std))
    return DataSet(
        name=raw.name,
        train=subsets[0],
        validation=subsets[1],
        test=subsets[2],
        num_classes=num_classes,
        input_shape=tuple(raw.x_train.shape[1:]),
        mean=tuple(mean.ravel().tolist()),
        std=tuple(std.ravel().tolist()),
        fingerprint=_fingerprint(drawn),
        class_names=raw.class_names,
        dtype="uint8" if raw.x_train.dtype == np.uint8 else "float32",
        validation_is_apart=raw.validation_is_apart,
        notes=tuple(filter(None, [raw.unread, *_notes(drawn, layout)])),
    )


def _notes(drawn: list[tuple[Array, Array, IndexArray]], layout: Layout) -> Iterator[str]:
    """What a reader should know of the chosen samples; empty where there is nothing."""
    train, validation, test = [(inputs, rows) for inputs, _, rows in drawn]
    if layout == "series":
        yield exchanged_axes_note(test[0].shape[1:])
    yield from repeated_notes(train, validation, test)
    if len(test[1]) >= _SAMPLES_TO_COMPARE:
        yield scale_note("test", moments(*test), moments(*train))


def _subsets(drawn: list[tuple[Array, Array, IndexArray]], normalisation: Normalisation) -> list[Subset]:
    """The chosen samples of each part; parts of one array share it."""
    whole = {id(inputs): as_tensor(inputs) for inputs, *_ in drawn if _stays(inputs)}
    chosen = {key: sum(len(i) for inputs, _, i in drawn if id(inputs) == key) for key in whole}
    subsets = list[Subset]()
    for inputs, labels, indices in drawn:
        key, own_labels, rows = id(inputs), torch.from_numpy(labels[indices]), torch.from_numpy(indices)
        if key not in whole:
            subsets.append(Subset(normalised(inputs, indices, normalisation), own_labels))
            continue
        subset = Subset(whole[key], own_labels, rows, normalisation, mapped=MappedArray.of(inputs))
        few = subset.mapped is None and chosen[key] <= _COPIED_SHARE * len(inputs)
        subsets.append(subset.compact() if few else subset)
    return subsets


def _stays(inputs: Array) -> bool:
    """Whether samples are kept as the source has them."""
    return inputs.dtype == np.uint8 or MappedArray.of(inputs) is not None


def on_device(data: DataSet, device: torch.device) -> DataSet:
    """The data on a device; copied there once, however many networks are trained on them.

    Example:
        >>> data = load_data("digits", train_samples=99, validation_samples=9, test_samples=9, seed=0)
        >>> on_device(data, torch.device("cpu")) is data
        True
    """
    return data if device.type == "cpu" else _copied(data, device)


@lru_cache(maxsize=1)
def _copied(data: DataSet, device: torch.device) -> DataSet:
    train, validation = (subset.to(device) for subset in (data.train, data.validation))
    return replace(data, train=train, validation=validation)


def _fingerprint(drawn: list[tuple[Array, Array, IndexArray]]) -> str:
    """Digest of the chosen samples and labels as the source gave them, the same on every machine."""
    digest = hashlib.blake2b(digest_size=16)
    for inputs, labels, indices in drawn:
        digest.update(f"{inputs.dtype.str} {inputs.shape[1:]} {len(indices)}".encode())
        for chosen in chunks(inputs, indices):
            digest.update(inputs[chosen].tobytes() + labels[chosen].tobytes())
    return digest.hexdigest()
