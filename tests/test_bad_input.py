"""Whatever a user gets wrong: one clear message, exit code 2, no traceback, nothing lost."""

import errno
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from explorer import pick, search
from explorer.errors import EXIT_USER_ERROR, run_command
from explorer.report.__main__ import main as report_main
from explorer.runs import store
from explorer.session.options import Options

TINY: dict[str, Any] = {
    "data": {"source": "digits", "train_samples": 200, "validation_samples": 100},
    "backbones": {
        "mlp": {
            "factory": "explorer.backbones:mlp",
            "arguments": {"hidden": [[8, 4]]},
            "densities": [0.5, 1.0],
        }
    },
    "training": {"epochs": 1},
    "objectives": {"accuracy": 0.1, "edge_macs": 10_000, "payload_bytes": 300},
    "edge_device": "stm32h7a3",
    "server_device": "xeon_8124m",
    "link": "ble_2m_dle",
}

# key path, bad value (or the marker to delete the key), words the message must hold
DELETE = "<delete>"
BAD_SPACES = [
    ("data", DELETE, ["data", "required key is missing"]),
    ("data.source", "imagenet", ["imagenet", "digits"]),
    ("data.validation_samples", 0, ["data.validation_samples", "greater than or equal to 1", "0"]),
    ("data.train_samples", 10_000_000, ["10000000"]),
    ("data.seed", -1, ["data.seed", "-1"]),
    ("data.colour", "red", ["data.colour", "unknown key"]),
    ("backbones", {}, ["backbones", "at least 1"]),
    ("backbones.mlp.factory", "explorer.backbones", ["backbones.mlp.factory", "explorer.backbones"]),
    ("backbones.mlp.factory", "no_such_package:net", ["no_such_package"]),
    ("backbones.mlp.factory", "explorer.backbones:no_such", ["no_such"]),
    ("backbones.mlp.arguments", {"width": [3]}, ["explorer.backbones:mlp", "width"]),
    ("backbones.mlp.arguments", {"hidden": []}, ["backbones.mlp.arguments.hidden", "at least 1"]),
    ("backbones.mlp.arguments", {"hidden": [["eight"]]}, ["explorer.backbones:mlp", "eight"]),
    ("backbones.mlp.densities", [0.3], ["backbones.mlp.densities", "k / 8", "0.3"]),
    ("backbones.mlp.densities", [1.5], ["backbones.mlp.densities", "less than or equal to 1", "1.5"]),
    ("backbones.mlp.densities", {"fc9": [1.0]}, ["backbones.mlp.densities", "fc9", "fc1"]),
    ("backbones.mlp.densities", {"low": 0.9, "high": 0.1}, ["backbones.mlp.densities", "low <= high"]),
    ("backbones.mlp.split_points", ["relu1", "relu1"], ["backbones.mlp.split_points", "'relu1' twice"]),
    ("backbones.mlp.arguments", {"hidden": [[8], [8]]}, ["backbones.mlp.arguments.hidden", "[8] twice"]),
    ("backbones.mlp.arguments", {"hidden": [[0, 4]]}, ["every size must be at least 1", "'fc1.weight'"]),
    ("backbones.mlp.split_points", ["relu7"], ["backbones.mlp.split_points", "relu7", "relu1"]),
    ("backbones.mlp.exits", ["relu7"], ["backbones.mlp.exits", "relu7", "relu1"]),
    ("backbones.mlp.input_pool", [0], ["backbones.mlp.input_pool.0", "greater than or equal to 1", "0"]),
    ("backbones.mlp.input_pool", [2, 2], ["backbones.mlp.input_pool", "once", "[2, 2]"]),
    ("backbones.mlp.input_pool", [1, 3], ["backbones.mlp.input_pool", "divide", "8 x 8", "3"]),
    ("backbones.mlp.bottleneck", [{"at": "relu1"}], ["backbones.mlp.bottleneck.0.channels", "missing"]),
    ("backbones.mlp.bottleneck", [{"at": "x", "channels": 1}], ["backbones.mlp.bottleneck", "'x'", "relu1"]),
    ("payload", {"ranges": "layer"}, ["payload.ranges", "'channel'", "layer"]),
    ("payload", {"entropy": "gzip"}, ["payload.entropy", "zstd", "gzip"]),
    ("exits", {"score": "maximum"}, ["exits.score", "margin", "maximum"]),
    ("data.layout", "video", ["data.layout", "series", "video"]),
    ("patterns", ["stripes"], ["patterns", "stripes", "block"]),
    ("patterns", ["block", "block"], ["patterns", "once"]),
    ("patterns", ["block", "periodic"], ["patterns", "periodic must be the only pattern", "p / taps"]),
    ("confidence_thresholds", {"low": 0.9, "high": 0.2}, ["confidence_thresholds", "low <= high"]),
    ("confidence_thresholds", {"step": 0.3}, ["confidence_thresholds", "whole number of steps", "3.33"]),
    ("confidence_thresholds", {"step": 1e-300}, ["confidence_thresholds", "at most 10,000 steps"]),
    ("payload_bits", [12], ["payload_bits", "12"]),
    ("training.epochs", "many", ["training.epochs", "many"]),
    ("training.learning_rate", -0.1, ["training.learning_rate", "-0.1"]),
    ("training.start", "warm", ["training.start", "'dense'", "warm"]),
    ("training.warm_epochs", 0, ["training.warm_epochs", "greater than or equal to 1", "0"]),
    ("training.warm_epochs", 1, ["warm_epochs must be left out without start: dense", "got 1"]),
    ("training", {"epochs": 2, "start": "dense", "warm_epochs": 3}, ["must hold, got warm_epochs=3"]),
    ("training", {"epochs": 0, "start": "dense"}, ["epochs must be at least 1 with start: dense", "got 0"]),
    ("training", {"epochs": 1, "start": "dense", "backbone": "frozen"}, ["must be train with", "'frozen'"]),
    ("training.dampening", 0.9, ["training.dampening", "unknown key"]),
    ("training.momentum", 0.9, ["training: momentum", "without optimizer: sgd", "got 0.9"]),
    ("training", {"epochs": 1, "optimizer": "sgd", "momentum": 1}, ["training.momentum", "less than 1", "1"]),
    ("training.optimizer", "adam", ["training.optimizer", "'adamw' or 'sgd'", "'adam'"]),
    ("training.label_smoothing", 1.0, ["training.label_smoothing", "less than 1", "1.0"]),
    ("training.gradient_clip", -1, ["training.gradient_clip", "greater than or equal to 0", "-1"]),
    ("training.quantised", 1, ["training.quantised", "must be true or false", "1"]),
    ("training.quantised", True, ["training.quantised needs 8 among edge_weight_bits", "got [32]"]),
    ("backbones.mlp.training", {"quantised": True}, ["backbones.mlp.training.quantised: unknown key"]),
    ("training.warm_up", 2, ["training: `warm_up < 1` must hold", "got 2"]),
    ("training", {"epochs": 4, "warm_up": 4}, ["`warm_up < 4` must hold, the joint epochs", "got 4"]),
    ("training.augment", ["turn"], ["training.augment.0: must be one of crop_and_flip,", "got 'turn'"]),
    ("training.augment", [{"noise": {"std": -1}}], ["augment.0: `std >= 0` must hold for noise, got -1"]),
    ("training.augment", [{"cutout": {"size": 1.5}}], ["size of cutout must be a whole number, got 1.5"]),
    ("training.augment", [{"mixup": {"beta": 1}}], ["mixup has no option 'beta'; it has: alpha"]),
    ("training.augment", [3], ["augment.0: must be a name, or a name with its options", "got 3"]),
    ("training.augment", ["shift"], ["training.augment: shift is for series (C, L), got", "(1, 8, 8)"]),
    ("training.augment", ["nowhere:f"], ["training.augment 'nowhere:f': cannot import 'nowhere'"]),
    ("training.self_distillation", {"weight": 2}, ["self_distillation.weight", "less than or equal", "2"]),
    ("training.teacher", "dens", ["training.teacher", "'dense'", "'dens'"]),
    ("training", {"epochs": 0, "teacher": "dense"}, ["at least 1 with teacher: dense", "got 0"]),
    ("backbones.mlp.training", {"epochs": 3}, ["backbones.mlp.training.epochs: unknown key"]),
    ("backbones.mlp.training", {"momentum": 0.5}, ["backbones.mlp.training: momentum must be left out"]),
    ("objectives", {}, ["objectives", "at least 1"]),
    ("objectives", {"speed": 1.0}, ["objectives", "speed", "accuracy"]),
    ("objectives", {"accuracy": 1.0}, ["accuracy", "worse than the ideal", "1"]),
    ("constraints", ["edge_memory_bytes < 3"], ["constraints", "edge_memory_bytes < 3"]),
    ("constraints", ["weight <= 3"], ["constraints", "weight"]),
    ("constraints", ["payload_bytes <= 3 parsec"], ["constraints", "parsec"]),
    ("constraints", ["accuracy >= 95"], ["constraints: accuracy is a share", ">= 95; write 95 %"]),
    ("constraints", ["edge_macs <= -1"], ["constraints: edge_macs is never below 0, got edge_macs <= -1"]),
    ("constraints", ["edge_macs >= 5", "edge_macs <= 2"], ["leave something, got edge_macs >= 5 and edge_"]),
    ("edge_device", "toaster", ["toaster", "stm32h7a3"]),
    ("server_device", "../../etc/passwd", ["etc/passwd"]),
    ("protocol", "mqtt", ["protocol", "'http', 'frame' or 'none'", "mqtt"]),
    ("link", "stm32h7a3", ["stm32h7a3"]),
]  # fmt: skip


