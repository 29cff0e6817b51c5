"""Safe building blocks of self-contained pages: templates, scripts, embedded JSON, a security policy."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jinja2

ASSETS = Path(__file__).parent / "assets"
_IMPORT = re.compile(r'^import \{([\w\s,]+)\} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function|class) (\w+))", re.MULTILINE)
_DOC_COMMENT = re.compile(r"^[ \t]*/\*\*(?:[^*]|\*(?!/))*\*/\n", re.MULTILINE)
_UNSAFE_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("explorer.report", "assets"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def asset_text(name: str) -> str:
    """One file of the assets folder.

    Example:
        >>> asset_text("page.html.j2")[:15]
        '<!doctype html>'
    """
    return (ASSETS / name).read_text(encoding="utf-8")


def render(name: str, **values: Any) -> str:
    """Fill a template; everything that is not ``Markup`` is escaped.

    Example:
        >>> from explorer.inspect.drawing import BOX_HEIGHT, BOX_WIDTH
        >>> section = {"title": "a < b", "drawing": None, "tables": [], "notes": []}
        >>> sizes = {"box_width": BOX_WIDTH, "box_height": BOX_HEIGHT}
        >>> plain = {"css": "", "csp": "", "script": ""}
        >>> "a &lt; b" in render("inspect.html.j2", **plain, sections=[section], **sizes)
        True
    """
    return _TEMPLATES.get_template(name).render(**values)


def script_json(data: Any) -> str:
    """JSON that can stand inside a ``<script>`` element whatever the strings in it say.

    Raises:
        ValueError: ``data`` holds NaN or infinity, which JSON cannot say.

    Example:
        >>> script_json({"name": "net"}), "<" in script_json({"name": "</script>"})
        ('{"name":"net"}', False)
    """
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character, escape in _UNSAFE_IN_SCRIPT.items():
        text = text.replace(character, escape)
    return text


def bundle(entry: str) -> str:
    """One script out of ``assets/<entry>.js`` and every module it imports.

    Each module becomes a function that returns what it exports, in the order in which they need each other;
    so the files stay plain ES modules, and no two of them share a scope. Comments that document
    types and functions stay behind: they are for readers of the files, not of a page.

    Example:
        >>> lines = bundle("axis").splitlines()
        >>> [line.split()[1] for line in lines if line.startswith("const module_")]  # what it needs first
        ['module_format', 'module_axis']
    """
    done: dict[str, str] = {}

    def add(name: str) -> None:
        text = _DOC_COMMENT.sub("", asset_text(f"{name}.js"))
        for _, needed in _IMPORT.findall(text):
            if needed not in done:
                add(needed)
        exported = ", ".join(_EXPORT.findall(text))
        body = _EXPORT.sub("", _IMPORT.sub(r"const {\1} = module_\2;", text))
        done[name] = f"const module_{name} = (() => {{\n{body}return {{ {exported} }};\n}})();\n"

    add(entry)
    return "".join(done.values())


def packed(text: str) -> str:
    """Text as base64 of gzip, the same each time.

    Example:
        >>> gzip.decompress(base64.b64decode(packed("text"))).decode(), packed("text") == packed("text")
        ('text', True)
    """
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii")


def content_security_policy(*scripts: str) -> str:
    """A policy under which only ``scripts``, to the letter, run and nothing is ever fetched.

    Plotly and the page's own drawing set inline styles. The hashes keep any script out that a name or a
    message might smuggle in, and there is no way to evaluate text.

    Example:
        >>> content_security_policy("alert(1)")[:50]
        "default-src 'none'; script-src 'sha256-bhHHL3z2vDg"
    """
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
