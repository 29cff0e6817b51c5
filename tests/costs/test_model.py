"""Expected costs by the written formula, for a device and a link whose numbers fit in the head."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from explorer.core.payload import PayloadForm, encoded_bytes
from explorer.core.run_point import RunPoint
from explorer.core.sweep import POINT_COLUMNS
from explorer.costs.model import CostModel
from explorer.costs.split_costs import SplitCosts
from explorer.devices import PROTOCOLS, DeviceProfile, LinkProfile, ProtocolName, Setting
from explorer.devices.operators import Operator
from explorer.runtime.sizes import FRAME_ANSWER_BYTES, FRAME_BYTES, REQUEST_OVERHEAD, RESPONSE_BYTES

EDGE: dict[str, Any] = {
    "macs_per_s": 1000.0,
    "memory_bandwidth_bytes_per_s": 100.0,
    "call_overhead_s": 0.5,
    "active_w": 3.0,
    "idle_w": 0.25,
}
SERVER: dict[str, Any] = {"macs_per_s": 8000.0}
LINK: dict[str, Any] = {
    "uplink_bits_per_s": 16.0,
    "rtt_s": 0.125,
    "tx_joules_per_bit": 0.01,
    "message_energy_j": 0.0,
}


def setting(
    edge: dict[str, Any] = EDGE,
    server: dict[str, Any] = SERVER,
    link: dict[str, Any] = LINK,
    protocol: ProtocolName = "none",
) -> Setting:
    """Payloads travel alone but where a test asks for messages around them."""
    return Setting(
        DeviceProfile(name="e", kind="device", description="", **edge),
        DeviceProfile(name="s", kind="device", description="", **server),
        LinkProfile(name="l", kind="link", description="", **link),
        protocol,
    )


def split(name: str, **changes: Any) -> SplitCosts:
    """A split point of an imaginary network; sizes are chosen to be told apart."""
    costs: dict[str, Any] = {
        "shape": (20,),
        "payload_elements": 20,
        "edge_macs": 4000,
        "edge_macs_dense": 8000,
        "server_macs": 2000,
        "server_macs_dense": 2500,
        "exit_macs": 60,
        "edge_param_bytes": 700,
        "server_param_bytes": 300,
        "exit_param_bytes": 50,
        "edge_index_bytes": 30,
        "peak_activation_bytes": 9000,
        "exit_peak_bytes": 9000,
        "edge_ram_bytes": 120,
        "exit_ram_bytes": 90,
        "operators": (Operator(4000, 100),),
        "exit_operators": (Operator(60, 10),),
    }
    return SplitCosts(name=name, **(costs | changes))


SPLITS = (
    split("input", edge_macs=0, edge_macs_dense=0, server_macs=6000, edge_param_bytes=0, operators=()),
    split("fc1"),
    split(
        "output",
        edge_macs=6000,
        edge_macs_dense=10500,
        server_macs=0,
        exit_macs=0,
        exit_param_bytes=0,
        exit_ram_bytes=0,
        operators=(Operator(2000, 300),),
        exit_operators=(),
    ),
)


def sweep(*rows: tuple[str, int | None, float, int, int]) -> pd.DataFrame:
    """Points of ten samples, their payloads as long as the encoder makes them."""
    sent = [(10 - exited) * (encoded_bytes(20, bits) if bits else 0) for _, bits, _, _, exited in rows]
    points = pd.DataFrame(rows, columns=POINT_COLUMNS[:-1]).assign(sent_bytes=sent)
    return points.astype({"payload_bits": "Int64"})


def point(row: tuple[str, int | None, float, int, int], where: Setting | None = None) -> "pd.Series[Any]":
    return CostModel(where or setting()).points(sweep(row), SPLITS, 10).iloc[0]


# 10 samples, 7 of which exit: q = 0.3
WITH_EXIT = ("fc1", 8, 0.5, 8, 7)
WITHOUT_EXIT = ("fc1", 16, np.nan, 6, 0)


def test_counts_with_an_exit_classifier() -> None:
    own = point(WITH_EXIT)
    assert own["accuracy"] == 0.8
    assert own["exit_rate"] == 0.7
    assert own["edge_macs"] == 4000 + 60
    assert own["edge_macs_dense"] == 8000 + 60
    assert own["server_macs"] == pytest.approx(0.3 * 2000)
    assert own["edge_param_bytes"] == 700 + 50
    assert own["edge_flash_bytes"] == 700 + 50 + 30
    assert own["edge_ram_bytes"] == max(120, 90)
    assert own["edge_memory_bytes"] == 780 + 120
    assert own["payload_bytes"] == pytest.approx(0.3 * (10 + 20))  # header and one byte per value


def test_counts_without_an_exit_classifier() -> None:
    own = point(WITHOUT_EXIT)
    assert own["edge_macs"] == 4000
    assert own["edge_macs_dense"] == 8000
    assert own["server_macs"] == 2000
    assert own["edge_flash_bytes"] == 700 + 30
    assert own["edge_memory_bytes"] == 730 + 120
    assert own["payload_bytes"] == 10 + 2 * 20


def test_payloads_of_unequal_length_cost_their_mean() -> None:
    equal, unequal = sweep(WITH_EXIT), sweep(WITH_EXIT).assign(sent_bytes=3 * 17)
    costs = CostModel(setting()).points(unequal, SPLITS, 10).iloc[0]
    assert costs["payload_bytes"] == pytest.approx(5.1)
    expected = CostModel(setting()).points(equal, SPLITS, 10).iloc[0]
    # 13 bytes less for three of ten samples: on the air, and moved by encoder and decoder
    saved_s = 0.3 * (13 / 100 + 8 * 13 / 16)
    assert expected["latency_model_s"] - costs["latency_model_s"] == pytest.approx(saved_s)


@pytest.mark.parametrize(("bits", "stored"), [(16, 0), (8, 48), (2, 48)])
def test_the_edge_stores_the_range_of_up_to_8_bits(bits: int, stored: int) -> None:
    splits = (split("fc1", range_bytes=48),)
    own = CostModel(setting()).points(sweep(("fc1", bits, np.nan, 6, 0)), splits, 10).iloc[0]
    assert own["edge_param_bytes"] == 700 + stored
    assert own["edge_flash_bytes"] == 700 + stored + 30


def test_exit_classifier_can_need_the_most_memory() -> None:
    splits = (split("fc1", exit_ram_bytes=500),)
    with_exit = CostModel(setting()).points(sweep(WITH_EXIT), splits, 10).iloc[0]
    without = CostModel(setting()).points(sweep(WITHOUT_EXIT), splits, 10).iloc[0]
    assert (with_exit["edge_ram_bytes"], without["edge_ram_bytes"]) == (500, 120)
    assert with_exit["edge_memory_bytes"] == 780 + 500


def test_latency_and_energy_with_an_exit_classifier() -> None:
    q = 0.3
    # operators on the edge take max(MACs / 1000, bytes / 100) + 0.5; on the server MACs / 8000
    edge_s = max(4000 / 1000, 100 / 100) + 0.5 + max(60 / 1000, 10 / 100) + 0.5
    moved = 4 * 20 + 30  # the float tensor and its encoded form
    encode_s = max(20 / 1000, moved / 100) + 0.5
    transfer_s = 8 * 30 / 16
    wait_s = 0.125 + transfer_s + 20 / 8000 + 2000 / 8000
    own = point(WITH_EXIT)
    assert own["latency_model_s"] == pytest.approx(edge_s + q * (encode_s + wait_s))
    transmit_j = 8 * 30 * 0.01
    assert own["energy_model_j"] == pytest.approx(
        (edge_s + q * encode_s) * 3.0 + q * (transmit_j + wait_s * 0.25)
    )


def test_latency_of_offloading_everything_as_floats() -> None:
    own = point(("input", 32, np.nan, 9, 0))
    encoded = 10 + 4 * 20
    encode_s = (4 * 20 + encoded) / 100 + 0.5  # floats are copied, not computed
    wait_s = 0.125 + 8 * encoded / 16 + 0 / 8000 + (4000 + 2000) / 8000
    assert own["latency_model_s"] == pytest.approx(encode_s + wait_s)
    assert own["energy_model_j"] == pytest.approx(encode_s * 3.0 + 8 * encoded * 0.01 + wait_s * 0.25)


def test_whole_network_on_the_edge() -> None:
    own = point(("output", None, 0.0, 9, 10))
    edge_s = (4.0 + 0.5) + (max(2.0, 3.0) + 0.5)
    assert own["latency_model_s"] == pytest.approx(edge_s)
    assert own["energy_model_j"] == pytest.approx(edge_s * 3.0)
    assert own["payload_bytes"] == 0
    assert own["server_macs"] == 0
    assert own["edge_macs"] == 6000
    assert own["edge_memory_bytes"] == 730 + 120


def test_packet_headers_cost_time_and_energy_but_are_no_payload() -> None:
    link = LINK | {"header_bytes_per_packet": 2, "packet_payload_bytes": 25}
    plain, own = point(WITHOUT_EXIT), point(WITHOUT_EXIT, setting(link=link))
    extra_bits = 8 * 2 * 2  # 50 bytes in two packets
    assert own["payload_bytes"] == plain["payload_bytes"]
    assert own["latency_model_s"] - plain["latency_model_s"] == pytest.approx(extra_bits / 16)
    assert own["energy_model_j"] - plain["energy_model_j"] == pytest.approx(
        extra_bits * 0.01 + extra_bits / 16 * 0.25
    )


SIZES = {
    "http": (REQUEST_OVERHEAD, RESPONSE_BYTES),
    "frame": (FRAME_BYTES, FRAME_ANSWER_BYTES),
    "none": (0, 0),
}
PROTOCOL_NAMES: list[ProtocolName] = ["http", "frame", "none"]


@pytest.mark.parametrize("protocol", PROTOCOL_NAMES)
def test_messages_around_payloads_cost_bytes_time_and_energy(protocol: ProtocolName) -> None:
    q, (overhead, answer) = 0.3, SIZES[protocol]
    alone, own = point(WITH_EXIT), point(WITH_EXIT, setting(protocol=protocol))
    assert own["payload_bytes"] == alone["payload_bytes"] == alone["wire_bytes"] == pytest.approx(q * 30)
    assert own["wire_bytes"] == pytest.approx(q * (30 + overhead))
    # both messages wait for 16 bit/s; the edge sends one at 0.01 J a bit and idles at 0.25 W through both
    extra_s = 8 * (overhead + answer) / 16
    assert own["latency_model_s"] - alone["latency_model_s"] == pytest.approx(q * extra_s)
    extra_j = 8 * overhead * 0.01 + extra_s * 0.25
    assert own["energy_model_j"] - alone["energy_model_j"] == pytest.approx(q * extra_j)


def test_the_link_puts_headers_around_requests_and_answers() -> None:
    # a request of 50 + 24 bytes is 2 packets of 40, an answer of 32 is one; a fifth of all packets is lost
    link = LINK | {"header_bytes_per_packet": 3, "header_bytes_per_message": 5, "packet_payload_bytes": 40}
    own = point(WITHOUT_EXIT, setting(link=link | {"loss": 0.2}, protocol="frame"))
    alone = point(WITHOUT_EXIT, setting(link=LINK | {"loss": 0.2}))
    request, answer = (50 + 24 + 5 + 2 * 3) / 0.8, (32 + 5 + 3) / 0.8
    more_bits = 8 * (request - 50 / 0.8)
    assert own["wire_bytes"] == 50 + 24  # what is handed to the link, not what the link makes of it
    extra_s = more_bits / 16 + 8 * answer / 16
    assert own["latency_model_s"] - alone["latency_model_s"] == pytest.approx(extra_s)
    assert own["energy_model_j"] - alone["energy_model_j"] == pytest.approx(more_bits * 0.01 + extra_s * 0.25)


@pytest.mark.parametrize("protocol", PROTOCOL_NAMES)
def test_what_sends_nothing_has_nothing_on_the_wire(protocol: ProtocolName) -> None:
    for row in (("output", None, 0.0, 9, 10), ("fc1", 8, 0.0, 8, 10)):
        own, alone = point(row, setting(protocol=protocol)), point(row)
        assert own["wire_bytes"] == 0
        assert own["latency_model_s"] == alone["latency_model_s"]
        assert own["energy_model_j"] == alone["energy_model_j"]


def test_inputs_sent_as_files_need_messages_too() -> None:
    file = sweep(("input", None, np.nan, 9, 0)).assign(sent_bytes=10 * 77)  # such as JPEG files
    costs = CostModel(setting(protocol="frame")).points(file, SPLITS, 10).iloc[0]
    assert costs["wire_bytes"] == 77 + 24


@given(
    exited=st.integers(0, 10),
    bits=st.sampled_from([2, 4, 6, 8, 16, 32]),
    protocol=st.sampled_from(PROTOCOL_NAMES),
    spoilt=st.integers(0, 500),
)
def test_wire_bytes_are_payload_bytes_and_the_overhead_of_what_is_offloaded(
    exited: int, bits: int, protocol: ProtocolName, spoilt: int
) -> None:
    rows = sweep(("fc1", bits, 0.5, 5, exited))
    rows["sent_bytes"] += spoilt * (exited < 10)  # payloads of any length, as compression gives them
    own = CostModel(setting(protocol=protocol)).points(rows, SPLITS, 10).iloc[0]
    q = 1 - exited / 10
    assert own["wire_bytes"] == pytest.approx(own["payload_bytes"] + q * SIZES[protocol][0], abs=1e-12)
    assert SIZES[protocol] == (PROTOCOLS[protocol].overhead_bytes, PROTOCOLS[protocol].answer_bytes)


@pytest.mark.parametrize("protocol", PROTOCOL_NAMES)
def test_bounds_before_training_hold_for_every_offload_rate(protocol: ProtocolName) -> None:
    model = CostModel(setting(protocol=protocol))
    bounds = model.lower_bounds(RunPoint("fc1", 0.5, 8), SPLITS, PayloadForm((8,)))
    assert bounds["wire_bytes"] == (0, 30 + SIZES[protocol][0])
    for exited in range(11):
        own = model.points(sweep(("fc1", 8, 0.5, 5, exited)), SPLITS, 10).iloc[0]
        for column in ("wire_bytes", "latency_model_s", "energy_model_j"):
            low, high = bounds[column]
            assert low - 1e-9 <= own[column] <= high + 1e-9


@pytest.mark.parametrize(
    ("role", "quantity", "unknown_with_offload", "unknown_on_the_edge"),
    [
        ("edge", "macs_per_s", {"latency", "energy"}, {"latency", "energy"}),
        ("edge", "active_w", {"energy"}, {"energy"}),
        ("edge", "idle_w", {"energy"}, set()),
        ("edge", "memory_bandwidth_bytes_per_s", set(), set()),
        ("server", "macs_per_s", {"latency", "energy"}, set()),
        ("link", "uplink_bits_per_s", {"latency", "energy"}, set()),
        ("link", "rtt_s", {"latency", "energy"}, set()),
        ("link", "tx_joules_per_bit", {"energy"}, set()),
        ("link", "message_energy_j", {"energy"}, set()),
    ],
)
def test_missing_numbers_leave_out_what_needs_them(
    role: str, quantity: str, unknown_with_offload: set[str], unknown_on_the_edge: set[str]
) -> None:
    profiles = {"edge": EDGE, "server": SERVER, "link": LINK}
    profiles[role] = {name: value for name, value in profiles[role].items() if name != quantity}
    lacking = setting(**profiles)
    assert quantity in lacking.missing()[role]
    # offloading; every sample exits, so q = 0; the whole network on the edge
    rows = [WITH_EXIT, ("fc1", 8, 0.0, 8, 10), ("output", None, 0.0, 9, 10)]
    points = CostModel(lacking).points(sweep(*rows), SPLITS, 10)
    unknown = [unknown_columns(row) for row in points.to_dict("records")]
    assert unknown == [unknown_with_offload, unknown_on_the_edge, unknown_on_the_edge]
    latencies = ["latency_model_s", "latency_exit_s", "latency_offload_s", "deadline_missed"]
    modelled = [*latencies, "energy_model_j", "max_samples_per_day"]
    counted = points.drop(columns=[*modelled, "payload_bits"])
    assert counted.notna().all(axis=None)


def test_a_message_wakes_the_radio_and_leaves_it_up() -> None:
    radio = {name: value for name, value in LINK.items() if name != "message_energy_j"}
    radio |= {"promotion_s": 0.5, "promotion_j": 2.0, "tail_s": 10.0, "tail_w": 0.75}
    plain, own = point(WITH_EXIT), point(WITH_EXIT, setting(link=radio))
    assert own["latency_model_s"] - plain["latency_model_s"] == pytest.approx(0.3 * 0.5)
    # three of ten samples are sent, each alone: the edge idles at 0.25 W until the radio is up
    per_message = 2.0 + 10.0 * 0.75 + 0.5 * 0.25
    assert own["energy_model_j"] - plain["energy_model_j"] == pytest.approx(0.3 * per_message)


@pytest.mark.parametrize(("sleep_w", "silent_w"), [(0.125, 0.125), (None, 0.25)])
def test_a_duty_cycle_keeps_packets_apart(sleep_w: float | None, silent_w: float) -> None:
    packets = LINK | {"packet_payload_bytes": 20}
    edge = EDGE | {"sleep_w": sleep_w}
    plain = point(WITHOUT_EXIT, setting(edge=edge, link=packets))
    own = point(WITHOUT_EXIT, setting(edge=edge, link=packets | {"duty_cycle": 0.2}))
    # 50 bytes are packets of 20, 20 and 10; after the first two the radio is silent four times as long
    silent_s = 2 * 4 * 8 * 20 / 16
    assert own["latency_model_s"] - plain["latency_model_s"] == pytest.approx(silent_s)
    assert own["energy_model_j"] - plain["energy_model_j"] == pytest.approx(silent_s * silent_w)


def test_a_duty_cycle_limits_the_samples_of_a_day() -> None:
    law = setting(link=LINK | {"duty_cycle": 0.01})
    air_s = 8 * 30 / 16
    assert point(WITH_EXIT, law)["max_samples_per_day"] == pytest.approx(86_400 * 0.01 / (0.3 * air_s))
    # without the link only the device's own time limits it; without a law nothing is said
    on_the_edge = point(("output", None, 0.0, 9, 10), law)
    assert on_the_edge["max_samples_per_day"] == pytest.approx(86_400 / on_the_edge["latency_model_s"])
    assert np.isnan(point(WITH_EXIT)["max_samples_per_day"])


def unknown_columns(row: dict[str, Any]) -> set[str]:
    columns = {"latency": "latency_model_s", "energy": "energy_model_j"}
    return {name for name, column in columns.items() if np.isnan(row[column])}


@given(st.lists(st.integers(0, 10), min_size=2, max_size=2).map(sorted), st.sampled_from([8, 16, 32]))
def test_costs_fall_as_more_samples_exit(exited: list[int], bits: int) -> None:
    fewer, more = (point(("fc1", bits, 0.5, 5, number)) for number in exited)
    for column in ("server_macs", "payload_bytes", "wire_bytes", "latency_model_s", "energy_model_j"):
        assert more[column] <= fewer[column] + 1e-9
    for column in ("edge_macs", "edge_memory_bytes", "accuracy"):
        assert more[column] == fewer[column]


def test_rows_keep_their_order_and_columns() -> None:
    rows = sweep(("output", None, 0.0, 9, 10), WITH_EXIT, ("input", 8, np.nan, 4, 0), WITHOUT_EXIT)
    rows.index = pd.Index([7, 7, 3, 1])
    together = CostModel(setting()).points(rows.assign(reference=list("abcd")), SPLITS, 10)
    assert together["reference"].tolist() == list("abcd")
    assert together.index.tolist() == [0, 1, 2, 3]
    for number, row in enumerate([("output", None, 0.0, 9, 10), WITH_EXIT, ("input", 8, np.nan, 4, 0)]):
        pd.testing.assert_series_equal(
            together.drop(columns="reference").iloc[number], point(row), check_names=False
        )


def test_interval_belongs_to_the_accuracy() -> None:
    own = point(WITH_EXIT)
    interval = binomtest(8, 10).proportion_ci(0.95, method="wilson")
    assert (own["accuracy_ci95_low"], own["accuracy_ci95_high"]) == pytest.approx(
        (interval.low, interval.high)
    )
