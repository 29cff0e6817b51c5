"""Reads of the test subset: none is lost, none counts twice."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from explorer.runs.reads import READS_FILE, counted_read, read_points


def test_many_may_count_at_a_time(tmp_path: Path) -> None:
    asked = [f"mlp-{number % 20}" for number in range(200)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda point: counted_read(tmp_path, point), asked))
    assert set(read_points(tmp_path)) == set(asked)
    assert len(read_points(tmp_path)) == 20


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    (tmp_path / READS_FILE).symlink_to(elsewhere)
    with pytest.raises(OSError, match=READS_FILE):
        counted_read(tmp_path, "mlp-1")
    assert elsewhere.read_text() == ""


def test_nothing_was_read_yet(tmp_path: Path) -> None:
    assert read_points(tmp_path) == []
    (tmp_path / READS_FILE).write_bytes(b"\n\xff" + os.linesep.encode())
    assert len(read_points(tmp_path)) == 1
