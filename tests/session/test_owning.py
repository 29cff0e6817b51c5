"""A search owns its run folder, and one that is refused leaves nothing."""

import errno
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from stand_ins import SPACE

from explorer import search
from explorer.errors import UserError
from explorer.runs.folder import LOCK_FILE
from explorer.runs.owner import owned
from explorer.session import command
from explorer.session.options import Options
from explorer.session.prepare import owning, prepare

DATA = {"source": "digits", "train_samples": 200, "validation_samples": 100}
SMALL = SPACE | {"data": DATA}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(SMALL))
    return tmp_path


@pytest.fixture
def begun(folder: Path) -> Path:
    """A run with one trial."""
    assert search.main(["--space", "space.yaml", "--run", "run", "--trials", "1", "--no-energy"]) == 0
    return folder / "reports" / "run"


def options(**said: Any) -> Options:
    return Options(**{"space": "space.yaml", "run": "run", "workers": 1} | said)


def test_the_same_new_name_twice_at_once(folder: Path) -> None:
    with (
        owning(options()),
        pytest.raises(UserError, match=rf"is being searched by process {os.getpid()} on"),
        owning(options()),
    ):
        pass
    assert not (folder / "reports").exists()


def test_a_name_that_another_search_took_meanwhile(folder: Path) -> None:
    with owning(options()) as session:
        session.record.write(session.folder)
        (session.folder / LOCK_FILE).unlink()  # as if that search had ended
        with pytest.raises(UserError, match="exists; add --resume"), owning(options()):
            pass


def test_a_run_that_is_searched_is_not_resumed(begun: Path) -> None:
    before = (begun / "run.json").read_bytes()
    with owned(begun):
        with pytest.raises(UserError, match="is being searched by process"):
            search.main(["--run", "run", "--resume", "--trials", "3"])
        with pytest.raises(UserError, match="every run under reports/ is being searched"):
            search.main(["--resume"])
    assert (begun / "run.json").read_bytes() == before


def test_resume_takes_the_newest_run_that_is_not_searched(begun: Path) -> None:
    assert search.main(["--space", "space.yaml", "--run", "newer", "--trials", "1", "--no-energy"]) == 0
    with owned(begun.parent / "newer"):
        assert prepare(Options(resume=True)).folder.name == "run"
    assert prepare(Options(resume=True)).folder.name == "newer"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--storage", "sqlite:////no/such/folder/study.db"],
        ["--scheduler", "tcp://127.0.0.1:1"],
    ],
)
def test_a_refused_search_leaves_nothing(
    folder: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.engine.pool.cluster.CONNECT_SECONDS", 1.0, raising=False)
    with pytest.raises(UserError):
        search.main(["--space", "space.yaml", "--run", "run", *arguments])
    assert not (folder / "reports").exists()


def test_a_disk_that_is_full_from_the_start_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("explorer.runs.record.write_sealed", full)
        with pytest.raises(OSError, match="No space left"):
            search.main(["--space", "space.yaml", "--run", "run"])
    assert not (folder / "reports").exists()
    assert search.main(["--space", "space.yaml", "--run", "run", "--trials", "1", "--no-energy"]) == 0


def test_a_comment_does_not_make_another_space(begun: Path, folder: Path) -> None:
    text = (folder / "space.yaml").read_text()
    (folder / "space.yaml").write_text(f"# what we know by now\n{text}protocol: http\n")
    resumed = prepare(options(resume=True))
    assert resumed.space == prepare(Options(run="run", resume=True)).space
    (folder / "space.yaml").write_text(text.replace("epochs: 1", "epochs: 2\n  seed: 3"))
    with pytest.raises(UserError, match=r"got training.epochs 2 instead of 1, training.seed 3 instead of 0$"):
        prepare(options(resume=True))


def test_the_hint_of_an_interrupted_search_works_when_pasted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while the parts are measured, of a run in a folder with a space in its name."""
    (folder / "my data").mkdir()
    places = ["--reports", "my reports", "--data-dir", "my data"]

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(command, "finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search.main(["--space", "space.yaml", "--run", "run", "--trials", "2", *places])
    hint = capsys.readouterr().out.strip().splitlines()[-1]
    assert hint.startswith("interrupted; go on with `python -m explorer.search ")
    words = shlex.split(hint.partition("`")[2].removesuffix("`"))
    assert words[3:] == ["--run", "run", "--resume", "--reports", "my reports"]  # the run knows its data
    assert search.main([*words[3:], "--no-energy"]) == 0
    assert "2 trials" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_killed_search_can_be_resumed_at_once(folder: Path) -> None:
    """Its workers go with it, and the system drops its lock."""
    arguments = ["--space", "space.yaml", "--run", "run", "--trials", "500", "--no-energy", "--workers", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "explorer.search", *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # what is searched
        process.stdout.readline()  # the first progress
        with pytest.raises(UserError, match=rf"is being searched by process {process.pid} on"):
            search.main(["--run", "run", "--resume"])
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert search.main(["--run", "run", "--resume", "--trials", "1", "--no-energy", "--workers", "1"]) == 0
