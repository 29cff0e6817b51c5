"""One run, one owner: the lock is refused to others with the owner's name, and gone with its process."""

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.errors import UserError
from explorer.runs.folder import LOCK_FILE, new_run_folder
from explorer.runs.owner import owned, owner_of

HOLD = """
import sys, time
from pathlib import Path
from explorer.runs.owner import owned
with owned(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_owner_leaves_a_free_run(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "run"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"held\n"
        assert owner_of(folder) == (socket.gethostname(), owner.pid)
        refused = f"{folder}: is being searched by process {owner.pid} on {socket.gethostname()}"
        with pytest.raises(UserError, match=refused), owned(folder):
            pass
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    assert owner_of(folder) is None
    assert new_run_folder(tmp_path / "reports", "run", "space") == folder  # nothing but the lock lies there
    with owned(folder):
        assert owner_of(folder) == (socket.gethostname(), os.getpid())


def test_a_lock_that_was_removed_is_none(tmp_path: Path) -> None:
    with owned(tmp_path / "run"):
        (tmp_path / "run" / LOCK_FILE).unlink()
        with owned(tmp_path / "run"):
            assert owner_of(tmp_path / "run") is not None


def test_a_disk_that_is_full_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    where = f"{tmp_path}/run/{LOCK_FILE}"
    with pytest.raises(OSError, match=f"No space left on device: '{where}'"), owned(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()


def test_a_folder_in_which_something_lies_stays(tmp_path: Path) -> None:
    with owned(tmp_path / "new" / "run"):
        (tmp_path / "new" / "run" / "run.json").touch()
    assert [path.name for path in (tmp_path / "new" / "run").iterdir()] == ["run.json"]
    with owned(tmp_path / "another" / "run"):
        pass
    assert not (tmp_path / "another").exists()


def test_a_folder_of_something_else_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert new_run_folder(tmp_path, "mine", "space") == tmp_path / "mine"
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(UserError, match="mine exists and holds no run; choose another name"):
        new_run_folder(tmp_path, "mine", "space")
