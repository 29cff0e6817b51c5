"""Predicted beside measured, quantity by quantity: by profiles, by timed parts, and as it was seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.intervals import wilson_interval
from explorer.devices import LinkProfile
from explorer.measure.deployed import Measured, TimedParts, message_s
from explorer.runtime.manifest import Bundle
from explorer.runtime.sizes import REQUEST_OVERHEAD, RESPONSE_BYTES


def table(bundle: Bundle, link: LinkProfile, parts: TimedParts, measured: Measured) -> list[dict[str, Any]]:
    """One row per quantity: what the model said, what the formula says of timed parts, what was measured.

    Shares carry 95 % intervals (Wilson), latencies the 95th percentile. Unknown is None.

    Example:
        >>> [row["quantity"] for row in table(bundle, link, parts, measured)][3:5]  # doctest: +SKIP
        ['exit rate', 'accuracy']
    """
    point = bundle.points[0]
    exits, sent = measured.source == "exit", measured.source == "server"
    payload, predicted = point.message_bytes, point.predicted
    on_link = message_s(payload, link)
    rows = [
        _latency("latency of samples that exit", parts.edge_s, measured.latency_s[exits]),
        _latency("latency of samples that are sent", parts.sent_s(on_link), measured.latency_s[sent]),
    ]
    expected = (1 - sent.mean()) * parts.edge_s + sent.mean() * parts.sent_s(on_link)
    whole = _latency("mean latency", float(expected), measured.latency_s)
    modelled = {"model": predicted.get("latency_model_s"), "measured": float(measured.latency_s.mean())}
    rows.append(whole | modelled)
    rows.append(_share("exit rate", point.exit_rate, exits))
    if measured.right is not None:
        rows.append(_share("accuracy", point.accuracy, measured.right))
    whole_bytes = payload + REQUEST_OVERHEAD if point.sends else None
    carried = [count for count in measured.uplink_bytes if count > 0]
    rows += [
        _bytes("payload bytes a message", payload or None, [c - REQUEST_OVERHEAD for c in carried]),
        _bytes("request bytes a message", whole_bytes, carried),
        _bytes("answer bytes a message", RESPONSE_BYTES if point.sends else None, measured.downlink_bytes),
    ]
    return rows


def _latency(name: str, formula: float, values: NDArray[np.float64]) -> dict[str, Any]:
    known = bool(len(values))
    return {
        "quantity": name,
        "unit": "s",
        "model": None,
        "formula": formula,
        "measured": float(np.median(values)) if known else None,
        "low": None,
        "high": float(np.quantile(values, 0.95)) if known else None,
    }


def _share(name: str, model: float, values: NDArray[np.bool_]) -> dict[str, Any]:
    low, high = wilson_interval(np.array([values.sum()]), len(values))
    own = {"quantity": name, "unit": "", "model": model, "formula": None, "measured": float(values.mean())}
    return own | {"low": float(low[0]), "high": float(high[0])}


def _bytes(name: str, model: float | None, values: Sequence[int]) -> dict[str, Any]:
    mean = float(np.mean(values)) if values else None
    ends = {"low": min(values), "high": max(values)} if values else {"low": None, "high": None}
    return {"quantity": name, "unit": "B", "model": model, "formula": model, "measured": mean} | ends
