"""Expected cost of operating points, in closed form, for one edge device, server and link.

With offload rate q (docs/design.md, section 3):

    latency_s = edge time + q (encode + rtt + 8 payload / uplink rate + decode + server time)
    energy_j  = (edge time + q encode) active power + q (transmit energy + wait idle power)

where waiting is everything behind the encoder. Encoding and decoding cost one multiply-add per value below 32
bits and the movement of the tensor and its encoded form; compressing is not in the model. Times and energies
are those of a payload of mean length. Everything here is modelled; nothing is measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.split_points import OUTPUT
from explorer.core.values import FLOAT_BYTES
from explorer.devices import DeviceProfile, LinkProfile
from explorer.profile.latency import operator_times_s, transfer_energy_j, transfer_time_s
from explorer.split_costs import SplitCosts

JOULES_PER_WH = 3600.0

_COUNTED = (
    *("edge_macs", "edge_macs_dense", "server_macs", "exit_macs", "edge_param_bytes", "exit_param_bytes"),
    *("peak_activation_bytes", "exit_peak_bytes", "payload_elements", "range_bytes"),
)


@dataclass(frozen=True)
class Setting:
    """Where a network runs: edge device, server device and the link between them."""

    edge: DeviceProfile
    server: DeviceProfile
    link: LinkProfile

    def missing(self) -> dict[str, list[str]]:
        """Quantities that each profile lacks, by role; derived columns that need them are empty."""
        return {role: profile.missing() for role, profile in vars(self).items()}


def wilson_interval(
    correct: NDArray[np.int64], samples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % score interval of a share (Wilson, J. Am. Stat. Assoc. 1927); returns (low, high)."""
    z = NormalDist().inv_cdf(0.975)
    share = correct / samples
    centre = (share + z**2 / (2 * samples)) / (1 + z**2 / samples)
    half = z / (1 + z**2 / samples) * np.sqrt(share * (1 - share) / samples + z**2 / (4 * samples**2))
    return centre - half, centre + half


def operating_points(
    sweep: pd.DataFrame, splits: Sequence[SplitCosts], num_samples: int, setting: Setting
) -> pd.DataFrame:
    """Add accuracy, exit rate and every expected cost to swept points of one network.

    Args:
        sweep: Columns :data:`explorer.core.operating_points.POINT_COLUMNS`.
        splits: Costs of the network's split points.
        num_samples: Samples behind ``correct``, ``exited`` and ``sent_bytes``.
        setting: Devices and link; a quantity they lack leaves its column NaN.

    Returns:
        ``sweep`` with the columns of :func:`expected_costs`.
    """
    swept = {
        "split_point": sweep["split_point"].tolist(),
        "payload_bits": sweep["payload_bits"].to_numpy(dtype=np.int64, na_value=0),
    } | {name: sweep[name].to_numpy() for name in ("confidence_threshold", "correct", "exited", "sent_bytes")}
    costs = expected_costs(swept, splits, num_samples, setting)
    return pd.concat([sweep.reset_index(drop=True), pd.DataFrame(costs)], axis=1)


def expected_costs(
    swept: Mapping[str, Any], splits: Sequence[SplitCosts], num_samples: int, setting: Setting
) -> dict[str, NDArray[Any]]:
    """Accuracy with its 95 % interval, exit rate and every expected cost, as plain arrays.

    Args:
        swept: The columns of :func:`operating_points` by name: names in a list, numbers in arrays; bits are 0
            where nothing is sent.
        splits, num_samples, setting: As there.

    Returns:
        The metric columns of :mod:`explorer.objectives` and the interval.
    """
    numbers = {split.name: number for number, split in enumerate(splits)}
    rows = np.array([numbers[name] for name in swept["split_point"]], dtype=np.int64)
    table = {name: values[rows] for name, values in _split_table(splits, setting).items()}
    correct, exited, sent_bytes = swept["correct"], swept["exited"], swept["sent_bytes"]
    has_exit = ~np.isnan(swept["confidence_threshold"]) & (rows != numbers.get(OUTPUT))
    exit_rate = exited / num_samples
    offload_rate = 1.0 - exit_rate
    low, high = wilson_interval(correct, num_samples)
    bits = swept["payload_bits"]
    message_bytes = sent_bytes / np.maximum(num_samples - exited, 1)
    has_range = (bits > 0) & (bits <= 8)
    param_bytes = (
        table["edge_param_bytes"] + has_exit * table["exit_param_bytes"] + has_range * table["range_bytes"]
    )
    peak_bytes = np.maximum(table["peak_activation_bytes"], has_exit * table["exit_peak_bytes"])
    latency_s, energy_j = _latency_and_energy(table, has_exit, offload_rate, bits, message_bytes, setting)
    return {
        "accuracy": correct / num_samples,
        "accuracy_ci95_low": low,
        "accuracy_ci95_high": high,
        "exit_rate": exit_rate,
        "edge_macs": table["edge_macs"] + has_exit * table["exit_macs"],
        "edge_macs_dense": table["edge_macs_dense"] + has_exit * table["exit_macs"],
        "server_macs": offload_rate * table["server_macs"],
        "edge_param_bytes": param_bytes,
        "edge_memory_bytes": param_bytes + peak_bytes,
        "payload_bytes": sent_bytes / num_samples,
        "latency_model_s": latency_s,
        "energy_model_j": energy_j,
    }


