"""What the documentation names is there; ``make docs`` checks its links and its references to the package."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").rglob("*.md"))
PATH = re.compile(r"`((?:explorer|tests|benchmarks|docs|search_spaces|notebooks)/[\w./-]*)`")
COMMAND = re.compile(r"`python -m ([\w.]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_paths_and_commands_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    modules = {name.replace(".", "/") for name in COMMAND.findall(text)}
    missing = {path for path in PATH.findall(text) if not (ROOT / path).exists()}
    missing |= {name for name in modules if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()}
    assert not missing


def test_the_reference_has_every_module() -> None:
    files = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "explorer").rglob("*.py")]
    # their help is their reference
    names = ("search", "pick", "confirm", "serve", "edge", "calibrate", "emulate", "compare", "note")
    commands = {f"explorer.{name}" for name in names}
    modules = {".".join(path.parts) for path in files if not path.name.startswith("__")} - commands
    pages = [path.read_text("utf-8") for path in (ROOT / "docs" / "reference").glob("*.md")]
    shown = [name for text in pages for name in re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)]
    assert sorted(shown) == sorted(modules)
