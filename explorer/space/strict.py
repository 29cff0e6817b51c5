"""What every part of a search space file is built on."""

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A part of a search space: its keys are known, and it does not change.

    Example:
        >>> class Size(Strict):
        ...     width: int
        >>> Size(width=3, height=4)
        Traceback (most recent call last):
            ...
        pydantic_core._pydantic_core.ValidationError: ... Extra inputs are not permitted ...
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
