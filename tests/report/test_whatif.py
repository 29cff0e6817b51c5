"""What changes of devices, link, use and bounds do to the answer, in a real browser."""

from pathlib import Path
from typing import Any

import pytest
from browsing import CHROMIUM, NO_CHROMIUM, open_page

from benchmarks.report_scale.synthetic import make_results
from explorer.report.page import write_report
from explorer.runs.results import RunResults

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    folder = tmp_path_factory.mktemp("reports") / "run"
    folder.mkdir()
    return make_results(folder, num_points=600, objectives=("accuracy", "edge_macs", "payload_bytes"))


@pytest.fixture(scope="module")
def report(results: RunResults) -> Path:
    return write_report(results)


def test_a_link_that_no_objective_follows_is_made_one_by_a_click(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    assert visit.page.locator("#offer").is_hidden()
    visit.page.select_option("#answer-setting select[data-role=link]", "lorawan_sf7")
    text = visit.text("#offer")
    assert text.startswith("You changed the link, and no objective of the front (Accuracy, ")
    assert visit.page.input_value("#what-link") == "lorawan_sf7"  # both selects show it
    before = visit.model("model.chosen")
    visit.page.locator("#offer button", has_text="latency").first.click()
    assert visit.model("state.objectives") == ["accuracy", "latency_model_s"]
    assert visit.model("model.chosen") != before
    assert visit.model("[state.x, state.y]") == ["latency_model_s", "accuracy"]
    assert "--objectives accuracy,latency_model_s" in visit.text("#answer-pick")
    assert visit.text("#offer").startswith("The objectives (Accuracy, Latency) are not those of the search.")
    visit.page.locator("#offer button").click()
    assert visit.model("state.objectives") == ["accuracy", "edge_macs", "payload_bytes"]
    visit.page.click("#reset-setting")
    visit.model("0")
    assert visit.page.locator("#offer").is_hidden()
    visit.done()


def test_a_deadline_is_offered_where_one_is_set(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    visit.page.select_option("#answer-setting select[data-role=edge]", "stm32l4r5")
    visit.model("0")
    assert "answers that are late" not in visit.page.inner_text("#offer")
    visit.page.evaluate(
        """() => {
          const slider = document.getElementById("what-deadline");
          slider.value = 90;
          slider.dispatchEvent(new Event("input"));
        }"""
    )
    assert "You changed the edge device and the deadline" in visit.text("#offer")
    visit.page.locator("#offer button", has_text="answers that are late").click()
    assert visit.model("state.objectives") == ["accuracy", "deadline_missed"]
    assert "of the answers late" in visit.text("#answer")
    visit.done()


def test_nothing_is_offered_where_an_objective_follows(browser: Any, tmp_path: Path) -> None:
    results = make_results(tmp_path, num_points=200, objectives=("accuracy", "latency_model_s"))
    visit = open_page(browser, write_report(results))
    visit.page.select_option("#answer-setting select[data-role=link]", "lorawan_sf7")
    visit.model("0")
    assert visit.page.locator("#offer").is_hidden()
    visit.done()


@pytest.mark.parametrize(
    ("field", "typed", "bound", "shown", "word"),
    [
        ("#answer-bound", "57", 0.57, "57", "accuracy >= 57 %"),
        ("#bound-accuracy", "0.57", 0.57, "57", "accuracy >= 57 %"),
        ("#bound-accuracy", "57 %", 0.57, "57", "accuracy >= 57 %"),
        ("#bound-edge_memory_bytes", "128 KiB", 131072, "128", "edge_memory_bytes <= 131072"),
        ("#bound-edge_memory_bytes", "0.5 MB", 500000, "500", "edge_memory_bytes <= 500000"),
        ("#bound-latency_model_s", "20 ms", 0.02, "20", "latency_model_s <= 0.02"),
        ("#bound-latency_model_s", "20 parsecs", None, "", ""),
    ],
)
def test_bounds_are_read_with_units_and_as_fractions(
    browser: Any, report: Path, field: str, typed: str, bound: float | None, shown: str, word: str
) -> None:
    visit = open_page(browser, report)
    visit.page.fill(field, typed)
    visit.page.press(field, "Enter")
    visit.model("0")
    column = "accuracy" if field == "#answer-bound" else field.removeprefix("#bound-")
    assert visit.model(f"state.limits.{column}?.bound ?? null") == bound
    assert visit.page.input_value(field) == shown
    assert word in visit.text("#answer-pick")
    if typed == "128 KiB":
        assert visit.text("#unit-edge_memory_bytes") == "KiB"
        assert "Edge memory ≤ 128 KiB" in visit.text("#answer-rules")
    visit.done()


def test_the_answer_says_whether_it_fits(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    assert "whether rpi4 has that" in visit.text("#answer") or "It fits rpi4" in visit.text("#answer")
    visit.page.select_option("#answer-setting select[data-role=edge]", "stm32l4r5")
    assert "It fits stm32l4r5: " in visit.text("#answer") or "does not fit: " in visit.text("#answer")
    assert "Setting: edge stm32l4r5, link " in visit.text("#answer-rules")
    visit.done()


def test_what_is_sent_agrees_with_the_exit(browser: Any, report: Path, results: RunResults) -> None:
    visit = open_page(browser, report)
    points = results.points
    cut = points[points["split_point"] == "conv2"]
    for own, says in ((cut["confidence_threshold"].notna(), "when unsure"), (None, "for every sample")):
        rows = cut[own] if own is not None else cut[cut["confidence_threshold"].isna()]
        visit.value(f"window.explorerPage.select({int(rows.index[0])}, false)")
        text = visit.text("#pipeline")
        assert f"of payload {says}" in text
        assert ("no exit classifier" in text) == (says == "for every sample")
    visit.done()


def test_split_table_counts_the_exit(browser: Any, report: Path, results: RunResults) -> None:
    visit = open_page(browser, report)
    points = results.points
    row = points[points["split_point"].eq("input") & points["confidence_threshold"].notna()].index[0]
    visit.value(f"window.explorerPage.select({row}, false)")
    visit.model("0")
    assert points.loc[row, "edge_macs"] == 640  # no layer, and 64 features of an exit for ten classes
    assert "640 MACs" in visit.page.locator("#splits tbody tr").first.inner_text()
    visit.done()


def test_brushes_leave_colours_as_they_are(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    visit.page.select_option("#axis-colour", "payload_bytes")
    visit.model("0")
    ticks = visit.page.inner_text("#legend")
    middle = visit.model(
        "[...model.front].map((row) => model.numbers('payload_bytes').values[row]).sort((a, b) => a - b)[5]"
    )
    before = visit.model("model.listed.length")
    part = f"{{ low: 0, high: {middle}, missing: false }}"
    visit.value(f"window.explorerPage.change({{ brushes: {{ payload_bytes: [{part}] }} }})")
    assert visit.model("model.listed.length") < before
    assert visit.page.inner_text("#legend") == ticks
    visit.done()


def test_ticks_are_round(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    row = visit.model("[...Array(model.size).keys()].find((row) => run.points.threshold[row] > 0.1)")
    visit.value(f"window.explorerPage.select({row}, false)")
    visit.model("0")
    numbers = visit.value(
        """[...document.querySelectorAll("#threshold text, #learning text, #scatter text")]
          .map((own) => own.textContent.replace(" %", "").replaceAll(",", ""))
          .filter((own) => own && !isNaN(own)).map(Number)"""
    )
    assert len(numbers) > 15
    assert all(float(f"{number:.2g}") == number or number * 10 % 25 == 0 for number in numbers), numbers
    visit.done()
