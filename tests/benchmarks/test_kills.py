"""The campaign of kills: what it sees of processes and run folders; a stream whose server comes and goes."""

import json
import random
from pathlib import Path
from typing import Any

import optuna
import pytest

from benchmarks.endurance.kills import PARTS, PHASES, counted, plan
from benchmarks.endurance.rounds import STRIKES, Found, Part
from benchmarks.endurance.searches import (
    Kept,
    Marked,
    stored_networks,
    told_trials,
    written_again,
)
from benchmarks.endurance.streams import streamed, wrong_answers
from benchmarks.stand_in_bundle import write_bundle

STARTS_ANOTHER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("begun", flush=True)
time.sleep(60)
"""


def test_fifty_kills_of_everybody() -> None:
    assert sum(part.kills for part in PARTS) == 50
    assert {victim for part in PARTS for victim in part.victims} == set(STRIKES)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_all_victims_and_phases_have_their_turn(part: Part) -> None:
    whole = plan(part, 40, 0, random.Random(0))
    assert whole == plan(part, 40, 0, random.Random(0))
    by_fives = [own for done in range(0, 40, 5) for own in plan(part, 5, done, random.Random(1))]
    assert sorted(whole) == sorted(by_fives)
    assert {victim for victim, _ in whole} == set(part.victims)
    assert {phase for victim, phase in whole if victim == "parent"} == set(PHASES)
    measuring = [phase == "measuring" for _, phase in whole]
    assert measuring == sorted(measuring)  # nothing is trained after it


def test_what_a_killed_command_leaves_behind_is_found_and_ended(tmp_path: Path) -> None:
    (tmp_path / "starts_another.py").write_text(STARTS_ANOTHER)
    command = Marked(["starts_another"], tmp_path, "said", tmp_path)
    while "begun" not in command.printed:
        assert command.alive
    assert len(command.processes()) == 2
    command.kill()
    (left,) = command.left_after(0.0)
    assert "time.sleep(60)" in left
    assert command.left_after(5.0) == []


def stored(run: Path, name: str, epochs: int) -> None:
    folder = run / "networks" / name
    folder.mkdir(parents=True)
    (folder / "network.json").write_text(json.dumps({"training": {"epochs": epochs}}))


def test_networks_that_a_killed_writer_took_away_are_counted(tmp_path: Path) -> None:
    stored(tmp_path, ".replaced-mlp-1", 3)
    stored(tmp_path, ".replaced-mlp-2", 3)
    stored(tmp_path, "mlp-2", 9)
    stored(tmp_path, ".unfinished-mlp-3", 3)
    assert {key: epochs for key, (epochs, _) in stored_networks(tmp_path).items()} == {"mlp-1": 3, "mlp-2": 9}


def test_what_is_lost_or_done_again() -> None:
    before = Kept({"a": (3, 10), "b": (3, 11), "c": (3, 12)}, {0: "noon", 1: "one", 2: "two"}, frozenset())
    later = Kept({"a": (3, 10), "b": (9, 20), "c": (3, 30)}, {0: "noon", 1: "three"}, frozenset())
    assert before.lost_in(before) == []
    assert written_again(before.networks, later.networks) == ["c was lost or written again"]
    assert before.lost_in(later)[1:] == ["trial 2 was lost or told again", "trial 1 was told again"]


def test_trials_that_were_told(tmp_path: Path) -> None:
    assert told_trials(tmp_path, "") == {}
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/study.db")
    study.tell(study.ask(), 0.5)
    study.ask()
    assert list(told_trials(tmp_path, "")) == [0]


def test_what_must_not_happen_is_counted_where_it_did_not() -> None:
    found = Found()
    found.add("lost", ["mlp-1"], "run0")
    assert counted(found) == counted(Found()) | {"lost": 1}
    assert found.problems == ["run0: lost: mlp-1"]


def answer(number: int, source: str, label: int) -> dict[str, Any]:
    return {"sample": number, "source": source, "label": label}


def test_answers_that_are_wrong_lost_or_there_twice() -> None:
    labels = [{"server": 1, "edge_fallback": 2}] * 2
    right = [answer(0, "server", 1), answer(1, "edge_fallback", 2)]
    assert wrong_answers(right, labels) == []
    assert wrong_answers([right[0], answer(1, "server", 2)], labels) == ["sample 1: server says 2, not 1"]
    assert wrong_answers(right[:1], labels) == ["2 samples, answers to [0]"]
    assert wrong_answers([right[0], *right], labels)[0] == "2 samples, answers to [0, 0, 1]"


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_none_lost_none_twice_whatever_happens_to_the_server(tmp_path: Path) -> None:
    """A stream through the command, while the server is killed, stopped and restarted."""
    counts, problems = streamed(write_bundle(tmp_path / "bundle"), 3, random.Random(0))
    assert problems == []
    assert counts["kills"] == counts["stops"] == counts["restarts"] == 1
    assert 50 < counts["of the server"] < counts["answered"] == counts["samples"]
