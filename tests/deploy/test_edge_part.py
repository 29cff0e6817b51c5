"""``explorer deploy --c-code``: a bundle with C beside it, and what is refused before anything is written."""

import json
from pathlib import Path

import pytest
from deployable import row_of, source_of
from edge_parts import EIGHT, needs_emulator

import explorer
from explorer import backbones
from explorer import emulate as emulate_command
from explorer.core.run_point import RunPoint
from explorer.deploy import __main__ as command
from explorer.deploy.edge_part import edge_part, macs
from explorer.errors import UserError
from explorer.runtime.manifest import load_bundle


@pytest.fixture(scope="module")
def run(digits_run: explorer.Run) -> explorer.Run:
    return digits_run


@needs_emulator
@pytest.mark.parametrize("weights", ["float", "int8"])
def test_from_a_run_to_an_emulated_device(
    weights: str, run: explorer.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "bundle"
    options = ["--where", "edge_macs >= 1", "--where", "payload_bytes >= 1", "--samples", "200", "--json"]
    assert command.main([str(run.path), *options, "--c-code", weights, "--out", str(folder)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert load_bundle(folder, "server").digest == shown["bundle"]  # the C lies beside what the digest covers
    assert shown["c_code"]["agreement"] <= (1e-5 if weights == "float" else 0.05)
    assert emulate_command.main([str(folder), "--samples", "5"]) == 0
    assert "5 samples agree" in capsys.readouterr().out
    assert emulate_command.main([str(folder), "--samples", "5", "--flip-weight"]) == 1


def test_one_point_only(run: explorer.Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--c-code: takes one operating point"):
        command.main([str(run.path), "--c-code", "int8", "--policy", "--out", str(tmp_path / "b")])


def test_a_layer_without_c_is_refused_by_name() -> None:
    source = source_of(backbones.transformer, {}, (4, 16), config=EIGHT)
    name = source.restore().split_points[1].name
    with pytest.raises(UserError, match=r"--c-code: \S+: there is no C for"):
        edge_part(source, row_of(RunPoint(name, 0.5, 8)), "float")


def test_macs_are_those_of_kept_weights() -> None:
    source = source_of(backbones.mlp, {"hidden": [8, 8]}, (16,), config=EIGHT, pattern="structured")
    network = source.restore()
    part = edge_part(source, row_of(RunPoint("relu1", None, 8)), "float")
    layer = network.backbone.get_submodule("fc1")
    assert macs(part.numbers) == layer.macs((8,)) < 16 * 8  # type: ignore[operator]
