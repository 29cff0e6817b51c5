"""What a terminal shows of a choice: nothing is cut, and every number has a unit."""

import io

import pandas as pd
import pytest
from rich.console import Console

from explorer.front.classes import print_classes
from explorer.front.select import Pick
from explorer.front.terminal import print_front, print_neighbours
from explorer.space.metrics import METRICS

FRONT = [METRICS["accuracy"], METRICS["edge_macs"]]


def points(*ids: str, **columns: object) -> pd.DataFrame:
    how = {"split_point": "layer3.0.downsample.relu", "confidence_threshold": 0.51234567, "payload_bits": 8}
    rows = pd.DataFrame([how | dict.fromkeys(METRICS, 0.5) | columns for _ in ids])
    return rows.assign(point_id=list(ids))


def shown(pick: Pick, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    names = [f"resnet at layer3, {number}" for number in range(len(pick.neighbours))]
    print_neighbours(pick, names, [0.5] * len(names), console)
    print_front(pick, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return text.splitlines()


def picked(rows: pd.DataFrame) -> Pick:
    return Pick(rows.iloc[0], "", rows.iloc[1:], rows, tuple(FRONT))


@pytest.mark.parametrize(
    "values", [[0.0] * 5, [1e7, 1.0, 123.456, 98_765.4, 0.001], [640, 640, 1280, 23_680, 999_950]]
)
def test_nothing_is_cut_at_80_columns(values: list[float]) -> None:
    ids = [f"mobilenetv2-3e3865ad4d97.{number}.16.373" for number in range(5)]
    rows = points(*ids).assign(edge_macs=values, payload_bytes=values, latency_model_s=values)
    lines = shown(picked(rows))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "…" not in text
    assert all(point_id in text for point_id in ids[1:])
    assert all(name in text for name in METRICS if METRICS[name].in_front and not METRICS[name].bounds)


def test_values_of_a_row_share_the_unit_in_its_label() -> None:
    rows = points("a", "b").assign(edge_ram_bytes=[1500.0, 250.0], accuracy=[0.9775, 0.5])
    rows["latency_model_s"] = [None, 0.002]
    cells = {line.split("  ")[0]: line.split()[-2:] for line in shown(picked(rows))}
    assert cells["edge_ram_bytes [kB]"] == ["1.5", "0.25"]
    assert cells["accuracy [%]"] == ["97.75", "50"]
    assert cells["latency_model_s [ms]"] == ["-", "2"]


def test_where_nothing_is_sent_it_says_so() -> None:
    rows = points("a", "b")
    rows.loc[0, ["split_point", "confidence_threshold", "payload_bits"]] = ["output", 0.0, None]
    rows.loc[1, "confidence_threshold"] = None
    lines = shown(picked(rows))
    assert next(line for line in lines if line.startswith("payload_bits")).split() == [
        *("payload_bits", "edge", "only", "8"),
    ]
    assert next(line for line in lines if line.startswith("confidence_threshold")).split() == [
        *("confidence_threshold", "-", "sends", "all"),
    ]


def test_the_picture_has_units_at_its_ends() -> None:
    rows = points("a", "b").assign(accuracy=[0.9, 0.75], edge_macs=[5000, 100])
    lines = shown(picked(rows))
    assert any(line.strip().startswith("90 % |") for line in lines)
    assert any(line.split() == ["100", "MACs", "5", "k", "MACs"] for line in lines)


def test_classes_with_long_names_are_numbered_above_a_matrix() -> None:
    names = [f"a long name of a class, {number}" for number in range(10)]
    own = {"samples": [3] * 10, "recall": [0.5] * 10, "macro_f1": 0.5, "confusion": [[7] * 10] * 10}
    console = Console(file=io.StringIO(), width=80)
    print_classes({"validation": own}, names, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 80
    heading = next(line for line in lines if line.startswith("validation: class"))
    assert heading.split()[-10:] == [str(number) for number in range(10)]
    assert f"9 {names[9]}" in "\n".join(lines)
