"""The endurance campaigns, without running any."""

import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from benchmarks.endurance.cases import Case
from benchmarks.endurance.damage import damage
from benchmarks.endurance.data_files import KINDS, SAMPLES, with_damaged_data
from benchmarks.endurance.faults import alike_until, goes_on, told
from benchmarks.endurance.forked import Ended, run_forked
from benchmarks.endurance.fuzz import LEFT_ALONE, SEARCHED, SMALL, commands_of, counted
from benchmarks.endurance.mutations import broken_file, pick_line
from benchmarks.endurance.soak import Held, grown
from benchmarks.endurance.surroundings import disks
from explorer.data.sources import read_source
from explorer.runs.sealed import write_sealed


@pytest.mark.parametrize(
    ("code", "printed", "problem"),
    [
        (0, "report: reports/run/report.html", ""),
        (2, "error: space.yaml: data: required key is missing", ""),
        (2, "usage: ...\npython -m explorer.pick: error: unrecognized arguments: --wrong", ""),
        (3, "no network could be trained", ""),
        (1, "", "exit code 1"),
        (-9, "", "exit code -9"),
        (2, "Traceback (most recent call last):\nerror: x", "a traceback"),
        (2, "", "0 messages with exit code 2"),
        (0, "error: but all is well", "1 messages with exit code 0"),
        (2, "error: \x1b[2J", "a message that is not printable"),
    ],
)
def test_what_is_a_problem(code: int, printed: str, problem: str) -> None:
    assert Ended(("pick",), code, 1.0, 2**20, printed).problem == problem


def test_what_takes_too_much_is_a_problem() -> None:
    assert Ended(("pick",), 0, 31.0, 0, "").problem == "31 s"
    assert Ended(("pick",), 0, 1.0, 2**31, "").problem == "2048 MiB"
    found = counted([Ended(("pick",), 0, 31.0, 2**20, ""), Ended(("pick",), 2, 1.0, 2**21, "error: x")])
    assert found == {
        "commands": 2, "exit codes": {"0": 1, "2": 1}, "problems": 1, "longest_s": 31.0, "largest_mib": 2
    }  # fmt: skip


def test_what_is_broken_follows_from_the_seed() -> None:
    text = yaml.safe_dump(SMALL, sort_keys=False)
    one, other = ([broken_file(text, random.Random(seed)) for seed in range(40)] for _ in range(2))
    assert one == other
    assert sum(broken != text for broken, _ in one) > 35
    assert pick_line("run", random.Random(3)) == pick_line("run", random.Random(3))


def test_spaces_that_are_searched_have_faults_where_no_training_gets_long(tmp_path: Path) -> None:
    commands = commands_of("spaces", 20, tmp_path, random.Random(0))
    searched = [command for command in commands if "--dry-run" not in command]
    assert len(searched) == 20 // SEARCHED
    for command in searched:
        text = (tmp_path / command[2]).read_text()
        for key in LEFT_ALONE:
            assert yaml.safe_dump({key: SMALL[key]}, sort_keys=False) in text


def test_a_fork_ends_like_a_process() -> None:
    with tempfile.TemporaryDirectory() as folder:
        commands = [
            ["pick", "nowhere"],
            ["pick", "--help"],
            ["search", "--wrong"],
            ["search", "--space", "x"],
        ]
        ended = {one.arguments: one for one in run_forked(commands, Path(folder), jobs=2)}
    assert [ended[tuple(command)].code for command in commands] == [2, 0, 2, 2]
    assert "error: 'nowhere': no such run" in ended["pick", "nowhere"].message
    assert not any(one.problem for one in ended.values())


@pytest.mark.parametrize("kind", KINDS)
def test_data_are_whole_before_they_are_damaged(kind: str, tmp_path: Path) -> None:
    raw = read_source(KINDS[kind](tmp_path), None)
    assert len(raw.y_train) + len(raw.y_test) >= SAMPLES
    (tmp_path / "again").mkdir()
    path = with_damaged_data(list(KINDS).index(kind), tmp_path / "again", SMALL, random.Random(0))
    assert yaml.safe_load(path.read_text())["data"]["source"].startswith(raw.name.split(":")[0])


