"""What fits the memory of an edge device: limits that its profile sets by itself.

A device with flash keeps parameters there, and activations in its RAM. Where a profile knows no flash, such
as that of a board whose storage is a card of any size, parameters lie in RAM beside the activations. A number
that a profile lacks limits nothing.
"""

from collections.abc import Hashable, Mapping
from typing import Any, Literal

from explorer.devices import DeviceProfile
from explorer.space.constraints import Constraint

Fit = Literal["device", "none"]
_MEMORIES = {"edge_flash_bytes": "flash", "edge_ram_bytes": "RAM", "edge_memory_bytes": "memory"}


def memory_limits(device: DeviceProfile) -> tuple[Constraint, ...]:
    """Constraints that keep an edge part to what ``device`` holds.

    Example:
        >>> from explorer.devices import load_device
        >>> [str(limit) for limit in memory_limits(load_device("stm32f746"))]
        ['edge_flash_bytes <= 1e+06', 'edge_ram_bytes <= 320000']
        >>> [str(limit) for limit in memory_limits(load_device("rpi4"))]  # one memory for both
        ['edge_memory_bytes <= 1e+09']
        >>> memory_limits(load_device("xeon_8124m"))
        ()
    """
    in_ram = "edge_memory_bytes" if device.flash_bytes is None else "edge_ram_bytes"
    bounds = {"edge_flash_bytes": device.flash_bytes, in_ram: device.ram_bytes}
    return tuple(Constraint(name, "<=", bound) for name, bound in bounds.items() if bound is not None)


def misfit(point: Mapping[Hashable, Any], device: DeviceProfile) -> str:
    """What of an operating point does not fit ``device``, in words; empty where all does.

    Args:
        point: Its columns.
        device: That is to run the edge part.

    Example:
        >>> small = DeviceProfile(name="tag", kind="device", description="", ram_bytes=100, flash_bytes=4e6)
        >>> point = {"edge_flash_bytes": 9000, "edge_ram_bytes": 2896, "edge_memory_bytes": 11896}
        >>> misfit(point, small)
        'does not fit: 2,896 B of RAM, device has 100 B'
    """
    missed = [
        f"{point[own.column]:,.0f} B of {_MEMORIES[own.column]}, device has {own.bound:,.0f} B"
        for own in memory_limits(device)
        if own.violation(point[own.column]) > 0
    ]
    return f"does not fit: {'; '.join(missed)}" if missed else ""
