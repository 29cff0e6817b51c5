"""A damaged run folder: told in one sentence, and made whole by the search that goes on with it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from explorer import load_run, run_search
from explorer.errors import EXIT_USER_ERROR, UserError, run_command
from explorer.pick import main as pick
from explorer.search import main as search


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("reports")
    return run_search(
        "digits", trials=3, name="run", workers=1, energy=False, progress=False, reports=where
    ).path


@pytest.fixture
def run(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(whole, tmp_path / "reports" / "run")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def resume() -> int:
    return run_command(lambda: search(["--run", "run", "--resume", "--workers", "1", "--no-energy"]))


@pytest.mark.parametrize(
    ("name", "damage"),
    [("network.json", flip), ("points.parquet", cut), ("evidence.safetensors", Path.unlink)],
)
def test_a_damaged_network_is_told_and_trained_anew(
    run: Path, capsys: pytest.CaptureFixture[str], name: str, damage: Callable[[Path], object]
) -> None:
    before = load_run(run).points
    key = load_run(run).select().network_key
    damage(run / "networks" / key / name)
    assert run_command(lambda: pick(["run", "--no-picture"])) == EXIT_USER_ERROR
    (message,) = capsys.readouterr().err.splitlines()
    assert name in message
    assert message.endswith("`python -m explorer.search --run run --resume` trains the network anew")
    assert resume() == 0
    assert f"{name}: " in capsys.readouterr().out
    costs = ["point_id", "correct", "exited", "edge_macs"]
    pd.testing.assert_frame_equal(load_run(run).points[costs], before[costs])


def test_a_flipped_weight_is_never_used(run: Path) -> None:
    found = load_run(run)
    picked = found.select()
    flip(run / "networks" / picked.network_key / "weights.safetensors")
    with pytest.raises(UserError, match=r"weights\.safetensors: .*--resume` trains the network anew"):
        found.test(picked)
    assert resume() == 0
    again = load_run(run)
    assert again.test(again.select(point_id=picked.point["point_id"]))["reads"] == 1


@pytest.mark.parametrize(
    ("name", "damage"), [("trials.json", flip), ("measurements.json", cut), ("baselines.json", flip)]
)
def test_what_a_session_writes_at_its_end_is_written_anew(
    run: Path, name: str, damage: Callable[[Path], None]
) -> None:
    trials = load_run(run).results.trials
    damage(run / name)
    with pytest.raises(UserError, match=rf"{name}: .*--resume` writes it anew"):
        load_run(run)
    assert resume() == 0
    pd.testing.assert_frame_equal(load_run(run).results.trials, trials)


def test_a_damaged_record_is_told(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(run / "run.json")
    assert resume() == EXIT_USER_ERROR
    (message,) = capsys.readouterr().err.splitlines()
    assert "run.json: " in message


SPACE = {
    "data": {"source": "digits", "train_samples": 800, "validation_samples": 100, "test_samples": 60},
    "backbones": {
        "mlp": {
            "factory": "explorer.backbones:mlp",
            "arguments": {"hidden": [[8], [16]]},
            "densities": {"low": 0.25, "high": 1.0, "limit": 3},
        }
    },
    "training": {"epochs": 3, "batch_size": 8, "learning_rate": 0.01},
    "objectives": {"accuracy": 0.1, "edge_macs": 10_000},
    "edge_device": "stm32h7a3",
    "server_device": "xeon_8124m",
    "link": "ble_2m_dle",
}


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("options", "training"), [(["--rungs", "on"], {}), ([], {"start": "dense"})], ids=["rungs", "dense first"]
)
def test_on_two_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], training: dict[str, str]
) -> None:
    """Damaged networks are trained anew, as far as they were: every point is there again."""
    monkeypatch.chdir(tmp_path)
    space = SPACE | {"training": SPACE["training"] | training}  # type: ignore[operator]
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")
    line = ["--run", "run", "--trials", "6", "--no-energy", "--workers", "2", *options]
    assert search(["--space", "space.yaml", *line]) == 0
    folder = tmp_path / "reports" / "run"
    before = load_run(folder)
    keys = sorted(before.results.networks)
    for number, key in enumerate(keys[::2]):
        flip(
            folder / "networks" / key / ("points.parquet", "network.json", "evidence.safetensors")[number % 3]
        )
    assert search(["--resume", *line]) == 0
    after = load_run(folder)
    assert {key: own.training.epochs for key, own in before.results.networks.items()}.items() <= {
        key: own.training.epochs for key, own in after.results.networks.items()
    }.items()
    columns = ["point_id", "correct", "exited", "edge_macs"]
    pd.testing.assert_frame_equal(
        after.points[columns].sort_values("point_id", ignore_index=True),
        before.points[columns].sort_values("point_id", ignore_index=True),
    )
    assert after.record.counts["trials"] == 6


def test_a_network_that_is_gone_is_told(run: Path) -> None:
    key = load_run(run).select().network_key
    shutil.rmtree(run / "networks" / key)
    with pytest.raises(UserError, match=rf"network {key} is missing; .*--resume` trains it anew"):
        load_run(run)
    assert resume() == 0
    assert key in load_run(run).results.networks
