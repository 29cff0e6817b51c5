"""The how-to guides that change the package are the change: each is made in a copy and run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.__main__ import make_parser

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
CHANGES = [page for page in PAGES if "Files to change:" in page.read_text("utf-8")]
COPIED = ("explorer", "search_spaces", "tests", "benchmarks", "pyproject.toml")
FENCE = re.compile(r"^```(\w+)(?: title=\"([\w./]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OURS = re.compile(r"^(?:python -m explorer\.(?P<module>\w+)|explorer) (?P<rest>[^#\n]*)", re.MULTILINE)


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """(language, title, text) of every fenced block."""
    return FENCE.findall(page.read_text("utf-8"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in COPIED:
        source, ignored = ROOT / name, shutil.ignore_patterns("__pycache__", "node_modules")
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(source, tmp_path)
    return tmp_path


def run(command: list[str], folder: Path, text: str | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        command, cwd=folder, env=environment, input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    return done.stdout


def carry_out(block: tuple[str, str, str], folder: Path) -> None:
    language, title, text = block
    if title:
        (folder / title).write_text(text, encoding="utf-8")
    elif language == "diff":
        run(["git", "apply", "-"], folder, text)
    elif language == "python":
        run([sys.executable, "-c", text], folder)
    elif language == "sh":
        here = text.replace("python -m", f"{sys.executable} -m")
        here = re.sub(r"^explorer ", f"{sys.executable} -m explorer ", here, flags=re.MULTILINE)
        run(["bash", "-euc", here], folder)


@pytest.mark.guide
@pytest.mark.timeout(240)
@pytest.mark.skipif(shutil.which("git") is None, reason="no git on PATH, which applies the changes")
@pytest.mark.parametrize("page", CHANGES, ids=lambda page: page.stem)
def test_a_guide_is_the_change(page: Path, copy: Path) -> None:
    for block in blocks(page):
        carry_out(block, copy)


@pytest.mark.parametrize("page", CHANGES, ids=lambda page: page.stem)
def test_a_guide_says_how_many_files_it_changes(page: Path) -> None:
    changed = {title for _, title, _ in blocks(page) if title}
    for language, _, text in blocks(page):
        if language == "diff":
            changed |= set(re.findall(r"^\+\+\+ b/(\S+)", text, re.MULTILINE))
    assert f"Files to change: {len(changed)}." in page.read_text("utf-8")


def commands() -> list[tuple[str, str]]:
    """Every command line of ours in README and documentation, as ``explorer`` reads it."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for language, _, text in blocks(page):
            if language == "sh":
                own = OURS.finditer(text.replace("\\\n", " "))
                found += [(page.stem, f"{m['module'] or ''} {m['rest']}".strip()) for m in own]
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_command_lines_parse(page: str, line: str) -> None:
    words = shlex.split(line.replace('"$(', "tcp://host:1 #") if "$(" in line else line, comments=True)
    if words[0] in ("list", "--help"):
        return
    make_parser().parse_args(words)


@pytest.mark.guide
@pytest.mark.timeout(240)
def test_the_readme_runs(tmp_path: Path) -> None:
    (script,) = [text for language, _, text in blocks(ROOT / "README.md") if language == "python"]
    printed = run([sys.executable, "-c", script], tmp_path)
    assert "smallest payload_bytes" in printed
    assert (tmp_path / "reports" / "quickstart" / "report.html").is_file()
