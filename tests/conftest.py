"""What all tests share: one torch thread, property tests independent of speed, a cache of their own in which
this machine was calibrated already, and, for those that ask for it, a PostgreSQL server or a searched run.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import torch
from browsing import CHROMIUM, FLAGS
from calibrated import remember_host
from hypothesis import settings

from benchmarks.private_postgres import MissingPostgresError, Server, running_server
from explorer import Run, load_run, run_search

torch.set_num_threads(1)
settings.register_profile("explorer", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("explorer")
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()  # the user's own cache is not the tests' to fill
remember_host()

_DATABASES = count(1)
_LONGEST = (  # files that one process works at for long: begun first, so that none is left alone with them
    *("test_search.py", "test_browser.py", "test_agreement.py", "test_same_training.py", "test_dask.py"),
    *("test_emit.py", "test_learned.py", "test_shared_study.py", "test_failing_networks.py", "test_zoo.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order in which processes shall begin them; tests of a file stay as they are."""
    places = {name: place for place, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A real PostgreSQL server for all tests that need one."""
    try:
        with running_server() as server:
            yield server
    except MissingPostgresError as error:
        pytest.skip(str(error))


@pytest.fixture
def postgres_url(postgres: Server) -> str:
    """Storage URL of an empty database."""
    name = f"test{next(_DATABASES)}"
    postgres.create(name)
    return postgres.url(name)


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Four trials of the shipped space; tests read it, none writes into its folder."""
    where = tmp_path_factory.mktemp("digits")
    return run_search("digits", trials=4, name="run", workers=1, energy=False, progress=False, reports=where)


@pytest.fixture(scope="module")
def own_digits_run(digits_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A copy of it for the tests of one module, which may write into its folder."""
    return load_run(shutil.copytree(digits_run.path, tmp_path_factory.mktemp("own") / "run"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium, for the tests of one module: its event loop runs as long as it does."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()
