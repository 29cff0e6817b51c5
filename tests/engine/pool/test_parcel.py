"""Work travels as it is; large arrays lie in files, there once, that go with the last who needs them."""

import os
import pickle
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pytest

from explorer.engine.pool.child import Child, Limits
from explorer.engine.pool.parcel import LARGE_BYTES, Parcel, drop_links, own_links, pack
from explorer.engine.pool.worker_plugin import ChildPlugin

LARGE = np.arange(LARGE_BYTES // 4, dtype=np.float32)
SMALL = np.arange(8)


def work(array: "np.ndarray[Any, Any]") -> Any:
    return partial(np.take, array)


@pytest.mark.parametrize("local", [False, True])
def test_large_arrays_lie_in_files(tmp_path: Path, local: bool) -> None:
    parcel = pack(work(LARGE), tmp_path if local else None)
    assert len(parcel.pickled) < 1000
    if not local:
        assert [len(own) for own in parcel.contents] == [LARGE.nbytes]
        assert len(pickle.dumps(parcel)) > LARGE.nbytes
        parcel = parcel.laid_down(tmp_path)
    assert not parcel.contents
    assert len(pickle.dumps(parcel)) < 2000
    assert parcel.unpack()(7) == LARGE[7]
    assert len(list(tmp_path.iterdir())) == 1


def test_small_arrays_travel_in_the_pickle(tmp_path: Path) -> None:
    parcel = pack(work(SMALL), tmp_path)
    assert (parcel.files, parcel.contents) == ((), ())
    assert parcel.unpack()(3) == 3
    assert not list(tmp_path.iterdir())


def test_equal_arrays_lie_there_once(tmp_path: Path) -> None:
    parcel = pack(partial(np.array_equal, LARGE, LARGE.copy()), tmp_path)
    assert len(set(parcel.files)) == 1 < len(parcel.files)
    work: Any = pickle.loads(pickle.dumps(parcel)).unpack()
    assert work() is True
    assert np.shares_memory(*work.args)  # one mapping, whose pages count once


def test_the_last_link_takes_the_file_along(tmp_path: Path) -> None:
    parcel = pack(work(LARGE), None).laid_down(tmp_path)
    (shared,) = (Path(file) for file in parcel.files)
    owners = [tmp_path / name for name in "ab"]
    for folder in owners:
        folder.mkdir()
    links = [own_links(parcel, folder) for folder in owners]
    drop_links(links[0], tmp_path)
    assert shared.exists()
    assert links[1].unpack()(5) == 5
    drop_links(links[1], tmp_path)
    assert not shared.exists()


@pytest.mark.slow
def test_a_child_maps_them(tmp_path: Path) -> None:
    child = Child(pack(work(LARGE), tmp_path), threads=1, memory_bytes=None, environment={"OWN": "5"})
    try:
        kind, result = child.run(pickle.dumps(9), Limits(60))
    finally:
        child.kill()
    assert (kind, pickle.loads(result)) == ("result", 9.0)


@pytest.mark.slow
def test_mapped_files_are_not_a_childs_own_memory(tmp_path: Path) -> None:
    many = np.ones(64 * LARGE_BYTES, dtype=np.uint8)
    child = Child(pack(partial(np.dot, many), tmp_path), threads=1, memory_bytes=None)
    try:
        outcome = child.run(pickle.dumps(1), Limits(60))[0]
        resident = psutil.Process(child._process.pid).memory_info().rss
        assert resident - child._used_bytes() > 0.9 * many.nbytes
    finally:
        child.kill()
    assert outcome == "result"


@pytest.mark.slow
def test_workers_of_a_machine_share_what_came_along(tmp_path: Path) -> None:
    workers = [SimpleNamespace(local_directory=str(tmp_path / name), name=name) for name in "ab"]
    plugins = list[ChildPlugin]()
    for worker in workers:
        Path(worker.local_directory).mkdir()
        plugin = ChildPlugin(pack(work(LARGE), None), threads=1, limits=Limits(60), ignore_interrupt=False)
        plugin.setup(worker)  # type: ignore[arg-type]
        plugins.append(plugin)
    (shared,) = (path for path in tmp_path.iterdir() if path.is_file())
    assert shared.stat().st_nlink == 3
    assert [plugin.run(pickle.dumps(4))[0] for plugin in plugins] == ["result", "result"]
    for plugin, worker in zip(plugins, workers, strict=True):
        plugin.teardown(worker)  # type: ignore[arg-type]
    assert not shared.exists()


@pytest.mark.slow
def test_each_worker_sees_one_gpu() -> None:
    seen = []
    for number in range(3):
        plugin = ChildPlugin(
            pack(os.getenv, None), threads=1, limits=Limits(60), ignore_interrupt=False, gpus=("4", "6")
        )
        worker: Any = SimpleNamespace(name=number)
        plugin.setup(worker)
        seen.append(pickle.loads(plugin.run(pickle.dumps("CUDA_VISIBLE_DEVICES"))[1]))
        plugin.teardown(worker)
    assert seen == ["4", "6", "4"]


def test_nothing_large() -> None:
    assert pack(len, None) == Parcel(pickle.dumps(len, protocol=5))