def test_what_grows_with_a_search() -> None:
    steady = [Held(100 * n, 10**8 + 10_000 * n * 100, 12, 50 * n, 250 * n, 4, 1) for n in range(1, 11)]
    assert grown(steady, few=False) == []
    leaking = [replace(own, descriptors=own.proposals, memory_bytes=own.proposals * 40_000) for own in steady]
    assert grown(leaking, few=False) == [
        "40.0 KB of memory for each proposal, at most 30.0",
        "descriptors: 500 at 500, 1000 at 1,000",
    ]
    littered = [*steady[:-1], replace(steady[-1], network_files=2501, other_files=5)]
    assert grown(littered, few=True) == [
        "other_files: 4 at 500, 5 at 1,000",
        "files of a network: [5.0, 5.002]",
    ]


def test_disks_hold_so_much(tmp_path: Path) -> None:
    with disks(tmp_path, [65536]) as (disk,):
        if not disk.mounted:
            pytest.skip("no file system may be mounted here")
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "large").write_bytes(bytes(10**6))
        disk.grow()
        (disk.folder / "large").write_bytes(bytes(10**6))
        disk.seal()
        with pytest.raises(OSError, match="Read-only"):
            (disk.folder / "small").write_bytes(b"1")
    assert not list(disk.folder.iterdir())


def test_a_fault_must_be_named(tmp_path: Path) -> None:
    case = Case("full", tmp_path, ["search"], says="run.json")
    assert case.command == ["search", "--reports", str(tmp_path)]
    assert told(case, Ended(("search",), 2, 1.0, 0, "error: No space left on device (a/run.json)")) == []
    assert told(case, Ended(("search",), 0, 1.0, 0, "report: run")) == []
    assert told(case, Ended(("search",), 2, 1.0, 0, "error: failed")) == [
        "does not say 'run.json': error: failed"
    ]
    assert told(case, Ended(("search",), 1, 1.0, 0, "what")) == ["exit code 1: what"]
    died = Ended(("search",), -11, 1.0, 0, "")
    assert told(case, died) == ["exit code -11: "]
    assert told(replace(case, may_die=True), died) == []
    unsaid = Ended(("search",), 70, 1.0, 0, "SystemError: error return without exception set")
    assert told(replace(case, may_die=True), unsaid) == []
    assert told(case, unsaid) != []


def test_what_found_no_memory_stays_failed(tmp_path: Path) -> None:
    case = Case("little", tmp_path, ["search"], may_die=True)
    assert alike_until(case) is None
    case.run.mkdir()
    trials = [{"number": number, "outcome": outcome} for number, outcome in enumerate(["trained", "failed"])]
    write_sealed(case.run / "trials.json", {"rows": trials})
    assert alike_until(case) == 1
    assert alike_until(replace(case, may_die=False)) is None


def test_a_search_begins_anew_where_nothing_is_left(tmp_path: Path) -> None:
    case = Case("gone", tmp_path, ["search"])
    assert "--resume" not in goes_on(case)
    case.run.mkdir()
    (case.run / "run.json").touch()
    assert "--resume" in goes_on(case)


@pytest.mark.parametrize("seed", range(8))
def test_a_file_is_damaged_in_one_place(tmp_path: Path, seed: int) -> None:
    content = bytes(range(200))
    (tmp_path / "run.json").write_bytes(content)
    done = damage(tmp_path, "run.json", random.Random(seed))
    now = (tmp_path / "run.json").read_bytes()
    assert done.startswith("run.json, ")
    if "flipped" in done:
        differing = [one ^ other for one, other in zip(content, now, strict=True) if one != other]
        assert [one.bit_count() for one in differing] == [1]
    else:
        assert content.startswith(now)
        assert len(now) < len(content)
