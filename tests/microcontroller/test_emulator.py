"""Edge parts in QEMU: the same values on every core, sizes as predicted, flipped weights found."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployable import row_of, source_of
from edge_parts import CNN, CNN1D, DIGEST, DS_CNN, EIGHT, MLP, RESNET, check_rows, needs_emulator, part_of

from explorer import emulate as command
from explorer.core.run_point import RunPoint
from explorer.deploy.bundle import build_bundle
from explorer.deploy.edge_part import Weights, edge_part, write_edge_part
from explorer.errors import UserError
from explorer.microcontroller.emulator import emulate, parsed
from explorer.microcontroller.proof import NotEqualError, load_edge, prove, with_flipped_weight
from explorer.microcontroller.sizes import predicted
from explorer.microcontroller.toolchain import CORES, Sections, compiled, find_tool, run_tool


@pytest.fixture(scope="module", params=["float", "int8"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, row = source_of(*CNN, config=EIGHT, pattern="block"), row_of(RunPoint("pool2", 0.4, 8))
    folder = tmp_path_factory.mktemp("made") / "bundle"
    part = edge_part(source, row, request.param)
    built = build_bundle(source, [row], folder, samples=40)
    write_edge_part(part, folder, built.digest)
    return folder


def test_an_output_of_too_few_lines_is_no_success() -> None:
    for text in ("", "done\n", "label=1\n", "label=1\nlabel=2\ndone\n", "fault\n"):
        with pytest.raises(UserError, match="the emulator must print 1 lines and `done`"):
            parsed(text, samples=1)


@needs_emulator
@pytest.mark.slow
@pytest.mark.parametrize("core", CORES)
def test_every_core_gives_the_same(core: str, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(bundle), "--core", core, "--samples", "6", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    figures = told["figures"]
    assert figures["bss"]["emulated"] == figures["bss"]["predicted"]
    assert figures["data"]["emulated"] == 0
    assert figures["flash"]["emulated"] == pytest.approx(figures["flash"]["predicted"], rel=0.03)
    assert figures["stack"]["emulated"] <= figures["stack"]["predicted"]
    assert told["off"] <= (0 if "int8" in (bundle / "c/edge.json").read_text() else 1e-5)


@needs_emulator
def test_a_flipped_weight_is_found(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(bundle), "--samples", "4"]) == 0
    assert "samples agree" in capsys.readouterr().out
    assert command.main([str(bundle), "--samples", "4", "--flip-weight"]) == 1
    assert "not equal on m4: sample" in capsys.readouterr().err


@needs_emulator
def test_a_wrong_byte_of_a_frame_or_a_wrong_decision_is_found(bundle: Path) -> None:
    edge = load_edge(bundle)
    rows = [dict(row) for row in emulate(edge.files, edge.expected["input"][:8], "m4").rows]
    prove(edge, rows)
    sent = next(row for row in rows if "frame" in row)
    frame: Any = sent["frame"]
    sent["frame"] = frame[:-1] + bytes([frame[-1] ^ 1])
    with pytest.raises(Exception, match="checksum"):
        prove(edge, rows)
    sent["frame"] = frame
    rows[0]["answers"] = 1 - int(rows[0]["answers"])
    with pytest.raises(NotEqualError, match="sample 0"):
        prove(edge, rows)


def test_a_changed_file_is_refused(bundle: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "bundle"
    shutil.copytree(bundle, copy)
    (copy / "c/weights.h").write_text((bundle / "c/weights.h").read_text() + "\n")
    with pytest.raises(UserError, match=r"weights\.h: is missing, or was changed since it was written"):
        load_edge(copy)
    with pytest.raises(UserError, match=r"edge\.json: no such file: explorer deploy --c-code writes it"):
        load_edge(tmp_path)
    assert tuple(CORES) == command.CORE_NAMES


def test_a_part_without_weights_has_none_to_flip() -> None:
    with pytest.raises(UserError, match="no weight"):
        with_flipped_weight({"weights.h": "static const float mean_0[1] = {\n    0.0f};"})


@needs_emulator
@pytest.mark.slow
@pytest.mark.parametrize("weights", ["float", "int8"])
@pytest.mark.parametrize(
    ("zoo", "split", "pattern"),
    [
        (MLP, "relu2", "random"),
        (RESNET, "pool", "block"),
        (DS_CNN, "pool", "clash_free"),
        (CNN1D, "average", "periodic"),
        (CNN, "output", "structured"),
    ],
    ids=lambda own: own if isinstance(own, str) else None,
)
def test_sizes_are_as_predicted(zoo: Any, split: str, pattern: Any, weights: Weights) -> None:
    source = source_of(*zoo, config=EIGHT, pattern=pattern)
    part = part_of(source, split, weights)
    code = part.code(DIGEST)
    found = emulate(code.files, part.samples[:2], "m4")
    known = predicted(code, weights, "m4")
    assert found.edge.bss == known.bss == code.static_bytes
    assert found.edge.rodata == pytest.approx(known.rodata, abs=16)
    assert found.edge.flash == pytest.approx(known.flash, rel=0.03)
    assert known.stack - 128 <= found.stack <= known.stack
    check_rows(part, part.samples[:2], found.rows, source.restore().split_point(split).shape)


@needs_emulator
def test_nothing_is_called_that_is_not_there(tmp_path: Path) -> None:
    source = source_of(*RESNET, config=EIGHT, pattern="block")
    for weights in ("float", "int8"):
        for name, text in part_of(source, "pool", weights).code(DIGEST).files.items():  # type: ignore[arg-type]
            (tmp_path / name).write_text(text)
        edge = compiled(tmp_path / "edge.c", CORES["m4"])
        assert run_tool([find_tool("arm-none-eabi-nm"), "--undefined-only", str(edge)]).strip() == ""


@needs_emulator
def test_instructions_are_the_same_in_every_run() -> None:
    part = part_of(source_of(*MLP, config=EIGHT), "relu1", "int8")
    files = part.code(DIGEST).files
    one, other = (emulate(files, part.samples[:2], "m4").instructions for _ in range(2))
    assert one == other
    assert one > np.prod([64, 32])  # two multiply-accumulates an instruction would not be all


def test_sections_count_what_lies_in_flash() -> None:
    assert Sections(text=10, rodata=20, data=3, bss=100).flash == 33
