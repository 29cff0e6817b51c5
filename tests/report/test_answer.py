"""The answer in the page as it is built: the same words that the page's scripts find, for any run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nodes import NODE, run_node

from benchmarks.report_scale.evidence import SAMPLES
from benchmarks.report_scale.synthetic import make_results
from explorer.core.code_bytes import SIZES
from explorer.core.sweep import columns_of_sweep
from explorer.devices import Setting, device_names, link_names, load_device, load_link
from explorer.front.pareto import mark_front
from explorer.report.answer import answer_info, first_row
from explorer.report.classes import class_outcomes
from explorer.report.embedded import embedded_run
from explorer.runs.point_table import points_of
from explorer.runs.results import RunResults
from explorer.space.metrics import CORRECTED_METRICS, MEASURED_METRICS
from explorer.space.texts import bound_text, number_text, quantity_text
from explorer.utils.units import PREFIXES

pytestmark = pytest.mark.skipif(NODE is None, reason="no node on PATH")

TEXTS = """
import { answerTexts } from "./answer.js";
import { decodeRun } from "./columns.js";
import { usePrefixes } from "./format.js";
import { Model } from "./model.js";
import { initialState } from "./state.js";
const said = input.map((embedded) => {
  usePrefixes(embedded.prefixes);
  const run = decodeRun(embedded);
  const model = new Model(run);
  const state = initialState(run, model.columns);
  model.applySetting(state);
  model.applyChoice(state);
  return { row: model.chosen, ...answerTexts(run, model, state) };
});
console.log(JSON.stringify(said));
"""


def assert_same(*runs: RunResults) -> list[dict[str, Any]]:
    theirs: list[dict[str, Any]] = run_node(TEXTS, [embedded_run(results) for results in runs])
    for results, said in zip(runs, theirs, strict=True):
        row = first_row(results)
        assert said.pop("row") == (-1 if row is None else row)
        own = answer_info(results, class_outcomes(results))._asdict()
        assert {name: own[name] for name in said} == said
    return theirs


def on(results: RunResults, edge: str = "rpi4", link: str = "wifi_huang2012", **changes: Any) -> RunResults:
    """The run as if it had searched on other devices."""
    setting = replace(Setting(load_device(edge), load_device("xeon_8124m"), load_link(link)), **changes)
    record = results.record.model_copy(
        update={"profiles": setting.to_json(), "protocol": setting.protocol, "deadline_s": setting.deadline_s}
    )
    return replace(results, record=record).with_setting(setting)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    folder = tmp_path_factory.mktemp("run")
    return make_results(
        folder, num_points=3000, objectives=("accuracy", "edge_macs", "payload_bytes"), answers=True
    )


def test_every_device_and_link_gives_the_same_words(results: RunResults) -> None:
    said = assert_same(
        *(on(results, edge=device) for device in device_names()),
        *(on(results, link=link) for link in link_names()),
    )
    lines = "\n".join(line for own in said for line in own["lines"])
    for words in ("unknown, because a profile lacks", "of battery life", "Battery life ends"):
        assert words in lines
    assert "by the paired test" in lines


@pytest.mark.parametrize("deadline_s", [1e-4, 0.03, 10.0])
def test_a_deadline_is_told(results: RunResults, deadline_s: float) -> None:
    (said,) = assert_same(on(results, deadline_s=deadline_s, protocol="frame"))
    assert "of the answers late" in "".join(said["lines"])
    assert "protocol frame, deadline" in said["rules"]


@pytest.mark.parametrize(
    "options",
    [
        {"num_points": 0, "num_trials": 0},
        {"num_points": 1, "constraints": ()},
        {"num_points": 4},
        {"num_points": 80, "objectives": ("accuracy",)},
        {"num_points": 200, "constraints": ("accuracy >= 1", "edge_macs <= 10 kMAC")},
        {"num_points": 200, "constraints": ("accuracy >= 93.5 %", "edge_memory_bytes <= 64 KiB")},
        {"num_points": 300, "rename": {"mlp": "<b>it's", "fc1": "a \u202e name"}},
        {
            "num_points": 2000,
            "objectives": ("edge_macs", "latency_model_s", "energy_model_j"),
            "answers": True,
        },
    ],
)
def test_odd_runs_give_the_same_words(tmp_path: Path, options: dict[str, Any]) -> None:
    results = make_results(tmp_path, **options)
    (said,) = assert_same(results)
    if not results.points.get("feasible", np.array([])).any():
        assert said["kind"] == "Nearest miss"


def test_a_memory_that_nothing_fits_is_told(results: RunResults) -> None:
    setting = replace(results.setting, edge=load_device("stm32f746").model_copy(update={"ram_bytes": 16.0}))
    record = results.record.model_copy(
        update={"profiles": setting.to_json(), "space": results.record.space | {"fit": "device"}}
    )
    (said,) = assert_same(replace(results, record=record).with_setting(setting))
    assert said["kind"] == "Nearest miss"
    assert said["lines"][0].startswith("No point satisfies every constraint.")
    assert "of RAM, device has 16 B" in said["lines"][2]


def remade(results: RunResults, **columns: Any) -> RunResults:
    """The run with other sweeps; its folder knows nothing of what they answered."""
    swept = results.points.assign(reference="", **columns)
    kept = [*columns_of_sweep(swept), "reference"]
    frames = [swept.loc[swept["network_key"] == key, kept] for key in results.networks]
    points = points_of(results.networks, frames, results.setting)
    unknown = dict.fromkeys([*CORRECTED_METRICS, *MEASURED_METRICS], np.nan)
    marked = mark_front(points.assign(**unknown), results.objectives, [])
    record = results.record.model_copy(update={"constraints": []})
    return replace(results, points=marked, record=record, path=results.path / "away")


def test_edge_parts_in_int8_are_told(results: RunResults) -> None:
    rng, count = np.random.default_rng(0), len(results.points)
    code = {name: rng.integers(100, 90_000, count).astype(float) for name in SIZES}
    (said,) = assert_same(remade(results, edge_weight_bits=8, **code))
    assert " in int8" in said["lines"][0]
    assert said["deploy"].endswith(".int8 --c-code int8 --out bundle")


def test_an_exit_that_answers_everything_sends_nothing(results: RunResults) -> None:
    at_input = results.points["split_point"] == "input"
    exited = results.points["exited"].where(~at_input, SAMPLES)
    (said,) = assert_same(remade(results, exited=exited, sent_bytes=0, confidence_threshold=0.0))
    assert said["lines"][0].endswith(" answers every sample there, so nothing is sent.")


FORMATS = """
import { boundQuantity, numberText, quantity, usePrefixes } from "./format.js";
usePrefixes(input.prefixes);
const all = (value, unit) => [numberText(value), quantity(value, unit), boundQuantity(value, unit)];
console.log(JSON.stringify(input.cases.map(([value, unit]) => all(value, unit))));
"""


def test_numbers_read_the_same_on_terminals_and_on_the_page() -> None:
    rng = np.random.default_rng(0)
    values = [0.0, 1234.5, 98765.0, 90.125, 1.0005, 2.5, 1e-9, 5e12, 0.00012345, 65536.0, 131072.0, 180000.0]
    values += (10 ** rng.uniform(-9, 12, 400)).tolist()
    values += (rng.integers(1, 100_000, 400) / rng.choice([8, 16, 400, 1000, 10_000], 400)).tolist()
    cases = [(value, unit) for value in values for unit in ("", "%", *PREFIXES) if unit != "J/bit"]
    theirs = run_node(FORMATS, {"prefixes": PREFIXES, "cases": cases})
    own = [[number_text(value), quantity_text(value, unit), bound_text(value, unit)] for value, unit in cases]
    assert own == theirs
