"""A run with edge parts in int8: its points, and the C of one on all validation samples."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from deployable import row_of
from edge_parts import needs_emulator, needs_gcc, on_host

import explorer
from explorer import pick as pick_command
from explorer.core.code_bytes import SIZES
from explorer.core.run_point import RunPoint
from explorer.deploy import __main__ as deploy_command
from explorer.deploy.bundle import Source
from explorer.deploy.edge_part import EdgePart, edge_part
from explorer.errors import UserError
from explorer.microcontroller.emulator import emulate
from explorer.microcontroller.forms import Floats
from explorer.runs.point_table import FRONT_COLUMNS
from explorer.runs.store import Store
from explorer.runtime.codec import decode
from explorer.runtime.protocol.frame import unpack
from explorer.space.files import load_space

DIGEST = "0123456789abcdef" * 4
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> explorer.Run:
    reports = tmp_path_factory.mktemp("reports")
    options: dict[str, Any] = {"workers": 1, "energy": False, "progress": False}
    return explorer.run_search("digits_stm32", trials=3, name="int8", reports=reports, **options)


def points_in_int8(run: explorer.Run) -> pd.DataFrame:
    return run.points[run.points["edge_weight_bits"] == 8]


def sending(run: explorer.Run) -> "pd.Series[Any]":
    """The point behind a layer whose exit answers the share of samples nearest to half."""
    own = points_in_int8(run)
    some = own[own["confidence_threshold"].notna() & ~own["split_point"].isin(["input", "output"])]
    return some.iloc[int((some["exit_rate"] - 0.5).abs().to_numpy().argmin())]


def test_both_kinds_of_edge_parts_are_points(run: explorer.Run) -> None:
    points = run.points
    assert set(points["edge_weight_bits"]) == {8, 32}
    assert points["point_id"].is_unique
    assert points_in_int8(run)["point_id"].str.endswith(".int8").all()
    assert FRONT_COLUMNS[-1] == "edge_weight_bits"
    output = points[points["split_point"] == "output"].pivot(index="network_key", columns="edge_weight_bits")
    assert (output["edge_flash_bytes"][8] < output["edge_flash_bytes"][32]).all()
    assert (output["edge_ram_bytes"][8] < output["edge_ram_bytes"][32]).all()
    assert ((output["accuracy"][8] - output["accuracy"][32]).abs() <= 0.01).all()
    assert (output["latency_model_s"][8] < output["latency_model_s"][32]).all()
    np.testing.assert_array_equal(points["edge_flash_bytes"], points["code_flash_bytes"])


def test_what_is_not_known_is_empty(run: explorer.Run) -> None:
    own = points_in_int8(run)
    assert own["edge_latency_host_s"].isna().all()
    elsewhere = run.with_setting(edge="rpi4").points  # whose profile has no rate for int8
    is_int8 = elsewhere["edge_weight_bits"] == 8
    assert elsewhere["latency_model_s"][is_int8].isna().all()
    assert elsewhere["latency_model_s"][~is_int8].notna().all()


def test_networks_are_those_of_a_space_without_int8(run: explorer.Run) -> None:
    space, _, _ = load_space("digits_stm32")
    plain = space.model_copy(update={"edge_weight_bits": [32]})
    options: dict[str, Any] = {"workers": 1, "energy": False, "progress": False}
    other = explorer.run_search(plain, trials=2, name="float32", reports=run.path.parent, **options)
    first = other.trials["network_key"].tolist()
    assert first == run.trials["network_key"].tolist()[:2]  # the references
    assert not set(SIZES) & set(other.points)
    assert not (other.path / "networks" / first[0] / "int8_evidence.safetensors").exists()
    ours, theirs = (Store(own.path).read_weights(first[0]) for own in (run, other))
    assert all((ours[name] == theirs[name]).all() for name in theirs)
    evidence, same = (Store(own.path).read_evidence(first[0]) for own in (run, other))
    np.testing.assert_array_equal(evidence.exit_confidence_SN, same.exit_confidence_SN)


def test_what_is_stored_is_read_again(run: explorer.Run) -> None:
    again = explorer.load_run(run.path)
    pd.testing.assert_frame_equal(again.points, run.points)
    for key in run.results.networks:
        float32, int8 = Store(run.path).read_evidences(key)
        assert (float32.edge_weight_bits, int8.edge_weight_bits) == (32, 8)
        assert int8.split_points == float32.split_points


def test_pick_says_how_to_deploy_it(run: explorer.Run, capsys: pytest.CaptureFixture[str]) -> None:
    point = sending(run)
    words = [str(run.path), "--id", str(point["point_id"]), "--no-picture"]
    assert pick_command.main(words) == 0
    shown = capsys.readouterr().out
    assert "edge_weigh" in shown  # narrow terminals cut it
    assert "--c-code int8" in next(line for line in shown.splitlines() if line.startswith("next: "))
    chosen = json.loads((run.path / "pick.json").read_text())
    assert chosen["point"]["edge_weight_bits"] == 8
    assert abs(chosen["test"]["accuracy"] - point["accuracy"]) < 0.1


@pytest.mark.parametrize("code", [(), ("--c-code", "float")])
def test_another_edge_part_is_not_deployed(code: tuple[str, ...], run: explorer.Run, tmp_path: Path) -> None:
    words = [str(run.path), "--point", str(sending(run)["point_id"]), *code, "--out", str(tmp_path / "b")]
    with pytest.raises(UserError, match=r"its edge part computes in int8, .* --c-code int8 writes it"):
        deploy_command.main(words)


def test_a_network_in_int8_is_not_loaded_into_torch(run: explorer.Run) -> None:
    with pytest.raises(UserError, match="computes in int8"):
        run.load_network(run.select(point_id=str(sending(run)["point_id"])))


def deployed(run: explorer.Run, point: RunPoint, key: str) -> tuple[EdgePart, Source, Floats]:
    data = run.load_data()
    source = Source.of_run(run.results, key, data)
    return edge_part(source, row_of(point), "int8"), source, data.raw(data.validation.inputs)


def check_outcome(run: explorer.Run, row: "pd.Series[Any]", folder: Path) -> None:
    """Accuracy, exits and bytes sent of a point, counted in what its C prints for all samples."""
    import torch

    point = RunPoint.from_row(row)
    part, source, raw = deployed(run, point, str(row["network_key"]))
    rows = on_host(part.code(DIGEST).files, raw, folder, flags=("-O2",))
    labels, right, sent = source.data.validation.labels.numpy(), 0, 0
    server = source.restore()
    for label, own in zip(labels, rows, strict=True):
        answer = own.get("label")
        if "frame" in own:
            payload = unpack(own["frame"], bytes.fromhex(DIGEST)[:8]).content
            split = server.split_point(point.split_point)
            codec = source.calibration.codecs[point.split_point, point.payload_bits]
            tensor = torch.from_numpy(decode(payload, split.shape, codec)).unsqueeze(0)
            with torch.inference_mode():
                answer = int(server.parts(split).server(tensor).argmax())
            sent += len(payload)
        right += int(answer == label)
    assert right == row["correct"]
    assert sent == row["sent_bytes"]
    assert sum("frame" not in own for own in rows) == row["exited"]


@needs_gcc
def test_evidence_is_what_the_c_does_on_all_validation_samples(run: explorer.Run, tmp_path: Path) -> None:
    own = points_in_int8(run)
    outputs = own[own["split_point"] == "output"]
    without = own[own["confidence_threshold"].isna() & (own["edge_macs"] > 0)]
    rows = [*(row for _, row in outputs.iterrows()), without.iloc[0], without.iloc[-1], sending(run)]
    rows += [own.iloc[0], own[own["payload_bits"] == 4].iloc[-1]]
    for number, row in enumerate(rows):
        check_outcome(run, row, tmp_path / str(number))


@needs_emulator
def test_the_emulator_does_the_same_on_some(run: explorer.Run, tmp_path: Path) -> None:
    row = sending(run)
    part, _, raw = deployed(run, RunPoint.from_row(row), str(row["network_key"]))
    files = part.code(DIGEST).files
    expected = on_host(files, raw[:40], tmp_path / "host", flags=("-O2",))
    found = emulate(files, raw[:40], "m7").rows
    for own, other in zip(found, expected, strict=True):
        assert {name: own[name] for name in ("label", "answers", "logits", "crossing")} == {
            name: other[name] for name in ("label", "answers", "logits", "crossing")
        }
        assert own.get("frame") == other.get("frame")
