"""LoRa's time on air against Semtech's formula, written out again from the data sheet."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.costs.latency import transfer_time_s
from explorer.costs.lora import lora_bytes
from explorer.devices import LinkProfile, load_link

SPREADING_FACTORS = range(7, 13)
MAC_BYTES = 13
BANDWIDTH = 125e3


def semtech_s(packet_bytes: int, factor: int, code: int = 1, preamble: int = 8) -> float:
    """SX1276 data sheet, LoRa packet structure; AN1200.13: explicit header, CRC on."""
    symbol_s = 2**factor / BANDWIDTH
    optimised = int(factor >= 11)
    bits = 8 * packet_bytes - 4 * factor + 28 + 16
    payload = 8 + max(math.ceil(bits / (4 * (factor - 2 * optimised))) * (code + 4), 0)
    return (preamble + 4.25 + payload) * symbol_s


def lora(factor: int, packet: float = 222, block: int = 5, preamble: int = 8) -> LinkProfile:
    changes = {"lora_spreading_factor": factor, "packet_payload_bytes": packet, "lora_block_symbols": block}
    changes |= {"lora_preamble_symbols": preamble}
    changes |= {"uplink_bits_per_s": factor * 4 / block * BANDWIDTH / 2**factor}
    return load_link("lorawan_sf7").model_copy(update=changes)


@pytest.mark.parametrize("factor", SPREADING_FACTORS)
def test_every_packet_of_1_to_222_bytes_takes_the_time_of_the_formula(factor: int) -> None:
    sizes = np.arange(1, 223)
    expected = [semtech_s(MAC_BYTES + size, factor) for size in sizes]
    np.testing.assert_allclose(transfer_time_s(sizes, lora(factor)), expected, rtol=1e-12)


@pytest.mark.parametrize(("name", "factor", "largest"), [("lorawan_sf7", 7, 222), ("lorawan_sf12", 12, 51)])
def test_shipped_profiles_are_exact_up_to_a_whole_packet(name: str, factor: int, largest: int) -> None:
    sizes = np.arange(1, largest + 1)
    expected = [semtech_s(MAC_BYTES + size, factor) for size in sizes]
    np.testing.assert_allclose(transfer_time_s(sizes, load_link(name)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("factor", "packet_bytes", "milliseconds"),
    # 144.384 ms is the check value of the lora-modulation package; 1 byte at SF12 was said to take 55 ms
    [(9, 12, 144.384), (7, 64, 118.016), (12, 64, 2793.472), (12, 14, 1155.072), (7, 235, 368.896)],
)
def test_known_packets(factor: int, packet_bytes: int, milliseconds: float) -> None:
    assert semtech_s(packet_bytes, factor) == pytest.approx(milliseconds / 1e3, rel=1e-5)
    own = transfer_time_s(packet_bytes - MAC_BYTES, lora(factor)) if packet_bytes > MAC_BYTES else None
    assert own is None or own == pytest.approx(milliseconds / 1e3, rel=1e-5)


@given(
    size=st.integers(1, 3000),
    factor=st.sampled_from(SPREADING_FACTORS),
    packet=st.integers(1, 222),
    code=st.integers(1, 4),
    preamble=st.integers(6, 65535),
)
def test_longer_messages_are_whole_packets_and_a_rest(
    size: int, factor: int, packet: int, code: int, preamble: int
) -> None:
    full, rest = divmod(size, packet)
    expected = full * semtech_s(MAC_BYTES + packet, factor, code, preamble)
    expected += semtech_s(MAC_BYTES + rest, factor, code, preamble) if rest else 0.0
    own = transfer_time_s(size, lora(factor, packet, code + 4, preamble))
    assert float(own) == pytest.approx(expected, rel=1e-12)


def test_messages_without_a_largest_packet_are_one() -> None:
    whole = lora(7).model_copy(update={"packet_payload_bytes": None})
    assert float(transfer_time_s(1000, whole)) == pytest.approx(semtech_s(1000 + MAC_BYTES, 7))
    assert lora_bytes([0.0, 1.0], whole)[0] == 0


def test_a_narrower_band_stretches_symbols_and_asks_for_the_optimisation() -> None:
    # an eighth of the rate is that of 15.6 kHz: symbols of 8.2 ms at SF7 need no optimisation; a 32nd does
    slower = lora(7).model_copy(update={"uplink_bits_per_s": 5468.75 / 8})
    assert float(transfer_time_s(50, slower)) == pytest.approx(8 * semtech_s(63, 7))
    slowest = lora(7).model_copy(update={"uplink_bits_per_s": 5468.75 / 32})
    assert float(transfer_time_s(50, slowest)) > 32 * semtech_s(63, 7)