# what each part of a file must be, in words that need no Python
BAD_KINDS = [
    ("data", None, ["data: must be a mapping, got None"]),
    ("backbones", [], ["backbones: must be a mapping, got []"]),
    ("backbones", {"9 net": {"factory": "a:b"}}, ["backbones.9 net: must be a letter and", "got '9 net'"]),
    ("backbones.mlp.factory", "nets/mine.py", ["factory: must read package.module:function, got 'nets/mi"]),
    ("backbones.mlp.bottleneck", [None, None], ["bottleneck: every choice must be given once, got None"]),
    ("backbones.mlp.densities", [0.5, "1/2"], ["densities: every choice must be", "got 0.5 twice"]),
    ("backbones.mlp.density_groups", {"fc1": 1}, ["density_groups: must be a word or a list, got {"]),
    ("data.normalise", {}, ["data.normalise: must be a word or a mapping, got {}"]),
    ("training.epochs", 1.5, ["training.epochs: must be a whole number, got 1.5"]),
    ("patterns", "block", ["patterns: must be a list, got 'block'"]),
    ("edge_device", 3, ["edge_device: must be text, got 3"]),
    ("constraints", ["a < b"], ["constraints: must read `column <= number [unit]`", "got 'a < b'"]),
    ("objectives", {"deadline_missed": 0.5}, ["yaml: deadline must be given", "is asked for\n"]),
    ("", 3, ["'': unknown key"]),
    ("k" * 900, 3, ["k...: unknown key"]),
]  # fmt: skip


