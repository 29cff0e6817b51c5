"""What `explorer.pick` shows on a terminal: the point with its neighbours, and a picture of the front."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console

from explorer.core.code_bytes import EDGE_WEIGHT_BITS
from explorer.core.graph.split_points import OUTPUT
from explorer.core.quality import CREDIT_OF
from explorer.front.select import Pick
from explorer.space.metrics import METRICS, SEARCHED_METRICS, Metric
from explorer.space.texts import MISSING_TEXT, metric_text, metric_texts, number_text, share_text
from explorer.utils.tables import make_table

_LOG_RATIO = 50  # as in the report: what spans more than this reads better on a logarithmic axis
_HEIGHT = 16


def print_pick(pick: Pick, test: dict[str, Any] | None, console: Console) -> None:
    """The chosen point, why, and its accuracy on both subsets.

    Args:
        pick: The choice.
        test: What the test subset says; None where it was not read.
        console: Where it is printed.

    Example:
        >>> interval = {"accuracy_ci95_low": 0.4, "accuracy_ci95_high": 0.6}
        >>> point = pd.Series({"point_id": "a", "accuracy": 0.5} | interval)
        >>> none = point.to_frame().T[:0]
        >>> print_pick(Pick(point, "it is the knee", none, none, ()), test=None, console=Console(width=60))
        a: it is the knee.
        validation accuracy 50.00 % [40.00, 60.00]
    """
    point = pick.point
    console.print(f"{point['point_id']}: {pick.why}.", markup=False, highlight=False)
    for name in accuracies_of(point):
        console.print(_accuracy_line(name, point, test), markup=False, highlight=False)


def print_neighbours(pick: Pick, names: Sequence[str], chances: Sequence[float], console: Console) -> None:
    """The chosen point and its neighbours on the front, side by side, and what the neighbours are called.

    Args:
        pick: The choice.
        names: Of the neighbours.
        chances: Per neighbour, how often chance alone makes such a difference in accuracy.
        console: Where it is printed.

    Example:
        >>> how = {"split_point": "conv1", "confidence_threshold": 0.9, "payload_bits": 8}
        >>> rows = pd.DataFrame([how | dict.fromkeys(METRICS, value) for value in (0.5, 0.25)])
        >>> rows["point_id"] = ["a", "b"]
        >>> print_neighbours(Pick(rows.loc[0], "", rows[1:], rows, ()), ["cnn at conv1"], [1.0], Console())
                                      chosen      1
        confidence_threshold             0.9    0.9
        payload_bits                       8      8
        accuracy [%]                      50     25
        ...
        p of accuracy                      -      1
        neighbours on the front, the nearest first:
          1: b, cnn at conv1
    """
    rows = pd.concat([pick.point.to_frame().T, pick.neighbours], ignore_index=True)
    numbers = [str(number + 1) for number in range(len(names))]
    table = make_table("", "chosen", *numbers, right=["chosen", *numbers])
    for label, cells in _compared(rows):
        table.add_row(label, *cells)
    if len(chances):
        quality = accuracies_of(pick.point)[0].replace("_", " ")
        table.add_row(f"p of {quality}", "-", *(number_text(chance) for chance in chances))
    console.print(table, markup=False)
    if numbers:
        console.print("neighbours on the front, the nearest first:", highlight=False)
    for number, name, point_id in zip(numbers, names, pick.neighbours["point_id"], strict=True):
        console.print(f"  {number}: {point_id}, {name}", markup=False, highlight=False)


def _compared(points: pd.DataFrame) -> Iterator[tuple[str, list[str]]]:
    """Labels with their units, and a cell per point."""
    at_output = points["split_point"] == OUTPUT
    thresholds = zip(points["confidence_threshold"], at_output, strict=True)
    yield (
        "confidence_threshold",
        ["-" if out else "sends all" if pd.isna(own) else number_text(own) for own, out in thresholds],
    )
    yield "payload_bits", ["edge only" if pd.isna(own) else f"{own:.0f}" for own in points["payload_bits"]]
    if EDGE_WEIGHT_BITS in points:
        yield EDGE_WEIGHT_BITS, [f"{own:.0f}" for own in points[EDGE_WEIGHT_BITS]]
    for name, metric in SEARCHED_METRICS.items():
        if name in points and metric.in_front and not metric.bounds:
            unit, cells = metric_texts(name, points[name].astype(float).tolist())
            yield f"{name} [{unit}]" if unit else name, ["-" if own == MISSING_TEXT else own for own in cells]


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
    low, high = (share_text(float(columns[f"{name}_ci95_{end}"])) for end in ("low", "high"))
    return f"{share_text(float(columns[name]))} [{low.removesuffix(' %')}, {high.removesuffix(' %')}]"


def print_front(pick: Pick, console: Console) -> None:
    """A scatter of the front in characters: first objective upwards, second to the right, ``*`` chosen.

    Example:
        >>> front = pd.DataFrame({"accuracy": [0.9, 0.7], "edge_macs": [50, 10]})
        >>> pick = Pick(front.iloc[0], "", front, front, (METRICS["accuracy"], METRICS["edge_macs"]))
        >>> print_front(pick, Console(width=40))
        Accuracy (validation) (o front, * chosen)
                90 % |                       *
        ...
                70 % |o
        ...
                      10 MACs          50 MACs
                      Edge MACs
    """
    y, x = (*pick.objectives, *(METRICS[name] for name in ("edge_macs", "accuracy")))[:2]
    if len(pick.front) < 2 or x == y:
        return
    for line in picture(pick, x, y, max(min(console.width, 100) - 16, 20)):
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
        ('        90 % |                   *', '        70 % |o                   ')
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
    marks[-1], marks[0] = _ends(y, values)
    lines = [f"{y.label} (o front, * chosen)"]
    lines += [f"{mark:>12} |{''.join(cells)}" for mark, cells in zip(marks, canvas, strict=True)]
    low, high = _ends(x, values)
    scale = ", logarithmic" if _is_log(values[x.name]) else ""
    lines.append(f"{'':>12} +{'-' * width}")
    lines.append(f"{'':>14}{low}{high:>{max(width - len(low), 1)}}")
    lines.append(f"{'':>14}{x.label}{scale}")
    return lines


def _ends(metric: Metric, values: dict[str, "pd.Series[float]"]) -> tuple[str, str]:
    own = values[metric.name]
    return metric_text(metric.name, float(own.min())), metric_text(metric.name, float(own.max()))


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
