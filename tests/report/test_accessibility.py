"""What readers need who use a keyboard, a screen reader or a zoomed page; by axe-core in a real browser."""

import re
from pathlib import Path
from typing import Any

import pytest
from browsing import CHROMIUM, NO_CHROMIUM, Visit, open_page

from benchmarks.report_scale.synthetic import make_results
from explorer.front.series import Series
from explorer.inspect.describe import describe
from explorer.inspect.page import render_page
from explorer.report.comparison import comparison_of, comparison_tables, write_comparison
from explorer.report.html import asset_text
from explorer.report.index import write_index
from explorer.report.page import write_report
from explorer.runs.front_files import write_front
from explorer.runs.summaries import write_rows

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIOLATIONS = """async (tags) => {
  const { violations } = await axe.run(document, { runOnly: tags, resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(" ")}`));
}"""
UNFOLDED = """() => {
  for (const own of document.querySelectorAll("details")) own.open = true;
  for (const own of document.querySelectorAll("section")) own.style.contentVisibility = "visible";
}"""
# What can be pressed, typed into or scrolled; of a group of radio buttons, Tab reaches the chosen one.
REACHABLE = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")];
  const stops = all.filter((own) => own.checkVisibility() && !own.disabled);
  const seen = stops.filter(({ type, checked }) => type !== "radio" || checked);
  return seen.filter((own) => !window.reached.has(own)).map((own) => own.outerHTML.slice(0, 90));
}"""
# foreground, background, least ratio: 4.5 for text (WCAG 1.4.3), 3 for what bounds a field (1.4.11)
PAIRS = [
    *((text, ground, 4.5) for text in ("ink", "soft", "accent", "alert") for ground in ("surface", "ground")),
    *((text, "warn", 4.5) for text in ("ink", "soft", "accent")),
    *((text, "surface", 4.5) for text in ("better", "worse")),
    *((edge, "surface", 3) for edge in ("border", "mark", "accent")),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
]


def report(folder: Path, **options: Any) -> Path:
    return write_report(make_results(folder, **({"num_points": 400} | options)))


def as_it_opens(folder: Path) -> Path:
    return report(folder, objectives=("accuracy", "edge_macs", "payload_bytes"))


def infeasible(folder: Path) -> Path:
    return report(folder, constraints=("accuracy >= 1",))


def without_points(folder: Path) -> Path:
    return report(folder, num_points=0, num_trials=0)


def index(folder: Path) -> Path:
    for name in ("one", "two"):
        (folder / name).mkdir()
        results = make_results(folder / name, num_points=200)
        results.record.write(folder / name)
        write_rows(folder / name / "trials.json", [{"hypervolume": 0.5}])
        write_front(results)
    return write_index(folder)


def inspected(folder: Path) -> Path:
    backbone = describe("explorer.backbones:cnn", {"channels": [4], "hidden": 8}, (1, 8, 8), num_classes=10)
    path = folder / "inspect.html"
    path.write_text(render_page([backbone]), encoding="utf-8")
    return path


def compared(folder: Path) -> Path:
    objectives = ("accuracy", "edge_macs", "payload_bytes")
    runs = [make_results(folder / name, num_points=200, objectives=objectives) for name in ("one", "two")]
    theirs = Series("theirs", ("a", "b"), dict.fromkeys(objectives, (0.5, 0.9)))
    found = comparison_of(runs, [theirs])
    return write_comparison(folder / "compared.html", comparison_tables([], found), found)


def violations(visit: Visit) -> list[str]:
    visit.page.evaluate(UNFOLDED)
    visit.page.evaluate(f"{AXE.read_text(encoding='utf-8')};0")
    return list(visit.page.evaluate(VIOLATIONS, TAGS))


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing: `make check` or `npm ci` installs it")
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (1400, "dark"), (390, "light")])
@pytest.mark.parametrize("make", [as_it_opens, infeasible, without_points, index, inspected, compared])
def test_axe_finds_nothing(browser: Any, tmp_path: Path, make: Any, width: int, scheme: str) -> None:
    visit = open_page(browser, make(tmp_path), width, color_scheme=scheme)
    assert violations(visit) == []
    visit.page.close()


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing: `make check` or `npm ci` installs it")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_page_in_use(browser: Any, tmp_path: Path, scheme: str) -> None:
    visit = open_page(browser, as_it_opens(tmp_path), color_scheme=scheme)
    visit.page.check("#methods input[value=weights]")
    visit.page.fill("#search", "cnn")
    visit.page.click("#exclude")
    visit.page.select_option("#what-link", "lorawan_sf7")
    visit.page.select_option("#filter-column", "accuracy")
    visit.page.locator("#points tbody button.link").nth(3).click()
    visit.page.click("#pin-shown")
    visit.page.select_option("#pin-reference", index=1)
    visit.page.locator("#points .unfold").first.click()
    visit.model("0")
    assert visit.page.locator("#compare-panels h3").count() == 5
    assert violations(visit) == []
    visit.page.close()


@pytest.mark.parametrize("make", [as_it_opens, index, inspected, compared])
def test_tab_alone_reaches_everything(browser: Any, tmp_path: Path, make: Any) -> None:
    visit = open_page(browser, make(tmp_path))
    visit.page.evaluate(UNFOLDED)
    if visit.page.locator("#importances").count():
        visit.page.locator("#importances").scroll_into_view_if_needed()
        visit.until("document.querySelectorAll('.js-plotly-plot .modebar-btn').length > 0")
        visit.page.evaluate("scrollTo(0, 0)")
    visit.page.evaluate(
        """() => {
          window.reached = new Set();
          document.addEventListener("focusin", ({ target }) => window.reached.add(target));
        }"""
    )
    total = visit.value("document.querySelectorAll('a, button, input, select, summary, [tabindex]').length")
    for _ in range(total + 20):
        visit.page.keyboard.press("Tab")
    assert visit.value("window.reached.size") > 2
    assert visit.page.evaluate(REACHABLE) == []
    visit.page.close()


def test_the_focus_stays_where_a_view_is_drawn_anew(browser: Any, tmp_path: Path) -> None:
    visit = open_page(browser, as_it_opens(tmp_path))
    visit.page.locator("#points thead button").nth(2).focus()
    visit.page.keyboard.press("Enter")
    visit.model("0")
    assert visit.value("document.activeElement.closest('th').dataset.column") == visit.model("state.sort")
    visit.page.locator("#splits button").nth(1).focus()
    visit.page.keyboard.press("Enter")
    visit.model("0")
    assert visit.value("document.activeElement.getAttribute('aria-current')") == "true"
    assert visit.model("run.splitNames[run.points.split[model.rowOf(state.selected)]]") == visit.value(
        "document.activeElement.textContent"
    )
    visit.page.close()


def test_sliders_say_values_instead_of_steps(browser: Any, tmp_path: Path) -> None:
    visit = open_page(browser, as_it_opens(tmp_path))
    said = "document.getElementById('{}').getAttribute('aria-valuetext')"
    assert visit.value(said.format("limit-accuracy")) == "none"
    visit.page.fill("#bound-accuracy", "95")
    visit.page.press("#bound-accuracy", "Enter")
    visit.model("0")
    assert visit.value(said.format("limit-accuracy")) == "95 %"
    assert visit.value(said.format("what-link-rtt_s")).endswith(" ms")
    row = visit.model("[...Array(model.size).keys()].find((row) => run.points.threshold[row] > 0.1)")
    visit.value(f"window.explorerPage.select({row}, false)")
    visit.model("0")
    assert re.search(r"^0\.\d+: accuracy .* %, exit rate .* %$", visit.value(said.format("threshold-handle")))
    visit.page.close()


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_the_page_contrast(scheme: str) -> None:
    light, dark = re.findall(r":root[^{]*\{([^}]*--ink[^}]*)\}", asset_text("page.css"))
    colours = dict(re.findall(r"--(\w+): (#\w{6})", light if scheme == "light" else dark))
    for front, back, least in PAIRS:
        low, high = sorted([luminance(colours[front]), luminance(colours[back])])
        assert (high + 0.05) / (low + 0.05) >= least, (front, back)


def test_the_inspect_page_zooms_and_tells_the_attributes_of_a_layer(browser: Any, tmp_path: Path) -> None:
    visit = open_page(browser, inspected(tmp_path))
    width = "document.querySelector('.drawing svg').getBoundingClientRect().width"
    before = visit.value(width)
    visit.page.click("button[data-zoom=in]")
    assert visit.value(width) == pytest.approx(1.25 * before)
    visit.page.click("button[data-zoom=fit]")
    assert visit.value(width) <= visit.value("document.querySelector('.drawing .scroll').clientWidth")
    visit.page.locator("[data-attributes]").nth(1).click()
    text = visit.page.inner_text(".layer-facts")
    assert "Conv2d(1, 4, kernel_size=(3, 3)" in text
    assert "Computed from\ninput" in text
    visit.page.keyboard.press("ArrowLeft")
    visit.page.keyboard.press("Enter")
    assert "Path\ninput\nOutput\n1 x 8 x 8" in visit.page.inner_text(".layer-facts")
    visit.done()
