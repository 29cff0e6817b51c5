"""How often each loop of the C runs in one run of an edge part: counted from the program, without a compiler.

Names are those of the C functions; behind a dot stands what a function does over and over.
"""

from collections import Counter
from collections.abc import Iterator

from explorer.microcontroller.forms import Blocks, Depthwise, Listed, Shape, Window
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.interface import Interface
from explorer.microcontroller.numbers import Numbers
from explorer.microcontroller.operations import is_direct
from explorer.microcontroller.packing import together
from explorer.microcontroller.program import Add, Concat, Map, Normalise, Op, Pool, Thin, Transpose, Weighted

Counts = Counter[str]
CHUNK = 16  # sums that become outputs at once, as in kernels.c


def executed(numbers: Numbers) -> list[Counts]:
    """What each call of a run executes, in order.

    Args:
        numbers: The program, in float32 or int8.

    Example:
        >>> from explorer.microcontroller.numbers import FloatNumbers
        >>> from explorer.microcontroller.program import Program
        >>> op = Transpose("flatten", ("x",), "y", tables=1, rows=2, columns=3)
        >>> program = Program((op,), {"x": Shape(1, 2, 3), "y": Shape(1, 1, 6)}, "y", None)
        >>> [sorted(own.items()) for own in executed(FloatNumbers(program))]
        [[('transpose', 1), ('transpose.columns', 3), ('transpose.values', 6)]]
    """
    return [own for op in numbers.program.ops for own in _of(op, numbers)]


