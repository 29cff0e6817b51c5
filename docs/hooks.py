"""What the site needs beyond its plugins: formulas as MathML, notebooks as pages, docstring roles as links.

mkdocs calls ``on_files`` and ``on_page_content``; griffe, which reads docstrings, loads :class:`SphinxRoles`.
"""

import json
import logging
import re
from html import unescape
from pathlib import Path
from typing import Any

import griffe
from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

log = logging.getLogger("mkdocs.hooks.docs")  # what is warned of here fails a strict build

_FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
_ROLE = re.compile(r":(class|mod|func|meth|attr|data|exc|obj):`~?([\w.]+)`")
_EXAMPLE = re.compile(r"^(\s*)Example:$", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Add a page ``tutorials/NAME.md`` for every notebook, as it is committed: without outputs."""
    for path in sorted((Path(config.config_file_path).parent / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"tutorials/{path.stem}.md", content=notebook_as_markdown(path)))
    return files


def notebook_as_markdown(path: Path) -> str:
    """The cells of a notebook, code fenced, and the sentence that says where the notebook is."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    texts = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    parts = [f"```python\n{text}\n```" if kind == "code" else text for kind, text in texts]
    source = f"*This page is `notebooks/{path.name}`; run it from the repository's folder.*\n"
    return "\n\n".join([*parts, source])


def on_page_content(html: str, **_: Any) -> str:
    """Write every formula as MathML, which browsers draw without a script."""
    return _FORMULA.sub(_as_mathml, html)


def _as_mathml(formula: re.Match[str]) -> str:
    display = "block" if formula[1] == "div" else "inline"
    return convert(unescape(formula[2]).strip(), display=display)


class SphinxRoles(griffe.Extension):
    """Turn roles in docstrings, such as ``:class:`Codec```, into cross references that must be found."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """After a package is read whole: rewrite the docstring of everything in it."""
        self._rewrite(pkg, pkg)

    def _rewrite(self, item: griffe.Object, package: griffe.Module) -> None:
        if item.docstring:
            text = _EXAMPLE.sub(r"\1Examples:", item.docstring.value)
            item.docstring.value = _ROLE.sub(lambda role: _link(role[2], item, package), text)
        for member in item.members.values():
            if isinstance(member, griffe.Object):
                self._rewrite(member, package)


def _link(name: str, item: griffe.Object, package: griffe.Module) -> str:
    target = _find(name, item, package)
    if target is None:
        log.warning("%s: nothing is named %s", item.path, name)
        return f"`{name}`"
    if any(part.startswith("_") for part in target.path.split(".")):
        return f"`{name}`"  # private: it has no place in the reference
    while not target.has_docstring and target.parent is not None:
        target = target.parent  # listed in the docstring of what it belongs to
    return f"[`{name.removeprefix('explorer.')}`][{target.path}]"


def _find(name: str, item: griffe.Object, package: griffe.Module) -> griffe.Object | None:
    """What a role means: a whole path, or a name as the item's own scope knows it."""
    first, _, rest = name.partition(".")
    try:
        path = name if first == package.name else ".".join(filter(None, [item.resolve(first), rest]))
        target = package if path == package.name else package[path.removeprefix(f"{package.name}.")]
        return target.final_target if isinstance(target, griffe.Alias) else target
    except (griffe.NameResolutionError, griffe.AliasResolutionError, KeyError):
        return None
