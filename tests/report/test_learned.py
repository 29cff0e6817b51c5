"""The section on the model of accuracies, from made-up figures."""

import html
from pathlib import Path

from benchmarks.report_scale.synthetic import make_results
from explorer.report.learned import densities_text, learned_info
from explorer.report.page import report_html
from explorer.runs.learned import BackboneLearned, Learned, NextNetwork

HOSTILE = """</script><img src=x onerror="alert(2)">&'"{{ 7 * 7 }}"""


def make_learned(name: str = "mlp", epochs: int | None = None) -> Learned:
    return Learned(
        epochs=epochs,
        level=0.95,
        backbones=[
            BackboneLearned(
                backbone=name,
                networks=1040,
                error=0.6234,
                guess_error=3.14,
                covered=0.946,
                importances={f"density of {name}": 0.75, "pattern": 0.25},
            ),
            BackboneLearned(
                backbone="cnn", networks=12, error=12.3, guess_error=12.0, covered=1, importances={}
            ),
        ],
        next_networks=[
            NextNetwork(
                variant=f"{name}(hidden=[8])",
                pattern="block",
                densities={name: 0.25, "classifier": 1.0},
                gain=0.00012,
                accuracy=0.9312,
                accuracy_low=0.9,
                accuracy_high=0.9567,
            )
        ],
    )


def test_figures_are_rounded_as_they_are_sure() -> None:
    info = learned_info(make_learned())
    assert info is not None
    assert info.level == "95 %"
    assert info.backbones == [
        ("mlp", "1,040", "0.62 points", "3.1 points", "95 %"),
        ("cnn", "12", "12 points", "12 points", "100 %"),
    ]
    assert info.importances == [
        ("mlp", [("density of mlp", "75 %", 75.0), ("pattern", "25 %", 25.0)]),
        ("cnn", []),
    ]
    assert info.next_networks == [
        ("mlp(hidden=[8])", "block", "mlp 0.25; classifier 1", "0.000120", "93.1 %", "90.0 to 95.7 %")
    ]
    assert "epochs" not in info.explanation


def test_shares_of_a_model_that_hardly_predicts_are_hidden() -> None:
    learned = make_learned()
    for error, shown in ((3.14 * 0.7**0.5 - 1e-9, True), (3.14 * 0.7**0.5 + 1e-9, False), (3.2, False)):
        mlp = learned.backbones[0].model_copy(update={"error": error})
        info = learned_info(learned.model_copy(update={"backbones": [mlp]}))
        assert info is not None
        assert bool(info.importances[0][1]) is shown


def test_accuracies_of_a_rung_are_said_to_be_so() -> None:
    info = learned_info(make_learned(epochs=3))
    assert info is not None
    assert "validation accuracy at the output after 3 epochs" in info.explanation


def test_equal_densities_of_neighbours_stand_together() -> None:
    assert densities_text({}) == ""
    assert densities_text({"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.25, "e": 0.5}) == "a … c 0.5; d 0.25; e 0.5"


def test_page_shows_what_is_predicted_as_predicted(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    assert 'id="learned"' not in report_html(results)
    results.record.learned = make_learned()
    text = report_html(results)
    assert '<section id="learned">' in text
    for shown in ("Predicted accuracy", "Error of the prediction", "Expected gain of hypervolume", "93.1 %"):
        assert shown in text
    assert "Not shown: no choice moves it" in text
    assert 'style="width:54.0%"' in text
    results.record.learned.next_networks = []
    assert "No network is left that is expected to add anything." in report_html(results)


def test_names_are_escaped(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    results.record.learned = make_learned(HOSTILE)
    text = report_html(results)
    escaped = html.escape(HOSTILE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    assert HOSTILE not in text
    for shown in (escaped, f"density of {escaped}", f"{escaped}(hidden=[8])", f"{escaped} 0.25"):
        assert shown in text
