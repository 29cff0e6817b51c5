"""Points of somebody else, kept beside a run."""

from pathlib import Path

import pytest

from explorer.errors import UserError
from explorer.front.series import Series
from explorer.runs.others import MOST_OTHERS, OTHERS_FILE, keep_others, read_others

HOSTILE = "../../<img src=x onerror=alert(1)>\u202e"


def series(name: str, accuracy: float | None = 0.9) -> Series:
    return Series(name, ("", "b"), {"accuracy": (accuracy, None), "edge_macs": (50.0, 0.1 + 0.2)})


def test_what_is_kept_is_read_back_as_it_was(tmp_path: Path) -> None:
    assert keep_others(tmp_path) == ()
    assert not (tmp_path / OTHERS_FILE).exists()  # nothing was asked for
    kept = [series("one"), series(HOSTILE, None)]
    assert keep_others(tmp_path, kept[:1]) == (kept[0],)
    assert keep_others(tmp_path, kept[1:]) == tuple(kept)
    assert read_others(tmp_path) == tuple(kept)


def test_a_name_is_text_and_no_path(tmp_path: Path) -> None:
    keep_others(tmp_path, [series(HOSTILE), series("/etc/passwd")])
    assert [path.name for path in tmp_path.iterdir()] == [OTHERS_FILE]
    assert len(keep_others(tmp_path, drop=[HOSTILE])) == 1


def test_the_same_name_replaces_and_a_dropped_one_is_gone(tmp_path: Path) -> None:
    keep_others(tmp_path, [series("one"), series("two")])
    assert keep_others(tmp_path, [series("one", 0.5)]) == (series("one", 0.5), series("two"))
    assert keep_others(tmp_path, [series("three")], drop=["one"]) == (series("two"), series("three"))
    with pytest.raises(UserError, match="--drop-reference: no 'one' is kept; kept: two, three"):
        keep_others(tmp_path, drop=["one"])


def test_there_are_not_more_than_can_be_told_apart(tmp_path: Path) -> None:
    keep_others(tmp_path, [series(str(number)) for number in range(MOST_OTHERS)])
    with pytest.raises(UserError, match=r"at most 8 series are kept; .* such as '0'"):
        keep_others(tmp_path, [series("one more")])
    assert len(read_others(tmp_path)) == MOST_OTHERS
    assert len(keep_others(tmp_path, [series("one more")], drop=["0"])) == MOST_OTHERS


def test_a_changed_file_is_told(tmp_path: Path) -> None:
    keep_others(tmp_path, [series("one")])
    path = tmp_path / OTHERS_FILE
    path.write_text(path.read_text(encoding="utf-8").replace("0.9", "0.99"), encoding="utf-8")
    with pytest.raises(UserError, match=r"others\.json.* remove it, and give the files"):
        read_others(tmp_path)
