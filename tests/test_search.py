"""The commands, end to end on real data: search, resume, dry run, pick, report."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from benchmarks.endurance.kills import ALONE, kill_part
from benchmarks.endurance.rounds import Found, Part
from benchmarks.reproduce_front import replay_front
from explorer import pick, search
from explorer.core.sweep import is_deployable
from explorer.errors import EXIT_ALL_FAILED, UserError
from explorer.front.select import Selection
from explorer.report.__main__ import main as report_main
from explorer.report.page import write_report
from explorer.report.summary import summary_info
from explorer.runs.deployment import load_run_data, restored
from explorer.runs.point_table import FRONT_COLUMNS
from explorer.runs.reads import read_points
from explorer.runs.results import RunResults, load_run
from explorer.runs.store import Store
from explorer.runs.summaries import BASELINES_FILE, read_rows
from explorer.session import finish, live
from explorer.space.files import SHIPPED, load_space_data, parse_space
from explorer.space.metrics import MEASURED_METRICS

SPACE = {
    "data": {"source": "digits", "train_samples": 300, "validation_samples": 150},
    "backbones": {
        "mlp": {"factory": "explorer.backbones:mlp", "arguments": {"hidden": [[8], [16, 8]]}},
        "cnn": {
            "factory": "explorer.backbones:cnn",
            "arguments": {"channels": [[4, 8]], "hidden": [8]},
            "densities": {"conv2": [0.25, 0.5, 1.0]},
            "bottleneck": [None, {"at": "pool1", "channels": 2}],
        },
    },
    "patterns": ["block", "structured"],
    "payload_bits": [32, 8, 4],
    "payload": {"ranges": "channel", "entropy": "zstd"},
    "exits": {"score": "margin", "temperature": "fitted"},
    "training": {"epochs": 2, "learning_rate": 0.02},
    "objectives": {"accuracy": 0.1, "edge_macs": 20_000, "edge_memory_bytes": 30_000, "payload_bytes": 300},
    "constraints": ["edge_memory_bytes <= 24 KiB"],
    "edge_device": "stm32h7a3",
    "server_device": "xeon_8124m",
    "link": "ble_2m_dle",
}
REQUIRED = [
    *("point_id", "network_key", "backbone", "pattern", "densities", "split_point", "confidence_threshold"),
    *("payload_bits", "accuracy", "accuracy_ci95_low", "accuracy_ci95_high", "exit_rate", "edge_macs"),
    *("server_macs", "edge_param_bytes", "edge_memory_bytes", "payload_bytes", "latency_model_s"),
    *("energy_model_j", "reference"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with one finished run of 18 trials, ``reports/run``."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "space.yaml").write_text(yaml.safe_dump(SPACE), encoding="utf-8")
    here = Path.cwd()
    os.chdir(folder)
    try:
        assert search.main(["--space", "space.yaml", "--trials", "18", "--run", "run", "--workers", "1"]) == 0
    finally:
        os.chdir(here)
    return folder


@pytest.fixture(scope="module")
def from_dense(folder: Path) -> Path:
    """A space whose sparse networks start from dense ones."""
    training = {"epochs": 3, "learning_rate": 0.02, "start": "dense"}
    path = folder / "dense.yaml"
    path.write_text(yaml.safe_dump(SPACE | {"training": training, "constraints": []}), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_run_folder_holds_everything(folder: Path) -> None:
    run = folder / "reports" / "run"
    for name in (
        "run.json",
        "study.db",
        "trials.json",
        "measurements.json",
        "front.csv",
        "front.json",
        "report.html",
    ):
        assert (run / name).is_file(), name
    assert (folder / "reports" / "index.html").is_file()
    results = load_run(run)
    assert len(results.trials) == results.record.counts["trials"] == 18
    assert results.record.counts["trainings"] == len(list((run / "networks").iterdir()))
    assert not list(run.rglob("*.pkl")) + list(run.rglob("*.tmp"))


def test_front_files(folder: Path) -> None:
    table = pd.read_csv(folder / "reports" / "run" / "front.csv", keep_default_na=False)
    assert list(table.columns) == FRONT_COLUMNS
    assert list(table.columns)[: len(REQUIRED)] == REQUIRED
    content = json.loads((folder / "reports" / "run" / "front.json").read_text(encoding="utf-8"))
    assert [row["point_id"] for row in content["points"]] == list(table["point_id"])
    names = {name for row in content["references"] for name in row["reference"].split(",")}
    assert names == {"dense", "all_edge", "all_server", "large_sparse", "small_dense", "jpeg_90", "jpeg_50"}


def test_front_satisfies_constraints_and_is_not_dominated(folder: Path) -> None:
    results = load_run(folder / "reports" / "run")
    front = results.front
    assert (front["edge_memory_bytes"] <= 24 * 1024).all()
    signed = front.assign(accuracy=-front["accuracy"])[list(SPACE["objectives"])].to_numpy(dtype=float)  # type: ignore[call-overload]
    for row in signed:
        assert not ((signed <= row).all(axis=1) & (signed < row).any(axis=1)).any()


def test_only_networks_on_the_front_or_referred_to_keep_weights(folder: Path) -> None:
    results = load_run(folder / "reports" / "run")
    points = results.points
    kept = set(points.loc[points["on_front"] | (points["reference"] != ""), "network_key"])
    with_weights = {path.parent.name for path in results.path.glob("networks/*/weights.safetensors")}
    assert with_weights == kept


def test_front_points_replay_exactly(folder: Path) -> None:
    results = load_run(folder / "reports" / "run")
    space = parse_space(results.record.space_file, "run.json")
    replays = replay_front(results, load_space_data(space, None), points=10, seed=0)
    assert len(replays) == min(10, len(results.front))
    for replay in replays:
        assert replay.agrees, replay


def test_measured_columns_are_filled_for_the_front(folder: Path) -> None:
    front = load_run(folder / "reports" / "run").front
    assert (front["edge_latency_host_s"] > 0).all()
    sent = front["payload_bits"].notna()
    for column in ("encode_latency_host_s", "decode_latency_host_s"):
        assert (front.loc[sent, column] > 0).all()
        assert front.loc[~sent, column].isna().all()
    energy = front["edge_energy_host_j"]
    assert energy.isna().all() or (energy.dropna() > 0).all()


def test_jpeg_baselines_are_shown_but_never_chosen(folder: Path) -> None:
    results = load_run(folder / "reports" / "run")
    stored = read_rows(results.path / BASELINES_FILE)
    rows = results.points[~is_deployable(results.points)]
    assert set(rows["reference"]) == {"jpeg_90", "jpeg_50"}
    assert sorted(rows["network_key"]) == sorted(row["network_key"] for row in stored)
    assert not rows["feasible"].any()
    assert not rows["on_front"].any()
    assert (rows["edge_macs"] == 0).all()
    assert rows["point_id"].str.contains("jpeg_").all()
    assert results.points["point_id"].is_unique
    assert sorted(rows["payload_bytes"]) == sorted(row["sent_bytes"] / 150 for row in stored)
    with pytest.raises(UserError, match="no operating point"):
        results.select(Selection(point_id=rows["point_id"].iloc[0]))
    largest = results.select(Selection(maximize="payload_bytes")).point
    assert largest["point_id"] not in set(rows["point_id"])


@pytest.mark.slow
def test_same_seed_same_front(folder: Path) -> None:
    """Twice the same search: identical but for what is measured."""
    assert (
        search.main(
            ["--space", "space.yaml", "--trials", "18", "--run", "again", "--no-energy", "--workers", "1"]
        )
        == 0
    )
    first, second = (pd.read_csv(folder / "reports" / run / "front.csv") for run in ("run", "again"))
    modelled = [column for column in FRONT_COLUMNS if "_host_" not in column]
    pd.testing.assert_frame_equal(first[modelled], second[modelled])


@pytest.mark.slow
def test_resume_for_more_trials(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    how = ["--run", "more", "--no-energy", "--workers", "1"]
    begun = ["--space", "space.yaml", "--trials", "8", "--sampler", "nsga2", "--encoding", "fixed"]
    assert search.main([*begun, *how]) == 0
    stored = {path: path.stat().st_mtime_ns for path in folder.glob("reports/more/networks/*/network.json")}
    assert search.main(["--resume", "--trials", "12", *how]) == 0
    results = load_run(folder / "reports" / "more")
    assert list(results.trials["number"]) == list(range(12))
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    assert len(results.record.sessions) == 2
    assert results.record.encoding == "fixed"
    assert len({frozenset(params) for params in results.trials["params"]}) == 1
    assert 0 < results.record.search.suggest_median_s < results.record.search.suggest_seconds


def test_timeout_ends_the_search_early(folder: Path) -> None:
    options = ["--trials", "500", "--timeout", "0.5", "--run", "short", "--no-energy"]
    assert search.main(["--space", "space.yaml", *options]) == 0
    assert 1 <= len(load_run(folder / "reports" / "short").trials) < 500


@pytest.mark.parametrize("name", [path.stem for path in sorted(SHIPPED.glob("*.yaml"))])
def test_shipped_spaces_are_valid(name: str) -> None:
    parse_space((SHIPPED / f"{name}.yaml").read_text(encoding="utf-8"), name)


def test_dry_run_says_what_the_space_contains(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert search.main(["--space", "space.yaml", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    for word in (
        "fc1",
        "conv2",
        "1/4",
        "only legal density is 1",
        "input",
        "relu1",
        "258 B",  # a header of 2 bytes, 64 floats
        "distinct networks",
    ):
        assert word in printed
    assert not (folder / "reports" / "space").exists()


def test_pick_writes_what_a_deployment_needs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert pick.main(["run", "--where", "exit_rate >= 0.5", "--minimize", "payload_bytes"]) == 0
    printed = capsys.readouterr().out
    content = json.loads((folder / "reports" / "run" / "pick.json").read_text(encoding="utf-8"))
    selection = Selection(where=["exit_rate >= 0.5"], minimize="payload_bytes")
    allowed = load_run(folder / "reports" / "run").select(selection).front
    assert content["point"]["payload_bytes"] == allowed["payload_bytes"].min()
    assert 0 <= content["test"]["accuracy_ci95_low"] <= content["test"]["accuracy"] <= 1
    assert (folder / "reports" / "run" / content["weights"]).is_file()
    assert content["point"]["point_id"] in printed
    assert "smallest payload_bytes" in printed
    others = set(allowed["network_key"]) - {content["point"]["network_key"]}
    assert len({own["network_key"] for own in content["neighbours"]}) == min(4, len(others))


def test_pick_says_how_long_a_battery_lasts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["run", "--no-picture", "--battery-wh", "10", "--cell", "li-socl2", "--samples-per-day", "24"]
    assert pick.main([*asked, "--edge", "stm32l4r5"]) == 0
    assert "the shelf life of li-socl2; its energy alone would last" in capsys.readouterr().out
    assert pick.main(asked) == 0
    assert "battery: unknown, since the profiles lack sleep_w of edge stm32h7a3" in capsys.readouterr().out


def test_pick_counts_reads_of_the_test_subset_and_can_do_without(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = load_run(folder / "reports" / "run")
    first, second = results.front["point_id"].iloc[[0, 1]]
    assert pick.main(["run", "--id", first, "--no-test", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["test"] is None
    assert content["weights"].endswith("weights.safetensors")
    before = set(read_points(results.path))
    for point_id in (first, second):
        assert pick.main(["run", "--id", point_id, "--json"]) == 0
        before.add(point_id)
        assert json.loads(capsys.readouterr().out)["test"]["reads"] == len(before)
    assert pick.main(["run", "--id", first]) == 0
    assert f"read {len(before)} times: no longer unbiased" in capsys.readouterr().out
    assert set(read_points(results.path)) == before


def test_pick_by_id_and_knee(folder: Path) -> None:
    results = load_run(folder / "reports" / "run")
    assert pick.main(["run", "--knee"]) == 0
    content = json.loads((results.path / "pick.json").read_text(encoding="utf-8"))
    assert content["point"]["point_id"] == results.points.loc[results.points["knee"], "point_id"].item()
    wanted = results.front["point_id"].iloc[-1]
    assert pick.main(["run", "--id", wanted]) == 0
    content = json.loads((results.path / "pick.json").read_text(encoding="utf-8"))
    assert content["point"]["point_id"] == wanted


def test_report_is_rebuilt(folder: Path) -> None:
    report = folder / "reports" / "run" / "report.html"
    report.unlink()
    assert report_main(["run"]) == 0
    assert report.stat().st_size > 1_000_000


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_killed_searches_resume_to_the_same_result(folder: Path, tmp_path: Path) -> None:
    assert killed_once(folder / "space.yaml", tmp_path) == []


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_interrupt_writes_the_report_and_says_how_to_go_on(folder: Path) -> None:
    command = [sys.executable, "-m", "explorer.search", "--space", "space.yaml", "--trials", "5000"]
    command += ["--run", "stopped", "--no-energy"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # what is searched
        process.stdout.readline()  # the first progress
        process.send_signal(signal.SIGINT)
        printed = process.stdout.read()
        assert process.wait() == 130
    assert "--resume" in printed
    assert (folder / "reports" / "stopped" / "report.html").is_file()


def test_live_search_writes_a_report_that_reloads_itself(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def write(results: RunResults, live_s: float | None = None) -> Path:
        written.append((live_s, len(results.trials)))
        return write_report(results, live_s)

    for module in (live, finish):
        monkeypatch.setattr(module, "write_report", write)
    arguments = ["--space", str(folder / "space.yaml"), "--reports", str(folder / "reports"), "--no-energy"]
    assert search.main([*arguments, "--trials", "6", "--run", "live", "--live", "0.01"]) == 0
    assert written[0][0] == 0.01
    assert written[0][1] < 6
    assert written[-1] == (None, 6)
    report = (folder / "reports" / "live" / "report.html").read_text(encoding="utf-8")
    assert "still running" not in report


@pytest.mark.slow
def test_killed_searches_from_dense_networks_resume_to_the_same_result(
    from_dense: Path, tmp_path: Path
) -> None:
    assert killed_once(from_dense, tmp_path) == []


def killed_once(space: Path, folder: Path) -> list[str]:
    """What is wrong with a search of a space that is killed while it trains, and gone on with."""
    content = yaml.safe_load(space.read_text(encoding="utf-8"))
    part = Part("killed", ["parent"], 1, 1, ALONE, content, trials=12, repeatable=True)
    found = Found()
    (folder / "kills").mkdir()
    kill_part(part, 1, folder / "kills", random.Random(1), found)
    return found.problems


@pytest.mark.slow
def test_a_search_from_dense_networks_goes_on_and_is_picked_from(from_dense: Path) -> None:
    command = ["--run", "dense", "--no-energy", "--workers", "1", "--keep-weights"]
    assert search.main(["--space", str(from_dense), *command, "--trials", "4"]) == 0
    store = Store(Path("reports") / "dense")
    dense = {key for key in store if not store.read_spec(key).is_sparse}
    assert dense
    assert all(store.has_weights(key) for key in dense)
    assert search.main(["--resume", *command, "--trials", "20"]) == 0
    sparse = {key: spec for key in store if (spec := store.read_spec(key)).dense is not None}
    assert all(spec.dense is not None and spec.dense.key in store for spec in sparse.values())
    assert {store.read_training(key).epochs for key in sparse} == {2}
    results = load_run(store.run)
    assert results.record.counts["trainings"] == len(list(store)) > len(sparse) > 0
    assert dict(summary_info(results).facts)["Start"].startswith("sparse networks from the trained dense one")
    kept = next(key for key in sparse if store.has_weights(key))
    assert not restored(store, kept, load_run_data(results, None)).training  # checksum and logits agree
    assert (
        search.main(["--space", str(from_dense), "--run", "dense-again", *command[2:], "--trials", "20"]) == 0
    )
    first, again = (pd.read_csv(Path("reports") / run / "front.csv") for run in ("dense", "dense-again"))
    modelled = [column for column in FRONT_COLUMNS if "_host_" not in column]
    pd.testing.assert_frame_equal(first[modelled], again[modelled])


def test_the_dry_run_says_what_starts_from_what(from_dense: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert search.main(["--space", str(from_dense), "--dry-run"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "below 1: those of the trained dense network, kept and scaled by density^-1/2" in printed
    said = (
        "first the dense network of each variant, 3 epochs; sparse networks start from that of their variant"
    )
    assert f"{said}, 2 epochs" in printed
    assert search.main(["--space", str(from_dense), "--dry-run", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["training"] == {"start": "dense", "epochs": 3, "warm_epochs": 2, "teacher": "none"}


@pytest.mark.slow
def test_two_workers_start_from_dense_networks(from_dense: Path) -> None:
    arguments = ["--space", str(from_dense), "--no-energy", "--trials", "12", "--run", "dense-workers"]
    arguments.append("--keep-weights")
    assert search.main([*arguments, "--workers", "2"]) == 0
    results = load_run(Path("reports") / "dense-workers")
    assert (results.record.counts["trials"], results.record.counts["failed"]) == (12, 0)
    one, two = Store(Path("reports") / "dense"), Store(results.path)
    both = [key for key in one if key in two and one.has_weights(key) and two.has_weights(key)]
    assert any(one.read_spec(key).is_sparse for key in both)
    for key in both:  # weights follow from the specification, not from the order of the search
        trained = two.read_weights(key)
        for name, tensor in one.read_weights(key).items():
            torch.testing.assert_close(trained[name], tensor)


@pytest.mark.slow
def test_two_workers_train_what_is_asked_for(folder: Path) -> None:
    arguments = ["--space", str(folder / "space.yaml"), "--reports", str(folder / "reports"), "--no-energy"]
    assert search.main([*arguments, "--trials", "12", "--run", "workers", "--workers", "2"]) == 0
    results = load_run(folder / "reports" / "workers")
    assert results.record.counts["trials"] == 12
    assert results.record.counts["failed"] == 0
    outcomes = results.trials["outcome"].tolist()
    assert outcomes.count("trained") == results.record.counts["trainings"]
    reading = results.record.search  # workers that this process started are in it, where anything is measured
    assert (reading.energy_j is None) == bool(reading.energy_reason)
    assert "cluster" not in reading.energy_reason
    assert not results.front.empty


@pytest.mark.slow
def test_a_training_that_takes_too_long_fails_with_its_reason(folder: Path) -> None:
    arguments = ["--space", str(folder / "space.yaml"), "--reports", str(folder / "reports"), "--no-energy"]
    assert (
        search.main([*arguments, "--trials", "2", "--run", "slow", "--time-limit", "0.01"]) == EXIT_ALL_FAILED
    )
    trials = load_run(folder / "reports" / "slow").trials
    assert trials["outcome"].tolist() == ["failed", "failed"]
    assert trials["reason"].str.startswith("exceeded 0.01 s").all()


@pytest.mark.slow
def test_same_seed_same_front_with_rungs(folder: Path) -> None:
    """With one worker all but measured columns is the same, promotions included."""
    training = {"epochs": 9, "batch_size": 8, "learning_rate": 0.01}
    (folder / "rungs.yaml").write_text(yaml.safe_dump(SPACE | {"training": training}), encoding="utf-8")
    fronts = []
    for name in ("once", "twice"):
        command = ["--space", "rungs.yaml", "--trials", "8", "--run", name, "--workers", "1", "--no-energy"]
        assert search.main([*command, "--rungs", "on"]) == 0
        front = pd.read_csv(folder / "reports" / name / "front.csv", keep_default_na=False)
        fronts.append(front.drop(columns=list(MEASURED_METRICS)))
    pd.testing.assert_frame_equal(*fronts)
    run = json.loads((folder / "reports" / "once" / "run.json").read_text(encoding="utf-8"))
    assert run["rung_results"]["epochs"] == [3, 9]
    at_first, at_last = run["rung_results"]["networks"]
    assert at_first >= at_last == len(run["promotions"]) > 0
