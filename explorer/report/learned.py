"""What the report says of the model of accuracies: its error, what matters, and what it would try next."""

from collections.abc import Mapping
from itertools import groupby
from typing import NamedTuple

from explorer.runs.learned import BackboneLearned, Learned, NextNetwork
from explorer.space.texts import number_text

LEAST_SKILL = 0.3  # below it shares say more of the model than of the run


class LearnedInfo(NamedTuple):
    """Words and numbers of the section.

    Attributes:
        explanation: What predicts, and what its error is.
        interval_note: What is listed of networks not trained, and what their interval holds.
        level: Of the intervals, as text.
        backbones: Name, networks left out, error, error of guessing, share inside the interval.
        importances: Per backbone, and per choice its name, its share as text and in percent; no choice where
            errors are nearly those of guessing.
        next_networks: Variant, pattern, densities, expected gain, predicted accuracy, interval.

    Example:
        >>> figures = {"error": 0.62, "guess_error": 3.1, "covered": 0.95, "importances": {"pattern": 1.0}}
        >>> mlp = BackboneLearned(backbone="mlp", networks=40, **figures)
        >>> learned_info(Learned(level=0.95, backbones=[mlp])).importances
        [('mlp', [('pattern', '100 %', 100.0)])]
    """

    explanation: str
    interval_note: str
    level: str
    backbones: list[tuple[str, str, str, str, str]]
    importances: list[tuple[str, list[tuple[str, str, float]]]]
    next_networks: list[tuple[str, str, str, str, str, str]]


def learned_info(learned: Learned | None) -> LearnedInfo | None:
    """What the report says of what a run learned; None where it did not.

    Example:
        >>> figures = {"error": 0.62, "guess_error": 3.1, "covered": 0.95, "importances": {}}
        >>> mlp = BackboneLearned(backbone="mlp", networks=40, **figures)
        >>> learned_info(Learned(level=0.95, backbones=[mlp])).backbones
        [('mlp', '40', '0.62 points', '3.1 points', '95 %')]
        >>> learned_info(None) is None
        True
    """
    if learned is None:
        return None
    level = f"{number_text(100 * learned.level)} %"
    accuracy = "validation accuracy at the output"
    if learned.epochs is not None:
        accuracy += f" after {learned.epochs} epochs"
    return LearnedInfo(
        f"A Gaussian process per backbone predicts the {accuracy} from densities, arguments, pattern, MACs "
        "and stored bytes. Its error is that of networks left out, each predicted from all others: the mean "
        "distance from the measured accuracy, in percentage points.",
        "Not trained: the networks whose predicted front adds most hypervolume, in logarithmic costs, each "
        f"as if it came alone. The {level} interval is for the accuracy that training and validating the "
        "network once would measure.",
        level,
        [_backbone(own) for own in learned.backbones],
        [(own.backbone, _shares(own)) for own in learned.backbones],
        [_next_network(own) for own in learned.next_networks],
    )


def _shares(own: BackboneLearned) -> list[tuple[str, str, float]]:
    """Shares of the choices; none where errors are nearly those of guessing, squared as R2 squares them."""
    skill = 1 - (own.error / own.guess_error) ** 2 if own.guess_error else 0.0
    told = own.importances if skill >= LEAST_SKILL else {}
    return [(name, _percent(share), 100 * share) for name, share in told.items()]


def _backbone(own: BackboneLearned) -> tuple[str, str, str, str, str]:
    error, guess = (f"{points:.2g} points" for points in (own.error, own.guess_error))
    return own.backbone, f"{own.networks:,}", error, guess, _percent(own.covered)


def _next_network(own: NextNetwork) -> tuple[str, str, str, str, str, str]:
    interval = f"{100 * own.accuracy_low:.1f} to {100 * own.accuracy_high:.1f} %"
    return (
        *(own.variant, own.pattern, densities_text(own.densities), f"{own.gain:.6f}"),
        *(f"{100 * own.accuracy:.1f} %", interval),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def densities_text(densities: Mapping[str, float]) -> str:
    """Densities by junction, neighbours with the same one together.

    Example:
        >>> densities_text({"conv1": 1.0, "conv2": 0.25, "conv3": 0.25, "conv4": 0.25, "fc": 0.0625})
        'conv1 1; conv2 … conv4 0.25; fc 0.0625'
        >>> densities_text({"fc1": 0.25, "fc2": 1.0, "classifier": 1.0})
        'fc1 0.25; fc2, classifier 1'
    """
    by_density = groupby(densities.items(), lambda own: own[1])
    return "; ".join(
        f"{_together([path for path, _ in own])} {number_text(density)}" for density, own in by_density
    )


def _together(paths: list[str]) -> str:
    return ", ".join(paths) if len(paths) < 3 else f"{paths[0]} … {paths[-1]}"
