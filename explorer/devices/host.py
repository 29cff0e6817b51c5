"""This machine as a device: calibrated once, then remembered, so that it can stand in for edge or server."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from explorer.devices.calibration import calibrated_profile, write_profile
from explorer.devices.micro_builder import MicroNetwork
from explorer.devices.micro_networks import micro_networks
from explorer.devices.profiles import DeviceProfile

HOST = "host"
HOST_SECONDS = 8.0  # of timing, the first time
_SCHEMA = 1  # of what is timed and fitted: another one is another calibration
_THREADS = 1  # as bundles run


def host_file() -> Path:
    """Where the profile of this machine is kept: the user's cache folder, by processor and runtime.

    Example:
        >>> host_file().name
        'host.yaml'
    """
    import onnxruntime  # slow to import
    import pooch  # type: ignore[import-untyped]

    from explorer.runtime.timing import processor

    made_by = f"{processor()}; {_THREADS} threads; onnxruntime {onnxruntime.__version__}; schema {_SCHEMA}"
    digest = hashlib.sha256(made_by.encode()).hexdigest()[:12]
    return Path(pooch.os_cache("split-sparsity-explorer")) / f"host-{digest}" / f"{HOST}.yaml"


def calibrate_host(seconds: float = HOST_SECONDS) -> DeviceProfile:
    """Time this machine anew and remember the profile; a cache folder that is read-only is no error.

    Args:
        seconds: Of timing; some more pass with opening the networks.

    Example:
        >>> calibrate_host().latency_basis  # doctest: +SKIP
        'operators'
    """
    profile = calibrated(HOST, micro_networks(), seconds)
    path = host_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        own = path.with_name(f"{os.getpid()}-{path.name}")  # two processes may calibrate at once
        write_profile(own, profile)
        os.replace(own, path)
    except OSError:
        pass
    return profile


def calibrated(name: str, networks: list[MicroNetwork], seconds: float) -> DeviceProfile:
    """Time networks here and fit a profile.

    Example:
        >>> calibrated("mine", micro_networks()[:2], seconds=0.0).name
        'mine'
    """
    timed, where = time_here(networks, seconds)
    return calibrated_profile(name, networks, timed, where)


def time_here(networks: list[MicroNetwork], seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Times of networks on this machine by name, and what they were timed on.

    Example:
        >>> timed, where = time_here(micro_networks()[:1], seconds=0.0)
        >>> [*timed], where["threads"]
        (['1x28x28 conv 8 k3 s1 g1 r0'], 1)
    """
    import onnxruntime

    from explorer.runtime.timing import Timed, processor, time_calls

    rounds = time_calls({own.name: call_of(own) for own in networks}, seconds)
    where = {"processor": processor(), "threads": _THREADS, "onnxruntime": onnxruntime.__version__}
    return {name: Timed.of(own) for name, own in rounds.items()}, where


def call_of(network: MicroNetwork) -> Callable[[], object]:
    """A call that runs a network once.

    Example:
        >>> len(call_of(micro_networks()[0])())
        1
    """
    from explorer.runtime.timing import codec_call, session_call

    if network.codec is not None:
        return codec_call(network.operators[0].kind.partition("_")[0], *network.codec)
    return session_call(network.model, network.shape, _THREADS)
