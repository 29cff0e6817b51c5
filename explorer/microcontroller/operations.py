"""The operations of a program in C: a table of constants and a call for each."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import UserError
from explorer.microcontroller.forms import Blocks, Depthwise, Listed, Periodic, Window
from explorer.microcontroller.limits import beyond_tables
from explorer.microcontroller.numbers import Constants, Numbers
from explorer.microcontroller.packing import packed_blocks
from explorer.microcontroller.program import Add, Concat, Map, Normalise, Op, Pool, Thin, Transpose, Weighted


def is_direct(op: Weighted) -> bool:
    """Whether a layer reads its input where it lies: one tap, none beyond the edge.

    Example:
        >>> weight = np.ones((2, 3, 1, 1), np.float32)
        >>> is_direct(Weighted("fc", ("x",), "fc", weight, np.zeros(2, np.float32)))
        True
    """
    return op.window.taps == 1 and not any(op.window.padding)


@dataclass
class Code:
    """What was written so far.

    Attributes:
        constants: Arrays of ``weights.h``.
        tables: Definitions of structures, with their types.
        calls: One line for each operation.
        functions: Sections of the C files that are called.
        scratch: Values of working memory, by the operation's place.
        indices: Largest number in a table of indices.

    Example:
        >>> Code().calls
        []
    """

    constants: Constants = field(default_factory=Constants)
    tables: list[tuple[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    scratch: dict[int, int] = field(default_factory=dict)
    indices: int = 0


class Writer:
    """Writes the operations of one program.

    Args:
        numbers: Of which kind.

    Example:
        >>> from explorer.microcontroller.numbers import FloatNumbers
        >>> from explorer.microcontroller.forms import Shape
        >>> from explorer.microcontroller.program import Program
        >>> op = Transpose("flatten", ("x",), "y", tables=1, rows=2, columns=3)
        >>> program = Program((op,), {"x": Shape(1, 2, 3), "y": Shape(1, 1, 6)}, "y", None)
        >>> Writer(FloatNumbers(program)).code().calls
        ['transpose(AT(x), AT(y), 1, 2, 3);']
    """

    def __init__(self, numbers: Numbers) -> None:
        self.numbers, self.program = numbers, numbers.program
        self._code = Code()

    def code(self) -> Code:
        """All operations; places of tensors and scratch memory are left as ``AT(name)``."""
        for place, op in enumerate(self.program.ops):
            self._check(op)
            getattr(self, f"_{type(op).__name__.lower()}")(op, place)
        return self._code

    def _check(self, op: Op) -> None:
        shapes = self.program.shapes
        if op.inputs and (why := beyond_tables(op, shapes[op.inputs[0]], shapes[op.output])):
            raise UserError(f"--c-code: {op.name}: {type(op).__name__} is too large for C: {why}")

    def _call(self, function: str, *arguments: Any) -> None:
        self._code.calls.append(f"{function}({', '.join(map(str, arguments))});")
        if function not in self._code.functions:
            self._code.functions.append(function)

    def _table(self, op: Op, kind: str, place: int, numbers: str) -> None:
        text = f"/* {op.name} */\nstatic const {kind}_t op_{place} = {{{numbers}}};"
        self._code.tables.append((kind, text))

    def _indices(self, name: str, values: NDArray[Any]) -> str:
        self._code.indices = max(self._code.indices, int(values.max(initial=0)))
        return self._code.constants.add(name, values.astype(np.uint16))

    def _normalise(self, op: Normalise, place: int) -> None:
        shape = self.program.shapes[op.output]
        last = self.numbers.normalise(op, place, self._code.constants)
        self._call("normalise", "input", f"AT({op.output})", shape.pixels, shape.channels, *last)

    def _weighted(self, op: Weighted, place: int) -> None:
        shape, constants = self.program.shapes[op.output], self._code.constants
        before = self.program.shapes[op.inputs[0]]
        direct = is_direct(op)
        window = self._window(op.window, op, direct)
        finish = self.numbers.finish(op, place, constants)
        stride = op.outputs // op.shuffle if op.shuffle > 1 else op.outputs
        patch = 0 if direct else self.numbers.patch(op.window.taps * before.channels)
        form, weight, arguments = (
            op.form,
            self.numbers.dense_weight(op),
            [f"AT({op.inputs[0]})", f"AT({op.output})"],
        )
        if isinstance(form, Blocks):
            kind, double = "blocks", shape.pixels > 1 and form.reads == 1
            weights = constants.add(f"weights_{place}", packed_blocks(self.numbers, op))
            sources = self._indices(f"sources_{place}", form.sources) if form.sources is not None else 0
            span = op.window.taps * before.channels // form.groups
            rest: tuple[Any, ...] = (
                weights,
                sources,
                op.outputs,
                form.groups,
                form.reads,
                span,
                stride,
                patch,
            )
            patch *= 2 if double else 1
            function = "convolve" if double or not direct else "blocks_1"
            function = "overlapping" if form.reads > 1 else function
        elif isinstance(form, Depthwise):
            kind = function = "depthwise"
            rest = (constants.add(f"weights_{place}", weight.reshape(op.outputs, -1).T.ravel()),)
        elif isinstance(form, Listed):
            kind = function = "indexed"
            rest = (*self._listed(form, weight, place), op.window.taps, stride)
        else:
            assert isinstance(form, Periodic)
            kind = function = "periodic"
            rest = (*self._periodic(form, weight, place), stride)
        self._table(op, kind, place, f"{window}, {finish}, {', '.join(map(str, rest))}")
        if patch:
            self._code.scratch[place] = patch
        if function != "blocks_1":
            arguments.append(f"AT(scratch_{place})" if patch else "0")
        self._call(function, f"&op_{place}", *arguments)

    def _listed(self, form: Listed, weight: NDArray[Any], place: int) -> tuple[Any, ...]:
        """Weights, inputs, and how many each output has."""
        counts = form.kept.sum(axis=1)
        equal = len(set(counts.tolist())) == 1
        constants = self._code.constants
        return (
            constants.add(f"weights_{place}", weight[form.kept].ravel()),
            self._indices(f"inputs_{place}", np.nonzero(form.kept)[1]),
            0 if equal else constants.add(f"counts_{place}", counts.astype(np.uint16)),
            len(counts),
            int(counts[0]) if equal else 0,
        )

    def _periodic(self, form: Periodic, weight: NDArray[Any], place: int) -> tuple[Any, ...]:
        outputs, inputs = weight.shape[:2]
        variants, kept = form.supports.shape
        variant = (np.arange(outputs)[:, None] + np.arange(inputs)) % variants
        values = np.take_along_axis(weight.reshape(outputs, inputs, -1), form.supports[variant], axis=2)
        return (
            self._code.constants.add(f"weights_{place}", values.ravel()),
            self._indices(f"supports_{place}", form.supports),
            outputs,
            variants,
            kept,
        )

    def _window(self, window: Window, op: Op, direct: bool) -> str:
        before, after = self.program.shapes[op.inputs[0]], self.program.shapes[op.output]
        numbers = (*before, after.height, after.width, *window.kernel, *window.stride, *window.dilation)
        zero = self.numbers.zero(op.inputs[0])
        return "{" + ", ".join(map(str, (*numbers, *window.padding, int(direct), zero))) + "}"

    def _pool(self, op: Pool, place: int) -> None:
        self._table(op, "window", place, self._window(op.window, op, direct=False)[1:-1])
        arguments = [f"&op_{place}", f"AT({op.inputs[0]})", f"AT({op.output})"]
        if op.kind == "max":
            self._call("max_pool", *arguments)
        else:
            self._call("average_pool", *arguments, self.numbers.average(op))

    def _add(self, op: Add, place: int) -> None:
        table, last = self.numbers.add(op, place)
        if table:
            self._table(op, "add", place, table)
        tensors = [f"AT({name})" for name in (*op.inputs, op.output)]
        self._call("add", *tensors, self.program.shapes[op.output].size, last)

    def _map(self, op: Map, place: int) -> None:
        function, last = self.numbers.map(op, place, self._code.constants)
        size = self.program.shapes[op.output].size
        self._call(function, f"AT({op.inputs[0]})", f"AT({op.output})", f"{size}{last}")

    def _concat(self, op: Concat, place: int) -> None:
        shape, start = self.program.shapes[op.output], 0
        for name in op.inputs:
            channels = self.program.shapes[name].channels
            arguments = (f"AT({name})", f"AT({op.output}) + {start}", shape.pixels, channels, shape.channels)
            self._call("place", *arguments)
            start += channels

    def _thin(self, op: Thin, place: int) -> None:
        before, after = self.program.shapes[op.inputs[0]], self.program.shapes[op.output]
        numbers = (
            before.width,
            before.channels,
            *after,
            op.before,
            *op.stride,
            self.numbers.zero(op.inputs[0]),
        )
        self._table(op, "thin", place, ", ".join(map(str, numbers)))
        self._call("thin", f"&op_{place}", f"AT({op.inputs[0]})", f"AT({op.output})")

    def _transpose(self, op: Transpose, place: int) -> None:
        if not op.trivial:
            tensors = f"AT({op.inputs[0]})", f"AT({op.output})"
            self._call("transpose", *tensors, op.tables, op.rows, op.columns)
