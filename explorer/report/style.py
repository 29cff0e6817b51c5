"""How figures look: one light template, colours that stay apart for colour-blind readers, shapes beside them.

Colours: Okabe and Ito, "Color Universal Design" (2008), without the yellow that vanishes on white.
"""

from typing import Any

import plotly.graph_objects as go

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BAR_PATTERNS = ("", "/", "x", ".")
INK = "#1f2933"
GREY = "#8a94a0"

PLOTLY_CONFIG: dict[str, Any] = {"showSendToCloud": False, "displaylogo": False}

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
    """An empty figure in the report's look.

    Example:
        >>> figure = base_figure(height=320)
        >>> figure.layout.height, figure.layout.template.layout.colorway[0]
        (320, '#0072B2')
    """
    return go.Figure(layout={"template": _TEMPLATE, **layout})


def plain_text(text: str) -> str:
    """``text`` for plotly, which reads a few HTML tags in its labels.

    Example:
        >>> plain_text("edge <b>")
        'edge &lt;b&gt;'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
