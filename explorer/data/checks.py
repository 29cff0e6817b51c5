"""What a data set must satisfy before anything is trained on it: array kinds, shapes, labels."""

from dataclasses import replace
from typing import Literal

import numpy as np

from explorer.data.archives import Array
from explorer.data.sources import RawData
from explorer.errors import UserError

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
_IMAGE_CHANNELS = (1, 3, 4)  # grey, RGB, RGBA

Layout = Literal["images", "series"]


def checked(raw: RawData, layout: Layout) -> RawData:
    """Check both parts and bring them to one form.

    Returns:
        Inputs (N, C, H, W) or (N, F), series (N, C, L), their type unchanged; labels int64 (N,), every class
        ``0 .. C - 1`` present in ``y_train``.

    Raises:
        UserError: Wrong type, shape, length, value or label; the message names the array.

    Example:
        >>> x, y = np.zeros((3, 8, 8)), np.array([0, 1, 1])
        >>> checked(RawData("mine", x, y, x, y), "images").x_train.shape
        (3, 1, 8, 8)
        >>> checked(RawData("mine", x, y + 1, x, y), "images")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: mine: y_train must hold every class 0 .. C-1 without gaps, ...
    """
    train, test = (
        _channels_first(_checked_values(inputs, where), layout, where)
        for inputs, where in ((raw.x_train, f"{raw.name}: x_train"), (raw.x_test, f"{raw.name}: x_test"))
    )
    if train.shape[1:] != test.shape[1:]:
        raise UserError(
            f"{raw.name}: x_train and x_test must hold samples of one shape,"
            f" got {train.shape[1:]} and {test.shape[1:]}"
        )
    if (train.dtype == np.uint8) != (test.dtype == np.uint8):
        raise UserError(
            f"{raw.name}: x_train and x_test must both be uint8 (scaled by 1/255) or neither,"
            f" got {train.dtype} and {test.dtype}"
        )
    train_labels = _checked_labels(raw.y_train, len(train), f"{raw.name}: y_train")
    test_labels = _checked_labels(raw.y_test, len(test), f"{raw.name}: y_test")
    classes = np.unique(train_labels)
    if not np.array_equal(classes, np.arange(len(classes))):
        raise UserError(
            f"{raw.name}: y_train must hold every class 0 .. C-1 without gaps,"
            f" got {len(classes)} classes from {classes[0]} to {classes[-1]}{_first_gap(classes)}"
        )
    if raw.class_names and len(raw.class_names) != len(classes):
        raise UserError(
            f"{raw.name}: class_names must hold {len(classes)} names, one per class of y_train, got"
            f" {len(raw.class_names)}"
        )
    for name in raw.class_names:
        if not (name and name.isprintable()):
            raise UserError(f"{raw.name}: names of classes must be printable text, got {name!r}")
    if len(classes) < 2:
        raise UserError(f"{raw.name}: y_train must hold at least 2 classes, got {len(classes)}")
    if (unknown := test_labels[(test_labels < 0) | (test_labels >= len(classes))]).size:
        raise UserError(
            f"{raw.name}: y_test must hold only the classes 0 .. {len(classes) - 1} of y_train,"
            f" got {unknown[0]}"
        )
    found = replace(raw, x_train=train, y_train=train_labels, x_test=test, y_test=test_labels)
    return _checked_validation(_checked_groups(found), layout, len(classes))


def _checked_groups(raw: RawData) -> RawData:
    if raw.groups_train is None:
        return raw
    groups = np.asarray(raw.groups_train)
    groups = groups[:, 0] if groups.ndim == 2 and groups.shape[1] == 1 else groups
    if groups.shape != (len(raw.y_train),) or groups.dtype.kind not in "buiUS":
        raise UserError(
            f"{raw.name}: groups_train must hold one whole number or text per training sample, shape "
            f"({len(raw.y_train)},), got {groups.shape} of dtype {groups.dtype}"
        )
    return replace(raw, groups_train=groups)


