"""What `explorer.pick` shows on a terminal: the point with its neighbours, and a picture of the front."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from explorer.core.quality import CREDIT_OF
from explorer.front.select import Pick
from explorer.space.metrics import METRICS, SEARCHED_METRICS, Metric

_LOG_RATIO = 50  # as in the report: what spans more than this reads better on a logarithmic axis
_HEIGHT = 16


def print_pick(
    pick: Pick, test: dict[str, Any] | None, console: Console, chances: Sequence[float] = ()
) -> None:
    """The chosen point, why, its accuracy on both subsets, and its neighbours beside it.

    Args:
        pick: The choice.
        test: What the test subset says; None where it was not read.
        console: Where it is printed.
        chances: Per neighbour, how often chance alone makes such a difference in accuracy.

    Example:
        >>> how = {"point_id": "a", "split_point": "conv1", "confidence_threshold": 0.9, "payload_bits": 8}
        >>> interval = {"accuracy_ci95_low": 0.4, "accuracy_ci95_high": 0.6}
        >>> point = pd.Series(dict.fromkeys(METRICS, 0.5) | interval | how)
        >>> none = point.to_frame().T[:0]
        >>> print_pick(Pick(point, "it is the knee", none, none, ()), test=None, console=Console(width=60))
        a: it is the knee.
        validation accuracy 0.5000 [0.4000, 0.6000]
        ...
        payload_bits 8
        ...
    """
    point = pick.point
    columns = ["point_id", "split_point", "confidence_threshold", "payload_bits"]
    known = [metric for name, metric in SEARCHED_METRICS.items() if name in point]
    columns += [metric.name for metric in known if metric.in_front and not metric.bounds]
    console.print(f"{point['point_id']}: {pick.why}.", markup=False, highlight=False)
    for name in accuracies_of(point):
        console.print(_accuracy_line(name, point, test), markup=False, highlight=False)
    table = Table("", "chosen", *(f"neighbour {n + 1}" for n in range(len(pick.neighbours))), box=None)
    for column in columns:
        cells = [point[column], *pick.neighbours[column]]
        table.add_row(column, *(_cell(value) for value in cells))
    if len(chances):
        quality = accuracies_of(point)[0].replace("_", " ")
        table.add_row(f"p of {quality}", "-", *(_cell(float(chance)) for chance in chances))
    console.print(table)


def accuracies_of(point: "pd.Series[Any]") -> list[str]:
    """Accuracies that a point has, that which the run counts first.

    Example:
        >>> accuracies_of(pd.Series({"accuracy": 0.97, "balanced_accuracy": 0.5}))
        ['balanced_accuracy', 'accuracy']
    """
    return [name for name in reversed(CREDIT_OF) if name in point]


def _accuracy_line(name: str, point: "pd.Series[Any]", test: dict[str, Any] | None) -> str:
    """One accuracy on both subsets, with its intervals."""
    words = name.replace("_", " ")
    line = f"validation {words} {_interval(point, name)}"
    if not np.isnan(float(point.get(f"{name}_corrected", np.nan))):
        line += f"; corrected for having been chosen {_interval(point, f'{name}_corrected')}"
    if test is not None:
        line += f"; test {words} {_interval(test, name)} on {test['samples']} samples"
        if (reads := test.get("reads", 1)) > 1:
            line += f", read {reads} times: no longer unbiased"
    return line


def _interval(columns: Any, name: str) -> str:
    low, high = (float(columns[f"{name}_ci95_{end}"]) for end in ("low", "high"))
    return f"{float(columns[name]):.4f} [{low:.4f}, {high:.4f}]"


def print_front(pick: Pick, console: Console) -> None:
    """A scatter of the front in characters: first objective upwards, second to the right, ``*`` chosen.

    Example:
        >>> front = pd.DataFrame({"accuracy": [0.9, 0.7], "edge_macs": [50, 10]})
        >>> pick = Pick(front.iloc[0], "", front, front, (METRICS["accuracy"], METRICS["edge_macs"]))
        >>> print_front(pick, Console(width=40))
        Accuracy (validation) (o front, * chosen)
               0.9 |                         *
        ...
               0.7 |o
        ...
                   Edge MACs [MAC]
    """
    y, x = (*pick.objectives, *(METRICS[name] for name in ("edge_macs", "accuracy")))[:2]
    if len(pick.front) < 2 or x == y:
        return
    for line in picture(pick, x, y, max(min(console.width, 100) - 14, 20)):
        console.print(line, markup=False, highlight=False)


def picture(pick: Pick, x: Metric, y: Metric, width: int) -> list[str]:
    """The lines of :func:`print_front`.

    Args:
        pick: Gives the front and the chosen point.
        x: Column across.
        y: Column up.
        width: Characters between the left axis and the right end.

    Example:
        >>> front = pd.DataFrame({"accuracy": [0.9, 0.7], "edge_macs": [50, 10]})
        >>> pick = Pick(front.iloc[0], "", front, front, (METRICS["accuracy"], METRICS["edge_macs"]))
        >>> lines = picture(pick, METRICS["edge_macs"], METRICS["accuracy"], width=20)
        >>> lines[1], lines[16]
        ('       0.9 |                   *', '       0.7 |o                   ')
    """
    values = {
        metric.name: pd.Series([*pick.front[metric.name], pick.point[metric.name]], dtype=float)
        for metric in (x, y)
    }
    across, up = _places(values[x.name], width), _places(values[y.name], _HEIGHT)
    canvas = [[" "] * width for _ in range(_HEIGHT)]
    for column, line in zip(across[:-1], up[:-1], strict=True):
        canvas[_HEIGHT - 1 - line][column] = "o"
    canvas[_HEIGHT - 1 - up[-1]][across[-1]] = "*"
    marks = [""] * _HEIGHT
    marks[0], marks[-1] = f"{values[y.name].max():.4g}", f"{values[y.name].min():.4g}"
    lines = [f"{y.label} (o front, * chosen)"]
    lines += [f"{mark:>10} |{''.join(cells)}" for mark, cells in zip(marks, canvas, strict=True)]
    low, high = f"{values[x.name].min():.4g}", f"{values[x.name].max():.4g}"
    scale = ", logarithmic" if _is_log(values[x.name]) else ""
    lines.append(f"{'':>10} +{'-' * width}")
    lines.append(f"{'':>12}{low}{high:>{max(width - len(low), 1)}}")
    lines.append(f"{'':>12}{x.label}{f' [{x.unit}]' if x.unit else ''}{scale}")
    return lines


def _is_log(values: "pd.Series[float]") -> bool:
    positive = values[values > 0]
    return bool(len(positive) and values.min() >= 0 and positive.max() / positive.min() > _LOG_RATIO)


def _places(values: "pd.Series[float]", count: int) -> NDArray[np.int64]:
    """Cells 0 .. count - 1; on a logarithmic axis 0 stands in the first cell."""
    numbers = values.to_numpy(dtype=float)
    if _is_log(values):
        smallest = numbers[numbers > 0].min()
        numbers = np.log10(np.maximum(numbers, smallest / 2))
    span = np.ptp(numbers) or 1.0
    return np.asarray((numbers - numbers.min()) / span * (count - 1)).round().astype(np.int64)


def _cell(value: Any) -> str:
    if pd.isna(value):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
