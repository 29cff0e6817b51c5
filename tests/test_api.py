"""The Python face: what a script and a notebook see."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import explorer
from explorer import api
from explorer.engine.loop import SearchLoop
from explorer.runs.split_network import SplitNetwork
from explorer.runtime.sizes import FRAME_BYTES, REQUEST_OVERHEAD
from explorer.space.files import parse_space, space_text

RNG = np.random.default_rng(0)


class Own(nn.Module):
    """A module that no file can name in full: tests stand in for a script."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(12, width), nn.Linear(width, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))


def arrays(train: int = 240, test: int = 60) -> tuple[np.ndarray, ...]:
    x = RNG.normal(size=(train + test, 12)).astype(np.float32)
    y = x[:, :3].argmax(1)
    return x[:train], y[:train], x[train:], y[train:]


def space(factory: Any = Own, **backbone: Any) -> dict[str, Any]:
    return {
        "data": {"source": arrays(), "validation_samples": 60},
        "backbones": {"own": {"factory": factory, "densities": [0.5, 1.0], **backbone}},
        "training": {"epochs": 2},
        "objectives": {"accuracy": 0.2, "edge_macs": 5000},
        "edge_device": "rpi4",
        "server_device": "xeon_8124m",
        "link": "ble_2m_dle",
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    reports = tmp_path_factory.mktemp("reports")
    content = space(arguments={"width": [8, 16]})
    return explorer.run_search(content, trials=8, name="own", reports=reports, energy=False, progress=False)


def test_importing_the_package_imports_no_dependency() -> None:
    heavy = ("torch", "optuna", "pandas", "plotly", "numpy", "pydantic")
    script = f"import sys, explorer; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    assert set(explorer.__all__) <= set(dir(explorer))
    assert all(getattr(explorer, name) is not None for name in explorer.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = explorer.nonsense  # type: ignore[attr-defined]


def test_module_and_arrays_are_searched_selected_and_rebuilt(run: explorer.Run) -> None:
    assert len(run.trials) == 8
    assert set(run.front["network_key"]) <= set(run.points["network_key"])
    pick = run.select(where=["accuracy >= 0.3"], minimize="edge_macs")
    network = run.load_network(pick)
    assert isinstance(network, SplitNetwork)
    outcome = run.test(pick)
    logits, sent = network(run.load_data().test.inputs)
    right = (logits.argmax(-1) == run.load_data().test.labels).float().mean().item()
    assert right == pytest.approx(outcome["accuracy"], abs=1e-6)
    assert sum(number == 0 for number in sent) / len(sent) == pytest.approx(outcome["exit_rate"])


def test_every_kind_of_front_point_answers_as_the_sweep_says(run: explorer.Run) -> None:
    data = run.load_data()
    for _, point in run.front.drop_duplicates(["split_point", "payload_bits"]).iterrows():
        network = run.load_network(run.select(point_id=point["point_id"]))
        logits, sent = network(data.validation.inputs)
        right = (logits.argmax(-1) == data.validation.labels).float().mean().item()
        assert right == pytest.approx(point["accuracy"], abs=1e-6)
        assert sum(sent) / len(sent) == pytest.approx(point["payload_bytes"])


def test_with_setting_changes_costs_and_nothing_else(run: explorer.Run) -> None:
    slower = run.with_setting(link="lorawan_sf7", changes={"link.rtt_s": 2.0})
    assert slower.results.setting.link.rtt_s == 2.0
    sends = run.points["payload_bytes"] > 0
    assert (slower.points["latency_model_s"] > run.points["latency_model_s"])[sends].all()
    same = ["accuracy", "payload_bytes", "edge_macs", "point_id"]
    assert slower.points[same].equals(run.points[same])
    framed = run.with_setting(protocol="frame")
    saved = (1 - run.points["exit_rate"]) * (REQUEST_OVERHEAD - FRAME_BYTES)
    assert (run.points["wire_bytes"] - framed.points["wire_bytes"]).to_numpy() == pytest.approx(
        saved.to_numpy()
    )
    assert (framed.points["latency_model_s"] < run.points["latency_model_s"])[sends].all()
    assert framed.points[same].equals(run.points[same])


def test_a_run_is_read_and_shown(run: explorer.Run) -> None:
    again = explorer.load_run("own", reports=run.path.parent)
    assert again.front["point_id"].tolist() == run.front["point_id"].tolist()
    assert "8 trials" in repr(again)
    assert "&lt;Run own" in again._repr_html_()
    assert again.report().is_file()
    with pytest.raises(explorer.UserError, match="no such run"):
        explorer.load_run("absent", reports=run.path.parent)


def test_a_trained_module_keeps_its_weights(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = Own()
    own = space(trained) | {"training": {"epochs": 0}, "exits": {"epochs": 1}}
    found = explorer.run_search(own, trials=4, name="kept", reports=tmp_path, energy=False, progress=False)
    dense = found.select(relax=True, point_id=_dense_at_output(found))
    network = found.load_network(dense)
    x = found.load_data().test.inputs
    torch.testing.assert_close(network.edge(x), trained.eval()(x))


def _dense_at_output(found: explorer.Run) -> str:
    at_output = found.points[(found.points["pattern"] == "dense") & (found.points["split_point"] == "output")]
    return str(at_output["point_id"].iloc[0])


def test_objects_cannot_go_to_workers(tmp_path: Path) -> None:
    def local(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        return Own()

    with pytest.raises(explorer.UserError, match="was given as an object in Python, which worker processes"):
        explorer.run_search(space(local), trials=3, name="w", workers=2, reports=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_is_said_as_the_command_says_it(tmp_path: Path) -> None:
    wrong = space() | {"link": "carrier pigeon"}
    with pytest.raises(explorer.UserError, match="carrier pigeon"):
        explorer.run_search(wrong, reports=tmp_path)
    with pytest.raises(explorer.UserError, match="backbones: required key is missing"):
        explorer.load_space({"data": {"source": "digits", "validation_samples": 9}})
    with pytest.raises(explorer.UserError, match=r"data\.source: arrays must be given as"):
        explorer.load_space(space() | {"data": {"source": (1, 2), "validation_samples": 9}})
    with pytest.raises(explorer.UserError, match="must be a function, a class or a module, got int"):
        explorer.load_space(space(3))
    x_train, y_train, x_test, y_test = arrays()
    np.savez(tmp_path / "own.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    files = space() | {"data": {"source": f"npz:{tmp_path / 'own.npz'}", "validation_samples": 60}}
    with pytest.raises(explorer.UserError, match=f"at most {x_train.nbytes - 1:,} bytes of memory"):
        explorer.run_search(files, max_data_bytes=x_train.nbytes - 1, reports=tmp_path)


def test_an_interrupt_returns_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle = SearchLoop._settle
    told = 0

    def interrupted(self: SearchLoop, future: Any) -> None:
        nonlocal told
        settle(self, future)
        told += 1
        if told == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(SearchLoop, "_settle", interrupted)
    found = explorer.run_search(
        space(), trials=9, name="cut", reports=tmp_path, energy=False, progress=False, workers=1
    )
    assert found.interrupted
    assert 0 < len(found.trials) < 9
    assert (tmp_path / "cut" / "report.html").is_file()


def test_a_space_survives_its_text() -> None:
    for name in ("digits", "mnist_mlp", "fashion_cnn", "cifar10_resnet", "cifar10_quick", "sensor_cnn1d"):
        loaded = explorer.load_space(name)
        assert parse_space(space_text(loaded), name) == loaded
    own = explorer.load_space(space())
    assert parse_space(space_text(own), "own") == own


def test_describe_takes_modules_and_factories() -> None:
    found = explorer.describe(Own(), input_shape=(12,))
    assert [point["name"] for point in found.split_points] == ["input", "relu", "relu_1", "output"]
    assert found.num_classes == 3
    wide = explorer.describe(Own, input_shape=(12,), num_classes=3, arguments={"width": 32})
    assert wide.junctions[0]["outputs"] == 32
    named = explorer.describe("explorer.backbones:mlp", (1, 8, 8), arguments={"hidden": [16]})
    assert named.num_classes == 10
    with pytest.raises(explorer.UserError, match=r"a sample of shape \(3,\) fails"):
        explorer.describe(Own(), input_shape=(3,))


def test_progress_is_shown_unless_it_is_not_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.run_search(space(), trials=3, name="loud", reports=tmp_path, energy=False, workers=1)
    assert "3/3 trials" in capsys.readouterr().out
    api.run_search(space(), trials=3, name="mute", reports=tmp_path, energy=False, progress=False, workers=1)
    assert capsys.readouterr().out == ""
