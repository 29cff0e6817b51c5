"""Searches that share a study in PostgreSQL: the whole experiment, and what a user may do wrong."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
import pytest
import yaml

from benchmarks.endurance.kills import ALONE
from benchmarks.endurance.rounds import Found, Life, Outside, Part, Round
from benchmarks.endurance.searches import stored_networks
from benchmarks.private_postgres import PASSWORD, MissingPostgresError, Server, free_port, running_server
from explorer import search
from explorer.engine.defaults import DEFAULT_SAMPLER
from explorer.errors import EXIT_USER_ERROR, UserError
from explorer.runs.results import load_run

pytestmark = pytest.mark.slow

SPACE = {
    "data": {"source": "digits", "train_samples": 300, "validation_samples": 150},
    "backbones": {
        "mlp": {
            "factory": "explorer.backbones:mlp",
            "arguments": {"hidden": [[16], [16, 16]]},
            "densities": {"low": 0.1, "high": 1.0, "limit": 6},
        }
    },
    "training": {"epochs": 2, "learning_rate": 0.02},
    "objectives": {"accuracy": 0.1, "edge_macs": 20_000},
    "edge_device": "stm32h7a3",
    "server_device": "xeon_8124m",
    "link": "ble_2m_dle",
}


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE), encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def searching(url: str, run: str, *more: str) -> int:
    return search.main(
        ["--storage", url, "--run", run, "--space", "space.yaml", "--trials", "6", "--no-energy", *more]
    )


@pytest.mark.timeout(400)
def test_two_searches_share_a_study_and_one_is_killed(postgres: Server, tmp_path: Path) -> None:
    part, found = Part("shared", ["parent"], 1, 1, ALONE, SPACE, trials=20, searches=2), Found()
    own = Round(part, tmp_path, "shared", Outside(database=postgres), Life(), random.Random(0), found)
    try:
        assert own.strike("parent", "training")
        own.end(None)
    finally:
        own.close()
    assert found.problems == []


def test_a_second_search_finds_everything_done(postgres_url: str, tmp_path: Path) -> None:
    """One after the other: the second trains nothing, and ends with the same front."""
    assert searching(postgres_url, "one", "--study", "both") == 0
    assert searching(postgres_url, "two", "--study", "both") == 0
    one, two = (load_run(tmp_path / "reports" / run) for run in ("one", "two"))
    assert list(one.front["point_id"]) == list(two.front["point_id"])
    assert one.trials["params"].tolist() == two.trials["params"].tolist()
    assert one.record.counts == two.record.counts
    assert "other processes" in two.record.search.energy_reason
    assert "other processes" not in one.record.search.energy_reason
    for run in ("one", "two"):
        assert not [path for path in (tmp_path / "reports" / run).rglob("*") if holds_password(path)]


def test_a_damaged_network_is_taken_from_the_study(postgres_url: str, tmp_path: Path) -> None:
    assert searching(postgres_url, "run") == 0
    run = tmp_path / "reports" / "run"
    before = {path: path.read_bytes() for path in run.glob("networks/*/*.[jp]*")}
    damaged = sorted(before)[::3]
    for path in damaged:
        path.write_bytes(before[path][:-20])
    again = ["--resume", "--run", "run", "--storage", postgres_url, "--trials", "6", "--no-energy"]
    assert search.main(again) == 0
    assert {path: path.read_bytes() for path in run.glob("networks/*/*.[jp]*")} == before
    assert load_run(run).record.counts["trials"] == 6


def holds_password(path: Path) -> bool:
    return path.is_file() and PASSWORD.encode() in path.read_bytes()


def test_resumed_without_naming_the_storage_again(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert searching(postgres_url, "run") == 0
    record = json.loads((tmp_path / "reports" / "run" / "run.json").read_text())
    assert record["storage"] == postgres_url.replace(f":{PASSWORD}@", "@")
    assert record["study"] == "run"
    again = ["--resume", "--run", "run", "--trials", "8", "--no-energy"]
    with pytest.raises(UserError, match="no password supplied"):
        search.main(again)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert search.main(again) == 0
    assert load_run(tmp_path / "reports" / "run").record.counts["trials"] == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--seed", "1"], "seed 0, got 1"),
        (["--sampler", "random"], f"sampler '{DEFAULT_SAMPLER}', got 'random'"),
    ],
)
def test_a_study_of_another_search_is_refused(
    postgres_url: str, tmp_path: Path, change: list[str], message: str
) -> None:
    assert searching(postgres_url, "one", "--study", "both") == 0
    with pytest.raises(UserError, match=f"study 'both' was begun with {message}"):
        searching(postgres_url, "two", "--study", "both", *change)
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE | {"training": {"epochs": 1}}))
    with pytest.raises(UserError, match="study 'both' was begun with space '"):
        searching(postgres_url, "two", "--study", "both")
    assert not (tmp_path / "reports" / "two").exists()


def test_a_storage_that_cannot_be_used_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"u:\*\*\*@127.*cannot be used"):
        searching(f"postgresql+psycopg://u:hidden@127.0.0.1:{free_port()}/d", "run")
    assert not (tmp_path / "reports" / "run").exists()


@pytest.mark.timeout(120)
def test_a_server_that_goes_down_in_the_midst_of_a_search(tmp_path: Path) -> None:
    """One message; what was trained stays, and the search goes on when the server is back."""
    run = tmp_path / "reports" / "run"
    with own_server() as server:
        command = [sys.executable, "-m", "explorer.search", "--storage", server.url(), "--run", "run"]
        command += ["--space", "space.yaml", "--trials", "2000", "--no-energy"]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            while len(trained := stored_networks(run)) < 4:
                assert process.poll() is None
                time.sleep(0.05)
            server.stop()
            message = process.stderr.read()
            assert process.wait() == EXIT_USER_ERROR
        warning, *told = message.splitlines()
        assert warning.startswith("warning: --storage: ")
        assert len(told) == 1
        assert "what was trained is kept, go on with --resume" in message
        assert PASSWORD not in message
        server.start()
        told = len(optuna.load_study(study_name="run", storage=server.url()).trials)
        arguments = ["--storage", server.url(), "--run", "run", "--trials", str(told + 1), "--no-energy"]
        assert search.main(["--resume", *arguments]) == 0
        assert trained.items() <= stored_networks(run).items()  # not trained again
        assert load_run(run).record.counts["trials"] == told + 1


@contextmanager
def own_server() -> Iterator[Server]:
    """A server that may be stopped."""
    try:
        with running_server() as server:
            yield server
    except MissingPostgresError as error:
        pytest.skip(str(error))


def test_study_without_storage(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--study 'x': names a study in the database of --storage"):
        search.main(["--study", "x", "--space", "space.yaml"])
