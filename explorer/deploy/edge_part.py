"""The C edge of a bundle: built from a trained network, written beside the bundle's other files."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from explorer.core.chain import DeployedChain
from explorer.core.graph.split_points import OUTPUT
from explorer.core.run_point import RunPoint
from explorer.deploy.bundle import Source
from explorer.microcontroller.emit import EdgeCode, emitted
from explorer.microcontroller.forms import Floats, kept_weights
from explorer.microcontroller.instructions import predicted_instructions
from explorer.microcontroller.int8_edge import (
    edge_chain,
    edge_program,
    integers_of,
    training_ranges,
)
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.integer_reference import integer_results
from explorer.microcontroller.interface import Task
from explorer.microcontroller.numbers import FloatNumbers, Numbers
from explorer.microcontroller.proof import DESCRIPTION, EXPECTED, FOLDER
from explorer.microcontroller.reference import run_floats, torch_order
from explorer.microcontroller.sizes import predicted
from explorer.microcontroller.toolchain import CORES
from explorer.runtime.manifest import ExitRule
from explorer.utils.files import write_json

Weights = Literal["float", "int8"]
MOST_SAMPLES = 20  # that are brought along for the emulator


@dataclass(frozen=True, eq=False)
class EdgePart:
    """An edge part that there is C for.

    Attributes:
        numbers: Its program, in float32 or int8.
        task: What is done with its tensors, but for the bundle's digest.
        samples: Raw samples (N, ...) to compare with.
        agreement: Largest difference of the numpy reference from the stored network over them, relative to
            the largest value: of rounding in float32, of quantisation in int8.

    Example:
        >>> from explorer import run_search
        >>> from explorer.deploy.plan import row_of
        >>> run = run_search("digits", trials=1, name="mcu", workers=1, energy=False, progress=False)
        >>> pick = run.select(minimize="edge_macs")
        >>> source = Source.of_run(run.results, pick.network_key, run.load_data())
        >>> edge_part(source, row_of(pick), "int8").code("0" * 64).static_bytes % 4
        0
    """

    numbers: Numbers
    task: Task
    samples: Floats
    agreement: float

    def code(self, digest: str) -> EdgeCode:
        """Its files, for the bundle of a digest."""
        return emitted(self.numbers, replace(self.task, digest=digest))

    def expected(self) -> dict[str, Any]:
        """What the C must give for the samples: crossing tensors as they lie in memory, and logits."""
        program = self.numbers.program
        if isinstance(self.numbers, Int8Numbers):
            results = integer_results(self.numbers.integers, self.samples)
            logits: Any = None if results.logits is None else results.logits.astype(np.int32)
            crossing, real = results.codes.astype(np.int8), results.real_logits
            if not program.sends:
                crossing = np.zeros((len(self.samples), 0), np.int8)
        else:
            found = run_floats(program, self.samples)
            crossing = torch_order(found[program.crossing], program.shapes[program.crossing])
            real = None
            if program.logits is not None:
                real = found[program.logits].reshape(len(self.samples), -1)
            logits = real
        arrays: dict[str, Any] = {"input": self.samples, "crossing": crossing}
        return arrays if logits is None else arrays | {"logits": logits, "real_logits": real}


def edge_part(source: Source, row: Mapping[str, Any], weights: Weights) -> EdgePart:
    """Lower, and where asked quantise, the edge part of one operating point.

    Args:
        source: Network and data.
        row: The operating point.
        weights: ``float`` or ``int8``; ranges are taken from the training samples that payload ranges are
            taken from, too.

    Raises:
        UserError: There is no C for a layer; it is named.

    Example:
        >>> edge_part(source, row, "int8").agreement < 0.05  # doctest: +SKIP
        True
    """
    point, data = RunPoint.from_row(dict(row)), source.data
    has_exit, sends = point.confidence_threshold is not None, point.split_point != OUTPUT
    chain = edge_chain(source.restore(), point.split_point, source.calibration, data, has_exit)
    program = edge_program(chain, data)
    numbers: Numbers = FloatNumbers(program)
    if weights == "int8":
        ranges = training_ranges(data)
        numbers = Int8Numbers(integers_of(program, point.split_point, source.calibration, ranges))
    codec = None
    if sends and point.payload_bits is not None:
        codec = source.calibration.codecs[point.split_point, point.payload_bits]
    rule = None
    if sends and point.confidence_threshold is not None:
        temperature = source.calibration.temperatures.get(point.split_point, 1.0)
        score = source.calibration.inference_config.score
        rule = ExitRule(score, temperature, point.confidence_threshold)
    samples = data.raw(data.validation.inputs[:MOST_SAMPLES])
    part = EdgePart(numbers, Task(data.num_classes, rule, codec), samples, 0.0)
    return replace(part, agreement=_agreement(part, chain))


def _agreement(part: EdgePart, chain: DeployedChain) -> float:
    """The largest relative difference from the chain that PyTorch runs."""
    import torch

    with torch.inference_mode():
        stored = dict(zip(chain.names, chain(torch.from_numpy(part.samples)), strict=True))
    found, off = part.expected(), list[float]()
    program = part.numbers.program
    if program.sends:
        crossing = found["crossing"]
        if isinstance(part.numbers, Int8Numbers):
            crossing = part.numbers.integers.scales[program.crossing].floats(crossing.astype(np.int64))
        off.append(_difference(crossing, stored["crossing.0"].flatten(1).numpy()))
    if program.logits is not None:
        logits = stored["logits.0" if program.sends else "logits"]
        off.append(_difference(found["real_logits"], logits.numpy()))
    return max(off)


def _difference(found: Floats, expected: Floats) -> float:
    scale = max(1e-12, float(np.abs(expected).max(initial=0.0)))
    return float(np.abs(found - expected).max(initial=0.0)) / scale


def write_edge_part(part: EdgePart, folder: Path, digest: str) -> EdgeCode:
    """Write the C, what it must give, and a description, into the folder ``c`` of a bundle.

    Example:
        >>> write_edge_part(part, Path("bundle"), digest)  # doctest: +SKIP
    """
    code, own = part.code(digest), folder / FOLDER
    own.mkdir()
    for name, text in code.files.items():
        (own / name).write_text(text, encoding="utf-8")
    np.savez_compressed(own / EXPECTED, allow_pickle=False, **part.expected())
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(own.iterdir())}
    content = {"format": 1, "bundle": digest, "files": hashes, "agreement": part.agreement}
    write_json(own / DESCRIPTION, content | described(part, code))
    return code


def described(part: EdgePart, code: EdgeCode) -> dict[str, Any]:
    """What is known of a C edge without compiling it.

    Example:
        >>> described(part, part.code("0" * 64))["weights"]  # doctest: +SKIP
        'int8'
    """
    program, integers = part.numbers.program, getattr(part.numbers, "integers", None)
    scale = None if integers is None else integers.scales[program.crossing]
    rule = part.task.exit
    weights = "float" if integers is None else "int8"
    return {
        "weights": weights,
        "crossing_shape": list(program.shapes[program.crossing]) if program.sends else None,
        "scale": None if scale is None or not program.sends else {"step": scale.step, "zero": scale.zero},
        "logit_step": 1.0
        if integers is None or program.logits is None
        else integers.wide_step(program.logits),
        "exit": None
        if rule is None
        else {"score": rule.score, "temperature": rule.temperature, "threshold": rule.threshold},
        "predicted": {core: asdict(predicted(code, weights, core)) for core in CORES},
        "instructions": {
            core: None if own is None else asdict(own)
            for core in CORES
            for own in (predicted_instructions(part.numbers, part.task, weights, core),)
        },
        "macs": macs(part.numbers),
    }


def macs(numbers: Numbers) -> int:
    """Multiply-accumulates of kept weights in one run.

    Example:
        >>> macs(part.numbers)  # doctest: +SKIP
        17024
    """
    program, total = numbers.program, 0
    for op in program.weighted():
        total += int(kept_weights(op.form, op.weight_OIYX.shape).sum()) * program.shapes[op.output].pixels
    return total
