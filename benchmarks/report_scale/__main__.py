"""``python -m benchmarks.report_scale``: size, build time and speed in a browser of reports of any size.

Needs an installed chromium. Times are medians over repeats in one headless browser, of the clock on the wall:
*answer* from opening the file until name and first sentence of what to deploy are painted, as the browser's
own element timing says; *ready* until the page can be used, *link* from another link (latency and energy
are objectives, so the whole front is computed anew) and *filter* from a new brush, each until everything is
drawn.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.report_scale.synthetic import make_results
from explorer.errors import UserError, run_command
from explorer.report.page import write_report

SIZES, QUICK_SIZES = (1_000, 10_000, 100_000), (1_000, 10_000)
LIMITS = {"mb": 15.0, "build_s": 5.0, "answer_s": 0.5, "ready_s": 2.0, "link_s": 0.2, "filter_s": 0.1}
OBJECTIVES = ("accuracy", "edge_macs", "latency_model_s", "energy_model_j")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

_TIMED = """async ([patches]) => {
  const page = window.explorerPage;
  const times = [];
  for (const patch of patches) {
    const start = performance.now();
    page.change(patch);
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push((performance.now() - start) / 1000);
  }
  return times;
}"""
_WATCH = """new PerformanceObserver((list) => {
  window.answeredAfter ??= [];
  for (const { identifier, renderTime } of list.getEntries())
    if (identifier === "answer") window.answeredAfter.push(renderTime / 1000);
}).observe({ type: "element", buffered: true });
new MutationObserver((_, observer) => {
  if (!document.documentElement?.dataset.ready) return;
  requestAnimationFrame(() => { window.readyAfter = performance.now() / 1000; });
  observer.disconnect();
}).observe(document, { attributes: true, childList: true, subtree: true });"""


class Row(NamedTuple):
    """One report: how many points, MB of the file, seconds."""

    points: int
    mb: float
    build_s: float
    answer_s: float
    ready_s: float
    link_s: float
    filter_s: float


def measure(num_points: int, repeats: int, browser: Any, folder: Path) -> Row:
    """Write one report and use it."""
    folder = folder / str(num_points)
    folder.mkdir()
    results = make_results(folder, num_points=num_points, num_trials=200, objectives=OBJECTIVES, answers=True)
    start = time.perf_counter()
    path = write_report(results)
    build_s = time.perf_counter() - start
    answers, ready, links, filters = [], [], list[float](), list[float]()
    for _ in range(repeats):
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.add_init_script(_WATCH)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        page.wait_for_timeout(200)
        name, sentence = page.evaluate("window.answeredAfter")
        answers.append(max(name, sentence))
        ready.append(page.evaluate("window.readyAfter"))
        patches: list[dict[str, Any]] = [
            {"link": name} for name in ("ble_2m_dle", "lte_2021", "lorawan_sf7", "wifi_esp32_11n", "")
        ]
        links += page.evaluate(_TIMED, [patches])
        brush = [[{"low": low / 10, "high": 0.97, "missing": False}] for low in range(4, 9)]
        filters += page.evaluate(_TIMED, [[{"brushes": {"accuracy": parts}} for parts in brush]])
        page.close()
    middle = statistics.median
    size = path.stat().st_size / 1e6
    return Row(num_points, size, build_s, *map(middle, (answers, ready, links, filters)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and with ``--check`` fail where the largest report misses a limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="up to 10,000 points")
    parser.add_argument("--check", action="store_true", help="exit 1 where a figure falls short")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="pages opened per size")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    parsed = parser.parse_args(arguments)
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise UserError("report_scale needs chromium, chromium-browser or google-chrome on PATH")
    from playwright.sync_api import sync_playwright

    table = Table("points", "MB", "build s", "answer s", "ready s", "link s", "filter s", box=None)
    rows = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for size in QUICK_SIZES if parsed.quick else SIZES:
            rows.append(row := measure(size, parsed.repeats, browser, Path(folder)))
            table.add_row(f"{row.points:,}", *(f"{value:.3f}" for value in row[1:]))
        browser.close()
    Console().print(table)
    if parsed.json:
        parsed.json.write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n", encoding="utf-8")
    missed = [name for name, limit in LIMITS.items() if getattr(rows[-1], name) > limit]
    for name in missed:
        print(f"{name} is {getattr(rows[-1], name):.3f}, the limit is {LIMITS[name]}")
    return 1 if parsed.check and missed else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
