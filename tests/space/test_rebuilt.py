"""A factory that was edited, is another elsewhere, or draws from a generator of its own, is noticed."""

import importlib
import os
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml
from recipes import recipe

from explorer import pick, search
from explorer.core.calibration import InferenceConfig
from explorer.core.evidence import collect_evidence
from explorer.core.payload import PayloadForm
from explorer.core.training import TrainingFailedError
from explorer.costs.build import restore_network
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.data.dataset import DataSet, Subset
from explorer.errors import EXIT_ALL_FAILED, EXIT_USER_ERROR, UserError, run_command
from explorer.runs.deployment import check_factories
from explorer.runs.store import Store
from explorer.runs.summaries import read_rows
from explorer.space.candidate import NetworkSpec
from explorer.space.rebuilt import Signature, check_factory, signature

MODULE = "edited_nets"
NETS = """
import os
import random
from pathlib import Path

import numpy as np
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, projection, activation):
        super().__init__()
        self.projection, self.activation = projection, activation
        self.fc, self.head = nn.Linear(6, 8), nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.head(self.activation(self.fc(x.flatten(1) @ self.projection)))

def net(input_shape):
    shape = int(np.prod(input_shape)), 6
    projection = torch.as_tensor(DRAW, dtype=torch.float32)
    return Net(random.random() * projection, ACTIVATION)

def silent(input_shape):
    module = net(input_shape)
    nn.init.zeros_(module.head.weight)  # as the last scale of a residual branch often is
    return module
"""
SPACE: dict[str, Any] = {
    "data": {"source": "digits", "train_samples": 200, "validation_samples": 100},
    "backbones": {"own": {"factory": f"{MODULE}:net", "densities": [0.5, 1.0]}},
    "training": {"epochs": 1},
    "objectives": {"accuracy": 0.1, "edge_macs": 10_000},
    "edge_device": "stm32h7a3",
    "server_device": "xeon_8124m",
    "link": "ble_2m_dle",
}
RECIPE = recipe(batch_size=16, seed=3)
SPEC = NetworkSpec("own", f"{MODULE}:net", "{}", "block", (), 8, RECIPE, "{}")
READOUT = InferenceConfig(PayloadForm((32, 8)))


def write_nets(
    classes: int = 3, draw: str = "np.random.randn(*shape)", activation: str = "nn.ReLU()"
) -> None:
    """Write the user's file, and forget what was imported of it: another process would read it anew."""
    text = NETS.replace("CLASSES", str(classes)).replace("DRAW", draw).replace("ACTIVATION", activation)
    Path(f"{MODULE}.py").write_text(text)
    sys.modules.pop(MODULE, None)
    importlib.invalidate_caches()
    check_factory.cache_clear()


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # an edit within a second would go unnoticed
    write_nets()


def subset(samples: int, seed: int) -> Subset:
    inputs = torch.randn(samples, 4, generator=torch.Generator().manual_seed(seed))
    return Subset(inputs, (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0).long())


DATA = DataSet("blobs", subset(96, 0), subset(50, 1), subset(40, 2), 3, (4,))


def evaluated(task: TrainingTask | None = None, expected: Signature | None = None) -> EvaluatedNetwork:
    signatures = None if expected is None else {(SPEC.factory, SPEC.arguments, DATA.input_shape): expected}
    return evaluate_network(task or TrainingTask(SPEC, 2), DATA, READOUT, signatures)


def signed(factory: str = "net") -> Signature:
    return signature(f"{MODULE}:{factory}", "{}", (4,), 3, 3)


@pytest.mark.parametrize("draw", ["np.random.randn(*shape)", "torch.randn(shape)"])
def test_what_a_factory_draws_is_drawn_again(draw: str) -> None:
    write_nets(draw=draw)
    trained = evaluated()
    write_nets(draw=draw)  # another process, which has drawn other numbers meanwhile
    torch.rand(5)
    stored = (SPEC, trained.weights, trained.placement_checksum, trained.logits)
    network = restore_network(*stored, DATA.validation.inputs, 3)
    evidence = collect_evidence(network, DATA.validation, trained.calibration)
    assert (evidence.output_correct_N == trained.evidence.output_correct_N).all()
    assert (evidence.exit_confidence_SN == trained.evidence.exit_confidence_SN).all()


