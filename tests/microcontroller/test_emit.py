"""The C on this host: every backbone, pattern, cut and payload gives what the references give."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployable import source_of
from edge_parts import (
    CNN,
    CNN1D,
    DIGEST,
    DS_CNN,
    EIGHT,
    MLP,
    MOBILENET,
    RESNET,
    Zoo,
    check_rows,
    needs_clang,
    needs_gcc,
    on_host,
    part_of,
)

from explorer.core.calibration import InferenceConfig
from explorer.core.payload import PayloadForm
from explorer.deploy.edge_part import Weights
from explorer.errors import UserError
from explorer.microcontroller.emit import emitted
from explorer.microcontroller.forms import Shape
from explorer.microcontroller.interface import Task
from explorer.microcontroller.numbers import FloatNumbers
from explorer.microcontroller.program import INPUT, Normalise, Program, Weighted

pytestmark = needs_gcc

OTHER_BITS = (32, 16, 6, 4, 2)
PATTERNS = (None, "block", "structured", "random", "clash_free", "periodic")
PARTS = [
    *((MLP, "relu2", pattern) for pattern in PATTERNS[:-1]),
    *((CNN, "pool2", pattern) for pattern in PATTERNS),
    (CNN, "relu", "block"),
    (CNN, "output", "block"),
    (CNN, "input", None),
    (RESNET, "stage2.0.relu2", None),
    (RESNET, "pool", "block"),
    (RESNET, "output", "periodic"),
    (DS_CNN, "block2.relu1", "block"),
    (DS_CNN, "pool", "structured"),
    (CNN1D, "average", None),
    (CNN1D, "pool1", "block"),
    (CNN1D, "output", "periodic"),
    (MOBILENET, "stage2.1", "block"),
]


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["float", "int8"])
@pytest.mark.parametrize(
    ("zoo", "split", "pattern"), PARTS, ids=lambda own: own if isinstance(own, str) else None
)
def test_every_kind_of_edge_part(
    zoo: Zoo, split: str, pattern: Any, weights: Weights, tmp_path: Path
) -> None:
    source = source_of(*zoo, config=EIGHT, pattern=pattern)
    part = part_of(source, split, weights)
    assert part.agreement <= (1e-5 if weights == "float" else 0.06)
    rows = on_host(part.code(DIGEST).files, part.samples, tmp_path)
    check_rows(part, part.samples, rows, source.restore().split_point(split).shape)


@pytest.mark.parametrize("weights", ["float", "int8"])
def test_a_small_edge_part(weights: Weights, tmp_path: Path) -> None:
    source = source_of(*CNN, config=EIGHT, pattern="block")
    part = part_of(source, "pool2", weights)
    rows = on_host(part.code(DIGEST).files, part.samples, tmp_path)
    check_rows(part, part.samples, rows, source.restore().split_point("pool2").shape)
    assert {row["answers"] for row in rows} == {0, 1}  # of both kinds some


@pytest.mark.parametrize("weights", ["float", "int8"])
@pytest.mark.parametrize("ranges", ["sample", "tensor", "channel"])
@pytest.mark.parametrize("bits", [8, *(pytest.param(own, marks=pytest.mark.slow) for own in OTHER_BITS)])
def test_payloads_are_byte_for_byte_those_of_the_codec(
    weights: Weights, ranges: Any, bits: Any, tmp_path: Path
) -> None:
    from deployable import row_of

    from explorer.core.run_point import RunPoint
    from explorer.deploy.edge_part import edge_part

    source = source_of(*CNN, config=InferenceConfig(PayloadForm((bits,), ranges)))
    part = edge_part(source, row_of(RunPoint("pool1", None, bits)), weights)
    rows = on_host(part.code(DIGEST).files, part.samples, tmp_path, flags=("-O2",))
    check_rows(part, part.samples, rows, source.restore().split_point("pool1").shape)
    assert all("frame" in row for row in rows)


@pytest.mark.parametrize("score", ["entropy", "margin"])
def test_scores(score: Any, tmp_path: Path) -> None:
    import torch

    from explorer.core.exits import confidence

    source = source_of(*MLP, config=InferenceConfig(PayloadForm((8,)), score=score, temperature="fitted"))
    part = part_of(source, "relu1", "int8")
    rows = on_host(part.code(DIGEST).files, part.samples, tmp_path, flags=("-O2",))
    assert part.task.exit is not None
    logits = torch.from_numpy(part.expected()["real_logits"])
    expected = confidence(logits, score, part.task.exit.temperature)
    found = [np.frombuffer(row["confidence"], np.float32)[0] for row in rows]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["float", "int8"])
def test_several_tensors_are_sent_as_one(weights: Weights, tmp_path: Path) -> None:
    source = source_of(*RESNET, config=EIGHT, crossing_tensors=2, exit_kind="conv")
    (name, *_) = [point.name for point in source.restore().split_points if "+" in point.name]
    part = part_of(source, name, weights, threshold=None)
    rows = on_host(part.code(DIGEST).files, part.samples, tmp_path)
    check_rows(part, part.samples, rows, source.restore().split_point(name).shape)


def test_what_is_too_large_for_the_tables_is_refused() -> None:
    layer = Weighted("fc", (INPUT,), "fc", np.zeros((1, 70000, 1, 1), np.float32), np.zeros(1, np.float32))
    shapes = {INPUT: Shape(1, 1, 70000), "fc": Shape(1, 1, 1)}
    start = Normalise(INPUT, (), INPUT, np.zeros(1, np.float32), np.ones(1, np.float32), "float32")
    with pytest.raises(UserError, match=r"--c-code: fc: Weighted is too large for C: .*, got 70,000"):
        emitted(FloatNumbers(Program((start, layer), shapes, "fc", None)), Task(1))


@needs_clang
@pytest.mark.parametrize("weights", ["float", "int8"])
def test_clang_has_nothing_to_say_and_gives_the_same(weights: Weights, tmp_path: Path) -> None:
    source = source_of(*RESNET, config=EIGHT, pattern="block")
    part = part_of(source, "pool", weights)
    rows = on_host(part.code(DIGEST).files, part.samples, tmp_path, "clang", ("-O2",))
    check_rows(part, part.samples, rows, source.restore().split_point("pool").shape)


@pytest.mark.parametrize("weights", ["float", "int8"])
def test_no_input_does_harm(weights: Weights, tmp_path: Path) -> None:
    source = source_of(*CNN, config=EIGHT, pattern="block")
    part = part_of(source, "pool2", weights)
    odd = np.array([0, -0.0, 1e-40, 1e30, -1e30, 1e4, -1e4, 0.5], np.float32)
    rng = np.random.default_rng(0)
    samples = np.concatenate(
        [
            rng.choice(odd, (20, 1, 8, 8)),
            rng.normal(size=(40, 1, 8, 8)) * 10.0 ** rng.integers(-6, 6, (40, 1, 1, 1)),
        ]
    ).astype(np.float32)
    rows = on_host(part.code(DIGEST).files, samples, tmp_path)
    assert len(rows) == len(samples)
    if weights == "int8":
        check_rows(part, samples, rows, source.restore().split_point("pool2").shape)


def test_bytes_are_read_as_bytes(tmp_path: Path) -> None:
    source = source_of(*CNN, config=EIGHT, dtype="uint8")
    for weights in ("float", "int8"):
        part = part_of(source, "pool1", weights)  # type: ignore[arg-type]
        code = part.code(DIGEST)
        assert "typedef uint8_t explorer_edge_input;" in code.files["edge.h"]
        rows = on_host(code.files, part.samples, tmp_path / weights)
        check_rows(part, part.samples, rows, source.restore().split_point("pool1").shape)


def test_nothing_of_a_library_is_named() -> None:
    source = source_of(*RESNET, config=EIGHT, pattern="block")
    for weights in ("float", "int8"):
        files = part_of(source, "pool", weights).code(DIGEST).files  # type: ignore[arg-type]
        included = {
            line for text in files.values() for line in text.splitlines() if line.startswith("#include")
        }
        assert included == {"#include <stdint.h>", '#include "edge.h"', '#include "weights.h"'}


def test_the_same_edge_part_is_written_in_the_same_way() -> None:
    start = Normalise(INPUT, (), INPUT, np.zeros(2, np.float32), np.ones(2, np.float32), "float32")
    program = Program((start,), {INPUT: Shape(2, 2, 2)}, INPUT, None)
    one, other = (emitted(FloatNumbers(program), Task(3)).files for _ in range(2))
    assert one == other
