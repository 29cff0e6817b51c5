"""Cuts at which several tensors cross: inside residual blocks, between branches.

After each step of execution the edge holds the values that later steps read. Where these are few enough, they
can be sent together.
"""

from collections.abc import Iterator, Sequence

from explorer.core.graph.dataflow import Dataflow, Value

Cut = tuple[Value, ...]


def with_joint_cuts(dataflow: Dataflow, single: Sequence[Cut], limit: int) -> list[Cut]:
    """``single`` and, per class without MACs between, the smallest joint cut that sends fewer values.

    Args:
        dataflow: Of the backbone.
        single: Cuts at one tensor.
        limit: Largest number of tensors of a cut.

    Example:
        >>> import torch
        >>> from explorer.core.graph.trace import trace
        >>> class Residual(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.down, self.up = torch.nn.Linear(8, 2), torch.nn.Linear(2, 8)
        ...         self.stem, self.head = torch.nn.Linear(9, 8), torch.nn.Linear(8, 9)
        ...     def forward(self, x):
        ...         x = self.stem(x)
        ...         return self.head(x + self.up(self.down(x)))
        >>> flow = trace(Residual(), torch.zeros(1, 9)).dataflow
        >>> [[value.path for value in cut] for cut in with_joint_cuts(flow, [], limit=2)]
        [['stem', 'down'], ['stem', 'up']]
    """
    best: dict[int, Cut] = {}  # by MACs spent before the cut, which order the classes
    spent: dict[str, int] = {}
    for macs, crossing in _live_values(dataflow):
        spent |= {crossing[-1].name: macs}
        if len(crossing) == 1 or not all(value.can_cross for value in crossing) or len(crossing) > limit:
            continue
        if macs not in best or _elements(crossing) <= _elements(best[macs]):
            best[macs] = crossing
    total = max(spent.values())
    best = {macs: crossing for macs, crossing in best.items() if 0 < macs < total}
    cuts = [(spent[crossing[-1].name], crossing) for crossing in single]
    for macs, crossing in best.items():
        rivals = [_elements(other) for own, other in cuts if own == macs]
        if _elements(crossing) < min(rivals, default=_elements(crossing) + 1):
            cuts.append((macs, crossing))
    return [crossing for _, crossing in sorted(cuts, key=lambda cut: cut[0])]


def _live_values(dataflow: Dataflow) -> Iterator[tuple[int, Cut]]:
    """After each step: MACs so far of what depends on the input, and the values that later steps read."""
    steps = [value for name, value in dataflow.values.items() if name in dataflow.dependent]
    last_use = {source: value.name for value in steps for source in value.inputs}
    live: dict[str, Value] = {}
    macs = 0
    for value in steps:
        macs += value.macs
        live = {name: held for name, held in live.items() if last_use.get(name) != value.name}
        live[value.name] = value
        yield macs, tuple(live.values())


def _elements(crossing: Cut) -> int:
    return sum(value.elements for value in crossing)
