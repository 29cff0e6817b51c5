"""The benchmark of the server: every answer is right, and it says what it measured."""

import json
from pathlib import Path

import pytest

from benchmarks import serving
from benchmarks.stand_in_bundle import write_bundle


@pytest.mark.slow
def test_every_answer_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = write_bundle(tmp_path / "bundle"), tmp_path / "out.json"
    monkeypatch.setattr(serving, "QUICK", 400)
    assert serving.main([str(folder), "--quick", "--out", str(out)]) == 0
    row = json.loads(out.read_text())
    assert (row["wrong"], row["requests"], row["clients"]) == (0, 400, 8)
    assert row["answer_bytes"] == 256
    assert 0 < row["model_s"] < row["median_s_of_1_client"] < row["median_s_of_8_clients"]


def test_a_wrong_answer_is_noticed() -> None:
    body = b'{"outputs":[{"name":"label","data":[3]},{"name":"confidence","data":[0.5]}]}'
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + body
    assert serving.is_right(answer, (3, 0.5))
    assert not serving.is_right(answer, (4, 0.5))
    assert not serving.is_right(answer, (3, 0.51))
    assert not serving.is_right(b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}", (3, 0.5))
