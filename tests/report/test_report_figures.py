from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_results import make_results, make_study

from explorer.report.embedded import (
    MAX_OTHER_POINTS,
    constraint_violation,
    embedded_points,
    table_rows,
)
from explorer.report.front import front_figure, front_info
from explorer.report.hypervolume import hypervolume_figure, hypervolume_info
from explorer.report.importances import MIN_TRIALS, importance_figure, importance_info
from explorer.report.parallel import parallel_figure, parallel_info
from explorer.results import RunResults


def five_points(path: Path, **columns: Any) -> RunResults:
    """Two points on the front, one dominated, one infeasible, one reference that is dominated."""
    values: dict[str, Any] = {
        "point_id": ["a", "b", "c", "d", "e"],
        "backbone": ["mlp", "cnn", "mlp", "mlp", "mlp"],
        "accuracy": [0.9, 0.95, 0.8, 0.99, 0.7],
        "edge_macs": [1000.0, 50_000.0, 2000.0, 100.0, 9000.0],
        "edge_memory_bytes": [10.0, 10.0, 10.0, 5000.0, 10.0],
        "reference": ["", "", "", "", "small_dense"],
    } | columns
    return make_results(
        path, num_points=5, constraints=("edge_memory_bytes <= 1 kB",), references=False, **values
    )


# ---- which points


def test_embedded_points_of_a_small_run_are_all_of_them(tmp_path: Path) -> None:
    embedded = embedded_points(five_points(tmp_path))
    assert embedded.points["role"].tolist() == ["front", "front", "dominated", "infeasible", "dominated"]
    assert embedded.points["reference_label"].tolist() == ["", "", "", "", "small_dense (mlp)"]
    assert embedded.statement == "All operating points of the run are shown: 5."


def test_embedded_points_of_a_large_run_are_a_bounded_sample(tmp_path: Path) -> None:
    results = make_results(tmp_path, num_points=9000)
    embedded = embedded_points(results)
    front, references = results.points["on_front"].sum(), (results.points["reference"] != "").sum()
    assert embedded.counts["front"] == (front, front)
    assert (embedded.points["reference"] != "").sum() == references
    assert MAX_OTHER_POINTS <= len(embedded.points) <= MAX_OTHER_POINTS + front + references
    assert f"of {9000:,} operating points are shown" in embedded.statement
    assert embedded.points.equals(embedded_points(results).points)


def test_embedded_points_show_the_least_violating_when_none_is_feasible(tmp_path: Path) -> None:
    results = make_results(tmp_path, num_points=50, constraints=("edge_memory_bytes <= 1 B",))
    embedded = embedded_points(results)
    shown = embedded.points.loc[table_rows(embedded), "edge_memory_bytes"]
    assert embedded.no_feasible_point
    assert sorted(shown) == sorted(results.points["edge_memory_bytes"])[:10]


def test_constraint_violation_adds_relative_excesses(tmp_path: Path) -> None:
    points = five_points(tmp_path).points
    violation = constraint_violation(points, ["edge_macs <= 1000", "accuracy >= 0.9", "no constraint"])
    assert violation.tolist() == pytest.approx([0, 49, 1 + 1 / 9, 0, 8 + 2 / 9])


def test_reference_is_labelled_once_per_backbone_at_its_best(tmp_path: Path) -> None:
    results = five_points(tmp_path, reference=["dense", "dense", "dense", "", ""])
    labels = embedded_points(results).points["reference_label"].tolist()
    assert labels == ["dense (mlp)", "dense (cnn)", "", "", ""]


# ---- front


def test_front_info_groups_points_by_role_and_backbone(tmp_path: Path) -> None:
    info = front_info(five_points(tmp_path))
    assert info is not None
    assert (info.x.name, info.y.name, info.colour.name) == ("edge_macs", "accuracy", "backbone")
    assert [(group.role, group.name, group.point_ids) for group in info.groups] == [
        ("infeasible", "infeasible", ["d"]),
        ("dominated", "dominated", ["c", "e"]),
        ("front", "cnn", ["b"]),
        ("front", "mlp", ["a"]),
        ("reference", "reference", ["e"]),
        ("knee", "knee", ["a"]),
    ]
    mlp = info.groups[3]
    assert (mlp.x, mlp.y, mlp.category) == ([1.0], pytest.approx([90.0]), 1)
    assert "95 % interval: " in mlp.hover[0]
    assert "violates edge_memory_bytes &lt;= 1000" in info.groups[0].hover[0]


def test_front_info_colours_by_the_third_objective(tmp_path: Path) -> None:
    info = front_info(make_results(tmp_path, objectives=("accuracy", "edge_macs", "latency_model_s")))
    assert info is not None
    assert info.colour.name == "latency_model_s"
    place = [group.role for group in info.groups].index("front")
    assert len(info.groups[place].colour) == len(info.groups[place].point_ids)
    assert front_figure(info).data[place].marker.showscale