# text in place of a value: what only a person who writes YAML can get wrong
BAD_TEXTS = [
    ("epochs: 1", "epochs: 1\n  epochs: 2", ["training.epochs: stands twice, in lines 16 and 17"]),
    ("epochs: 1", "epochs: true", ["training.epochs: must be a number, got True"]),
    ("epochs: 1", "epochs: '1'", ["training.epochs: must be a number, got '1'"]),
    ("epochs: 1", f"epochs: {10**100}", ["training.epochs: must be a whole number of at most 64 bits"]),
    ("epochs: 1", "epochs: 1\n  seed: 1180591620717411303424", ["training.seed: must be a whole number"]),
    ("epochs: 1", "epochs: 1\n  learning_rate: .inf", ["training.learning_rate: must be a finite number"]),
    ("epochs: 1", "epochs: 1\n  exit_loss_weight: .nan", ["training.exit_loss_weight: must be a finite"]),
    ("accuracy: 0.1", "accuracy: .nan", ["objectives.accuracy: must be a finite number, got '.nan'"]),
    ("edge_macs: 10000", "edge_macs: yes", ["objectives.edge_macs: must be a number, got True"]),
    ("- - 8", "- - 1e400", ["backbones.mlp.arguments.hidden.0.0: must be a finite number, got '1e400'"]),
    ("- - 8", "- - 2024-01-01", ["backbones.mlp.arguments.hidden.0.0: must not be a date"]),
    ("- - 8", "- - {null: 3}", ["backbones.mlp.arguments.hidden.0.0: keys must be text", "'null'"]),
    ("- 0.5", "- 1/0", ["backbones.mlp.densities.0: must be a number or a fraction", "'1/0'"]),
    ("- 0.5", "- 1e999999999", ["backbones.mlp.densities.0: must be a finite number"]),
    ("- 0.5", "- 1e-999999999", ["backbones.mlp.densities.0: must be greater than 0"]),
    ("- 0.5", "- '1e999999999'", ["backbones.mlp.densities.0: must be a number or a fraction"]),
    ("- 0.5", f"- {'9' * 400}/{'9' * 400}", ["backbones.mlp.densities.0: must be a number or a fraction"]),
    ("link: ble_2m_dle", "link: 2024-13-45", ["link: must not be a date"]),
    ("link: ble_2m_dle", 'link: "\\uD800"', ["link: must be text that UTF-8 can hold"]),
    ("link: ble_2m_dle", 'link: "\\e[2J"', ["link: unknown profile '\\x1b[2J'"]),
    ("link: ble_2m_dle", "link: " + "[" * 100_000, ["nested deeper than 32 levels"]),
    ("link: ble_2m_dle", "link: " + "x" * 300_000, ["must have at most 262,144 bytes"]),
]  # fmt: skip


