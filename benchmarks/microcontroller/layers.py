"""Single layers on an emulated Cortex-M4: Linear and convolution, dense, `block` and freely placed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from explorer.core.sparsity.patterns import adjacency
from explorer.microcontroller.emit import EdgeCode, emitted
from explorer.microcontroller.emulator import emulate
from explorer.microcontroller.forms import Blocks, Form, Listed, Shape, Window
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.interface import Task
from explorer.microcontroller.numbers import FloatNumbers
from explorer.microcontroller.program import INPUT, Normalise, Program, Weighted
from explorer.microcontroller.quantise import quantised

DENSITIES = (Fraction(1, 2), Fraction(3, 8), Fraction(1, 4), Fraction(1, 8), Fraction(1, 16))
CORE = "m4"
Kind = Literal["dense", "block", "csr"]


@dataclass(frozen=True)
class Layer:
    """What is compared."""

    name: str
    units: int
    extent: int
    kernel: int

    @property
    def dense_macs(self) -> int:
        return self.units**2 * self.kernel**2 * self.extent**2


LAYERS = (Layer("linear 256x256", 256, 1, 1), Layer("conv 64->64 16x16", 64, 16, 3))


@dataclass(frozen=True)
class Row:
    """One contestant: instructions of the layer alone, bytes of its constants, static RAM of all."""

    layer: str
    weights: str
    kind: Kind
    density: str
    macs: int
    instructions: float
    instructions_per_mac: float
    instructions_of_dense: float
    flash: int
    flash_of_dense: float
    text: int
    ram: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def measured() -> Iterator[Row]:
    """All contestants; the dense layer of a kind of weights comes first."""
    for layer in LAYERS:
        for weights in ("float", "int8"):
            start = _emulated(layer, weights, None)
            dense: tuple[float, int] | None = None
            for kind, density in _contestants():
                code, instructions, text = _emulated(layer, weights, _program(layer, kind, density))
                own = instructions - start[1], code.constant_bytes - start[0].constant_bytes
                dense = dense or own
                macs = int(layer.dense_macs * density)
                yield Row(
                    layer.name,
                    weights,
                    kind,
                    str(density),
                    macs,
                    own[0],
                    own[0] / macs,
                    own[0] / dense[0],
                    own[1],
                    own[1] / dense[1],
                    text - start[2],
                    code.static_bytes,
                )


def _contestants() -> Iterator[tuple[Kind, Fraction]]:
    yield "dense", Fraction(1)
    for density in DENSITIES:
        yield "block", density
        yield "csr", density


def _emulated(layer: Layer, weights: str, program: Program | None) -> tuple[EdgeCode, float, int]:
    """Code, instructions of one run, and length of the functions; without a program, of the input alone."""
    if program is None:
        whole = _program(layer, "dense", Fraction(1))
        program = Program(whole.ops[:1], whole.shapes, INPUT, None)
    raw = np.random.default_rng(1).normal(size=(1, layer.units, layer.extent**2)).astype(np.float32)
    numbers = FloatNumbers(program) if weights == "float" else Int8Numbers(quantised(program, raw))
    code = emitted(numbers, Task(1))
    found = emulate(code.files, raw, CORE)
    return code, found.instructions, found.edge.text


def _program(layer: Layer, kind: Kind, density: Fraction) -> Program:
    rng, units, extent = np.random.default_rng(0), layer.units, layer.extent
    weight = rng.normal(size=(units, units, layer.kernel, layer.kernel)).astype(np.float32)
    form: Form = Blocks()
    if kind == "block":
        form = Blocks(density.denominator, density.numerator)
    if kind != "dense":
        kept = adjacency("block" if kind == "block" else "structured", units, units, density, seed=0)
        form = form if kind == "block" else Listed(kept)
        weight *= kept[:, :, None, None]
    one = np.ones(1, np.float32)
    start = Normalise(INPUT, (), INPUT, np.repeat(0 * one, units), np.repeat(one, units), "float32")
    around = layer.kernel // 2
    window = Window((layer.kernel, layer.kernel), padding=(around, around))
    bias = rng.normal(size=units).astype(np.float32)
    op = Weighted("layer", (INPUT,), "layer", weight, bias, window, form)
    shape = Shape(extent, extent, units)
    return Program((start, op), {INPUT: shape, "layer": shape}, "layer", None)
