"""What every split point of one network costs, as columns: counts, and the modelled times of both parts.

:class:`explorer.costs.variant_costs.VariantCosts` gives the same columns of many networks at once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.costs.latency import operator_times_s
from explorer.costs.split_costs import SplitCosts
from explorer.devices import DeviceProfile, Setting
from explorer.devices.operators import Operator, operator_columns

_COUNTED = (
    *("edge_macs", "edge_macs_dense", "server_macs", "exit_macs", "edge_param_bytes", "exit_param_bytes"),
    *("edge_index_bytes", "edge_ram_bytes", "exit_ram_bytes", "payload_elements", "range_bytes"),
)


def split_table(splits: Sequence[SplitCosts], setting: Setting) -> dict[str, NDArray[Any]]:
    """Counts and modelled times of both parts by name, each an array over the split points.

    Args:
        splits: Costs of one network, from ``input`` to ``output``.
        setting: Devices that times are modelled for.

    Example:
        >>> from torch import zeros
        >>> from explorer.backbones import mlp
        >>> from explorer.core.network import Network
        >>> from explorer.costs.dense_macs import dense_counts
        >>> from explorer.costs.split_costs import split_costs
        >>> network = Network(mlp(input_shape=(8,), num_classes=2, hidden=[4]), zeros(1, 8), 2, 8)
        >>> dense = dense_counts("explorer.backbones:mlp", '{"hidden": [4]}', (8,), 2, 8)
        >>> splits = split_costs(network, dense)
        >>> table = split_table(splits, Setting.load("rpi4", "xeon_8124m", "wifi_huang2012"))
        >>> table["edge_macs"], bool((np.diff(table["edge_s"]) > 0).all())
        (array([ 0, 32, 40]), True)
    """
    operators = [split.operators for split in splits]
    exits, int8 = [split.exit_operators for split in splits], setting.edge.for_int8
    server_stages = _times_s(operators, setting.server)
    after = server_stages.sum() - np.cumsum(server_stages)
    edge_s, server_s = with_overheads(np.cumsum(_times_s(operators, setting.edge)), after, setting)
    int8_s, _ = with_overheads(np.cumsum(_times_s(operators, int8)), after, setting)
    return counted_columns(splits) | {
        "edge_s": edge_s,
        "exit_s": _times_s(exits, setting.edge),
        "edge_int8_s": int8_s,
        "exit_int8_s": _times_s(exits, int8),
        "server_s": server_s,
    }


def counted_columns(splits: Sequence[SplitCosts]) -> dict[str, NDArray[np.int64]]:
    """Counts of both parts by name, each an array over the split points.

    Example:
        >>> counted_columns(())["edge_macs"]
        array([], dtype=int64)
    """
    return {name: np.array([getattr(split, name) for split in splits], dtype=np.int64) for name in _COUNTED}


def with_overheads(
    edge_s: NDArray[np.float64], server_s: NDArray[np.float64], setting: Setting
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times of both parts with the fixed cost of running them; an unknown one is left out.

    Args:
        edge_s: Of the edge part, split points along the last axis; the last of them is ``output``.
        server_s: Of the server part, which is not run at ``output``.
        setting: Devices that times are modelled for.

    Example:
        >>> setting = Setting.load(edge="rpi4", server="xeon_8124m", link="wifi_huang2012")
        >>> setting = setting.with_changes(["server.part_overhead_s=0.5"])
        >>> with_overheads(np.array([0.0, 2.0]), np.array([1.0, 0.0]), setting)
        (array([0., 2.]), array([1.5, 0. ]))
    """
    runs = np.arange(server_s.shape[-1]) < server_s.shape[-1] - 1
    edge, server = (device.part_overhead_s or 0.0 for device in (setting.edge, setting.server))
    return edge_s + edge, server_s + server * runs


def _times_s(parts: Sequence[Sequence[Operator]], device: DeviceProfile) -> NDArray[np.float64]:
    """Modelled time of each part, a sequence of operators."""
    columns = operator_columns(operator for part in parts for operator in part)
    ends = np.cumsum([len(part) for part in parts])
    stages = np.split(operator_times_s(**columns, device=device), ends[:-1])
    unknown = device.operators is None and device.macs_per_s is None
    return np.array([np.nan if unknown else stage.sum() for stage in stages])
