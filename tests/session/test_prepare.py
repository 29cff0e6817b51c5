"""What a search refuses before anything is written."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from stand_ins import SPACE

from explorer.errors import UserError
from explorer.session.prepare import Options, prepare

DEVICE = {"kind": "device", "description": "", **{key: 1.0 for key in ("macs_per_s", "active_w", "idle_w")}}
LINK = {"kind": "link", "description": "", "uplink_bits_per_s": 1.0, "rtt_s": 1.0, "tx_joules_per_bit": 1.0}
LINK |= {"message_energy_j": 1.0}


def write_profile(path: Path, content: dict[str, object]) -> str:
    plain = {"kind", "description"}
    entries = {
        key: value if key in plain else {"value": value, "source": "measured"}
        for key, value in content.items()
    }
    path.write_text(yaml.safe_dump({"name": path.stem, **entries}))
    return str(path)


@pytest.mark.parametrize(
    ("objective", "role", "quantity"),
    [
        ("latency_model_s", "edge", "macs_per_s"),
        ("latency_model_s", "server", "macs_per_s"),
        ("latency_model_s", "link", "rtt_s"),
        ("energy_model_j", "edge", "active_w"),
        ("energy_model_j", "edge", "idle_w"),
        ("energy_model_j", "link", "uplink_bits_per_s"),
        ("energy_model_j", "link", "tx_joules_per_bit"),
        ("energy_model_j", "link", "message_energy_j"),
    ],
)
def test_cost_that_the_profiles_cannot_give(tmp_path: Path, objective: str, role: str, quantity: str) -> None:
    profiles = {"edge": dict(DEVICE), "server": dict(DEVICE), "link": dict(LINK)}
    del profiles[role][quantity]
    names = {key: write_profile(tmp_path / f"{key}.yaml", content) for key, content in profiles.items()}
    space = SPACE | {
        "objectives": {"accuracy": 0.1, objective: 1.0},
        "edge_device": names["edge"],
        "server_device": names["server"],
        "link": names["link"],
    }
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    options = Options(space=str(tmp_path / "space.yaml"), reports=tmp_path / "reports")
    with pytest.raises(
        UserError,
        match=rf"space.yaml: objectives: {objective} needs {quantity}.*, which profile '{role}' does not",
    ):
        prepare(options)
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize(("said", "protocol"), [({}, "http"), ({"protocol": "frame"}, "frame")])
def test_the_protocol_of_the_space_is_that_of_the_run(
    tmp_path: Path, said: dict[str, str], protocol: str
) -> None:
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE | said))
    session = prepare(Options(space=str(tmp_path / "space.yaml"), reports=tmp_path / "reports"))
    assert session.record.protocol == session.setting.protocol == session.record.setting.protocol == protocol


def test_wire_bytes_need_nothing_of_the_profiles(tmp_path: Path) -> None:
    space = SPACE | {
        "objectives": {"accuracy": 0.1, "wire_bytes": 1000.0},
        "constraints": ["wire_bytes <= 1 kB"],
    }
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    session = prepare(Options(space=str(tmp_path / "space.yaml"), reports=tmp_path / "reports"))
    assert [metric.name for metric in session.space.metrics] == ["accuracy", "wire_bytes"]


def test_data_files_are_held_against_the_limit(tmp_path: Path) -> None:
    arrays = {
        "x_train": np.eye(30),
        "y_train": np.arange(30) % 2,
        "x_test": np.eye(30),
        "y_test": np.eye(30)[0],
    }
    np.savez(tmp_path / "own.npz", **arrays)
    space = {**SPACE, "data": {"source": f"npz:{tmp_path / 'own.npz'}", "validation_samples": 5}}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    options = Options(space=str(tmp_path / "space.yaml"), reports=tmp_path, max_data_bytes=7199)
    with pytest.raises(UserError, match=r"space.yaml: data: .*own.npz: x_train .* a claim of 7,200$"):
        prepare(options)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"edge_weight_bits": [8]}, r"edge_weight_bits: .*must contain 32, .* got \[8\]"),
        ({"edge_weight_bits": [32, 32]}, r"edge_weight_bits: .*every choice must be given once"),
        ({"edge_weight_bits": [32, 4]}, r"edge_weight_bits"),
        (
            {"edge_weight_bits": [32, 8], "objectives": {"accuracy": 0.1, "latency_model_s": 1.0}},
            r"objectives: latency_model_s with edge_weight_bits 8 needs macs_per_s_int8, which",
        ),
        (
            {
                "edge_weight_bits": [32, 8],
                "backbones": {"net": {"factory": "factories:tanh_net"}},
            },
            r"edge_weight_bits: 8 needs an edge part that there is C for: \S+: there is no C for Tanh",
        ),
    ],
)
def test_int8_that_cannot_be(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SPACE | changes))
    options = Options(space=str(tmp_path / "space.yaml"), reports=tmp_path / "reports")
    with pytest.raises(UserError, match=said):
        prepare(options)


def test_a_pooling_too_large_for_c_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.microcontroller.limits._BYTE", 2)  # so that a stride of 2 is too large
    cnn = {"factory": "explorer.backbones:cnn", "arguments": {"channels": [[4, 8]], "hidden": [8]}}
    space = SPACE | {"edge_weight_bits": [32, 8], "backbones": SPACE["backbones"] | {"cnn": cnn}}
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    session = prepare(Options(space=str(tmp_path / "space.yaml"), reports=tmp_path / "reports"))
    (sentence,) = session.without_code
    named = r"pool1: MaxPool2d is too large for C: strides, .* must be below 2, got 2"
    assert re.fullmatch(rf"cnn\(.*\) has no edge part in int8 at .*output: {named}", sentence)


def test_edge_parts_that_cannot_be_in_int8_are_told_before_training(tmp_path: Path) -> None:
    space = SPACE | {
        "edge_weight_bits": [32, 8],
        "backbones": SPACE["backbones"] | {"net": {"factory": "factories:tanh_net"}},
    }
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space))
    session = prepare(Options(space=str(tmp_path / "space.yaml"), reports=tmp_path / "reports"))
    (sentence,) = session.without_code
    assert sentence.startswith("net() has no edge part in int8 at ")
    assert sentence.endswith("there is no C for Tanh")
