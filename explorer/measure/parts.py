"""Measured on this host, after the search and alone: time and energy of the parts of networks on the front.

Whole parts are run, not sums of layers, in ONNX Runtime as a bundle holds them; encoder and decoder apart.
Modelled columns have other names and other axes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from math import inf
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from explorer.core.failures import failing_alone
from explorer.core.network import Network
from explorer.core.sweep import is_deployable
from explorer.core.training import TrainingFailedError
from explorer.data.dataset import DataSet
from explorer.measure.budget import Budget
from explorer.measure.energy import measure_energy_per_call
from explorer.measure.runners import Runners, runners_of
from explorer.measure.timer import measure_seconds
from explorer.runs.deployment import restored
from explorer.runs.store import Store
from explorer.runtime.codec import Codec, Floats, decode, encode

WARMUP, REPEATS = 5, 30
_LATE = "of some parts only times were measured, to keep to the time for measuring"


def parts_to_measure(points: pd.DataFrame) -> list[tuple[str, str, int]]:
    """(network key, split point, payload bits) of every point on the front and every reference, each once.

    The bits are 0 at ``output``, where nothing is sent. Edge parts in int8 do not run on this host: what is
    measured is the same part in float32.

    Example:
        >>> points = pd.DataFrame({"network_key": "mlp-1", "split_point": ["input", "relu1", "output"]})
        >>> points = points.assign(payload_bits=[8, 16, None], on_front=[True, False, True], reference="")
        >>> parts_to_measure(points)
        [('mlp-1', 'input', 8), ('mlp-1', 'output', 0)]
    """
    wanted = points[(points["on_front"] | (points["reference"] != "")) & is_deployable(points)]
    bits = wanted["payload_bits"].fillna(0).astype(int)
    return list(dict.fromkeys(zip(wanted["network_key"], wanted["split_point"], bits, strict=True)))


@dataclass
class _EnergyMeter:
    """Energy of calls, and how it was measured or why not."""

    seconds: float
    budget: Budget
    method: str = ""
    reasons: dict[str, None] = field(default_factory=dict)

    def joules(self, run: Callable[[], object]) -> float | None:
        if self.seconds <= 0:
            return None
        self.budget.begin_part()
        if not self.budget.is_on_time:
            self.reasons[_LATE] = None
            return None
        reading = measure_energy_per_call(run, seconds=self.seconds)
        self.method = reading.method
        if reading.reason:
            self.reasons[reading.reason] = None
        return reading.energy_j


def measure_parts(
    parts: list[tuple[str, str, int]],
    store: Store,
    data: DataSet,
    *,
    energy_seconds: float,
    budget_s: float = inf,
    show: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Time and energy per inference of edge and server parts, time of encoder and decoder, batch of one.

    Args:
        parts: (network key, split point, payload bits), see :func:`parts_to_measure`.
        store: Holds the weights.
        data: One validation sample is run.
        energy_seconds: How long codecarbon watches each edge part repeat; 0 measures no energy.
        budget_s: How long all may take. Energies are left out while measuring is behind its time, and
            networks that are not begun by its end are not measured.
        show: Is told how many of how many parts are measured, after each network.

    Returns:
        Plain data: the conditions, a row per part and a row per codec. The edge part includes normalisation
        and exit; its row says whether torch ran it, and why. A network that fails has no rows, but a reason
        among the conditions, which also say how many parts there was no time for.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="timed", workers=1, energy=False, progress=False)
        >>> parts = parts_to_measure(run.front[:1])
        >>> measured = measure_parts(parts, Store(run.path), run.load_data(), energy_seconds=0)
        >>> len(measured["parts"]), measured["conditions"]["repeats"]
        (1, 30)
    """
    budget, failures = Budget(budget_s, len({part[:2] for part in parts})), dict[str, str]()
    meter, unmeasured = _EnergyMeter(energy_seconds, budget), 0
    rows: dict[str, list[dict[str, Any]]] = {"parts": [], "codecs": []}
    done = 0
    for key, group in groupby(sorted(parts), key=lambda part: part[0]):
        ways = [part[1:] for part in group]
        if budget.is_spent:
            unmeasured += len(ways)
            continue
        show(done, len(parts))
        done += len(ways)
        try:
            with failing_alone():
                own = _measured_network(key, ways, store, data, meter)
        except TrainingFailedError as error:
            failures[key] = str(error)
        else:
            rows = {table: rows[table] + own[table] for table in rows}
    show(done, len(parts))
    conditions = {
        "threads": 1,
        "batch_size": 1,
        "warmup": WARMUP,
        "repeats": REPEATS,
        "statistic": "median",
        "energy_seconds": energy_seconds,
        "energy_method": meter.method,
        "energy_reasons": list(meter.reasons),
        "failures": failures,
        "unmeasured": unmeasured,
    }
    return {"conditions": conditions, **rows}


def _measured_network(
    key: str, ways: list[tuple[str, int]], store: Store, data: DataSet, meter: _EnergyMeter
) -> dict[str, list[dict[str, Any]]]:
    """Rows of one network, run at each (split point, payload bits)."""
    rows: dict[str, list[dict[str, Any]]] = {"parts": [], "codecs": []}
    network, calibration = restored(store, key, data), store.read_calibration(key)
    names = list(dict.fromkeys(name for name, _ in ways))
    crossing = {name: _crossing(network, name, data) for name in names}  # before the network is folded
    runners, why_not = runners_of(network, calibration, names, data)
    for split_point, group in groupby(ways, key=lambda way: way[0]):
        at = {"network_key": key, "split_point": split_point}
        how = {"runtime": runners.runtime} | ({"reason": why_not} if why_not else {})
        rows["parts"].append(at | how | _measured_part(runners, split_point, meter))
        codecs = [calibration.codecs[way] for way in group if way[1]]
        rows["codecs"] += [at | _measured_codec(codec, crossing[split_point]) for codec in codecs]
    return rows


@torch.inference_mode()
def _measured_part(runners: Runners, split_point: str, meter: _EnergyMeter) -> dict[str, float | None]:
    edge, server = runners.edge(split_point), runners.server(split_point)
    return {
        "edge_latency_host_s": measure_seconds(edge, warmup=WARMUP, repeats=REPEATS),
        "server_latency_host_s": measure_seconds(server, warmup=WARMUP, repeats=REPEATS),
        "edge_energy_host_j": meter.joules(edge),
    }


def _measured_codec(codec: Codec, tensor: Floats) -> dict[str, float]:
    payload = encode(tensor, codec)
    times = {"encode": lambda: encode(tensor, codec), "decode": lambda: decode(payload, tensor.shape, codec)}
    return {"payload_bits": codec.bits} | {
        f"{name}_latency_host_s": measure_seconds(run, warmup=WARMUP, repeats=REPEATS)
        for name, run in times.items()
    }


@torch.inference_mode()
def _crossing(network: Network, split_point: str, data: DataSet) -> Floats:
    """Of one sample, as the codec gets it."""
    tensor: Tensor = network.parts(network.split_point(split_point)).edge(data.validation.first(1))
    return tensor[0].numpy().copy()
