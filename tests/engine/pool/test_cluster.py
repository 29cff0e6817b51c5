"""The cluster of a search on one machine."""

import tempfile
from pathlib import Path

import pytest
from dask.distributed import Client

from explorer.engine.pool.cluster import local_cluster


def test_all_its_files_lie_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler's too, which would else lie in the system's temporary folder and stay there."""
    own, system = tmp_path / "own", tmp_path / "system"
    own.mkdir()
    system.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(system))
    with local_cluster(1, own) as cluster, Client(cluster) as client:
        assert client.submit(abs, -2).result(timeout=60) == 2
    assert [path.name for path in own.iterdir()] == ["dask-scratch-space"]
    assert list(system.iterdir()) == []
