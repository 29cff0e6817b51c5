"""Raw samples from where a user has them: an npz file, a folder of npy files, or standard input."""

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from ..manifest import Bundle
from .claims import HEADER_ERRORS, check_claim, claimed_bytes, most_bytes

Array = npt.NDArray[Any]

# names of samples and their labels in an npz file; the first that is there is taken, so that a data file of
# the search gives its test part
NAMES = (("x_test", "y_test"), ("x", "y"), ("inputs", "labels"), ("input", "label"))
_IMAGE_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Samples:
    """Samples of one shape, read as they are needed.

    Attributes:
        values: Gives each sample, shape as the bundle's input.
        labels: (N,) int64, where they are known.
        count: How many there are; None where only the end tells.

    Example:
        >>> Samples(iter([np.zeros(4, np.float32)]), labels=None, count=1).count
        1
    """

    values: Iterator[Array]
    labels: npt.NDArray[np.int64] | None
    count: int | None


def open_samples(what: str, bundle: Bundle, stdin: BinaryIO, max_bytes: int | None = None) -> Samples:
    """Open samples that a command line names.

    Numbers of any type are converted to float32. Only uint8 are not, unless the bundle's input is uint8:
    pixels from 0 to 255 are scaled before training, and what was not scaled alike would be answered wrongly.
    Shapes may be those of the search: (N, H, W) and (N, L) get a channel, uint8 (N, H, W, C) channels first.

    Args:
        what: ``npz:FILE`` with ``x_test``, ``x``, ``inputs`` or ``input``, and optionally ``y_test``, ``y``,
            ``labels`` or ``label``, respectively; ``folder:DIR`` of npy files, one sample each, in the order
            of their names; ``-``: float32, little endian, one sample after another on standard input.
        bundle: Says what a sample is.
        stdin: Standard input's bytes.
        max_bytes: That arrays of a file may take in memory, see
            :func:`explorer.runtime.edge.claims.most_bytes`.

    Raises:
        UserError: No such file, another shape or type, too large a file; one sentence names it. Files of a
            folder and standard input are read while their samples are taken, so their errors come then.

    Example:
        >>> import io
        >>> from types import SimpleNamespace
        >>> bundle = SimpleNamespace(input_shape=(2,), num_classes=10, input_dtype="float32")
        >>> [sample.tolist() for sample in open_samples("-", bundle, io.BytesIO(bytes(16))).values]
        [[0.0, 0.0], [0.0, 0.0]]
        >>> np.savez("mine.npz", x=np.ones((3, 2)), y=[0, 1, 9])
        >>> samples = open_samples("npz:mine.npz", bundle, io.BytesIO())
        >>> samples.count, next(samples.values).tolist(), samples.labels.tolist()
        (3, [1.0, 1.0], [0, 1, 9])
    """
    kind, _, place = what.partition(":")
    if what == "-":
        return Samples(_of_stream(stdin, bundle.input_shape), None, None)
    if kind == "npz" and place:
        return _of_npz(Path(place), bundle, most_bytes(max_bytes))
    if kind == "folder" and place:
        return _of_folder(Path(place), bundle, most_bytes(max_bytes))
    raise UserError(f"--data must be npz:FILE, folder:DIR or -, got {what!r}")


def _of_stream(stream: BinaryIO, shape: tuple[int, ...]) -> Iterator[Array]:
    size = 4 * prod(shape)
    number = 0
    while content := _whole(stream, size):
        if len(content) < size:
            got = f"sample {number} has {len(content)}"
            raise UserError(f"standard input must hold float32 samples of {size} bytes each, {got}")
        yield np.frombuffer(content, "<f4").reshape(shape)
        number += 1


def _whole(stream: BinaryIO, size: int) -> bytes:
    """So many bytes; fewer only at the end, whatever portions a pipe or a device delivers."""
    content = b""
    while len(content) < size and (part := stream.read(size - len(content))):
        content += part
    return content


