"""Where the values of a backbone lie in a drawing, left to right: columns by depth, branches in lanes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BOX_WIDTH, BOX_HEIGHT = 132, 46
COLUMN, LANE = 164, 62
MARGIN = 24
_LABEL_LETTERS = 21


@dataclass(frozen=True)
class Box:
    """One value. ``x`` and ``y`` are its upper left corner.

    Example:
        >>> box = draw([{"name": "x", "path": "input", "inputs": [], "shape": [1, 8, 8], "macs": 0}
        ...     | {"size_bytes": 256, "split_point": "input"}]).boxes[0]
        >>> (box.x, box.y), box.title
        ((24, 24), 'input: 1 x 8 x 8, 256 bytes')
    """

    x: int
    y: int
    label: str
    title: str
    shape: str
    macs: str
    split_point: str


@dataclass(frozen=True)
class Drawing:
    """Boxes, the curves between them as SVG paths, and the size of the whole.

    Example:
        >>> Drawing(boxes=[], curves=["M0,0 C10,0 10,5 20,5"], width=180, height=100).width
        180
    """

    boxes: list[Box]
    curves: list[str]
    width: int
    height: int


def draw(values: Sequence[Mapping[str, Any]]) -> Drawing:
    """Place the values of a described backbone; inputs lie to the left of what is computed from them.

    Example:
        >>> about = {"shape": [8], "macs": 0, "size_bytes": 32, "split_point": ""}
        >>> x, y = {"name": "x", "path": "input", "inputs": []}, {"name": "y", "path": "fc1", "inputs": ["x"]}
        >>> drawing = draw([x | about, y | about])
        >>> [(box.label, box.x) for box in drawing.boxes], len(drawing.curves)
        ([('input', 24), ('fc1', 188)], 1)
    """
    column: dict[str, int] = {}
    lane: dict[str, int] = {}
    taken: set[tuple[int, int]] = set()
    for value in values:
        inputs = value["inputs"]
        column[value["name"]] = 1 + max((column[source] for source in inputs), default=-1)
        wanted = min((lane[source] for source in inputs), default=0)
        place = next(
            n for n in range(wanted, wanted + len(values)) if (column[value["name"]], n) not in taken
        )
        lane[value["name"]] = place
        # a value that is needed later keeps its lane free of others in between
        taken.add((column[value["name"]], place))
        for source in inputs:
            if column[value["name"]] - column[source] > 1 and lane[source] != place:
                taken |= {(between, lane[source]) for between in range(column[source], column[value["name"]])}
    corner = {name: (MARGIN + COLUMN * column[name], MARGIN + LANE * lane[name]) for name in column}
    boxes = [_box(value, *corner[value["name"]]) for value in values]
    curves = [_curve(corner[source], corner[value["name"]]) for value in values for source in value["inputs"]]
    return Drawing(
        boxes,
        curves,
        2 * MARGIN + COLUMN * max(column.values()) + BOX_WIDTH,
        2 * MARGIN + LANE * max(lane.values()) + BOX_HEIGHT + LANE,
    )


def _box(value: Mapping[str, Any], x: int, y: int) -> Box:
    path = value["path"]
    label = path if len(path) <= _LABEL_LETTERS else "…" + path[-_LABEL_LETTERS + 1 :]
    shape = " x ".join(map(str, value["shape"])) or "several tensors"
    macs = f"{value['macs']:,} MACs" if value["macs"] else ""
    title = f"{path}: {shape}, {value['size_bytes']:,} bytes {macs}".strip()
    return Box(x, y, label, title, shape, macs, value["split_point"])


def _curve(start: tuple[int, int], end: tuple[int, int]) -> str:
    """From the right edge of one box to the left edge of another, below the boxes between them."""
    x1, y1 = start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT // 2
    x2, y2 = end[0], end[1] + BOX_HEIGHT // 2
    columns = round((end[0] - start[0]) / COLUMN)
    if columns > 1 and y1 == y2:
        below = y1 + BOX_HEIGHT // 2 + 10
        bend = COLUMN // 4
        return (
            f"M{x1},{y1} C{x1 + bend},{y1} {x1},{below} {x1 + bend},{below} "
            f"L{x2 - bend},{below} C{x2},{below} {x2 - bend},{y2} {x2},{y2}"
        )
    half = (x2 - x1) // 2
    return f"M{x1},{y1} C{x1 + half},{y1} {x2 - half},{y2} {x2},{y2}"
