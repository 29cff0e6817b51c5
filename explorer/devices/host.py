"""Measure the machine that runs this program, so that it can stand in for an edge device or a server."""

import platform
from collections.abc import Callable

import torch
from torch import nn

from explorer.devices.profiles import DeviceProfile
from explorer.errors import UserError

HOST = "host"
_COPY_BYTES = 64 * 2**20  # beyond the caches of common processors
_SECONDS_PER_FIGURE = 0.3


def measure_host_device(threads: int) -> DeviceProfile:
    """Measure this machine's float32 rate and memory bandwidth; takes about a second.

    The rate is that of one pass, at batch 1, through a 3x3 convolution, a 1x1 convolution and a linear layer.
    The bandwidth is that of a large copy, each byte counted once as read and once as written, as STREAM does.
    Both are medians.

    Args:
        threads: Threads that torch may use while measuring; the setting is restored afterwards.

    Raises:
        UserError: ``threads`` is below 1.

    Example:
        >>> profile = measure_host_device(threads=1)
        >>> profile.name, profile.macs_per_s > 1e6, profile.active_w
        ('host', True, None)
    """
    if threads < 1:
        raise UserError(f"threads: must be at least 1, got {threads}")
    with torch.inference_mode():
        rate = _macs_per_s(threads)
        bandwidth = _copied_bytes_per_s(threads)
    how = f"measured on this machine with {threads} thread(s)"
    sources = dict.fromkeys(DeviceProfile.quantities(), "not measured")
    sources["macs_per_s"] = f"achieved, {how}: conv 3x3, conv 1x1 and linear in float32 at batch 1, median"
    sources["memory_bandwidth_bytes_per_s"] = f"{how}: copy of {_COPY_BYTES} bytes, read plus written, median"
    return DeviceProfile(
        name=HOST,
        kind="device",
        description=f"this machine, {platform.machine()}, {threads} thread(s)",
        macs_per_s=rate,
        memory_bandwidth_bytes_per_s=bandwidth,
        sources=sources,
    )


def _macs_per_s(threads: int) -> float:
    wide, deep = torch.rand(1, 32, 32, 32), torch.rand(1, 128, 16, 16)
    flat = torch.rand(1, 512)
    conv3x3, conv1x1 = nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(128, 128, 1)
    linear = nn.Linear(512, 512)
    macs = 32 * 32 * 3**2 * 32**2 + 128 * 128 * 16**2 + 512 * 512

    def run() -> None:
        conv3x3(wide)
        conv1x1(deep)
        linear(flat)

    return macs / _median_s(run, threads)


def _copied_bytes_per_s(threads: int) -> float:
    source = torch.ones(_COPY_BYTES // 4)
    target = torch.empty_like(source)
    return 2 * _COPY_BYTES / _median_s(lambda: target.copy_(source), threads)


def _median_s(run: Callable[[], object], threads: int) -> float:
    from torch.utils import benchmark  # slow to import, and only this needs it

    timer = benchmark.Timer("run()", globals={"run": run}, num_threads=threads)
    return timer.blocked_autorange(min_run_time=_SECONDS_PER_FIGURE).median
