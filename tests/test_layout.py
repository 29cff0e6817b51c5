"""The house has floors: imports go down the list of packages, and nowhere in a circle."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import explorer

ROOT = Path(explorer.__file__).parent
TESTS = Path(__file__).parent

# From the ground up. A module may import its own package and those before it; a command's modules come last.
PACKAGES = (
    *(
        "runtime",
        "errors",
        "utils",
        "data",
        "backbones",
        "devices",
        "core.sparsity",
        "core.graph",
        "core",
        "microcontroller",
        "space",
    ),
    *(
        "costs",
        "front",
        "runs",
        "deploy",
        "measure",
        "engine.storage",
        "engine.halving",
        "engine.pool",
        "engine.surrogate",
    ),
    *("engine",),
    *(
        "report",
        "inspect",
        "session",
        "run",
        "api",
        "search",
        "pick",
        "compare",
        "note",
        "confirm",
        "serve",
        "edge",
        "calibrate",
        "emulate",
        "__main__",
    ),
)


def module_name(path: Path) -> str:
    """``core.layers`` for core/layers.py, ``core`` for its ``__init__``, empty for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def absolute(name: str, node: ast.ImportFrom) -> str:
    """The module that an import names, by ``.`` and ``..`` as it may be."""
    if not node.level:
        return str(node.module)
    around = SOURCES[name].relative_to(ROOT).parent.parts
    return ".".join(["explorer", *around[: len(around) + 1 - node.level], str(node.module)])


def imported(name: str, source: str, known: set[str]) -> set[str]:
    """Modules of the package that a module imports anywhere, in functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            where = str(node.module)
            if name.startswith("runtime."):  # copied into bundles, where it has another parent
                assert node.level or not where.startswith("explorer"), "these imports are relative"
                where = absolute(name, node)
            else:
                assert node.level == 0, "imports are absolute"
            found |= {where} | {f"{where}.{alias.name}" for alias in node.names}
    names = {name.removeprefix("explorer.") for name in found if name.startswith("explorer.")}
    return names & known


IMPORTS = {
    name: imported(name, path.read_text("utf-8"), set(SOURCES)) - {name} for name, path in SOURCES.items()
}


def package(name: str) -> str:
    """The listed package that a module lies in; the last for a ``__main__``."""
    if name.endswith("__main__"):
        return "__main__"
    fitting = [entry for entry in PACKAGES if name == entry or name.startswith(f"{entry}.")]
    assert fitting, f"{name} is in no listed package"
    return max(fitting, key=len)


@pytest.mark.parametrize("name", [name for name in SOURCES if name])
def test_imports_go_down(name: str) -> None:
    floor = PACKAGES.index(package(name))
    upwards = {other for other in IMPORTS[name] if PACKAGES.index(package(other)) > floor}
    assert not upwards


def test_no_circle() -> None:
    # a package is read before its modules; its __init__ may name them, that is no circle of its own
    packages = {name for name, path in SOURCES.items() if path.name == "__init__.py"}
    graph = {
        name: {other for other in others if not name.startswith(f"{other}.")}
        for name, others in IMPORTS.items()
        if name not in packages
    }
    graph |= {own: IMPORTS[own] for own in packages - {""}}
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"imports in a circle: {' <- '.join(error.args[1])}")


def test_every_listed_package_is_there() -> None:
    assert len(PACKAGES) == len(set(PACKAGES))
    assert set(PACKAGES) <= set(SOURCES)


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import explorer.a\ndef f():\n    from explorer.b import c\n    from explorer import d\n"
    assert imported("errors", source, {"a", "b", "b.c", "d", "e"}) == {"a", "b", "b.c", "d"}


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.name)
def test_tests_lie_where_what_they_test_lies(path: Path) -> None:
    """A folder of tests is a package of the product, of the benchmarks, or the top."""
    folder = path.parent.relative_to(TESTS)
    known = {Path(), Path("helpers"), Path("benchmarks")}
    known |= {Path(*name.split(".")) for name, own in SOURCES.items() if name and own.name == "__init__.py"}
    assert folder in known