# of the backbone, with training.start: dense
BAD_WITH_DENSE = [
    ({"densities": {"fc1": [0.25, 0.5]}}, ["backbones.mlp.densities: must reach 1", "got 1/4 1/2 at fc1 of"]),
    ({"initial_weights": "draw"}, ["backbones.mlp.initial_weights must be keep, or left out", "got 'draw'"]),
    ({"rescale": "none"}, ["backbones.mlp.rescale must be all, or left out", "got 'none'"]),
]  # fmt: skip


def fails(capsys: pytest.CaptureFixture[str], main: Callable[[list[str]], int], *arguments: str) -> str:
    """The message of a command that must end with exit code 2."""
    try:
        code = run_command(lambda: main(list(arguments)))
    except SystemExit as stopped:  # argparse
        code = int(stopped.code or 0)
    message = capsys.readouterr().err
    assert code == EXIT_USER_ERROR, message
    assert "Traceback" not in message
    assert message.strip().splitlines()[-1].partition(":")[0].endswith("error") or "error:" in message
    return message


def write_space(folder: Path, key: str | None = None, value: Any = None) -> Path:
    content: Any = yaml.safe_load(yaml.safe_dump(TINY))
    if key is not None:
        *parents, last = key.split(".")
        place = content
        for parent in parents:
            place = place[parent]
        if value == DELETE:
            del place[last]
        else:
            place[last] = value
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def write_space_from_dense(folder: Path, **backbone: Any) -> Path:
    own = TINY["backbones"]["mlp"] | {"arguments": {"hidden": [[8, 8]]}} | backbone
    content = TINY | {"training": {"epochs": 1, "start": "dense"}, "backbones": {"mlp": own}}
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    arguments = ["--space", str(write_space(folder)), "--trials", "6", "--run", "done", "--no-energy"]
    with chdir(folder):
        assert search.main(arguments) == 0
    return folder


