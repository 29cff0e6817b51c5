"""The answer is painted before the run is read; the scripts take over without a flash."""

from pathlib import Path
from typing import Any

import pytest
from browsing import CHROMIUM, NO_CHROMIUM, WIDTHS, Visit, open_page

from benchmarks.report_scale.synthetic import make_results
from explorer.report.page import write_report

PARTS = ("kind", "name", "deploy-command", "setting", "rules", "cut", "pick-command")
TEXTS = ("kind", "name", "deploy", "quality", "rules", "pick")
NOTE = """
window.taken = [];
window.seen = [];
new MutationObserver((changes) => {
  const name = document.getElementById("answer-name");
  if (name) window.seen.push([getComputedStyle(name).visibility, name.textContent]);
  for (const { target, removedNodes } of changes) {
    const inside = removedNodes.length && target.closest?.("#answer-part");
    if (inside) window.taken.push(target.id || target.tagName);
  }
}).observe(document, { childList: true, subtree: true, characterData: true });
"""

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
]


@pytest.fixture(scope="module", params=[(), ("accuracy >= 1",)], ids=["feasible", "nearest miss"])
def report(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    objectives = ("accuracy", "edge_macs", "payload_bytes")
    folder = tmp_path_factory.mktemp("run")
    options = {"num_points": 800, "objectives": objectives, "answers": True}
    return write_report(make_results(folder, constraints=request.param, **options))


def without_scripts(browser: Any, path: Path, width: int) -> Visit:
    context = browser.new_context(java_script_enabled=False, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto(path.as_uri())
    return Visit(page)


def boxes(visit: Visit) -> list[Any]:
    return [visit.page.locator(f"#answer-{name}").bounding_box() for name in PARTS]


@pytest.mark.parametrize("width", WIDTHS)
def test_without_scripts_the_answer_reads_the_same_and_stands_where_it_will(
    browser: Any, report: Path, width: int
) -> None:
    plain, visit = without_scripts(browser, report, width), open_page(browser, report, width)
    visit.model("0")
    for name in TEXTS:
        assert plain.page.text_content(f"#answer-{name}") == visit.text(f"#answer-{name}")
    lines = [own.page.locator("#answer li").all_text_contents() for own in (plain, visit)]
    assert lines[0] == lines[1]
    assert len(lines[0]) >= 5
    assert boxes(plain) == boxes(visit)
    plain.page.context.close()
    visit.done()


def test_scripts_leave_the_answer_as_it_was_painted(browser: Any, report: Path) -> None:
    page = browser.new_page()
    page.add_init_script(NOTE)
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-ready]")
    assert set(page.evaluate("window.taken")) <= {"answer-cut", "SELECT"}
    assert {visibility for visibility, _ in page.evaluate("window.seen")} == {"visible"}
    page.close()


def test_an_address_that_tells_another_choice_shows_no_other_first(browser: Any, report: Path) -> None:
    page = browser.new_page()
    page.add_init_script(NOTE)
    page.goto(f"{report.as_uri()}#s=%7B%22method%22%3A%22best%22%2C%22best%22%3A%22accuracy%22%7D")
    page.wait_for_selector("html[data-ready]")
    first = page.evaluate("window.seen")
    assert first[0][0] == "hidden"
    shown = {name for visibility, name in first if visibility == "visible"}
    assert shown == {page.text_content("#answer-name")}
    page.close()


def test_a_phone_shows_answer_memory_and_command_without_scrolling(browser: Any, report: Path) -> None:
    visit = open_page(browser, report, width=390)
    lowest = "(own) => own.getBoundingClientRect().bottom"
    for place in ("#answer-name", "#copy-answer-deploy", "#answer-deploy", "#answer-setting"):
        assert visit.page.locator(place).evaluate(lowest) < 844
    lines = visit.page.locator("#answer li")
    assert lines.first.evaluate(lowest) < 844
    assert lines.filter(has_text="It fits rpi4").evaluate(lowest) < 844
    visit.done()
