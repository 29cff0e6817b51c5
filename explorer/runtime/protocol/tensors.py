"""The tensors of a request and an answer: what they are, and how they are found in a message's body."""

import re
from typing import Any

from .json_values import ProtocolError, a_list, a_natural, a_truth, object_of, shown

HEADER_LENGTH = "Inference-Header-Content-Length"
HEADER_BYTES = 4096  # longer JSON is refused unread: a request of this kind needs a tenth
INPUT: dict[str, Any] = {"name": "payload", "datatype": "UINT8", "shape": [1, -1]}
OUTPUTS: dict[str, dict[str, Any]] = {
    "label": {"name": "label", "datatype": "INT32", "shape": [1]},
    "confidence": {"name": "confidence", "datatype": "FP32", "shape": [1]},
}
FORMS = {"label": "<i", "confidence": "<f"}  # as binary data


def split_body(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    """The JSON and the binary data behind it.

    Args:
        body: Of the message.
        header_length: Value of the HTTP header :data:`HEADER_LENGTH`; None where there is none: all is JSON.

    Raises:
        ProtocolError: The length is none, or the JSON is longer than ``HEADER_BYTES``.

    Example:
        >>> split_body(b"{}abc", "2")
        (b'{}', b'abc')
    """
    if header_length is None:
        header_length = str(len(body))
    if not re.fullmatch(r"[0-9]{1,9}", header_length.strip(" ")) or int(header_length) > len(body):
        got = f"must be a number of at most {len(body)} bytes, the body's, got {shown(header_length)}"
        raise ProtocolError(f"{HEADER_LENGTH}: {got}")
    if int(header_length) > HEADER_BYTES:
        raise ProtocolError(f"JSON: must have at most {HEADER_BYTES} bytes, got {int(header_length)}")
    return body[: int(header_length)], body[int(header_length) :]


def the_payload(inputs: Any, binary: bytes) -> bytes:
    """The bytes of the one input, which are all that there are.

    Args:
        inputs: Of the request's JSON.
        binary: Behind it.

    Raises:
        ProtocolError: It is not the one tensor that a model takes, or says another length.

    Example:
        >>> stated = {"parameters": {"binary_data_size": 3}, "shape": [1, 3]}
        >>> the_payload([INPUT | stated], b"abc")
        b'abc'
    """
    tensors = a_list(inputs, "inputs")
    if len(tensors) != 1:
        raise ProtocolError(f"inputs: must be the one tensor 'payload', got {len(tensors)}")
    tensor = object_of(tensors[0], "input", {"name", "shape", "datatype", "parameters"})
    for key in ("name", "datatype"):
        if tensor.get(key) != INPUT[key]:
            raise ProtocolError(f"input: {key} must be {INPUT[key]}, got {shown(tensor.get(key))}")
    stated = object_of(tensor.get("parameters", {}), "parameters of the input", {"binary_data_size"})
    size = a_natural(stated.get("binary_data_size"), "binary_data_size")
    if size != len(binary):
        raise ProtocolError(f"binary_data_size: must be the {len(binary)} bytes behind the JSON, got {size}")
    shape = a_list(tensor.get("shape"), "shape")
    if [type(axis) for axis in shape] != [int, int] or shape != [1, size]:
        raise ProtocolError(f"input: shape must be [1, {size}], got {shown(shape)}")
    return binary


def wanted_outputs(outputs: Any, parameters: dict[str, Any]) -> tuple[tuple[str, bool], ...]:
    """Names of wanted outputs, each with whether it is wanted as binary data; all where none is named.

    Args:
        outputs: Of the request's JSON.
        parameters: Of the request's JSON; ``binary_data_output`` there holds for outputs that say nothing.

    Raises:
        ProtocolError: An output is unknown, or named twice.

    Example:
        >>> wanted_outputs([{"name": "label", "parameters": {"binary_data": True}}], {})
        (('label', True),)
    """
    binary = a_truth(parameters.get("binary_data_output", False), "binary_data_output")
    wanted: dict[str, bool] = {}
    for output in a_list(outputs, "outputs"):
        own = object_of(output, "output", {"name", "parameters"})
        name = own.get("name")
        if not isinstance(name, str) or name not in OUTPUTS or name in wanted:
            raise ProtocolError(f"outputs: must be among label and confidence, each once, got {shown(name)}")
        stated = object_of(own.get("parameters", {}), "parameters of an output", {"binary_data"})
        wanted[name] = a_truth(stated.get("binary_data", binary), "binary_data")
    return tuple((wanted or dict.fromkeys(OUTPUTS, binary)).items())
