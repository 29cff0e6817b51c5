"""Messages have the lengths that were predicted and say what was meant, and nonsense is refused."""

import json
import struct
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hostile_requests import HOSTILE, PAYLOAD, body_of, valid
from hypothesis import example, given, settings
from hypothesis import strategies as st

from explorer.runtime.protocol.messages import (
    HEADER_LENGTH,
    OUTPUTS,
    ProtocolError,
    Request,
    Response,
    as_message,
    infer_request,
    infer_response,
    parse_request,
    parse_response,
)
from explorer.runtime.sizes import REQUEST_OVERHEAD, RESPONSE_BYTES

VERSION, HOST = "0123456789abcdef", "192.168.100.100:65535"
confidences = st.floats(0, 1, width=32)
wanted = st.permutations(sorted(OUTPUTS)).flatmap(
    lambda names: st.tuples(*(st.tuples(st.just(name), st.booleans()) for name in names))
)


def split(message: bytes) -> tuple[dict[str, str], bytes]:
    """Headers, with the first line under an empty name, and body."""
    head, _, body = message.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return {"": first} | {name: value.strip() for name, _, value in pairs}, body


@given(
    st.integers(0, 200_000),
    st.integers(0, 10**9),
    st.integers(0, 99),
    st.sampled_from([None, "t" * 32]),
    st.sampled_from(["a", "digits", "fashion-mnist-2026"]),
)
@example(99, 0, 0, None, "digits")
@example(1000 - 145, 0, 0, None, "digits")
def test_a_request_is_384_bytes_longer_than_its_payload(
    size: int, number: int, point: int, token: str | None, name: str
) -> None:
    payload = bytes(size)
    message = infer_request(name, VERSION, HOST, point=point, payload=payload, token=token, number=number)
    assert len(message) == REQUEST_OVERHEAD + size
    headers, body = split(message)
    assert headers[""] == f"POST /v2/models/{name}/versions/{VERSION}/infer HTTP/1.1"
    assert headers["Host"] == HOST
    assert headers.get("Authorization") == (None if token is None else f"Bearer {token}")
    assert int(headers["Content-Length"]) == len(body)
    assert parse_request(body, headers[HEADER_LENGTH]) == Request(point, payload, str(number))


@pytest.mark.parametrize(("name", "host", "token"), [("n" * 300, HOST, None), ("digits", HOST, "t" * 500)])
def test_a_longer_name_or_token_makes_a_request_as_long_as_needed(
    name: str, host: str, token: str | None
) -> None:
    message = infer_request(name, VERSION, host, point=1, payload=PAYLOAD, token=token)
    headers, body = split(message)
    assert len(message) > REQUEST_OVERHEAD + len(PAYLOAD)
    assert int(headers["Content-Length"]) == len(body)
    assert b"} " not in body
    assert parse_request(body, headers[HEADER_LENGTH]) == Request(1, PAYLOAD, "0")


@given(
    st.integers(0, 99_999), confidences, st.integers(0, 10**9), st.sampled_from(["a", "fashion-mnist-2026"])
)
def test_an_answer_has_256_bytes(label: int, confidence: float, number: int, name: str) -> None:
    headers, body = infer_response(Request(0, b"", str(number)), label, confidence, name)
    message = as_message(headers, body)
    assert len(message) == RESPONSE_BYTES
    assert int(headers["Content-Length"]) == len(body)
    response = parse_response(body, headers.get(HEADER_LENGTH))
    assert response == Response(label, response.confidence, str(number))
    assert np.float32(response.confidence) == np.float32(confidence)


@given(st.integers(0, 2**31 - 1), confidences, wanted)
def test_both_forms_of_outputs_say_the_same(
    label: int, confidence: float, outputs: tuple[tuple[str, bool], ...]
) -> None:
    headers, body = infer_response(Request(0, b"", outputs=outputs), label, confidence, "digits", VERSION)
    assert len(as_message(headers, body)) >= RESPONSE_BYTES
    assert (HEADER_LENGTH in headers) == any(binary for _, binary in outputs)
    response = parse_response(body, headers.get(HEADER_LENGTH))
    assert response.label == label
    assert np.float32(response.confidence) == np.float32(confidence)
    content = json.loads(body[: int(headers.get(HEADER_LENGTH, len(body)))])
    assert content["model_version"] == VERSION
    assert [output["name"] for output in content["outputs"]] == [name for name, _ in outputs]
    for output, (_, binary) in zip(content["outputs"], outputs, strict=True):
        assert ("data" in output) != binary
        assert output["shape"] == [1]