def test_a_generator_that_no_seed_reaches_is_noticed() -> None:
    write_nets(draw="np.random.default_rng().standard_normal(shape)")
    with pytest.raises(TrainingFailedError, match="or does it draw from a generator of its own"):
        evaluated(expected=signed())


def test_a_signature_is_the_same_in_every_process() -> None:
    expected = signed()
    assert len(expected) == 2 * 3
    write_nets()
    assert signed() == expected
    assert evaluated(expected=expected).epochs == 2


@pytest.mark.parametrize("factory", ["net", "silent"])
@pytest.mark.parametrize(
    "change", [{"activation": "nn.Sigmoid()"}, {"draw": "np.random.rand(*shape)"}, {"classes": 4}]
)
def test_another_file_has_another_signature(factory: str, change: dict[str, Any]) -> None:
    expected = signed(factory)
    write_nets(**change)
    wanted = (
        rf"^the factory `{MODULE}:{factory}` builds another network here than where the search began \(logits"
    )
    with pytest.raises(UserError, match=wanted):
        check_factory(f"{MODULE}:{factory}", "{}", (4,), 3, 3, expected)


def test_a_worker_with_another_file_fails_its_training() -> None:
    expected = signed()
    write_nets(activation="nn.Sigmoid()")
    with pytest.raises(
        TrainingFailedError, match=rf"^the factory `{MODULE}:net` builds another network here"
    ):
        evaluated(expected=expected)


def test_training_does_not_go_on_with_another_file() -> None:
    state = evaluated(TrainingTask(SPEC, 1)).training_state
    write_nets()
    assert evaluated(TrainingTask(SPEC, 2, state)).epochs == 2
    write_nets(activation="nn.Sigmoid()")
    with pytest.raises(
        TrainingFailedError, match=rf"`{MODULE}:net` builds another network .*logits differ by"
    ):
        evaluated(TrainingTask(SPEC, 2, state))


def searched(*arguments: str) -> int:
    Path("space.yaml").write_text(yaml.safe_dump(SPACE))
    common = ["--space", "space.yaml", "--run", "own", "--no-energy", "--workers", "1"]
    return run_command(lambda: search.main([*common, *arguments]))


REFUSAL = re.compile(
    rf"^error: the factory `{MODULE}:net` builds another network than the one that was trained "
    r"\(logits differ by \d+\.?\d*\): was it edited\?$"
)


@pytest.mark.slow
def test_commands_refuse_an_edited_factory(capsys: pytest.CaptureFixture[str]) -> None:
    write_nets(classes=10)
    assert searched("--trials", "6") == 0
    write_nets(classes=10)
    assert run_command(lambda: pick.main(["own", "--knee"])) == 0
    capsys.readouterr()
    write_nets(classes=10, activation="nn.Sigmoid()")
    assert run_command(lambda: pick.main(["own", "--knee"])) == EXIT_USER_ERROR
    assert REFUSAL.match(capsys.readouterr().err)
    assert searched("--trials", "8", "--resume") == EXIT_USER_ERROR
    assert REFUSAL.match(capsys.readouterr().err.splitlines()[-1])
    assert len(read_rows(Path("reports/own/trials.json"))) == 6
    write_nets(classes=10)
    assert searched("--trials", "8", "--resume") == 0


def test_networks_without_weights_are_not_checked(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    store.write(evaluated(), pd.DataFrame())
    check_factories(store, DATA)
    write_nets(activation="nn.Sigmoid()")
    with pytest.raises(UserError, match="builds another network"):
        check_factories(store, DATA)
    store.drop_weights(SPEC.key)
    check_factories(store, DATA)


@pytest.mark.slow
def test_worker_processes_with_another_file_fail() -> None:
    """Only the process that searches has the file as it was."""
    write_nets(10, activation=f"nn.ReLU() if os.getpid() == {os.getpid()} else nn.Sigmoid()")
    assert searched("--trials", "4", "--time-limit", "100") == EXIT_ALL_FAILED
    trials = read_rows(Path("reports/own/trials.json"))
    assert {trial["state"] for trial in trials} == {"FAIL"}
    assert all("builds another network here" in trial["reason"] for trial in trials)
