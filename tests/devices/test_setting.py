"""Devices and link together: there and back, other profiles, single numbers."""

import json
from dataclasses import replace

import pytest
from calibrated import calibrated_device

from explorer.devices import Setting
from explorer.errors import UserError

OWN = Setting.load("rpi4", "xeon_8124m", "wifi_huang2012")


def test_there_and_back_through_json() -> None:
    assert Setting.from_json(json.loads(json.dumps(OWN.to_json())), OWN.protocol) == OWN
    assert set(OWN.missing()) == {"edge", "server", "link"}


def test_other_profiles_take_the_place_of_those_named() -> None:
    other = OWN.with_profiles(link="lorawan_sf7")
    assert (other.edge, other.server) == (OWN.edge, OWN.server)
    assert other.link.name == "lorawan_sf7"
    assert OWN.with_profiles() == OWN


def test_payloads_travel_by_http_unless_something_else_is_said() -> None:
    assert OWN.protocol == "http"
    framed = OWN.with_profiles(protocol="frame")
    assert framed.protocol == Setting.load("rpi4", "rpi4", "lte_2021", "frame").protocol == "frame"
    assert framed.profiles == OWN.profiles
    kept = framed.with_profiles(link="lorawan_sf7").with_changes(["link.rtt_s=2"])
    assert (kept.protocol, kept.link.rtt_s) == ("frame", 2.0)
    with pytest.raises(UserError, match="protocol must be one of http, frame, none, got 'mqtt'"):
        OWN.with_profiles(protocol="mqtt")


def test_a_fixed_energy_per_bit_takes_the_place_of_a_power() -> None:
    assert OWN.link.tx_alpha_w_per_bit_per_s is not None
    changed = OWN.with_changes(["link.tx_joules_per_bit=1e-6", "edge.active_w=2"])
    assert (changed.link.joules_per_bit, changed.edge.active_w) == (1e-6, 2.0)
    assert changed.link.tx_beta_w is None


def test_one_energy_per_message_takes_the_place_of_promotion_and_tail() -> None:
    cellular = OWN.with_profiles(link="lte_2021")
    assert cellular.link.joules_per_message == pytest.approx(0.128 + 10.1 * 0.441)
    changed = cellular.with_changes(["link.message_energy_j=0.5", "edge.sleep_w=1e-6"])
    assert (changed.link.joules_per_message, changed.edge.sleep_w) == (0.5, 1e-6)
    assert (changed.link.tail_w, changed.link.tail_s) == (None, 10.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("link.rtt_s", "must end in a number"),
        ("link.colour=3", "must read `ROLE.QUANTITY=NUMBER`, got 'link.colour=3'"),
        ("cloud.rtt_s=3", "must read"),
        ("link.rtt_s=-1", "--set link.rtt_s=-1: "),
        ("link.loss=1", "--set link.loss=1: "),
        ("protocol.overhead_bytes=3", "must read"),
    ],
)
def test_what_is_no_legal_change(change: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        OWN.with_changes([change])


def test_times_of_operators_can_be_set_one_by_one() -> None:
    timed = replace(OWN, edge=calibrated_device("timed"))
    changed = timed.with_changes(["edge.operators.conv.s_per_mac=1e-12"])
    assert changed.edge.times_of("conv").s_per_mac == 1e-12
    assert changed.edge.times_of("linear") == timed.edge.times_of("linear")
    with pytest.raises(UserError, match="must be one of conv, "):
        timed.with_changes(["edge.operators.convolution.s_per_mac=1e-12"])


def test_a_rate_takes_the_place_of_times_of_operators() -> None:
    timed = replace(OWN, edge=calibrated_device("timed"))
    assert timed.latency_basis == (
        "edge: operators, whose times spread by 10%; server: roofline, lower bound"
    )
    changed = timed.with_changes(["edge.macs_per_s=1e9"])
    assert changed.edge.operators is None
    assert changed.edge.latency_basis == "roofline, lower bound"
