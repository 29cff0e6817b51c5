"""One network that fails, fails alone: while it is built, traced or trained, in any process, resumed."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from explorer import pick, search
from explorer.errors import EXIT_ALL_FAILED, EXIT_USER_ERROR, UserError, run_command
from explorer.runs.results import RunResults, load_run
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace

NETS = '''
"""Networks that fail in one way each."""
import sys

import torch
from torch import nn


class Forward(nn.Module):
    def forward(self, x):
        raise ValueError("no forward today")


class InTraining(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        if self.training and x.shape[0] > 7:
            raise ValueError("too many samples to train")
        return self.norm(x)


class Backward(torch.autograd.Function):
    steps = 0

    @staticmethod
    def forward(ctx, x, limit):
        ctx.limit = limit
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        Backward.steps += ctx.limit
        if Backward.steps > 25:  # ten steps an epoch, and those of the probe
            raise ArithmeticError("third epoch")
        return grad, None


class ThirdEpoch(nn.Module):
    def forward(self, x):
        return Backward.apply(x, 1 if self.training and x.shape[0] > 7 else 0)


KINDS = {"fine": nn.Identity, "forward": Forward, "training": InTraining, "backward": ThirdEpoch}


def net(kind, num_classes):
    if kind == "build":
        raise OSError("weights are missing")
    if kind == "exit":
        sys.exit("no licence")
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), KINDS[kind](), nn.ReLU(), nn.Linear(8, num_classes))
'''
REASONS = [
    "weights are missing",
    "no forward today",
    "ValueError: too many samples to train (failing_nets.py line",
    "ArithmeticError: third epoch (failing_nets.py line",
]
SPACE: dict[str, Any] = {
    "data": {"source": "digits", "train_samples": 200, "validation_samples": 100, "test_samples": 60},
    "backbones": {
        "net": {
            "factory": "failing_nets:net",
            "arguments": {"kind": ["fine", "build", "forward", "training", "backward"]},
            "densities": [0.5, 1.0],
        }
    },
    "training": {"epochs": 4, "batch_size": 20},
    "objectives": {"accuracy": 0.05, "edge_macs": 10_000},
    "edge_device": "stm32h7a3",
    "server_device": "xeon_8124m",
    "link": "ble_2m_dle",
}


def space_of(*kinds: str, **training: Any) -> dict[str, Any]:
    backbone = SPACE["backbones"]["net"] | {"arguments": {"kind": list(kinds)}}
    return SPACE | {"backbones": {"net": backbone}, "training": SPACE["training"] | training}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the factory and the space."""
    (tmp_path / "failing_nets.py").write_text(NETS, encoding="utf-8")
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "failing_nets", raising=False)
    return tmp_path


def searched(folder: Path, *options: str) -> tuple[int, RunResults]:
    code = search.main(["--space", "space.yaml", "--no-energy", *options])
    return code, load_run(folder / "reports" / "run")


def assert_fails_alone(results: RunResults) -> None:
    assert set(results.points["network_key"]) <= set(results.networks)
    assert len(results.front) > 0
    assert {spec.spec.argument_values["kind"] for spec in results.networks.values()} == {"fine"}
    for reason in REASONS:
        assert any(reason in failure for failure in results.failures), reason
    assert not results.all_failed
    page = (results.path / "report.html").read_text(encoding="utf-8")
    assert all(reason in page for reason in REASONS[:2])


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_four_ways_to_fail(folder: Path, workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = searched(folder, "--trials", "12", "--run", "run", "--workers", workers)
    assert code == 0
    code = search.main(["--resume", "--run", "run", "--trials", "24", "--workers", workers, "--no-energy"])
    assert code == 0
    assert_fails_alone(load_run(folder / "reports" / "run"))
    assert pick.main(["run", "--knee", "--no-picture"]) == 0
    out = capsys.readouterr().out
    assert 'net(kind=build) cannot be used: failing_nets:net(kind="build")' in out
    assert "failed, 1 network: failing_nets:net" in out


def test_all_failed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every training fails, since batch norm cannot learn from one sample: exit code 3, and pick says so."""
    space = space_of("training", batch_size=8)
    (folder / "space.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")
    code, results = searched(folder, "--trials", "3", "--run", "run", "--workers", "1")
    assert code == EXIT_ALL_FAILED
    assert results.all_failed
    assert "no network could be trained" in capsys.readouterr().out
    with pytest.raises(
        UserError, match=r"no network of this run could be trained: ValueError: too many samples"
    ):
        pick.main(["run", "--knee"])


def test_sys_exit_of_a_factory_is_a_refusal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "space.yaml").write_text(yaml.safe_dump(space_of("exit")), encoding="utf-8")
    assert run_command(lambda: search.main(["--space", "space.yaml"])) == EXIT_USER_ERROR
    assert 'backbones.net: failing_nets:net(kind="exit")' in (error := capsys.readouterr().err)
    assert "it called sys.exit('no licence')" in error
    assert not (folder / "reports").exists()


EXITS = """
import os, sys
if os.environ.get("EXIT_AT") == "import":
    sys.exit()
from torch import nn


class Net(nn.Sequential):
    def forward(self, x):
        if os.environ.get("EXIT_AT") == "forward":
            sys.exit(0)
        return super().forward(x)


def net(num_classes):
    if os.environ.get("EXIT_AT") == "factory":
        sys.exit(0)
    return Net(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, num_classes))


