"""Search space files: YAML in, a validated space out, or one message that names the key."""

from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import ValidationError

from explorer.errors import UserError
from explorer.space import SearchSpace

SHIPPED = Path(str(files("search_spaces")))


def read_space(path: Path) -> tuple[SearchSpace, str]:
    """Read a search space file.

    Returns:
        The validated space and the file's text.

    Raises:
        UserError: Missing or unreadable file, no YAML, or a key that is unknown, missing or illegal; names
            the file, the key path, the rule and the value received.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        shipped = ", ".join(sorted(file.name for file in SHIPPED.glob("*.yaml")))
        raise UserError(f"{path}: no such search space; shipped in search_spaces/: {shipped}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not a UTF-8 text file: {error.reason}") from None
    return parse_space(text, str(path)), text


def parse_space(text: str, where: str) -> SearchSpace:
    """Validate the text of a search space; ``where`` names it in messages."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{where}: must be a mapping of keys, got {type(content).__name__}")
    try:
        return SearchSpace.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{where}: {_first_problem(error)}") from None


def _first_problem(error: ValidationError) -> str:
    """The first problem as ``key.path: rule, got value``; unknown keys first: they explain missing ones."""
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    problem = problems[0]
    # the form of a value with several forms appears in pydantic's path; the user's file has keys only
    path = ".".join(str(part) for part in problem["loc"] if not str(part).startswith("<"))
    if problem["type"] == "extra_forbidden":
        return f"{path}: unknown key"
    if problem["type"] == "missing":
        return f"{path}: required key is missing"
    rule = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {rule}" if ", got " in rule else f"{path}: {rule}, got {problem['input']!r}"
