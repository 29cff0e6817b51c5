"""The house has floors: imports go down, and nowhere in a circle."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import explorer

ROOT = Path(explorer.__file__).parent

# From the ground up; a module may import what lies on its own floor or below. A package stands for its
# modules; a longer name goes before a shorter one.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("arguments", "errors", "files", "provenance", "user_code"),
    ("data_archives", "data_images"),
    ("data_sources", "data_checks", "data", "backbones", "objectives", "devices"),
    ("core", "profile"),
    ("density_groups", "space_choices", "space", "space_files", "pareto", "candidate", "split_costs"),
    ("jpeg", "failures", "pretrained", "rebuilt"),
    ("variants", "inventory", "cost", "evaluate"),
    ("network_files", "store", "runs"),
    ("engine", "results"),
    ("measure", "choice", "pick_output", "dry_run", "report", "inspect"),
    ("session", "session_record", "run_session"),
    ("search", "pick", "report.__main__", "inspect.__main__"),
)


def module_name(path: Path) -> str:
    """``core.layers`` for core/layers.py, ``core`` for its ``__init__``, empty for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imported(source: str, known: set[str]) -> set[str]:
    """Modules of the package that a source text imports anywhere, in functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    names = {name.removeprefix("explorer.") for name in found if name.startswith("explorer.")}
    return names & known


IMPORTS = {name: imported(path.read_text("utf-8"), set(SOURCES)) - {name} for name, path in SOURCES.items()}


def floor(name: str) -> int:
    """The floor of a module: that of the longest listed name it is or lies in."""
    listed = {entry: number for number, entries in enumerate(FLOORS) for entry in entries}
    fitting = [entry for entry in listed if name == entry or name.startswith(f"{entry}.")]
    assert fitting, f"{name} is on no floor: add it to FLOORS"
    return listed[max(fitting, key=len)]


@pytest.mark.parametrize("name", [name for name in SOURCES if name])
def test_imports_go_down(name: str) -> None:
    upwards = {other for other in IMPORTS[name] if floor(other) > floor(name)}
    assert not upwards


def test_the_package_itself_imports_nothing() -> None:
    assert not IMPORTS[""]


def test_no_circle() -> None:
    # a package is read before its modules; its __init__ may name them, that is no circle of its own
    packages = {name for name, path in SOURCES.items() if path.name == "__init__.py"}
    graph = {
        name: {other for other in others if not name.startswith(f"{other}.")}
        for name, others in IMPORTS.items()
        if name not in packages
    }
    graph |= {package: IMPORTS[package] for package in packages}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' <- '.join(error.args[1])}")


def test_every_floor_is_inhabited() -> None:
    listed = [entry for entries in FLOORS for entry in entries]
    assert len(listed) == len(set(listed))
    assert set(listed) <= set(SOURCES)


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import explorer.a\ndef f():\n    from explorer.b import c\n    from explorer import d\n"
    assert imported(source, {"a", "b", "b.c", "d", "e"}) == {"a", "b", "b.c", "d"}
