"""Dispatch modes of torch without its compiler."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from torch.utils._python_dispatch import TorchDispatchMode

_MARK = "__dynamo_disable"  # where torch keeps the function that its compiler leaves alone


@contextmanager
def without_compiler(mode: type[TorchDispatchMode]) -> Iterator[None]:
    """Run dispatch modes of a class without importing the compiler.

    torch imports it, which takes more than a second, only to keep it away from the mode; a process that has
    not imported it has nothing to keep away. Afterwards all is as it was.

    Example:
        >>> import torch
        >>> from torch.utils.flop_counter import FlopCounterMode, _FlopCounterMode
        >>> with without_compiler(_FlopCounterMode), FlopCounterMode(display=False) as counter:
        ...     _ = torch.zeros(1, 4) @ torch.zeros(4, 3)
        >>> counter.get_total_flops()  # two per multiply-accumulate
        24
    """
    dispatch = getattr(mode.__torch_dispatch__, "__wrapped__", None)
    if dispatch is None or hasattr(dispatch, _MARK) or "torch._dynamo" in sys.modules:
        yield
        return
    setattr(dispatch, _MARK, dispatch)
    try:
        yield
    finally:
        delattr(dispatch, _MARK)
