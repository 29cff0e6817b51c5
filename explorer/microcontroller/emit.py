"""A program as C99: ``edge.c``, ``edge.h`` and ``weights.h``, which need no library."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from explorer.microcontroller.arena import Arena, planned
from explorer.microcontroller.interface import Interface, Task
from explorer.microcontroller.kernels import functions
from explorer.microcontroller.numbers import Constants, Numbers
from explorer.microcontroller.operations import Code, Writer
from explorer.microcontroller.program import Normalise

SLACK = 4  # bytes behind an int8 arena, since dot products read whole words
_PLACE = re.compile(r"AT\(([^()]+)\)")


@dataclass(frozen=True, eq=False)
class EdgeCode:
    """The files of an edge part, and what is known of their size.

    Attributes:
        files: Text by name.
        constant_bytes: Of the arrays in ``weights.h``.
        functions: Names of the C functions' sections.
        arena: Where tensors lie, in bytes.
        static_bytes: Of the arena as it is defined: all the RAM that the model has of its own.
        tables: Types of the structures of constants.
        calls: Of functions, in one run.

    Example:
        >>> EdgeCode({"edge.h": ""}, 0, (), Arena(0, {}, {}), 0, (), 0).static_bytes
        0
    """

    files: dict[str, str]
    constant_bytes: int
    functions: tuple[str, ...]
    arena: Arena
    static_bytes: int
    tables: tuple[str, ...]
    calls: int


def emitted(numbers: Numbers, task: Task) -> EdgeCode:
    """Write a program as C.

    Args:
        numbers: The program, in float32 or int8.
        task: What is done with its tensors.

    Example:
        >>> from explorer.microcontroller.numbers import FloatNumbers
        >>> from explorer.runtime.codec import Codec
        >>> from explorer.microcontroller.forms import Shape
        >>> from explorer.microcontroller.program import Normalise, Program
        >>> start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "uint8")
        >>> program = Program((start,), {"input": Shape(1, 1, 4)}, "input", None)
        >>> code = emitted(FloatNumbers(program), Task(2, codec=Codec(8)))
        >>> sorted(code.files), code.static_bytes, code.functions
        (['edge.c', 'edge.h', 'weights.h'], 16,
         ('types', 'normalise', 'bytes', 'codes', 'encode_sample', 'frame'))
    """
    return _Emitter(numbers, *_planned(numbers), task).code()


def outlined(numbers: Numbers, tasks: Iterable[Task]) -> list[EdgeCode]:
    """What is known of the C for each of several tasks, without the texts of its files.

    Args:
        numbers: The program, in float32 or int8.
        tasks: What may be done with its tensors.

    Example:
        >>> from explorer.microcontroller.numbers import FloatNumbers
        >>> from explorer.runtime.codec import Codec
        >>> from explorer.microcontroller.forms import Shape
        >>> from explorer.microcontroller.program import Normalise, Program
        >>> start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "uint8")
        >>> program = Program((start,), {"input": Shape(1, 1, 4)}, "input", None)
        >>> [(code.files, code.static_bytes) for code in outlined(FloatNumbers(program), [Task(2)])]
        [({}, 16)]
    """
    planned_once = _planned(numbers)
    return [_Emitter(numbers, *planned_once, task).outline() for task in tasks]


def _planned(numbers: Numbers) -> tuple[Code, Arena]:
    """What does not depend on the task: operations in C, and where their tensors lie."""
    written, program = Writer(numbers).code(), numbers.program
    scratch = {place: values * numbers.value_bytes for place, values in written.scratch.items()}
    return written, planned(program, {op.output: numbers.size(op.output) for op in program.ops}, scratch)


class _Emitter:
    def __init__(self, numbers: Numbers, written: Code, arena: Arena, task: Task) -> None:
        self.numbers, self.program, self.written, self.arena = numbers, numbers.program, written, arena
        self.interface = Interface(numbers, task)
        self.integers = self.interface.integers
        self.static_bytes = self.arena.size + (SLACK if self.integers else 0)

    def _chosen(self) -> list[tuple[str, str]]:
        """Names and texts of the functions that are called."""
        return functions(self.numbers.source, [*self.written.functions, *self.interface.functions()])

    def outline(self) -> EdgeCode:
        names = tuple(name for name, _ in self._chosen())
        tables = tuple(kind for kind, _ in self.written.tables)
        calls = len(self.written.calls)
        return EdgeCode({}, self._constants().bytes, names, self.arena, self.static_bytes, tables, calls)

    def code(self) -> EdgeCode:
        run, chosen, constants = self._run(), self._chosen(), self._constants()
        files = {
            "edge.h": self.interface.header(self.static_bytes),
            "weights.h": f"/* Constants of edge.c. */\n#include <stdint.h>\n\n{constants.text()}\n",
            "edge.c": "\n".join((self._start(), *(f"\n{text}" for _, text in chosen), *self._tables(), run)),
        }
        return replace(self.outline(), files=files)

    def _constants(self) -> Constants:
        """Arrays, tables of indices in as few bytes as they need."""
        arrays = self.written.constants.arrays
        if self.written.indices < 2**8:
            narrow = ("sources_", "inputs_", "supports_")
            arrays = {
                name: a.astype(np.uint8) if name.startswith(narrow) else a for name, a in arrays.items()
            }
        return Constants(arrays | self.interface.constants())

    def _start(self) -> str:
        start = self.program.ops[0]
        assert isinstance(start, Normalise)
        lines = [
            "/* The edge part of a network, written by a program: change that, not this. C99, no library. */",
            '#include "edge.h"',
            '#include "weights.h"',
            "",
            "#if defined(__clang__)",
            "#define INLINE static inline __attribute__((unused))",
            "#define KERNEL static __attribute__((noinline))",
            "#elif defined(__GNUC__) /* each function once, as long as ever */",
            "#define INLINE static inline __attribute__((unused))",
            "#define KERNEL static __attribute__((noipa))",
            "#else",
            "#define INLINE static inline",
            "#define KERNEL static",
            "#endif",
            "",
            f"typedef {'uint8_t' if start.raw == 'uint8' else 'float'} raw_t;",
            f"typedef {'double' if start.mean.dtype == np.float64 else 'float'} wide_t;",
            f"typedef {'uint8_t' if self.written.indices < 2**8 else 'uint16_t'} index_t;",
            f"typedef {'int32_t' if self.integers else 'float'} logit_t;",
        ]
        lines += self.interface.macros()
        return "\n".join(lines)

    def _tables(self) -> list[str]:
        kind = "int32_t" if self.integers else "float"
        arena = f"\nstatic {kind} arena[{self.static_bytes // 4}];"
        return [*(f"\n{table}" for _, table in self.written.tables), arena]

    def _run(self) -> str:
        lines = [
            "",
            "void explorer_edge_run(const explorer_edge_input *input, explorer_edge_output *output)",
            "{",
        ]
        if self.integers is None:
            lines.append("    value_t *const memory = arena;")
        else:
            lines.append("    value_t *const memory = (value_t *)(void *)arena;")
        lines += [f"    {_PLACE.sub(self._place, call)}" for call in self.written.calls]
        lines += [f"    {line}" for line in self.interface.lines(self.arena)]
        return "\n".join([*lines, "}", *self.interface.frame(), ""])

    def _place(self, match: re.Match[str]) -> str:
        name = match[1]
        if name.startswith("scratch_"):
            start = self.arena.scratch[int(name.removeprefix("scratch_"))]
        else:
            start = self.arena.tensors[name]
        return f"memory + {start // self.numbers.value_bytes}"
