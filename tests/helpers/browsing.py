"""A page in a real browser: open it, ask it, and note what it complains about or asks for."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_CHROMIUM = "no chromium, chromium-browser or google-chrome on PATH"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTHS = (1400, 390)


@dataclass
class Visit:
    """An open page and what it complained about or asked for."""

    page: Any
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def value(self, script: str) -> Any:
        return self.page.evaluate(script)

    def until(self, condition: str) -> None:
        """Wait for a condition; the policy forbids playwright's own way, which evaluates text in the page."""
        for _ in range(100):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(100)
        pytest.fail(f"never came true: {condition}")

    def model(self, expression: str) -> Any:
        """A value of the page's own model, after it drew."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        return self.page.evaluate(f"(({{ model, state, run }}) => {expression})(window.explorerPage)")

    def text(self, selector: str) -> str:
        """What a reader sees there, after the page drew."""
        self.model("0")
        return str(self.page.text_content(selector))

    def cells(self, column: str) -> list[str]:
        """Raw values of one column of the table, top down."""
        self.model("0")
        return list(
            self.page.evaluate(
                """(column) => {
                  const headers = [...document.querySelectorAll("#points thead th")];
                  const place = headers.findIndex((header) => header.dataset.column === column);
                  const lines = [...document.querySelectorAll("#points tbody tr")];
                  return lines.map((line) => line.children[place].dataset.value);
                }""",
                column,
            )
        )

    def done(self) -> None:
        """Close the page; it must not have complained, nor asked for anything but itself."""
        assert self.problems == []
        assert len(set(self.requests)) == 1
        self.page.close()


def open_page(browser: Any, path: Path, width: int = WIDTHS[0], address: str = "", **options: Any) -> Visit:
    """Open a file and wait until its script is through."""
    context = {"viewport": {"width": width, "height": 900}, "accept_downloads": True}
    visit = Visit(browser.new_page(**(context | options)))
    visit.page.on("console", lambda m: visit.problems.append(m.text) if m.type == "error" else None)
    visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
    visit.page.on("request", lambda request: visit.requests.append(request.url.split("#")[0]))
    visit.page.goto(address or path.as_uri())
    visit.page.wait_for_selector("html[data-ready]")
    return visit


def drag(visit: Visit, selector: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag between two places given as shares of an element."""
    box = visit.page.locator(selector).bounding_box()
    points = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in (start, end)]
    visit.page.mouse.move(*points[0])
    visit.page.mouse.down()
    visit.page.mouse.move(*points[1], steps=4)
    visit.page.mouse.up()
