"""How many instructions every loop of the C takes on every core: behind predicted instructions.

Probes are programs of many operations. Every call of a run is repeated and timed by itself; what the loops
take is fitted to the times, none of it negative, errors relative to the times.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import nnls

from explorer.microcontroller.emit import emitted
from explorer.microcontroller.emulator import write_harness
from explorer.microcontroller.executed import Counts, executed, executed_after
from explorer.microcontroller.forms import Blocks, Clamp, Depthwise, Form, Listed, Periodic, Shape, Window
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.interface import Interface, Task
from explorer.microcontroller.numbers import FloatNumbers, Numbers
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
from explorer.microcontroller.toolchain import ARM, CORES, Core, compiled, find_tool, linked, run_tool
from explorer.runtime.codec import PAYLOAD_BITS, Codec
from explorer.runtime.manifest import ExitRule

REPEATS = 20  # of every call: the clock ticks every 40 instructions
NEVER = 2.0  # a threshold that no confidence reaches, so that every run sends
SHAPES = (Shape(6, 5, 8), Shape(5, 7, 12), Shape(1, 9, 16), Shape(4, 4, 3), Shape(5, 3, 24))
VECTORS = (Shape(1, 1, 16), Shape(1, 1, 40))  # of short programs, besides
MOST_VALUES = 256  # that layers of a vector read: the smallest board has half a MiB for a program
_RUN = re.compile(
    r"(?P<head>.*\nvoid explorer_edge_run\(.*?\n\{\n.*?;\n)(?P<body>.*?)(?P<end>^\}.*)", re.S | re.M
)
_PROBE = """#define explorer_main every_sample
#include "harness.c"
#undef explorer_main
static uint32_t at[256], count;
void explorer_probe(void)
{
    at[count++] = ticks();
}
void explorer_main(void)
{
    start_ticks();
    uint32_t known = ticks();
    known_loop(1000000u);
    write_number("per_million", (known - ticks()) & 0xffffffu);
    explorer_probe();
    explorer_edge_run(samples[0], &output);
    for (uint32_t i = 1; i < count; i++)
        write_number("ticks", (at[i - 1] - at[i]) & 0xffffffu);
    board_write("\\n");
}
"""


@dataclass(frozen=True, eq=False)
class Fit:
    """Instructions by loop, and how far off the probes are: relative, of one in ten more than ``tenth``."""

    each: dict[str, float]
    probes: int
    median: float
    tenth: float


def measured() -> dict[str, Any]:
    """Instructions by core, weights and loop."""
    cores: dict[str, Any] = {}
    for core in CORES:
        for weights in ("float", "int8"):
            fit = fitted(weights, core)
            cores.setdefault(core, {})[weights] = fit.each
            print(f"{core} {weights}: {len(fit.each)} loops from {fit.probes} probes, off by "
                  f"{fit.median:.1%} in the median, {fit.tenth:.1%} of one in ten", flush=True)  # fmt: skip
    compiler = run_tool([find_tool(f"{ARM}gcc"), "--version"]).splitlines()[0]
    return {"compiler": compiler, "cores": cores}


def fitted(weights: str, core: str) -> Fit:
    """What the loops of one kind of weights take on a core."""
    counts, taken = list[Counts](), list[float]()
    for numbers, task, raw in _probes(weights):
        always, sent = executed_after(Interface(numbers, task))
        counts += [*executed(numbers), always + sent]
        taken += timed(numbers, task, raw, CORES[core])
    names = sorted(set().union(*counts))
    table = np.array([[own[name] for name in names] for own in counts], float)
    times = np.array(taken)
    relative = table / times[:, np.newaxis]
    scale = relative.max(axis=0)  # columns of like length, for the solver
    found = nnls(relative / scale, np.ones(len(times)))[0] / scale
    off = np.abs(relative @ found - 1)
    each = {name: round(float(number), 3) for name, number in zip(names, found, strict=True)}
    return Fit(each, len(times), float(np.median(off)), float(np.quantile(off, 0.9)))


def timed(numbers: Numbers, task: Task, raw: Any, core: Core) -> list[float]:
    """Instructions of every call of a run, and of what follows."""
    code = emitted(numbers, task)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_harness(
            folder, code.files | {"edge.c": _instrumented(code.files["edge.c"], code.calls)}, raw[:1]
        )
        (folder / "probe.c").write_text(_PROBE, encoding="utf-8")
        objects = [compiled(folder / "edge.c", core), compiled(folder / "board.c", core, ("-Wno-pedantic",))]
        objects.append(compiled(folder / "probe.c", core, ("-DON_BOARD",)))
        program = linked(objects, core, folder / "edge.elf")
        command = [find_tool("qemu-system-arm"), "-M", core.machine, "-nographic", "-monitor", "none"]
        command += ["-serial", "none", "-semihosting-config", "enable=on,target=native", "-icount", "shift=0"]
        text = run_tool([*command, "-kernel", str(program)], timeout_s=500)
    known, *ticks = (int(word.partition("=")[2]) for word in text.split())
    assert len(ticks) == code.calls + 1, text
    return [own * 1e6 / known / REPEATS for own in ticks]


def _instrumented(text: str, calls: int) -> str:
    """Every call repeated, and a probe behind it; then what follows the calls, likewise."""
    match = _RUN.fullmatch(text)
    assert match is not None
    lines = match["body"].splitlines()
    again = f"for (int again = 0; again < {REPEATS}; again++)"
    body = [f"{again} {{\n{line}\n}}\nexplorer_probe();" for line in lines[:calls]]
    body.append("\n".join((f"{again} {{", *lines[calls:], "}", "explorer_probe();")))
    declared = match["head"].replace(
        "\nvoid explorer_edge_run", "\nvoid explorer_probe(void);\nvoid explorer_edge_run"
    )
    return declared + "\n".join(body) + "\n" + match["end"]


def _probes(weights: str) -> Iterator[tuple[Numbers, Task, Any]]:
    """Programs of many operations, then short ones: every codec with several scores and kinds of samples."""
    low, step = np.zeros(1, np.float32), np.full(1, 0.1, np.float32)
    codecs = [Codec(bits) for bits in PAYLOAD_BITS]
    codecs += [Codec(bits, "tensor", low=low, step=step) for bits in PAYLOAD_BITS if bits <= 8]
    rng = np.random.default_rng(0)
    for number in range(len(SHAPES) + 4 * len(codecs)):
        is_bytes, is_wide, is_long = number % 4 in (1, 2), number % 8 > 3, number < len(SHAPES)
        some = SHAPES if is_long else (*SHAPES, *VECTORS)
        shape, classes = some[number % len(some)], (10, 2, 35, 4)[number % 4]
        codec = codecs[(number + number // len(codecs)) % len(codecs)]
        score = ("max_softmax", "margin", "entropy")[(number + number // len(codecs)) % 3]
        program = _program(
            rng, shape, classes, _normalise(rng, shape, is_bytes, is_wide, 0.5 * is_long), is_long
        )
        raw = rng.uniform(0, 1, (4, shape.channels, shape.height, shape.width)).astype(np.float32)
        raw = np.rint(255 * raw) if is_bytes else raw
        numbers: Numbers = FloatNumbers(program)
        if weights == "int8":
            numbers = Int8Numbers(quantised(program, raw, codec if number % 2 else None))
        rule = ExitRule(score, 1.0, NEVER) if number % 4 else None
        yield numbers, Task(classes, rule, codec), raw


def _normalise(
    rng: np.random.Generator, shape: Shape, is_bytes: bool, is_wide: bool, middle: float
) -> Normalise:
    """Of raw samples in [0, 1] or [0, 255]; with a middle of 0 no value after it is negative."""
    size, kind = (255.0 if is_bytes else 1.0), (np.float64 if is_wide else np.float32)
    mean = np.full(shape.channels, size * middle, kind)
    std = (size * rng.uniform(0.4, 0.6, shape.channels)).astype(kind)
    return Normalise(INPUT, (), INPUT, mean, std, "uint8" if is_bytes else "float32")


def _program(
    rng: np.random.Generator, shape: Shape, classes: int, start: Normalise, is_long: bool
) -> Program:
    """The exit's layer; where it is long, many other operations on the same input before it."""
    builder = _Builder(rng, [start], {INPUT: shape})
    flatten = Transpose("flatten", (INPUT,), "flatten", 1, shape.pixels, shape.channels)
    vector = INPUT if flatten.trivial else builder.add(flatten, Shape(1, 1, shape.size))
    if is_long:
        for window in _windows(shape):
            both = window.taps == 1 and shape.size <= MOST_VALUES
            for source in (INPUT, vector) if both else (INPUT,):
                builder.add_layers(window, source)
            builder.add_channelwise(window)
        builder.add_others()
    logits = builder.layer(Blocks(), classes, Window(), vector, Clamp())
    return Program(tuple(builder.ops), builder.shapes, INPUT, logits)


