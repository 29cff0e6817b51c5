"""The page in a real browser: that it draws, reacts, stays silent and asks nobody anything."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from synthetic_results import make_results, make_study

from explorer.report import write_report

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HOSTILE = """<img src=x onerror="document.title='owned'"></script><b>'"&"""
WIDTHS = (1400, 390)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH"),
]


@dataclass
class Visit:
    """An open page and what it complained about or asked for."""

    page: Any
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def value(self, script: str) -> Any:
        return self.page.evaluate(script)

    def cells(self, column: str) -> list[str]:
        """Raw values of one column of the table, top down."""
        return list(
            self.page.evaluate(
                """(column) => {
                  const headers = [...document.querySelectorAll("#points th[data-column]")];
                  const place = headers.findIndex((header) => header.dataset.column === column);
                  const lines = [...document.querySelectorAll("#points tbody tr")];
                  return lines.map((line) => line.children[place].dataset.value);
                }""",
                column,
            )
        )

    def count_lines(self) -> int:
        return int(self.page.locator("#points tbody tr").count())


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "run"
    folder.mkdir()
    objectives = ("accuracy", "edge_macs", "payload_bytes")
    return write_report(make_results(folder, num_points=1500, objectives=objectives), make_study(60, 3))


def open_page(browser: Any, path: Path, width: int = WIDTHS[0]) -> Visit:
    """Open a file and wait until its script is through."""
    visit = Visit(browser.new_page(viewport={"width": width, "height": 900}))
    visit.page.on("console", lambda m: visit.problems.append(m.text) if m.type == "error" else None)
    visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    visit.page.goto(path.as_uri())
    visit.page.wait_for_selector("#parallel-figure.js-plotly-plot canvas", state="attached")
    return visit


@pytest.mark.parametrize("width", WIDTHS)
def test_page_draws_everything_and_asks_for_nothing(
    browser: Any, report: Path, width: int, tmp_path: Path
) -> None:
    visit = open_page(browser, report, width)
    assert visit.value("document.querySelectorAll('.js-plotly-plot').length") == 7
    parallel = visit.page.inner_text("#parallel-figure")
    assert "Confidence threshold" in parallel
    assert "WebGL" not in parallel  # plotly's notice where the policy refuses its eval
    configured = "[...document.querySelectorAll('.js-plotly-plot')].map(g => g._context.showSendToCloud)"
    assert visit.value(configured) == [False] * 7
    assert visit.value("document.documentElement.scrollWidth") <= width
    visit.page.screenshot(path=tmp_path / f"report-{width}.png", full_page=True)
    assert (tmp_path / f"report-{width}.png").stat().st_size > 50_000
    assert visit.problems == []
    assert visit.requests == [report.as_uri()]
    visit.page.close()


