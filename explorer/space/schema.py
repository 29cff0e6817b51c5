"""The search space: what may be chosen. A YAML file a person edits, validated by pydantic."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from explorer.core.calibration import InferenceConfig, Temperature
from explorer.core.exits import ExitKind, Score
from explorer.core.payload import Entropy, PayloadForm, Ranges
from explorer.core.recipe import ExitTraining, Recipe
from explorer.core.run_point import FLOAT32, INT8
from explorer.core.sparsity.patterns import KERNEL_PATTERN_NAMES, PatternName, pattern_names
from explorer.devices import Deadline, ProtocolName, Setting
from explorer.space.choices import BackboneSpec, DataSpec, Name, ThresholdRange
from explorer.space.constraints import Constraint, check_possible, parse_constraint
from explorer.space.fit import Fit, memory_limits
from explorer.space.metrics import SEARCHED_METRICS, Metric
from explorer.space.quality_spec import QualitySpec, check_asked_for, quality_name, quality_of
from explorer.space.strict import Strict
from explorer.space.training import TrainingSpec
from explorer.utils.numbers import Number, Whole
from explorer.utils.refusals import first_refusal


def _known_pattern(name: PatternName) -> PatternName:
    if name not in pattern_names():
        raise ValueError(f"must be one of {', '.join(pattern_names())}")
    return name


Pattern = Annotated[PatternName, AfterValidator(_known_pattern)]
EXIT_EPOCHS = 5  # of exits that are trained alone, where the space does not say


class PayloadSpec(Strict):
    """How payloads are encoded; see :class:`explorer.core.payload.PayloadForm`.

    Example:
        >>> PayloadSpec(ranges="channel")
        PayloadSpec(ranges='channel', entropy='none')
    """

    ranges: Ranges = "sample"
    entropy: Entropy = "none"


class ExitsSpec(Strict):
    """Kind of the exit classifiers, how they are trained, and how sure they must be.

    ``epochs`` are those in which exits alone are trained, after the joint ones; None: none, or
    :data:`EXIT_EPOCHS` where there are no joint ones.

    Example:
        >>> spec = ExitsSpec(loss_weights={"pool1": 0.5}, temperature="fitted")
        >>> spec.kind, spec.training, spec.score
        ('pooled', 'joint', 'max_softmax')
    """

    kind: ExitKind = "pooled"
    training: ExitTraining = "joint"
    loss_weights: dict[str, Annotated[Number, Field(ge=0)]] = {}
    epochs: Whole | None = Field(default=None, ge=0)
    score: Score = "max_softmax"
    temperature: Temperature = "none"


def _check_warm_start(name: str, backbone: BackboneSpec) -> None:
    """Refuse what contradicts a start from the trained dense network."""
    rule = "with training.start: dense, where sparse layers keep the trained dense network's weights, scaled"
    if backbone.initial_weights == "draw":
        raise ValueError(f"backbones.{name}.initial_weights must be keep, or left out, {rule}, got 'draw'")
    if backbone.rescale == "none":
        raise ValueError(f"backbones.{name}.rescale must be all, or left out, {rule}, got 'none'")


class SearchSpace(Strict):
    """All that may be chosen, what is optimised, and for which devices and link.

    ``edge_weight_bits: [32, 8]`` evaluates every edge part in int8, too, and counts what C takes; see
    :mod:`explorer.microcontroller.int8_evidence`. ``fit: device`` keeps points to the memory of the edge
    device, see :mod:`explorer.space.fit`.

    Example:
        >>> where = {"edge_device": "rpi4", "server_device": "xeon_8124m", "link": "lte_2021"}
        >>> goals = {"training": {"epochs": 3}, "objectives": {"accuracy": 0.5, "payload_bytes": 300}}
        >>> data = {"source": "digits", "validation_samples": 400}
        >>> space = SearchSpace(data=data, backbones={"net": {"factory": "mine:net"}}, **goals, **where)
        >>> [metric.label for metric in space.metrics], space.payload_bits
        (['Accuracy (validation)', 'Payload (expected)'], [32, 16, 8])
    """

    data: DataSpec
    backbones: Annotated[dict[Name, BackboneSpec], Field(min_length=1)]
    patterns: Annotated[list[Pattern], Field(min_length=1)] = ["block"]
    confidence_thresholds: ThresholdRange = ThresholdRange()
    payload_bits: Annotated[list[Literal[32, 16, 8, 6, 4, 2]], Field(min_length=1)] = [32, 16, 8]
    payload: PayloadSpec = PayloadSpec()
    edge_weight_bits: Annotated[list[Literal[32, 8]], Field(min_length=1)] = [32]
    exits: ExitsSpec = ExitsSpec()
    training: TrainingSpec
    quality: QualitySpec = "accuracy"
    objectives: Annotated[dict[str, Number], Field(min_length=1, max_length=4)]
    constraints: list[str] = []
    fit: Fit = "device"
    edge_device: str
    server_device: str
    link: str
    protocol: ProtocolName = "http"
    deadline: str | None = None

    @field_validator("edge_weight_bits")
    @classmethod
    def _with_float32(cls, values: list[Any]) -> list[Any]:
        if FLOAT32 not in values:
            raise ValueError(
                "must contain 32, in which networks are trained and references stay: [32] or [32, 8], "
                f"got {values}"
            )
        return values

    @field_validator("patterns", "payload_bits", "edge_weight_bits")
    @classmethod
    def _no_repeats(cls, values: list[Any]) -> list[Any]:
        if len(set(values)) != len(values):
            raise ValueError(f"every choice must be given once, got {values}")
        return values

    @field_validator("patterns")
    @classmethod
    def _one_set_of_densities(cls, patterns: list[PatternName]) -> list[PatternName]:
        apart = [pattern for pattern in patterns if pattern in KERNEL_PATTERN_NAMES]
        if apart and len(patterns) > 1:
            raise ValueError(
                f"{apart[0]} must be the only pattern of a space: its densities are p / taps of a kernel, "
                f"those of the others k / gcd(inputs, outputs), got {patterns}"
            )
        return patterns

    @model_validator(mode="after")
    def _something_to_do(self) -> "SearchSpace":
        if self.training.epochs == self.exits.epochs == 0:
            raise ValueError("exits.epochs must be at least 1 where training.epochs is 0, got 0")
        if self.training.quantised and INT8 not in self.edge_weight_bits:
            raise ValueError(
                "training.quantised needs 8 among edge_weight_bits, which it prepares networks for, "
                f"got {self.edge_weight_bits}"
            )
        for name, backbone in self.backbones.items():
            rule = f"backbones.{name}.placement: magnitude places block and structured only"
            if backbone.placement == "magnitude" and not {"block", "structured"}.issuperset(self.patterns):
                raise ValueError(f"{rule}, got patterns {self.patterns}")
            if self.training.start == "dense":
                _check_warm_start(name, backbone)
            try:
                self.training_of(name)
            except ValidationError as error:
                raise ValueError(f"backbones.{name}.training: {first_refusal(error)}") from None
        return self

    @model_validator(mode="after")
    def _quality_is_asked_for(self) -> "SearchSpace":
        columns = dict.fromkeys((own.column for own in self.parsed_constraints), "constraints")
        check_asked_for(quality_name(self.quality), columns | dict.fromkeys(self.objectives, "objectives"))
        return self

    @field_validator("objectives")
    @classmethod
    def _known_objectives(cls, objectives: dict[str, float]) -> dict[str, float]:
        for name, reference in objectives.items():
            if name not in SEARCHED_METRICS:
                raise ValueError(f"unknown objective {name!r}; known: {', '.join(SEARCHED_METRICS)}")
            metric = SEARCHED_METRICS[name]
            if metric.direction == "maximize" and not metric.is_share:
                raise ValueError(f"{name}: has no ideal to aim at; it can be a constraint")
            if not metric.everywhere:
                raise ValueError(
                    f"{name}: points of which no sample goes that way have no value; it can be a constraint"
                )
            ideal = metric.ideal
            if (reference >= ideal) if metric.direction == "maximize" else (reference <= ideal):
                raise ValueError(
                    f"{name}: the reference must be worse than the ideal {ideal:g}, got {reference:g}"
                )
        return objectives

    @field_validator("constraints")
    @classmethod
    def _readable_constraints(cls, constraints: list[str]) -> list[str]:
        for text in constraints:
            if parse_constraint(text, "constraints").column not in SEARCHED_METRICS:
                raise ValueError(f"{text!r}: what is known after a search cannot be its constraint")
        return constraints

    @field_validator("deadline")
    @classmethod
    def _readable_deadline(cls, deadline: str | None) -> str | None:
        if deadline is not None:
            Deadline.parse(deadline, "deadline")
        return deadline

    @field_validator("constraints")
    @classmethod
    def _something_left(cls, constraints: list[str]) -> list[str]:
        check_possible([parse_constraint(text, "constraints") for text in constraints])
        return constraints

    @model_validator(mode="after")
    def _deadline_where_it_counts(self) -> "SearchSpace":
        named = [*self.objectives, *(constraint.column for constraint in self.parsed_constraints)]
        if self.deadline is None and "deadline_missed" in named:
            raise ValueError(
                "deadline must be given, such as `0.1 s for 95 %`, where deadline_missed is asked for"
            )
        return self

    @property
    def deadline_s(self) -> float | None:
        """Seconds after which an answer is late; None for never."""
        return None if self.deadline is None else Deadline.parse(self.deadline, "deadline").seconds

    @property
    def all_constraints(self) -> list[str]:
        """The constraints with that of the deadline, as texts."""
        rules = [] if self.deadline is None else Deadline.parse(self.deadline, "deadline").rules
        return self.constraints + rules

    @property
    def inference_config(self) -> InferenceConfig:
        """How its networks are run."""
        payload = PayloadForm(tuple(self.payload_bits), self.payload.ranges, self.payload.entropy)
        weight_bits = tuple(self.edge_weight_bits)
        return InferenceConfig(payload, self.exits.score, self.exits.temperature, weight_bits)

    @property
    def recipe(self) -> Recipe:
        """How networks are trained whose backbone says nothing of its own."""
        return self._recipe(self.training)

    def recipe_of(self, backbone: str) -> Recipe:
        """How networks of a backbone are trained that wait for no dense one."""
        return self._recipe(self.training_of(backbone))

    def sparse_recipe_of(self, backbone: str) -> Recipe:
        """How its sparse networks are trained, which may start from a dense one or learn from it."""
        own = self.training_of(backbone)
        epochs = own.epochs_from_dense if own.start == "dense" else own.epochs
        return replace(self._recipe(own), epochs=epochs, teacher=own.learned_from)

    def training_of(self, backbone: str) -> TrainingSpec:
        """The space's training with what a backbone has in place of it."""
        return self.training.overridden(self.backbones[backbone].training)

    def _recipe(self, training: TrainingSpec) -> Recipe:
        exit_epochs = self.exits.epochs
        if exit_epochs is None:
            exit_epochs = 0 if training.epochs else EXIT_EPOCHS
        return Recipe(
            **training.for_recipe,
            exit_training=self.exits.training,
            exit_loss_weights=tuple(sorted(self.exits.loss_weights.items())),
            exit_epochs=exit_epochs,
            quality=quality_of(self.quality),
        )

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The objectives as metrics, in their order."""
        return tuple(SEARCHED_METRICS[name] for name in self.objectives)

    @property
    def parsed_constraints(self) -> tuple[Constraint, ...]:
        """The constraints that the space names, with bounds in SI units."""
        return tuple(parse_constraint(text, "constraints") for text in self.all_constraints)

    def constraints_on(self, setting: Setting) -> tuple[Constraint, ...]:
        """All constraints of a search: the space's own, and what the memory of the edge device holds."""
        limits = memory_limits(setting.edge) if self.fit == "device" else ()
        return (*self.parsed_constraints, *limits)
