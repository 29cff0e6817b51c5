"""A file is there whole or not at all."""

from pathlib import Path

import pytest

from explorer.errors import UserError
from explorer.utils.files import read_json, write_json, write_text


def test_files_are_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})
    with monkeypatch.context() as patch:
        patch.setattr(
            "explorer.utils.files.os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt())
        )
        with pytest.raises(KeyboardInterrupt):
            write_text(path, "half")
    assert read_json(path) == {"a": 1}
    write_json(path, {"a": 2})
    assert read_json(path) == {"a": 2}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_no_nan(tmp_path: Path, value: float) -> None:
    path = tmp_path / "run.json"
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": value})
    assert not path.exists()


@pytest.mark.parametrize(
    ("content", "message"), [(None, "no such file"), (b"{", "not valid JSON"), (b"\xff", "not valid JSON")]
)
def test_what_cannot_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"run\.json: {message}"):
        read_json(path)
