"""optuna-dashboard opens the study of a search that is running."""

import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from loops import make_loop, silent
from stand_ins import fabricate, make_proposer

from benchmarks.private_postgres import free_port
from explorer.costs.evaluate import EvaluatedNetwork
from explorer.engine.storage.open import open_study
from explorer.space.candidate import NetworkSpec

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


@contextmanager
def dashboard(storage: str) -> Iterator[str]:
    """The address of a dashboard that answers."""
    program = shutil.which("optuna-dashboard", path=Path(sys.executable).parent)
    assert program is not None
    address = f"http://127.0.0.1:{(port := free_port())}"
    with subprocess.Popen([program, storage, "--port", str(port), "--quiet"]) as process:
        try:
            deadline = time.monotonic() + 40
            while True:
                try:
                    ask(f"{address}/api/meta")
                    break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
            yield address
        finally:
            process.kill()


def ask(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_running_search_in_the_dashboard(
    tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    shown, asked = threading.Event(), threading.Event()

    def waits_until_asked(spec: NetworkSpec) -> EvaluatedNetwork:
        """The search cannot end before the dashboard has shown it running."""
        if len(loop.networks) == 2:
            shown.set()
            assert asked.wait(50)
        return fabricate(spec)

    sqlite = f"sqlite:///{tmp_path / 'study.db'}"
    storage = sqlite if database == "sqlite" else request.getfixturevalue("postgres_url")
    study = open_study(storage, "shown", make_proposer().space.metrics)
    loop = make_loop(tmp_path, waits_until_asked, study=study)
    search = threading.Thread(target=loop.run, args=(15, None, silent))
    search.start()
    try:
        assert shown.wait(20)
        with dashboard(storage) as address:
            (summary,) = ask(f"{address}/api/studies")["study_summaries"]
            assert summary["study_name"] == "shown"
            assert summary["directions"] == ["maximize", "minimize"]
            trials = ask(f"{address}/api/studies/{summary['study_id']}?after=0")["trials"]
            assert search.is_alive()
    finally:
        asked.set()
        search.join(20)
    assert len(loop.study.optuna_study.trials) == 15  # the onlooker did not disturb the search
    complete = [trial["values"] for trial in trials if trial["state"] == "Complete"]
    assert complete == [trial.values for trial in loop.study.optuna_study.trials[:2]]
