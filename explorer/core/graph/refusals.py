"""What kinds of modules cannot be a backbone, and what to do instead: one sentence each."""

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.parameter import is_lazy

from explorer.errors import NetworkError

ONE_OUTPUT = "the output must be one tensor of class logits (batch, classes)"
_WRAPPER = (
    "wrap it: `class Logits(nn.Module): def __init__(self, net): super().__init__(); self.net = net`, with "
    "`def forward(self, x): return self.net(x)[{}]`"
)
AUXILIARY = (
    "it returns several values in training, as auxiliary heads do; switch these off (torchvision: "
    "aux_logits=False) or return the main logits alone"
)


def refuse_kinds(module: nn.Module) -> None:
    """Refuse what is no longer, or not yet, a module with a forward in Python.

    Raises:
        NetworkError: A compiled, scripted or exported module, or one with parameters that have no shape yet.

    Example:
        >>> refuse_kinds(nn.LazyLinear(3))
        Traceback (most recent call last):
        explorer.errors.NetworkError: LazyLinear: 'weight' has no shape yet (lazy module); ...
    """
    name = type(module).__name__
    for path, layer in module.named_modules():
        where = f"{name}: {path!r} is" if path else f"{name}: is"
        if is_compiled(layer):
            raise NetworkError(
                f"{where} compiled by torch.compile; return the original (`compiled._orig_mod`)"
            )
        if isinstance(layer, nn.DataParallel | nn.parallel.DistributedDataParallel):
            raise NetworkError(f"{where} wrapped for several devices; return its `.module`")
        if isinstance(layer, torch.jit.ScriptModule):
            raise NetworkError(f"{where} scripted (torch.jit); return the Python module it was made from")
        if isinstance(layer, fx.GraphModule) and "_guards_fn" in layer._modules:
            raise NetworkError(f"{where} exported (torch.export); return the Python module it was made from")
    if lazy := [path for path, parameter in module.named_parameters() if is_lazy(parameter)]:
        raise NetworkError(
            f"{name}: {lazy[0]!r} has no shape yet (lazy module); run one sample through in the factory"
        )


def is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile made it; importing its compiler, which nobody needs here, takes a second.

    Example:
        >>> is_compiled(nn.Linear(4, 3))
        False
    """
    compiler = sys.modules.get("torch._dynamo")
    return compiler is not None and isinstance(module, compiler.OptimizedModule)


def picked_logits(result: Any) -> Any:
    """The logits in what a forward returns: itself, or ``logits`` of a mapping or object; None if not there.

    Works for tensors and for the nodes that stand for them in a graph.

    Example:
        >>> logits = torch.zeros(1, 3)
        >>> picked_logits({"loss": None, "logits": logits}) is logits, picked_logits([logits])
        (True, None)
    """
    if isinstance(result, Tensor | fx.Node):
        return result
    if isinstance(result, Mapping):
        return result.get("logits")
    return getattr(result, "logits", None)


def logits_of(result: Any) -> Tensor:
    """The logits in what a module returned.

    Raises:
        NetworkError: There are none.

    Example:
        >>> logits_of([torch.zeros(1, 3), torch.zeros(1, 3)])
        Traceback (most recent call last):
        explorer.errors.NetworkError: the output must be one tensor ..., got several values; wrap it: ...
    """
    found = picked_logits(result)
    if not isinstance(found, Tensor):
        raise NetworkError(refused_output(result))
    return found


def refused_output(result: Any) -> str:
    """Why a result is refused.

    Example:
        >>> refused_output({"scores": None, "loss": None}).partition("; ")[0]
        'the output must be one tensor of class logits (batch, classes), got a mapping with scores, loss'
    """
    if isinstance(result, Mapping):
        got, key = f"a mapping with {', '.join(map(str, result))}", repr(next(iter(result), ""))
    else:
        got = "several values" if isinstance(result, tuple | list) else f"a {type(result).__name__}"
        key = "0"
    return f"{ONE_OUTPUT}, got {got}; {_WRAPPER.format(key)}"


def refused_shape(alone: Tensor, together: Tensor) -> str:
    """Why logits of a batch of one and of two are refused for their shapes; empty if they are not.

    Example:
        >>> refused_shape(torch.zeros(1, 3), torch.zeros(2, 3))
        ''
        >>> refused_shape(torch.zeros(1, 3, 7), torch.zeros(2, 3, 7))
        'the output must be one tensor of class logits (batch, classes), got shape (3, 7) per sample'
    """
    if alone.dim() == 2 and together.dim() == 2 and len(alone) == 1 and len(together) == 2:
        return ""
    if together.dim() == 2 and len(together) == 2 and alone.dim() == 1:
        return (
            "the batch axis of a single sample is lost, as `.squeeze()` does; name the axes, as in "
            "`.squeeze(-1)` or `.flatten(1)`"
        )
    return f"{ONE_OUTPUT}, got shape {tuple(together.shape[1:])} per sample"


def hint(error: BaseException) -> str:
    """What to do about an error of a module that is run with floats; empty where nothing is known.

    Example:
        >>> hint(ValueError("shapes differ")), hint(RuntimeError("Expected indices of type Long"))[:42]
        ('', '; it takes whole numbers such as token ids')
    """
    said = str(error)
    if "indices" in said and ("Long" in said or "int" in said.lower()):
        return (
            "; it takes whole numbers such as token ids, and inputs here are normalised floats: search the "
            "network behind its embedding"
        )
    if "same dtype" in said:
        return "; networks are trained in float32: end the factory in `.float()`"
    return ""


def refused_values(module: nn.Module) -> str:
    """Why a module is refused whose logits are not finite.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3))
        >>> _ = nn.init.constant_(net[0].bias, float("nan"))
        >>> refused_values(net)
        "its logits are not finite for normalised inputs: '0.bias' holds nan"
    """
    odd = ""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if not (finite := tensor.isfinite()).all():
            odd = f": {name!r} holds {tensor[~finite][0].item()}"
            break
    return f"its logits are not finite for normalised inputs{odd}"


def refused_classes(name: str, shape: tuple[int, ...], num_classes: int) -> str:
    """Why the number of logits is refused.

    Example:
        >>> refused_classes("Net", (5,), 10)
        'Net: must give 10 logits, gives shape (5,)'
    """
    if shape == (1,) and num_classes == 2:
        return (
            f"{name}: gives one logit for two classes; end in a layer of 2, or return "
            "`torch.cat([torch.zeros_like(z), z], 1)` of the logit z, taken before any sigmoid"
        )
    return f"{name}: must give {num_classes} logits, gives shape {shape}"


def looks_like_probabilities(logits: Tensor) -> bool:
    """Whether every row (batch, classes) is a distribution: the forward ends in a softmax.

    Example:
        >>> logits = torch.tensor([[1.0, 2.0]])
        >>> looks_like_probabilities(logits), looks_like_probabilities(logits.softmax(-1))
        (False, True)
    """
    return bool((logits >= 0).all() and torch.allclose(logits.sum(-1), torch.ones(()), atol=1e-5))
