"""What pydantic refuses of a file, in the words of all other messages: key, rule, value received."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from explorer.utils.numbers import shown

_RULES = {
    "extra_forbidden": "unknown key",
    "missing": "required key is missing",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "list_type": "must be a list",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}
_FORMS = {"<word>": "a word", "<list>": "a list", "<range>": "a range", "<mapping>": "a mapping"}
_WITH_CONTEXT: dict[str, Callable[[dict[str, Any]], str]] = {
    "too_short": lambda context: f"must hold at least {_entries(context['min_length'])}",
    "too_long": lambda context: f"must hold at most {_entries(context['max_length'])}",
    "union_tag_invalid": lambda context: f"must be {_forms(context['expected_tags'])}",
}


def first_refusal(error: ValidationError, *prefix: str) -> str:
    """The first problem as ``key.path: rule, got value``; missing keys last: unknown ones explain them.

    Args:
        error: What pydantic found.
        prefix: Keys above those that it knows.

    Example:
        >>> from explorer.space.choices import BottleneckSpec
        >>> try:
        ...     BottleneckSpec(at="relu1", channels=1.5)
        ... except ValidationError as error:
        ...     print(first_refusal(error, "bottleneck", "0"))
        bottleneck.0.channels: must be a whole number, got 1.5
    """
    problem = min(error.errors(), key=lambda problem: problem["type"] == "missing")
    # which form a value has, and that a key is meant, stands in pydantic's path; a file has keys only
    keys = [*prefix, *(str(part) for part in problem["loc"] if not str(part).startswith(("<", "[")))]
    path = ".".join(shown_key(key) for key in keys)
    rule = _rule(problem["type"], problem["msg"], problem.get("ctx", {})).removeprefix(f"{path}: ")
    if problem["type"] not in ("extra_forbidden", "missing") and not _tells(rule, problem):
        rule = f"{rule}, got {shown(problem['input'])}"
    return f"{path}: {rule}" if path else rule  # a rule on the whole names its keys itself


def shown_key(key: str) -> str:
    """A key as a message names it: in quotes where it is empty or long.

    Example:
        >>> shown_key("epochs"), shown_key("")
        ('epochs', "''")
    """
    return key if 0 < len(key) <= 100 else shown(key)


def _rule(kind: str, message: str, context: dict[str, Any]) -> str:
    if kind in _WITH_CONTEXT:
        return _WITH_CONTEXT[kind](context)
    return _RULES.get(kind, message.removeprefix("Value error, ").replace("Input should be", "must be"))


def _tells(rule: str, problem: Mapping[str, Any]) -> bool:
    """Whether a rule says what was received; a whole mapping that broke a rule of its own is not told."""
    own = problem["type"] == "value_error"
    return ", got " in rule or "; known: " in rule or (own and isinstance(problem["input"], Mapping))


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _forms(tags: str) -> str:
    """Which forms a value may have, from pydantic's list of tags.

    Example:
        >>> _forms("'<word>', '<list>', '<mapping>'")
        'a word, a list or a mapping'
    """
    *others, last = [_FORMS[tag.strip(" '")] for tag in tags.split(",")]
    return f"{', '.join(others)} or {last}" if others else last
