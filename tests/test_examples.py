"""Examples in docstrings: all of them run, and everything public has one."""

import doctest
import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import explorer

pytestmark = pytest.mark.guide

ROOT = Path(explorer.__file__).parent
NAMES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in ROOT.rglob("*.py")
    if not path.name.startswith("__")
)
# Commands are shown by the examples of their help, which tests/test_main.py runs.
COMMANDS = {
    f"explorer.{name}"
    for name in ("calibrate", "compare", "confirm", "edge", "emulate", "note", "pick", "search", "serve")
}


def public(module: ModuleType) -> dict[str, Any]:
    """Classes and functions that a module defines for others; what is raised or promised needs no example."""
    found = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    own = {
        name: value
        for name, value in found.items()
        if (inspect.isclass(value) or inspect.isfunction(inspect.unwrap(value) if callable(value) else value))
        and getattr(value, "__module__", "") == module.__name__
    }
    return {name: value for name, value in own.items() if not _needs_none(value)}


def _needs_none(value: Any) -> bool:
    return inspect.isclass(value) and (
        issubclass(value, BaseException) or getattr(value, "_is_protocol", False)
    )


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name: str) -> None:
    module = importlib.import_module(name)
    outcome = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert outcome.failed == 0


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COMMANDS])
def test_everything_public_has_an_example(name: str) -> None:
    module = importlib.import_module(name)
    missing = [own for own, value in public(module).items() if ">>>" not in (inspect.getdoc(value) or "")]
    assert not missing