def test_binary_outputs_lie_behind_the_json_in_order() -> None:
    request = Request(0, b"", outputs=(("confidence", True), ("label", True)))
    headers, body = infer_response(request, 3, 0.75, "digits")
    assert body[int(headers[HEADER_LENGTH]) :] == struct.pack("<fi", 0.75, 3)


def test_outputs_are_as_a_standard_client_asks() -> None:
    def outputs(**content: object) -> tuple[tuple[str, bool], ...]:
        return parse_request(*body_of(valid() | content)).outputs

    binary, text = {"parameters": {"binary_data": True}}, {"parameters": {"binary_data": False}}
    assert outputs() == (("label", False), ("confidence", False))
    assert outputs(parameters={"binary_data_output": True}) == (("label", True), ("confidence", True))
    assert outputs(outputs=[{"name": "label", **binary}]) == (("label", True),)
    both = [{"name": "confidence", **text}, {"name": "label"}]
    assert outputs(outputs=both, parameters={"binary_data_output": True}) == (
        ("confidence", False),
        ("label", True),
    )


def test_what_a_client_may_leave_out() -> None:
    content = valid()
    del content["id"], content["parameters"]
    assert parse_request(*body_of(content)) == Request(0, PAYLOAD)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_request_is_refused_with_one_line(name: str) -> None:
    with pytest.raises(ProtocolError) as refusal:
        parse_request(*HOSTILE[name])
    message = str(refusal.value)
    assert message.isascii()
    assert "\n" not in message
    assert len(message) < 200


def test_no_request_takes_memory_for_what_it_claims() -> None:
    for body, length in HOSTILE.values():
        tracemalloc.start()
        with pytest.raises(ProtocolError):
            parse_request(body, length)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 200_000 + 2 * len(body)


_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_keys = st.sampled_from(["id", "inputs", "outputs", "parameters", "name", "shape", "point", "datatype"])
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4)
)


@given(_values, st.binary(max_size=40))
def test_any_json_is_a_request_or_refused(content: object, payload: bytes) -> None:
    _read_or_refuse(*body_of(content, payload))


@given(st.binary(max_size=300), st.none() | st.integers(-5, 400).map(str) | st.text(max_size=6))
def test_any_bytes_are_a_request_or_refused(body: bytes, length: str | None) -> None:
    _read_or_refuse(body, length)


@settings(max_examples=200)
@given(st.integers(0, 150), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(place: int, byte: int) -> None:
    body, length = body_of(valid())
    changed = bytearray(body)
    changed[place % len(body)] = byte
    _read_or_refuse(bytes(changed), length)


def _read_or_refuse(body: bytes, length: str | None) -> None:
    for parse in (parse_request, parse_response):
        with suppress(ProtocolError):
            parse(body, length)


@pytest.mark.parametrize(
    "outputs",
    [
        None,
        [],
        [{"name": "label", "data": [3]}],
        [{"name": "label", "data": [3]}, {"name": "confidence", "data": [float("inf")]}],
        [{"name": "label", "data": [3]}, {"name": "confidence", "data": [1.5]}],
        [{"name": "label", "data": [-1]}, {"name": "confidence", "data": [0.5]}],
        [{"name": "label", "data": [3.5]}, {"name": "confidence", "data": [0.5]}],
        [{"name": "label", "data": [3]}, {"name": "confidence", "data": [True]}],
        [{"name": "label", "data": [3, 4]}, {"name": "confidence", "data": [0.5]}],
        [{"name": "label", "data": 3}, {"name": "confidence", "data": [0.5]}],
        [{"name": "label"}, {"name": "confidence"}],
        [{"name": "label", "data": [3]}] * 2,
        [{"name": ["label"], "data": [3]}],
        ["label", "confidence"],
    ],
)
def test_an_answer_that_is_none_is_refused(outputs: object) -> None:
    with pytest.raises(ProtocolError):
        parse_response(json.dumps({"model_name": "digits", "outputs": outputs}).encode(), None)


def test_an_answer_with_bytes_too_many_is_refused() -> None:
    headers, body = infer_response(
        Request(0, b"", outputs=(("label", True), ("confidence", True))), 3, 0.5, "n"
    )
    with pytest.raises(ProtocolError, match="4 bytes belong to no output"):
        parse_response(body + bytes(4), headers[HEADER_LENGTH])
