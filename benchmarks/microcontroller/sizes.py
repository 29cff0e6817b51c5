"""How long every C function is on every core, and how much stack it takes: behind predicted sizes."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from explorer.microcontroller.emit import EdgeCode, emitted
from explorer.microcontroller.forms import Blocks, Clamp, Depthwise, Form, Listed, Periodic, Shape, Window
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.interface import Task
from explorer.microcontroller.numbers import FloatNumbers
from explorer.microcontroller.program import (
    INPUT,
    Add,
    Concat,
    Map,
    Normalise,
    Op,
    Pool,
    Program,
    Thin,
    Transpose,
    Weighted,
)
from explorer.microcontroller.quantise import quantised
from explorer.microcontroller.sizes import symbols
from explorer.microcontroller.toolchain import ARM, CORES, compiled, find_tool, run_tool
from explorer.runtime.codec import Codec
from explorer.runtime.manifest import ExitRule


def measured() -> dict[str, Any]:
    """Bytes of code and stack by core, weights and section; of a run, with a payload or alone, and a call."""
    cores: dict[str, Any] = {}
    for core in CORES:
        cores[core] = {}
        for weights in ("float", "int8"):
            functions: dict[str, list[int]] = {}
            for code in _codes(weights):
                lengths, frames = _lengths(code, core)
                for section in code.functions:
                    own = symbols(section, weights)
                    if own:
                        functions[section] = [
                            sum(lengths[name] for name in own),
                            max(frames[name] for name in own),
                        ]
            run = lengths["explorer_edge_run"]
            small = _small(weights)
            call = (run - _lengths(small, core)[0]["explorer_edge_run"]) / (code.calls - small.calls)
            alone = _alone(weights)
            cores[core][weights] = {
                "run": round(run - call * code.calls),
                "alone": round(_lengths(alone, core)[0]["explorer_edge_run"] - call * alone.calls),
                "call": round(call, 1),
                "frame": frames["explorer_edge_run"],
                "functions": dict(sorted(functions.items())),
            }
    compiler = run_tool([find_tool(f"{ARM}gcc"), "--version"]).splitlines()[0]
    return {"compiler": compiler, "cores": cores}


def _lengths(code: EdgeCode, core: str) -> tuple[dict[str, int], dict[str, int]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in code.files.items():
            (folder / file).write_text(text, encoding="utf-8")
        edge = compiled(folder / "edge.c", CORES[core], ("-fstack-usage",))
        table = run_tool([find_tool(f"{ARM}nm"), "-S", str(edge)])
        usage = next(folder.glob("*.su")).read_text("utf-8")
    lengths = {words[3]: int(words[1], 16) for line in table.splitlines() if len(words := line.split()) == 4}
    frames = {}
    for line in usage.splitlines():
        where, size, _ = line.split("\t")
        frames[where.rsplit(":", 1)[1]] = int(size)
    return lengths, frames


def _small(weights: str) -> EdgeCode:
    """As the last of :func:`_codes` begins and ends, with few calls between."""
    program = _program()
    start, flatten, layer = (
        program.producer(name) for name in (INPUT, program.crossing, program.logits or "")
    )
    ops = (start, replace(flatten, inputs=(INPUT,)), layer)
    return _code(weights, replace(program, ops=ops), Codec(8), "max_softmax")


def _alone(weights: str) -> EdgeCode:
    """A device that computes all: logits and a label, and nothing to send."""
    program = _program()
    start, flatten, layer = (
        program.producer(name) for name in (INPUT, program.crossing, program.logits or "")
    )
    ops = (start, replace(flatten, inputs=(INPUT,)), layer)
    raw = np.random.default_rng(0).uniform(0, 1, size=(4, 8, 8, 8)).astype(np.float32)
    program = replace(program, ops=ops, crossing=program.logits or "")
    numbers = FloatNumbers(program) if weights == "float" else Int8Numbers(quantised(program, raw))
    return emitted(numbers, Task(4))


def _codes(weights: str) -> list[EdgeCode]:
    """Programs that call every function."""
    low, step = np.zeros(1, np.float32), np.full(1, 0.1, np.float32)
    codecs = [
        Codec(32),
        Codec(16),
        Codec(4, "tensor", low=low, step=step),
        Codec(8, "tensor", low=low, step=step),
    ]
    found = [_code(weights, _program(), codec, "margin") for codec in codecs]
    found.append(_code(weights, _program(), Codec(8), "entropy"))
    return [*found, _code(weights, _program(), Codec(8), "max_softmax")]


def _code(weights: str, program: Program, codec: Codec, score: str) -> EdgeCode:
    raw = np.random.default_rng(0).uniform(0, 1, size=(4, 8, 8, 8)).astype(np.float32)
    numbers = FloatNumbers(program) if weights == "float" else Int8Numbers(quantised(program, raw, codec))
    return emitted(numbers, Task(4, ExitRule(score, 1.0, 0.5), codec))


def _program() -> Program:
    rng, shapes, ops = np.random.default_rng(0), {INPUT: Shape(8, 8, 8)}, list[Op]()
    ops.append(Normalise(INPUT, (), INPUT, np.arange(8, dtype=np.float32), np.ones(8, np.float32), "float32"))
    image, vector = Shape(8, 8, 8), Shape(1, 1, 512)

    def add(op: Op, shape: Shape) -> str:
        ops.append(op)
        shapes[op.output] = shape
        return op.output

    def layer(name: str, source: str, form: Form, taps: int, outputs: int, after: Shape) -> str:
        inputs = 1 if isinstance(form, Depthwise) else shapes[source].channels
        weight = rng.normal(size=(outputs, inputs, taps, taps)).astype(np.float32)
        window = Window((taps, taps), padding=(taps // 2, taps // 2))
        bias = np.zeros(outputs, np.float32)
        return add(Weighted(name, (source,), name, weight, bias, window, form, Clamp(0.0)), after)

    kept = rng.random((8, 8)) < 0.5
    kept[:, 0] = True
    at = layer("conv", INPUT, Blocks(2, 1), 3, 8, image)
    at = layer("depthwise", at, Depthwise(), 3, 8, image)
    at = layer("listed", at, Listed(kept), 3, 8, image)
    at = layer("periodic", at, Periodic(np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]])), 3, 8, image)
    skip = layer("overlapping", at, Blocks(4, 2), 3, 8, image)
    at = add(Add("add", (at, skip), "add", Clamp(0.0)), image)
    for function in ("hard_swish", "sigmoid"):
        at = add(Map(function, (at,), function, function), image)  # type: ignore[arg-type]
    at = add(Map("clamp", (at,), "clamp", "clamp", Clamp(0.0, 0.5)), image)
    at = add(Concat("cat", (at, skip), "cat"), Shape(8, 8, 16))
    at = add(Thin("thin", (at,), "thin", (2, 2), 1), Shape(4, 4, 18))
    at = add(Pool("max", (at,), "max", "max", Window((2, 2), (2, 2))), Shape(2, 2, 18))
    at = add(Pool("mean", (at,), "mean", "average", Window((2, 2), (2, 2))), Shape(1, 1, 18))
    crossing = add(Transpose("flatten", (skip,), "flatten", 1, 64, 8), vector)
    logits = layer("fc", crossing, Blocks(), 1, 4, Shape(1, 1, 4))
    # what nothing reads would be left out by no pass here: the program is taken as it is
    return Program(tuple(ops), shapes, crossing, logits)
