"""The page in a real browser: that it draws, reacts, stays silent and asks nobody anything."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from browsing import CHROMIUM, NO_CHROMIUM, WIDTHS, drag, open_page

from benchmarks.report_scale.synthetic import make_results
from explorer.front.comparison import compare_fronts
from explorer.front.pareto import hypervolume, reference_and_ideal
from explorer.front.series import Series
from explorer.report.comparison import write_comparison
from explorer.report.index import write_index
from explorer.report.page import write_report
from explorer.runs.front_files import write_front
from explorer.runs.others import keep_others
from explorer.runs.results import RunResults
from explorer.runs.summaries import write_rows
from explorer.space.metrics import METRICS, loss_values
from explorer.space.texts import metric_text

HOSTILE = """<img src=x onerror="document.title='owned'"></script><b>'"& 🦊 \u202e\u05e9\u05dc"""

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    folder = tmp_path_factory.mktemp("reports") / "run"
    folder.mkdir()
    return make_results(folder, num_points=1500, objectives=("accuracy", "edge_macs", "payload_bytes"))


@pytest.fixture(scope="module")
def report(results: RunResults) -> Path:
    return write_report(results)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_page_draws_everything_and_asks_for_nothing(
    browser: Any, report: Path, width: int, scheme: str, tmp_path: Path
) -> None:
    visit = open_page(browser, report, width, color_scheme=scheme)
    inked = """(id) => {
      const canvas = document.querySelector(`#${id} canvas`);
      return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v > 0);
    }"""
    assert visit.page.evaluate(inked, "scatter")
    assert visit.page.evaluate(inked, "parallel")
    assert "Confidence threshold" in visit.page.locator("#parallel svg").text_content()
    assert visit.value("document.documentElement.scrollWidth") <= width
    visit.page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert (tmp_path / "report.png").stat().st_size > 50_000
    visit.done()


