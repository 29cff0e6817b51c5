"""Times and energies against arithmetic written out beside each assertion."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from published_networks import mobilenet_v1

from explorer.costs.latency import (
    bytes_on_air,
    lawful_wait_s,
    messages_per_day,
    operator_times_s,
    request_bytes,
    transfer_energy_j,
    transfer_time_s,
)
from explorer.devices import PROTOCOLS, DeviceProfile, LinkProfile, link_names, load_device, load_link
from explorer.devices.operators import operator_columns
from explorer.runtime.sizes import FRAME_BYTES, REQUEST_OVERHEAD

PAYLOADS = st.floats(min_value=1, max_value=1e9)


def device(**quantities: Any) -> DeviceProfile:
    return DeviceProfile(name="d", kind="device", description="", **quantities)


def link(**quantities: float) -> LinkProfile:
    return LinkProfile(name="l", kind="link", description="", **quantities)


def test_operator_is_bound_by_compute_or_by_memory() -> None:
    roof = device(macs_per_s=100, memory_bandwidth_bytes_per_s=10, call_overhead_s=0.5)
    # 200 MAC / 100 = 2 s against 10 B / 10 = 1 s; 50 / 100 = 0.5 s against 40 / 10 = 4 s; nothing at all
    times = operator_times_s([200, 50, 0], [10, 40, 0], roof)
    assert times.tolist() == [2 + 0.5, 4 + 0.5, 0 + 0.5]


def test_unknown_bandwidth_and_overhead_are_left_out() -> None:
    assert operator_times_s([200, 50], [1e9, 1e9], device(macs_per_s=100)).tolist() == [2.0, 0.5]


def test_operator_times_are_unknown_without_a_rate() -> None:
    times = operator_times_s([1, 2, 3], 4, device(memory_bandwidth_bytes_per_s=10))
    assert times.shape == (3,)
    assert np.isnan(times).all()
    assert np.isnan(operator_times_s([1.0], [1.0], load_device("esp32"))).all()


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        *(("rpi4", 0.06117), ("rpi_zero_2w", 0.16319), ("jetson_nano", 0.04205), ("xeon_8124m", 3.17e-3)),
        *(("jetson_nano_gpu", 0.01609), ("jetson_orin_nano", 3.66e-3)),
        ("rpi5", 0.06117 * 11.774 / 37.888),
    ],
)
def test_a_profile_gives_the_time_it_was_derived_from(name: str, seconds: float) -> None:
    """MobileNet-v1, as the sources name it: 568 740 352 MAC."""
    network = operator_columns(mobilenet_v1())
    assert network["macs"].sum() == 568_740_352
    assert operator_times_s(**network, device=load_device(name)).sum() == pytest.approx(seconds, rel=0.01)


@pytest.mark.parametrize(
    ("name", "macs", "seconds"),
    [
        # the U-Net of 17 031 168 MAC ran 165.983 ms at 480 MHz, so 165.983 x 480 / 280 ms at 280 MHz
        ("stm32h7a3", 17_031_168, 0.165983 * 480 / 280),
        ("stm32h745", 17_031_168, 0.165983),
        ("stm32l4r5", 950_717, 0.099405 * 84 / 120),  # measured at 84 MHz, to hold at 120
    ],
)
def test_a_microcontroller_takes_the_time_it_was_derived_from(name: str, macs: int, seconds: float) -> None:
    device = load_device(name)
    assert device.memory_bandwidth_bytes_per_s is None  # so operators add up to their MACs alone
    times = operator_times_s([macs // 2, macs - macs // 2, 0], [0, 10**6, 10**6], device)
    assert times.sum() == pytest.approx(seconds, rel=0.01)


def test_times_of_kinds_add_up() -> None:
    kinds = {"conv": {"s_per_call": 1.0, "s_per_mac": 0.1, "s_per_byte": 0.01, "s_per_group": 0.001}}
    timed = device(macs_per_s=1e9, operators=kinds | {"other": {"s_per_call": 7.0}})
    conv = operator_times_s([20], [300], timed, "conv", groups=4, added_macs=5, added_bytes=100)
    assert conv == pytest.approx([1 + 0.1 * (20 + 5) + 0.01 * (300 + 100) + 0.001 * 4])
    assert operator_times_s([20, 0], [300, 1], timed, ["pool", "norm"]).tolist() == [7.0, 7.0]


@given(
    st.lists(st.tuples(PAYLOADS, PAYLOADS), min_size=1, max_size=5), st.floats(1, 1e12), st.floats(1, 1e12)
)
def test_operator_time_is_at_least_each_limit(
    work: list[tuple[float, float]], rate: float, bandwidth: float
) -> None:
    macs, moved = np.array(work).T
    times = operator_times_s(macs, moved, device(macs_per_s=rate, memory_bandwidth_bytes_per_s=bandwidth))
    assert (times >= macs / rate).all()
    assert (times >= moved / bandwidth).all()
    assert ((times == macs / rate) | (times == moved / bandwidth)).all()


def test_headers_per_message_and_per_packet() -> None:
    wire = link(header_bytes_per_message=7, header_bytes_per_packet=3, packet_payload_bytes=100)
    # 1 packet, 1 packet, 2 packets, not sent
    expected = [1 + 7 + 3, 100 + 7 + 3, 101 + 7 + 2 * 3, 0]
    assert bytes_on_air([1, 100, 101, 0], wire).tolist() == expected


def test_message_is_one_packet_when_no_packet_size_is_known() -> None:
    assert bytes_on_air([5000], link(header_bytes_per_packet=40)).tolist() == [5000 + 40]


@pytest.mark.parametrize(
    ("protocol", "overhead"), [("http", REQUEST_OVERHEAD), ("frame", FRAME_BYTES), ("none", 0)]
)
def test_a_request_is_a_payload_and_what_the_protocol_puts_around_it(protocol: str, overhead: int) -> None:
    assert request_bytes([1, 74.5, 0], PROTOCOLS[protocol]).tolist() == [1 + overhead, 74.5 + overhead, 0]


def test_transfer_time_and_energy_per_bit() -> None:
    wire = link(
        uplink_bits_per_s=800,
        tx_joules_per_bit=0.5,
        message_energy_j=9,
        header_bytes_per_message=10,
        rtt_s=100,
    )
    # (90 + 10) B = 800 bit: 1 s without the round trip; 800 x 0.5 J + 9 J; an empty message costs nothing
    assert transfer_time_s([90, 0], wire).tolist() == [1.0, 0.0]
    assert transfer_energy_j([90, 0], wire).tolist() == [400.0 + 9.0, 0.0]


def test_transfer_energy_from_a_power_that_grows_with_the_rate() -> None:
    power = {"tx_alpha_w_per_bit_per_s": 438.39e-9, "tx_beta_w": 1.28804}
    phone = link(uplink_bits_per_s=5.85e6, **power, message_energy_j=0)
    # 438.39 mW/(Mb/s) x 5.85 Mb/s + 1 288.04 mW = 3.8526 W during 8 x 1e6 / 5.85e6 s
    watts = 438.39e-3 * 5.85 + 1.28804
    assert transfer_energy_j(1e6, phone) == pytest.approx(watts * 8e6 / 5.85e6)


def test_transfer_is_unknown_without_rate_or_energy_model() -> None:
    nothing = link(message_energy_j=1)
    assert math.isnan(transfer_energy_j(5, link(tx_joules_per_bit=1)))  # a message beyond its bits: unknown
    assert transfer_energy_j(0, link(tx_joules_per_bit=1)) == 0
    assert transfer_time_s([0], nothing).tolist() == transfer_energy_j([0], nothing).tolist() == [0.0]
    assert math.isnan(transfer_time_s(5, nothing))
    assert math.isnan(transfer_energy_j(5, nothing))
    assert math.isnan(transfer_energy_j(5, link(tx_alpha_w_per_bit_per_s=1, tx_beta_w=1)))
    assert math.isnan(transfer_time_s(math.nan, link(uplink_bits_per_s=1)))


@pytest.mark.parametrize(
    ("name", "payload", "seconds", "joules"),
    [
        # one packet: its air time at 137 mW, and two receive windows at 3.3 V x 12.68 mA
        ("lorawan_sf7", 51, 118.0e-3, 16.2e-3 + 9.26e-3),
        ("lorawan_sf12", 51, 2793.5e-3, 382.9e-3 + 16.45e-3),
        # 244 bytes fill a packet; the clocks' drift costs 2.45 uJ of listening
        ("ble_1m_dle", 244, 2468e-6, 33.94e-6 + 2.45e-6),
        ("ble_2m_dle", 244, 1392e-6, 18.60e-6 + 2.45e-6),
        # 658.6 nJ per bit x 8e6 bit + 12.76 J for the isolated message; 290.2 nJ per bit + 0.04 J
        ("lte_huang2012", 1e6, 8e6 / 5.85e6, 658.6e-9 * 8e6 + 12.76),
        ("wifi_huang2012", 1e6, 8e6 / 1.888e7, 290.2e-9 * 8e6 + 0.04),
        # 80.21e-3 x 31.2 + 0.441 = 2.944 W of radio for 8e6 / 31.2e6 s; 0.29 s of raising, 10.1 s of tail
        ("lte_2021", 1e6, 8e6 / 31.2e6, 2.944 * 8e6 / 31.2e6 + (0.29 + 10.1) * 0.441),
        ("nb_iot", 16, 12.8e-3, 128 * 5.4e-5 + 0.0122 + 10 * 0.0227),
        ("wifi_esp32_11n", 1e6, 0.4, 8e6 * 2.97e-8 + 0.05 * 0.3135),
    ],
)
def test_shipped_links_reproduce_their_evidence(
    name: str, payload: float, seconds: float, joules: float
) -> None:
    assert transfer_time_s(payload, load_link(name)) == pytest.approx(seconds, rel=0.01)
    assert transfer_energy_j(payload, load_link(name)) == pytest.approx(joules, rel=0.01)


@pytest.mark.parametrize("profile", [load_link(name) for name in link_names()], ids=lambda link: link.name)
@given(small=PAYLOADS, more=PAYLOADS)
def test_a_larger_payload_never_costs_less(profile: LinkProfile, small: float, more: float) -> None:
    for cost in (transfer_time_s, transfer_energy_j):
        low, high = cost([small, small + more], profile)
        assert 0 < low <= high
    low, high = lawful_wait_s([small, small + more], profile)
    assert 0 <= low <= high * (1 + 1e-9) + 1e-9


def test_500_bytes_at_sf12_take_lawfully_what_they_must() -> None:
    slow = load_link("lorawan_sf12")
    air_s = float(transfer_time_s(500, slow))
    assert air_s == pytest.approx(27.6, abs=0.05)
    # nine packets of 51 bytes, 2.7935 s each, are followed by 99 times their air time; the last by nothing
    assert float(lawful_wait_s(500, slow)) == pytest.approx(9 * 99 * 2.793472)
    assert air_s + float(lawful_wait_s(500, slow)) == pytest.approx(2517, abs=0.5)
    assert lawful_wait_s([51, 500], load_link("ble_2m_dle")).tolist() == [0, 0]
    assert lawful_wait_s([1, 51], slow).tolist() == [0, 0]


def test_lost_packets_wait_for_their_repetition() -> None:
    packet = link(uplink_bits_per_s=8, duty_cycle=0.1, loss=0.5)
    # 10 bytes take 10 s and are sent twice on average: the first time is followed by 90 s of silence
    assert float(transfer_time_s(10, packet)) == 20
    assert float(lawful_wait_s(10, packet)) == pytest.approx(90)


@given(st.floats(1, 1e4), st.floats(0.001, 1))
def test_as_many_messages_a_day_as_the_duty_cycle_has_room_for(size: float, duty: float) -> None:
    own = link(uplink_bits_per_s=1000, duty_cycle=duty)
    a_day = float(messages_per_day(size, own))
    assert a_day * float(transfer_time_s(size, own)) == pytest.approx(86_400 * duty)
    assert math.isnan(messages_per_day(size, link(uplink_bits_per_s=1000)))
    assert messages_per_day(0, own) == math.inf
