"""The recipe in a search space file: how networks are trained, by all and by those of one backbone."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, model_validator

from explorer.core.augmenter import AugmentStep
from explorer.core.graph.same_training import Precision
from explorer.core.losses import Distillation
from explorer.core.recipe import BackboneTraining, OptimizerName
from explorer.space.strict import Strict
from explorer.utils.imports import name_of
from explorer.utils.numbers import Number, Whole

Start = Literal["scratch", "dense"]  # of sparse networks
MOMENTUM = 0.9  # of sgd, where the space does not say
QUANTISED_EPOCHS = 3  # the last joint ones, of a quantised training


def _augment(value: object) -> object:
    """An augmentation as the file has it: a name, or a name with its options; a function goes by its name."""
    if callable(value):
        return name_of(value)
    _step(value)
    return value


def _step(value: object) -> AugmentStep:
    if isinstance(value, str):
        return AugmentStep.of(value)
    if isinstance(value, Mapping) and len(value) == 1:
        ((name, options),) = value.items()
        if isinstance(name, str) and isinstance(options, Mapping | None):
            return AugmentStep.of(name, options)
    raise ValueError(
        f"must be a name, or a name with its options such as {{cutout: {{size: 8}}}}, got {value!r}"
    )


class DistillationSpec(Strict):
    """How much is learned from answers instead of labels; see :class:`explorer.core.losses.Distillation`.

    A ``weight`` of 0 learns nothing from them.

    Example:
        >>> DistillationSpec(weight=0.3)
        DistillationSpec(weight=0.3, temperature=2.0)
    """

    weight: Number = Field(default=Distillation.weight, ge=0, le=1)
    temperature: Number = Field(default=Distillation.temperature, gt=0, le=100)

    @property
    def distillation(self) -> Distillation | None:
        """As a recipe has it."""
        return Distillation(self.weight, self.temperature) if self.weight else None


_Rate = Annotated[Number, Field(gt=0)]
_Decay = Annotated[Number, Field(ge=0)]
_Momentum = Annotated[Number, Field(ge=0, lt=1)]
_WarmUp = Annotated[Number, Field(ge=0)]
_Clip = Annotated[Number, Field(ge=0)]
_Smoothing = Annotated[Number, Field(ge=0, lt=1)]
_Augment = list[Annotated[Any, AfterValidator(_augment)]]


class TrainingOverrides(Strict):
    """What networks of one backbone are trained with in place of the space's own; None: the space's own.

    Example:
        >>> TrainingOverrides(learning_rate=0.05, optimizer="sgd").given
        {'learning_rate': 0.05, 'optimizer': 'sgd'}
    """

    learning_rate: _Rate | None = None
    weight_decay: _Decay | None = None
    optimizer: OptimizerName | None = None
    momentum: _Momentum | None = None
    warm_up: _WarmUp | None = None
    gradient_clip: _Clip | None = None
    label_smoothing: _Smoothing | None = None
    augment: _Augment | None = None
    self_distillation: DistillationSpec | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What is not the space's own, by key."""
        return {key: value for key, value in dict(self).items() if value is not None}


_AS_THEY_ARE = (  # fields that a recipe has under the same name
    *(
        "epochs",
        "batch_size",
        "learning_rate",
        "weight_decay",
        "exit_loss_weight",
        "output_loss_weight",
        "seed",
    ),
    *("precision", "backbone", "optimizer", "warm_up", "gradient_clip", "label_smoothing"),
)


