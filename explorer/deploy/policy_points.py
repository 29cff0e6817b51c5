"""Which operating points of one network are worth taking along, so that an edge can follow its link."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.graph.dataflow import FLOAT_BYTES
from explorer.core.sweep import in_float32, is_deployable
from explorer.costs.latency import codec_times_s
from explorer.costs.split_table import split_table
from explorer.devices import Setting
from explorer.errors import UserError
from explorer.runs.results import RunResults
from explorer.runtime.policy.point_costs import PointCosts

_LINKS = 25  # rates, from the slowest to the fastest
_ENOUGH = 1.005  # times the latency of all points: more of them are not worth their place


def network_points(
    results: RunResults, key: str, setting: Setting | None = None
) -> tuple[pd.DataFrame, list[PointCosts]]:
    """Every operating point of one network that can be deployed, with the terms of its expected latency.

    Args:
        results: Of the run.
        key: Of the network.
        setting: Devices; the run's where None. Its link does not matter.

    Returns:
        Rows of the run's points, and what each costs, in the same order.

    Raises:
        UserError: The devices have no rate.

    Example:
        >>> from explorer import run_search
        >>> from explorer.costs.latency import bytes_on_air
        >>> from explorer.devices import PROTOCOLS
        >>> run = run_search("digits", trials=1, name="costs", workers=1, energy=False, progress=False)
        >>> key = run.points["network_key"].iloc[0]
        >>> rows, costs = network_points(run.results, key)
        >>> link = run.results.setting.link
        >>> way = {"rtt_s": link.rtt_s, "s_per_byte": 8 / link.uplink_bits_per_s}
        >>> own = PROTOCOLS[run.results.setting.protocol]  # the link puts headers around either message
        >>> sent = costs[0].message_bytes
        >>> around = bytes_on_air([sent + own.overhead_bytes, own.answer_bytes], link).sum() - sent
        >>> modelled = costs[0].latency_s(**way, protocol_bytes=around)
        >>> bool(np.isclose(modelled, rows["latency_model_s"].iloc[0]))
        True
    """
    devices, points = setting or results.setting, results.points
    for device in (devices.edge, devices.server):
        if device.compute_times is None:
            raise UserError(
                f"{device.name}: macs_per_s: is needed for expected latency, the profile has none"
            )
    own_points = in_float32(points[(points["network_key"] == key) & is_deployable(points)])
    rows = own_points.reset_index(drop=True)
    splits = results.networks[key].splits
    table = pd.DataFrame(split_table(splits, devices), index=[split.name for split in splits])
    own = table.loc[rows["split_point"]].reset_index(drop=True)
    sends = rows["payload_bits"].notna().to_numpy()
    offload_rate = np.where(sends, 1.0 - rows["exit_rate"].to_numpy(float), 0.0)
    message_bytes = rows["payload_bytes"].to_numpy(float) / np.where(offload_rate > 0, offload_rate, 1.0)
    bits = rows["payload_bits"].to_numpy(dtype=float, na_value=0)
    elements = own["payload_elements"].to_numpy(float)
    codec = (np.where((bits > 0) & (bits < 32), elements, 0.0), FLOAT_BYTES * elements + message_bytes)
    encode_s, decode_s = codec_times_s(*codec, devices)
    columns = {
        "edge_s": own["edge_s"],
        "exit_s": own["exit_s"] * (sends & rows["confidence_threshold"].notna()),
        "encode_s": np.where(sends, encode_s, 0.0),
        "decode_s": np.where(sends, decode_s, 0.0),
        "server_s": own["server_s"],
        "offload_rate": offload_rate,
        "message_bytes": message_bytes,
        "accuracy": rows[results.quality_column],
    }
    numbers = pd.DataFrame(columns).to_dict("records")
    return rows, [PointCosts(**{str(name): number for name, number in own.items()}) for own in numbers]


def useful_points(
    costs: Sequence[PointCosts],
    *,
    accuracy_floor: float,
    rtt_s: float,
    slowest_bits_per_s: float,
    fastest_bits_per_s: float,
    protocol_bytes: float,
    most: int = 6,
) -> list[int]:
    """The few points that come closest to having all of them, over a range of rates.

    Each time the point is added that lowers the mean excess of latency most, on a logarithmic scale of rates.

    Args:
        costs: Of all points of one network.
        accuracy_floor: Points below it are left out.
        rtt_s: Round-trip time of the link.
        slowest_bits_per_s: Beginning of the range.
        fastest_bits_per_s: End of the range.
        protocol_bytes: Around the payload of a message, the answer included.
        most: How many points at most.

    Returns:
        Places of the points, the most useful first.

    Raises:
        UserError: No point keeps the floor.

    Example:
        >>> times = {"exit_s": 0.0, "encode_s": 0.0, "server_s": 0.0, "accuracy": 0.9}
        >>> early = PointCosts(edge_s=0.001, offload_rate=1.0, message_bytes=360, **times)
        >>> late = PointCosts(edge_s=0.05, offload_rate=0.1, message_bytes=360, **times)
        >>> worse = PointCosts(edge_s=0.06, offload_rate=1.0, message_bytes=360, **times)
        >>> rates = {"slowest_bits_per_s": 5e4, "fastest_bits_per_s": 1e6}
        >>> link = rates | {"rtt_s": 0.01, "protocol_bytes": 640}
        >>> sorted(useful_points([early, late, worse], accuracy_floor=0.8, **link))
        [0, 1]
    """
    eligible = [place for place, own in enumerate(costs) if own.accuracy >= accuracy_floor]
    if not eligible:
        best = max((own.accuracy for own in costs), default=np.nan)
        raise UserError(f"accuracy_floor: no point reaches {accuracy_floor:g}, the best has {best:g}")
    s_per_byte = 8 / np.geomspace(slowest_bits_per_s, fastest_bits_per_s, _LINKS)
    latency_PL = np.array(
        [[costs[place].latency_s(rtt_s, s, protocol_bytes) for s in s_per_byte] for place in eligible]
    )
    chosen: list[int] = []
    reached: NDArray[np.float64] = np.full(_LINKS, np.inf)
    while len(chosen) < most and not np.all(reached <= _ENOUGH * latency_PL.min(axis=0)):
        with_each = np.minimum(latency_PL, reached)
        chosen.append(int(np.argmin(np.log(np.maximum(with_each, 1e-12)).mean(axis=1))))
        reached = with_each[chosen[-1]]
    return [eligible[place] for place in chosen]
