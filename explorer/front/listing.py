"""The front on a terminal, one row for each network, cut and bits."""

from collections.abc import Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table

from explorer.core.graph.split_points import OUTPUT
from explorer.front.groups import FrontGroup
from explorer.space.metrics import Metric


def print_groups(
    front: pd.DataFrame,
    groups: Sequence[FrontGroup],
    names: Sequence[str],
    objectives: Sequence[Metric],
    console: Console,
) -> None:
    """A table of the points that groups show, and how many others each stands for.

    Args:
        front: The points that were grouped.
        groups: Of places in ``front``.
        names: What a person calls each point of the front.
        objectives: Columns to show.
        console: Where it is printed.

    Example:
        >>> from explorer.space.metrics import METRICS
        >>> front = pd.DataFrame({"confidence_threshold": [0.5, 0.7], "edge_macs": [90, 80]})
        >>> front = front.assign(split_point="fc1")
        >>> groups = [FrontGroup(shown=1, steps=(0, 1), alike=())]
        >>> names = ["mlp at fc1, 1/2"] * 2
        >>> print_groups(front, groups, names, [METRICS["edge_macs"]], Console(width=60))
                                         Edge
         point              threshold   MACs   points
         mlp at fc1, 1/2   0.5 .. 0.7     80        2
         1 row for 2 points on the front; 0 of these cost as much as ...
    """
    table = Table("point", box=None)  # names may wrap, numbers never
    for title in ("threshold", *(metric.short_label for metric in objectives), "points"):
        table.add_column(title.replace(" ", "\n"), justify="right", no_wrap=True)
    for group in groups:
        shown = front.iloc[group.shown]
        values = (f"{shown[metric.name]:.4g}" for metric in objectives)
        table.add_row(names[group.shown], _thresholds(front, group), *values, str(group.size))
    console.print(table, markup=False)
    led = sum(len(group.alike) for group in groups)
    rows = "1 row" if len(groups) == 1 else f"{len(groups)} rows"
    console.print(
        f"{rows} for {len(front)} points on the front; {led} of these cost as much as a point that is shown "
        "or more, and are not better by more than noise (McNemar's test).",
        highlight=False,
    )


def _thresholds(front: pd.DataFrame, group: FrontGroup) -> str:
    steps = front.iloc[list(group.steps)]
    known = steps.loc[steps["split_point"] != OUTPUT, "confidence_threshold"].dropna()
    if known.empty:
        return "-"
    ends = [f"{known.min():.3g}", f"{known.max():.3g}"]
    return " .. ".join(dict.fromkeys(ends))