def test_plotly_is_unpacked_when_seen_and_never_offers_to_upload(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    assert visit.value("window.Plotly === undefined")
    visit.page.locator("#importances").scroll_into_view_if_needed()
    drawn = "document.querySelectorAll('.js-plotly-plot').length"
    count = visit.value("Object.keys(JSON.parse(document.getElementById('data').textContent).figures).length")
    assert count >= 2
    visit.until(f"{drawn} === {count}")
    sends = "[...document.querySelectorAll('.js-plotly-plot')].map((g) => g._context.showSendToCloud)"
    logos = "[...document.querySelectorAll('.js-plotly-plot')].map((g) => g._context.displaylogo)"
    assert visit.value(sends) == visit.value(logos) == [False] * count
    visit.done()


def test_axes_colour_size_and_depth_switch(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    shown = visit.value("document.getElementById('log-x').checked")
    assert shown == visit.value("window.explorerPage.scatter.axes.x.log")
    visit.page.select_option("#axis-x", "latency_model_s")
    visit.page.select_option("#axis-colour", "backbone")
    visit.page.select_option("#axis-size", "edge_memory_bytes")
    visit.page.set_checked("#log-x", False)
    assert visit.model("state.logX") is False
    assert visit.text("#x-title") == "Latency (modelled, expected) [ms]"
    assert {"mlp", "cnn", "resnet8"} >= set(visit.page.inner_text("#legend").split())
    bars = visit.value("window.explorerPage.scatter.band.bars")
    assert len(bars) == visit.model("model.front.length")
    assert all(
        low < visit.model(f"model.metric('accuracy').values[{row}]") < high for row, low, high in bars[:3]
    )
    assert f"all {len(bars)} points on the front lie within them at once" in visit.text("#band-note")
    visit.page.select_option("#axis-z", "payload_bytes")
    assert visit.text("#band-note") == ""
    assert "Payload" in visit.text("#scatter svg")
    visit.page.select_option("#axis-x", "edge_latency_host_s")  # most points have none: the n/a slot
    visit.page.select_option("#axis-z", "")
    assert "n/a" in visit.text("#scatter svg")
    visit.done()


def test_a_rectangle_on_the_scatter_filters_every_view(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    visit.page.locator("#scatter").scroll_into_view_if_needed()
    total = visit.model("model.listed.length")
    drag(visit, "#scatter", (0.3, 0.05), (0.7, 0.6))
    kept = visit.model("model.listed.length")
    assert 0 < kept < total
    brushes = visit.model("state.brushes")
    assert set(brushes) == {"edge_macs", "accuracy"}
    low, high = brushes["edge_macs"][0]["low"], brushes["edge_macs"][0]["high"]
    assert all(low <= float(value) <= high for value in visit.cells("edge_macs"))
    assert visit.page.locator("#parallel rect.brush").count() == 2
    assert visit.page.locator("#chips .chip").count() == 2
    visit.page.click("#exclude")
    assert visit.model("model.listed.length") == total - kept
    visit.page.click("#undo")
    assert visit.model("model.listed.length") == total
    visit.done()


def test_brushing_parallel_axes_adds_intervals_and_intersects_axes(
    browser: Any, report: Path, results: RunResults
) -> None:
    visit = open_page(browser, report)
    visit.page.locator("#parallel").scroll_into_view_if_needed()
    place = visit.value(
        "(() => { const p = window.explorerPage.parallel; return p.x[0] / p.overlay.clientWidth; })()"
    )
    drag(visit, "#parallel svg", (place, 0.25), (place, 0.4))
    drag(visit, "#parallel svg", (place, 0.6), (place, 0.9))
    parts = visit.model("state.brushes.accuracy")
    assert len(parts) == 2
    front = results.points[results.points["on_front"]]
    inside = [front["accuracy"].between(part["low"], part["high"]) for part in parts]
    assert visit.model("model.listed.length") == (inside[0] | inside[1]).sum()
    # configuration by keyboard: the form does what brushing does
    visit.page.select_option("#filter-column", "payload_bits")
    visit.page.fill("#filter-high", "8")
    visit.page.check("#filter-missing")
    visit.page.press("#filter-high", "Enter")
    few = (inside[0] | inside[1]) & (front["payload_bits"].fillna(0) <= 8)
    assert visit.model("model.listed.length") == few.sum()
    visit.page.locator("#chips button").first.click()
    assert len(visit.model("state.brushes.accuracy")) == 1
    visit.page.click("#clear")
    assert visit.model("model.listed.length") == len(front)
    visit.done()


def test_table_sorts_searches_and_pages(browser: Any, report: Path, results: RunResults) -> None:
    visit = open_page(browser, report)
    accuracies = [float(value) for value in visit.cells("accuracy")]
    assert accuracies == sorted(accuracies, reverse=True)
    header = visit.page.locator("#points th[data-column=payload_bytes]")
    header.locator("button").press("Enter")
    payloads = [float(value) for value in visit.cells("payload_bytes")]
    assert payloads == sorted(payloads)
    assert header.get_attribute("aria-sort") == "ascending"
    header.locator("button").click()
    visit.model("0")  # the page has drawn
    assert header.get_attribute("aria-sort") == "descending"
    visit.page.select_option("#list", "all")
    visit.page.fill("#search", "resnet8")
    expected = (results.points["backbone"] == "resnet8").sum()
    assert visit.model("model.listed.length") == expected
    assert set(visit.cells("backbone")) == {"resnet8"}
    shown = len(visit.cells("backbone"))
    visit.page.click("#more")
    assert len(visit.cells("backbone")) > shown
    visit.page.locator("summary", has_text="Choose columns").click()
    visit.page.locator("#table-columns input[value=pattern]").check()
    visit.model("0")
    assert visit.page.locator("#points th[data-column=pattern]").count() == 1
    visit.done()


def test_what_if_changes_costs_and_front_like_python(browser: Any, report: Path, results: RunResults) -> None:
    visit = open_page(browser, report)
    visit.page.select_option("#what-link", "ble_2m_dle")
    visit.page.evaluate(
        """() => {
          const slider = document.getElementById("what-link-rtt_s");
          slider.value = 200;
          slider.dispatchEvent(new Event("input"));
        }"""
    )
    rtt = visit.model("state.set['link.rtt_s']")
    setting = results.setting.with_profiles(link="ble_2m_dle").with_changes([f"link.rtt_s={rtt}"])
    expected = results.with_setting(setting).points["latency_model_s"]
    assert visit.model("[...model.metric('latency_model_s').values]") == pytest.approx(
        expected.tolist(), rel=1e-9
    )
    assert f"--link ble_2m_dle --set link.rtt_s={rtt:g}" in visit.text("#command")
    visit.page.select_option("#what-protocol", "frame")
    framed = results.with_setting(setting.with_profiles(protocol="frame")).points
    for name in ("wire_bytes", "latency_model_s"):
        own = visit.model(f"[...model.metric('{name}').values]")
        assert own == pytest.approx(framed[name].tolist(), rel=1e-9)
    assert "--link ble_2m_dle --protocol frame --set" in visit.text("#command")
    assert visit.page.locator("#row-deadline_missed").is_hidden()
    visit.page.evaluate(
        """() => {
          const slider = document.getElementById("what-deadline");
          slider.value = 80;
          slider.dispatchEvent(new Event("input"));
        }"""
    )
    deadline_s = visit.model("state.deadline")
    late = results.with_setting(setting.with_profiles(protocol="frame", deadline_s=deadline_s)).points
    own = visit.model("[...model.metric('deadline_missed').values]")
    assert own == pytest.approx(late["deadline_missed"].tolist(), rel=1e-9)
    assert visit.page.locator("#row-deadline_missed").is_visible()
    assert f"--deadline '{deadline_s:g} s'" in visit.text("#command")
    visit.page.click("#reset-setting")
    original = results.points["latency_model_s"].tolist()
    assert visit.model("[...model.metric('latency_model_s').values]") == pytest.approx(original, rel=1e-9)
    visit.done()


def test_the_answer_comes_first_in_words(browser: Any, report: Path, results: RunResults) -> None:
    visit = open_page(browser, report)
    assert visit.value("document.querySelector('main').firstElementChild.id") == "answer-part"
    point = results.points.loc[visit.model("model.chosen")]
    assert visit.text("#answer-name") == results.name_of(point)
    text = visit.text("#answer")
    assert results.setting.edge.name in text
    assert metric_text("accuracy", point["accuracy"]) in text
    assert f"Chosen as the knee of {visit.model('model.front.length')} points on the front" in text
    assert visit.text("#answer-deploy").endswith(f"--id {point['point_id']} --out bundle")
    assert visit.text("#answer-pick").endswith(f"{results.path.name} --knee")
    whole = results.points[results.points["split_point"] == "output"].index
    names = "[...Array(model.size).keys()].map((row) => model.name(row))"
    named = visit.model(names)
    assert named == [results.name_of(own) for _, own in results.points.iterrows()]
    assert all(" on the edge, " in named[row] for row in whole)
    visit.page.check("#methods input[value=ideal]")
    visit.model("0")
    assert "Chosen as the point closest to the ideal" in visit.text("#answer")
    assert visit.text("#answer-pick").endswith("--closest-to-ideal")
    visit.done()


def test_constraints_grey_out_count_and_explain(browser: Any, report: Path, results: RunResults) -> None:
    visit = open_page(browser, report)
    limit = results.points["accuracy"].quantile(0.9)
    visit.page.fill("#bound-accuracy", f"{limit * 100:.3f}")
    visit.page.press("#bound-accuracy", "Enter")
    bound = visit.model("state.limits.accuracy.bound")
    points = results.points
    feasible = (points["accuracy"] >= bound) & (points["edge_memory_bytes"] <= 180_000)
    assert visit.model("model.feasible.length") == feasible.sum()
    assert f"{feasible.sum():,} of {len(points):,}" in visit.text("#counts")
    visit.page.fill("#bound-accuracy", "99.99")
    visit.page.press("#bound-accuracy", "Enter")
    assert visit.model("model.feasible.length") == 0
    assert "no operating point satisfies every constraint" in visit.text("#infeasible")
    networks = visit.model("model.nearest.map((row) => run.splits.network[run.points.split[row]])")
    assert 1 < len(set(networks)) == visit.page.locator("#infeasible li").count() <= 10  # one of each
    assert visit.text("#infeasible").startswith("Nearest miss")
    assert visit.text("#answer-kind") == "Nearest miss"
    assert "This one misses them by least: Accuracy (validation) ≥ 99.99 % (is " in visit.text("#answer")
    nearest = visit.model("model.id(model.chosen)")
    assert visit.text("#answer-pick").endswith(f" --id {nearest}")  # no rule chooses it
    visit.page.locator("#infeasible button").nth(1).click()
    assert visit.model("state.selected") == visit.model("model.id(model.nearest[1])")
    assert "Accuracy (validation) ≥ 99.99 % (is " in visit.text("#infeasible")
    visit.page.click("#reset-limits")
    visit.page.locator("#infeasible").wait_for(state="hidden")
    for method in ("ideal", "weights", "best", "knee"):
        visit.page.check(f"#methods input[value={method}]")
        assert visit.model("model.chosen") >= 0
        assert len(visit.text("#method-meaning")) > 60
    visit.done()


def test_a_point_opens_with_threshold_to_drag_and_command_to_copy(
    browser: Any, report: Path, results: RunResults
) -> None:
    visit = open_page(browser, report)
    row = int(results.points[(results.points["split_point"] == "conv2")].index[5])
    point = results.points.loc[row, "point_id"]
    visit.value(f"window.explorerPage.select({row}, true)")
    visit.model("0")
    assert visit.text("#network-title") == f"{results.name_of(results.points.loc[row])} {point}"
    assert visit.text("#command").endswith(f" --id {point}")
    assert f"{results.path.name} --id {point} --out bundle" in visit.text("#deploy-command")
    assert json.loads(visit.text("#configuration"))["point_id"] == point
    assert "conv2" in visit.text("#pipeline")
    assert visit.page.locator("#splits .bar-row").count() == 5
    assert visit.page.locator("#learning path").count() == 6  # the loss, and five places
    said = str(visit.page.locator("#learning svg").get_attribute("aria-label"))
    assert re.search(r"; accuracy at last: input .*, conv2 .* %, .*output .* %$", said)
    handle = visit.page.locator("#threshold-handle")
    before = float(handle.get_attribute("aria-valuenow"))
    handle.press("ArrowRight")
    visit.model("0")
    after = float(visit.page.locator("#threshold-handle").get_attribute("aria-valuenow"))
    assert after > before
    drag(visit, "#threshold svg", (before, 0.5), (0.12, 0.5))
    visit.model("0")
    assert float(visit.page.locator("#threshold-handle").get_attribute("aria-valuenow")) < before
    visit.page.click("#copy-command")
    visit.until("/Copied|Ctrl/.test(document.getElementById('copy-command').textContent)")
    assert "≈" in visit.text("#neighbours") or "points" in visit.text("#neighbours")
    visit.page.click("#back-to-chosen")
    assert visit.model("state.selected") is None
    visit.done()


def test_clicking_the_scatter_opens_a_point(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    visit.page.locator("#scatter").scroll_into_view_if_needed()
    place = "(({ scatter, model }) => [scatter.px[model.chosen], scatter.py[model.chosen]])(explorerPage)"
    x, y = visit.value(place)
    box = visit.page.locator("#scatter").bounding_box()
    visit.page.mouse.click(box["x"] + x, box["y"] + y)
    assert visit.model("state.selected") == visit.model("model.id(model.chosen)")
    visit.page.focus("#scatter svg")
    visit.page.keyboard.press("ArrowRight")
    assert visit.model("state.selected") != visit.model("model.id(model.chosen)")
    visit.done()


def test_the_table_folds_the_front_by_network_cut_and_bits(
    browser: Any, report: Path, results: RunResults
) -> None:
    visit = open_page(browser, report)
    front = results.points[results.points["on_front"]]
    cuts = front.fillna({"payload_bits": 0}).groupby(["network_key", "split_point", "payload_bits"])
    lines = visit.page.locator("#points tbody tr")
    assert lines.count() == min(cuts.ngroups, 50)
    assert f"{cuts.ngroups} rows" in visit.text("#table-note")
    assert f"{len(front)} listed points" in visit.text("#table-note")
    button = visit.page.locator("#points .unfold").first
    said = re.match(r"▸ (\d+) thresholds", str(button.text_content()))
    assert said
    before = lines.count()
    button.press("Enter")
    assert lines.count() == before + int(said.group(1)) - 1
    assert visit.page.locator("#points .unfold[aria-expanded=true]").count() == 1
    assert visit.value("document.activeElement.className") == "unfold"
    visit.page.uncheck("#grouped")
    visit.model("0")
    assert lines.count() == min(len(front), 50)
    assert visit.page.locator("#points .unfold").count() == 0
    visit.page.select_option("#list", "all")
    visit.model("0")
    assert not visit.page.locator("#grouped").is_visible()
    visit.done()


def test_pinned_points_stand_side_by_side(browser: Any, report: Path, results: RunResults) -> None:
    visit = open_page(browser, report)
    assert not visit.page.locator("#compare-parts").is_visible()
    visit.page.click("#pin-shown")
    options = visit.page.locator("#pin-reference option").count()
    visit.page.select_option("#pin-reference", index=1)
    visit.model("0")
    first, second = visit.model("state.pinned")
    assert options == len(visit.model("model.references")) + 1
    points = results.points.set_index("point_id")
    line = visit.page.locator("#differences tr", has_text="Edge MACs [").first
    shown, other = points.loc[[first, second], "edge_macs"]
    change = line.locator("td .change").inner_text()
    assert change == "same" if other == shown else change.startswith("+") == (other > shown)
    for _ in range(2):
        visit.page.locator("#points .pin[aria-pressed=false]").first.click()
        visit.model("0")
    pinned = visit.model("state.pinned")
    assert len(pinned) == 4 == visit.page.locator("#pins li").count()
    assert visit.page.locator("#points .pin[aria-pressed=false]:enabled").count() == 0
    assert visit.page.locator("#compare-panels h3").all_inner_texts()[:3] == [
        "Density of each junction",
        "Latency (modelled)",
        "Against the threshold",
    ]
    edge = results.setting.edge
    assert edge.name in visit.text("#compare-panels")
    bars = str(visit.page.locator("#compare-panels svg[aria-label^=Latency]").get_attribute("aria-label"))
    assert bars.count(" expected ") == 4
    visit.page.wait_for_timeout(300)
    again = open_page(browser, report, address=visit.value("location.href"))
    assert again.model("state.pinned") == pinned
    again.page.click("#unpin-all")
    assert again.model("state.pinned") == []
    again.done()
    visit.done()


def test_points_of_somebody_else_are_pinned_as_text(browser: Any, tmp_path: Path) -> None:
    results = make_results(tmp_path, num_points=300, objectives=("accuracy", "edge_macs"))
    columns = {"accuracy": (0.9, 0.97, None), "edge_macs": (2000.0, 9000.0, 1.0)}
    own = Series(HOSTILE, (HOSTILE, "", "one value"), columns)
    keep_others(tmp_path, [own, Series("none", ("",), {"balanced_accuracy": (0.9,), "edge_macs": (1.0,)})])
    visit = open_page(browser, write_report(results))
    assert visit.page.locator("#pin-reference optgroup").count() == 1  # of the others only one value is known
    assert visit.page.locator("#pin-reference optgroup option").count() == 2
    visit.page.click("#pin-shown")
    for place in (0, 1):
        option = visit.page.locator("#pin-reference optgroup option").nth(place)
        visit.page.select_option("#pin-reference", value=option.get_attribute("value"))
        visit.model("0")
    assert f"{HOSTILE}: {HOSTILE}" in visit.text("#pins")
    assert f"{HOSTILE}: point 2" in visit.text("#differences")
    first = visit.model("model.rowOf(state.pinned[0])")
    accuracy, macs = (
        visit.page.locator("#differences tr", has_text=text).first.locator("td").all_inner_texts()
        for text in ("Accuracy (validation) [", "Edge MACs [")
    )
    share = float(results.points.loc[first, "accuracy"])
    assert float(accuracy[1].split()[0]) == 90
    assert f"{abs(0.9 - share) * 100:.4g} points" in accuracy[1]
    scale = visit.model("model.metric('edge_macs').shown[0]")
    assert [float(text.split()[0].replace(",", "")) for text in macs[1:]] == [2000 / scale, 9000 / scale]
    payload = visit.page.locator("#differences tr", has_text="Payload (expected)").first
    assert payload.locator("td").all_inner_texts()[1:] == ["n/a", "n/a"]
    assert visit.page.locator("#compare-panels h3").count() == 5
    assert visit.value("document.querySelectorAll('img').length") == 0
    visit.page.wait_for_timeout(300)
    again = open_page(browser, tmp_path / "report.html", address=visit.value("location.href"))
    assert again.page.locator("#pins li").count() == 3
    again.page.locator("#pins .pin").first.click()  # only those of somebody else are left
    again.model("0")
    assert again.page.locator("#pins li").count() == 2
    assert again.page.locator("#compare-panels h3").count() == 0
    again.done()
    keep_others(tmp_path, drop=[HOSTILE])
    write_report(results)
    gone = open_page(browser, tmp_path / "report.html", address=visit.value("location.href"))
    assert gone.page.locator("#pins li").count() == 1
    gone.done()
    visit.done()


def test_exports_hold_the_listed_points(
    browser: Any, report: Path, results: RunResults, tmp_path: Path
) -> None:
    visit = open_page(browser, report)
    run = results.path.name
    for button, name in (("#save-csv", "points.csv"), ("#save-json", "points.json")):
        with visit.page.expect_download() as download:
            visit.page.click(button)
        assert download.value.suggested_filename == f"{run}-{name}"
        download.value.save_as(tmp_path / name)
    front = results.points[results.points["on_front"]]
    records = json.loads((tmp_path / "points.json").read_text(encoding="utf-8"))
    assert {record["point_id"] for record in records} == set(front["point_id"])
    lines = (tmp_path / "points.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(front) + 1
    assert lines[0].startswith("run,point_id,accuracy,")
    assert {"accuracy_ci95_low", "accuracy_ci95_high"} <= set(lines[0].split(","))
    assert all(line.startswith(f"{run},") for line in lines[1:])
    visit.done()


def test_state_survives_a_reload_through_the_address(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    visit.page.select_option("#axis-x", "payload_bytes")
    visit.page.select_option("#what-link", "lorawan_sf7")
    visit.page.fill("#search", "cnn")
    visit.page.check("#methods input[value=ideal]")
    visit.page.wait_for_timeout(300)
    address = visit.value("location.href")
    assert "#s=" in address
    told = visit.model("[state, model.listed, model.chosen]")
    again = open_page(browser, report, address=address)
    assert again.model("[state, model.listed, model.chosen]") == told
    assert again.page.input_value("#search") == "cnn"
    broken = open_page(browser, report, address=f"{report.as_uri()}#s=%7Bnonsense")
    assert broken.model("state.search") == ""
    for own in (visit, again, broken):
        own.done()


def test_hostile_names_stay_text(browser: Any, tmp_path: Path) -> None:
    rename = {"mlp": HOSTILE, "fc1": HOSTILE}
    results = make_results(tmp_path, num_points=300, rename=rename)
    results.record.name = HOSTILE
    results.trials["reason"] = HOSTILE
    visit = open_page(browser, write_report(results))
    row = int(results.points.index[results.points["split_point"] == HOSTILE][0])
    visit.value(f"window.explorerPage.select({row}, true)")
    visit.page.select_option("#axis-colour", "backbone")
    visit.page.select_option("#list", "all")
    visit.model("0")
    assert visit.text("h1").startswith("<img src=x onerror=")
    assert HOSTILE in visit.page.inner_text("#legend")
    assert visit.value("document.title").startswith("<img")
    assert visit.value("document.querySelectorAll('img').length") == 0
    visit.done()


@pytest.mark.parametrize(
    "options",
    [
        {"num_points": 0, "num_trials": 0},
        {"num_points": 1, "constraints": ()},
        {"num_points": 80, "constraints": ("accuracy >= 1",)},
        {"num_points": 80, "objectives": ("accuracy",)},
        {"num_points": 80, "num_trials": 0},
    ],
)
def test_odd_runs_raise_no_error(browser: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    visit = open_page(browser, write_report(make_results(tmp_path, **options)))
    visit.page.wait_for_timeout(200)
    visit.done()


def test_compared_fronts_lie_over_each_other(browser: Any, tmp_path: Path) -> None:
    metrics = [METRICS["accuracy"], METRICS["edge_macs"], METRICS["payload_bytes"]]
    own = pd.DataFrame({"accuracy": [0.9, 0.8], "edge_macs": [5000.0, 0.0], "payload_bytes": [1.0, 1.0]})
    found = compare_fronts({"own": own, HOSTILE: own[:1].assign(accuracy=0.7)}, metrics)
    visit = open_page(browser, write_comparison(tmp_path / "compared.html", [], found))
    assert visit.page.locator("#overlay path").count() == 3
    titles = visit.page.locator("#overlay .axis-title").all_text_contents()
    assert titles == ["Edge MACs [k MACs]", "Accuracy (validation) [%]"]
    places = "[...document.querySelectorAll('#overlay path')].map((own) => own.getBoundingClientRect().y)"
    assert visit.value(places) == sorted(visit.value(places))  # from 90 % down to 70 %
    assert HOSTILE[:20] in visit.page.inner_text("#overlay-legend")
    assert visit.value("document.querySelectorAll('img').length") == 0
    visit.done()
    one = compare_fronts({"own": own}, metrics[:1])
    alone = open_page(browser, write_comparison(tmp_path / "one.html", [], one))
    assert alone.page.locator("#overlay").count() == 0
    alone.done()


def test_index_filters_runs_and_overlays_their_fronts(browser: Any, tmp_path: Path) -> None:
    for name, count in (("plain", 300), (HOSTILE, 200)):
        folder = tmp_path / ("plain" if name == "plain" else "two")
        folder.mkdir()
        results = make_results(folder, num_points=count)
        results.record.model_copy(update={"name": name}).write(folder)
        write_rows(folder / "trials.json", [{"hypervolume": 0.5}])
        write_front(results)
    visit = open_page(browser, write_index(tmp_path))
    marks = "document.querySelectorAll('#overlay path').length"
    both = visit.value(marks)
    visit.page.locator("input[data-run=plain]").uncheck()
    assert 0 < visit.value(marks) < both
    assert visit.page.locator("#common-rows tr").count() == 1
    share = float(visit.page.locator("#common-rows td").first.inner_text())
    reference, ideal = reference_and_ideal(results.objectives, results.reference_point)
    losses = loss_values(results.front, results.objectives).to_numpy()
    assert share == pytest.approx(hypervolume(losses, reference, ideal), abs=1e-4)
    visit.page.select_option("#overlay-x", "payload_bytes")
    assert "Payload" in visit.page.text_content("#overlay")
    visit.page.fill("#filter", "plain")
    assert visit.page.locator("tbody tr[data-text]:visible").count() == 1
    assert visit.value("document.querySelectorAll('img').length") == 0
    visit.done()
