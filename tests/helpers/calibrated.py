"""Profiles of times of operators that nobody had to measure."""

from explorer.devices import DeviceProfile
from explorer.devices.calibration import write_profile
from explorer.devices.host import HOST, host_file
from explorer.devices.operators import KINDS


def calibrated_device(name: str) -> DeviceProfile:
    """A device whose operators take other times for every kind, and a part something besides."""
    times = {
        kind: {
            "s_per_call": 1e-6 * place,
            "s_per_mac": 1e-10 * place,
            "s_per_byte": 1e-10 / place,
            "s_per_group": 1e-8 * place,
        }
        for place, kind in enumerate(KINDS, start=1)
    }
    fixed = {"part_overhead_s": 3e-5, "macs_per_s": 1e9, "spread": 0.1}
    sources = dict.fromkeys(DeviceProfile.quantities(), "not measured")
    sources |= dict.fromkeys(("operators", "part_overhead_s", "macs_per_s"), "made up")
    return DeviceProfile(
        name=name, kind="device", description="made up", operators=times, sources=sources, **fixed
    )


def remember_host() -> None:
    """Let ``host`` be such a device in the cache folder of the tests, so that no test waits for timing."""
    host_file().parent.mkdir(parents=True, exist_ok=True)
    write_profile(host_file(), calibrated_device(HOST))
