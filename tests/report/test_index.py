import json
from pathlib import Path
from typing import Any

from benchmarks.report_scale.synthetic import make_record, make_setting
from explorer.report.index import IndexRow, index_info, write_index
from explorer.runs.sealed import write_sealed
from explorer.runs.summaries import write_rows

RUN = make_record(
    "<b>one</b>",
    {"accuracy": 0.5, "edge_macs": 1e4},
    (),
    make_setting(),
    space_name="digits",
    hypervolume=0.5,
).model_dump(mode="json")
OBJECTIVES = {"accuracy": "maximize", "edge_macs": "minimize"}
TRIALS = [{"hypervolume": 0.25}, {"hypervolume": 0.5}]
FRONT = {
    "points": [{"accuracy": 0.9, "edge_macs": 10}, {"accuracy": 0.95, "edge_macs": 5000}],
    "objectives": OBJECTIVES,
    "reference_point": {"accuracy": 0.5, "edge_macs": 1e4},
}


def write_run(folder: Path, run: Any = RUN, trials: Any = TRIALS, front: Any = FRONT) -> None:
    folder.mkdir(parents=True)
    if isinstance(run, dict):
        write_sealed(folder / "run.json", run)
    else:
        (folder / "run.json").write_text(json.dumps(run))
    if trials is not None:
        write_rows(folder / "trials.json", trials)
    if front is not None:
        write_sealed(folder / "front.json", front)


def test_index_info_reads_finished_runs_newest_first(tmp_path: Path) -> None:
    write_run(tmp_path / "a b")
    write_run(tmp_path / "two", run=RUN | {"name": "two", "created": "2031-01-01"})
    (tmp_path / "a b" / "report.html").touch()
    two, one = index_info(tmp_path).rows
    assert one.columns["edge_macs"] == [10, 5000]
    assert one.columns["latency_model_s"] == [None, None]
    assert one.reference == {"accuracy": 0.5, "edge_macs": 1e4}
    assert one.thumbnail == ((6.0, 44.0), (114.0, 6.0))
    assert one == IndexRow(
        name="<b>one</b>",
        created="02 January 2030, 03:04 UTC",
        space="digits",
        trials="2",
        front="2",
        accuracy="95 %",
        hypervolume="0.500",
        link="a%20b/report.html",
        folder="a b",
        columns=one.columns,
        reference=one.reference,
        thumbnail=one.thumbnail,
    )
    assert (two.name, two.link) == ("two", "")


def test_index_info_of_an_unfinished_run_and_an_empty_front(tmp_path: Path) -> None:
    write_run(tmp_path / "running", trials=None, front=None)
    write_run(
        tmp_path / "nothing",
        run=RUN | {"hypervolume": None},
        trials=[{"hypervolume": None}],
        front={"points": []},
    )
    nothing, running = sorted(index_info(tmp_path).rows, key=lambda row: row.trials)
    assert (running.trials, running.front, running.accuracy) == ("not finished", "", "")
    assert (nothing.trials, nothing.front, nothing.accuracy, nothing.hypervolume) == ("1", "0", "", "")


def test_broken_folders_are_listed_with_the_reason(tmp_path: Path) -> None:
    write_run(tmp_path / "good")
    write_run(tmp_path / "list", run=[1])
    write_run(tmp_path / "odd", front={"points": [{}]})
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "run.json").write_text('{"name": ')
    (tmp_path / ".hidden").mkdir()
    info = index_info(tmp_path)
    assert [row.name for row in info.rows] == ["<b>one</b>"]
    assert [name for name, _ in info.unreadable] == ["cut", "empty", "list", "odd"]
    assert "not valid JSON" in info.unreadable[0][1]
    assert "no such file" in info.unreadable[1][1]


def test_write_index_escapes_names(tmp_path: Path) -> None:
    write_run(tmp_path / "one")
    (tmp_path / "<i>").mkdir()
    text = write_index(tmp_path).read_text(encoding="utf-8")
    assert "&lt;b&gt;one&lt;/b&gt;" in text
    assert "<i>" not in text
    assert "default-src &#39;none&#39;" in text
    assert text.count("<script") == 2
    assert "\\u003cb\\u003eone" in text


def test_write_index_without_runs(tmp_path: Path) -> None:
    assert "There is no readable run here yet." in write_index(tmp_path).read_text(encoding="utf-8")
