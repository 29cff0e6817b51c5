"""What a search says at its end of the model of accuracies: in the record, on the report, and in one line."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from explorer.errors import EXIT_ALL_FAILED, UserError
from explorer.report.page import report_html
from explorer.runs.record import RunRecord
from explorer.runs.results import RunResults, load_run
from explorer.runs.sealed import read_sealed, write_sealed
from explorer.session import learned as session_learned
from explorer.session.command import search_and_report
from explorer.session.learned import learned, learned_or_why_not
from explorer.session.options import Options
from explorer.session.prepare import Session, prepare
from explorer.space.candidate import NetworkSpec
from explorer.space.files import space_from

SPACE: dict[str, Any] = {
    "data": {"source": "digits", "train_samples": 200, "validation_samples": 100},
    "backbones": {
        "mlp": {"factory": "explorer.backbones:mlp", "arguments": {"hidden": [[8], [16, 8]]}},
        "rare": {"factory": "explorer.backbones:mlp", "arguments": {"hidden": [[4]]}, "densities": [1.0]},
    },
    "training": {"epochs": 1},
    "objectives": {"accuracy": 0.1, "edge_macs": 2000},
    "edge_device": "rpi4",
    "server_device": "rpi4",
    "link": "ble_2m_dle",
}
LINE = "by networks left out; mlp "


def options_of(folder: Path, run: str = "run", space: dict[str, Any] = SPACE, **more: Any) -> Options:
    return Options(space=space_from(space), run=run, reports=folder, workers=1, energy=False, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports with one run of 28 trials that were proposed at random."""
    folder = tmp_path_factory.mktemp("reports")
    assert search_and_report(options_of(folder, trials=28, sampler="random"), as_json=False) == 0
    return folder


@pytest.fixture
def session(folder: Path) -> Session:
    return prepare(Options(run="run", reports=folder, resume=True))


@pytest.fixture
def results(folder: Path) -> RunResults:
    return load_run(folder / "run")


@pytest.fixture
def study(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'run' / 'study.db'}")


def test_record_and_report_carry_it(results: RunResults) -> None:
    found = results.record.learned
    assert found is not None
    mlps = [stored for stored in results.networks.values() if stored.spec.backbone == "mlp"]
    assert [(own.backbone, own.networks) for own in found.backbones] == [("mlp", len(mlps))]
    assert found.epochs is None
    assert found.next_networks
    assert {own.variant.partition("(")[0] for own in found.next_networks} == {"mlp"}
    assert "What the model learned" in (results.path / "report.html").read_text(encoding="utf-8")


def test_the_same_is_learned_from_the_folder_alone(
    session: Session, study: optuna.Study, results: RunResults
) -> None:
    assert learned(session, study, results) == results.record.learned
    assert learned_or_why_not(session, study, results) == (results.record.learned, "")


def test_older_records_have_none_and_their_reports_say_nothing(tmp_path: Path, results: RunResults) -> None:
    content = read_sealed(results.path / "run.json", "")
    del content["learned"]
    write_sealed(tmp_path / "run.json", content)
    record = RunRecord.read(tmp_path)
    assert record.learned is None
    results.record.learned = None
    assert "What the model learned" not in report_html(results)


def test_command_says_it_in_one_line_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert search_and_report(options_of(tmp_path, trials=16), as_json=False) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if LINE in line]
    assert line.startswith("accuracy is predicted to ")
    assert " points (guessing: " in line
    resumed = Options(run="run", reports=tmp_path, resume=True, workers=1, energy=False)
    assert search_and_report(resumed, as_json=True) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["learned"]["backbones"][0]["backbone"] == "mlp"


def test_too_few_networks_are_no_news(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert search_and_report(options_of(tmp_path, trials=3), as_json=True) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["learned"] is None
    assert "is predicted to" not in printed.err


def test_a_search_whose_networks_all_failed_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = SPACE | {"training": {"epochs": 1, "learning_rate": 1e30}}
    assert search_and_report(options_of(tmp_path, space=space, trials=14), as_json=False) == EXIT_ALL_FAILED
    assert "is predicted to" not in capsys.readouterr().out
    assert load_run(tmp_path / "run").record.learned is None


@pytest.mark.slow
def test_with_rungs_it_learns_what_networks_were_at_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = {"epochs": 3, "batch_size": 2}
    asked = options_of(tmp_path, space=SPACE | {"training": training}, trials=24, rungs="on")
    session = prepare(asked)
    assert len(session.rung_epochs) > 1
    assert search_and_report(asked, as_json=False) == 0
    found = load_run(tmp_path / "run").record.learned
    assert found is not None
    assert found.epochs == session.rung_epochs[0]
    assert f"accuracy after {found.epochs} epochs is predicted to" in capsys.readouterr().out
    report = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f"validation accuracy at the output after {found.epochs} epochs" in report


def test_failed_networks_are_not_to_be_tried_next(
    session: Session, study: optuna.Study, results: RunResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = study.trials[-1]
    result = failed.user_attrs["result"] | {"outcome": "failed"}
    trial = optuna.trial.create_trial(
        state=optuna.trial.TrialState.FAIL,
        params=failed.params,
        distributions=failed.distributions,
        user_attrs={"result": result},
    )
    told: list[NetworkSpec] = []
    monkeypatch.setattr(session_learned.Surrogate, "fail", lambda self, spec: told.append(spec))
    own = optuna.create_study(directions=study.directions)
    own.add_trial(trial)
    learned(session, own, results)
    (spec,), known = told, results.networks[result["network_key"]].spec
    assert (spec.backbone, spec.arguments, spec.densities) == (
        known.backbone,
        known.arguments,
        known.densities,
    )


def test_a_network_that_cannot_be_built_any_more_is_a_note(
    session: Session, study: optuna.Study, results: RunResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*given: Any) -> None:
        raise UserError("backbones.mlp: its file is gone")

    monkeypatch.setattr(session_learned, "what_was_learned", gone)
    why = "what the model learned could not be computed: backbones.mlp: its file is gone"
    assert learned_or_why_not(session, study, results) == (None, why)


def test_what_goes_wrong_is_noted_and_warned_of_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(session_learned, "what_was_learned", broken)
    why = "what the model learned could not be computed: ZeroDivisionError: a defect"
    with pytest.warns(RuntimeWarning, match=why):
        assert search_and_report(options_of(tmp_path, trials=16), as_json=False) == 0
    found = load_run(tmp_path / "run")
    assert found.record.learned is None
    assert why in found.record.notes
    assert not found.front.empty
    assert why in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
