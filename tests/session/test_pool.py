"""Who trains what where: processes for each GPU, and what worker processes are told."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from explorer.core.device import chosen_device
from explorer.engine.pool import dask
from explorer.engine.pool.auto import AutoPool
from explorer.engine.pool.base import SerialPool
from explorer.errors import UserError
from explorer.session.options import Options
from explorer.session.pool import SENT_BYTES, WORKERS_PER_GPU, device_name, open_pool
from explorer.session.prepare import Session, prepare


class Opened:
    """Stands for the pool of worker processes; keeps what it was opened with."""

    def __init__(self, work: Any, **how: Any) -> None:
        self.told, self.how = work.keywords, how


@pytest.fixture(scope="module")
def session() -> Session:
    return prepare(Options(space="digits"))


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "DaskPool", Opened)
    monkeypatch.setattr("explorer.session.pool.workers_per_machine", lambda threads: 16)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def opened(session: Session, **options: Any) -> Any:
    return open_pool(session, Options(**options))


@pytest.mark.usefixtures("gpus")
def test_workers_of_each_gpu(session: Session) -> None:
    pool = opened(session, workers=3)
    assert (pool.how["workers"], pool.how["gpus"], pool.told["device"]) == (6, ("0", "1"), "cuda")
    pool = opened(session, workers=3, device="cuda:1")
    assert (pool.how["workers"], pool.how["gpus"], pool.told["device"]) == (3, ("1",), "cuda")
    pool = opened(session, workers=3, device="cpu")
    assert (pool.how["workers"], pool.how["gpus"], pool.told["device"]) == (3, (), "cpu")


@pytest.mark.usefixtures("gpus")
def test_one_worker_is_this_process(session: Session) -> None:
    pool = opened(session, workers=1)
    assert isinstance(pool, SerialPool)
    assert chosen_device("auto") == torch.device("cuda", 0)


@pytest.mark.usefixtures("gpus")
def test_unless_said(session: Session) -> None:
    pool = opened(session)
    assert isinstance(pool, AutoPool)
    workers: Any = opened(session, memory_limit_bytes=1)  # limits need processes
    assert workers.how["workers"] == 2 * WORKERS_PER_GPU


@pytest.mark.usefixtures("gpus")
def test_a_cluster_chooses_by_itself(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = opened(session, scheduler="tcp://host:1", resources={"GPU": 1.0})
    assert (pool.how["gpus"], pool.told["device"]) == ((), "auto")
    assert len(pool.told["data"].test) == 0
    assert session.data.sample_bytes < SENT_BYTES
    monkeypatch.setattr("explorer.session.pool.SENT_BYTES", 1)
    assert opened(session, scheduler="tcp://host:1").told["data"].train is session.data.train


@pytest.mark.usefixtures("gpus")
def test_what_the_record_says() -> None:
    assert [device_name(Options(device=name)) for name in ("auto", "cuda:1", "cpu")] == [
        "GPU 0",
        "GPU 1",
        "cpu",
    ]


def test_no_gpu_is_said_before_data_are_read() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="--device: torch must see this GPU, but it sees 0, got 'cuda'"):
        prepare(Options(space="digits", device="cuda"))
    assert prepare(Options(space="digits", device="cuda", scheduler="tcp://host:1"))  # workers may have one


def test_what_killed_searches_left_is_removed_by_a_search_without_workers_too(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "explorer-workers-1").mkdir()
    (tmp_path / "explorer-workers-1" / "owner.lock").touch()
    with opened(session, workers=1):
        assert list(tmp_path.iterdir()) == []
