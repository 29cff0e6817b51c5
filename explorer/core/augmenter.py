"""Which augmentations a recipe asks for, and their doing: drawn anew at each step, from its number alone."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from explorer.core.augment import AUGMENTATIONS, IMAGES, Augmentation, Batch, Option
from explorer.errors import UserError
from explorer.utils.imports import import_function


@dataclass(frozen=True)
class AugmentStep:
    """One augmentation of a recipe.

    Attributes:
        name: One of :data:`explorer.core.augment.AUGMENTATIONS`, or ``package.module:function`` of a user: it
            takes inputs (B, ...), labels as :class:`explorer.core.augment.Batch` has them, and a generator,
            and gives inputs and labels.
        options: All options of a registered one by name, ascending.

    Example:
        >>> AugmentStep.of("crop_and_flip", {"pixels": 2}).options
        (('flip', 0.5), ('pixels', 2))
        >>> AugmentStep.of("cutout", {"size": 0})
        Traceback (most recent call last):
            ...
        ValueError: `size >= 1` must hold for cutout, got 0
    """

    name: str
    options: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, name: str, options: Mapping[str, object] | None = None) -> Self:
        """Check name and options, and fill in defaults.

        Raises:
            ValueError: There is no such augmentation or option, or a value is out of range.
        """
        given = dict(options or {})
        if ":" in name:
            if given:
                raise ValueError(f"a function of yours takes no options, got {given} for {name!r}")
            return cls(name)
        if name not in AUGMENTATIONS:
            known = ", ".join(AUGMENTATIONS)
            raise ValueError(f"must be one of {known}, or package.module:function, got {name!r}")
        known_options = AUGMENTATIONS[name].options
        if unknown := [key for key in given if key not in known_options]:
            known = ", ".join(known_options)
            raise ValueError(f"{name} has no option {unknown[0]!r}; it has: {known}")
        values = {key: option.default for key, option in known_options.items()}
        values |= {key: _checked(name, key, value, known_options[key]) for key, value in given.items()}
        return cls(name, tuple(sorted(values.items())))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Rebuild a step from its fields as JSON has them."""
        return cls(content["name"], tuple((name, value) for name, value in content["options"]))


def _checked(name: str, key: str, value: object, option: Option) -> float:
    whole = isinstance(option.default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ValueError(f"{key} of {name} must be a {'whole ' * whole}number, got {value!r}")
    if not option.low <= value <= option.high:
        upper = f" <= {option.high:g}" if option.high < float("inf") else ""
        rule = f"{option.low:g} <= {key}{upper}" if upper else f"{key} >= {option.low:g}"
        raise ValueError(f"`{rule}` must hold for {name}, got {value:g}")
    return value


def check_augment(steps: Sequence[AugmentStep], input_shape: tuple[int, ...], where: str) -> None:
    """Refuse what does not go with the data, and functions that cannot be imported.

    Args:
        steps: Of a recipe.
        input_shape: Of one sample, without the batch.
        where: The key of the space, for messages.

    Raises:
        UserError: As said.

    Example:
        >>> check_augment([AugmentStep.of("shift")], (1, 8, 8), "training.augment")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: training.augment: shift is for series (C, L), got ... (1, 8, 8)
    """
    for step in steps:
        if ":" in step.name:
            import_function(step.name, where)
            continue
        axes, options = AUGMENTATIONS[step.name].axes, dict(step.options)
        if axes and axes != len(input_shape) + 1:
            kind = "images (C, H, W)" if axes == IMAGES else "series (C, L)"
            raise UserError(f"{where}: {step.name} is for {kind}, got samples of shape {input_shape}")
        for name in ("pixels", "size", "steps", "length"):
            if options.get(name, 0) > min(input_shape[1:], default=0):
                raise UserError(
                    f"{where}: {name} of {step.name} must be at most the samples' extent, got "
                    f"{options[name]} for samples of shape {input_shape}"
                )


class Augmenter:
    """Does the steps of a recipe to batches; what it draws follows from seed and step alone.

    So a training that stops and goes on draws what it would have drawn.

    Args:
        steps: In order.
        seed: Of the recipe.
        device: Of the batches.

    Example:
        >>> augmenter = Augmenter([AugmentStep.of("noise", {"std": 0.1})], seed=0, device=torch.device("cpu"))
        >>> batch = Batch(torch.zeros(2, 8), torch.tensor([0, 1]), num_classes=2)
        >>> first, second, again = (augmenter(batch, step).inputs for step in (0, 1, 0))
        >>> torch.equal(first, again), torch.equal(first, second)
        (True, False)
    """

    def __init__(self, steps: Sequence[AugmentStep], seed: int, device: torch.device) -> None:
        self._seed, self._generator = seed, torch.Generator(device)
        self._functions = [_function(step) for step in steps]

    def __call__(self, batch: Batch, step: int) -> Batch:
        """The batch of a step, counted from the first of the training, augmented.

        Raises:
            ValueError: A function of the user's gives other shapes.
        """
        digest = hashlib.blake2b(f"{self._seed}/{step}".encode(), digest_size=7).digest()
        self._generator.manual_seed(int.from_bytes(digest))
        augmented = batch
        for function in self._functions:
            augmented = function(augmented, self._generator)
        # convolutions take their memory format from the strides, even of a single channel
        if augmented.inputs.stride() != batch.inputs.stride():
            augmented = replace(augmented, inputs=torch.empty_like(batch.inputs).copy_(augmented.inputs))
        return augmented


def _function(step: AugmentStep) -> Augmentation:
    if ":" in step.name:
        return _of_user(step.name)
    function, options = AUGMENTATIONS[step.name].function, dict(step.options)
    return lambda batch, generator: function(batch, generator, **options)


def _of_user(name: str) -> Augmentation:
    function = import_function(name, "training.augment")

    def augmented(batch: Batch, generator: torch.Generator) -> Batch:
        given = function(batch.inputs, batch.labels, generator)
        if not (isinstance(given, tuple) and len(given) == 2 and all(isinstance(x, Tensor) for x in given)):
            raise ValueError(f"{name} must return two tensors, inputs and labels, got {type(given).__name__}")
        inputs, labels = given
        fitting = [(len(batch.inputs),), (len(batch.inputs), batch.num_classes)]
        if inputs.shape != batch.inputs.shape or tuple(labels.shape) not in fitting:
            raise ValueError(
                f"{name} must return inputs {tuple(batch.inputs.shape)} and labels {fitting[0]} or "
                f"{fitting[1]}, got {tuple(inputs.shape)} and {tuple(labels.shape)}"
            )
        return Batch(inputs, labels, batch.num_classes)

    return augmented
