"""Runs beside each other, notes and tags, and points of somebody else, as commands."""

import json
from pathlib import Path

import pytest
import yaml

from explorer import Run, compare, note, run_search
from explorer.errors import UserError
from explorer.report.__main__ import main as report
from explorer.report.index import index_info, write_index
from explorer.runs.notes import read_notes
from explorer.space.files import load_space, space_from

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    where = tmp_path_factory.mktemp("reports")
    content = yaml.safe_load(load_space("digits")[1])
    content["backbones"] = {"mlp": content["backbones"]["mlp"] | {"arguments": {"hidden": [[8]]}}}
    content["training"] |= {"epochs": 1}
    space, other = space_from(content), space_from(content | {"payload_bits": [8]})
    how = {"trials": 2, "workers": 1, "energy": False, "progress": False, "reports": where}
    return [run_search(own, name=name, **how) for name, own in (("one", space), ("two", other))]


@pytest.fixture
def reports(runs: list[Run]) -> Path:
    return runs[0].path.parent


def test_two_runs_and_a_file_are_compared(
    runs: list[Run], reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    perfect = tmp_path / "theirs.csv"
    columns = ("accuracy", "edge_macs", "edge_memory_bytes", "payload_bytes")
    perfect.write_text(f"point_id,{','.join(columns)}\n{HOSTILE},1,0,0,0\n", encoding="utf-8")
    page = tmp_path / "compared.html"
    arguments = ["one", "two", "--csv", str(perfect), "--reports", str(reports)]
    assert compare.main([*arguments, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["spaces"] == {
        "What two searched otherwise than one": ["payload_bits [8] instead of [32, 16, 8]"]
    }
    one, two, theirs = content["fronts"]
    assert [own["name"] for own in (one, two, theirs)] == ["one", "two", "theirs"]
    assert (one["kept"], one["beaten"]) == (0, one["points"])  # nothing is better than perfect
    assert (theirs["kept"], theirs["beaten"]) == (1, 0)
    assert theirs["hypervolume"] == content["joint_hypervolume"] == pytest.approx(1.0)
    assert compare.main([*arguments, "--html", str(page)]) == 0
    printed = capsys.readouterr().out
    assert "payload_bits [8] instead of" in printed
    assert max(map(len, printed.splitlines()[:-1])) <= 80  # the last line is the path of the page
    text = page.read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert "&lt;img src=x" in text
    data = json.loads(text.partition('id="data">')[2].partition("</script>")[0])
    assert [metric["name"] for metric in data["objectives"]] == ["accuracy", "edge_macs"]  # the first two
    assert data["fronts"][2] == {"name": "theirs", "columns": {"accuracy": [1.0], "edge_macs": [0.0]}}
    assert [len(own["columns"]["accuracy"]) for own in data["fronts"]] == [
        own["points"] for own in content["fronts"]
    ]


def test_one_front_cannot_be_compared(reports: Path) -> None:
    with pytest.raises(UserError, match="needs two fronts"):
        compare.main(["one", "--reports", str(reports)])
    with pytest.raises(UserError, match="--objectives: unknown column 'macs'"):
        compare.main(["one", "two", "--objectives", "macs", "--reports", str(reports)])


def test_notes_and_tags_are_kept_and_found_in_the_index(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_index(reports)
    where = ["--reports", str(reports)]
    assert note.main(["one", f"old  sensors {HOSTILE}", "--tag", "board-2", "--tag", "paper", *where]) == 0
    assert note.main(["one", "--untag", "paper", *where]) == 0
    capsys.readouterr()
    assert note.main(["one", "--json", *where]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["tags"] == ["board-2"]
    assert [own["text"] for own in content["notes"]] == [f"old sensors {HOSTILE}"]
    info = index_info(reports)
    assert info.tags == ["board-2"]
    page = (reports / "index.html").read_text(encoding="utf-8")
    assert 'data-tag="board-2"' in page
    assert HOSTILE not in page
    assert "old sensors &lt;img" in page
    assert read_notes(reports / "two").tags == ()
    with pytest.raises(SystemExit, match="2"):
        note.main(["one", "--tag", "two words", *where])
    with pytest.raises(UserError, match="at most 1000 characters"):
        note.main(["one", "x" * 1001, *where])


def test_points_of_somebody_else_are_data_of_the_page(reports: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.csv"
    theirs.write_text(f"point_id,accuracy,edge_macs\n{HOSTILE},0.9,500\n", encoding="utf-8")
    assert report(["one", "--reports", str(reports), "--reference", str(theirs)]) == 0
    page = (reports / "one" / "report.html").read_text(encoding="utf-8")
    assert '"columns": {"accuracy": [0.9], "edge_macs": [500.0]}' in page or '"accuracy":[0.9]' in page
    assert HOSTILE not in page
    kept = page
    theirs.write_text("accuracy,edge_macs\n95,500\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2: accuracy: must be a share"):
        report(["one", "--reports", str(reports), "--reference", str(theirs)])
    theirs.unlink()
    assert report(["one", "--reports", str(reports)]) == 0  # they are kept beside the run
    assert (reports / "one" / "report.html").read_text(encoding="utf-8") == kept
    assert report(["one", "--reports", str(reports), "--drop-reference", "theirs"]) == 0
    assert '"series":[]' in (reports / "one" / "report.html").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="--drop-reference: no 'theirs' is kept; kept: none"):
        report(["one", "--reports", str(reports), "--drop-reference", "theirs"])
