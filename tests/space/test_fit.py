"""What fits the memory of a device: by its profile, and by its profile alone."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.devices import DeviceProfile, Setting, device_names, load_device
from explorer.space.constraints import Constraint
from explorer.space.files import load_space
from explorer.space.fit import memory_limits, misfit
from explorer.space.metrics import METRICS

SIZES = st.none() | st.integers(1, 10_000)


def device(ram: int | None, flash: int | None) -> DeviceProfile:
    return DeviceProfile(name="d", kind="device", description="", ram_bytes=ram, flash_bytes=flash)


@pytest.mark.parametrize(
    ("ram", "flash", "limits"),
    [
        (200, 500, [("edge_flash_bytes", 500), ("edge_ram_bytes", 200)]),
        (200, None, [("edge_memory_bytes", 200)]),  # one memory holds both
        (None, 500, [("edge_flash_bytes", 500)]),
        (None, None, []),
    ],
)
def test_limits_are_what_the_profile_knows(
    ram: int | None, flash: int | None, limits: Sequence[tuple[str, int]]
) -> None:
    assert memory_limits(device(ram, flash)) == tuple(Constraint(name, "<=", size) for name, size in limits)


@given(ram=SIZES, flash=SIZES, used=st.tuples(st.integers(0, 10_000), st.integers(0, 10_000)))
def test_a_misfit_is_a_limit_that_is_not_kept(
    ram: int | None, flash: int | None, used: tuple[int, int]
) -> None:
    stored, peak = used
    point = {"edge_flash_bytes": stored, "edge_ram_bytes": peak, "edge_memory_bytes": stored + peak}
    in_flash = flash is None or stored <= flash
    in_ram = ram is None or (peak if flash is not None else stored + peak) <= ram
    assert (misfit(point, device(ram, flash)) == "") == (in_flash and in_ram)


def test_a_misfit_says_what_is_needed_and_what_is_there() -> None:
    point = {"edge_flash_bytes": 4096, "edge_ram_bytes": 2896, "edge_memory_bytes": 6992}
    assert misfit(point, device(100, None)) == "does not fit: 6,992 B of memory, device has 100 B"
    both = "does not fit: 4,096 B of flash, device has 4,000 B; 2,896 B of RAM, device has 100 B"
    assert misfit(point, device(100, 4000)) == both


@pytest.mark.parametrize("name", device_names())
def test_limits_of_shipped_devices_are_columns(name: str) -> None:
    assert all(METRICS[limit.column].known_before_training for limit in memory_limits(load_device(name)))


def test_a_space_asks_for_what_fits_unless_it_says_otherwise() -> None:
    space = load_space("digits")[0]
    setting = Setting.load("stm32h7a3", "xeon_8124m", "ble_2m_dle")
    assert space.constraints_on(setting) == memory_limits(setting.edge)
    limited = space.model_copy(update={"constraints": ["edge_macs <= 5"], "fit": "none"})
    assert limited.constraints_on(setting) == (Constraint("edge_macs", "<=", 5.0),)
