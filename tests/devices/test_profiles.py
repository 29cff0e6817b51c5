"""Profiles: what ships is sourced, what a user writes is checked, what is measured is plausible."""

from pathlib import Path

import pytest
import yaml
from calibrated import calibrated_device
from hypothesis import given
from hypothesis import strategies as st

from explorer import devices
from explorer.devices import DeviceProfile, LinkProfile, load_device, load_link
from explorer.devices.calibration import write_profile
from explorer.devices.profiles import Profile
from explorer.errors import UserError

SHIPPED = [load_device(name) for name in devices.device_names()] + [
    load_link(name) for name in devices.link_names()
]

GOOD_DEVICE = """\
name: board
kind: device
description: a board
macs_per_s: {value: 5e7, source: measured with a stopwatch}
idle_w: {value: null, source: not found}
"""
GOOD_LINK = """\
name: wire
kind: link
description: a wire
uplink_bits_per_s: {value: 1000, source: measured}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("profile", SHIPPED, ids=lambda profile: profile.name)
def test_shipped_profile_says_where_each_number_comes_from(profile: Profile) -> None:
    assert list(profile.sources) == profile.quantities()
    for quantity, source in profile.sources.items():
        if getattr(profile, quantity) is None:
            assert source.startswith("not found"), quantity
        else:
            assert not source.startswith("not "), quantity
            assert len(source) >= len("measured: x (y)"), quantity


def test_shipped_names_hold_the_promised_profiles() -> None:
    assert {"stm32h7a3", "rpi4", "xeon_8124m", "nvidia_a100"} <= set(devices.device_names())
    assert {"ble_2m_dle", "lorawan_sf7", "lte_2021", "nb_iot"} <= set(devices.link_names())
    assert not set(devices.device_names()) & set(devices.link_names())
    assert devices.HOST not in devices.device_names()


@pytest.mark.parametrize(
    ("name", "quantity", "expected"),
    [
        # 280 MHz at the 4.68 cycles/MAC of 480e6 x 0.165983 s / 17 031 168 MAC
        ("stm32h7a3", "macs_per_s", 280e6 / (480e6 * 0.165983 / 17_031_168)),
        ("stm32h745", "macs_per_s", 17_031_168 / 0.165983),
        # 120 MHz at the 8.78 cycles/MAC of 84e6 x 0.099405 s / 950 717 MAC
        ("stm32l4r5", "macs_per_s", 120e6 / (84e6 * 0.099405 / 950_717)),
        ("rpi5", "memory_bandwidth_bytes_per_s", 2 * 4805.4e6),
        ("rpi4", "memory_bandwidth_bytes_per_s", 2 * 2737.5e6),
        ("nvidia_a100", "macs_per_s", 14.1e12 / 2),
        ("stm32l4r5", "sleep_w", 1.2e-6 * 1.8),
        ("stm32f746", "sleep_w", 2e-3 * 3.3),
        ("esp32", "sleep_w", 12e-6 * 5),
    ],
)
def test_derived_device_numbers_follow_from_their_measurements(
    name: str, quantity: str, expected: float
) -> None:
    assert getattr(load_device(name), quantity) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("name", "quantity", "expected"),
    [
        # 251 + 10 bytes of 8 us, or 251 + 11 of 4 us, two gaps of 150 us, an empty packet of 80 or 44 us
        ("ble_1m_dle", "header_bytes_per_packet", (261 * 8 + 300 + 80) / 8 - 244),
        ("ble_2m_dle", "header_bytes_per_packet", (262 * 4 + 300 + 44) / 4 - 244),
        ("ble_1m_dle", "tx_joules_per_bit", 3 * (4.8e-3 * 2088e-6 + 3.4e-3 * 380e-6) / 2468),
        ("ble_2m_dle", "tx_joules_per_bit", 3 * (4.8e-3 * 1048e-6 + 3.4e-3 * 344e-6) / 2784),
        ("ble_2m_dle", "message_energy_j", 3 * 3.4e-3 * 2 * 120e-6),
        ("ble_1m_dle", "keepalive_j", 3 * (3.4e-3 * (240 + 80 + 150) + 4.8e-3 * 80) * 1e-6),
        ("ble_2m_dle", "keepalive_j", 3 * (3.4e-3 * (240 + 44 + 150) + 4.8e-3 * 44) * 1e-6),
        ("lorawan_sf7", "uplink_bits_per_s", 7 * 4 / 5 * 125e3 / 2**7),
        ("lorawan_sf12", "uplink_bits_per_s", 12 * 4 / 5 * 125e3 / 2**12),
        ("lorawan_sf7", "tx_beta_w", 3.3 * 41.54e-3),
        # windows of max(ceil((4 T + 20 ms) / T), 6) symbols of T: 24 of 1.024 ms, 6 of 32.768 ms
        ("lorawan_sf7", "message_energy_j", 3.3 * 12.68e-3 * (24 * 1.024e-3 + 6 * 32.768e-3)),
        ("lorawan_sf12", "message_energy_j", 3.3 * 12.68e-3 * 2 * 6 * 32.768e-3),
        ("lte_2021", "promotion_j", 0.29 * 0.441),
        ("nr5g_low_nsa_2021", "promotion_j", (1.53 + 1.84 + 1.73) / 3 * 0.847),
        ("nr5g_mmwave_nsa_2021", "promotion_j", (1.53 + 1.84 + 1.73) / 3 * 3.267),
        ("lte_huang2012", "joules_per_message", 12.76),
        ("nb_iot", "promotion_j", 2.5e-3 * 0.0198 + 80e-3 * 0.1518),
        ("nb_iot", "tail_w", (0.2 * 0.1518 + 9.8 * (2.049 * 0.0198 + 0.005 * 0.1518) / 2.054) / 10),
        ("wifi_esp32_11n", "joules_per_message", 0.05 * 3.3 * 0.095),
        ("wifi_esp32_11n", "tx_joules_per_bit", 3.3 * 0.18 / 20e6),
        ("lte_2021", "tx_beta_w", 2.7986 - 2.3573),
        ("nr5g_low_nsa_2021", "tx_beta_w", 3.2039 - 2.3573),
        ("nr5g_mmwave_nsa_2021", "tx_beta_w", 5.6243 - 2.3573),
        ("nb_iot", "tx_joules_per_bit", 0.543 / 10e3),
    ],
)
def test_derived_link_numbers_follow_from_their_measurements(
    name: str, quantity: str, expected: float
) -> None:
    assert getattr(load_link(name), quantity) == pytest.approx(expected, rel=0.01)


def test_own_file_by_path(tmp_path: Path) -> None:
    device = load_device(write(tmp_path, "board.yaml", GOOD_DEVICE))
    assert device.macs_per_s == 5e7  # YAML 1.1 reads 5e7 as text; a person means a number
    assert device.sources["macs_per_s"] == "measured with a stopwatch"
    assert device.sources["active_w"] == "not given in the profile"
    assert device.missing() == [
        name for name in DeviceProfile.quantities() if name not in ("macs_per_s", "operators")
    ]
    assert load_link(str(write(tmp_path, "wire.yaml", GOOD_LINK))).uplink_bits_per_s == 1000


def test_profiles_do_not_change_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_device("rpi4").idle_w = 0.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("macs_per_s:", "macs_per_sec:", "board.yaml: macs_per_sec: unknown key"),
        ("value: 5e7", "value: -1", "board.yaml: macs_per_s: must be greater than 0, got -1"),
        (
            "value: 5e7",
            "value: .inf",
            r"board.yaml: macs_per_s.value: must be a finite number, got '\.inf' \(line 4\)",
        ),
        ("value: 5e7", "value: fast", "board.yaml: macs_per_s: .* got 'fast'"),
        ("value: 5e7", "value: yes", "board.yaml: macs_per_s: must be a number, got True"),
        ("value: 5e7", "value: [1, 2]", r"board.yaml: macs_per_s: .* got \[1, 2\]"),
        ("value: 5e7, ", "", "board.yaml: macs_per_s.value: required key is missing"),
        ("{value: null, source: not found}", "3", "board.yaml: idle_w: must be a mapping, got 3"),
        ("source: not found", "source: ''", "board.yaml: idle_w.source: .* at least 1 character, got ''"),
        ("source: not found", "source: 7", "board.yaml: idle_w.source: must be text, got 7"),
        ("source: not found", "sauce: x, source: y", "board.yaml: idle_w.sauce: unknown key"),
        ("kind: device", "kind: link", "board.yaml: kind: must be 'device', got 'link'"),
        ("kind: device\n", "", "board.yaml: kind: required key is missing"),
        ("name: board", "name: other", "board.yaml: name: must equal the file's name 'board', got 'other'"),
        ("kind:", "sources: {}\nkind:", "board.yaml: sources: unknown key"),
        ("kind:", "1: 2\nkind:", r"board.yaml: keys must be text, .*, got '1' \(line 2\)"),
        ("kind:", "{kind:", "board.yaml: not valid YAML: .*line "),
        (GOOD_DEVICE, "- a list\n", r"board.yaml: must be a mapping of keys, got \['a list'\]"),
        (GOOD_DEVICE, "", "board.yaml: must be a mapping of keys, got None"),
        (GOOD_DEVICE, "!!python/object/apply:os.getcwd []", "board.yaml: must be plain data"),
        (GOOD_DEVICE, "name: 2020-99-99", "board.yaml: name: must not be a date"),
    ],
)
def test_bad_device_file_says_what_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD_DEVICE
    path = write(tmp_path, "board.yaml", GOOD_DEVICE.replace(old, new))
    with pytest.raises(UserError, match=message):
        load_device(path)


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("loss: {value: 1, source: x}", "wire.yaml: loss: must be less than 1, got 1"),
        ("tx_beta_w: {value: 1, source: x}", "wire.yaml: .* must be given together$"),
        ("duty_cycle: {value: 0, source: x}", "wire.yaml: duty_cycle: must be greater than 0, got 0"),
        (
            "tail_w: {value: 1, source: x}\nmessage_energy_j: {value: 1, source: x}",
            "give message_energy_j or .*",
        ),
        (
            "lora_spreading_factor: {value: 7, source: x}",
            "wire.yaml: lora_spreading_factor, .* together$",
        ),
        (
            "lora_spreading_factor: {value: 7.5, source: x}",
            "lora_spreading_factor: .* multiple of 1, got 7.5",
        ),
        (
            "lora_block_symbols: {value: 4, source: x}",
            "lora_block_symbols: .* greater than or equal to 5, got 4",
        ),
        (
            "tx_joules_per_bit: {value: 1, source: x}\ntx_beta_w: {value: 1, source: x}\n"
            "tx_alpha_w_per_bit_per_s: {value: 1, source: x}",
            "wire.yaml: give tx_joules_per_bit or .*, not both$",
        ),
    ],
)
def test_bad_link_file_says_what_is_wrong(tmp_path: Path, addition: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_link(write(tmp_path, "wire.yaml", GOOD_LINK + addition))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent.yaml: cannot be read: No such file"):
        load_device(tmp_path / "absent.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(UserError, match=r"folder.yaml: must be a file"):
        load_link(tmp_path / "folder.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"name: \xff")
    with pytest.raises(UserError, match=r"bytes.yaml: not a UTF-8 text file"):
        load_device(tmp_path / "bytes.yaml")


@pytest.mark.parametrize(
    "name", ["stm32", "", "STM32H7A3", "./rpi4", "../devices/rpi4", "rpi4.yml", "/etc/passwd"]
)
def test_name_is_never_a_path(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(devices.__file__).parent)
    with pytest.raises(UserError, match=r"unknown profile .*rpi4, .*host, or a path that ends in \.yaml"):
        load_device(name)


def test_name_of_the_other_kind() -> None:
    with pytest.raises(UserError, match=r"ble_2m_dle.yaml: kind: must be 'device', got 'link'"):
        load_device("ble_2m_dle")
    with pytest.raises(UserError, match=r"rpi4.yaml: kind: must be 'link', got 'device'"):
        load_link("rpi4")
    with pytest.raises(UserError, match="unknown profile 'host'"):
        load_link("host")


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_rates_are_positive_and_finite(value: float) -> None:
    if 0 < value < float("inf"):
        assert LinkProfile(name="x", kind="link", description="", uplink_bits_per_s=value).missing()
    else:
        with pytest.raises(ValueError, match="uplink_bits_per_s"):
            LinkProfile(name="x", kind="link", description="", uplink_bits_per_s=value)


def test_times_of_operators_come_from_a_file(tmp_path: Path) -> None:
    own = calibrated_device("board")
    write_profile(tmp_path / "board.yaml", own)
    assert load_device(tmp_path / "board.yaml") == own
    assert own.times_of("conv") != own.times_of("other")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  conv:", "  convolution:", "board.yaml: operators.convolution.*: must be one of conv, "),
        ("s_per_call: 1.0e-06", "s_per_call: -1.0", "s_per_call: must be greater than or equal to 0"),
        ("s_per_call: 1.0e-06", "s_each: 1.0", "s_each: unknown key"),
        ("    other:", "    conv:", "board.yaml: operators.value.conv: stands twice"),
        ("part_overhead_s:\n  value: 3.0e-05", "part_overhead_s:\n  value: -1", "part_overhead_s: .* got -1"),
    ],
)
def test_bad_times_of_operators(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "board.yaml"
    write_profile(path, calibrated_device("board"))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        load_device(path)


def test_times_of_operators_must_hold_what_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / "board.yaml"
    write_profile(path, calibrated_device("board"))
    content = yaml.safe_load(path.read_text())
    del content["operators"]["value"]["other"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"board.yaml: operators must hold the kind 'other'"):
        load_device(path)


def test_what_latency_rests_on() -> None:
    bare = DeviceProfile(name="d", kind="device", description="", macs_per_s=1e9)
    assert bare.latency_basis == "roofline, lower bound"
    whole = bare.model_copy(update={"call_overhead_s": 0.0, "part_overhead_s": 1e-5})
    assert whole.latency_basis == "roofline"
    assert calibrated_device("d").latency_basis == "operators"


def test_int8_has_its_own_rate_and_moves_a_quarter() -> None:
    device = load_device("stm32f746")
    assert device.for_int8.macs_per_s == device.macs_per_s_int8 == 2.03e8
    assert load_device("rpi4").for_int8.compute_times is None  # nothing is guessed from float32
    whole = load_device("rpi4").model_copy(update={"macs_per_s_int8": 1e10})
    assert whole.for_int8.memory_bandwidth_bytes_per_s == 4 * 5.48e9
