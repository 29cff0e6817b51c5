"""How a space says what makes answers good: a word, or a weight for each class that should not count as 1."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from explorer.core.quality import Quality, QualityName
from explorer.errors import UserError
from explorer.space.strict import Strict


class ClassWeights(Strict):
    """How much each sample of a class counts, by number or name of the class; 1 where it is not named.

    Example:
        >>> ClassWeights(weights={"defect": 30}).weights
        {'defect': 30.0}
    """

    weights: Annotated[dict[int | str, Annotated[float, Field(gt=0)]], Field(min_length=1)]


def _form(value: Any) -> str:
    """Which form a value has: errors then name keys of the user's file only."""
    return "<mapping>" if isinstance(value, dict | ClassWeights) else "<word>"


_Word = Annotated[Literal["accuracy", "balanced_accuracy"], Tag("<word>")]
_Weights = Annotated[ClassWeights, Tag("<mapping>")]
QualitySpec = Annotated[_Word | _Weights, Discriminator(_form)]


def quality_name(spec: Any) -> QualityName:
    """The column that holds it.

    Example:
        >>> quality_name("balanced_accuracy"), quality_name(ClassWeights(weights={1: 30}))
        ('balanced_accuracy', 'weighted_accuracy')
    """
    if isinstance(spec, ClassWeights):
        return "weighted_accuracy"
    return "balanced_accuracy" if spec == "balanced_accuracy" else "accuracy"


def quality_of(spec: Any) -> Quality:
    """What it asks for; classes are numbers, see :func:`with_class_numbers`.

    Raises:
        ValueError: A class is named.

    Example:
        >>> quality_of(ClassWeights(weights={"1": 30}))
        Quality(name='weighted_accuracy', class_weights=((1, 30.0),))
    """
    weights = spec.weights if isinstance(spec, ClassWeights) else {}
    return Quality(quality_name(spec), tuple(sorted((int(label), own) for label, own in weights.items())))


def with_class_numbers(spec: Any, class_names: Sequence[str], num_classes: int) -> Any:
    """The same with numbers in place of the names of classes.

    Args:
        spec: As a space has it.
        class_names: Of the data; may be empty.
        num_classes: Of the data.

    Raises:
        UserError: There is no such class, or it is given twice.

    Example:
        >>> with_class_numbers(ClassWeights(weights={"defect": 30}), ["fine", "defect"], num_classes=2)
        ClassWeights(weights={1: 30.0})
    """
    if not isinstance(spec, ClassWeights):
        return spec
    numbered: dict[int | str, float] = {
        _number(label, class_names, num_classes): own for label, own in spec.weights.items()
    }
    if len(numbered) < len(spec.weights):
        raise UserError(f"quality.weights: every class must be given once, got {list(spec.weights)}")
    return ClassWeights(weights=numbered)


def _number(label: int | str, class_names: Sequence[str], num_classes: int) -> int:
    if label in class_names:
        return list(class_names).index(str(label))
    number = int(label) if str(label).isdecimal() else -1
    if not 0 <= number < num_classes:
        named = f", or one of {', '.join(class_names)}" if class_names else ""
        raise UserError(
            f"quality.weights: a class must be a number 0 .. {num_classes - 1}{named}, got {label!r}"
        )
    return number


def check_asked_for(name: QualityName, columns: Mapping[str, str]) -> None:
    """Whether a search aims at its quality, and at no other.

    Args:
        name: Of the quality.
        columns: Objectives and constrained columns, and the key of the space that names each.

    Raises:
        ValueError: It is neither an objective nor under a constraint, or another quality is.

    Example:
        >>> check_asked_for("balanced_accuracy", {"accuracy": "objectives"})
        Traceback (most recent call last):
            ...
        ValueError: quality: balanced_accuracy must be an objective or under a constraint, got accuracy
    """
    own = (name, f"{name}_ci95_low", f"{name}_ci95_high")
    for column, key in columns.items():
        others = ("balanced_accuracy", "weighted_accuracy")
        if column.startswith(others) and column not in own:
            rule = "{weights: ..}" if column.startswith("weighted") else "balanced_accuracy"
            raise ValueError(f"{key}: {column} needs quality: {rule}, got quality: {name}")
    if name != "accuracy" and not set(own) & set(columns):
        asked = ", ".join(columns)
        raise ValueError(f"quality: {name} must be an objective or under a constraint, got {asked}")