def _of_npz(path: Path, bundle: Bundle, limit: int) -> Samples:
    file = _loaded(path)
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise UserError(f"{path} must be an npz file, which holds several arrays by name")
    with file:
        found = [pair for pair in NAMES if pair[0] in file.files]
        if not found:
            wanted = ", ".join(name for name, _ in NAMES)
            raise UserError(f"{path} must hold one of {wanted}, got {', '.join(file.files) or 'nothing'}")
        name, label_name = found[0]
        held = [own for own in found[0] if own in file.files]
        check_claim(f"{path}: {', '.join(held)}", sum(_claim_of(file, own) for own in held), limit)
        values = _member(path, file, name)
        labels = _member(path, file, label_name) if label_name in file.files else None
    shaped = _shaped(values, bundle, f"{path}: {name}")
    if bundle.input_dtype == "uint8" and values.dtype.kind == "f" and values.size and values.max() <= 1:
        raise UserError(f"{path}: {name} must hold values from 0 to 255, as in training, got at most 1")
    if labels is not None:
        labels = _checked_labels(labels, len(shaped), bundle.num_classes, f"{path}: {label_name}")
    return Samples(iter(shaped), labels, len(shaped))


def _of_folder(path: Path, bundle: Bundle, limit: int) -> Samples:
    if not path.is_dir():
        raise UserError(f"{path} must be a folder")
    files = sorted(path.glob("*.npy"))
    if not files:
        raise UserError(f"{path} must hold npy files, one sample each; images have to be converted before")

    def values() -> Iterator[Array]:
        for file in files:
            check_claim(str(file), _claim_of_npy(file), limit)
            array = _loaded(file)
            if isinstance(array, np.lib.npyio.NpzFile):
                raise UserError(f"{file} must hold one array")
            yield _shaped(array[np.newaxis], bundle, f"{file} (as one of N samples)")[0]

    return Samples(values(), None, len(files))


def _claim_of(file: Any, name: str) -> int:
    """Of an array in an npz file; 0 where it has no header: whoever reads it says what is wrong."""
    member = name if name in file.zip.namelist() else f"{name}.npy"
    with suppress(ValueError, EOFError, zipfile.BadZipFile), file.zip.open(member) as stream:
        return claimed_bytes(stream)
    return 0


def _claim_of_npy(path: Path) -> int:
    with suppress(ValueError, EOFError), path.open("rb") as stream:
        return claimed_bytes(stream)
    return 0


def _loaded(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (*HEADER_ERRORS, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read as arrays of numbers: {error}") from None


def _member(path: Path, file: Any, name: str) -> Array:
    try:
        array: Array = file[name]
    except (ValueError, EOFError, zipfile.BadZipFile) as error:  # among them: it would need pickle
        raise UserError(f"{path}: {name} cannot be read as an array of numbers: {error}") from None
    return array


def _shaped(values: Array, bundle: Bundle, where: str) -> Array:
    """Samples (N, *input_shape) of a type that can be converted."""
    shape = bundle.input_shape
    if values.dtype.kind not in "buif":
        raise UserError(f"{where} must hold numbers, got dtype {values.dtype}")
    is_image = values.dtype == np.uint8 and values.ndim == 4 and values.shape[3] in _IMAGE_CHANNELS
    fitted = values
    if is_image and values.shape[1:] != shape:
        fitted = values.transpose(0, 3, 1, 2)
    elif values.ndim == len(shape) and shape[0] == 1 and values.ndim > 1:
        fitted = values[:, np.newaxis]
    if fitted.shape[1:] != shape:
        raise UserError(f"{where} must have the shape (N, {', '.join(map(str, shape))}), got {values.shape}")
    if values.dtype == np.uint8 and bundle.input_dtype != "uint8":
        raise UserError(
            f"{where} must be scaled as in training, to [0, 1] for pixels, and be float32, got dtype uint8"
        )
    return fitted


def _checked_labels(labels: Array, count: int, num_classes: int, where: str) -> npt.NDArray[np.int64]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (count,) or labels.dtype.kind not in "buif":
        got = f"{labels.dtype} {labels.shape}"
        raise UserError(f"{where} must hold one class per sample, shape ({count},), got {got}")
    classes = np.arange(num_classes)
    if (unknown := labels[~np.isin(labels, classes)]).size:
        raise UserError(f"{where} must hold classes from 0 to {num_classes - 1}, got {unknown[0]}")
    return labels.astype(np.int64)
