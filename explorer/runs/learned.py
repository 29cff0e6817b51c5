"""What a search learned of its networks: how accuracies are predicted, what matters, what to try next."""

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BackboneLearned(_Part):
    """How well the accuracy of one backbone's networks is predicted, and what it depends on.

    Attributes:
        backbone: Its name.
        networks: How many were left out, one at a time.
        error: Mean absolute error of the accuracy predicted at the output, in percentage points.
        guess_error: The same of the mean of all, which knows nothing of a network.
        covered: Share of the networks whose accuracy lies in the interval predicted for them.
        importances: Share of each choice, largest first; they add up to 1, or there are none.

    Example:
        >>> figures = {"error": 0.6, "guess_error": 3.1, "covered": 0.95, "importances": {"pattern": 1.0}}
        >>> BackboneLearned(backbone="mlp", networks=40, **figures).error
        0.6
    """

    backbone: str
    networks: int
    error: float
    guess_error: float
    covered: float
    importances: dict[str, float]


class NextNetwork(_Part):
    """A network that was not trained, as it is predicted.

    Attributes:
        variant: Name of its variant.
        pattern: Of its sparse junctions; ``dense`` without any.
        densities: By junction.
        gain: Hypervolume that it is expected to add, alone, in logarithmic costs.
        accuracy: Predicted at the output, on validation data.
        accuracy_low, accuracy_high: Interval that the measured one is predicted to lie in.

    Example:
        >>> predicted = {"accuracy": 0.93, "accuracy_low": 0.9, "accuracy_high": 0.95}
        >>> NextNetwork(variant="mlp", pattern="block", densities={"fc1": 0.5}, gain=1e-4, **predicted).gain
        0.0001
    """

    variant: str
    pattern: str
    densities: dict[str, float]
    gain: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


class Learned(_Part):
    """What a model of accuracies knows after a search; see :mod:`explorer.engine.surrogate.quality`.

    Attributes:
        epochs: After which accuracies are observed and predicted; None: of each network's whole training.
        level: What part of measured accuracies the intervals are to hold.
        backbones: With networks enough, in the order of the space.
        next_networks: Those that promise most, best first.

    Example:
        >>> figures = {"covered": 1.0, "importances": {}}
        >>> mlp = BackboneLearned(backbone="mlp", networks=30, error=1.0, guess_error=4.0, **figures)
        >>> cnn = BackboneLearned(backbone="cnn", networks=10, error=2.0, guess_error=2.0, **figures)
        >>> learned = Learned(level=0.95, backbones=[mlp, cnn])
        >>> learned.error, learned.guess_error
        (1.25, 3.5)
    """

    epochs: int | None = None
    level: float
    backbones: list[BackboneLearned]
    next_networks: list[NextNetwork] = Field(default_factory=list)

    @property
    def error(self) -> float:
        """Over the networks of all backbones."""
        return sum(own.error * own.networks for own in self.backbones) / self._networks

    @property
    def guess_error(self) -> float:
        """Over the networks of all backbones, of the mean of each backbone."""
        return sum(own.guess_error * own.networks for own in self.backbones) / self._networks

    @property
    def _networks(self) -> int:
        return sum(own.networks for own in self.backbones)
