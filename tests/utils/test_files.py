"""A file is there whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from explorer.errors import UserError
from explorer.utils.files import read_json, remove_temporary, write_json, write_text


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


def test_never_through_a_link(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "run.json", tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    temporary = tmp_path / f".run.json.{os.getpid()}.tmp"
    temporary.symlink_to(elsewhere)
    path.symlink_to(elsewhere)
    write_text(path, "new")
    assert elsewhere.read_text() == "kept"
    assert not path.is_symlink()
    assert path.read_text() == "new"
    assert not temporary.exists()


def test_a_full_disk_names_the_file_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("explorer.utils.files.os.replace", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/run\.json'"):
        write_text(tmp_path / "run.json", "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000])
def test_json_without_end(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=r"run\.json: not valid JSON"):
        read_json(tmp_path / "run.json")


def test_only_temporary_files_are_removed(tmp_path: Path) -> None:
    kept = [".hidden.tmp", "run.json", "run.json.12.tmp"]
    for name in (*kept, ".run.json.12.tmp"):
        (tmp_path / name).touch()
    remove_temporary(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
