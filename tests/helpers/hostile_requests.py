"""Bodies that are no inference requests: each has one thing wrong, and must be refused with one line."""

import json
from collections.abc import Callable
from typing import Any

from explorer.runtime.protocol.messages import INPUT

PAYLOAD = bytes(range(26))  # of the stand-in bundle's first point: 10 bytes of header, 16 of values


def valid(payload: bytes = PAYLOAD) -> dict[str, Any]:
    """The JSON of a request."""
    size = len(payload)
    return {
        "id": "7",
        "parameters": {"point": 0},
        "inputs": [INPUT | {"shape": [1, size], "parameters": {"binary_data_size": size}}],
    }


def body_of(content: Any, payload: bytes = PAYLOAD) -> tuple[bytes, str]:
    """Body and length of the JSON in it."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return text + payload, str(len(text))


def _changed(change: Callable[[dict[str, Any]], Any]) -> tuple[bytes, str]:
    content = valid()
    change(content)
    return body_of(content)


def _input(**changes: Any) -> tuple[bytes, str]:
    return _changed(lambda content: content["inputs"][0].update(changes))


def _length(text: str) -> tuple[bytes, str]:
    return body_of(valid())[0], text


_TEXT = json.dumps(valid()).encode()
HOSTILE: dict[str, tuple[bytes, str | None]] = {
    # the ten of the field notes
    "length of JSON beyond the body": _length("99999"),
    "length of JSON too short": _length("20"),
    "shape of 2 ** 40": _input(shape=[1, 2**40]),
    "shape of 2 ** 40, size as well": _input(shape=[1, 2**40], parameters={"binary_data_size": 2**40}),
    "200,000 brackets": body_of(b"[" * 200_000),
    "brackets within the limit": body_of(b"[" * 4000),
    "list for an object": body_of([valid()]),
    "negative shape": _input(shape=[1, -26]),
    "length of JSON no number": _length("ten"),
    "NaN": body_of(_TEXT.replace(b'"point": 0', b'"point": NaN')),
    # lengths and numbers
    "length of JSON negative": _length("-1"),
    "length of JSON twice": _length("139,139"),
    "length of JSON in other digits": _length("\u0661\u0662"),
    "length of JSON empty": _length(""),
    "length of JSON of many digits": _length("1" * 5000),
    "no length of JSON": (body_of(valid())[0], None),
    "empty body": (b"", None),
    "infinity": body_of(_TEXT.replace(b'"point": 0', b'"point": -Infinity')),
    "number of 5,000 digits": body_of(_TEXT.replace(b'"point": 0', b'"point": ' + b"9" * 3900)),
    "point a fraction": _changed(lambda content: content.update(parameters={"point": 0.5})),
    "point true": _changed(lambda content: content.update(parameters={"point": True})),
    "point negative": _changed(lambda content: content.update(parameters={"point": -1})),
    "parameters a list": _changed(lambda content: content.update(parameters=[])),
    "objects nested deeply": body_of(b'{"id":' * 500 + b"0" + b"}" * 500),
    "nested value shown": _changed(lambda content: content.update(id=[[[[[[]]]]]])),
    # text
    "not UTF-8": body_of(b'{"id": "\xff"}'),
    "null byte": body_of(b"\x00" * 40),
    "no JSON": body_of(b"<xml/>"),
    "two values": body_of(_TEXT + b"{}"),
    "key twice": body_of(_TEXT[:-1] + b', "id": "8"}'),
    "unknown key": _changed(lambda content: content.update(model="x")),
    "id too long": _changed(lambda content: content.update(id="x" * 65)),
    "id a number": _changed(lambda content: content.update(id=7)),
    # the tensor
    "no inputs": _changed(lambda content: content.pop("inputs")),
    "inputs empty": _changed(lambda content: content.update(inputs=[])),
    "inputs an object": _changed(lambda content: content.update(inputs={})),
    "tensor twice": _changed(lambda content: content["inputs"].append(content["inputs"][0])),
    "tensor a text": _changed(lambda content: content.update(inputs=["payload"])),
    "another name": _input(name="image"),
    "FP32": _input(datatype="FP32"),
    "BYTES": _input(datatype="BYTES"),
    "datatype a list": _input(datatype=["UINT8"]),
    "shape of three axes": _input(shape=[1, 1, 26]),
    "shape of one axis": _input(shape=[26]),
    "shape of truths": _input(shape=[True, 26]),
    "shape of fractions": _input(shape=[1.0, 26.0]),
    "shape a number": _input(shape=26),
    "shape of another size": _input(shape=[1, 25]),
    "batch of two": _input(shape=[2, 13]),
    "data as JSON": _input(data=[0] * 26),
    "size beyond the body": _input(shape=[1, 27], parameters={"binary_data_size": 27}),
    "bytes behind the tensor": _input(shape=[1, 25], parameters={"binary_data_size": 25}),
    "size negative": _input(parameters={"binary_data_size": -1}),
    "size a text": _input(parameters={"binary_data_size": "26"}),
    "no size": _input(parameters={}),
    "shared memory": _input(parameters={"shared_memory_region": "x"}),
    # outputs
    "outputs an object": _changed(lambda content: content.update(outputs={})),
    "unknown output": _changed(lambda content: content.update(outputs=[{"name": "logits"}])),
    "output without a name": _changed(lambda content: content.update(outputs=[{}])),
    "output twice": _changed(lambda content: content.update(outputs=[{"name": "label"}] * 2)),
    "output's name a list": _changed(lambda content: content.update(outputs=[{"name": ["label"]}])),
    "binary_data a number": _changed(
        lambda content: content.update(outputs=[{"name": "label", "parameters": {"binary_data": 1}}])
    ),
    "binary_data_output a text": _changed(
        lambda content: content.update(parameters={"binary_data_output": "yes"})
    ),
    "classification": _changed(
        lambda content: content.update(outputs=[{"name": "label", "parameters": {"classification": 3}}])
    ),
}
