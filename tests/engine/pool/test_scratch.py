"""Temporary folders of workers: removed at the end, and after a kill by whoever comes next."""

import multiprocessing
import os
import signal
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from explorer.engine.pool.scratch import remove_abandoned, scratch_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _own(temporary: str, told: "Connection[Any, Any]") -> None:
    tempfile.tempdir = temporary
    with scratch_folder() as folder:
        told.send(folder)
        signal.pause()


def test_left_by_a_kill_and_removed_by_the_next(temporary: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_own, args=(str(temporary), theirs))
    process.start()
    folder = Path(ours.recv())
    remove_abandoned()
    assert folder.exists()  # its owner lives
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert folder.exists()
    remove_abandoned()
    assert not folder.exists()


def test_killed_before_it_had_its_lock(temporary: Path) -> None:
    folder = temporary / "explorer-workers-1"
    for age_s, is_there in ((540, True), (660, False)):
        folder.mkdir(exist_ok=True)
        (folder / "owner.lock.new").touch()
        os.utime(folder, (time.time() - age_s,) * 2)
        remove_abandoned()
        assert folder.exists() == is_there


def test_only_folders_with_a_lock_of_nobody_are_removed(temporary: Path) -> None:
    other, link = temporary / "explorer-workers-1", temporary / "explorer-workers-2"
    other.mkdir()
    link.symlink_to(temporary)
    with scratch_folder() as folder:
        remove_abandoned()
        assert Path(folder).exists()
    assert sorted(temporary.iterdir()) == [other, link]
