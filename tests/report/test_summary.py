from pathlib import Path

import pytest

from benchmarks.report_scale.synthetic import make_results
from explorer.report.summary import NOT_RECORDED, Failure, summary_info
from explorer.runs.record import Promotion, SearchReading
from explorer.space.texts import metric_text


def test_summary_of_a_run(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    info = summary_info(results)
    tiles = {caption: (headline, note) for caption, headline, note in info.tiles}
    facts = dict(info.facts)
    assert info.created == "02 January 2030, 03:04 UTC"
    assert tiles["Front"] == (str(results.points["on_front"].sum()), "of 400 operating points")
    assert tiles["Trials"] == ("120", "80 networks trained, 33 from cache, 7 failed")
    assert tiles["Search time"] == ("13 min", "on Example CPU")
    assert tiles["Search energy"] == ("5.4 kJ", "codecarbon")
    assert facts["Sampler"] == "tpe, conditional encoding"
    assert facts["Suggest time"] == "2.4 s in all; median of the last session 12.5 ms a proposal"
    assert facts["Machine"] == "Example CPU, 8 cores, 16 GB memory, Linux"
    assert facts["Objectives"] == "Accuracy (validation) (higher is better); Edge MACs (lower is better)"
    assert info.uncounted == [("cnn", "aten::mul (1)")]
    assert info.without_macs == [("cnn", "aten::max_pool2d (2)")]
    assert "Profile of edge lacks flash_bytes." in info.gaps
    assert not [gap for gap in info.gaps if "server" in gap and "Profile" in gap]


def test_networks_that_could_not_be_trained_further_are_named(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    assert summary_info(results).stopped == []
    results.record.promotions = [
        Promotion("mlp-1", 3, "", elapsed_s=1.0, hypervolume=0.5),
        Promotion("mlp-1", 9, "exceeded 5 s", elapsed_s=1.0, hypervolume=0.5),
    ]
    assert summary_info(results).stopped == ["mlp-1, to 9 epochs: exceeded 5 s"]


def test_failures_are_grouped_by_reason(tmp_path: Path) -> None:
    results = make_results(tmp_path, num_trials=60)
    results.trials.loc[22, "reason"] = "out of memory"
    assert summary_info(results).failures == [
        Failure("training diverged: loss is nan", [5, 39, 56]),
        Failure("out of memory", [22]),
    ]


def test_best_accuracy_counts_feasible_points_only(tmp_path: Path) -> None:
    results = make_results(tmp_path, constraints=("edge_macs <= 0",))
    points = results.points[results.points["edge_macs"] <= 0]
    headline, note = summary_info(results).tiles[1][1:]
    assert headline == metric_text("accuracy", points["accuracy"].max())
    assert note.endswith("validation")


def test_energy_that_no_work_changes_is_named(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    energies = {"energy_j": 100.0, "memory_j": 84.0, "energy_method": "codecarbon"}
    results.record.search = SearchReading(seconds=9000, **energies)
    tiles = {title: (value, note) for title, value, note in summary_info(results).tiles}
    note = "codecarbon; 84 % of it is the memory's, which does not depend on the work"
    assert tiles["Search energy"] == ("100 J", note)


@pytest.mark.parametrize("reason", ["no power sensor", ""])
def test_energy_that_was_not_measured_says_why(tmp_path: Path, reason: str) -> None:
    results = make_results(tmp_path)
    results.record.search = SearchReading(seconds=9000, energy_reason=reason)
    tiles = {caption: (headline, note) for caption, headline, note in summary_info(results).tiles}
    assert tiles["Search energy"] == ("not measured", reason or NOT_RECORDED)
    assert tiles["Search time"][0] == "2 h 30 min"