@pytest.fixture
def finished_run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "reports" / "done"


@pytest.mark.parametrize(
    ("key", "value", "words"), BAD_SPACES, ids=[f"{k}={v}"[:50] for k, v, _ in BAD_SPACES]
)
def test_bad_space(
    key: str, value: Any, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = write_space(tmp_path, key, value)
    message = fails(capsys, search.main, "--space", str(space))
    for word in words:
        assert word in message
    assert message.startswith(f"error: {space}: {key.partition('.')[0]}"), "names the file and the key"
    assert len(message.strip().splitlines()) == 1
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("key", "value", "words"), BAD_KINDS, ids=[f"{k[:20]}={v}"[:50] for k, v, _ in BAD_KINDS]
)
def test_bad_kind(
    key: str, value: Any, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = fails(capsys, search.main, "--space", str(write_space(tmp_path, key, value)))
    assert all(word in message for word in words), message
    assert len(message.strip().splitlines()) == 1
    assert "class" not in message
    assert "Spec" not in message


def test_constraints_that_no_network_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = write_space(tmp_path, "constraints", ["accuracy >= 99.99 %"])
    search.main(["--space", str(space), "--trials", "2", "--run", "none", "--no-energy"])
    printed = capsys.readouterr().out
    assert "no front: constraints of the space: no operating point satisfies accuracy >= 99.99 %" in printed
    assert "`explorer pick --relax` leaves them out" in printed
    assert pick.main(["none", "--relax"]) == 0


@pytest.mark.parametrize(("old", "new", "words"), BAD_TEXTS, ids=[new[:40] for _, new, _ in BAD_TEXTS])
def test_bad_text(
    old: str, new: str, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = write_space(tmp_path)
    text = yaml.safe_dump(TINY, sort_keys=False)
    assert text.count(old) == 1
    space.write_text(text.replace(old, new), encoding="utf-8")
    message = fails(capsys, search.main, "--space", str(space))
    assert message.startswith(f"error: {space}: ")
    assert all(word in message for word in words), message
    assert len(message.strip().splitlines()) == 1
    assert len(message) < 800


@pytest.mark.parametrize(("backbone", "words"), BAD_WITH_DENSE)
def test_what_does_not_go_with_a_start_from_dense_networks(
    backbone: dict[str, Any], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = write_space_from_dense(tmp_path, **backbone)
    message = fails(capsys, search.main, "--space", str(space))
    assert all(word in message for word in words), message
    assert len(message.strip().splitlines()) == 1
    assert not (tmp_path / "reports").exists()


def test_rungs_do_not_go_with_a_start_from_dense_networks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = write_space_from_dense(tmp_path)
    message = fails(capsys, search.main, "--space", str(space), "--rungs", "on")
    assert "--rungs must be off with training.start: dense" in message
    assert "got 'on'" in message
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--space", "missing.yaml"], ["missing.yaml", "digits.yaml"]),
        (["--trials", "0"], ["--trials", "'0'"]),
        (["--trials", "ten"], ["--trials", "'ten'"]),
        (["--workers", "0"], ["--workers", "'0'"]),
        (["--device", "tpu"], ["--device", "auto, cpu, cuda or cuda:N", "'tpu'"]),
        (["--device", "cuda:99"], ["--device", "sees", "'cuda:99'"]),
        (["--scheduler", "nonsense"], ["--scheduler", "tcp://HOST:PORT", "'nonsense'"]),
        (["--time-limit", "-1"], ["--time-limit", "'-1'"]),
        (["--max-data-bytes", "0"], ["--max-data-bytes", "at least 1", "'0'"]),
        (["--memory-limit", "much"], ["--memory-limit", "'much'"]),
        (["--timeout", "-3"], ["--timeout", "'-3'"]),
        (["--seed", "-1"], ["--seed"]),
        (["--sampler", "magic"], ["--sampler", "magic", "tpe"]),
        (["--encoding", "morse"], ["--encoding", "morse", "conditional", "fixed"]),
        (["--run", "../escape"], ["--run", "../escape"]),
        (["--resume"], ["--resume", "no run"]),
        (["--resume", "--run", "nothing"], ["nothing"]),
        (["--wrong-flag"], ["--wrong-flag"]),
        (["--storage", "carrier-pigeon://loft"], ["--storage", "carrier-pigeon"]),
        (["--storage", "sqlite:////no/such/folder/study.db"], ["--storage", "/no/such/folder"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_bad_search_options(
    arguments: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--space" not in arguments:
        arguments = (
            [*arguments, "--space", str(write_space(tmp_path))] if "--resume" not in arguments else arguments
        )
    message = fails(capsys, search.main, *arguments)
    for word in words:
        assert word in message


def test_a_password_that_is_typed_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--space", str(write_space(tmp_path)), "--dry-run", "--storage"]
    for url, warned in (("postgresql://me:s3cret@host/d", True), ("postgresql://me@host/d", False)):
        assert search.main([*arguments, url]) == 0
        said = capsys.readouterr()
        assert said.err.startswith("warning: --storage: all users of this machine see") == warned
        assert "s3cret" not in said.out + said.err


@pytest.mark.parametrize(
    ("arguments", "storage"),
    [
        (["--run", "new"], "postgresql://me:s3cret@host/d"),
        (["--run", "new", "--storage", "postgresql://me@other/d"], "postgresql://me@other/d"),
        (["--run", "old", "--resume"], None),
    ],
)
def test_the_storage_of_the_environment_is_for_new_runs(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], storage: str | None
) -> None:
    monkeypatch.setenv("EXPLORER_STORAGE", "postgresql://me:s3cret@host/d")
    asked = list[Options]()
    monkeypatch.setattr("explorer.session.command.dry_run", lambda options, _: asked.append(options) or 0)
    assert search.main([*arguments, "--dry-run"]) == 0
    assert asked[0].storage == storage


def test_space_that_is_no_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.yaml").write_text("data: [1, 2\nnext: }", encoding="utf-8")
    assert "not valid YAML" in fails(capsys, search.main, "--space", "broken.yaml")


def test_space_that_is_binary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x9f")
    assert "UTF-8" in fails(capsys, search.main, "--space", "binary.yaml")


def test_space_that_is_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder.yaml").mkdir()
    assert "folder.yaml" in fails(capsys, search.main, "--space", "folder.yaml")


def test_unreadable_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "arrays.npz").write_bytes(b"not an archive")
    space = write_space(tmp_path, "data.source", f"npz:{tmp_path / 'arrays.npz'}")
    assert "arrays.npz" in fails(capsys, search.main, "--space", str(space))


def test_data_with_nan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = np.random.default_rng(0).random((400, 5)), np.arange(400) % 2
    x[3, 2] = np.nan
    np.savez(tmp_path / "arrays.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    space = write_space(tmp_path, "data.source", f"npz:{tmp_path / 'arrays.npz'}")
    assert "finite" in fails(capsys, search.main, "--space", str(space))


def test_objective_that_the_profiles_cannot_fill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = write_space(tmp_path, "objectives", {"accuracy": 0.1, "energy_model_j": 1.0})
    content = yaml.safe_load(space.read_text(encoding="utf-8")) | {"edge_device": "stm32h745"}
    space.write_text(yaml.safe_dump(content), encoding="utf-8")
    message = fails(capsys, search.main, "--space", str(space))
    assert "energy_model_j" in message
    assert "active_w" in message


def test_full_disk_keeps_what_was_computed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third network meets a full disk: a message now; with room again the run goes on to its end."""
    written = []
    write = Path.write_bytes

    def fill_up(path: Path, content: bytes) -> int:
        written.extend([path] * (path.name == "weights.safetensors"))
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    arguments = ["--space", str(write_space(tmp_path)), "--trials", "8", "--run", "full", "--no-energy"]
    message = fails(capsys, search.main, *arguments)
    assert re.search(r"No space left on device \(.*/[a-z.]+\)", message)
    networks = tmp_path / "reports" / "full" / "networks"
    kept = {folder.name for folder in networks.iterdir() if not folder.name.startswith(".")}
    assert len(kept) == 2
    monkeypatch.setattr(Path, "write_bytes", write)
    assert search.main(["--resume", "--run", "full", "--no-energy"]) == 0
    assert "8 trials" in capsys.readouterr().out


def test_run_name_taken(finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = fails(capsys, search.main, "--space", str(tmp_path / "space.yaml"), "--run", "done")
    assert "--resume" in message


def test_resume_with_other_settings(
    finished_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "seed" in fails(capsys, search.main, "--resume", "--run", "done", "--seed", "7")
    message = fails(capsys, search.main, "--resume", "--run", "done", "--encoding", "fixed")
    assert "encoding must be what" in message
    assert "got 'fixed', run has 'conditional'" in message
    other = write_space(tmp_path, "training.epochs", 2)
    assert "space" in fails(capsys, search.main, "--resume", "--run", "done", "--space", str(other))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], ["nowhere"]),
        (["done", "--where", "accuracy"], ["--where", "accuracy"]),
        (["done", "--where", "charm >= 1"], ["charm"]),
        (["done", "--where", "accuracy >= 1.5"], ["no operating point satisfies", "accuracy is"]),
        (["done", "--where", "edge_macs <= 1e999"], ["--where: must name a finite number"]),
        (["done", "--minimize", "charm"], ["charm"]),
        (["done", "--minimize", "accuracy"], ["the larger the better; did you mean --maximize accuracy?"]),
        (["done", "--maximize", "edge_macs"], ["did you mean --minimize edge_macs?"]),
        (["done", "--set", "link.rtt_s=nan"], ["--set link.rtt_s=nan", "finite number"]),
        (["done", "--set", "link.rtt_s=1e999"], ["--set link.rtt_s=1e999", "finite number"]),
        (["done", "--set", "link.rtt_s=yes"], ["--set: must end in a number"]),
        (["done", "--where", "\x1b[2J"], ["\\x1b[2J"]),
        (["done", "--id", "nobody"], ["nobody"]),
        (["done", "--protocol", "mqtt"], ["protocol must be one of http, frame, none, got 'mqtt'"]),
        (["done", "--knee", "--id", "x"], ["not allowed with"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_bad_pick(
    finished_run: Path, arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    message = fails(capsys, pick.main, *arguments)
    for word in words:
        assert word in message


def test_damaged_run(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (finished_run / "run.json").write_text("{", encoding="utf-8")
    assert "run.json" in fails(capsys, pick.main, "done")
    assert "run.json" in fails(capsys, report_main, "done")


def test_run_of_another_schema(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = finished_run / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"schema_version": 1}))
    wanted = f"run.json: schema_version must be {store.SCHEMA_VERSION}, got 1"
    for command in (pick.main, report_main):
        assert wanted in fails(capsys, command, "done")
    assert wanted in fails(capsys, search.main, "--run", "done", "--resume")


def test_damaged_points(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = next(finished_run.glob("networks/*/points.parquet"))
    damaged.write_bytes(b"nonsense")
    assert "points.parquet" in fails(capsys, pick.main, "done")


def test_report_of_a_search_that_was_cut_off(finished_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (finished_run / "trials.json").unlink()
    assert "--resume" in fails(capsys, report_main, "done")
