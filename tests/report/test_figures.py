from pathlib import Path

import pytest

from benchmarks.report_scale.synthetic import make_results, make_study
from explorer.report.hypervolume import hypervolume_figure, hypervolume_info
from explorer.report.importances import MIN_TRIALS, importance_figure, importance_info


def test_hypervolume_info(tmp_path: Path) -> None:
    info = hypervolume_info(make_results(tmp_path, num_trials=30))
    assert info is not None
    assert info.trials == list(range(30))
    assert info.failed == [5, 22]
    assert info.time_unit == "s"
    assert info.elapsed[:2] == [2.5, 5.0]
    assert info.reference_point == [("Accuracy (validation)", "50 %"), ("Edge MACs", "30 M MACs")]
    assert list(hypervolume_figure(info, "trials").data[0].x) == info.trials
    assert list(hypervolume_figure(info, "time").data[0].x) == info.elapsed
    assert list(hypervolume_figure(info, "trials").data[1].x) == [5, 22]


def test_hypervolume_info_counts_long_searches_in_minutes(tmp_path: Path) -> None:
    results = make_results(tmp_path, num_trials=60)
    info = hypervolume_info(results)
    assert info is not None
    assert (info.time_unit, info.elapsed[-1]) == ("min", 2.5)


# ---- importances


def test_importance_info_finds_what_the_objectives_depend_on(tmp_path: Path) -> None:
    info = importance_info(make_results(tmp_path), make_study(60))
    assert [(group.backbone, group.num_trials) for group in info.groups] == [
        ("all backbones", 60),
        ("cnn", 30),
        ("mlp", 30),
    ]
    accuracy, macs = info.groups[2].importances.values()
    assert max(accuracy, key=lambda name: accuracy[name]) == "mlp.density.layers.0"
    assert max(macs, key=lambda name: macs[name]) == "confidence_threshold"
    assert sum(accuracy.values()) == pytest.approx(1)
    assert "backbone" not in accuracy
    assert set(info.groups[0].importances["Edge MACs"]) == {"backbone", "confidence_threshold"}
    assert info == importance_info(make_results(tmp_path), make_study(60))


def test_importance_figure_has_one_bar_trace_per_objective(tmp_path: Path) -> None:
    group = importance_info(make_results(tmp_path), make_study(60)).groups[1]
    figure = importance_figure(group)
    assert [trace.name for trace in figure.data] == ["Accuracy (validation)", "Edge MACs"]
    assert len({trace.marker.pattern.shape for trace in figure.data}) == 2


def test_importance_info_says_when_trials_are_too_few(tmp_path: Path) -> None:
    info = importance_info(make_results(tmp_path), make_study(MIN_TRIALS))
    assert [bool(group.reason) for group in info.groups] == [False, True, True]
    assert info.groups[1].reason == "5 complete trials are too few; at least 10 are needed."


def test_importance_info_without_a_study_or_trials_says_why(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    assert "was not available" in importance_info(results, None).reason
    assert "No trial finished" in importance_info(results, make_study(0)).reason
    assert "No trial finished" in importance_info(results, make_study(20, num_objectives=3)).reason


def test_importance_info_of_an_objective_that_never_varied(tmp_path: Path) -> None:
    study = make_study(0)
    study.add_trials(
        [trial for trial in make_study(200).get_trials() if trial.params["backbone"] == "mlp"][:1] * 12
    )
    group = importance_info(make_results(tmp_path), study).groups[0]
    assert group.reason == "No parameter or no objective varied."