def executed_after(interface: Interface) -> tuple[Counts, Counts]:
    """What follows the calls in every run, and what is added where something is sent.

    Example:
        >>> from explorer.microcontroller.numbers import FloatNumbers
        >>> from explorer.microcontroller.program import Program
        >>> from explorer.microcontroller.interface import Task
        >>> import numpy as np
        >>> start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "uint8")
        >>> program = Program((start,), {"input": Shape(1, 1, 4)}, "input", "input")
        >>> [dict(own) for own in executed_after(Interface(FloatNumbers(program), Task(4)))]
        [{'run': 1, 'run.classes': 4}, {}]
    """
    task, program = interface.task, interface.program
    always, sent, shape = Counts({"run": 1}), Counts(), program.shapes[program.crossing]
    if program.logits is not None:
        always["run.classes"] += task.classes
    if task.exit is not None:
        always += Counts({task.exit.score: 1, f"{task.exit.score}.classes": task.classes})
    if task.codec is not None:
        function = next(name for name in interface.functions() if name.startswith(("encode", "codes")))
        names = [function] if function != "encode_sample" else [function, "codes"]
        for name in names:
            sent += Counts({name: 1, f"{name}.channels": shape.channels, f"{name}.values": shape.size})
        if "codes" in names:
            sent["codes.bytes"] += -(-shape.size * task.codec.bits // 8)
    return always, sent


def _of(op: Op, numbers: Numbers) -> Iterator[Counts]:
    shapes = numbers.program.shapes
    after = shapes[op.output]
    if isinstance(op, Weighted):
        yield _weighted(op, numbers)
    elif isinstance(op, Normalise):
        is_wide = op.mean.dtype.itemsize > 4 and not isinstance(numbers, Int8Numbers)
        kind = f"normalise_{op.raw}" + ("_wide" if is_wide else "")
        yield Counts({kind: 1, f"{kind}.channels": after.channels, f"{kind}.values": after.size})
    elif isinstance(op, Pool):
        yield _pool(op, shapes[op.inputs[0]], after)
    elif isinstance(op, Concat):
        for name in op.inputs:
            yield Counts({"place": 1, "place.pixels": after.pixels, "place.values": shapes[name].size})
    elif isinstance(op, Thin):
        yield Counts({"thin": 1, "thin.pixels": after.pixels, "thin.values": after.size})
    elif isinstance(op, Transpose):
        if not op.trivial:
            columns = op.tables * op.columns
            yield Counts(
                {"transpose": 1, "transpose.columns": columns, "transpose.values": columns * op.rows}
            )
    else:
        assert isinstance(op, Add | Map)
        name = "add" if isinstance(op, Add) else op.function
        if isinstance(op, Map) and isinstance(numbers, Int8Numbers):
            name = "table"
        yield Counts({name: 1, f"{name}.values": after.size})


def _weighted(op: Weighted, numbers: Numbers) -> Counts:
    before, after = numbers.program.shapes[op.inputs[0]], numbers.program.shapes[op.output]
    pixels, form, window, direct = after.pixels, op.form, op.window, is_direct(op)
    kind = f"write_{numbers.kind(op).lower()}".rstrip("_")
    outputs = op.outputs * pixels
    if isinstance(form, Blocks):
        if form.reads > 1:
            patches = _patches(window, before, after, form.groups, direct)
            return _overlapping(op, form, numbers, pixels, kind) + patches
        column = _column(op, form, numbers, kind)
        if direct and pixels == 1:
            return column
        pairs, last = divmod(pixels, 2)
        found = _patches(window, before, after, form.groups, direct) + _times(column, last)
        return (
            found
            + _times(_two_columns(op, form, numbers, kind), pairs)
            + Counts({"convolve": 1, "convolve.pairs": pairs})
        )
    if isinstance(form, Depthwise):
        fours, ones = (pixels * number for number in divmod(op.outputs, 4))
        loops = {
            "fours": fours,
            "four_taps": fours * window.taps,
            "ones": ones,
            "one_taps": ones * window.taps,
        }
        return (
            _patches(window, before, after, 1, direct)
            + Counts({"depthwise": 1, "depthwise.pixels": pixels})
            + Counts({f"depthwise.{name}": number for name, number in loops.items()})
            + Counts({kind: fours + ones, f"{kind}.outputs": outputs})
        )
    written = Counts({kind: outputs, f"{kind}.outputs": outputs})
    if isinstance(form, Listed):
        links = int(form.kept.sum()) * pixels
        own = {"indexed": 1, "indexed.pixels": pixels, "indexed.outputs": outputs}
        many = {"indexed.kernels": links, "indexed.taps": links * window.taps}
        own |= many if window.taps > 1 else {"indexed.links": links}
    else:
        links = outputs * before.channels
        own = {"periodic": 1, "periodic.pixels": pixels, "periodic.outputs": outputs}
        own |= {"periodic.kernels": links, "periodic.taps": links * form.supports.shape[1]}
    return _patches(window, before, after, before.channels, direct) + Counts(own) + written


def _column(op: Weighted, form: Blocks, numbers: Numbers, kind: str) -> Counts:
    """``blocks_1``."""
    rows, span = together(op.outputs // form.groups), _span(op, form)
    found = Counts({"blocks_1": 1, "blocks_1.groups": form.groups, "blocks_1.rows": len(rows) * form.groups})
    for each in rows:
        found += _dot(each, 1, span, numbers, form.groups)
    return found + Counts({kind: _writes(rows, form.groups), f"{kind}.outputs": op.outputs})


def _two_columns(op: Weighted, form: Blocks, numbers: Numbers, kind: str) -> Counts:
    """``blocks_2``."""
    rows, span = together(op.outputs // form.groups), _span(op, form)
    fours = sum(each == 4 for each in rows)
    found = Counts({"blocks_2": 1, "blocks_2.groups": form.groups, "blocks_2.fours": fours * form.groups})
    found["blocks_2.others"] += (len(rows) - fours) * form.groups
    for each in rows:
        found += _times(_dot(2, 2, span, numbers, form.groups) if each == 4 else
                        _dot(each, 1, span, numbers, form.groups), 2)  # fmt: skip
    return found + Counts({kind: 2 * _writes(rows, form.groups), f"{kind}.outputs": 2 * op.outputs})


def _overlapping(op: Weighted, form: Blocks, numbers: Numbers, pixels: int, kind: str) -> Counts:
    rows, span, found = together(op.outputs // form.groups), _span(op, form), Counts()
    for block in range(form.groups):
        runs = form.runs(block)
        for each in rows:
            found += Counts({"overlapping.rows": 1, "overlapping.runs": len(runs)})
            found["overlapping.sums"] += each * len(runs)
            found["overlapping.listed"] += form.reads if form.sources is not None else 0
            for _, number in runs:
                found += _dot(each, 1, number * span, numbers, 1)
    written = Counts({kind: len(rows) * form.groups, f"{kind}.outputs": op.outputs})
    return _times(found + written, pixels) + Counts({"overlapping": 1, "overlapping.pixels": pixels})


def _span(op: Weighted, form: Blocks) -> int:
    return op.window.taps * int(op.weight_OIYX.shape[1]) // form.groups


def _dot(rows: int, columns: int, length: int, numbers: Numbers, times: int) -> Counts:
    """A dot product takes a step for each value, or for each word of four."""
    name, steps = f"dot_{rows}x{columns}", -(-length // 4) if numbers.value_bytes == 1 else length
    return Counts({name: times, f"{name}.steps": steps * times})


def _writes(rows: list[int], groups: int) -> int:
    """How often sums become outputs: where there is no room for four more, and at the end."""
    filled, calls = 0, 1
    for each in rows * groups:
        filled += each
        if filled > CHUNK - 4:
            filled, calls = 0, calls + 1
    return calls


def _patches(window: Window, before: Shape, after: Shape, groups: int, direct: bool) -> Counts:
    """``patch_at`` for every output pixel: taps inside copy groups of channels, others fill."""
    if direct:
        return Counts({"patch.direct": after.pixels})
    inside = _inside(window, before, after)
    outside, each = after.pixels * window.taps - inside, before.channels // groups
    copied = "words" if each % 4 == 0 else "values"
    found = {"patch": after.pixels, "patch.lines": after.pixels * window.kernel[0]}
    found |= {"patch.inside": inside, f"patch.{copied}_groups": inside * groups}
    found |= {f"patch.{copied}": inside * before.channels}
    found |= {"patch.zero_groups": outside * groups, "patch.zeros": outside * before.channels}
    return Counts(found)


def _pool(op: Pool, before: Shape, after: Shape) -> Counts:
    if op.kind == "max":
        inside = _inside(op.window, before, after) * after.channels
        taps = {"inside": inside, "outside": after.size * op.window.taps - inside}
        return Counts({"max_pool": 1, "max_pool.outputs": after.size}) + Counts(
            {f"max_pool.{name}": number for name, number in taps.items()}
        )
    loops = {"pixels": after.pixels, "outputs": after.size, "lines": after.size * op.window.kernel[0]}
    loops["taps"] = after.size * op.window.taps
    return Counts({"average_pool": 1} | {f"average_pool.{name}": number for name, number in loops.items()})


def _inside(window: Window, before: Shape, after: Shape) -> int:
    """Taps that lie on the input, over all output pixels."""
    axes = zip(
        before[:2], after[:2], window.kernel, window.stride, window.padding, window.dilation, strict=True
    )
    found = 1
    for length, results, kernel, stride, padding, dilation in axes:
        starts = (result * stride - padding for result in range(results))
        found *= sum(0 <= start + tap * dilation < length for start in starts for tap in range(kernel))
    return found


def _times(counts: Counts, number: int) -> Counts:
    return Counts({name: own * number for name, own in counts.items() if own * number})
