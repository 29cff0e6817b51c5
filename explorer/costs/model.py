"""The cost model: expected costs of operating points, in closed form, for one edge device, server and link.

With offload rate q:

    wire_bytes = q (payload + overhead)
    latency_s  = edge time + q (encode + lawful wait + wait); q is 0 for an exit, 1 for a sample that is sent
    energy_j   = (edge time + q encode) active power + q (send + lawful wait sleep power + wait idle power)
    wait       = promotion + rtt + 8 (payload + overhead + answer) / uplink rate + decode + server time
    samples    = min(day duty cycle / (q time on air), day / latency)   a day, where a law limits the link

where overhead and answer are those of the setting's protocol (:mod:`explorer.devices.protocols`); headers and
losses of the link come on top of both messages. The answer is taken at the uplink's rate, since profiles hold
no other. Encoding and decoding cost one multiply-add per value below 32 bits and the movement of the tensor
and its encoded form; compressing is not in the model. Times and energies are those of a payload of mean
length; so all samples that are sent miss a deadline, or none does, and likewise those that exit. The lawful
wait lies between packets of a message on a link with a duty cycle; the edge sleeps then, or idles where no
power of sleeping is known. Everything here is modelled; nothing is measured.

Where a search has edge parts in int8, stored parameters, flash and RAM of every point are those of its C, see
:class:`explorer.core.code_bytes.CodeBytes`: constants; constants and instructions; arena and stack. Otherwise
they follow from the network's structure, no program and no runtime counted. Times of int8 follow from the
device's rate for it, see :meth:`explorer.devices.DeviceProfile.for_int8`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.core.code_bytes import EDGE_WEIGHT_BITS, SIZES, nothing_known
from explorer.core.credits import CREDITS
from explorer.core.graph.split_points import OUTPUT
from explorer.core.payload import PayloadForm, least_encoded_bytes
from explorer.core.run_point import INT8, RunPoint
from explorer.core.sweep import Outcome, columns_of_sweep
from explorer.costs.intervals import learned_columns
from explorer.costs.latency import (
    SECONDS_PER_DAY,
    messages_per_day,
    request_bytes,
)
from explorer.costs.sample_costs import sample_costs
from explorer.costs.split_costs import SplitCosts
from explorer.costs.split_table import split_table
from explorer.devices import PROTOCOLS, Setting

_NOTHING = dict.fromkeys(CREDITS, 0.0)  # before training nothing is earned


class CostModel:
    """What operating points cost on the devices and the link of one setting.

    Args:
        setting: Devices, link and protocol; the columns that need a quantity they lack are NaN.

    Example:
        >>> from torch import zeros
        >>> from explorer.backbones import mlp
        >>> from explorer.core.network import Network
        >>> from explorer.costs.split_costs import split_costs
        >>> from explorer.costs.dense_macs import dense_counts
        >>> network = Network(mlp(input_shape=(8,), num_classes=2, hidden=[4]), zeros(1, 8), 2, 8)
        >>> dense = dense_counts("explorer.backbones:mlp", '{"hidden": [4]}', (8,), 2, 8)
        >>> splits = split_costs(network, dense)
        >>> model = CostModel(Setting.load(edge="rpi4", server="xeon_8124m", link="wifi_huang2012"))
        >>> costs = model.point(RunPoint("relu1", None, 8), Outcome({"correct": 9.0}, 0, 140), splits, 10)
        >>> costs["accuracy"], costs["payload_bytes"], costs["edge_macs"], f"{costs['latency_model_s']:.2g} s"
        (0.9, 14.0, 32.0, '0.02 s')
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def points(self, sweep: pd.DataFrame, splits: Sequence[SplitCosts], num_samples: int) -> pd.DataFrame:
        """Add every learned share and every expected cost to swept points of one network.

        Args:
            sweep: Columns :data:`explorer.core.sweep.POINT_COLUMNS`.
            splits: Costs of the network's split points.
            num_samples: Samples behind ``correct``, ``exited`` and ``sent_bytes``.

        Returns:
            ``sweep`` with the metric columns of :mod:`explorer.space.metrics` and the accuracy's interval.
        """
        owners = np.zeros(len(sweep), dtype=np.int64)
        return self.points_of_networks(sweep, owners, [(splits, num_samples)])

    def points_of_networks(
        self,
        sweep: pd.DataFrame,
        owners: NDArray[np.int64],
        networks: Sequence[tuple[Sequence[SplitCosts], int]],
    ) -> pd.DataFrame:
        """:meth:`points` of several networks at once.

        Args:
            sweep: Swept points of all.
            owners: Number of each point's network.
            networks: Costs of the split points and number of samples of each.
        """
        numbers = columns_of_sweep(sweep)[2:]  # without split point and bits
        swept = {
            "split_point": sweep["split_point"].tolist(),
            "payload_bits": sweep["payload_bits"].to_numpy(dtype=np.int64, na_value=0),
        } | {name: sweep[name].to_numpy() for name in numbers}
        costs = self._expected(swept, owners, networks)
        return pd.concat([sweep.reset_index(drop=True), pd.DataFrame(costs)], axis=1)

    def point(
        self, point: RunPoint, outcome: Outcome, splits: Sequence[SplitCosts], num_samples: int
    ) -> dict[str, float]:
        """The columns of :meth:`points` for one operating point."""
        swept = {name: np.array([count]) for name, count in outcome.to_row().items()} | {
            "split_point": [point.split_point],
            "payload_bits": np.array([point.payload_bits or 0]),
            "confidence_threshold": np.array([point.confidence_threshold], dtype=np.float64),
        }
        costs = self._expected(swept, np.zeros(1, dtype=np.int64), [(splits, num_samples)])
        return {name: float(values[0]) for name, values in costs.items()}

    def lower_bounds(
        self, point: RunPoint, splits: Sequence[SplitCosts], form: PayloadForm, as_code: bool = False
    ) -> dict[str, tuple[float, ...]]:
        """Costs of an untrained network at its extreme offload rates, between which every cost is monotone.

        The rates are 0 and 1; at ``output``, and without exit classifier, the rate is known and there is one.
        Columns that follow from training mean nothing. Sizes of C are known after training only.

        Args:
            point: How the network is run.
            splits: Costs of its split points.
            form: How payloads are sent.
            as_code: Whether stored parameters, flash and RAM are those of C.
        """
        code = nothing_known(point) if as_code else {}
        always = Outcome(_NOTHING, 1, 0, code)
        never = replace(self._never_exits(point, splits, form), code=code)
        extremes = [always, never]
        if point.split_point == OUTPUT:
            extremes = [always]
        elif point.confidence_threshold is None:
            extremes = [never]
        costs = [self.point(point, outcome, splits, 1) for outcome in extremes]
        return {name: tuple(own[name] for own in costs) for name in costs[0]}

    def _never_exits(self, point: RunPoint, splits: Sequence[SplitCosts], form: PayloadForm) -> Outcome:
        if point.payload_bits is None:
            return Outcome(_NOTHING, 0, 0)
        elements = next(split.payload_elements for split in splits if split.name == point.split_point)
        return Outcome(_NOTHING, 0, least_encoded_bytes(elements, point.payload_bits, form))

    def _expected(
        self,
        swept: Mapping[str, Any],
        owners: NDArray[np.int64],
        networks: Sequence[tuple[Sequence[SplitCosts], int]],
    ) -> dict[str, NDArray[Any]]:
        """Every column as an array; arguments as of :meth:`expected` and :meth:`points_of_networks`."""
        tables = [split_table(splits, self.setting) for splits, _ in networks]
        rows = _split_rows(swept["split_point"], owners.tolist(), [splits for splits, _ in networks])
        table = {name: np.concatenate([own[name] for own in tables])[rows] for name in tables[0]}
        return self.expected(swept, table, np.array([samples for _, samples in networks])[owners])

    def expected(
        self, swept: Mapping[str, Any], table: Mapping[str, NDArray[Any]], num_samples: NDArray[np.int64]
    ) -> dict[str, NDArray[Any]]:
        """Every column of :meth:`points` as an array.

        Args:
            swept: Columns of the sweep by name: names in a list, numbers in arrays (N,); bits are 0 where
                nothing is sent. Edge parts have weights of 32 bits where it says nothing of these.
            table: What each row's split point costs, arrays (N,) by name, as
                :meth:`explorer.costs.variant_costs.VariantCosts.table` has them.
            num_samples: Behind each row (N,).
        """
        exited, sent_bytes = swept["exited"], swept["sent_bytes"]
        at_output = np.array([name == OUTPUT for name in swept["split_point"]], dtype=np.bool_)
        has_exit = ~np.isnan(swept["confidence_threshold"]) & ~at_output
        exit_rate = exited / num_samples
        offload_rate = 1.0 - exit_rate
        bits, protocol = swept["payload_bits"], PROTOCOLS[self.setting.protocol]
        message_bytes = sent_bytes / np.maximum(num_samples - exited, 1)
        has_range = (bits > 0) & (bits <= 8)
        param_bytes = (
            table["edge_param_bytes"]
            + has_exit * table["exit_param_bytes"]
            + has_range * table["range_bytes"]
        )
        flash_bytes = param_bytes + table["edge_index_bytes"]
        ram_bytes = np.maximum(table["edge_ram_bytes"], has_exit * table["exit_ram_bytes"])
        if SIZES[0] in swept:
            param_bytes, flash_bytes, ram_bytes = (swept[name] for name in SIZES)
            is_int8 = swept[EDGE_WEIGHT_BITS] == INT8
            table = dict(table) | {
                f"{part}_s": np.where(is_int8, table[f"{part}_int8_s"], table[f"{part}_s"])
                for part in ("edge", "exit")
            }
        costs = sample_costs(
            *(table, has_exit, exited, num_samples - exited), bits, message_bytes, self.setting
        )
        latency_s, deadline_s = costs.latency_s, self.setting.deadline_s
        never = np.full(len(latency_s), np.nan)
        return learned_columns(swept, num_samples) | {
            "exit_rate": exit_rate,
            "edge_macs": table["edge_macs"] + has_exit * table["exit_macs"],
            "edge_macs_dense": table["edge_macs_dense"] + has_exit * table["exit_macs"],
            "server_macs": offload_rate * table["server_macs"],
            "edge_param_bytes": param_bytes,
            "edge_flash_bytes": flash_bytes,
            "edge_ram_bytes": ram_bytes,
            "edge_memory_bytes": flash_bytes + ram_bytes,
            "payload_bytes": sent_bytes / num_samples,
            "wire_bytes": sent_bytes / num_samples + offload_rate * protocol.overhead_bytes,
            "latency_model_s": latency_s,
            "latency_exit_s": costs.exit_s,
            "latency_offload_s": costs.offload_s,
            "deadline_missed": never if deadline_s is None else costs.late_share(deadline_s),
            "max_samples_per_day": _samples_per_day(offload_rate, message_bytes, latency_s, self.setting),
            "energy_model_j": costs.energy_j,
        }


def _split_rows(
    names: Sequence[str], owners: Sequence[int], networks: Sequence[Sequence[SplitCosts]]
) -> NDArray[np.int64]:
    """Where each point's split point stands when those of all networks are laid end to end."""
    places: list[dict[str, int]] = []
    start = 0
    for splits in networks:
        places.append({split.name: start + number for number, split in enumerate(splits)})
        start += len(splits)
    return np.array([places[own][name] for own, name in zip(owners, names, strict=True)], dtype=np.int64)


def _samples_per_day(
    offload_rate: NDArray[np.float64],
    message_bytes: NDArray[np.float64],
    latency_s: NDArray[np.float64],
    setting: Setting,
) -> NDArray[np.float64]:
    """Samples a day that the link's duty cycle allows, one after another; NaN where no law limits it."""
    allowed = messages_per_day(request_bytes(message_bytes, PROTOCOLS[setting.protocol]), setting.link)
    with np.errstate(divide="ignore"):
        return np.minimum(allowed / offload_rate, SECONDS_PER_DAY / latency_s)
