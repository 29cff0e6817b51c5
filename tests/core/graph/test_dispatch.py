"""Counting under a dispatch mode imports no compiler, and leaves torch as it was."""

import subprocess
import sys

SCRIPT = """
import sys, torch
from torch import nn
from torch.utils.flop_counter import _FlopCounterMode
from explorer.core.graph.dispatch import _MARK
from explorer.core.graph.trace import trace

net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
found = trace(net, torch.zeros(1, 1, 8, 8))
print(sum(value.macs for value in found.dataflow.values.values()), "torch._dynamo" in sys.modules)
print(hasattr(_FlopCounterMode.__torch_dispatch__.__wrapped__, _MARK))
"""


def test_counts_without_the_compiler() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    macs = 4 * 9 * 36 + 144 * 3
    assert done.stdout.split() == [str(macs), "False", "False"]
