"""Messages of the Open Inference Protocol, version 2, over REST, with binary tensors: written and read.

A request carries one tensor as bytes behind a JSON header: ``payload``, UINT8 of shape [1, n]. Its parameter
``point`` says which operating point of the bundle encoded it. An answer has ``label``, INT32 of shape [1],
and ``confidence``, FP32 of shape [1], the largest softmax probability; both as JSON, which is shorter for
two numbers, unless binary data were asked for. JSON is padded with spaces, so that lengths are known before.

Nothing that a peer sends is believed: whatever is no message of this kind is a ``ProtocolError``.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..sizes import REQUEST_OVERHEAD, RESPONSE_BYTES
from .json_values import ProtocolError, a_list, a_natural, a_text, an_object, object_of, read_json, shown
from .tensors import FORMS, HEADER_LENGTH, INPUT, OUTPUTS, split_body, the_payload, wanted_outputs

__all__ = [
    "HEADER_LENGTH",
    "INPUT",
    "OUTPUTS",
    "PATH",
    "ProtocolError",
    "Request",
    "Response",
    "as_message",
    "infer_request",
    "infer_response",
    "parse_request",
    "parse_response",
]

PATH = "/v2/models/{name}/versions/{version}/infer"
_ID_CHARACTERS = 64


@dataclass(frozen=True)
class Request:
    """What an inference request asks for.

    Attributes:
        point: Place of the operating point in the bundle.
        payload: The encoded tensor.
        id: Chosen by the client, and sent back; may be empty.
        outputs: Names in the order wanted, and whether each is wanted as binary data.

    Example:
        >>> Request(0, b"abc").outputs
        (('label', False), ('confidence', False))
    """

    point: int
    payload: bytes
    id: str = ""
    outputs: tuple[tuple[str, bool], ...] = (("label", False), ("confidence", False))


@dataclass(frozen=True)
class Response:
    """What an inference answer says.

    Attributes:
        label: The class.
        confidence: Its softmax probability.
        id: That of the request.

    Example:
        >>> Response(3, 0.5)
        Response(label=3, confidence=0.5, id='')
    """

    label: int
    confidence: float
    id: str = ""


def infer_request(
    name: str,
    version: str,
    host: str,
    *,
    point: int,
    payload: bytes,
    token: str | None = None,
    number: int = 0,
) -> bytes:
    """A whole request, HTTP included: ``REQUEST_OVERHEAD`` bytes more than the payload.

    A name, host and token that are too long for that make it as long as needed.

    Args:
        name: The model's name.
        version: The bundle's version.
        host: For the header of that name, with the port.
        point: Place of the operating point in the bundle.
        payload: The encoded tensor.
        token: For the server that wants one.
        number: Of the request; comes back as the answer's id.

    Example:
        >>> message = infer_request("digits", "0123456789abcdef", "10.0.0.2:8080", point=0, payload=b"12345")
        >>> len(message) - 5
        384
        >>> print(message.decode()[:128])
        POST /v2/models/digits/versions/0123456789abcdef/infer HTTP/1.1
        Host: 10.0.0.2:8080
        Content-Length:      237
        Inference-Header
    """
    size = len(payload)
    content = {
        "id": str(number),
        "parameters": {"point": point},
        "inputs": [INPUT | {"shape": [1, size], "parameters": {"binary_data_size": size}}],
    }
    first = [f"POST {PATH.format(name=name, version=version)} HTTP/1.1", f"Host: {host}"]
    if token is not None:
        first.append(f"Authorization: Bearer {token}")

    def head(json_bytes: int) -> bytes:  # of a length that does not depend on the numbers in it
        lengths = [f"Content-Length: {json_bytes + size:>8}", f"{HEADER_LENGTH}: {json_bytes:>3}"]
        return "\r\n".join([*first, *lengths, "\r\n"]).encode("ascii")

    text = _compact(content).ljust(REQUEST_OVERHEAD - len(head(0)))
    return head(len(text)) + text + payload


def infer_response(
    request: Request, label: int, confidence: float, name: str, version: str | None = None
) -> tuple[dict[str, str], bytes]:
    """Headers and body of the answer to a request: ``RESPONSE_BYTES`` with the status line.

    A long name, and binary data, make it as long as needed.

    Args:
        request: What was asked for.
        label: The class.
        confidence: Its softmax probability.
        name: The model's name.
        version: The bundle's version, told to a client that did not name it.

    Example:
        >>> headers, body = infer_response(Request(0, b"", "8"), 3, 0.75, "digits")
        >>> len(as_message(headers, body))
        256
        >>> parse_response(body, headers.get(HEADER_LENGTH))
        Response(label=3, confidence=0.75, id='8')
    """
    values: dict[str, int | float] = {"label": label, "confidence": float(f"{confidence:.9g}")}
    outputs, binary = [], b""
    for output, as_binary in request.outputs:
        if as_binary:
            packed = struct.pack(FORMS[output], values[output])
            outputs.append(OUTPUTS[output] | {"parameters": {"binary_data_size": len(packed)}})
            binary += packed
        else:
            outputs.append(OUTPUTS[output] | {"data": [values[output]]})
    content: dict[str, Any] = {"model_name": name}
    content |= {"model_version": version} if version else {}
    content |= {"id": request.id} if request.id else {}
    text = _compact(content | {"outputs": outputs})

    def headers(json_bytes: int) -> dict[str, str]:  # of a length that does not depend on the numbers in it
        lengths = {"Content-Length": f"{json_bytes + len(binary):>3}"}
        return lengths | ({HEADER_LENGTH: f"{json_bytes:>3}"} if binary else {})

    text = text.ljust(RESPONSE_BYTES - len(as_message(headers(0), binary)))
    return headers(len(text)), text + binary


def as_message(headers: Mapping[str, str], body: bytes, status: str = "200 OK") -> bytes:
    r"""An HTTP answer as it travels.

    Example:
        >>> as_message({"Content-Length": "2"}, b"{}")
        b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'
    """
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items()), "\r\n"]
    return "\r\n".join(lines).encode("latin-1") + body


def parse_request(body: bytes, header_length: str | None) -> Request:
    r"""Read the body of an inference request.

    Args:
        body: All of it.
        header_length: The value of the HTTP header :data:`HEADER_LENGTH`; None where there is none.

    Raises:
        ProtocolError: It is no request of this kind.

    Example:
        >>> body = infer_request("digits", "0", "host", point=2, payload=b"abc").partition(b"\r\n\r\n")[2]
        >>> parse_request(body, str(len(body) - 3))
        Request(point=2, payload=b'abc', id='0', outputs=(('label', False), ('confidence', False)))
        >>> parse_request(b"[]", "2")
        Traceback (most recent call last):
            ...
        explorer.runtime.protocol.json_values.ProtocolError: request: must be a JSON object, got []
    """
    text, binary = split_body(body, header_length)
    content = object_of(read_json(text), "request", {"id", "parameters", "inputs", "outputs"})
    parameters = an_object(content.get("parameters", {}), "parameters")
    return Request(
        point=a_natural(parameters.get("point", 0), "parameter 'point'"),
        payload=the_payload(content.get("inputs"), binary),
        id=a_text(content.get("id", ""), "id", _ID_CHARACTERS),
        outputs=wanted_outputs(content.get("outputs", []), parameters),
    )


def parse_response(body: bytes, header_length: str | None) -> Response:
    """Read the body of an answer with status 200, its numbers as JSON or binary.

    Raises:
        ProtocolError: It is no such answer.

    Example:
        >>> wanted = (("confidence", True), ("label", True))
        >>> headers, body = infer_response(Request(0, b"", outputs=wanted), 3, 0.75, "digits")
        >>> parse_response(body, headers[HEADER_LENGTH])
        Response(label=3, confidence=0.75, id='')
    """
    text, binary = split_body(body, header_length)
    content = an_object(read_json(text), "answer")
    outputs, found = a_list(content.get("outputs"), "outputs"), dict[str, Any]()
    for output in outputs:
        name = an_object(output, "output").get("name")
        if not isinstance(name, str) or name not in OUTPUTS or name in found:
            raise ProtocolError(f"outputs: must be label and confidence, each once, got {shown(name)}")
        if "data" in output:
            data = output["data"]
            found[name] = data[0] if isinstance(data, list) and len(data) == 1 else None
        elif len(binary) < 4:
            raise ProtocolError(f"output {name!r}: its 4 bytes are missing")
        else:
            (found[name],) = struct.unpack(FORMS[name], binary[:4])
            binary = binary[4:]
    label, confidence = found.get("label"), found.get("confidence")
    if type(label) is not int or label < 0:
        raise ProtocolError(f"label: must be a class, got {shown(label)}")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
        raise ProtocolError(f"confidence: must be a probability, got {shown(confidence)}")
    if binary:
        raise ProtocolError(f"answer: {len(binary)} bytes belong to no output")
    return Response(label, float(confidence), a_text(content.get("id", ""), "id", _ID_CHARACTERS))


def _compact(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii")
