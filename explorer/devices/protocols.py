"""Which messages carry payloads, and what they take on the wire besides them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, cast

from explorer.errors import UserError
from explorer.runtime.sizes import FRAME_ANSWER_BYTES, FRAME_BYTES, REQUEST_OVERHEAD, RESPONSE_BYTES

ProtocolName = Literal["http", "frame", "none"]


@dataclass(frozen=True)
class WireProtocol:
    """Sizes of the messages that carry payloads and answers; what the link adds to them is the link's.

    Attributes:
        name: As settings and space files name it.
        description: One line for a person.
        overhead_bytes: Bytes of a request besides its payload.
        answer_bytes: Bytes of the whole answer.

    Example:
        >>> frame = PROTOCOLS["frame"]
        >>> frame.overhead_bytes, frame.answer_bytes
        (24, 32)
    """

    name: ProtocolName
    description: str
    overhead_bytes: int
    answer_bytes: int


PROTOCOLS: Mapping[str, WireProtocol] = MappingProxyType(
    {
        own.name: own
        for own in (
            WireProtocol("http", "HTTP, as `explorer serve` speaks it", REQUEST_OVERHEAD, RESPONSE_BYTES),
            WireProtocol("frame", "compact frame", FRAME_BYTES, FRAME_ANSWER_BYTES),
            WireProtocol("none", "payload alone, no answer", 0, 0),
        )
    }
)


def protocol_name(text: str) -> ProtocolName:
    """The name of a protocol that is known.

    Raises:
        UserError: There is no such protocol.

    Example:
        >>> protocol_name("frame")
        'frame'
        >>> protocol_name("mqtt")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: protocol must be one of http, frame, none, got 'mqtt'
    """
    if text not in PROTOCOLS:
        raise UserError(f"protocol must be one of {', '.join(PROTOCOLS)}, got {text!r}")
    return cast(ProtocolName, text)
