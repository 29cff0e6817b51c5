"""The four network shapes of MLPerf Tiny, emitted and emulated, beside what others publish of them.

A yardstick of flash and RAM, no MLPerf result: weights are random, the benchmark's runner, data and rules are
not used. Shapes after the reference models in mlcommons/tiny; the first convolution of DS-CNN pads 5 and 1 on
either side where the reference pads only at the end, and strides behave likewise elsewhere: as many values.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explorer.core.calibration import uncalibrated
from explorer.core.chain import DeployedChain, Normalise
from explorer.core.network import Network
from explorer.deploy.edge_part import macs
from explorer.microcontroller.edge_programs import lowered_chain
from explorer.microcontroller.emit import emitted
from explorer.microcontroller.emulator import emulate
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.integer_reference import integer_results
from explorer.microcontroller.interface import Task
from explorer.microcontroller.numbers import FloatNumbers, Numbers
from explorer.microcontroller.quantise import quantised
from explorer.microcontroller.reference import run_floats
from explorer.microcontroller.sizes import predicted

CORE = "m4"
KIB = 1024
CALIBRATION, SAMPLES = 8, 2
MOST_FLASH_OFF, FLOAT_TOLERANCE = 0.03, 1e-5


@dataclass(frozen=True)
class Published:
    """What others say of a shape in int8, in bytes; None where nothing is published.

    Attributes:
        model: Length of the reference's TFLM file: Banbury et al., "MLPerf Tiny Benchmark", NeurIPS 2021,
            arXiv 2106.07597, table 1.
        arena: RAM that the reference gives to TFLM (``kTensorArenaSize``), an upper bound of what it needs:
            mlcommons/tiny, benchmark/reference_submissions/*/submitter_implemented.cpp.
        st_flash: Weights and code, STM32Cube.AI 10.0.0 on an STM32H7: STMicroelectronics/stm32ai-modelzoo,
            image_classification/resnetv1 and mobilenetv1 (five classes instead of two).
        st_ram: Activations and run time, likewise.
    """

    model: int
    arena: int
    st_flash: int | None = None
    st_ram: int | None = None


@dataclass(frozen=True)
class Shape:
    """One of the four networks.

    TinyEngine publishes none of them, only its own networks (mit-han-lab/tinyengine, README): no column here.
    """

    name: str
    input_shape: tuple[int, ...]
    outputs: int
    build: Callable[[], nn.Module]
    published: Published


@dataclass(frozen=True)
class TinyRow:
    """What came of one network with one kind of weights: bytes, and instructions of one inference.

    Static RAM is that of the edge part; the caller keeps the sample and the result.
    """

    network: str
    weights: str
    parameters: int
    macs: int
    flash: int
    predicted_flash: int
    static_ram: int
    predicted_static_ram: int
    stack: int
    instructions: float
    instructions_per_mac: float
    equal: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class _Residual(nn.Module):
    """Two 3x3 convolutions beside nothing, or beside a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.norm1, self.relu1 = nn.BatchNorm2d(outputs), nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norm2, self.relu2 = nn.BatchNorm2d(outputs), nn.ReLU()
        other = inputs != outputs
        self.shortcut: nn.Module = nn.Conv2d(inputs, outputs, 1, stride) if other else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W)."""
        y = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        result: Tensor = self.relu2(y + self.shortcut(x))
        return result


def _normalised(name: str, convolution: nn.Module, channels: int) -> list[tuple[str, nn.Module]]:
    return [(name, convolution), (f"{name}_norm", nn.BatchNorm2d(channels)), (f"{name}_relu", nn.ReLU())]


def _separable(name: str, inputs: int, outputs: int, stride: int = 1) -> list[tuple[str, nn.Module]]:
    depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs)
    return [
        *_normalised(f"{name}_depthwise", depthwise, inputs),
        *_normalised(f"{name}_pointwise", nn.Conv2d(inputs, outputs, 1), outputs),
    ]


def _classified(layers: Sequence[tuple[str, nn.Module]], features: int, outputs: int) -> nn.Module:
    head = [("pool", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
    return nn.Sequential(OrderedDict([*layers, *head, ("classifier", nn.Linear(features, outputs))]))


def _resnet8() -> nn.Module:
    stem = _normalised("stem", nn.Conv2d(3, 16, 3, padding=1), 16)
    stages = [("stage1", _Residual(16, 16, 1)), ("stage2", _Residual(16, 32, 2))]
    return _classified([*stem, *stages, ("stage3", _Residual(32, 64, 2))], 64, 10)


def _ds_cnn() -> nn.Module:
    layers = _normalised("stem", nn.Conv2d(1, 64, (10, 4), stride=2, padding=(5, 1)), 64)
    for number in range(1, 5):
        layers += _separable(f"block{number}", 64, 64)
    return _classified(layers, 64, 12)


def _mobilenet() -> nn.Module:
    layers, previous = _normalised("stem", nn.Conv2d(3, 8, 3, 2, padding=1), 8), 8
    widths = (16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    for number, channels in enumerate(widths, start=1):
        stride = 2 if channels > previous and number > 1 else 1
        layers += _separable(f"block{number}", previous, channels, stride)
        previous = channels
    return _classified(layers, 256, 2)


def _autoencoder() -> nn.Module:
    widths, layers = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128), list[nn.Module]()
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(128, 640))


SHAPES = (
    Shape("ResNet-8", (3, 32, 32), 10, _resnet8, Published(96_000, 100 * KIB, 136_550, 71_393)),
    Shape("DS-CNN", (1, 49, 10), 12, _ds_cnn, Published(52_500, 200 * KIB)),
    Shape("MobileNet 0.25", (3, 96, 96), 2, _mobilenet, Published(325_000, 200 * KIB, 289_475, 85_289)),
    Shape("autoencoder", (640,), 640, _autoencoder, Published(270_000, 10 * KIB)),
)


def measured(shapes: Sequence[Shape] = SHAPES, core: str = CORE) -> Iterator[TinyRow]:
    """Each network in float32 and in int8, emulated, and compared with what numpy computes."""
    for shape in shapes:
        torch.manual_seed(0)
        module = shape.build()
        raw = np.random.default_rng(1).uniform(-1, 1, (CALIBRATION, *shape.input_shape)).astype(np.float32)
        with torch.inference_mode():
            module.train()(torch.from_numpy(raw))  # statistics of batch norm that are not those of nothing
        network = Network(module, torch.zeros(1, *shape.input_shape), shape.outputs, exit_features=8).eval()
        unchanged = Normalise([0.0], [1.0], shape.input_shape, "float32")
        chain = DeployedChain(network, [], set(), uncalibrated([], (8,)), unchanged)
        program = lowered_chain(chain, shape.input_shape)
        every: dict[str, Numbers] = {
            "float": FloatNumbers(program),
            "int8": Int8Numbers(quantised(program, raw)),
        }
        for weights, numbers in every.items():
            yield _row(shape, module, weights, numbers, raw[:SAMPLES], core)


def _row(shape: Shape, module: nn.Module, weights: str, numbers: Numbers, raw: Any, core: str) -> TinyRow:
    code = emitted(numbers, Task(shape.outputs))
    found, known = emulate(code.files, raw, core), predicted(code, weights, core)
    done = macs(numbers)
    return TinyRow(
        shape.name,
        weights,
        sum(parameter.numel() for parameter in module.parameters()),
        done,
        found.edge.flash,
        known.flash,
        found.edge.bss,
        known.bss,
        found.stack,
        found.instructions,
        found.instructions / done,
        _equal(numbers, raw, [row["logits"] for row in found.rows]),
    )


def _equal(numbers: Numbers, raw: Any, rows: Sequence[Any]) -> bool:
    """Whether the emulated logits are those of numpy: int8 bit for bit, floats within the tolerance."""
    if isinstance(numbers, Int8Numbers):
        logits = integer_results(numbers.integers, raw).logits
        assert logits is not None
        return all(
            np.array_equal(np.frombuffer(row, np.int32), own) for row, own in zip(rows, logits, strict=True)
        )
    program = numbers.program
    assert program.logits is not None
    expected = run_floats(program, raw)[program.logits].reshape(len(raw), -1)
    scale = max(1.0, float(np.abs(expected).max()))
    return all(
        np.abs(np.frombuffer(row, np.float32) - own).max() <= FLOAT_TOLERANCE * scale
        for row, own in zip(rows, expected, strict=True)
    )


def shortfalls(rows: Sequence[TinyRow]) -> list[str]:
    """What falls short, one line per figure."""
    short = list[str]()
    for row in rows:
        where = f"{row.network}, {row.weights}"
        if not row.equal:
            short.append(f"{where}: the emulated core computes other values")
        off = abs(row.flash - row.predicted_flash) / row.flash
        if off > MOST_FLASH_OFF:
            short.append(f"{where}: flash {row.flash:,} B, predicted {row.predicted_flash:,} B")
        if row.static_ram != row.predicted_static_ram:
            short.append(
                f"{where}: {row.static_ram:,} B of static RAM, predicted {row.predicted_static_ram:,} B"
            )
    return short


def show(rows: Sequence[TinyRow]) -> None:
    """Print the rows, int8 beside what is published."""
    print(f"Cortex-{CORE.upper()}, KiB; published figures are of int8, sources in {__name__}")
    print(f"{'network':<16}{'weights':<8}{'MACs':>12}{'flash':>8}{'predicted':>10}{'RAM':>8}"
          f"{'of it stack':>13}{'per MAC':>9}{'TFLM file':>11}{'TFLM arena':>11}{'ST flash':>9}"
          f"{'ST RAM':>8}")  # fmt: skip
    published = {shape.name: shape.published for shape in SHAPES}
    for row in rows:
        own = published[row.network]
        sizes = (row.flash, row.predicted_flash, row.static_ram + row.stack, row.stack)
        others: Sequence[int | None] = (None,) * 4
        if row.weights == "int8":
            others = (own.model, own.arena, own.st_flash, own.st_ram)
        texts = [f"{size / KIB:.1f}" for size in sizes]
        told = ["" if size is None else f"{size / KIB:.1f}" for size in others]
        print(f"{row.network:<16}{row.weights:<8}{row.macs:>12,}{texts[0]:>8}{texts[1]:>10}{texts[2]:>8}"
              f"{texts[3]:>13}{row.instructions_per_mac:>9.2f}{told[0]:>11}{told[1]:>11}{told[2]:>9}"
              f"{told[3]:>8}", flush=True)  # fmt: skip
