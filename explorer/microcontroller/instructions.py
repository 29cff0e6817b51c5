"""Instructions of one run of an edge part, known without an emulator.

What every loop of the C takes stands in ``instructions.json``, which
``python -m benchmarks.microcontroller --instructions`` measures; other compilers give other numbers. Of how
often each loop runs, :mod:`explorer.microcontroller.executed` knows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from explorer.microcontroller.executed import Counts, executed, executed_after
from explorer.microcontroller.interface import Interface, Task
from explorer.microcontroller.numbers import Numbers


@dataclass(frozen=True)
class Instructions:
    """Of one run; no cycles.

    Attributes:
        alone: Where the edge answers alone, or has nothing to send.
        sending: What is added where a payload is encoded.

    Example:
        >>> Instructions(20_000, 400).mean(sent=0.5)
        20200
    """

    alone: int
    sending: int

    def mean(self, sent: float) -> int:
        """Over runs of which a share, in [0, 1], sends."""
        return round(self.alone + sent * self.sending)


def predicted_instructions(numbers: Numbers, task: Task, weights: str, core: str) -> Instructions | None:
    """Instructions of a run on a core.

    Args:
        numbers: The program, in float32 or int8.
        task: What is done with its tensors.
        weights: ``float`` or ``int8``.
        core: One of :data:`explorer.microcontroller.toolchain.CORES`.

    Returns:
        None where something that runs was not measured.

    Example:
        >>> import numpy as np
        >>> from explorer.microcontroller.forms import Shape
        >>> from explorer.microcontroller.numbers import FloatNumbers
        >>> from explorer.microcontroller.program import Normalise, Program
        >>> one = np.ones(1, np.float32)
        >>> start = Normalise("input", (), "input", 0 * one, one, "float32")
        >>> program = Program((start,), {"input": Shape(1, 1, 4)}, "input", None)
        >>> found = predicted_instructions(FloatNumbers(program), Task(2), "float", "m4")
        >>> 4 * 5 < found.alone < 200, found.sending
        (True, 0)
    """
    known: Mapping[str, float] | None = _known().get(core, {}).get(weights)
    always, sent = executed_after(Interface(numbers, task))
    always = sum(executed(numbers), always)
    if known is None or not known.keys() >= (always + sent).keys():
        return None
    return Instructions(_sum(always, known), _sum(sent, known))


def _sum(counts: Counts, each: Mapping[str, float]) -> int:
    return round(sum(number * each[name] for name, number in counts.items()))


@cache
def _known() -> Any:
    text = resources.files("explorer.microcontroller").joinpath("instructions.json").read_text("utf-8")
    return json.loads(text)["cores"]
