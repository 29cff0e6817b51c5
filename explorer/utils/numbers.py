"""Numbers in files that a person writes: finite, and neither text nor ``yes``, which YAML reads as true."""

from typing import Annotated

from pydantic import BeforeValidator, Field

LARGEST = 2**63 - 1  # what torch, numpy and databases hold


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("must be a number")
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_number), Field(ge=-LARGEST, le=LARGEST)]


def shown(value: object, length: int = 100) -> str:
    """A value as a message quotes it, cut where it is long.

    Example:
        >>> shown("relu1"), shown(list(range(99)), length=12)
        ("'relu1'", '[0, 1, 2,...')
    """
    text = repr(value)
    return text if len(text) <= length else f"{text[: length - 3]}..."
