"""What pydantic refuses, in the project's own words."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explorer.utils.refusals import first_refusal


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = Field(ge=1)
    names: list[str] = Field(default=["a"], min_length=1, max_length=2)
    on: bool = True


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"size": 0}, "part.size: must be greater than or equal to 1, got 0"),
        ({"size": 1.5}, "part.size: must be a whole number, got 1.5"),
        ({"size": 1, "names": "a"}, "part.names: must be a list, got 'a'"),
        ({"size": 1, "names": []}, "part.names: must hold at least 1 entry, got []"),
        ({"size": 1, "names": ["a"] * 3}, "part.names: must hold at most 2 entries, got ['a', 'a', 'a']"),
        ({"size": 1, "names": [None]}, "part.names.0: must be text, got None"),
        ({"size": 1, "on": "maybe"}, "part.on: must be true or false, got 'maybe'"),
        ({}, "part.size: required key is missing"),
        ({"sise": 1}, "part.sise: unknown key"),
        ({"size": 1, "": 1}, "part.'': unknown key"),
        ([], "part: must be a mapping, got []"),
    ],
)
def test_first_refusal(content: Any, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Part.model_validate(content)
    assert first_refusal(refused.value, "part") == message