@dataclass(frozen=True, eq=False)
class _Builder:
    """Takes up operations."""

    rng: np.random.Generator
    ops: list[Op]
    shapes: dict[str, Shape]

    def add(self, op: Op, after: Shape) -> str:
        self.ops.append(op)
        self.shapes[op.output] = after
        return op.output

    def layer(
        self, form: Form, outputs: int, window: Window, source: str, clamp: Clamp, shuffle: int = 1
    ) -> str:
        name, before = f"layer{len(self.ops)}", self.shapes[source]
        inputs = 1 if isinstance(form, Depthwise) else before.channels
        weight = self.rng.normal(0, (inputs * window.taps) ** -0.5, (outputs, inputs, *window.kernel))
        bias = self.rng.normal(size=outputs).astype(np.float32)
        after = Shape(*_extents(before, window), outputs)
        op = Weighted(name, (source,), name, weight.astype(np.float32), bias, window, form, clamp, shuffle)
        return self.add(op, after)

    def add_layers(self, window: Window, source: str) -> None:
        """Dense, in blocks, and freely placed."""
        channels = self.shapes[source].channels
        for outputs in (5, 16, 22):
            self.layer(Blocks(), outputs, window, source, Clamp(0.0, self.rng.choice([0.5, 1e30])))
        for groups in (number for number in (2, 3, 4, 8) if channels % number == 0):
            each = int(self.rng.choice([1, 2, 4, 7, 8]))
            outputs = groups * each
            self.layer(Blocks(groups, 1), outputs, window, source, Clamp(0.0), groups if each > 1 else 1)
            if groups == 2:
                continue
            listed = np.sort([self.rng.permutation(groups)[:2] for _ in range(groups)], axis=1)
            for sources in (None, listed):
                self.layer(Blocks(groups, 2, sources), outputs, window, source, Clamp(0.0))
        for share in (0.2, 0.5):
            kept = self.rng.random((12, channels)) < share
            kept[:, 0] = True
            self.layer(Listed(kept), 12, window, source, Clamp(0.0, 0.5))

    def add_channelwise(self, window: Window) -> None:
        """Depthwise and periodic layers, and pools."""
        shape = self.shapes[INPUT]
        self.layer(Depthwise(), shape.channels, window, INPUT, Clamp(0.0))
        for kept in range(1, min(4, window.taps)):
            supports = np.stack([np.sort(self.rng.permutation(window.taps)[:kept]) for _ in range(3)])
            self.layer(Periodic(supports), 9, window, INPUT, Clamp())
        after = Shape(*_extents(shape, window), shape.channels)
        if not any(window.padding):
            name = f"mean{len(self.ops)}"
            self.add(Pool(name, (INPUT,), name, "average", window), after)
        name = f"max{len(self.ops)}"
        self.add(Pool(name, (INPUT,), name, "max", window), after)

    def add_others(self) -> None:
        """What has no window."""
        shape = self.shapes[INPUT]
        height, width, channels = shape
        self.add(Add("add", (INPUT, INPUT), "add", Clamp(0.0)), shape)
        self.add(Map("hard_swish", (INPUT,), "hard_swish", "hard_swish"), shape)
        self.add(Map("sigmoid", (INPUT,), "sigmoid", "sigmoid"), shape)
        self.add(Map("clamp", (INPUT,), "clamp", "clamp", Clamp(0.0, 0.5)), shape)
        self.add(Concat("cat", (INPUT, "add"), "cat"), Shape(height, width, 2 * channels))
        thinned = Shape(-(-height // 2), -(-width // 2), channels + 3)
        self.add(Thin("thin", (INPUT,), "thin", (2, 2), 1), thinned)
        rows = 3 if channels % 3 == 0 else 4
        self.add(Transpose("shuffle", (INPUT,), "shuffle", shape.pixels, rows, channels // rows), shape)


def _windows(shape: Shape) -> Sequence[Window]:
    if shape.height == 1:
        return Window(), Window((1, 3), padding=(0, 1)), Window((1, 2), (1, 2))
    return Window(), Window((3, 3), padding=(1, 1)), Window((2, 2), (2, 2)), Window((4, 3), (2, 1), (2, 1))


def _extents(before: Shape, window: Window) -> tuple[int, int]:
    pairs = zip(before[:2], window.kernel, window.stride, window.padding, strict=True)
    height, width = ((extent + 2 * around - taps) // stride + 1 for extent, taps, stride, around in pairs)
    return height, width
