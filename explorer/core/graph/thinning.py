"""What a dataflow becomes when junctions are thinned out: exact counts of networks that nobody built."""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from explorer.core.graph.dataflow import Dataflow, Value


def thinned(flow: Dataflow, densities: Mapping[str, Fraction]) -> Dataflow | None:
    """The dataflow of the same backbone with sparse layers in place of dense ones.

    A sparse layer keeps exactly the share ``density`` of its weights and of the multiply-accumulates with
    them; everything else stays, how layers run among it.

    Args:
        flow: Of the dense backbone.
        densities: Legal density by junction path; junctions not named stay dense.

    Returns:
        None where a junction's weight is not read by one value of its own: inside a module that could not be
        traced, or under another name.

    Example:
        >>> import torch
        >>> from explorer.core.graph.trace import trace
        >>> net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
        >>> flow = thinned(trace(net, torch.zeros(1, 8)).dataflow, {"0": Fraction(1, 4)})
        >>> [(value.path, value.macs, value.moved_bytes) for value in flow.values.values() if value.macs]
        [('0', 8, 96), ('2', 8, 64)]
    """
    values, state_bytes = dict(flow.values), dict(flow.state_bytes)
    for path, density in densities.items():
        weight = f"{path}.weight"
        readers = [value for value in flow.values.values() if weight in value.state]
        if not readers or any(not _reads_alone(value, path) for value in readers):
            return None
        state_bytes[weight] = int(flow.state_bytes[weight] * density)
        for value in readers:
            saved = flow.state_bytes[weight] - state_bytes[weight]
            moved_bytes = value.moved_bytes - saved if value.moved_bytes else 0
            values[value.name] = replace(value, macs=int(value.macs * density), moved_bytes=moved_bytes)
    return Dataflow(values, flow.result, state_bytes)


def _reads_alone(value: Value, path: str) -> bool:
    return set(value.state) <= {f"{path}.weight", f"{path}.bias"}