class Arrays:
    def __array__(self, *_, **__):
        sys.exit(0)


def data():
    return (Arrays(),) * 4 if os.environ["EXIT_AT"] == "arrays" else sys.exit()
"""


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("import", "backbones.net: factory 'exits:net': cannot import 'exits': it called sys.exit()"),
        ("factory", "backbones.net: exits:net() with input shape (1, 8, 8): it called sys.exit(0)"),
        ("forward", "it called sys.exit(0)"),
        ("data", "data: data source 'exits:data': it called sys.exit()"),
        ("arrays", "data: data source 'exits:data': must return arrays: it called sys.exit(0)"),
    ],
)
def test_sys_exit_never_looks_like_success(
    folder: Path, where: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "exits.py").write_text(EXITS, encoding="utf-8")
    monkeypatch.delitem(__import__("sys").modules, "exits", raising=False)
    monkeypatch.setenv("EXIT_AT", where)
    own = {"backbones": {"net": {"factory": "exits:net"}}}
    if where in ("data", "arrays"):
        own = {"data": SPACE["data"] | {"source": "exits:data"}}
    (folder / "space.yaml").write_text(yaml.safe_dump(SPACE | own), encoding="utf-8")
    assert run_command(lambda: search.main(["--space", "space.yaml", "--dry-run"])) == EXIT_USER_ERROR
    message = capsys.readouterr().err
    assert message.startswith("error: space.yaml: ")
    assert said in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("where", ["import", "factory", "forward"])
def test_sys_exit_of_a_network_that_was_trained(
    folder: Path, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "exits.py").write_text(EXITS, encoding="utf-8")
    monkeypatch.delitem(__import__("sys").modules, "exits", raising=False)
    space = SPACE | {"backbones": {"net": {"factory": "exits:net"}}, "training": {"epochs": 1}}
    (folder / "space.yaml").write_text(yaml.safe_dump(space), encoding="utf-8")
    assert searched(folder, "--trials", "1", "--run", "run", "--workers", "1")[0] == 0
    monkeypatch.delitem(__import__("sys").modules, "exits")
    monkeypatch.setenv("EXIT_AT", where)
    for command in (pick.main, lambda run: search.main(["--run", *run, "--resume", "--trials", "2"])):
        capsys.readouterr()
        assert run_command(lambda: command(["run"])) == EXIT_USER_ERROR  # noqa: B023
        assert "it called sys.exit(" in capsys.readouterr().err


def test_failed_variants_of_an_inventory() -> None:
    inventory = build_inventory(SearchSpace.model_validate(SPACE), (1, 8, 8), 10)
    assert [variant.name for variant in inventory.failures] == ["net(kind=build)", "net(kind=forward)"]
    assert len(inventory.usable("net")) == 3
    # two junctions with two densities each in three variants, and one network for each that failed
    assert inventory.num_networks == 3 * 2 * 2 + 2


def test_all_variants_fail() -> None:
    with pytest.raises(
        UserError, match=r"^backbones.net: failing_nets:net\(.*weights are missing.*and 1 more"
    ):
        build_inventory(SearchSpace.model_validate(space_of("build", "forward")), (1, 8, 8), 10)


def test_a_network_that_cannot_be_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "space.yaml").write_text(yaml.safe_dump(space_of("fine", epochs=1)), encoding="utf-8")

    def broken(*_: object) -> None:
        raise RuntimeError("sensor is gone")

    monkeypatch.setattr("explorer.measure.parts._measured_part", broken)
    code, results = searched(folder, "--trials", "4", "--run", "run", "--workers", "1")
    assert code == 0
    assert results.points["edge_latency_host_s"].isna().all()
    assert any("was not measured: RuntimeError: sensor is gone" in note for note in results.record.notes)
    measured = json.loads((results.path / "measurements.json").read_text())
    assert set(measured["conditions"]["failures"]) <= set(results.networks)
