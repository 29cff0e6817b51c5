"""Where labelled samples come from: embedded, published or a user's own; read, not yet checked.

Digits: scikit-learn's copy of the UCI optical recognition of handwritten digits test set.
"""

import hashlib
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from explorer.data.archives import ARCHIVED_SOURCES, DATA_DIR_VARIABLE, Array, read_archived
from explorer.data.claims import check_npz, check_regular
from explorer.data.conversion import as_array
from explorer.data.images import read_image_folder, unread_note
from explorer.data.npy_folder import read_npy_folder
from explorer.errors import UserError, printable
from explorer.runtime.edge.claims import most_bytes
from explorer.utils.imports import give, import_function, user_code

DIGITS_TEST_PER_CLASS = 36  # 360 of 1,797 samples
NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
GROUP_KEYS, VALIDATION_KEYS = ("groups_train",), ("x_validation", "y_validation")
CLASS_NAMES = "class_names"  # of an archive: text (C,)
MORE_KEYS = ((), GROUP_KEYS, VALIDATION_KEYS)  # that may follow, all or none
_KEYS_BY_COUNT = {len(NPZ_KEYS) + len(more): (*NPZ_KEYS, *more) for more in MORE_KEYS}
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class RawData:
    """A data set as its source gives it: inputs of shape (N, ...), labels of shape (N,).

    Attributes:
        class_names: In the order of the labels, empty where the source has none.
        groups_train: Which person, device or recording each training sample belongs to, (N,); None where that
            is not known.
        x_validation, y_validation: A validation part of its own; None where the training part has it.
        unread: What lies beside them and was left alone, a sentence; empty where there is nothing.

    Example:
        >>> x, y = np.zeros((2, 8, 8)), np.array([0, 1])
        >>> RawData("mine", x, y, x, y, class_names=("cat", "dog")).x_test.shape
        (2, 8, 8)
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    class_names: tuple[str, ...] = field(default=(), kw_only=True)
    groups_train: Array | None = field(default=None, kw_only=True)
    x_validation: Array | None = field(default=None, kw_only=True)
    y_validation: Array | None = field(default=None, kw_only=True)
    unread: str = field(default="", kw_only=True)

    @property
    def validation_part(self) -> tuple[Array, Array]:
        """Inputs and labels that validation is drawn from."""
        if self.x_validation is None or self.y_validation is None:
            return self.x_train, self.y_train
        return self.x_validation, self.y_validation

    @property
    def validation_is_apart(self) -> str:
        """Why validation shares nothing with train; empty where that is not known."""
        if self.y_validation is not None:
            return "validation has a part of its own"
        return "" if self.groups_train is None else "no group has samples in both train and validation"


def given_arrays(value: Any) -> str:
    """The name under which :func:`read_source` finds arrays that were given in Python.

    Args:
        value: ``(x_train, y_train, x_test, y_test)``, or a mapping with these keys; ``groups_train``, or
            ``x_validation`` and ``y_validation``, may follow.

    Raises:
        ValueError: It is neither, or an array is none.

    Example:
        >>> x, y = np.zeros((2, 4)), np.array([0, 1])
        >>> name = given_arrays((x, y, x, y))
        >>> name, read_source(name, None).y_train.tolist()
        ('python:arrays_...', [0, 1])
    """
    if isinstance(value, dict):
        keys = next(((*NPZ_KEYS, *more) for more in MORE_KEYS if set(value) == {*NPZ_KEYS, *more}), ())
        value = [value[key] for key in keys]
    if not isinstance(value, tuple | list) or len(value) not in _KEYS_BY_COUNT:
        raise ValueError(f"arrays must be given as ({', '.join(NPZ_KEYS)})")
    names = _KEYS_BY_COUNT[len(value)]
    arrays = tuple(as_array(array, name) for array, name in zip(value, names, strict=True))
    digest = hashlib.blake2b(digest_size=6)
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode() + array.tobytes())
    return give(f"arrays_{digest.hexdigest()}", lambda: arrays)


def read_source(source: str, data_dir: Path | None, max_bytes: int | None = None) -> RawData:
    """Read one of the sources that :func:`explorer.data.dataset.load_data` lists.

    Args:
        source: Name of the source.
        data_dir: Folder with data files; ``EXPLORER_DATA_DIR`` is looked at after it.
        max_bytes: That arrays of files may take in memory, see
            :func:`explorer.runtime.edge.claims.most_bytes`.

    Raises:
        UserError: Unknown source; missing, unreadable, damaged, too large or wrong file; failed download.

    Example:
        >>> raw = read_source("digits", data_dir=None)
        >>> raw.x_train.shape, raw.x_test.shape
        ((1437, 8, 8), (360, 8, 8))
    """
    if source == "digits":
        return _read_digits()
    folders = [data_dir] if data_dir is not None else []
    if from_environment := os.environ.get(DATA_DIR_VARIABLE):
        folders.append(Path(from_environment))
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: --data-dir and {DATA_DIR_VARIABLE} must name an existing folder")
    limit = most_bytes(max_bytes)
    if source in ARCHIVED_SOURCES:
        return RawData(source, *read_archived(source, folders, limit))
    kind, _, rest = source.partition(":")
    if kind == "npz" and rest:
        return _read_npz(Path(rest).expanduser(), folders, limit)
    if kind in ("folder", "npy") and rest:
        found = _find(Path(rest).expanduser(), folders, Path.is_dir)
        if found is None:
            raise UserError(f"{source}: must name an existing folder, found none")
        if kind == "npy":
            return _read_npy(found, limit)
        arrays, class_names = read_image_folder(found, limit)
        raw = _named(f"folder:{found.name}", arrays, _KEYS_BY_COUNT[len(arrays)])
        return replace(raw, class_names=class_names, unread=unread_note(found))
    if _FUNCTION.fullmatch(source):
        return _call(source)
    raise UserError(
        f"data source must be digits, {', '.join(ARCHIVED_SOURCES)}, npz:PATH, npy:DIR, folder:PATH or "
        f"package.module:function, got {source!r}"
    )


def _find(path: Path, folders: list[Path], exists: Callable[[Path], bool]) -> Path | None:
    """A relative path is looked for in the working directory, then in ``folders``."""
    return next((place for place in (path, *(folder / path for folder in folders)) if exists(place)), None)


def _call(source: str) -> RawData:
    """What a user's function returns."""
    function = import_function(source, "data source")
    with user_code(f"data source {source!r}"):
        returned = function()
    if not isinstance(returned, tuple) or len(returned) not in _KEYS_BY_COUNT:
        got = f"{len(returned)} values" if isinstance(returned, tuple) else type(returned).__name__
        raise UserError(f"data source {source!r}: must return the tuple ({', '.join(NPZ_KEYS)}), got {got}")
    keys = _KEYS_BY_COUNT[len(returned)]
    where = f"data source {source!r}"
    with user_code(f"{where}: must return arrays", told=(UserError,)):  # a type of theirs may do anything
        arrays = [as_array(value, f"{where}: {key}") for value, key in zip(returned, keys, strict=True)]
    return _named(source, arrays, keys)


