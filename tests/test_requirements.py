"""What `make search` installs: pinned, hashed, and the same versions as in constraints.txt."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent


def requirements() -> dict[str, tuple[Requirement, list[str]]]:
    """Requirements by name, each with its hashes."""
    text = re.sub(r"^#.*\n", "", (ROOT / "requirements.txt").read_text(), flags=re.MULTILINE)
    found = {}
    for line in text.replace("\\\n", "").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        parsed = Requirement(requirement)
        found[canonicalize_name(parsed.name)] = (parsed, hashes)
    return found


def test_every_requirement_has_hashes() -> None:
    for name, (requirement, hashes) in requirements().items():
        assert hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), name
        assert [one.operator for one in requirement.specifier] == ["=="], name


def test_versions_are_those_of_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    constraints = [Requirement(line) for line in lines if not line.startswith("#")]
    pinned = {canonicalize_name(one.name): one.specifier for one in constraints}
    hashed = {name: one.specifier for name, (one, _) in requirements().items() if name in pinned}
    assert hashed == {name: pinned[name] for name in hashed}


def test_all_that_the_project_needs_but_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    assert needed - set(requirements()) == {"torch"}
    assert "setuptools" in requirements()  # builds the project itself
