"""What paper shows: the answer with its rules and setting, the chosen point, plots that are whole."""

import re
from pathlib import Path
from typing import Any

import pytest
from browsing import CHROMIUM, NO_CHROMIUM, open_page

from benchmarks.report_scale.synthetic import make_results
from explorer.report.page import write_report

A4 = 703  # pixels at 96 per inch between margins of 12 mm
OUTSIDE = """(width) => [...document.querySelectorAll("#answer-part *, #scatter *, #parallel *, #network *")]
  .filter((own) => own.checkVisibility())
  .map((own) => [own, own.getBoundingClientRect()])
  .filter(([, { left, right, width: own }]) => own > 0 && (left < -1 || right > width + 1))
  .map(([own]) => own.outerHTML.slice(0, 80))"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "run"
    folder.mkdir()
    results = make_results(folder, num_points=600, objectives=("accuracy", "edge_macs", "payload_bytes"))
    return write_report(results)


def test_paper_keeps_rules_setting_answer_and_point_and_cuts_no_axis(browser: Any, report: Path) -> None:
    visit = open_page(browser, report, A4)
    visit.page.fill("#answer-bound", "90")
    visit.page.press("#answer-bound", "Enter")
    visit.page.select_option("#answer-setting select[data-role=link]", "ble_2m_dle")
    visit.model("0")
    visit.page.emulate_media(media="print")
    visit.value("dispatchEvent(new Event('beforeprint'))")
    assert visit.page.evaluate(OUTSIDE, A4) == []
    assert visit.value("document.documentElement.scrollWidth") <= A4
    rules = visit.page.inner_text("#answer-rules")
    assert "Accuracy ≥ 90 %" in rules
    assert "edge rpi4, link ble_2m_dle, server xeon_8124m" in rules
    for shown in ("#answer-name", "#answer", "#answer-pick", "#network-title", "#pipeline", "#network-facts"):
        assert visit.page.locator(shown).is_visible()
    for hidden in ("#decide", "nav", "#answer-setting", "#offer", "#filter-form", "#copy-answer-pick"):
        assert visit.page.locator(hidden).is_hidden()
    for plot in ("scatter", "parallel"):
        canvas, overlay = (
            visit.value(
                f"(({{width, height}}) => [width, height])(document.querySelector('#{plot} {kind}')"
                ".getBoundingClientRect())"
            )
            for kind in ("canvas", "svg")
        )
        assert canvas == overlay
        assert visit.value(f"document.querySelector('#{plot} svg').viewBox.baseVal.width") == canvas[0]
    visit.page.emulate_media(media="screen")
    visit.value("dispatchEvent(new Event('afterprint'))")
    visit.model("0")
    assert visit.value("document.querySelector('#scatter svg').viewBox.baseVal.width") < 690
    visit.page.close()


def test_figures_that_nobody_saw_are_as_wide_as_their_place(browser: Any, report: Path) -> None:
    visit = open_page(browser, report, A4)
    visit.page.emulate_media(media="print")
    visit.value("dispatchEvent(new Event('beforeprint'))")
    drawn = "[...document.querySelectorAll('.figure')].every((own) => own.querySelector('.main-svg'))"
    visit.until(drawn)
    assert visit.value("document.documentElement.scrollWidth") <= A4
    visit.page.emulate_media(media="screen")
    visit.value("dispatchEvent(new Event('afterprint'))")
    visit.page.set_viewport_size({"width": 1400, "height": 900})
    visit.page.locator("#hypervolume").scroll_into_view_if_needed()
    places = "document.querySelector('#hypervolume-time')"
    visit.until(f"Math.abs({places}.querySelector('.main-svg').clientWidth - {places}.clientWidth) < 2")
    visit.page.close()


def test_a_pdf_has_a_few_a4_pages(browser: Any, report: Path) -> None:
    visit = open_page(browser, report)
    pdf = visit.page.pdf(prefer_css_page_size=True)
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12
    width, height = map(float, re.findall(rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)", pdf)[0])
    assert (width, height) == pytest.approx((595, 842), abs=1.5)
    visit.page.close()
