"""A device that is not there: torch's ``meta``, made to look like one whose tensors must not meet the CPU's.

Tensors on it have no values. What is copied to the CPU becomes zeros, so that a whole search can be run on
it: its numbers mean nothing, but every tensor lies where it should or the run fails.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from explorer.core.network import Network
from explorer.costs import evaluate

ELSEWHERE = torch.device("meta")
# Moments of AdamW count steps on the CPU, and the order of samples is drawn there, the same for every device.
_ON_CPU = ("randperm", "lift_fresh", "detach")


class MisplacedError(AssertionError):
    """A tensor was made on, or met one of, another device than the one asked for."""


class Elsewhere(TorchDispatchMode):
    """Copies from the device give zeros; while ``strict``, only a few numbers may be made on the CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.strict, self.seen = False, set[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        there, name = [t for t in given if t.device == ELSEWHERE], func.overloadpacket.__name__
        if there:
            self.seen.add(name)
        if there and name in ("_local_scalar_dense", "item", "is_nonzero"):
            return there[0].dtype.is_floating_point and 0.0
        if there and name == "equal":
            return True
        if (
            there
            and name in ("_to_copy", "to")
            and torch.device(kwargs.get("device") or ELSEWHERE).type == "cpu"
        ):
            like = there[0]
            return torch.zeros(like.shape, dtype=kwargs.get("dtype") or like.dtype, device="cpu")
        if there and name == "copy_" and args[0].device.type == "cpu":
            return args[0].zero_()
        if self.strict and name not in ("_to_copy", "copy_"):
            self._check(name, given, there)
        result = func(*args, **kwargs)
        if self.strict and not given and name not in _ON_CPU:
            made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            if any(tensor.dim() and tensor.device != ELSEWHERE for tensor in made):
                raise MisplacedError(f"{name} made a tensor on the CPU")
        return result

    def _check(self, name: str, given: list[Tensor], there: list[Tensor]) -> None:
        here = [t for t in given if t.device != ELSEWHERE and (t.dim() or t is given[0])]
        if there and here:
            raise MisplacedError(f"{name} of tensors here and there")


_STRICT = ("train", "calibrate", "collect_evidence")


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[Elsewhere]:
    """Networks are trained and measured elsewhere; what was seen of each."""
    modes = list[Elsewhere]()

    @contextmanager
    def computing_on(device: torch.device) -> Iterator[None]:
        modes.append(Elsewhere())
        with modes[-1]:
            yield

    def strictly(step: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(step)
        def run(*args: Any, **kwargs: Any) -> Any:
            modes[-1].strict = True
            try:
                return step(*args, **kwargs)
            finally:
                modes[-1].strict = False

        return run

    def counted_here(*how: Any) -> Any:
        with _disable_current_modes():  # the tracer that counts does not bear a mode
            return counted(*how)

    counted = evaluate.dense_counterpart
    monkeypatch.setattr(evaluate, "dense_counterpart", counted_here)
    monkeypatch.setattr(evaluate, "chosen_device", lambda name: ELSEWHERE)
    monkeypatch.setattr(evaluate, "computing_on", computing_on)
    for name in _STRICT:
        monkeypatch.setattr(evaluate, name, strictly(getattr(evaluate, name)))
    monkeypatch.setattr(Network, "check_split_points", strictly(Network.check_split_points))
    return modes
