"""What a new user asks of a report, of a run really searched: on the first screen, or two clicks away."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from browsing import CHROMIUM, NO_CHROMIUM, Visit, open_page

from explorer.search import main

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM),
]
SPACE = {
    "data": {"source": "digits", "validation_samples": 400},
    "backbones": {
        "mlp": {"factory": "explorer.backbones:mlp", "arguments": {"hidden": [[64, 32]]}},
        "cnn": {"factory": "explorer.backbones:cnn", "arguments": {"channels": [[8, 16]], "hidden": [32]}},
    },
    "payload_bits": [32, 8],
    "training": {"epochs": 8, "learning_rate": 0.02},
    "objectives": {"accuracy": 0.5, "edge_macs": 100_000, "edge_memory_bytes": 100_000, "payload_bytes": 300},
    "edge_device": "stm32h7a3",
    "server_device": "xeon_8124m",
    "link": "ble_2m_dle",
}
EDGE, LINK = ("#answer-setting select[data-role=edge]", "#answer-setting select[data-role=link]")
SEEN = """() => [...document.querySelectorAll("#answer-part *")]
  .filter((own) => own.checkVisibility())
  .filter((own) => ((box) => box.top >= 0 && box.bottom <= innerHeight)(own.getBoundingClientRect()))
  .map((own) => own.textContent).join("\\n")"""


class Reader:
    """Acts, each of which is one click or one entry, and what the first screen then says."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.acts = 0

    def chooses(self, selector: str, value: str) -> None:
        self.visit.page.select_option(selector, value)
        self.acts += 1

    def enters(self, selector: str, text: str) -> None:
        self.visit.page.fill(selector, text)
        self.visit.page.press(selector, "Enter")
        self.acts += 1

    def clicks(self, selector: str) -> None:
        self.visit.page.locator(selector).first.click()
        self.acts += 1

    def sees(self) -> str:
        self.visit.model("0")
        self.visit.value("scrollTo(0, 0)")
        return str(self.visit.value(SEEN))


def deploys_on_an_stm32l4_over_ble_with_95_per_cent(reader: Reader) -> str:
    reader.chooses(EDGE, "stm32l4r5")
    reader.enters("#answer-bound", "95")
    return r"Deploy\n(.|\n)*The (edge device|whole network runs on the edge device) \(stm32l4r5\)"


def what_if_lorawan(reader: Reader) -> str:
    reader.chooses(LINK, "lorawan_sf7")
    assert "You changed the link, and no objective" in reader.sees()
    reader.clicks("#offer button:has-text('latency')")
    return r"Chosen as the knee of \d+ points on the front \(Accuracy, Latency\)"


def why_not_all_edge(reader: Reader) -> str:
    return r"Than the dense network on the edge \(.* on the edge, dense\): .*MACs on the edge.*accuracy"


def why_not_send_everything(reader: Reader) -> str:
    return r"Than sending everything \(.*\): .*bytes on the wire"


def does_it_fit(reader: Reader) -> str:
    return r"It fits stm32h7a3: Edge flash .*B of 2 MB, Edge RAM .*B of 1.19 MB"


def how_accurate_is_it_really(reader: Reader) -> str:
    return r"Accuracy [\d.]+ %, 95 % interval [\d.]+ % to [\d.]+ % \("


def how_long_and_how_much_energy(reader: Reader) -> str:
    return r"It takes .*s a sample on average \(modelled\), .*J of edge energy \(modelled\)"


def which_command_deploys_it(reader: Reader) -> str:
    reader.clicks("#copy-answer-deploy")
    return r"python -m explorer\.deploy tasks --id \S+ --out bundle"


def what_fits_into_4_kibibytes(reader: Reader) -> str:
    reader.clicks("nav a[href='#decide']")
    reader.enters("#bound-edge_memory_bytes", "4 KiB")
    return r"Constraints: Edge memory ≤ 4 KiB, fits stm32h7a3\."


def what_comes_closest_to_what_none_reaches(reader: Reader) -> str:
    reader.enters("#answer-bound", "99.99")
    return (
        r"Nearest miss\n(.|\n)*\n\s*No point satisfies every constraint\. "
        r"This one misses them by least: Accuracy \(validation\) ≥ 99.99 % \(is [\d.]+ %\)\.\s*\n(The|\s)"
    )


TASKS = [
    deploys_on_an_stm32l4_over_ble_with_95_per_cent,
    what_if_lorawan,
    why_not_all_edge,
    why_not_send_everything,
    does_it_fit,
    how_accurate_is_it_really,
    how_long_and_how_much_energy,
    which_command_deploys_it,
    what_fits_into_4_kibibytes,
    what_comes_closest_to_what_none_reaches,
]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "space.yaml").write_text(yaml.safe_dump(SPACE), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["--space", "space.yaml", "--trials", "5", "--run", "tasks", "--no-energy"]) == 0
    return folder / "reports" / "tasks" / "report.html"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_a_task_takes_at_most_two_clicks(browser: Any, report: Path, task: Callable[[Reader], str]) -> None:
    visit = open_page(browser, report)
    reader = Reader(visit)
    wanted = task(reader)
    assert re.search(wanted, reader.sees()), reader.sees()
    assert reader.acts <= 2
    visit.done()
