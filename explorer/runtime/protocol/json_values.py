"""JSON from a peer: read strictly, and each value held against the kind that is expected.

What does not fit is a :class:`ProtocolError` whose message names place, rule and value, in one line.
"""

import json
from typing import Any

_MOST = 2**53  # whole numbers beyond are not the same to every reader of JSON
_SHOWN = 40  # characters of a peer's value in a message


class ProtocolError(ValueError):
    """A message that is none of the protocol; says why in one line."""


def read_json(text: bytes) -> Any:
    """Read JSON in which nothing is left to a reader's taste: no NaN, no infinity, no key twice.

    Raises:
        ProtocolError: It is no such JSON, or nested too deeply.

    Example:
        >>> read_json(b'{"point": 0}')
        {'point': 0}
        >>> read_json(b'{"point": NaN}')
        Traceback (most recent call last):
            ...
        explorer.runtime.protocol.json_values.ProtocolError: JSON: has no NaN
    """
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refused, object_pairs_hook=_once)
    except ProtocolError:
        raise
    except RecursionError:
        raise ProtocolError("JSON: is nested too deeply") from None
    except ValueError as error:  # no UTF-8, no JSON, or a number of thousands of digits
        reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise ProtocolError(f"JSON: cannot be read: {reason}") from None


def _refused(constant: str) -> None:
    raise ProtocolError(f"JSON: has no {constant}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ProtocolError("JSON: a key stands twice in one object")
    return content


def an_object(value: Any, what: str) -> dict[str, Any]:
    """The value, if it is an object.

    Example:
        >>> an_object([], "request")
        Traceback (most recent call last):
            ...
        explorer.runtime.protocol.json_values.ProtocolError: request: must be a JSON object, got []
    """
    if not isinstance(value, dict):
        raise ProtocolError(f"{what}: must be a JSON object, got {shown(value)}")
    return value


def object_of(value: Any, what: str, known: set[str]) -> dict[str, Any]:
    """The value, if it is an object with no keys but the known ones.

    Example:
        >>> object_of({"nmae": "payload"}, "input", {"name", "shape"})
        Traceback (most recent call last):
            ...
        explorer.runtime.protocol.json_values.ProtocolError: input: may have name, shape, got "nmae"
    """
    content = an_object(value, what)
    if unknown := content.keys() - known:
        raise ProtocolError(f"{what}: may have {', '.join(sorted(known))}, got {shown(min(unknown))}")
    return content


def a_list(value: Any, what: str) -> list[Any]:
    """The value, if it is a list.

    Example:
        >>> a_list([1, 3], "shape")
        [1, 3]
    """
    if not isinstance(value, list):
        raise ProtocolError(f"{what}: must be a list, got {shown(value)}")
    return value


def a_natural(value: Any, what: str) -> int:
    """The value, if it is a whole number from 0 to 2 ** 53; True, which Python counts as 1, is none.

    Example:
        >>> a_natural(True, "point")
        Traceback (most recent call last):
            ...
        explorer.runtime.protocol.json_values.ProtocolError: point: must be a whole number ..., got true
    """
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ProtocolError(f"{what}: must be a whole number of at least 0, got {shown(value)}")
    return value


def a_truth(value: Any, what: str) -> bool:
    """The value, if it is true or false.

    Example:
        >>> a_truth(False, "binary_data")
        False
    """
    if not isinstance(value, bool):
        raise ProtocolError(f"{what}: must be true or false, got {shown(value)}")
    return value


def a_text(value: Any, what: str, characters: int) -> str:
    """The value, if it is a text of at most so many characters.

    Example:
        >>> a_text("8", "id", 64)
        '8'
    """
    if not isinstance(value, str) or len(value) > characters:
        raise ProtocolError(f"{what}: must be a text of at most {characters} characters, got {shown(value)}")
    return value


def shown(value: Any) -> str:
    """A peer's value as JSON, in one line of bounded length.

    Example:
        >>> shown({"id": None})
        '{"id": null}'
        >>> len(shown(list(range(1000))))
        42
    """
    try:
        text = json.dumps(value)
    except RecursionError:  # what could just be read may be too deep to be written, further down the stack
        return "something deeply nested"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}.."
