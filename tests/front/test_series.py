"""Points of somebody else: what is read, and what is refused with line and rule."""

from pathlib import Path

import pytest

from explorer.errors import UserError
from explorer.front.series import MOST_POINTS, read_series


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "theirs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_metrics_are_kept_and_other_columns_of_front_csv_are_passed_over(tmp_path: Path) -> None:
    text = "\ufeffpoint_id,backbone,accuracy,edge_macs\r\na,=1+1,0.9,5e3\r\n\r\n,mlp,,10\r\n"
    series = read_series(written(tmp_path, text))
    assert series.name == "theirs"
    assert series.labels == ("a", "")
    assert series.columns == {"accuracy": (0.9, None), "edge_macs": (5000.0, 10.0)}  # unknown is not zero


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least two numeric columns"),
        ("accuracy,macs\n0.9,1\n", "at least two numeric columns of front.csv.*got 'accuracy,macs'"),
        ("accuracy,accuracy\n0.9,0.9\n", "each once"),
        ("accuracy,edge_macs,edge_macs\n0.9,1,1\n", "each once"),
        ("accuracy,edge_macs\n", "a line for each point, got none"),
        ("accuracy,edge_macs\n0.9\n", "line 2: must have 2 cells, got 1"),
        ("accuracy,edge_macs\n0.9,1\n95,1\n", "line 3: accuracy: must be a share from 0 to 1.*'95'"),
        ("accuracy,edge_macs\n0.9,-1\n", "line 2: edge_macs: must be a finite number of at least 0"),
        ("accuracy,edge_macs\n0.9,inf\n", "line 2: edge_macs: must be a finite number"),
        ("accuracy,edge_macs\n0.9,12 k\n", "line 2: edge_macs: .*got '12 k'"),
        ("accuracy,edge_macs\n" + "0.9,1\n" * (MOST_POINTS + 1), "at most 10,000 points"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"theirs\.csv: .*{message}"):
        read_series(written(tmp_path, text))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_series(tmp_path / "nowhere.csv")
    (tmp_path / "theirs.csv").write_bytes(b"accuracy,edge_macs\n\xff\xfe,1\n")
    with pytest.raises(UserError, match="cannot be read as CSV in UTF-8"):
        read_series(tmp_path / "theirs.csv")
