"""How figures look: one light template, colours that stay apart for colour-blind readers, shapes beside them.

Colours: Okabe and Ito, "Color Universal Design" (2008), without the yellow that vanishes on white.
"""

from typing import Any

import plotly.graph_objects as go

from explorer.report.embedded import DOMINATED, FRONT, INFEASIBLE, LEAST_VIOLATING

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SYMBOLS = ("circle", "square", "triangle-up", "cross", "pentagon", "triangle-down")
BAR_PATTERNS = ("", "/", "x", ".")
COLOUR_SCALE = "Viridis"
INK = "#1f2933"
GREY = "#8a94a0"

REFERENCE = "reference"
KNEE = "knee"
GREY_ROLES = (INFEASIBLE, DOMINATED)

PLOTLY_CONFIG: dict[str, Any] = {"showSendToCloud": False, "displaylogo": False, "responsive": True}

LABEL_PLACES = ("top center", "bottom center", "middle left", "middle right")  # in turn, against overlap

# How the points of each role look, in drawing order; the page draws other axes with the same entries.
ROLE_TRACES: dict[str, dict[str, Any]] = {
    INFEASIBLE: {
        "name": "infeasible",
        "marker": {"symbol": "x-thin", "size": 6, "opacity": 0.7, "line": {"width": 1, "color": "#b3bac2"}},
    },
    DOMINATED: {
        "name": "dominated",
        "marker": {"symbol": "circle", "size": 5, "opacity": 0.55, "color": "#c3c9d0"},
    },
    LEAST_VIOLATING: {
        "name": "least violating",
        "marker": {"symbol": "circle", "size": 9, "line": {"width": 1, "color": "white"}},
    },
    FRONT: {
        "name": "front",
        "marker": {"symbol": "circle", "size": 9, "line": {"width": 1, "color": "white"}},
    },
    REFERENCE: {
        "name": "reference",
        "mode": "markers+text",
        "cliponaxis": False,
        "textfont": {"size": 12, "color": INK},
        "marker": {"symbol": "diamond-open", "size": 14, "color": INK, "line": {"width": 2}},
    },
    KNEE: {
        "name": "knee",
        "mode": "markers+text",
        "cliponaxis": False,
        "textfont": {"size": 13, "color": INK},
        "marker": {"symbol": "star", "size": 17, "color": "#F0E442", "line": {"width": 1.5, "color": INK}},
    },
}

_FONT = "system-ui, sans-serif"
_AXIS = {
    "showline": True,
    "linecolor": "#c3c9d0",
    "gridcolor": "#e8ebee",
    "zeroline": False,
    "ticks": "outside",
    "tickcolor": "#c3c9d0",
    "automargin": True,
    "exponentformat": "none",  # the unit in the title already has a prefix
    "separatethousands": True,
}
_TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": _FONT, "size": 13, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "colorway": list(PALETTE),
        "hoverlabel": {
            "align": "left",
            "bgcolor": "white",
            "bordercolor": GREY,
            "font": {"size": 12, "color": INK},
        },
        "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
)


def base_figure(**layout: Any) -> go.Figure:
    """An empty figure in the report's look."""
    return go.Figure(layout={"template": _TEMPLATE, **layout})


def category_marker(index: int) -> dict[str, Any]:
    """Colour and shape of the ``index``-th category; 42 differ before one repeats."""
    return {"color": PALETTE[index % len(PALETTE)], "symbol": SYMBOLS[index % len(SYMBOLS)]}


def plain_text(text: str) -> str:
    """``text`` for plotly, which reads a few HTML tags in its labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
