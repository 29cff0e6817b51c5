"""Image folders: one folder per class, read with Pillow."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from explorer.data.claims import check_regular
from explorer.data.groups import GROUPS_FILE, read_groups, whole_groups
from explorer.data.image_cache import cached
from explorer.errors import UserError, printable
from explorer.runtime.edge.claims import check_claim

SUFFIXES = (".png", ".jpg", ".jpeg")
TEST_SHARE = 0.2
_GREY, _COLOUR = ("1", "L"), ("P", "PA", "RGB", "RGBA", "LA", "CMYK", "YCbCr")


def read_image_folder(folder: Path, limit: int) -> tuple[list[npt.NDArray[Any]], tuple[str, ...]]:
    """Read ``folder/<class>/*.png|jpg``, or ``folder/train/<class>/..`` and ``folder/test/<class>/..``.

    Without ``train`` and ``test`` a fixed fifth of each class is the test part, at least one image. Classes
    are numbered in the order of their names. Images are grey when all are, else RGB. With ``groups.csv`` (see
    :mod:`explorer.data.groups`) the test part, where it is not given, takes whole groups. Images are decoded
    once: the next time they are read from a cache, see :mod:`explorer.data.image_cache`.

    Args:
        folder: Where they are.
        limit: Bytes of memory that decoded images may take, all together.

    Returns:
        Train inputs, train labels, test inputs, test labels, and with ``groups.csv`` the groups of train;
        inputs uint8 (N, H, W) or (N, H, W, 3). And the names of the classes.

    Raises:
        UserError: No class, a class without image (with a single one where there are no ``train`` and
            ``test``), classes of train and test that differ, an image that
            cannot be read or has another size than the first; a pipe or a device in an image's place;
            more than ``limit``.

    Example:
        >>> for number, name in enumerate(["cat", "cat", "dog", "dog"]):
        ...     Path("pets", name).mkdir(parents=True, exist_ok=True)
        ...     Image.new("RGB", (8, 6), (number, 0, 0)).save(f"pets/{name}/{number}.png")
        >>> (x_train, y_train, x_test, y_test), names = read_image_folder(Path("pets"), limit=10**6)
        >>> x_train.shape, y_train.tolist(), names
        ((2, 6, 8, 3), [0, 1], ('cat', 'dog'))
    """
    groups = read_groups(folder)
    if {path.name for path in _folders(folder)} == {"train", "test"}:
        train, test = (_images_by_class(folder / part) for part in ("train", "test"))
        if train.keys() != test.keys():
            apart = sorted(train.keys() ^ test.keys())
            raise UserError(f"{folder}: train and test must hold the same classes, only one has {apart[0]!r}")
    elif groups is None:
        train, test = _held_out(_images_by_class(folder))
    else:
        train, test = _held_out_groups(_images_by_class(folder), folder, groups)
    files = [path for part in (train, test) for paths in part.values() for path in paths]
    stacked = cached(files, lambda: _decoded(files, limit))
    labels = [
        np.repeat(np.arange(len(part)), [len(paths) for paths in part.values()]) for part in (train, test)
    ]
    size = len(labels[0])
    arrays: list[npt.NDArray[Any]] = [stacked[:size], labels[0], stacked[size:], labels[1]]
    if groups is not None:
        arrays.append(_groups_of(train, folder, groups))
    return arrays, tuple(train)


def unread_note(folder: Path) -> str:
    """What lies in a folder of images and is not read, hidden files apart; empty where there is nothing.

    Example:
        >>> Path("pets", "cat").mkdir(parents=True, exist_ok=True)
        >>> _ = Path("pets", "cat", "tom.gif").write_bytes(b"any")
        >>> print(unread_note(Path("pets")))
        pets: 1 entry is not read, such as cat/tom.gif: classes are folders, images .png, .jpg, .jpeg in them
    """
    inner = [path for path in _folders(folder) if path.name in ("train", "test")]
    parts = inner if len(inner) == len(_folders(folder)) else [folder]
    unread = [path for part in {folder, *parts} for path in _entries(part) if not path.is_dir()]
    for path in (entry for part in parts for own in _folders(part) for entry in _entries(own)):
        unread += [path] * (path.suffix.lower() not in SUFFIXES)
    names = sorted(path.relative_to(folder).as_posix() for path in unread if path.name != GROUPS_FILE)
    if not names:
        return ""
    count = "1 entry is" if len(names) == 1 else f"{len(names):,} entries are"
    rule = f"classes are folders, images {', '.join(SUFFIXES)} in them"
    return printable(f"{folder.name}: {count} not read, such as {names[0]}: {rule}")


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, without what systems hide there, such as ``._1.png``."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in _entries(folder) if path.is_dir())


def _images_by_class(folder: Path) -> dict[str, list[Path]]:
    found = {
        path.name: sorted(file for file in _entries(path) if file.suffix.lower() in SUFFIXES)
        for path in _folders(folder)
    }
    if not found:
        raise UserError(f"{folder}: must hold one folder per class, got none")
    for name, files in found.items():
        if not files:
            raise UserError(f"{folder / name}: must hold images ({', '.join(SUFFIXES)}), got none")
        for file in files:
            check_regular(file)
    return found


def _held_out(images: dict[str, list[Path]]) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    train, test = dict[str, list[Path]](), dict[str, list[Path]]()
    for name, files in images.items():
        if len(files) < 2:
            advice = "one is for the test part; or give the folders train and test"
            raise UserError(f"{files[0].parent}: must hold at least 2 images, {advice}, got {len(files)}")
        order = np.random.RandomState(0).permutation(len(files))
        held = max(1, round(TEST_SHARE * len(files)))
        test[name] = [files[index] for index in sorted(order[:held])]
        train[name] = [files[index] for index in sorted(order[held:])]
    return train, test


def _held_out_groups(
    images: dict[str, list[Path]], folder: Path, groups: dict[str, str]
) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """As above, but in whole groups."""
    labels = np.repeat(np.arange(len(images)), [len(files) for files in images.values()])
    size = max(1, round(TEST_SHARE * len(labels)))
    held = whole_groups(labels, _groups_of(images, folder, groups), size, seed=0)
    if held is None or len(np.unique(labels[held])) < len(images):
        raise UserError(
            f"{folder / GROUPS_FILE}: train and test must both hold every class when groups stay whole; give "
            "the folders train and test"
        )
    starts = np.cumsum([0, *(len(files) for files in images.values())])
    parts = []
    for wanted in (False, True):
        rows = zip(images.items(), starts[:-1], strict=True)
        parts.append(
            {
                name: [file for place, file in enumerate(files) if held[start + place] == wanted]
                for (name, files), start in rows
            }
        )
    return parts[0], parts[1]


def _groups_of(images: dict[str, list[Path]], folder: Path, groups: dict[str, str]) -> npt.NDArray[np.str_]:
    names = [file.relative_to(folder).as_posix() for files in images.values() for file in files]
    if missing := [name for name in names if name not in groups]:
        raise UserError(f"{folder / GROUPS_FILE}: must have a row for every image, got none for {missing[0]}")
    return np.array([groups[name] for name in names])


def _decoded(paths: Sequence[Path], limit: int) -> npt.NDArray[np.uint8]:
    """All images, one after the other, so that none is held beside its place in the result."""
    with _readable(paths[0]) as image:
        width, height = image.size
    modes = set[str]()
    for path in paths:  # an image is grey when all are, which only their headers tell
        with _readable(path) as image:
            _check(path, image, paths[0], (width, height))
            modes.add(image.mode)
    mode = "L" if modes <= {*_GREY} else "RGB"
    shape = (len(paths), height, width, *(() if mode == "L" else (3,)))
    where = f"{paths[0].parent.parent}: {len(paths):,} images of {width} x {height}"
    check_claim(where, math.prod(shape), limit)
    images = np.empty(shape, np.uint8)
    for number, path in enumerate(paths):
        images[number] = np.asarray(_opened(path).convert(mode))
    return images


def _opened(path: Path) -> Image.Image:
    with _readable(path) as image:
        image.load()
        return image


@contextmanager
def _readable(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
    except UserError:
        raise
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise UserError(f"{path}: must be a readable image, got: {error}") from error


def _check(path: Path, image: Image.Image, first_path: Path, size: tuple[int, int]) -> None:
    if image.size != size:
        (width, height), (other_width, other_height) = size, image.size
        raise UserError(
            f"{path}: all images must have one size, {first_path.name} has {width} x {height}, got "
            f"{other_width} x {other_height}; resize them first"
        )
    if image.mode not in (*_GREY, *_COLOUR):
        raise UserError(f"{path}: must have 8 bits per channel, got mode {image.mode!r}")
