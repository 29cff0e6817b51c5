"""The formulas of the page against those of Python, on every operating point, in Node."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calibrated import calibrated_device
from hypothesis import given, settings
from hypothesis import strategies as st
from nodes import NODE, run_node
from scipy.stats import norm

from benchmarks.report_scale.synthetic import make_results, make_setting
from explorer import run_search
from explorer.core.code_bytes import SIZES
from explorer.core.quality import MARGINS
from explorer.core.sweep import columns_of_sweep
from explorer.costs.battery import BatteryUse, battery_days
from explorer.devices import (
    CELLS,
    PROTOCOLS,
    Cell,
    ProtocolName,
    Setting,
    device_names,
    link_names,
    load_device,
    load_link,
)
from explorer.errors import UserError
from explorer.front.optimism import Optimism
from explorer.front.paired import Comparison
from explorer.front.pareto import closest_to_ideal, hypervolume, knee, non_dominated
from explorer.front.select import Selection
from explorer.pick import EXAMPLES, add_arguments, deadline_of, selection_of
from explorer.report.embedded import embedded_run
from explorer.report.numbers import typed_column
from explorer.runs.answers import grouped_front
from explorer.runs.point_table import points_of
from explorer.runs.results import RunResults
from explorer.space.fit import misfit
from explorer.space.metrics import CORRECTED_METRICS, METRICS, OF_A_QUALITY
from explorer.utils.arguments import make_parser
from explorer.utils.csv_files import csv_text

pytestmark = pytest.mark.skipif(NODE is None, reason="no node on PATH")

COLUMNS = [*METRICS, *CORRECTED_METRICS]


COSTS = """
import { decodeRun, pointId } from "./columns.js";
import { countedColumns, modelledColumns } from "./cost.js";
const run = decodeRun(input.run);
const use = { samplesPerDay: 1000, batteryWh: 10, cell: input.cell };
const columns = { ...countedColumns(run), ...modelledColumns(run, input.setting, use) };
const plain = Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, [...values]]));
plain.point_id = Array.from({ length: run.numPoints }, (_, row) => pointId(run, row));
console.log(JSON.stringify(plain));
"""


def plain_setting(setting: Setting) -> dict[str, Any]:
    protocol = asdict(PROTOCOLS[setting.protocol])
    return setting.to_json() | {"protocol": protocol, "deadline_s": setting.deadline_s}


def costs_in_javascript(results: RunResults, setting: Setting, cell: Cell) -> pd.DataFrame:
    content = {"run": embedded_run(results), "setting": plain_setting(setting), "cell": vars(cell)}
    return pd.DataFrame(run_node(COSTS, content))


def costs_in_python(results: RunResults, setting: Setting) -> pd.DataFrame:
    columns = [*columns_of_sweep(results.points), "reference"]
    frames = [results.points.loc[results.points["network_key"] == key, columns] for key in results.networks]
    points = points_of(results.networks, frames, setting)
    samples = points["network_key"].map({key: own.num_samples for key, own in results.networks.items()})
    assert results.record.optimism is not None
    quality = points[results.quality_column].to_numpy(dtype=float)
    margins = [points[name].to_numpy(dtype=float) for name in MARGINS if name in points]
    return points.assign(**results.record.optimism.columns(quality, samples.to_numpy(), margins))


def assert_same(results: RunResults, setting: Setting, cell: Cell = CELLS["li-mno2"]) -> None:
    own, theirs = costs_in_python(results, setting), costs_in_javascript(results, setting, cell)
    assert theirs["point_id"].tolist() == own["point_id"].tolist()
    known = [name for name in [*COLUMNS, *OF_A_QUALITY] if name in own]
    assert set(known) <= set(theirs)
    assert not set(OF_A_QUALITY) & (set(theirs) - set(own))
    for name in known:
        expected = own[name].to_numpy(dtype=float)
        np.testing.assert_allclose(theirs[name].astype(float), expected, rtol=1e-9, atol=0, err_msg=name)
    use = BatteryUse(battery_wh=10, samples_per_day=1000, cell=cell)
    days = [battery_days(point, setting, use) for point in own.to_dict("records")]
    np.testing.assert_allclose(theirs["battery_days"].astype(float), days, rtol=1e-9)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    results = make_results(
        tmp_path_factory.mktemp("run"), num_points=3000, objectives=("accuracy", "edge_macs")
    )
    low, high = results.points["accuracy"].quantile([0.2, 0.9])
    results.record.optimism = Optimism("cross_fitting", 8, (low, (low + high) / 2, high), (0.03, 0.01, 0.015))
    accuracy = results.points["accuracy"].to_numpy(dtype=float)
    samples = results.points["network_key"].map(
        {key: own.num_samples for key, own in results.networks.items()}
    )
    corrected = results.record.optimism.columns(accuracy, samples.to_numpy())
    return replace(results, points=results.points.assign(**corrected))


@pytest.mark.parametrize("quality", ["balanced_accuracy", {"weights": {"1": 3.0}}])
def test_another_quality_agrees(results: RunResults, quality: Any) -> None:
    record = results.record.model_copy(update={"space": results.record.space | {"quality": quality}})
    rng, name, count = np.random.default_rng(0), record.quality.name, len(results.points)
    margins = {margin: rng.uniform(0.001, 0.3, count) for margin in MARGINS}
    worth = {record.quality.credit: results.points["correct"] * rng.uniform(0.5, 1, count)}
    points = results.points.assign(**worth, **margins).drop(columns=[*CORRECTED_METRICS])
    places, amounts = (0.3, 0.5, 0.9), (0.04, 0.02, 0.03)
    record.optimism = Optimism("cross_fitting", 8, places, amounts, name)
    frames = [
        points.loc[points["network_key"] == key, [*columns_of_sweep(points), "reference"]]
        for key in results.networks
    ]
    own = points_of(results.networks, frames, results.setting)
    learned = {column: own[column].to_numpy() for column in own if column in OF_A_QUALITY}
    changed = replace(results, record=record, points=points.assign(on_front=False, **learned))
    shown = costs_in_javascript(changed, results.setting, CELLS["li-mno2"])
    assert f"{name}_corrected" in shown
    assert "accuracy_corrected" not in shown  # it is not known, and no number stands in its place
    np.testing.assert_allclose(
        shown[f"{name}_ci95_low"], shown[name] - own["margin_below"], rtol=1e-9, atol=1e-12
    )
    assert_same(changed, results.setting)


@pytest.mark.parametrize("link", link_names())
def test_costs_agree_on_every_link(results: RunResults, link: str) -> None:
    assert_same(results, replace(make_setting(), link=load_link(link)))


@pytest.mark.parametrize("device", device_names())
def test_costs_agree_on_every_device(results: RunResults, device: str) -> None:
    setting = Setting(load_device(device), load_device(device), load_link("wifi_huang2012"))
    assert_same(results, setting)


@pytest.mark.parametrize("device", ["stm32f746", "esp32", "rpi4"])
def test_costs_agree_for_edge_parts_in_int8(results: RunResults, device: str) -> None:
    rng, count = np.random.default_rng(0), len(results.points)
    code = {name: rng.integers(100, 90_000, count).astype(float) for name in SIZES}
    code["code_ram_bytes"][rng.random(count) < 0.1] = np.nan  # no C for it
    points = results.points.assign(edge_weight_bits=rng.choice([8, 32], count), **code)
    setting = replace(make_setting(), edge=load_device(device))
    assert_same(replace(results, points=points), setting)
    own = costs_in_python(replace(results, points=points), setting)
    is_int8 = own["edge_weight_bits"] == 8
    assert own["point_id"].str.endswith(".int8").tolist() == is_int8.tolist()
    rate, other = (setting.edge.macs_per_s_int8, setting.edge.macs_per_s)
    assert own["latency_model_s"][is_int8].isna().all() == (rate is None)
    assert own["latency_model_s"][~is_int8].isna().all() == (other is None)
    np.testing.assert_array_equal(own["edge_flash_bytes"], code["code_flash_bytes"])


@pytest.mark.parametrize("role", ["edge", "server"])
def test_costs_agree_for_times_of_operators(results: RunResults, role: str) -> None:
    assert_same(results, replace(make_setting(), **{role: calibrated_device("timed")}))


@pytest.mark.parametrize("protocol", list(PROTOCOLS))
@pytest.mark.parametrize("link", ["ble_2m_dle", "lorawan_sf7"])
def test_costs_agree_for_every_protocol(results: RunResults, link: str, protocol: ProtocolName) -> None:
    assert_same(results, replace(make_setting(), link=load_link(link), protocol=protocol))


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_costs_agree_for_a_deadline(results: RunResults, place: float) -> None:
    deadline_s = float(results.points["latency_offload_s"].quantile(place))
    setting = replace(make_setting(), deadline_s=deadline_s)
    assert_same(results, setting)
    late = costs_in_python(results, setting)["deadline_missed"]
    assert (late > 0).any()
    assert (late == 0).any()


@settings(max_examples=8, deadline=None)  # each starts Node
@given(
    protocol=st.sampled_from(list(PROTOCOLS)),
    rate=st.floats(1e2, 1e9),
    rtt=st.floats(0, 5),
    loss=st.floats(0, 0.9),
    per_bit=st.floats(1e-12, 1e-3),
    packet=st.integers(1, 2000),
    header=st.integers(0, 100),
)
def test_costs_agree_for_any_link(
    results: RunResults,
    protocol: ProtocolName,
    rate: float,
    rtt: float,
    loss: float,
    per_bit: float,
    packet: int,
    header: int,
) -> None:
    changes = {"uplink_bits_per_s": rate, "rtt_s": rtt, "loss": loss, "tx_joules_per_bit": per_bit}
    changes |= {"packet_payload_bytes": packet, "header_bytes_per_packet": header, "message_energy_j": 1e-4}
    changes |= {"tx_alpha_w_per_bit_per_s": None, "tx_beta_w": None}
    link = make_setting().link.model_copy(update=changes)
    assert_same(results, replace(make_setting(), link=link, protocol=protocol))


@settings(max_examples=8, deadline=None)  # each starts Node
@given(
    protocol=st.sampled_from(list(PROTOCOLS)),
    factor=st.integers(7, 12),
    block=st.integers(5, 8),
    packet=st.integers(20, 222),
    duty=st.floats(0.001, 1),
    loss=st.floats(0, 0.9),
    sleep=st.none() | st.floats(0, 0.1),
    cell=st.sampled_from(list(CELLS)),
)
def test_costs_agree_for_lora_and_batteries(
    results: RunResults,
    protocol: ProtocolName,
    factor: int,
    block: int,
    packet: int,
    duty: float,
    loss: float,
    sleep: float | None,
    cell: str,
) -> None:
    changes = {"lora_spreading_factor": factor, "lora_block_symbols": block, "packet_payload_bytes": packet}
    changes |= {"uplink_bits_per_s": factor * 4 / block * 125e3 / 2**factor, "duty_cycle": duty, "loss": loss}
    changes |= {"promotion_s": 0.5, "keepalive_j": 1e-5, "keepalive_s": 2.0}
    link = load_link("lorawan_sf7").model_copy(update=changes)
    edge = make_setting().edge.model_copy(update={"sleep_w": sleep})
    assert_same(results, replace(make_setting(), edge=edge, link=link, protocol=protocol), CELLS[cell])


FRONT = """
import { nonDominated, knee, closestToIdeal } from "./pareto.js";
const front = input.map(({ losses }) => {
  const columns = losses.map((column) => column.map((value) => (value === null ? NaN : value)));
  const rows = Uint32Array.from(columns[0], (_, row) => row);
  const front = nonDominated(columns, rows);
  return { front: [...front], knee: knee(columns, front), ideal: closestToIdeal(columns, front) };
});
console.log(JSON.stringify(front));
"""


def fronts_agree(cases: Sequence[np.ndarray[Any, Any]]) -> None:
    content = [
        {"losses": [[None if np.isnan(v) else v for v in column] for column in case.T.tolist()]}
        for case in cases
    ]
    for case, theirs in zip(cases, run_node(FRONT, content), strict=True):
        known = np.flatnonzero(~np.isnan(case).any(axis=1))
        front = known[non_dominated(case[known])]
        assert theirs["front"] == front.tolist()
        best, ideal = knee(case[front]), closest_to_ideal(case[front])
        assert theirs["knee"] == (-1 if best is None else front[best])
        assert theirs["ideal"] == (-1 if ideal is None else front[ideal])


def test_fronts_agree_on_random_points_with_ties_duplicates_and_gaps() -> None:
    rng = np.random.default_rng(0)
    cases = [rng.random((800, axes)) for axes in (1, 2, 3, 4)]
    cases += [rng.integers(0, 9, (3000, axes)).astype(float) for axes in (1, 2, 3, 4)]
    cases += [np.repeat(rng.random((40, 3)), 20, axis=0), np.zeros((30, 2)), rng.random((1, 3))]
    gaps = rng.random((900, 3))
    gaps[rng.random(gaps.shape) < 0.2] = np.nan
    cases += [
        gaps,
        np.full((5, 2), np.nan),
        np.empty((0, 3)).reshape(0, 3)[:0] if False else rng.random((2, 2)),
    ]
    line = np.linspace(0, 1, 2000)
    cases += [np.stack([line, 1 - line, np.sin(line)], axis=1)]
    fronts_agree(cases)


def test_typed_column_is_exact_and_small() -> None:
    def restored(values: Any) -> tuple[str, np.ndarray[Any, Any]]:
        import base64

        column = typed_column(values)
        kind = {"u8": "<u1", "u16": "<u2", "u32": "<u4", "f64": "<f8"}[column["type"]]
        return column["type"], np.frombuffer(base64.b64decode(column["data"]), dtype=kind)

    for values, kind in (
        ([0, 255], "u8"),
        ([256, 1], "u16"),
        ([70_000], "u32"),
        ([5e9], "f64"),
        ([-1], "f64"),
        ([0.5, np.nan], "f64"),
        ([], "u8"),
    ):
        name, back = restored(values)
        assert name == kind
        np.testing.assert_array_equal(back, np.array(values, dtype=float))


BANDS = """
import { simultaneousZ } from "./band.js";
console.log(JSON.stringify(input.map((count) => simultaneousZ(count))));
"""


def test_the_band_is_as_wide_as_the_front_is_long() -> None:
    counts = [1, 2, 23, 56, 400]
    np.testing.assert_allclose(run_node(BANDS, counts), norm.isf(0.025 / np.array(counts)), rtol=1e-9)


CHOICES = """
import { decodeRun } from "./columns.js";
import { pickCommand } from "./command.js";
import { Model } from "./model.js";
import { initialState } from "./state.js";
const run = decodeRun(input.run);
const model = new Model(run);
console.log(JSON.stringify(input.states.map((changes) => {
  const state = { ...initialState(run, model.columns), ...changes };
  model.applySetting(state);
  model.applyChoice(state);
  const id = model.chosen < 0 ? null : model.id(model.chosen);
  const direction = model.metric(state.best).direction;
  const command = pickCommand(run, { ...state, bestDirection: direction }, id, true);
  return { id, front: [...model.front], feasible: model.feasible.length, command };
})));
"""


def limits(**bounds: tuple[str, float]) -> dict[str, Any]:
    return {name: {"operator": operator, "bound": bound} for name, (operator, bound) in bounds.items()}


OWN = limits(edge_memory_bytes=("<=", 180_000.0))
LATENCY = ["accuracy", "latency_model_s"]
STATES: list[dict[str, Any]] = [
    {},
    {"method": "ideal"},
    {"method": "weights", "weights": {"accuracy": 3}},
    {"method": "weights", "weights": {"edge_macs": 0}},
    {"method": "best", "best": "energy_model_j"},
    {"method": "best", "best": "accuracy"},
    {"method": "best", "best": "exit_rate"},
    {"limits": {}},
    {"limits": {}, "method": "ideal"},
    {"limits": OWN | limits(accuracy=(">=", 0.9))},
    {"limits": OWN | limits(accuracy=(">=", 0.95)), "method": "ideal"},
    {"limits": OWN | limits(payload_bytes=("<=", 100.0)), "method": "best", "best": "latency_model_s"},
    {"limits": limits(edge_memory_bytes=("<=", 60_000.0)), "method": "weights", "weights": {"accuracy": 2.5}},
    {"limits": OWN | limits(latency_model_s=("<=", 0.01)), "objectives": LATENCY},
    {"limits": OWN | limits(energy_model_j=("<=", 0.02), accuracy=(">=", 0.8)), "objectives": LATENCY},
    {"link": "ble_2m_dle", "objectives": LATENCY},
    {"link": "lorawan_sf7", "objectives": LATENCY, "method": "ideal"},
    {"link": "ble_2m_dle", "protocol": "frame", "objectives": LATENCY},
    {"protocol": "none", "objectives": ["accuracy", "wire_bytes", "energy_model_j"], "method": "ideal"},
    {"limits": OWN | limits(wire_bytes=("<=", 300.0)), "method": "best", "best": "wire_bytes"},
    {"edge": "rpi5", "server": "nvidia_t4", "objectives": ["accuracy", "energy_model_j", "payload_bytes"]},
    {"set": {"link.uplink_bits_per_s": 250_000, "link.loss": 0.2}, "objectives": LATENCY},
    {"set": {"link.tx_joules_per_bit": 1e-6, "link.rtt_s": 0.5}, "method": "best", "best": "energy_model_j"},
    {"link": "lte_2021", "set": {"link.message_energy_j": 0.5}, "method": "best", "best": "energy_model_j"},
    {
        "link": "lorawan_sf12",
        "protocol": "frame",
        "limits": limits(max_samples_per_day=(">=", 200.0)),
        "method": "best",
        "best": "max_samples_per_day",
    },
    {"objectives": ["accuracy", "edge_macs", "payload_bytes", "energy_model_j"], "link": "lte_huang2012"},
    {"deadline": 0.05, "limits": OWN | limits(deadline_missed=("<=", 0.2)), "objectives": LATENCY},
    {"deadline": 0.02, "link": "lte_2021", "method": "best", "best": "deadline_missed"},
    {"limits": OWN | limits(accuracy=(">=", 0.9999))},
    {"assured": True, "limits": OWN | limits(accuracy=(">=", 0.9))},
    {"assured": True, "limits": limits(accuracy=(">=", 0.8)), "method": "best", "best": "payload_bytes"},
    {"limits": limits(accuracy_ci95_low=(">=", 0.9)), "method": "best", "best": "edge_macs"},
    {"edge": "stm32f746", "limits": {}, "method": "best", "best": "accuracy"},
    {"edge": "stm32f746", "limits": {}, "method": "best", "best": "accuracy", "fitsDevice": False},
    {"set": {"edge.ram_bytes": 4000}, "limits": {}},
    {"set": {"edge.ram_bytes": 3000, "edge.flash_bytes": 9000}, "limits": {}, "method": "ideal"},
    {"set": {"edge.ram_bytes": 1}},
    {"set": {"edge.ram_bytes": 1}, "fitsDevice": False},
]


MISFITS = """
import { Model } from "./model.js";
import { decodeRun } from "./columns.js";
import { initialState } from "./state.js";
const run = decodeRun(input.run);
const model = new Model(run);
const state = initialState(run, model.columns);
console.log(JSON.stringify(input.devices.map((set) => {
  model.applySetting({ ...state, set });
  return Array.from({ length: run.numPoints }, (_, row) => model.misfit(row));
})));
"""


def test_page_and_pick_say_the_same_of_what_does_not_fit(results: RunResults) -> None:
    devices = [{}, {"edge.ram_bytes": 4000}, {"edge.ram_bytes": 3000, "edge.flash_bytes": 9000}]
    own = results.with_setting(results.setting)
    texts = run_node(MISFITS, {"run": embedded_run(own), "devices": devices})
    for changes, said in zip(devices, texts, strict=True):
        edge = own.setting.with_changes([f"{name}={value}" for name, value in changes.items()]).edge
        expected = [misfit(point, edge) for point in own.points.to_dict("records")]
        assert said == expected
        assert (set(said) == {""}) == (not changes)


def test_report_and_pick_choose_the_same_point(results: RunResults) -> None:
    content = {"run": embedded_run(results), "states": STATES}
    answers = run_node(CHOICES, content)
    for state, answer in zip(STATES, answers, strict=True):
        words = shlex.split(answer["command"])
        assert words[:3] == ["python", "-m", "explorer.pick"]
        parsed = make_parser("explorer.pick", "", EXAMPLES, add_arguments).parse_args(words[3:])
        roles = parsed.edge, parsed.server, parsed.link, parsed.protocol
        deadline = deadline_of(parsed)
        setting = make_setting().with_profiles(*roles, deadline.seconds if deadline else None)
        own = results.with_setting(setting.with_changes(parsed.set))
        if answer["feasible"] == 0:
            with pytest.raises(UserError, match="no operating point satisfies"):
                own.select(selection_of(parsed))
            continue
        pick = own.select(selection_of(parsed))
        assert pick.point["point_id"] == answer["id"], state
        assert pick.front.index.tolist() == answer["front"], state


CHANCES = """
import { pValue } from "./paired.js";
console.log(JSON.stringify(input.map(([first, second]) => pValue(first, second))));
"""


def test_chances_agree() -> None:
    rng = np.random.default_rng(2)
    pairs = [(first, second) for first in range(12) for second in range(12)]
    pairs += [tuple(pair) for most in (60, 2_000, 60_000) for pair in rng.integers(0, most, (30, 2)).tolist()]
    expected = [Comparison(*pair).p_value for pair in pairs]
    np.testing.assert_allclose(run_node(CHANCES, pairs), expected, rtol=1e-9, atol=1e-12)


GROUPS = """
import { decodeRun } from "./columns.js";
import { Model } from "./model.js";
import { initialState } from "./state.js";
const run = decodeRun(input.run);
const model = new Model(run);
console.log(JSON.stringify(input.states.map((changes) => {
  const state = { ...initialState(run, model.columns), ...changes };
  model.applySetting(state);
  model.applyChoice(state);
  return { groups: model.groups, cheaper: model.cheaperAlike < 0 ? null : model.id(model.cheaperAlike) };
})));
"""


@pytest.mark.slow
def test_page_and_pick_group_the_front_alike(tmp_path: Path) -> None:
    how = {"workers": 1, "energy": False, "progress": False, "reports": tmp_path}
    run = run_search("digits", trials=4, name="four", **how)  # type: ignore[arg-type]
    asked: list[tuple[dict[str, Any], Selection]] = [
        ({}, Selection()),
        ({"limits": limits(accuracy=(">=", 0.8))}, Selection(where=["accuracy >= 0.8"], relax=True)),
        ({"method": "best", "best": "accuracy"}, Selection(maximize="accuracy")),
    ]
    content = {"run": embedded_run(run.results), "states": [state for state, _ in asked]}
    cheaper = []
    for (_, selection), theirs in zip(asked, run_node(GROUPS, content), strict=True):
        pick = run.results.select(selection)
        alike = run.results.select(replace(selection, indifferent=True))
        cheaper.append(theirs["cheaper"])
        assert (cheaper[-1] or pick.point["point_id"]) == alike.point["point_id"]
        rows = run.points.index[run.points["point_id"].isin(pick.front["point_id"])]
        own = grouped_front(run.results, pick)
        assert any(group.alike for group in own)
        assert theirs["groups"] == [
            {
                name: np.asarray(rows)[list(places)].tolist()
                for name, places in (("steps", group.steps), ("alike", group.alike))
            }
            | {"shown": int(rows[group.shown])}
            for group in own
        ]
    assert any(cheaper)


HYPERVOLUME = """
import { hypervolumeShare } from "./hypervolume.js";
const share = ({ points, reference, ideal }) => hypervolumeShare(points, reference, ideal);
console.log(JSON.stringify(input.map(share)));
"""


def test_hypervolumes_agree() -> None:
    rng = np.random.default_rng(1)
    cases = [(rng.random((count, axes)), axes) for axes in (1, 2, 3, 4) for count in (0, 1, 5, 40)]
    cases += [(rng.integers(0, 5, (60, 3)) / 4, 3)]
    content = [
        {"points": points.tolist(), "reference": [0.9] * axes, "ideal": [-0.1] * axes}
        for points, axes in cases
    ]
    expected = [hypervolume(points, np.full(axes, 0.9), np.full(axes, -0.1)) for points, axes in cases]
    assert run_node(HYPERVOLUME, content) == pytest.approx(expected, abs=1e-12)


def test_csv_cells() -> None:
    """What a spreadsheet would run is disarmed alike in the page's CSV and in ``front.csv``."""
    starts = ["", "=", "+", "-", "@", "\t", "'", "a=", " =", '"', ",", "\n"]
    texts = [f"{start}{rest}" for start in starts for rest in ("mlp", "1+1", 'say "x", y')]
    script = "import { csvField } from './format.js';\nconsole.log(JSON.stringify(input.map(csvField)));"
    cells = run_node(script, texts)
    for text, cell in zip(texts, cells, strict=True):
        assert csv_text(pd.DataFrame({"key": ["x"], "text": [text]})) == f"key,text\nx,{cell}\n"
