"""YAML as a person writes it, read strictly: what is ambiguous, endless or no plain data is refused.

The floats are those of YAML 1.2, in which ``1e-3`` is a number; else the rules are YAML 1.1's.
"""

import math
import re
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from explorer.errors import UserError
from explorer.utils.numbers import LARGEST, shown

MAX_BYTES = 2**18  # a shipped space has 3 kB; what is larger is no file that a person wrote
MAX_DEPTH = 32
MAX_VALUES = 50_000  # what anchors stand for is counted each time

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_RULES = {
    "null": "null",
    "bool": "true or false",
    "int": "a whole number of at most 64 bits",
    "float": "a finite number",
    "str": "text that UTF-8 can hold, without NUL",
}
_UNFIT = re.compile("[\0\ud800-\udfff]")
_NOT_DECIMAL = re.compile(r"[-+]?[0_]+\d|.*:")  # YAML 1.1 reads 010 as 8 and 1:30 as 90, YAML 1.2 does not
_FLOAT = re.compile(
    r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
)


class _Loader(yaml.SafeLoader):
    """Composes nodes no deeper than a person nests them."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            deep = f"nested deeper than {MAX_DEPTH} levels"
            raise yaml.MarkedYAMLError(problem=deep, problem_mark=self.get_mark())
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _float_resolvers() -> dict[str, list[tuple[str, Any]]]:
    """Those of YAML 1.1, with its floats replaced; int goes first, whose forms a float has too."""
    own = {
        first: [(tag, form) for tag, form in rules if tag != f"{_TAG}float"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "-+0123456789.":
        own[first] = [*own.get(first, []), (f"{_TAG}float", re.compile(f"^(?:{_FLOAT.pattern})$"))]
    return own


_Loader.yaml_implicit_resolvers = _float_resolvers()


def read_yaml(file: Traversable, where: str) -> tuple[dict[str, Any], str]:
    """Read a YAML file that holds a mapping.

    Args:
        file: A file, or what a package brings along.
        where: Names it in messages.

    Returns:
        Its content, and its text.

    Raises:
        UserError: It cannot be read, or is refused by :func:`parse_yaml`.

    Example:
        >>> _ = Path("link.yaml").write_text("name: link")
        >>> read_yaml(Path("link.yaml"), "link.yaml")
        ({'name': 'link'}, 'name: link')
    """
    try:
        if file.is_dir() or (isinstance(file, Path) and file.exists() and not file.is_file()):
            raise UserError(f"{where}: must be a file, got a folder, a pipe or a device")
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"{where}: cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise UserError(f"{where}: must have at most {MAX_BYTES:,} bytes, got more")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not a UTF-8 text file: {error.reason}") from None
    return parse_yaml(text, where), text


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    r"""Read YAML that holds a mapping of plain data: text, finite numbers, booleans, null, lists, mappings.

    Raises:
        UserError: No YAML; or a key that stands twice or is no text, a date, a number that is not finite,
            needs more than 64 bits or is read otherwise by other versions of YAML (``010``, ``1:30``), a tag,
            or more nesting and values than :data:`MAX_DEPTH` and :data:`MAX_VALUES`. Names the key and the
            line.

    Example:
        >>> parse_yaml("rtt_s: 5e-2", "link.yaml")
        {'rtt_s': 0.05}
        >>> parse_yaml("rate: 1\nloss: 0\nrate: 2", "link.yaml")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: link.yaml: rate: stands twice, in lines 1 and 3
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        content = None if node is None else _Values(loader, where).read(node, ())
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise UserError(f"{where}: not valid YAML: {error.problem}{line}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise UserError(f"{where}: must be a mapping of keys, got {shown(content)}")
    return content


class _Values:
    """Plain data from composed nodes; knows the path of keys to what it refuses."""

    def __init__(self, loader: _Loader, where: str) -> None:
        self._loader, self._where, self._count = loader, where, 0

    def read(self, node: yaml.Node, path: tuple[str, ...]) -> Any:
        self._count += 1
        if self._count > MAX_VALUES or len(path) > MAX_DEPTH:  # anchors within anchors
            raise UserError(f"{self._where}: must hold at most {MAX_VALUES:,} values, got more")
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.read(item, (*path, str(index))) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        raise self._refused(node, path, f"must be plain data, got the tag {node.tag.removeprefix(_TAG)}")

    def _mapping(self, node: yaml.MappingNode, path: tuple[str, ...]) -> dict[str, Any]:
        lines: dict[str, int] = {}
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (f"{_TAG}str", _MERGE):
                got = shown(key.value) if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
                raise self._refused(key, path, f"keys must be text, in quotes where need be, got {got}")
            line = key.start_mark.line + 1
            if key.value in lines:
                twice = f"stands twice, in lines {lines[key.value]} and {line}"
                raise UserError(f"{self._where}: {'.'.join((*path, key.value))}: {twice}")
            lines[key.value] = line
            if key.tag == _MERGE:
                merged = self._merged(value, path)
            else:
                own[key.value] = self.read(value, (*path, key.value))
        return merged | own

    def _merged(self, node: yaml.Node, path: tuple[str, ...]) -> dict[str, Any]:
        """What `<<` brings: the first of several mappings goes before the others."""
        together: dict[str, Any] = {}
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(content := self.read(source, (*path, "<<")), dict):
                raise self._refused(node, path, "`<<` must name a mapping or several")
            together = content | together
        return together

    def _scalar(self, node: yaml.ScalarNode, path: tuple[str, ...]) -> Any:
        got, kind = f"got {shown(node.value)}", node.tag.removeprefix(_TAG)
        if kind == "timestamp":
            raise self._refused(node, path, f"must not be a date; put it in quotes if it is text, {got}")
        if kind not in _RULES:
            raise self._refused(node, path, f"must be plain data, got the tag {kind}")
        if kind in ("int", "float") and _NOT_DECIMAL.match(node.value):
            rule = "must have neither leading zeros nor colons as a number; put it in quotes if it is text"
            raise self._refused(node, path, f"{rule}, {got}")
        try:
            value = self._loader.construct_object(node)
        except (ValueError, KeyError):  # more digits than Python reads, or a tag that the text does not fit
            raise self._refused(node, path, f"must be {_RULES[kind]}, {got}") from None
        if not _fits(value):
            raise self._refused(node, path, f"must be {_RULES[kind]}, {got}")
        return value

    def _refused(self, node: yaml.Node, path: tuple[str, ...], rule: str) -> UserError:
        key = f"{'.'.join(path)}: " if path else ""
        return UserError(f"{self._where}: {key}{rule} (line {node.start_mark.line + 1})")


def _fits(value: object) -> bool:
    """Whether what stands for a value can be computed with, stored and printed."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) <= LARGEST
    return not (isinstance(value, str) and _UNFIT.search(value))