def _named(name: str, arrays: Iterable[Array], keys: Sequence[str]) -> RawData:
    """Data by the names of their arrays."""
    named: dict[str, Any] = dict(zip(keys, arrays, strict=True))
    return RawData(name, **named)


def _read_digits() -> RawData:
    """8x8 grey images with values 0 .. 16; the test part is fixed: 36 random samples of every class."""
    table = _digits_table()
    images, labels = table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)
    order = np.random.RandomState(0).permutation(len(labels))
    test = np.sort(
        np.concatenate([order[labels[order] == label][:DIGITS_TEST_PER_CLASS] for label in range(10)])
    )
    is_train = np.ones(len(labels), dtype=bool)
    is_train[test] = False
    return RawData("digits", images[is_train], labels[is_train], images[test], labels[test])


def _digits_table() -> Array:
    """What ``sklearn.datasets.load_digits`` reads; importing scikit-learn takes ten times as long."""
    package = find_spec("sklearn")
    assert package is not None
    assert package.submodule_search_locations
    path = Path(package.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    return np.loadtxt(path, delimiter=",")


def _read_npz(path: Path, folders: list[Path], limit: int) -> RawData:
    """Read a user's arrays."""
    found = _find(path, folders, Path.exists)
    if found is None:
        raise UserError(f"npz:{path}: must name an existing .npz file, found none")
    check_regular(found)
    with found.open("rb") as file:
        if file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX:
            raise UserError(
                f"{found}: must be an .npz archive with {', '.join(NPZ_KEYS)}, got a single array"
            )
        file.seek(0)
        archive = _readable(found, "the file", partial(np.load, file, allow_pickle=False))
        if missing := [key for key in NPZ_KEYS if key not in archive]:
            held = ", ".join(archive.files) or "nothing"
            raise UserError(f"{found}: must hold {', '.join(NPZ_KEYS)}, got {held}; missing {missing[0]}")
        more = _more_keys(found, archive.files)
        keys = (*NPZ_KEYS, *more)
        named = [CLASS_NAMES] if CLASS_NAMES in archive else []
        _readable(found, "the file", lambda: check_npz(found, [*keys, *named], limit))
        arrays = [np.asarray(_readable(found, key, partial(archive.__getitem__, key))) for key in keys]
        names: tuple[str, ...] = ()
        if named:
            given = np.asarray(_readable(found, CLASS_NAMES, partial(archive.__getitem__, CLASS_NAMES)))
            names = _checked_names(found, given)
    raw = _named(f"npz:{found.name}", arrays, keys)
    return replace(raw, class_names=names, unread=_unread(found, archive.files, keys))


def _read_npy(folder: Path, limit: int) -> RawData:
    """Read a user's arrays from files of their own."""
    held = sorted(path.stem for path in folder.glob("*.npy"))
    keys = (*NPZ_KEYS, *_more_keys(folder, held))
    raw = _named(f"npy:{folder.name}", read_npy_folder(folder, keys, limit), keys)
    if CLASS_NAMES in held:
        (given,) = read_npy_folder(folder, [CLASS_NAMES], limit)
        raw = replace(raw, class_names=_checked_names(folder / f"{CLASS_NAMES}.npy", given))
    return replace(raw, unread=_unread(folder, held, keys))


def _unread(path: Path, held: Sequence[str], keys: Sequence[str]) -> str:
    """Arrays that are there and mean nothing here, which may be a name that was mistaken; else empty."""
    others = [name for name in held if name not in (*keys, CLASS_NAMES)]
    if not others:
        return ""
    known = ", ".join(dict.fromkeys(key for more in MORE_KEYS for key in (*more, CLASS_NAMES)))
    return printable(f"{path.name}: not read: {', '.join(others)}; beside the four arrays may stand {known}")


def _checked_names(path: Path, names: Array) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind != "U" or len(set(names.tolist())) < len(names):
        got = f"{names.dtype} of shape {names.shape}"
        raise UserError(f"{path}: {CLASS_NAMES} must be text (C,), each name once, got {got}")
    return tuple(names.tolist())


def _more_keys(path: Path, held: Sequence[str]) -> Sequence[str]:
    """Of an archive: groups, or a validation part, where it has them."""
    found = [more for more in MORE_KEYS if any(key in held for key in more)]
    keys = [key for more in found for key in more]
    if len(found) > 1 or any(key not in held for key in keys):
        raise UserError(
            f"{path}: must hold groups_train, or x_validation and y_validation, or none of them, got "
            f"{', '.join(key for key in keys if key in held)}"
        )
    return keys


def _readable(path: Path, what: str, read: Callable[[], Any]) -> Any:
    """Call ``read``; what numpy says about pickled or damaged content becomes a :class:`UserError`."""
    try:
        return read()
    except UserError:
        raise
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        what_is_wrong = "pickled or damaged data" if isinstance(error, ValueError) else error
        raise UserError(
            f"{path}: {what} must be plain numpy data (no pickled or object arrays), got: {what_is_wrong}"
        ) from error
