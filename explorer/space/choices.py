"""What may be chosen of data, backbones, densities and thresholds: the parts of a search space file."""

import re
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

from explorer.core.sparsity.layers import InitialWeights
from explorer.data.checks import Layout
from explorer.data.sources import given_arrays
from explorer.space.strict import Strict
from explorer.space.training import Start, TrainingOverrides
from explorer.utils.imports import name_of
from explorer.utils.numbers import Number, Whole, shown

# beside arguments of a factory, whose names are identifiers
INPUT_POOL_CHOICE, BOTTLENECK_CHOICE = "input-pool", "learned-bottleneck"
MAX_STEPS = 10_000  # of confidence thresholds; the sweep reads every distinct one whatever the steps
_FRACTION = re.compile(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", re.ASCII)


def _fraction(value: object) -> float:
    """Densities may be written 0.25 or "1/4"."""
    if isinstance(value, str) and (match := _FRACTION.fullmatch(value)) and int(match[2]):
        return float(Fraction(int(match[1]), int(match[2])))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number or a fraction such as '1/4'")
    return float(value)


def _once(values: list[Any]) -> list[Any]:
    """Choices that stand twice would be counted, and proposed, twice."""
    texts = [repr(value) for value in values]
    if twice := [value for value, text in zip(values, texts, strict=True) if texts.count(text) > 1]:
        raise ValueError(f"every choice must be given once, got {shown(twice[0])} twice")
    return values


Density = Annotated[float, BeforeValidator(_fraction), Field(gt=0, le=1)]


def _name(value: str) -> str:
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_-]{0,31}", value):
        raise ValueError("must be a letter and at most 31 more letters, digits, - and _")
    return value


