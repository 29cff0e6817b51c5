"""A program without what need not be done: activations fused, orders of values absorbed."""

from dataclasses import replace

import numpy as np

from explorer.microcontroller.forms import Blocks, Depthwise, Listed
from explorer.microcontroller.program import Add, Map, Op, Pool, Program, Transpose, Weighted


def simplified(program: Program) -> Program:
    """The same values with fewer operations.

    Example:
        >>> from explorer.microcontroller.forms import Clamp, Shape
        >>> weight, bias = np.ones((2, 4, 1, 1), np.float32), np.zeros(2, np.float32)
        >>> relu = Map("relu", ("fc",), "relu", "clamp", Clamp(0))
        >>> ops = (Weighted("fc", ("input",), "fc", weight, bias), relu)
        >>> shapes = {"input": Shape(1, 1, 4), "fc": Shape(1, 1, 2), "relu": Shape(1, 1, 2)}
        >>> [op.clamp.low for op in simplified(Program(ops, shapes, "relu", None)).ops]
        [0]
    """
    program = _without_trivial(program)
    program = _fused(program)
    program = _flattened_by_weights(program)
    return _shuffled_by_producers(program)


def _without_trivial(program: Program) -> Program:
    """Orders that stay as they are have no operation; their tensors are one."""
    same, shapes, ops = dict[str, str](), dict(program.shapes), list[Op]()
    for op in program.ops:
        inputs = tuple(same.get(name, name) for name in op.inputs)
        if isinstance(op, Transpose) and op.trivial and shapes[inputs[0]] == shapes[op.output]:
            same[op.output] = inputs[0]
        else:
            ops.append(replace(op, inputs=inputs))
    crossing = same.get(program.crossing, program.crossing)
    logits = None if program.logits is None else same.get(program.logits, program.logits)
    return replace(program, crossing=crossing, logits=logits).with_ops(ops)


def _fused(program: Program) -> Program:
    """Activations that cut off are done by the operation before them, where nothing else reads that."""
    for op in program.ops:
        if not isinstance(op, Map) or op.function != "clamp":
            continue
        before = program.producer(op.inputs[0])
        if (
            isinstance(before, Weighted | Add)
            and before.clamp.nothing
            and program.only_reader(op.inputs[0]) is op
        ):
            joined = replace(before, output=op.output, clamp=op.clamp)
            ops = [joined if own is before else own for own in program.ops if own is not op]
            program = program.with_ops(ops)
    return program


def _flattened_by_weights(program: Program) -> Program:
    """A Linear layer whose weights may stand in any order reads a flattened tensor as it lies."""
    orders = {op.output: op for op in program.ops if isinstance(op, Transpose) and op.tables == 1}
    ops, shapes = list[Op](), dict(program.shapes)
    for op in program.ops:
        order = orders.get(op.inputs[0]) if op.inputs else None
        if isinstance(op, Weighted) and order is not None and not order.trivial and _free(op, program):
            view = f"{order.output}.view"
            if view not in shapes:
                shapes[view] = shapes[order.output]
                size = shapes[view].size
                ops.append(replace(order, output=view, rows=size, columns=1))
            op = _reading(op, view, order)
        ops.append(op)
    return replace(program, shapes=shapes).with_ops(ops)


def _free(op: Weighted, program: Program) -> bool:
    """Whether a layer reads one vector, in whatever order."""
    vector = op.window.taps == 1 and program.shapes[op.inputs[0]].pixels == 1
    return vector and (isinstance(op.form, Listed) or (isinstance(op.form, Blocks) and op.form.groups == 1))


def _reading(op: Weighted, view: str, order: Transpose) -> Weighted:
    """The layer with its weights in the order of the tensor before the transposition."""
    places = np.arange(order.rows * order.columns).reshape(order.columns, order.rows).T.ravel()
    form = Listed(op.form.kept[:, places]) if isinstance(op.form, Listed) else op.form
    return replace(op, inputs=(view,), weight_OIYX=op.weight_OIYX[:, places], form=form)


def _shuffled_by_producers(program: Program) -> Program:
    """A layer writes its outputs where the interleaved layer behind it reads them, through pooling too."""
    for order in [op for op in program.ops if isinstance(op, Transpose)]:
        shape = program.shapes[order.inputs[0]]
        if order.tables != shape.pixels or order.rows * order.columns != shape.channels:
            continue
        start, between = order.inputs[0], list[Op]()
        while program.only_reader(start) is (between[-1] if between else order):
            before = program.producer(start)
            if isinstance(before, (Pool, Map)):
                between.append(before)
                start = before.inputs[0]
                continue
            if (
                isinstance(before, Weighted)
                and not isinstance(before.form, Depthwise)
                and before.shuffle == 1
            ):
                program = _written_shuffled(program, before, between, order)
            break
    return program


def _written_shuffled(program: Program, layer: Weighted, between: list[Op], order: Transpose) -> Program:
    """The last operation before the exchange writes what was exchanged."""
    last = between[0] if between else layer
    new: dict[Op, Op] = {layer: replace(layer, shuffle=order.columns)}
    new[last] = replace(new.get(last, last), output=order.output)
    return program.with_ops([new.get(op, op) for op in program.ops if op is not order])
