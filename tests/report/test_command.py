import shutil
from pathlib import Path

import pytest

from benchmarks.report_scale.synthetic import make_results
from explorer.errors import UserError
from explorer.report import __main__ as command
from explorer.report import rebuild
from explorer.runs.results import RunResults


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder under ``reports``, read by a stand-in."""

    def load_run(path: Path) -> RunResults:
        return make_results(path)

    folder = tmp_path / "reports" / "one"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rebuild, "load_run", load_run)
    return folder


@pytest.mark.parametrize("argument", ["one", "reports/one"])
def test_command_rebuilds_the_report_of_a_folder_or_name(
    run_folder: Path, capsys: pytest.CaptureFixture[str], argument: str
) -> None:
    assert command.main([argument]) == 0
    assert capsys.readouterr().out.strip() == str(Path("reports/one/report.html"))
    assert "networks are too few" in (run_folder / "report.html").read_text(encoding="utf-8")
    assert not (run_folder.parent / "index.html").exists()


def test_command_renews_the_index(run_folder: Path) -> None:
    (run_folder.parent / "index.html").write_text("old")
    assert command.main(["one"]) == 0
    assert (run_folder.parent / "index.html").read_text(encoding="utf-8") != "old"


def test_command_refuses_an_unknown_run(run_folder: Path) -> None:
    shutil.rmtree(run_folder)
    with pytest.raises(UserError, match="'one'"):
        command.main(["one"])
