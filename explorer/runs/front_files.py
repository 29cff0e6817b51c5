"""The front of a run as files for other programs: ``front.csv`` and ``front.json``."""

import json
from typing import Any

import pandas as pd

from explorer.runs.point_table import front_columns
from explorer.runs.record import SCHEMA_VERSION
from explorer.runs.results import RunResults
from explorer.runs.sealed import write_sealed
from explorer.utils.csv_files import csv_text
from explorer.utils.files import write_text


def write_front(results: RunResults) -> None:
    """Write ``front.csv`` and ``front.json``; the latter also lists references, dominated or not.

    Example:
        >>> from explorer import run_search
        >>> from explorer.runs.point_table import FRONT_COLUMNS
        >>> run = run_search("digits", trials=1, name="written", workers=1, energy=False, progress=False)
        >>> write_front(run.results)
        >>> pd.read_csv(run.path / "front.csv").columns.tolist() == FRONT_COLUMNS
        True
    """
    columns = front_columns(results.points)
    write_text(results.path / "front.csv", csv_text(results.front[columns]))
    write_sealed(results.path / "front.json", front_content(results))


def front_content(results: RunResults) -> dict[str, Any]:
    """Contents of ``front.json``.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="content", workers=1, energy=False, progress=False)
        >>> content = front_content(run.results)
        >>> content["objectives"]["accuracy"], len(content["points"]) == len(run.front)
        ('maximize', True)
    """
    is_reference, columns = results.points["reference"] != "", front_columns(results.points)
    references = results.points.loc[is_reference, [*columns, "on_front", "feasible"]]
    return {
        "schema_version": SCHEMA_VERSION,
        "run": results.path.name,
        "objectives": {metric.name: metric.direction for metric in results.objectives},
        "reference_point": results.reference_point,
        "points": records(results.front[columns]),
        "references": records(references),
    }


def records(points: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain data: missing values None, densities as a mapping.

    Example:
        >>> points = pd.DataFrame({"accuracy": [0.9], "payload_bits": [None], "densities": ['{"fc1": 0.25}']})
        >>> records(points)
        [{'accuracy': 0.9, 'payload_bits': None, 'densities': {'fc1': 0.25}}]
    """
    rows = json.loads(points.to_json(orient="records", double_precision=15))
    return [row | {"densities": json.loads(row["densities"])} for row in rows]
