"""Data with 3 % positives: what is counted decides whether the rare class is found at all."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.rare_class import CLASS_NAMES, QUALITIES, rare_space, write_data
from explorer import Run, load_run, run_search
from explorer.confirm import main as confirm
from explorer.core.sweep import is_deployable
from explorer.errors import UserError
from explorer.pick import main as pick
from explorer.report.embedded import embedded_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("rare")
    data = folder / "rare.npz"
    write_data(data, seed=0, train=2000, test=600, shift=0.9)
    options: dict[str, Any] = {"workers": 1, "energy": False, "progress": False}
    return {
        name: run_search(
            rare_space(data, name, 800), trials=4, name=name, reports=folder / "reports", **options
        )
        for name in QUALITIES
    }


def best(run: Run) -> "pd.Series[Any]":
    return run.front.iloc[0]


def test_accuracy_never_finds_the_rare_class_and_the_others_do(runs: dict[str, Run]) -> None:
    recalls = {name: run.results.by_class(best(run)).recalls[1] for name, run in runs.items()}
    assert best(runs["accuracy"])["accuracy"] == pytest.approx(0.97, abs=0.003)
    assert recalls["accuracy"] <= 0.1
    assert recalls["balanced_accuracy"] >= 0.8
    assert recalls["weighted_accuracy"] >= 0.8


@pytest.mark.parametrize("name", ["balanced_accuracy", "weighted_accuracy"])
def test_every_figure_of_the_run_is_of_its_quality(runs: dict[str, Run], name: str) -> None:
    run = runs[name]
    own = run.results.by_class(best(run))
    shares = (
        [0.5, 0.5] if name == "balanced_accuracy" else own.samples_C * [1, 30] / (own.samples_C @ [1, 30])
    )
    assert best(run)[name] == pytest.approx(own.recalls @ shares)
    assert run.front[name].is_monotonic_decreasing
    assert run.record.optimism is not None
    assert run.record.optimism.column == name
    columns = pd.read_csv(run.path / "front.csv")
    assert columns[f"{name}_corrected_ci95_low"].notna().all()
    assert columns["accuracy_corrected"].isna().all()  # it is not known, so it is empty
    assert (columns[f"{name}_ci95_low"] <= columns[name]).all()
    chosen = run.select(where=[f"{name} >= 0.6"], assured=True)
    assert chosen.constraints[0].column == f"{name}_corrected_ci95_low"
    assert load_run(name, run.path.parent).points[name].equals(run.points[name])


def test_networks_of_another_quality_are_others(runs: dict[str, Run]) -> None:
    keys = [set(run.results.networks) for run in runs.values()]
    assert not keys[0] & keys[1]
    assert not keys[1] & keys[2]
    assert not [name for name in runs["accuracy"].points if "balanced" in name or "weighted" in name]


def test_pick_shows_classes_by_name(runs: dict[str, Run], capsys: pytest.CaptureFixture[str]) -> None:
    run = runs["balanced_accuracy"]
    assert (
        pick(["balanced_accuracy", "--reports", str(run.path.parent), "--maximize", "balanced_accuracy"]) == 0
    )
    said = capsys.readouterr().out
    assert "validation balanced accuracy" in said
    assert "macro F1" in said
    assert "faulty" in said
    told = " ".join(said.split())
    assert "% of the validation samples are of one class (fine): an accuracy of 0.97" in told
    assert "consider" not in told
    assert pick(["accuracy", "--reports", str(run.path.parent), "--no-test"]) == 0
    assert "consider quality: balanced_accuracy" in " ".join(capsys.readouterr().out.split())


def test_a_column_of_another_quality_is_refused(
    runs: dict[str, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="balanced_accuracy: this run does not have it"):
        runs["accuracy"].select(where=["balanced_accuracy >= 0.8"])


def test_the_test_subset_is_told_class_by_class(runs: dict[str, Run]) -> None:
    run = runs["balanced_accuracy"]
    chosen = run.select(maximize="balanced_accuracy")
    test = run.test(chosen)
    recalls = test["by_class"]["recall"]
    assert test["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert (
        test["balanced_accuracy_ci95_low"] < test["balanced_accuracy"] < test["balanced_accuracy_ci95_high"]
    )
    assert sum(map(sum, test["by_class"]["confusion"])) == test["samples"] == 600


def test_the_page_holds_classes_of_front_points_and_references_only(runs: dict[str, Run]) -> None:
    results = runs["balanced_accuracy"].results
    page = embedded_run(results)
    assert page["quality"] == page["optimism"]["column"] == "balanced_accuracy"
    assert page["classes"]["names"] == list(CLASS_NAMES)
    points = results.points
    shown = points["on_front"] | ((points["reference"] != "") & is_deployable(points))
    assert sorted(page["classes"]["rows"]) == np.flatnonzero(shown).tolist()
    assert "balanced_accuracy" in [metric["name"] for metric in page["metrics"]]
    plain = embedded_run(runs["accuracy"].results)
    assert "balanced_accuracy" not in [metric["name"] for metric in plain["metrics"]]


def test_confirm_trains_for_the_same_quality(
    runs: dict[str, Run], capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs["balanced_accuracy"]
    asked = ["balanced_accuracy", "--reports", str(run.path.parent), "--top", "1", "--seeds", "1"]
    assert confirm([*asked, "--workers", "1", "--json"]) == 0
    content = capsys.readouterr().out
    assert '"quality": "balanced_accuracy"' in content
    assert float(content.split('"accuracy_mean": ')[1].split(",")[0]) > 0.6  # plain training comes to 0.5