class TrainingSpec(Strict):
    """The recipe every network is trained with; see :class:`explorer.core.recipe.Recipe`.

    With ``epochs: 0`` networks stay as their factory gives them: only exits, and bottlenecks, are trained.

    Attributes:
        start: Of sparse networks. ``dense``: the trained dense network of their variant, see
            :mod:`explorer.core.warm_start`; ``scratch``: what their factory gives.
        warm_epochs: Joint epochs of those that start from a dense one; None: half of ``epochs``, rounded up.
        teacher: Of sparse networks. ``dense``: the trained dense network of their variant.
        distillation: How much they learn from it.
        self_distillation: How much exits learn from their own network's output; None: nothing.
        momentum: Of ``sgd``; None: :data:`MOMENTUM`.
        quantised: Whether the last :data:`QUANTISED_EPOCHS` joint epochs run as int8 would, see
            :mod:`explorer.core.fake_quantisation`.
        augment: Names of :data:`explorer.core.augment.AUGMENTATIONS`, alone or with options, or functions of
            yours, ``package.module:function``.

    Example:
        >>> spec = TrainingSpec(epochs=3, learning_rate=0.01, augment=[{"crop_and_flip": {"pixels": 2}}])
        >>> spec.batch_size, spec.precision, spec.start
        (64, 'float32', 'scratch')
    """

    epochs: Whole = Field(ge=0)
    start: Start = "scratch"
    warm_epochs: Whole | None = Field(default=None, ge=1)
    teacher: Literal["none", "dense"] = "none"
    distillation: DistillationSpec = DistillationSpec()
    backbone: BackboneTraining = "train"
    batch_size: Whole = Field(default=64, ge=1)
    learning_rate: _Rate = 3e-3
    weight_decay: _Decay = 1e-4
    optimizer: OptimizerName = "adamw"
    momentum: _Momentum | None = None
    warm_up: _WarmUp = 0.0
    gradient_clip: _Clip = 0.0
    label_smoothing: _Smoothing = 0.0
    augment: _Augment = []
    self_distillation: DistillationSpec | None = None
    exit_loss_weight: Number = Field(default=0.3, ge=0)
    output_loss_weight: Number = Field(default=1.0, gt=0)
    exit_features: Whole = Field(default=64, ge=1)
    seed: Whole = Field(default=0, ge=0)
    precision: Precision = "float32"
    quantised: StrictBool = False

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingSpec":
        if self.momentum is not None and self.optimizer != "sgd":
            raise ValueError(f"momentum must be left out without optimizer: sgd, got {self.momentum:g}")
        if self.start == "scratch" and self.warm_epochs is not None:
            raise ValueError(f"warm_epochs must be left out without start: dense, got {self.warm_epochs}")
        for key in ("start", "teacher"):
            if getattr(self, key) == "dense":
                self._check_dense_first(f"with {key}: dense, which trains the dense network first")
        if self.teacher == "dense" and self.distillation.weight == 0:
            raise ValueError("distillation.weight must be above 0 with teacher: dense, got 0")
        if self.start == "dense" and self.warm_epochs is not None and self.warm_epochs > self.epochs:
            raise ValueError(
                f"`warm_epochs <= epochs` must hold, got warm_epochs={self.warm_epochs}, epochs={self.epochs}"
            )
        if self.warm_up >= max(1, self.joint_epochs):
            raise ValueError(
                f"`warm_up < {self.joint_epochs}` must hold, the joint epochs, got {self.warm_up:g}"
                if self.joint_epochs > 1
                else f"`warm_up < 1` must hold, a share of the joint epochs, got {self.warm_up:g}"
            )
        return self

    def _check_dense_first(self, rule: str) -> None:
        if self.epochs == 0:
            raise ValueError(f"epochs must be at least 1 {rule}, got 0")
        if self.backbone == "frozen":
            raise ValueError(f"backbone must be train {rule}, got 'frozen'")

    @property
    def joint_epochs(self) -> int:
        """Of the networks with the fewest."""
        return min(self.epochs, self.epochs_from_dense) if self.start == "dense" else self.epochs

    @property
    def epochs_from_dense(self) -> int:
        """Joint epochs of networks that start from a dense one."""
        return self.warm_epochs or (self.epochs + 1) // 2

    @property
    def dense_first(self) -> bool:
        """Whether sparse networks wait for the trained dense network of their variant."""
        return "dense" in (self.start, self.teacher)

    @property
    def learned_from(self) -> Distillation | None:
        """How much sparse networks learn from the dense one of their variant."""
        return self.distillation.distillation if self.teacher == "dense" else None

    def overridden(self, own: TrainingOverrides) -> "TrainingSpec":
        """The recipe for networks of one backbone.

        Raises:
            pydantic.ValidationError: Together they contradict each other.
        """
        content = dict(self) | own.given
        if own.optimizer == "adamw" and own.momentum is None:
            content["momentum"] = None
        return TrainingSpec.model_validate(content)

    @property
    def for_recipe(self) -> dict[str, Any]:
        """Fields of a recipe, besides those that the space says of exits."""
        momentum = MOMENTUM if self.momentum is None else self.momentum
        return {
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
            "momentum": momentum if self.optimizer == "sgd" else 0.0,
            "augment": tuple(map(_step, self.augment)),
            "quantised_epochs": QUANTISED_EPOCHS if self.quantised else 0,
            "self_distillation": self.self_distillation and self.self_distillation.distillation,
        }
