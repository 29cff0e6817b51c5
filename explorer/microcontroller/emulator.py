"""An edge part in an emulated Cortex-M: what it computes, and how many instructions and bytes that takes.

QEMU counts instructions, not cycles: with ``-icount shift=0`` every instruction takes one nanosecond of the
board's time, and the same program takes as many in every run.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from explorer.errors import UserError
from explorer.microcontroller.forms import Floats
from explorer.microcontroller.numbers import Constants
from explorer.microcontroller.toolchain import (
    CORES,
    Sections,
    compiled,
    find_tool,
    linked,
    run_tool,
    sections,
)

END = "done"
VECTORS_BYTES = 64  # the board's table of exceptions


@dataclass(frozen=True, eq=False)
class Emulated:
    """What came of samples on one core.

    Attributes:
        core: Its name.
        edge: Sections of the edge part's object file.
        library: Bytes of the compiler's own functions that it needs, as for floats without a unit for them.
        stack: Most bytes of stack that a run took, the caller's apart.
        instructions: Of one run, the mean over the samples.
        rows: By sample: ``logits``, ``crossing``, ``frame``, ``confidence`` as bytes, ``label``, ``answers``.

    Example:
        >>> Emulated("m4", Sections(600, 4000, 0, 512), 0, 96, 20440.0, []).edge.flash
        4600
    """

    core: str
    edge: Sections
    library: int
    stack: int
    instructions: float
    rows: Sequence[Mapping[str, bytes | int]]


def emulate(files: Mapping[str, str], samples: Floats, core: str) -> Emulated:
    """Compile an edge part and run samples through it in QEMU.

    Args:
        files: ``edge.c``, ``edge.h`` and ``weights.h``.
        samples: Raw (N, ...), with PyTorch's axes.
        core: One of ``CORES``.

    Raises:
        UserError: A tool is missing or fails, or the emulator did not answer for every sample.

    Example:
        >>> emulate(files, samples, "m4").instructions  # doctest: +SKIP
        20440.0
    """
    board = CORES[core]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_harness(folder, files, samples)
        edge = compiled(folder / "edge.c", board)
        objects = [edge, compiled(folder / "board.c", board, ("-Wno-pedantic",))]
        objects.append(compiled(folder / "harness.c", board, ("-DON_BOARD",)))
        program = linked(objects, board, folder / "edge.elf")
        own = [sections(path) for path in objects]
        library = sections(program).flash - sum(part.flash for part in own) - VECTORS_BYTES
        # the clock of the guest is that of its instructions; text of semihosting comes on stderr
        command = [find_tool("qemu-system-arm"), "-M", board.machine, "-nographic", "-monitor", "none"]
        command += ["-serial", "none", "-semihosting-config", "enable=on,target=native", "-icount", "shift=0"]
        rows = parsed(run_tool([*command, "-kernel", str(program)], timeout_s=500), len(samples))
    per_tick = [1e6 / int(row["per_million"]) for row in rows]
    counts = [int(row["ticks"]) * each for row, each in zip(rows, per_tick, strict=True)]
    stack = max(int(row["stack"]) for row in rows)
    return Emulated(core, own[0], max(0, library), stack, float(np.mean(counts)), rows)


def write_harness(folder: Path, files: Mapping[str, str], samples: Floats) -> None:
    """Write an edge part, samples, and the programs that run them.

    Example:
        >>> write_harness(Path("here"), files, samples)  # doctest: +SKIP
    """
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("harness.c", "board.c"):
        text = resources.files("explorer.microcontroller").joinpath("c", name).read_text("utf-8")
        (folder / name).write_text(text, encoding="utf-8")
    flat = samples.reshape(len(samples), -1)
    is_bytes = "typedef uint8_t explorer_edge_input" in files["edge.h"]
    text = Constants({"values": flat.astype(np.uint8 if is_bytes else np.float32)}).text()
    text = text.replace(f"values[{flat.size}]", f"samples[SAMPLES][{flat.shape[1]}]")
    text = text.replace(" = {", " = {{", 1).replace("};", "}};")
    (folder / "samples.h").write_text(
        f"#define SAMPLES {len(flat)}u\n{_in_rows(text, flat)}\n", encoding="utf-8"
    )


def _in_rows(text: str, flat: Floats) -> str:
    """The initialiser with braces around every sample, as compilers want it."""
    head, _, rest = text.partition("{{")
    numbers = rest.removesuffix("}};").replace("\n", " ").split(",")
    width = flat.shape[1]
    rows = [",".join(numbers[start : start + width]).strip() for start in range(0, len(numbers), width)]
    return head + "{\n    " + ",\n    ".join(f"{{{row}}}" for row in rows) + "};"


def parsed(text: str, samples: int) -> list[dict[str, bytes | int]]:
    r"""The rows that a run printed.

    Args:
        text: All of it.
        samples: How many rows there must be, before a last line.

    Raises:
        UserError: There are fewer or more: an empty output is no success.

    Example:
        >>> parsed("label=3 logits=0000803f \ndone\n", samples=1)
        [{'label': 3, 'logits': b'\x00\x00\x80?'}]
    """
    *lines, last = text.splitlines() or [""]
    if last != END or len(lines) != samples:
        told = lines[0] if lines else last
        raise UserError(
            f"the emulator must print {samples} lines and `{END}`, got {len(lines)}: {told[:80]!r}"
        )
    found = list[dict[str, bytes | int]]()
    for line in lines:
        pairs = (word.split("=") for word in line.split())
        found.append({name: int(v) if name in _NUMBERS else bytes.fromhex(v) for name, v in pairs})
    return found


_NUMBERS = {"sample", "stack", "ticks", "per_million", "label", "answers"}
