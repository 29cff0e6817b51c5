"""Safe building blocks for self-contained pages: templates, embedded JSON, a content security policy."""

import base64
import hashlib
import json
from importlib import resources
from typing import Any

import jinja2

_ASSETS = resources.files("explorer.report") / "assets"
_UNSAFE_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("explorer.report", "assets"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def asset_text(name: str) -> str:
    """One file of the assets folder."""
    return (_ASSETS / name).read_text(encoding="utf-8")


def render(name: str, **values: Any) -> str:
    """Fill a template; everything that is not ``Markup`` is escaped."""
    return _TEMPLATES.get_template(name).render(**values)


def script_json(data: Any) -> str:
    """JSON that can stand inside a ``<script>`` element whatever the strings in it say.

    Raises:
        ValueError: ``data`` holds NaN or infinity, which JSON cannot say.
    """
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for character, escape in _UNSAFE_IN_SCRIPT.items():
        text = text.replace(character, escape)
    return text


def content_security_policy(*scripts: str) -> str:
    """A policy under which only ``scripts``, to the letter, run and nothing is ever fetched.

    ``unsafe-eval`` is for plotly's parallel coordinates, which compile their drawing code; plotly also
    sets inline styles. The hashes still keep any script out that a name or a message might smuggle in.
    """
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
