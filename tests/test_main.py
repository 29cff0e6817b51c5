"""The command line: one command with the others in it, light to ask, and the same as its parts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import explorer
from explorer import __main__ as command_line

OF_RUNS = ("search", "pick", "compare", "note", "confirm", "deploy", "report", "inspect")
OF_BUNDLES = ("serve", "edge", "measure")
COMMANDS = (*OF_RUNS, *OF_BUNDLES)
HEAVY = (
    "torch",
    "optuna",
    "pandas",
    "numpy",
    "onnxruntime",
    "tornado",
    "plotly",
    "pydantic",
    "rich",
    "sqlalchemy",
    "distributed",
)


def imports_of(*arguments: str) -> set[str]:
    """Top-level modules that a command imports, by Python's own account."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line.split("|") for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line[2].strip().partition(".")[0] for line in lines[1:]}


@pytest.mark.parametrize("module", ["explorer", *(f"explorer.{name}" for name in COMMANDS)])
def test_help_imports_nothing_heavy(module: str) -> None:
    names = imports_of(module, "--help")
    assert "explorer" in names
    assert not names & set(HEAVY)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        command_line.main(["--version"])
    assert capsys.readouterr().out == f"explorer {explorer.__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_parse(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        command_line.main([name, "--help"])
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert ("--reports" in shown) == (name in OF_RUNS)
    assert ("--json" in shown) == (name != "serve")
    lines = [line.strip() for line in shown.partition("examples:")[2].splitlines() if line.strip()]
    parser = command_line.make_parser()
    for line in lines:
        words = _words(line)
        assert words[0] == "explorer"
        parser.parse_args(words[1:])


def _words(line: str) -> list[str]:
    import shlex

    return shlex.split(line.partition("   ")[0])


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_script_names_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        command_line.main(["--print-completion", shell])
    script = capsys.readouterr().out
    assert all(text in script for text in (*COMMANDS, "--minimize", "--trials"))


def test_search_report_and_pick_for_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command_line.main(["search", "--dry-run", "--json"]) == 0
    contents = json.loads(capsys.readouterr().out)
    assert contents["networks"] > 100
    assert contents["variants"][0]["split_points"][-1]["name"] == "output"
    options = ["--trials", "4", "--run", "run", "--no-energy", "--workers", "1", "--reports", "elsewhere"]
    assert command_line.main(["search", *options, "--json"]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert "4/4 trials" in printed.err
    assert found["counts"]["trials"] == 4
    assert Path(found["report"]).is_file()
    front = json.loads((tmp_path / "elsewhere" / "run" / "front.json").read_text())
    assert found["points"] == front["points"]
    assert command_line.main(["report", "run", "--reports", "elsewhere", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["points"] == front["points"]
    assert command_line.main(["pick", "run", "--reports", "elsewhere", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "run"
