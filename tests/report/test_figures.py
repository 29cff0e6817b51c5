from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.report_scale.synthetic import make_results
from explorer.front.pareto import hypervolume, log_scaled, reference_and_ideal
from explorer.report.hypervolume import hypervolume_figure, hypervolume_info
from explorer.report.importances import LEAST_R2, importance_figure, importance_info
from explorer.runs.record import Promotion
from explorer.runs.results import RunResults
from explorer.space.metrics import loss_values


def searched(folder: Path, **options: Any) -> RunResults:
    """Networks of a search whose front varies in three objectives."""
    objectives = ("accuracy", "edge_macs", "payload_bytes")
    return make_results(folder, num_points=2000, num_trials=30, objectives=objectives, **options)


def test_hypervolume_grows_in_the_order_in_which_trainings_ended(tmp_path: Path) -> None:
    results = searched(tmp_path)
    info = hypervolume_info(results)
    assert info is not None
    assert len(info.hypervolume) == len(results.networks) > 5
    assert info.elapsed[:2] == [2.5, 5.0]
    assert info.time_unit == "s"
    assert info.failed[0] == (15.0, 5)
    assert info.hypervolume == sorted(info.hypervolume)
    losses = loss_values(results.front, results.objectives).to_numpy()
    scaled = log_scaled(losses, *reference_and_ideal(results.objectives, results.reference_point))
    low, worst = scaled.min(axis=0), scaled.max(axis=0)
    expected = hypervolume(scaled, worst + 0.1 * (worst - low), low)
    assert info.hypervolume[-1] == pytest.approx(expected, abs=0.005)
    assert info.random_order[-1] == pytest.approx(info.hypervolume[-1])
    assert [label for label, _, _ in info.box] == [metric.label for metric in results.objectives]


def test_a_later_session_or_training_moves_a_network_back(tmp_path: Path) -> None:
    results = searched(tmp_path)
    first = next(iter(results.networks))
    results.record.promotions = [Promotion(first, 9, "", elapsed_s=60.0, hypervolume=0.5)]
    moved = hypervolume_info(results)
    assert moved is not None
    assert moved.elapsed[0] == 5.0
    assert moved.elapsed[-1] == 60.0
    shuffled = results.trials.sample(frac=1, random_state=0)
    assert hypervolume_info(replace(results, trials=shuffled)) == moved


def test_long_searches_are_counted_in_minutes(tmp_path: Path) -> None:
    results = searched(tmp_path)
    info = hypervolume_info(
        replace(results, trials=results.trials.assign(elapsed_s=results.trials["elapsed_s"] * 60))
    )
    assert info is not None
    assert info.time_unit == "min"
    assert info.elapsed[0] == 2.5


def test_without_networks_or_a_front_there_is_no_hypervolume(tmp_path: Path) -> None:
    assert hypervolume_info(make_results(tmp_path, num_points=0, num_trials=0)) is None
    assert hypervolume_info(make_results(tmp_path, num_points=1)) is None
    none_feasible = searched(tmp_path, constraints=("accuracy >= 1",))
    assert hypervolume_info(none_feasible) is None


def test_hypervolume_figures_mark_failures_where_they_happened(tmp_path: Path) -> None:
    info = hypervolume_info(searched(tmp_path))
    assert info is not None
    by_network, by_time = (hypervolume_figure(info, over) for over in ("networks", "time"))  # type: ignore[arg-type]
    assert [trace.name for trace in by_network.data] == [
        "as searched",
        "random order, expected",
        "failed trial",
    ]
    assert list(by_network.data[0].x) == list(range(1, len(info.hypervolume) + 1))
    assert list(by_time.data[0].x) == info.elapsed
    assert list(by_time.data[2].x) == [when for when, _ in info.failed]
    assert list(by_network.data[2].x) == [networks for _, networks in info.failed]


# ---- importances


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    return make_results(tmp_path_factory.mktemp("many"), num_points=6000)


def test_importances_are_those_of_points_with_the_r2_behind_them(many: RunResults) -> None:
    info = importance_info(many)
    assert [group.backbone for group in info.groups] == ["all backbones", "cnn", "mlp", "resnet8"]
    assert info.groups[0].num_networks == len(many.networks)
    for group in info.groups:
        if not group.reason:
            assert group.importances.keys() == group.r2.keys()
            assert min(group.r2.values()) >= LEAST_R2
            macs = group.importances["Edge MACs"]
            assert max(macs, key=lambda name: macs[name]) in ("split point", "backbone")
    assert "backbone" in info.groups[0].importances["Edge MACs"]
    assert info == importance_info(many)


def test_what_cannot_be_predicted_is_hidden_and_said(many: RunResults) -> None:
    keys = many.points["network_key"]
    noise = dict(zip(keys.unique(), np.random.default_rng(0).random(keys.nunique()), strict=True))
    points = many.points.assign(accuracy=keys.map(noise))
    group = importance_info(replace(many, points=points)).groups[0]
    assert list(group.importances) == ["Edge MACs"]
    assert len(group.hidden) == 1
    assert group.hidden[0].startswith("Accuracy (validation) (R² ")
    nothing = importance_info(replace(many, points=points.assign(edge_macs=keys.map(noise)))).groups[0]
    assert nothing.importances == {}
    assert nothing.reason.startswith("Nothing can be told: Accuracy (validation) (R² ")


def test_importance_figure_has_one_bar_trace_per_objective(many: RunResults) -> None:
    figure = importance_figure(importance_info(many).groups[0])
    assert [trace.name.split(", R²")[0] for trace in figure.data] == ["Accuracy (validation)", "Edge MACs"]
    assert len({trace.marker.pattern.shape for trace in figure.data}) == 2


def test_few_networks_and_no_points_say_so(tmp_path: Path) -> None:
    groups = importance_info(make_results(tmp_path)).groups
    assert all(group.reason.endswith("networks are too few; at least 10 are needed.") for group in groups)
    assert "No operating point" in importance_info(make_results(tmp_path, num_points=0)).reason


def test_an_objective_that_never_varied_is_left_out(many: RunResults) -> None:
    group = importance_info(replace(many, points=many.points.assign(accuracy=0.5))).groups[0]
    assert list(group.importances) == ["Edge MACs"]
    assert group.hidden == []
