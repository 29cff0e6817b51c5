"""Drives a server with ``tritonclient``, in the environment that has it: URL, model, version, point, payload.

Prints what it saw as one JSON object. Imports nothing of the explorer.
"""

import json
import sys
from typing import Any

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def main(url: str, model: str, version: str, point: str, payload: str) -> dict[str, Any]:
    """Everything that such a client does with a server."""
    client = triton.InferenceServerClient(url)
    seen: dict[str, Any] = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(model, version),
        "another_ready": client.is_model_ready(model, "f" * 16),
        "server": client.get_server_metadata(),
        "metadata": client.get_model_metadata(model, version),
    }
    values = np.frombuffer(bytes.fromhex(payload), np.uint8)[np.newaxis]
    tensor = triton.InferInput("payload", list(values.shape), "UINT8")
    tensor.set_data_from_numpy(values, binary_data=True)
    parameters = {"point": int(point)}

    def infer(**options: Any) -> list[Any]:
        result = client.infer(model, [tensor], parameters=parameters, **options)
        label, confidence = result.as_numpy("label"), result.as_numpy("confidence")
        return [str(label.dtype), label.tolist(), str(confidence.dtype), confidence.tolist()]

    def outputs(binary: bool) -> list[Any]:
        return [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "confidence")]

    seen["default"] = infer(model_version=version)
    seen["unnamed"] = infer()
    seen["binary"] = infer(model_version=version, outputs=outputs(True), request_id="17")
    seen["json"] = infer(model_version=version, outputs=outputs(False))
    try:
        infer(model_version="f" * 16)
    except InferenceServerException as error:
        seen["refused"] = [error.status(), error.message()]
    waiting = [client.async_infer(model, [tensor], version, parameters=parameters) for _ in range(5)]
    seen["concurrent"] = [own.get_result().as_numpy("label").tolist() for own in waiting]
    return seen


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