def _checked_validation(raw: RawData, layout: Layout, num_classes: int) -> RawData:
    """Of a validation part of its own, if there is one, as of the test part."""
    if raw.x_validation is None or raw.y_validation is None:
        return raw
    where = f"{raw.name}: x_validation"
    inputs = _channels_first(_checked_values(raw.x_validation, where), layout, where)
    kinds = (inputs.dtype == np.uint8, raw.x_train.dtype == np.uint8)
    if inputs.shape[1:] != raw.x_train.shape[1:] or kinds[0] != kinds[1]:
        raise UserError(
            f"{where} must hold samples as x_train does, {raw.x_train.shape[1:]} of dtype "
            f"{raw.x_train.dtype}, got {inputs.shape[1:]} of dtype {inputs.dtype}"
        )
    labels = _checked_labels(raw.y_validation, len(inputs), f"{raw.name}: y_validation")
    if (unknown := labels[(labels < 0) | (labels >= num_classes)]).size:
        raise UserError(
            f"{raw.name}: y_validation must hold only the classes 0 .. {num_classes - 1} of y_train, got "
            f"{unknown[0]}"
        )
    return replace(raw, x_validation=inputs, y_validation=labels)


def _checked_values(inputs: Array, where: str) -> Array:
    """Numbers that a float32 can hold, at least one."""
    if inputs.dtype.kind not in "buif":
        raise UserError(f"{where} must hold numbers, got {_described(inputs)}")
    if inputs.size and inputs.dtype.kind == "f":  # whole numbers fit, and may lie in a large file
        low, high = float(inputs.min()), float(inputs.max())  # NaN propagates into both
        if not (low >= -_LARGEST_FLOAT32 and high <= _LARGEST_FLOAT32):
            raise UserError(f"{where} must be finite and fit float32, got {_unfit(inputs)}")
    return inputs


def _unfit(inputs: Array) -> str:
    """The first value that no float32 is, and how many samples have such."""
    samples = np.asarray(inputs).reshape(len(inputs), -1)
    with np.errstate(over="ignore"):
        fits = np.isfinite(samples.astype(np.float32))
    first, count = int(np.argmin(fits.all(axis=1))), int((~fits.all(axis=1)).sum())
    others = f" ({count:,} samples have such)" if count > 1 else ""
    return f"{samples[first][~fits[first]][0]} in sample {first:,}{others}"


def _described(values: Array) -> str:
    """What an array holds in place of numbers."""
    if values.size and values.dtype.kind in "US":
        return f"text such as {str(values.flat[0])!r}"
    if values.size and values.dtype.kind == "O":
        return f"objects such as {type(values.flat[0]).__name__}"
    return f"dtype {values.dtype}"


def _channels_first(inputs: Array, layout: Layout, where: str) -> Array:
    if layout == "series":
        if inputs.ndim not in (2, 3) or inputs.size == 0:
            raise UserError(
                f"{where} must have the shape (N, L) or (N, C, L) with `layout: series`, and not be empty,"
                f" got {inputs.shape}"
            )
        return inputs if inputs.ndim == 3 else inputs[:, np.newaxis]
    if inputs.ndim not in (2, 3, 4) or inputs.size == 0:
        raise UserError(
            f"{where} must have the shape (N, F), (N, H, W), (N, C, H, W), or (N, H, W, C) for uint8,"
            f" and not be empty, got {inputs.shape}"
        )
    if inputs.ndim == 3:
        return inputs[:, np.newaxis]
    if inputs.ndim == 4 and inputs.shape[3] in _IMAGE_CHANNELS:
        if inputs.dtype == np.uint8:
            return inputs.transpose(0, 3, 1, 2)
        if inputs.shape[1] not in _IMAGE_CHANNELS:
            raise UserError(
                f"{where} looks like (N, H, W, C) but only uint8 images may have channels last;"
                f" {inputs.dtype} must be (N, C, H, W), got {inputs.shape}"
            )
    return inputs


def _first_gap(classes: Array) -> str:
    """The smallest class that nobody has, for a message; nothing where numbers are no classes at all."""
    if not 0 <= classes[0] < classes[-1]:
        return ""
    missing = int(np.argmax(classes != np.arange(len(classes))))
    return f", none is {missing}"


def _checked_labels(labels: Array, num_samples: int, where: str) -> Array:
    """Whole numbers, one per sample, as int64; a column (N, 1) is accepted."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (num_samples,):
        raise UserError(f"{where} must hold one label per sample, shape ({num_samples},), got {labels.shape}")
    if labels.dtype.kind not in "buif":
        raise UserError(f"{where} must hold whole numbers, got {_described(labels)}")
    with np.errstate(invalid="ignore"):  # what does not fit changes, and is named below
        as_int64: Array = np.nan_to_num(labels).astype(np.int64)
    if (changed := labels[as_int64 != labels]).size:
        raise UserError(f"{where} must hold whole numbers, got {changed[0]} (dtype {labels.dtype})")
    return as_int64
