"""Protocols: sizes are those of what runs, and the documentation shows them."""

from pathlib import Path

import pytest

from explorer.devices import PROTOCOLS, WireProtocol
from explorer.devices.protocols import protocol_name
from explorer.errors import UserError
from explorer.runtime.protocol.frame import Kind, answer_content, pack
from explorer.runtime.sizes import REQUEST_OVERHEAD, RESPONSE_BYTES

CONCEPT = Path(__file__).parents[2] / "docs" / "concepts" / "costs.md"


def test_sizes_are_those_of_the_messages() -> None:
    http, frame, none = (PROTOCOLS[name] for name in ("http", "frame", "none"))
    assert (http.overhead_bytes, http.answer_bytes) == (REQUEST_OVERHEAD, RESPONSE_BYTES)
    assert frame.overhead_bytes == len(pack(Kind.PAYLOAD, bytes(8), 0, b"payload")) - len(b"payload")
    assert frame.answer_bytes == len(pack(Kind.ANSWER, bytes(8), 0, answer_content(3, 0.5)))
    assert none.overhead_bytes == none.answer_bytes == 0


@pytest.mark.parametrize("own", PROTOCOLS.values(), ids=lambda own: own.name)
def test_the_documentation_shows_the_sizes(own: WireProtocol) -> None:
    rows = [line.split("|") for line in CONCEPT.read_text("utf-8").splitlines() if line.startswith("| `")]
    (row,) = [row for row in rows if row[1].strip() == f"`{own.name}`"]
    assert [int(cell.split()[0]) for cell in row[3:5]] == [own.overhead_bytes, own.answer_bytes]


def test_a_protocol_that_is_not_known() -> None:
    with pytest.raises(UserError, match="protocol must be one of http, frame, none, got ''"):
        protocol_name("")
