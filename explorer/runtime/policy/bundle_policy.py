"""A run-time policy for a bundle's operating points, with the times that they take on this device."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..codec import Floats, encode
from ..errors import UserError
from ..manifest import SAMPLES, Bundle, Point
from ..stages import INPUT, EdgeParts
from .point_costs import PointCosts
from .policy import Policy

_ROUNDS = 9  # of which the median is taken
_BITS_PER_S, _RTT_S = 1e6, 0.02  # believed of a link that the bundle says nothing of, until it is measured


def bundle_policy(parts: EdgeParts, accuracy_floor: float = 0.0) -> Policy:
    """The policy for a bundle on this device.

    Edge parts and encoders are timed here, with the samples that the bundle brings. What the server takes is
    modelled by its profile, what the link does at first is the link's profile; messages correct both soon.

    Args:
        parts: Of the bundle.
        accuracy_floor: Points with less expected accuracy are never chosen.

    Raises:
        UserError: The bundle has one operating point, or none that keeps the floor.

    Example:
        >>> policy = bundle_policy(EdgeParts(load_bundle(Path("bundle"), "edge")))  # doctest: +SKIP
        >>> policy.choose()  # doctest: +SKIP
        0
    """
    bundle = parts.bundle
    if len(bundle.points) < 2:
        raise UserError(f"{bundle.folder}: --policy needs several operating points, this bundle has one")
    with np.load(bundle.folder / SAMPLES) as file:
        samples: Floats = file[INPUT]
    link = bundle.setting.get("link", {})
    return Policy(
        [_costs(parts, place, samples) for place in range(len(bundle.points))],
        accuracy_floor=accuracy_floor,
        bits_per_s=float(link.get("uplink_bits_per_s") or _BITS_PER_S),
        rtt_s=float(link.get("rtt_s") or _RTT_S),
    )


def _costs(parts: EdgeParts, place: int, samples: Floats) -> PointCosts:
    point = parts.bundle.points[place]
    codec, crossing = point.codec, parts.run(samples[0], place).crossing
    offload_rate = 1.0 - point.exit_rate if point.sends else 0.0
    return PointCosts(
        edge_s=_median_s(lambda sample: parts.run(sample, place), samples),  # its exit among it
        exit_s=0.0,
        encode_s=0.0 if codec is None else _median_s(lambda _: encode(crossing, codec), samples),
        server_s=_server_s(point, offload_rate, parts.bundle.setting.get("server", {})),
        offload_rate=offload_rate,
        message_bytes=point.message_bytes,
        accuracy=point.accuracy,
    )


def _median_s(run: Callable[[Floats], Any], samples: Floats) -> float:
    seconds = []
    for number in range(_ROUNDS):
        began = time.perf_counter()
        run(samples[number % len(samples)])
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds))


def _server_s(point: Point, offload_rate: float, server: Mapping[str, Any]) -> float:
    """Modelled seconds of the server for a sample that is sent; 0 where nothing is known."""
    macs, macs_per_s = point.predicted.get("server_macs"), server.get("macs_per_s")  # macs of all samples
    return macs / offload_rate / macs_per_s if macs and macs_per_s and offload_rate else 0.0


def describe_change(bundle: Bundle, change: Any) -> str:
    """A change of the operating point in words.

    Example:
        >>> from types import SimpleNamespace as Any_
        >>> bundle = Any_(points=[Any_(id="early"), Any_(id="late")])
        >>> about = {"reason": "the link failed", "bits_per_s": 1e6, "rtt_s": 0.02}
        >>> describe_change(bundle, Any_(number=7, before=0, after=1, **about))
        'from sample 7 on late instead of early: the link failed (1e+06 bit/s, 0.02 s)'
    """
    before, after = (bundle.points[place].id for place in (change.before, change.after))
    link = f"{change.bits_per_s:.3g} bit/s, {change.rtt_s:.3g} s"
    return f"from sample {change.number} on {after} instead of {before}: {change.reason} ({link})"
