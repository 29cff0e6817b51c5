"""Timing of calls: in turn, and by low quantiles."""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from explorer.calibrate import main
from explorer.devices import load_device
from explorer.devices.host import host_file
from explorer.errors import UserError
from explorer.runtime.timing import LEAST_ROUNDS, TIMES, Timed, codec_call, time_calls


def test_calls_take_turns() -> None:
    order = list[str]()
    found = time_calls({name: lambda name=name: order.append(name) for name in "ab"}, 0.0, pause_s=0.0)
    rounds = [set(order[place : place + 2]) for place in range(4, len(order), 2)]  # behind two warm-ups each
    assert rounds == [{"a", "b"}] * LEAST_ROUNDS
    assert [len(own) for own in found.values()] == [LEAST_ROUNDS] * 2


def test_one_disturbed_round_changes_nothing() -> None:
    calm = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert Timed.of([*calm, 100.0]) == Timed.of(calm) == Timed(1.0, 0.0)


def test_pauses_are_not_timed() -> None:
    found = time_calls({"nothing": lambda: None}, 0.0, pause_s=0.02)
    assert np.median(found["nothing"]) < 0.02


@pytest.mark.parametrize("bits", [4, 8, 32])
def test_what_is_encoded_is_decoded(bits: int) -> None:
    decoded = codec_call("decode", 64, bits)()
    assert np.abs(decoded - np.linspace(0, 1, 64)).max() <= 0.5 / (2**bits - 1) + 1e-6  # type: ignore[operator]


def test_a_device_without_this_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The folder is timed by a process that sees nothing else, and what it writes becomes a profile."""
    folder, out = tmp_path / "folder", tmp_path / "board.yaml"
    assert main(["--folder", str(folder)]) == 0
    script = "import sys; sys.path[:0] = ['.']; sys.modules.update(torch=None, explorer=None, onnx=None)\n"
    script += "from pathlib import Path; from runtime.timing import main; main(Path('.'), ['0.01'])"
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, timeout=120)
    times = json.loads((folder / TIMES).read_text())
    assert times["threads"] == 1
    assert main(["--times", str(folder / TIMES), "--out", str(out)]) == 0
    board = load_device(str(out))
    assert (board.name, board.latency_basis) == ("board", "operators")
    assert board.spread == yaml.safe_load(out.read_text())["spread"]
    assert "left out" in capsys.readouterr().out


def test_this_machine(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "explorer", "calibrate", "--out", "mine.yaml", "--seconds", "0.01"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=200)
    assert "rank correlation" in done.stdout
    assert "times spread by" in done.stdout
    assert load_device(str(tmp_path / "mine.yaml")).part_overhead_s is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--out: must be given and end in .yaml, got None"),
        (["--out", "mine.json"], "--out: must be given and end in .yaml, got mine.json"),
        (["--out", "mine.yaml", "--seconds", "0"], "--seconds: must be above 0 and finite, got 0"),
        (["--folder", "."], "--folder: must not exist yet, got ."),
    ],
)
def test_bad_arguments(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(arguments)


def test_times_of_other_networks(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    where = {"processor": "x", "threads": 1, "onnxruntime": "1"}
    path.write_text(json.dumps({**where, "times": {"unknown": {"seconds": 1.0, "spread": 0.0}}}))
    with pytest.raises(UserError, match=r"times.json: times: must be those of this version"):
        main(["--times", str(path), "--out", str(tmp_path / "x.yaml")])
    path.write_text("{}")
    with pytest.raises(UserError, match=r"times.json: is not what calibrate.py writes"):
        main(["--times", str(path), "--out", str(tmp_path / "x.yaml")])


def test_the_host_is_remembered() -> None:
    begun = time.perf_counter()
    assert load_device("host").description == "made up"  # tests/helpers/calibrated.py
    assert host_file().exists()
    assert time.perf_counter() - begun < 30


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_timed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--out: must lie in a folder that can be written \(No such file"):
        main(["--out", str(tmp_path / "nowhere" / "mine.yaml")])
    with pytest.raises(UserError, match="--seconds: must be above 0 and finite, got inf"):
        main(["--out", str(tmp_path / "mine.yaml"), "--seconds", "inf"])
    assert list(tmp_path.iterdir()) == []
