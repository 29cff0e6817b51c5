"""A client that others wrote drives the server: tritonclient, in an environment of its own.

``EXPLORER_STANDARD_CLIENT`` names the Python there; tests/helpers/standard_client.txt says what it needs.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from served_bundles import response_of, serving

from benchmarks.stand_in_bundle import POINTS, codec_of, crossings, write_bundle
from explorer.runtime.codec import encode
from explorer.runtime.protocol.messages import infer_request

SCRIPT = Path(__file__).parents[2] / "helpers" / "standard_client.py"
PYTHON = os.environ.get("EXPLORER_STANDARD_CLIENT")


@pytest.mark.skipif(PYTHON is None, reason="EXPLORER_STANDARD_CLIENT names no Python with tritonclient")
@pytest.mark.parametrize("point", [0, 1, 2])
def test_it_is_answered_like_the_edge(tmp_path: Path, point: int) -> None:
    payload = encode(crossings(1)[0], codec_of(POINTS[point] or {}))
    with serving(write_bundle(tmp_path)) as served:
        host = f"127.0.0.1:{served.port}"
        arguments = [host, served.name, served.version, str(point), payload.hex()]
        line = [str(PYTHON), str(SCRIPT), *arguments]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        message = infer_request(served.name, served.version, host, point=point, payload=payload)
        expected = response_of(served.send(message))
    assert (seen["live"], seen["ready"], seen["model_ready"], seen["another_ready"]) == (
        True,
        True,
        True,
        False,
    )
    assert seen["server"]["extensions"] == ["binary_tensor_data"]
    assert seen["metadata"]["versions"] == [served.version]
    answer = ["int32", [expected.label], "float32", [pytest.approx(expected.confidence)]]
    for how in ("default", "unnamed", "binary", "json"):
        assert seen[how] == answer
    status, message_of_refusal = seen["refused"]
    assert status == "404"
    assert served.version in message_of_refusal
    assert seen["concurrent"] == [[expected.label]] * 5
