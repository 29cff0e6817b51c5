"""A described backbone as one page without any request: drawing, split points, junctions, notes."""

import json
import re
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from explorer.inspect.describe import Backbone
from explorer.inspect.drawing import BOX_HEIGHT, BOX_WIDTH, draw
from explorer.inspect.tables import attributes, notes, tables, title
from explorer.report.html import asset_text, bundle, content_security_policy, render

_NUMBER = re.compile(r"[\d,.]+|-")


def render_page(backbones: Sequence[Backbone]) -> str:
    """The page of one or several backbones; every name in it is escaped.

    Example:
        >>> from explorer.inspect.describe import describe
        >>> mlp = describe("explorer.backbones:mlp", {"hidden": [8]}, (1, 8, 8), num_classes=10)
        >>> page = render_page([mlp])
        >>> page[:15], "relu1" in page
        ('<!doctype html>', True)
    """
    script = bundle("inspect")
    return render(
        "inspect.html.j2",
        csp=content_security_policy(script),
        script=Markup(script),
        css=Markup(asset_text("page.css")),
        box_width=BOX_WIDTH,
        box_height=BOX_HEIGHT,
        sections=[
            {
                "title": title(backbone),
                "drawing": draw(backbone.values) if backbone.values else None,
                "attributes": [json.dumps(attributes(value, backbone.values)) for value in backbone.values],
                "tables": [(headings, rows, _classes(rows)) for headings, rows in tables(backbone)],
                "notes": notes(backbone),
            }
            for backbone in backbones
        ],
    )


def _classes(rows: Sequence[Sequence[str]]) -> list[str]:
    """Per column ``number``, which aligns it on the right, where all its cells are numbers."""
    return ["number" if all(map(_NUMBER.fullmatch, column)) else "" for column in zip(*rows, strict=True)]


class Page:
    """The page as a notebook shows it, in a frame of its own.

    Args:
        backbones: As of :func:`render_page`.
        height: Of the frame, in pixels.

    Example:
        >>> from explorer.inspect.describe import describe
        >>> mlp = describe("explorer.backbones:mlp", {"hidden": [8]}, (1, 8, 8), num_classes=10)
        >>> Page([mlp], height=300)._repr_html_()[:7]
        '<iframe'
    """

    def __init__(self, backbones: Sequence[Backbone], height: int = 420) -> None:
        self.backbones, self.height = backbones, height

    def _repr_html_(self) -> str:
        content = escape(render_page(self.backbones), quote=True)
        return f'<iframe srcdoc="{content}" width="100%" height="{self.height}"></iframe>'
