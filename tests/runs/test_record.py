"""The run's record: there and back, and refused in one sentence."""

from pathlib import Path

import pytest
from stand_ins import SETTING

from benchmarks.report_scale.synthetic import SEARCHED, make_record
from explorer.errors import UserError
from explorer.runs.record import SCHEMA_VERSION, Promotion, RunRecord, SessionReading
from explorer.runs.sealed import read_sealed, write_sealed
from explorer.utils.files import write_json

RECORD = make_record("run", {"accuracy": 0.5, "edge_macs": 1e6}, ["accuracy >= 0.9"], SETTING, **SEARCHED)


def test_there_and_back(tmp_path: Path) -> None:
    reading = SessionReading(
        energy_j=None, seconds=1.0, method="", reason="why", suggest_seconds=0.1, suggest_median_s=None
    )
    promotion = Promotion("mlp-1", 9, "", elapsed_s=2.0, hypervolume=0.5)
    record = RECORD.model_copy(update={"sessions": [reading], "promotions": [promotion]})
    record.write(tmp_path)
    assert RunRecord.read(tmp_path) == record
    assert record.setting == SETTING
    framed = make_record("run", {"accuracy": 0.5}, [], SETTING.with_profiles(protocol="frame"))
    assert framed.setting.protocol == "frame"
    assert [metric.name for metric in record.objectives] == ["accuracy", "edge_macs"]
    assert [str(constraint) for constraint in record.parsed_constraints] == ["accuracy >= 0.9"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"schema_version": 2},
            f"schema_version must be {SCHEMA_VERSION}, got 2: another version of the explorer wrote it",
        ),
        ({"seed": "often"}, "seed: .*got 'often'"),
        ({"colour": 1}, "colour: "),
        ({"protocol": "mqtt"}, "protocol: .*got 'mqtt'"),
        ({"data": {}}, r"data\.input_shape: "),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, change: dict[str, object], message: str) -> None:
    RECORD.write(tmp_path)
    write_sealed(tmp_path / "run.json", read_sealed(tmp_path / "run.json", "") | change)
    with pytest.raises(UserError, match=rf"run\.json: {message}"):
        RunRecord.read(tmp_path)


def test_a_record_that_is_no_mapping(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", [1])
    with pytest.raises(UserError, match=f"schema_version must be {SCHEMA_VERSION}, got None"):
        RunRecord.read(tmp_path)


def test_a_record_that_was_changed(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace("accuracy >= 0.9", "accuracy >= 0.8"))
    with pytest.raises(UserError, match=r"run\.json: is not what was written .*; put back a copy of it, or "):
        RunRecord.read(tmp_path)


def test_what_was_told_of_the_data_is_remembered_until_it_is_told_anew(tmp_path: Path) -> None:
    record = RunRecord.model_construct(data_dir=None, max_data_bytes=None)
    assert record.data_options() == (None, None)
    data, other = tmp_path / "data", tmp_path / "other"
    data.mkdir()
    record.remember(data, 1000)
    record.remember(None, None)
    assert record.data_options() == (data, 1000)
    assert record.data_options(other, 500) == (other, 500)  # what is told now is taken, there or not
    data.rmdir()
    assert record.data_options() == (None, 1000)  # the run was moved: the folder is forgotten