def test_front_info_puts_zero_on_a_logarithmic_axis(tmp_path: Path) -> None:
    info = front_info(five_points(tmp_path, edge_macs=[0.0, 1e6, 2000.0, 3000.0, 9000.0]))
    assert info is not None
    assert info.x_log
    assert not info.y_log
    mlp = next(group for group in info.groups if group.name == "mlp")
    assert mlp.x == [info.x.zero_slot]
    assert "0" in front_figure(info).layout.annotations[0].text


@pytest.mark.parametrize(
    "objectives",
    [
        ("accuracy",),
        ("edge_macs",),
        ("accuracy", "payload_bytes"),
        ("accuracy", "edge_macs", "latency_model_s"),
        ("accuracy", "edge_macs", "edge_memory_bytes", "payload_bytes"),
    ],
)
def test_every_figure_for_one_to_four_objectives(tmp_path: Path, objectives: tuple[str, ...]) -> None:
    results = make_results(tmp_path, objectives=objectives)
    front, parallel = front_info(results), parallel_info(results)
    assert front is not None
    assert parallel is not None
    assert front.y.name == objectives[0]
    assert [axis.name for axis in parallel.axes][: len(objectives)] == list(objectives)
    assert len(front_figure(front).data) == len(front.groups)
    assert len(parallel_figure(parallel).data[0].dimensions) == len(parallel.axes)


def test_front_info_of_one_point(tmp_path: Path) -> None:
    info = front_info(make_results(tmp_path, num_points=1, constraints=()))
    assert info is not None
    assert [group.role for group in info.groups] == ["front", "knee"]


def test_front_info_without_a_knee(tmp_path: Path) -> None:
    results = five_points(tmp_path)
    results.points["knee"] = False
    info = front_info(results)
    assert info is not None
    assert "knee" not in [group.role for group in info.groups]


def test_front_info_without_a_feasible_point_says_so(tmp_path: Path) -> None:
    info = front_info(make_results(tmp_path, num_points=30, constraints=("accuracy >= 1.5",)))
    assert info is not None
    assert info.message.startswith("No operating point satisfies every constraint. The 10 that miss by least")
    assert {group.role for group in info.groups} == {"least_violating", "infeasible", "reference"}


def test_no_figures_without_points(tmp_path: Path) -> None:
    results = make_results(tmp_path, num_points=0, num_trials=0)
    assert front_info(results) is None
    assert parallel_info(results) is None
    assert hypervolume_info(results) is None


# ---- parallel coordinates


def test_parallel_info_gives_missing_values_their_own_slot(tmp_path: Path) -> None:
    results = five_points(
        tmp_path,
        backbone="mlp",
        pattern="block",
        densities="{}",
        split_point=["output", "input", "input", "input", "input"],
        payload_bits=np.array([np.nan, 8, 8, 8, 8]),
        confidence_threshold=np.array([0.5, np.nan, 0.5, 0.5, 0.5]),
        edge_macs_dense=[10.0, 0.0, 0.0, 0.0, 0.0],
    )
    info = parallel_info(results)
    assert info is not None
    axes = {axis.name: axis for axis in info.axes}
    assert info.point_ids == ["a", "b"]
    assert list(axes) == ["accuracy", "edge_macs", "split_point", "payload_bits", "confidence_threshold"]
    assert axes["payload_bits"].tick_texts == ["n/a", "8"]
    assert axes["payload_bits"].values == [-1.0, 0.0]
    assert axes["confidence_threshold"].tick_texts == ["n/a", "0.5", "0.55"]
    assert axes["confidence_threshold"].values == [0.5, axes["confidence_threshold"].ticks[0]]
    assert axes["split_point"].tick_texts == ["input", "output"]
    assert axes["accuracy"].label == "Accuracy (validation) [%] ↑"
    assert axes["edge_macs"].label.endswith("↓")


def test_parallel_info_uses_decades_where_values_span_them(tmp_path: Path) -> None:
    info = parallel_info(five_points(tmp_path, edge_macs=[1000.0, 1e6, 2000.0, 3000.0, 9000.0]))
    assert info is not None
    macs = info.axes[1]
    assert macs.values[1] - macs.values[0] == pytest.approx(3)
    assert min(macs.ticks) <= min(macs.values) <= max(macs.values) <= max(macs.ticks)


# ---- hypervolume


def test_hypervolume_info(tmp_path: Path) -> None:
    info = hypervolume_info(make_results(tmp_path, num_trials=30))
    assert info is not None
    assert info.trials == list(range(30))
    assert info.failed == [5, 22]
    assert info.time_unit == "s"
    assert info.elapsed[:2] == [2.5, 5.0]
    assert info.reference_point == [("Accuracy (validation)", "50 %"), ("Edge MACs", "30 M")]
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
