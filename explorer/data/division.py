"""How labelled samples are divided into train and validation: by class shares, and groups stay whole."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from explorer.data.groups import whole_groups
from explorer.data.sources import RawData
from explorer.errors import UserError

IndexArray = npt.NDArray[np.int64]


def divided(
    raw: RawData, num_classes: int, train_samples: int | None, validation_samples: int, seed: int
) -> tuple[IndexArray, IndexArray]:
    """Samples of train, by number in the training part, and of validation, in the part it is drawn from.

    Args:
        raw: Checked data.
        num_classes: All of them are in the training part.
        train_samples: Size of train; None takes all that remain.
        validation_samples: Size of validation.
        seed: 0 .. 2**32 - 1.

    Raises:
        UserError: A size does not fit, or groups cannot be divided so that train has every class.

    Example:
        >>> x, y = np.zeros((8, 1)), np.array([0, 1] * 4)
        >>> raw = RawData("mine", x, y, x, y, groups_train=np.repeat(["ann", "bob"], 4))
        >>> train, validation = divided(raw, num_classes=2, train_samples=None, validation_samples=3, seed=0)
        >>> len(set(raw.groups_train[train]) & set(raw.groups_train[validation])), len(validation)
        (0, 3)
    """
    if raw.y_validation is not None:
        return _with_own_validation(
            raw, raw.y_validation, num_classes, train_samples, validation_samples, seed
        )
    if raw.groups_train is not None:
        return _by_group(raw, raw.groups_train, num_classes, train_samples, validation_samples, seed)
    train_samples = _train_size(raw, num_classes, train_samples, validation_samples)
    counts = np.bincount(raw.y_train)
    validation_sizes = quotas(counts - 1, validation_samples)  # one sample per class is left for train
    train_sizes = quotas(counts - validation_sizes, train_samples)
    validation, train = draw(raw.y_train, [validation_sizes, train_sizes], seed)
    return train, validation


def _with_own_validation(
    raw: RawData, labels: IndexArray, num_classes: int, train_samples: int | None, size: int, seed: int
) -> tuple[IndexArray, IndexArray]:
    if not 1 <= size <= len(labels):
        raise UserError(
            f"{raw.name}: validation_samples must be 1 .. {len(labels)} (x_validation), got {size}"
        )
    everything = np.arange(len(raw.y_train))
    train = _drawn_of(raw, everything, _size_of(raw, everything, train_samples, num_classes), seed)
    (validation,) = draw(labels, [quotas(np.bincount(labels, minlength=num_classes), size)], seed)
    return train, validation


def _by_group(
    raw: RawData,
    groups: npt.NDArray[np.generic],
    num_classes: int,
    train_samples: int | None,
    size: int,
    seed: int,
) -> tuple[IndexArray, IndexArray]:
    if size < 1:
        raise UserError(f"{raw.name}: validation_samples must be at least 1, got {size}")
    chosen = whole_groups(raw.y_train, groups, size, seed)
    if chosen is None:
        raise UserError(
            f"{raw.name}: groups_train must leave every class to train when {size} samples "
            f"(validation_samples) are taken in whole groups, got {len(np.unique(groups))} groups of "
            f"{len(groups)} samples"
        )
    rest, own = np.flatnonzero(~chosen), np.flatnonzero(chosen)
    train = _drawn_of(raw, rest, _size_of(raw, rest, train_samples, num_classes), seed)
    return train, _drawn_of(raw, own, size, seed)


def _size_of(raw: RawData, rows: IndexArray, size: int | None, num_classes: int) -> int:
    if size is not None and not num_classes <= size <= len(rows):
        raise UserError(
            f"{raw.name}: train_samples must be {num_classes} (one per class) .. {len(rows)} (what "
            f"validation leaves), got {size}"
        )
    return len(rows) if size is None else size


def _drawn_of(raw: RawData, rows: IndexArray, size: int, seed: int) -> IndexArray:
    """So many of the rows, with their class shares."""
    labels = raw.y_train[rows]
    (drawn,) = draw(labels, [quotas(np.bincount(labels), size)], seed)
    return np.asarray(rows[drawn])


def _train_size(raw: RawData, num_classes: int, train_samples: int | None, validation_samples: int) -> int:
    """The size of train, after checking that train and validation fit into the training part."""
    available = len(raw.y_train)
    if not 1 <= validation_samples <= available - num_classes:
        raise UserError(
            f"{raw.name}: validation_samples must be 1 .. {available - num_classes} (one of the {available}"
            f" training samples per class is left for train), got {validation_samples}"
        )
    remaining = available - validation_samples
    size = remaining if train_samples is None else train_samples
    if not num_classes <= size <= remaining:
        raise UserError(
            f"{raw.name}: train_samples must be {num_classes} (one per class) .. {remaining} ({available}"
            f" less {validation_samples} for validation), got {size}"
        )
    return size


def quotas(available: IndexArray, size: int) -> IndexArray:
    """Share ``size`` samples among classes in proportion to ``available``, by largest remainders.

    Where ``size`` allows, a class with samples gets at least one, taken from the largest quota.

    Args:
        available: Samples per class, shape (C,), sum >= size.
        size: Samples to choose.

    Returns:
        Shape (C,), never above ``available``, sum ``size``.

    Example:
        >>> quotas(np.array([60, 30, 10]), 10)
        array([6, 3, 1])
    """
    shares, remainders = np.divmod(available * size, available.sum())
    largest_first = np.argsort(-remainders, kind="stable")
    shares[largest_first[: size - shares.sum()]] += 1
    if size >= np.count_nonzero(available):
        for label in np.flatnonzero((shares == 0) & (available > 0)):
            shares[shares.argmax()] -= 1
            shares[label] += 1
    return shares


def draw(labels: IndexArray, sizes: list[IndexArray], seed: int) -> list[IndexArray]:
    """Disjoint random subsets with given samples per class, each in shuffled order.

    ``RandomState`` because its stream is frozen for good (NEP 19): an upgrade of numpy keeps the subsets.

    Args:
        labels: Shape (N,), values 0 .. C - 1.
        sizes: Samples per class, shape (C,), of each subset.
        seed: 0 .. 2**32 - 1.

    Example:
        >>> labels = np.array([0, 0, 0, 1, 1, 1])
        >>> one, other = draw(labels, [np.array([1, 1]), np.array([2, 1])], seed=0)
        >>> sorted(labels[one].tolist()), len(set(one.tolist()) | set(other.tolist()))
        ([0, 1], 5)
    """
    order = np.random.RandomState(seed).permutation(len(labels))
    shuffled = labels[order]
    rank = np.empty(len(labels), dtype=np.int64)  # place of a sample among those of its class
    for label, count in enumerate(np.bincount(shuffled)):
        rank[shuffled == label] = np.arange(count)
    bounds = np.cumsum([np.zeros_like(sizes[0]), *sizes], axis=0)
    return [order[(start[shuffled] <= rank) & (rank < stop[shuffled])] for start, stop in pairwise(bounds)]
