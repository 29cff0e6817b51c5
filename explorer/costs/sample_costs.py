"""Latency and edge energy of one sample: what every sample takes, and what those add that are sent.

    edge_s = edge part, exit included
    sent_s = encode + lawful wait + wait
    edge_j = edge_s active power
    sent_j = encode active power + send + lawful wait sleep power + wait idle power
    wait   = promotion + rtt + 8 (payload + overhead + answer) / uplink rate + decode + server time

as :mod:`explorer.costs.model` explains.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.core.graph.dataflow import FLOAT_BYTES
from explorer.costs.latency import (
    codec_times_s,
    lawful_wait_s,
    request_bytes,
    transfer_energy_j,
    transfer_time_s,
)
from explorer.devices import PROTOCOLS, Setting

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SampleCosts:
    """What samples of N operating points take; arrays (N,), NaN where it is not known.

    Attributes:
        edge_s: Seconds of every sample on the edge.
        sent_s: Seconds that a sample takes besides where it is sent.
        edge_j: Joules of every sample, on the edge device.
        sent_j: Joules that it takes besides, on the edge device, where it is sent.
        exited: Samples answered on the edge.
        offloaded: Samples sent.

    Example:
        >>> both = np.array([3.0, 4.0]), np.array([1.0, 0.0])
        >>> costs = SampleCosts(*(np.array([0.1, 0.1]), np.array([0.4, np.nan])) * 2, *both)
        >>> costs.latency_s, costs.exit_s, costs.offload_s, costs.late_share(0.2)
        (array([0.2, 0.1]), array([0.1, 0.1]), array([0.5, nan]), array([0.25, 0.  ]))
    """

    edge_s: Values
    sent_s: Values
    edge_j: Values
    sent_j: Values
    exited: Values
    offloaded: Values

    def _expected(self, always: Values, when_sent: Values) -> Values:
        """A term that never occurs may be unknown."""
        samples = self.exited + self.offloaded
        return always + np.where(self.offloaded > 0, self.offloaded / samples * when_sent, 0.0)

    @property
    def latency_s(self) -> Values:
        """Expected over all samples."""
        return self._expected(self.edge_s, self.sent_s)

    @property
    def energy_j(self) -> Values:
        """Expected over all samples."""
        return self._expected(self.edge_j, self.sent_j)

    @property
    def exit_s(self) -> Values:
        """Latency of a sample that is answered on the edge; NaN where none is."""
        return np.where(self.exited > 0, self.edge_s, np.nan)

    @property
    def offload_s(self) -> Values:
        """Latency of a sample that is sent; NaN where none is."""
        return np.where(self.offloaded > 0, self.edge_s + self.sent_s, np.nan)

    def late_share(self, deadline_s: float) -> Values:
        """Share of samples whose answer comes after ``deadline_s`` seconds; NaN where that is not known."""
        late = np.zeros_like(self.edge_s)
        for seconds, samples in ((self.exit_s, self.exited), (self.offload_s, self.offloaded)):
            own = np.where(np.isnan(seconds), np.nan, seconds > deadline_s)
            late += np.where(samples > 0, samples * own, 0.0)
        return late / (self.exited + self.offloaded)


def sample_costs(
    table: Mapping[str, NDArray[Any]],
    has_exit: NDArray[np.bool_],
    exited: NDArray[Any],
    offloaded: NDArray[Any],
    bits: NDArray[np.int64],
    message_bytes: Values,
    setting: Setting,
) -> SampleCosts:
    """Costs of a sample at each of N operating points.

    Args:
        table: Payload elements and seconds of the parts (N,), by name.
        has_exit: Whether an exit classifier runs (N,).
        exited: Samples answered on the edge (N,).
        offloaded: Samples sent (N,).
        bits: Of a payload's values (N,), 0 where nothing is sent.
        message_bytes: Mean bytes of a payload (N,).
        setting: Devices, link and protocol.

    Example:
        >>> setting = Setting.load(edge="rpi4", server="xeon_8124m", link="wifi_huang2012")
        >>> parts = {"payload_elements": 140, "edge_s": 0.01, "exit_s": 0.001, "server_s": 0.002}
        >>> table = {name: np.array([number]) for name, number in parts.items()}
        >>> counts = np.array([5.0]), np.array([5.0]), np.array([8])
        >>> costs = sample_costs(table, np.array([True]), *counts, np.array([150.0]), setting)
        >>> costs.exit_s, costs.offload_s > costs.exit_s
        (array([0.011]), array([ True]))
    """
    elements = table["payload_elements"].astype(float)
    codec_macs = np.where((bits > 0) & (bits < 32), elements, 0.0)
    codec_bytes = FLOAT_BYTES * elements + message_bytes
    edge_s = table["edge_s"] + np.where(has_exit, table["exit_s"], 0.0)
    encode_s, decode_s = codec_times_s(codec_macs, codec_bytes, setting)
    protocol, link = PROTOCOLS[setting.protocol], setting.link
    request = request_bytes(message_bytes, protocol)
    answer_s = transfer_time_s(protocol.answer_bytes, link)
    begin_s = (link.promotion_s or 0.0) + _or_nan(link.rtt_s)
    wait_s = begin_s + transfer_time_s(request, link) + answer_s + decode_s + table["server_s"]
    silent_s = lawful_wait_s(request, link)
    active_w, idle_w = _or_nan(setting.edge.active_w), _or_nan(setting.edge.idle_w)
    silent_w = idle_w if setting.edge.sleep_w is None else setting.edge.sleep_w
    waiting_j = silent_s * silent_w + wait_s * idle_w
    sent_j = encode_s * active_w + transfer_energy_j(request, link) + waiting_j
    sent_s = encode_s + silent_s + wait_s
    return SampleCosts(
        edge_s, sent_s, edge_s * active_w, sent_j, exited.astype(float), offloaded.astype(float)
    )


def _or_nan(number: float | None) -> float:
    return np.nan if number is None else number