def _factory(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", value):
        raise ValueError("must read package.module:function")
    return value


Name = Annotated[str, AfterValidator(_name)]


def _named(value: object) -> object:
    """A factory may be given as an object; it goes by a name from here on."""
    return value if isinstance(value, str) or value is None else name_of(value)


def _named_source(value: object) -> object:
    """Data may be given as four arrays; they go by a name from here on."""
    if callable(value):
        return name_of(value)
    return given_arrays(value) if isinstance(value, tuple | list | dict) else value


class DensityRange(Strict):
    """Legal densities between ``low`` and ``high``, thinned to ``limit`` of them evenly by ratio.

    Example:
        >>> DensityRange(low="1/8")
        DensityRange(low=0.125, high=1.0, limit=8)
    """

    low: Density = 0.05
    high: Density = 1.0
    limit: Whole = Field(default=8, ge=1, le=64)

    @model_validator(mode="after")
    def _ordered(self) -> "DensityRange":
        if self.low > self.high:
            raise ValueError(f"`low <= high` must hold, got low={self.low:g}, high={self.high:g}")
        return self


def _form(value: object) -> str:
    """Which form a value with several forms was written in; problems are reported for that form alone."""
    if isinstance(value, DensityRange) or (
        isinstance(value, dict) and set(value) <= set(DensityRange.model_fields)
    ):
        return "<range>"
    if isinstance(value, dict | Moments):
        return "<mapping>"
    return "<list>" if isinstance(value, list) else "<word>"


_DensityList = Annotated[list[Density], Field(min_length=1), AfterValidator(_once), Tag("<list>")]
_DensityRange = Annotated[DensityRange, Tag("<range>")]
_Auto = Annotated[Literal["auto"], Tag("<word>")]
DensityChoice = Annotated[_Auto | _DensityList | _DensityRange, Discriminator(_form)]
_DensityMapping = Annotated[dict[str, DensityChoice], Tag("<mapping>")]
_Names = Annotated[list[str], Field(min_length=1), AfterValidator(_once), Tag("<list>")]
_All = Annotated[Literal["all"], Tag("<word>")]
_GroupRule = Annotated[Literal["junction", "stage", "all"], Tag("<word>")]


class Moments(Strict):
    """Mean and standard deviation per channel, or one for all, after uint8 was scaled to [0, 1].

    Example:
        >>> Moments(mean=[0.5, 0.5, 0.5], std=[0.2, 0.2])
        Traceback (most recent call last):
            ...
        pydantic_core._pydantic_core.ValidationError: ... must have as many numbers, got 3 and 2 ...
    """

    mean: Annotated[list[Number], Field(min_length=1)]
    std: Annotated[list[Annotated[Number, Field(gt=0)]], Field(min_length=1)]

    @model_validator(mode="after")
    def _pairs(self) -> "Moments":
        if len(self.mean) != len(self.std):
            got = f"{len(self.mean)} and {len(self.std)}"
            raise ValueError(f"mean and std must have as many numbers, got {got}")
        return self


_Scaling = Annotated[Literal["train", "none"], Tag("<word>")]
_GivenMoments = Annotated[Moments, Tag("<mapping>")]


class DataSpec(Strict):
    """Which data, how many samples each subset has (None: all that remain), what the axes mean, and scaling.

    ``normalise``: by mean and standard deviation of the training subset; not at all; or by those given, of
    each channel or of all (a network trained elsewhere wants what it was trained with).

    Example:
        >>> spec = DataSpec(source="digits", validation_samples=400, normalise={"mean": [8], "std": [4]})
        >>> spec.train_samples, spec.scaling
        (None, ([8.0], [4.0]))
    """

    source: Annotated[str, BeforeValidator(_named_source)]
    train_samples: Whole | None = Field(default=None, ge=1)
    validation_samples: Whole = Field(ge=1)
    test_samples: Whole | None = Field(default=None, ge=1)
    seed: Whole = Field(default=0, ge=0)
    layout: Layout = "images"
    normalise: Annotated[_Scaling | _GivenMoments, Discriminator(_form)] = "train"

    @property
    def scaling(self) -> Literal["train", "none"] | tuple[list[float], list[float]]:
        """As :func:`explorer.data.dataset.load_data` takes it."""
        return (
            (self.normalise.mean, self.normalise.std)
            if isinstance(self.normalise, Moments)
            else self.normalise
        )


class BottleneckSpec(Strict):
    """See :class:`explorer.core.bottleneck.Bottleneck`.

    Example:
        >>> narrow = {"at": "relu1", "channels": 4}
        >>> BackboneSpec(factory="explorer.backbones:mlp", bottleneck=[None, narrow]).bottleneck
        [None, BottleneckSpec(at='relu1', channels=4)]
    """

    at: str
    channels: Whole = Field(ge=1)


class BackboneSpec(Strict):
    """A factory ``package.module:function`` and what is chosen of it.

    Attributes:
        arguments: Choices for each argument of the factory.
        densities: For all junctions, or by path or pattern (``stage3.*``); what no key fits stays dense.
        density_groups: Junctions that share one density: each alone, by stage, all, or by patterns.
        split_points: Names of those allowed.
        exits: Names of split points that carry an exit classifier.
        input_pool: Choices of the average pooling before the backbone, see
            :mod:`explorer.core.input_pool`; 1 for none.
        bottleneck: Choices of a learned bottleneck; None for none.
        max_crossing_tensors: How many tensors a split point may send together, as inside a residual block.
        pretrained: Whether the factory gives trained weights; None: found out by building it with two seeds,
            since weights that do not depend on the seed come from elsewhere.
        initial_weights: What sparse layers start from, see
            :class:`explorer.core.sparsity.layers.InitialWeights`; None: ``keep``
            where the factory gives trained weights, else ``draw``.
        rescale, placement: See there.
        training: What its networks are trained with in place of the space's own.

    Example:
        >>> spec = BackboneSpec(factory="explorer.backbones:mlp", densities={"fc*": ["1/4", 1]})
        >>> spec.density_choice("fc1"), spec.density_choice("classifier")
        ([0.25, 1.0], [1.0])
    """

    factory: Annotated[str, BeforeValidator(_named), AfterValidator(_factory)]
    arguments: dict[str, Annotated[list[Any], Field(min_length=1), AfterValidator(_once)]] = {}
    densities: Annotated[_Auto | _DensityList | _DensityRange | _DensityMapping, Discriminator(_form)] = (
        "auto"
    )
    density_groups: Annotated[_GroupRule | _Names, Discriminator(_form)] = "junction"
    split_points: Annotated[_All | _Names, Discriminator(_form)] = "all"
    exits: Annotated[_All | _Names, Discriminator(_form)] = "all"
    input_pool: Annotated[list[Annotated[Whole, Field(ge=1)]], Field(min_length=1)] = [1]
    bottleneck: Annotated[list[BottleneckSpec | None], Field(min_length=1), AfterValidator(_once)] = [None]
    max_crossing_tensors: Whole = Field(default=1, ge=1, le=8)
    pretrained: bool | None = None
    initial_weights: Literal["draw", "keep"] | None = None
    rescale: Literal["linear", "all", "none"] = "linear"
    placement: Literal["seed", "magnitude"] = "seed"
    training: TrainingOverrides = TrainingOverrides()

    def initial(self, pretrained: bool, start: Start = "scratch") -> InitialWeights:
        """What sparse layers start from; ``pretrained`` was found out, for where the space is silent.

        With the start ``dense`` that is the trained dense network, whatever the factory gives.
        """
        if start == "dense":
            return InitialWeights("dense", "all", self.placement)
        trained = pretrained if self.pretrained is None else self.pretrained
        source = self.initial_weights or ("keep" if trained else "draw")
        rescale = self.rescale if source == "keep" else "linear"  # nothing else tells drawn ones apart
        return InitialWeights(source, rescale, self.placement)

    @field_validator("arguments")
    @classmethod
    def _not_given_by_the_data(cls, arguments: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if given := [name for name in ("num_classes", "input_shape") if name in arguments]:
            raise ValueError(f"{given[0]} must be left out: the data give it, got {arguments[given[0]]}")
        return arguments

    @field_validator("input_pool")
    @classmethod
    def _pools_once(cls, pools: list[int]) -> list[int]:
        if len(set(pools)) != len(pools):
            raise ValueError(f"every choice must be given once, got {pools}")
        return pools

    @property
    def choices(self) -> dict[str, list[Any]]:
        """What its variants differ in, as plain data: each argument of the factory, pooling, bottleneck."""
        bottlenecks = [own and own.model_dump() for own in self.bottleneck]
        return {**self.arguments, INPUT_POOL_CHOICE: self.input_pool, BOTTLENECK_CHOICE: bottlenecks}

    def density_choice(self, junction: str) -> DensityRange | list[float]:
        """The choice for one junction; in a mapping its path goes before the first pattern that fits."""
        choice: Any = self.densities
        if isinstance(self.densities, dict):
            fitting = [key for key in self.densities if fnmatchcase(junction, key)]
            key = junction if junction in self.densities else next(iter(fitting), None)
            choice = [1.0] if key is None else self.densities[key]
        return DensityRange() if choice == "auto" else choice


class ThresholdRange(Strict):
    """Confidence thresholds proposed, in steps; the sweep reads every distinct one in between.

    1.0 stands for leaving the exit classifier out: every sample is offloaded.

    Example:
        >>> ThresholdRange(low=0.5, step=0.25)
        ThresholdRange(low=0.5, high=1.0, step=0.25)
    """

    low: Number = Field(default=0.0, ge=0, le=1)
    high: Number = Field(default=1.0, ge=0, le=1)
    step: Number = Field(default=0.01, gt=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> "ThresholdRange":
        if self.low > self.high:
            raise ValueError(f"`low <= high` must hold, got low={self.low:g}, high={self.high:g}")
        steps = (self.high - self.low) / self.step
        if steps > MAX_STEPS:
            raise ValueError(f"high - low must be at most {MAX_STEPS:,} steps, got {steps:g} steps")
        if abs(steps - round(steps)) > 1e-9:
            raise ValueError(f"high - low must be a whole number of steps, got {steps:g} steps")
        return self