def test_axes_switch(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    layout = "document.getElementById('front-figure').layout"
    before = visit.value(f"{layout}.xaxis.title.text")
    visit.page.select_option("#axis-x", "latency_model_s")
    visit.page.select_option("#axis-colour", "backbone")
    visit.page.set_checked("#log-x", True)
    assert before.startswith("Edge MACs")
    assert visit.value(f"{layout}.xaxis.title.text") == "Latency (modelled, expected) [ms]"
    assert visit.value(f"{layout}.xaxis.type") == "log"
    names = visit.value("document.getElementById('front-figure').data.map(trace => trace.name)")
    assert {"mlp", "cnn", "resnet8", "knee", "reference", "dominated"} <= set(names)
    visit.page.select_option("#axis-x", "edge_latency_host_s")
    assert "have no value for Edge part on this host" in visit.page.inner_text("#front-note")
    assert visit.problems == []
    visit.page.close()


def test_table_sorts_by_mouse_and_keyboard(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    accuracies = [float(value) for value in visit.cells("accuracy")]
    assert accuracies == sorted(accuracies, reverse=True)
    header = visit.page.locator("#points th[data-column=payload_bytes]")
    header.locator("button").click()
    payloads = [float(value) for value in visit.cells("payload_bytes")]
    assert payloads == sorted(payloads)
    assert header.get_attribute("aria-sort") == "ascending"
    header.locator("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert visit.value("document.querySelectorAll('#points [aria-sort]').length") == 1
    visit.page.locator("#points th[data-column=payload_bits] button").click()
    assert visit.cells("payload_bits")[-1] == ""
    assert visit.problems == []
    visit.page.close()


def test_clicking_a_point_shows_its_card_and_command(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    x, y, point = visit.value(
        """() => {
          const figure = document.getElementById("front-figure");
          figure.scrollIntoView({ behavior: "instant" });
          const trace = figure.data.find((candidate) => candidate.name === "knee");
          const { xaxis, yaxis } = figure._fullLayout;
          const box = figure.getBoundingClientRect();
          const data = JSON.parse(document.getElementById("data").textContent).values.point_id;
          return [
            box.x + xaxis._offset + xaxis.d2p(trace.x[0]),
            box.y + yaxis._offset + yaxis.d2p(trace.y[0]),
            data.levels[data.codes[trace.customdata[0]]],
          ];
        }"""
    )
    visit.page.mouse.move(x, y)
    visit.page.mouse.click(x, y)
    card = visit.page.locator("#card")
    card.wait_for(state="visible")
    assert point in card.inner_text()
    assert "95 % interval" in card.inner_text()
    assert card.locator("code").inner_text().endswith(f" --id {point}")
    assert visit.problems == []
    visit.page.close()


def test_table_button_selects_and_parallel_ranges_filter(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    button = visit.page.locator("#points tbody tr button").nth(3)
    button.press("Enter")
    assert button.inner_text() in visit.page.inner_text("#card")
    total = visit.count_lines()
    values = visit.value("document.getElementById('parallel-figure').data[0].dimensions[0].values")
    low, high = min(values), max(values)
    ranges = [[low, low + (high - low) / 4], [low + (high - low) / 2, high]]
    restyle = "ranges => Plotly.restyle('parallel-figure', {'dimensions[0].constraintrange': [ranges]})"
    visit.page.evaluate(restyle, ranges)
    kept = visit.count_lines()
    assert 0 < kept < total
    assert visit.page.inner_text("#kept") == f"{kept} of {total} points kept."
    visit.page.click("#keep-all")
    assert visit.count_lines() == total
    assert visit.problems == []
    visit.page.close()


def test_hostile_names_stay_text(browser: Any, tmp_path: Path) -> None:
    results = make_results(tmp_path, num_points=60, backbone=HOSTILE, split_point=HOSTILE)
    results.points["point_id"] = HOSTILE + results.points["point_id"]
    results.run["name"] = HOSTILE
    visit = open_page(browser, write_report(results))
    visit.page.locator("#points tbody tr button").first.click()
    assert visit.page.inner_text("h1") == HOSTILE
    assert HOSTILE in visit.page.inner_text("#card h3")
    assert visit.value("document.title").startswith("<img")
    assert visit.value("document.querySelectorAll('img[src=x]').length") == 0
    assert HOSTILE in visit.value("[...document.querySelectorAll('.legendtext')].map(t => t.textContent)")
    assert visit.problems == []
    visit.page.close()


@pytest.mark.parametrize(
    "options",
    [
        {"num_points": 0, "num_trials": 0},
        {"num_points": 1, "constraints": ()},
        {"num_points": 80, "constraints": ("accuracy >= 1",)},
        {"num_points": 80, "objectives": ("accuracy",)},
        {"num_points": 80, "latency_model_s": float("nan"), "num_trials": 0},
    ],
)
def test_odd_runs_raise_no_error(browser: Any, tmp_path: Path, options: dict[str, Any]) -> None:
    path = write_report(make_results(tmp_path, **options))
    visit = Visit(browser.new_page())
    visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
    visit.page.on("console", lambda m: visit.problems.append(m.text) if m.type == "error" else None)
    visit.page.goto(path.as_uri())
    visit.page.wait_for_timeout(500)
    assert visit.problems == []
    visit.page.close()
