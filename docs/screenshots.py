"""``python docs/screenshots.py RUN``: renew the pictures of ``docs/report.md`` from a run's report.

Needs an installed chromium. Pictures are what a reader sees at the size that the guide names.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from explorer.errors import UserError, run_command
from explorer.runs.folder import find_run

FOLDER = Path(__file__).parent / "pictures"
WIDTH = 1400
PHONE_WIDTH, PHONE_HEIGHT = 390, 844
TALL = 2400


def take(page: Any, folder: Path) -> None:
    """Every picture of the guide but the phone's, from an open report."""
    page.screenshot(path=folder / "overview.png")
    for name, selector in (("scatter", "#points-plot"), ("network", "#network"), ("table", "#table")):
        page.locator(selector).screenshot(path=folder / f"{name}.png")
    page.locator("#parallel-part").scroll_into_view_if_needed()
    page.locator("#parallel-part").screenshot(path=folder / "parallel.png")
    page.select_option("#what-link", "lorawan_sf7")
    page.set_viewport_size({"width": WIDTH, "height": TALL})  # else what is asked scrolls beside the plots
    page.wait_for_timeout(300)
    page.locator("#decide").screenshot(path=folder / "decide.png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Open the report and take the pictures."""
    parser = argparse.ArgumentParser(prog="python docs/screenshots.py", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="a run folder, or the name of a run under reports/")
    report = (find_run(parser.parse_args(arguments).run) / "report.html").resolve()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise UserError("screenshots need chromium, chromium-browser or google-chrome on PATH")
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for width, scheme in ((WIDTH, "light"), (WIDTH, "dark"), (PHONE_WIDTH, "light")):
            height = PHONE_HEIGHT if width == PHONE_WIDTH else 900
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(report.as_uri())
            page.wait_for_selector("html[data-ready]")
            page.wait_for_timeout(300)
            if scheme == "dark":
                page.screenshot(path=FOLDER / "dark.png")
            elif width == PHONE_WIDTH:
                page.screenshot(path=FOLDER / "phone.png")
            else:
                take(page, FOLDER)
            page.close()
        browser.close()
    print(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
