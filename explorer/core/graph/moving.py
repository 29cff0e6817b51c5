"""Move a traced network to another device: its tensors, and what its graph says of devices."""

from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate


def move(module: nn.Module, device: torch.device) -> None:
    """Move parameters, buffers and tensors that are attributes; what is shared stays shared.

    ``nn.Module.to`` leaves attributes behind and copies a shared buffer once for each holder. A graph that
    ``torch.export`` made names the device on which it was traced wherever its forward makes a tensor.

    Args:
        module: Whose tensors and graphs are moved, in place.
        device: Where they go.

    Example:
        >>> net = nn.BatchNorm1d(2)
        >>> net.own = torch.ones(3)
        >>> move(net, torch.device("meta"))
        >>> net.weight.device, net.running_mean.device, net.own.device
        (device(type='meta'), device(type='meta'), device(type='meta'))
    """
    moved: dict[int, tuple[Tensor, Tensor]] = {}

    def there(tensor: Tensor) -> Tensor:
        if id(tensor) not in moved:  # the tensor is kept too, so that no other gets its id
            copy = tensor.detach().to(device)
            if isinstance(tensor, nn.Parameter):
                copy = nn.Parameter(copy, tensor.requires_grad)
            moved[id(tensor)] = tensor, copy
        return moved[id(tensor)][1]

    for layer in module.modules():
        holders: list[dict[str, Any]] = [layer._parameters, layer._buffers, vars(layer)]
        for held in holders:
            for name, value in held.items():
                if type(value) in (Tensor, nn.Parameter):
                    held[name] = there(value)
        if isinstance(layer, fx.GraphModule):
            _name_device(layer, device)


def _name_device(graph_module: fx.GraphModule, device: torch.device) -> None:
    """Let every node that names a device name this one."""
    changed = False

    def renamed(argument: Any) -> Any:
        nonlocal changed
        if not isinstance(argument, torch.device):
            return argument
        changed = True
        return device

    for node in graph_module.graph.nodes:
        args, kwargs = map_aggregate((node.args, node.kwargs), renamed)
        if changed:
            node.args, node.kwargs = args, kwargs
    if changed:
        graph_module.recompile()
