"""Measured on this host, after the search and alone: time and energy of the parts of networks on the front.

Whole parts are run, not sums of layers. Modelled columns have other names and other axes.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd
import torch

from explorer.core.network import Network
from explorer.core.split_points import OUTPUT
from explorer.data import DataSet
from explorer.evaluate import restore_network
from explorer.profile.energy import measure_energy_per_call
from explorer.profile.latency import measure_seconds
from explorer.store import Store

WARMUP, REPEATS = 5, 30


def parts_to_measure(points: pd.DataFrame) -> list[tuple[str, str]]:
    """(network key, split point) of every point on the front, knee and references first, each once."""
    wanted = points[points["on_front"] | (points["reference"] != "")]
    urgent = wanted["knee"] | (wanted["reference"] != "")
    ordered = pd.concat([wanted[urgent], wanted[~urgent]])
    return list(dict.fromkeys(zip(ordered["network_key"], ordered["split_point"], strict=True)))


def measure_parts(
    parts: list[tuple[str, str]],
    store: Store,
    data: DataSet,
    *,
    energy_seconds: float,
) -> dict[str, Any]:
    """Time and energy per inference of edge and server parts, batch of one.

    Args:
        parts: (network key, split point), see :func:`parts_to_measure`.
        store: Holds the weights.
        data: One validation sample is run.
        energy_seconds: How long codecarbon watches each edge part repeat; 0 measures no energy.

    Returns:
        Plain data: the conditions, and one row per part. The edge part includes its exit classifier.
    """
    rows: list[dict[str, Any]] = []
    reasons: dict[str, None] = {}
    method = ""
    sample = data.validation.inputs[:1]
    network: Network | None = None
    current = ""
    for key, split_point in sorted(parts, key=lambda part: part[0]):
        if key != current:
            stored = store.read(key)
            weights = store.read_weights(key)
            network = restore_network(
                stored.spec, weights, stored.placement_checksum, data.input_shape, data.num_classes
            )
            current = key
        assert network is not None
        edge, server = _runners(network, split_point, sample)
        row: dict[str, Any] = {"network_key": key, "split_point": split_point}
        with torch.inference_mode():
            row["edge_latency_host_s"] = measure_seconds(edge, warmup=WARMUP, repeats=REPEATS)
            row["server_latency_host_s"] = measure_seconds(server, warmup=WARMUP, repeats=REPEATS)
            row["edge_energy_host_j"] = None
            if energy_seconds > 0:
                reading = measure_energy_per_call(edge, seconds=energy_seconds)
                row["edge_energy_host_j"] = reading.energy_j
                method = reading.method
                if reading.reason:
                    reasons[reading.reason] = None
        rows.append(row)
    return {
        "conditions": {
            "threads": torch.get_num_threads(),
            "batch_size": 1,
            "warmup": WARMUP,
            "repeats": REPEATS,
            "statistic": "median",
            "energy_seconds": energy_seconds,
            "energy_method": method,
            "energy_reasons": list(reasons),
        },
        "parts": rows,
    }


def _runners(
    network: Network, split_point: str, sample: torch.Tensor
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Edge part with exit classifier, and server part, as calls without arguments."""
    names = [point.name for point in network.split_points]
    index = names.index(split_point)
    parts = network.parts(network.split_points[index])
    with torch.inference_mode():
        crossing = parts.edge(sample)
    if split_point == OUTPUT:
        return lambda: parts.edge(sample), lambda: None
    exit_ = network.exits[index]
    return lambda: exit_(parts.edge(sample)), lambda: parts.server(crossing)
