"""Expected cost of operating points, in closed form, for one edge device, server and link.

With offload rate q (docs/design.md, section 3):

    latency_s = edge time + q (encode + rtt + 8 payload / uplink rate + decode + server time)
    energy_j  = (edge time + q encode) active power + q (transmit energy + wait idle power)

where waiting is everything behind the encoder. Encoding and decoding cost one multiply-add per value below 32
bits and the movement of the tensor and its encoded form. Everything here is modelled; nothing is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.split_points import OUTPUT
from explorer.core.tracing import FLOAT_BYTES
from explorer.devices import DeviceProfile, LinkProfile
from explorer.profile.latency import operator_times_s, transfer_energy_j, transfer_time_s
from explorer.profile.payload import HEADER_BYTES
from explorer.split_costs import SplitCosts

_COUNTED = (
    *("edge_macs", "edge_macs_dense", "server_macs", "exit_macs", "edge_param_bytes", "exit_param_bytes"),
    *("peak_activation_bytes", "exit_peak_bytes", "payload_elements"),
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
        sweep: Columns ``split_point, payload_bits, confidence_threshold, correct, exited``.
        splits: Costs of the network's split points.
        num_samples: Samples behind ``correct`` and ``exited``.
        setting: Devices and link; a quantity they lack leaves its column NaN.

    Returns:
        ``sweep`` with the metric columns of :mod:`explorer.objectives` and the accuracy's 95 % interval.
    """
    table = _split_table(splits, setting).loc[sweep["split_point"]].reset_index(drop=True)
    points = sweep.reset_index(drop=True)
    has_exit = points["confidence_threshold"].notna() & (points["split_point"] != OUTPUT)
    offload_rate = 1.0 - points["exited"] / num_samples
    low, high = wilson_interval(points["correct"].to_numpy(), num_samples)
    bits = points["payload_bits"].fillna(0).to_numpy(dtype=np.int64)
    encoded = np.where(bits > 0, HEADER_BYTES + table["payload_elements"] * bits // 8, 0)
    param_bytes = table["edge_param_bytes"] + has_exit * table["exit_param_bytes"]
    peak = np.where(
        has_exit,
        table[["peak_activation_bytes", "exit_peak_bytes"]].max(axis=1),
        table["peak_activation_bytes"],
    )
    modelled = _latency_and_energy(
        table, has_exit.to_numpy(), offload_rate.to_numpy(), bits, encoded, setting
    )
    return points.assign(
        accuracy=points["correct"] / num_samples,
        accuracy_ci95_low=low,
        accuracy_ci95_high=high,
        exit_rate=points["exited"] / num_samples,
        edge_macs=table["edge_macs"] + has_exit * table["exit_macs"],
        edge_macs_dense=table["edge_macs_dense"] + has_exit * table["exit_macs"],
        server_macs=offload_rate * table["server_macs"],
        edge_param_bytes=param_bytes,
        edge_memory_bytes=param_bytes + peak.astype(np.int64),
        payload_bytes=offload_rate * encoded,
        latency_model_s=modelled[0],
        energy_model_j=modelled[1],
    )


def _split_table(splits: Sequence[SplitCosts], setting: Setting) -> pd.DataFrame:
    """One row per split point with modelled times of both parts; indexed by name."""
    edge_times = np.cumsum([_time_s(split.operators, setting.edge) for split in splits])
    server_stages = np.array([_time_s(split.operators, setting.server) for split in splits])
    table = pd.DataFrame(
        {column: [getattr(split, column) for split in splits] for column in _COUNTED},
        index=[split.name for split in splits],
    )
    return table.assign(
        edge_s=edge_times,
        exit_s=[_time_s(split.exit_operators, setting.edge) for split in splits],
        server_s=server_stages.sum() - np.cumsum(server_stages),
    )


def _time_s(operators: Sequence[tuple[int, int]], device: DeviceProfile) -> float:
    macs, moved_bytes = np.array(operators, dtype=float).reshape(-1, 2).T
    return float(operator_times_s(macs, moved_bytes, device).sum()) if device.macs_per_s else float("nan")


def _latency_and_energy(
    table: pd.DataFrame,
    has_exit: NDArray[np.bool_],
    offload_rate: NDArray[np.float64],
    bits: NDArray[np.int64],
    encoded_bytes: NDArray[np.int64],
    setting: Setting,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected (seconds, joules on the edge device) per row; a term that never occurs may be unknown."""
    elements = table["payload_elements"].to_numpy(dtype=float)
    codec_macs = np.where((bits > 0) & (bits < 32), elements, 0.0)
    codec_bytes = FLOAT_BYTES * elements + encoded_bytes
    edge_s = table["edge_s"].to_numpy() + np.where(has_exit, table["exit_s"].to_numpy(), 0.0)
    encode_s = operator_times_s(codec_macs, codec_bytes, setting.edge)
    decode_s = operator_times_s(codec_macs, codec_bytes, setting.server)
    rtt_s = np.nan if setting.link.rtt_s is None else setting.link.rtt_s
    wait_s = rtt_s + transfer_time_s(encoded_bytes, setting.link) + decode_s + table["server_s"].to_numpy()
    offload_s = np.where(offload_rate > 0, offload_rate * (encode_s + wait_s), 0.0)
    active_w = np.nan if setting.edge.active_w is None else setting.edge.active_w
    idle_w = np.nan if setting.edge.idle_w is None else setting.edge.idle_w
    per_offload_j = encode_s * active_w + transfer_energy_j(encoded_bytes, setting.link) + wait_s * idle_w
    offload_j = np.where(offload_rate > 0, offload_rate * per_offload_j, 0.0)
    return edge_s + offload_s, edge_s * active_w + offload_j
