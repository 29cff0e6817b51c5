"""Edge parts of the networks in :mod:`deployable`, and their C run on this host."""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployable import row_of

from explorer import backbones
from explorer.core.calibration import InferenceConfig
from explorer.core.payload import PayloadForm
from explorer.core.run_point import RunPoint
from explorer.deploy.bundle import Source
from explorer.deploy.edge_part import EdgePart, Weights, edge_part
from explorer.microcontroller.emulator import parsed, write_harness
from explorer.microcontroller.forms import Floats
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.integer_reference import integer_results
from explorer.microcontroller.reference import torch_order
from explorer.microcontroller.toolchain import WARNINGS
from explorer.runtime.codec import encode
from explorer.runtime.protocol.frame import unpack

Zoo = tuple[Callable[..., Any], dict[str, Any], tuple[int, ...]]
MLP: Zoo = (backbones.mlp, {"hidden": [32, 16]}, (1, 8, 8))
CNN: Zoo = (backbones.cnn, {"channels": [8, 16], "hidden": 16}, (1, 8, 8))
RESNET: Zoo = (backbones.resnet, {"depth": 8, "width": 4}, (3, 16, 16))
DS_CNN: Zoo = (backbones.ds_cnn, {"width": 12, "blocks": 2}, (1, 20, 10))
CNN1D: Zoo = (backbones.cnn1d, {"channels": [8, 16]}, (3, 32))
MOBILENET: Zoo = (backbones.mobilenetv2, {"width": 0.25, "stages": 2}, (3, 16, 16))
EIGHT = InferenceConfig(PayloadForm((8,)))
SANITIZED = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
DIGEST = "0123456789abcdef" * 4

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
needs_clang = pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not on PATH")
needs_emulator = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None,
    reason="arm-none-eabi-gcc or qemu-system-arm is not on PATH",
)


def part_of(source: Source, split_point: str, weights: Weights, threshold: float | None = 0.4) -> EdgePart:
    """The edge part up to a split point; all of the network up to ``output``."""
    point = RunPoint.at_output() if split_point == "output" else RunPoint(split_point, threshold, 8)
    return edge_part(source, row_of(point), weights)


def on_host(
    files: Mapping[str, str],
    samples: Floats,
    folder: Path,
    compiler: str = "gcc",
    flags: Sequence[str] = SANITIZED,
) -> list[dict[str, Any]]:
    """Rows that the C prints for samples, compiled with every warning an error."""
    folder.mkdir(exist_ok=True)
    write_harness(folder, files, samples)
    sources = [str(folder / name) for name in ("edge.c", "harness.c")]
    command = [compiler, *WARNINGS, *flags, *sources, "-o", str(folder / "edge")]
    subprocess.run(command, check=True, capture_output=True, text=True)
    done = subprocess.run([str(folder / "edge")], check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return parsed(done.stdout, len(samples))  # type: ignore[return-value]


def crossing_of(part: EdgePart, row: Mapping[str, Any]) -> Any:
    """The crossing tensor of a row, in PyTorch's order."""
    program = part.numbers.program
    kind = np.int8 if isinstance(part.numbers, Int8Numbers) else np.float32
    shape = program.shapes[program.crossing]
    return torch_order(np.frombuffer(row["crossing"], kind)[np.newaxis], shape)[0]


def check_rows(part: EdgePart, samples: Floats, rows: Sequence[Mapping[str, Any]], shape: Any) -> None:
    """Values against the reference, and payloads against the codec."""
    program, integers = part.numbers.program, getattr(part.numbers, "integers", None)
    results = None if integers is None else integer_results(integers, samples)
    expected = EdgePart(part.numbers, part.task, samples, 0.0).expected()
    for number, row in enumerate(rows):
        if program.logits is not None:
            logits = np.frombuffer(row["logits"], np.float32 if integers is None else np.int32)
            np.testing.assert_allclose(
                logits, expected["logits"][number], rtol=0, atol=0 if integers else 1e-5
            )
        if not program.sends:
            continue
        crossing = crossing_of(part, row)
        scale = max(1.0, float(np.abs(expected["crossing"][number]).max()))
        most = 0 if integers else 1e-5 * scale
        np.testing.assert_allclose(crossing, expected["crossing"][number], rtol=0, atol=most)
        assert ("frame" in row) == (not row.get("answers", 0))
        if "frame" in row:
            real = crossing if results is None else results.crossing[number]
            content = unpack(row["frame"], bytes.fromhex(DIGEST)[:8]).content
            assert part.task.codec is not None
            assert content == encode(real.reshape(shape), part.task.codec)