def battery_life_days(
    energy_j: NDArray[np.float64], samples_per_day: float, battery_wh: float
) -> NDArray[np.float64]:
    """Days until ``battery_wh`` are spent on ``samples_per_day`` inferences; sleep between them is free."""
    with np.errstate(divide="ignore"):
        return battery_wh * JOULES_PER_WH / (samples_per_day * energy_j)


def _split_table(splits: Sequence[SplitCosts], setting: Setting) -> dict[str, NDArray[Any]]:
    """Counts and modelled times of both parts by name, each an array over the split points."""
    operators = [split.operators for split in splits]
    server_stages = _times_s(operators, setting.server)
    counted = {
        name: np.array([getattr(split, name) for split in splits], dtype=np.int64) for name in _COUNTED
    }
    return counted | {
        "edge_s": np.cumsum(_times_s(operators, setting.edge)),
        "exit_s": _times_s([split.exit_operators for split in splits], setting.edge),
        "server_s": server_stages.sum() - np.cumsum(server_stages),
    }


def _times_s(parts: Sequence[Sequence[tuple[int, int]]], device: DeviceProfile) -> NDArray[np.float64]:
    """Modelled time of each part, a sequence of operators."""
    if not device.macs_per_s:
        return np.full(len(parts), np.nan)
    operators = [operator for part in parts for operator in part]
    macs, moved_bytes = np.array(operators, dtype=float).reshape(-1, 2).T
    ends = np.cumsum([len(part) for part in parts])
    stages = np.split(operator_times_s(macs, moved_bytes, device), ends[:-1])
    return np.array([stage.sum() for stage in stages])


def _latency_and_energy(
    table: Mapping[str, NDArray[Any]],
    has_exit: NDArray[np.bool_],
    offload_rate: NDArray[np.float64],
    bits: NDArray[np.int64],
    message_bytes: NDArray[np.float64],
    setting: Setting,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected (seconds, joules on the edge device) per row; a term that never occurs may be unknown."""
    elements = table["payload_elements"].astype(float)
    codec_macs = np.where((bits > 0) & (bits < 32), elements, 0.0)
    codec_bytes = FLOAT_BYTES * elements + message_bytes
    edge_s = table["edge_s"] + np.where(has_exit, table["exit_s"], 0.0)
    encode_s = operator_times_s(codec_macs, codec_bytes, setting.edge)
    decode_s = operator_times_s(codec_macs, codec_bytes, setting.server)
    rtt_s = np.nan if setting.link.rtt_s is None else setting.link.rtt_s
    wait_s = rtt_s + transfer_time_s(message_bytes, setting.link) + decode_s + table["server_s"]
    offload_s = np.where(offload_rate > 0, offload_rate * (encode_s + wait_s), 0.0)
    active_w = np.nan if setting.edge.active_w is None else setting.edge.active_w
    idle_w = np.nan if setting.edge.idle_w is None else setting.edge.idle_w
    per_offload_j = encode_s * active_w + transfer_energy_j(message_bytes, setting.link) + wait_s * idle_w
    offload_j = np.where(offload_rate > 0, offload_rate * per_offload_j, 0.0)
    return edge_s + offload_s, edge_s * active_w + offload_j
