"""Flash and RAM of an edge part, known without a compiler.

Constants and the arena are counted. Of functions the lengths and frames stand in ``code_bytes.json``, which
``python -m benchmarks.microcontroller --sizes`` measures; other compilers give other ones.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from explorer.microcontroller.emit import EdgeCode
from explorer.microcontroller.kernels import sections

# Bytes of the structures of constants on a 32-bit device, as the C has them.
_TABLE_BYTES = {
    "float": {"blocks": 60, "indexed": 60, "periodic": 56, "depthwise": 44, "window": 28, "thin": 20},
    "int8": {
        "blocks": 64,
        "indexed": 64,
        "periodic": 60,
        "depthwise": 48,
        "window": 24,
        "thin": 16,
        "add": 16,
    },
}
_FUNCTION = re.compile(r"^KERNEL [\w *]*?(\w+)\(", re.MULTILINE)


@dataclass(frozen=True)
class Predicted:
    """What an edge part takes of a device.

    Attributes:
        text: Instructions.
        rodata: Constants.
        bss: Static RAM: the arena.
        stack: Most bytes of stack.

    Example:
        >>> Predicted(600, 4000, 512, 96).flash
        4600
    """

    text: int
    rodata: int
    bss: int
    stack: int

    @property
    def flash(self) -> int:
        """Instructions and constants."""
        return self.text + self.rodata

    @property
    def ram(self) -> int:
        """Static RAM and stack; the caller's input and output apart."""
        return self.bss + self.stack


def predicted(code: EdgeCode, weights: str, core: str) -> Predicted:
    """Flash and RAM of an edge part on a core.

    Args:
        code: As emitted.
        weights: ``float`` or ``int8``.
        core: One of :data:`explorer.microcontroller.toolchain.CORES`.

    Example:
        >>> predicted(code, "int8", "m4").bss == code.static_bytes  # doctest: +SKIP
        True
    """
    text, stack = _of_functions(code.functions, weights, core)
    text += _known()[core][weights]["call"] * code.calls
    rodata = code.constant_bytes + sum(_TABLE_BYTES[weights][kind] for kind in code.tables)
    return Predicted(round(text), rodata, code.static_bytes, stack)


def largest(code: EdgeCode, weights: str) -> tuple[int, int]:
    """Flash and RAM that an edge part takes at most, whichever the core.

    Args:
        code: As emitted, or its outline.
        weights: ``float`` or ``int8``.

    Example:
        >>> largest(code, "int8") >= (4600, 608)  # doctest: +SKIP
        True
    """
    every = [predicted(code, weights, core) for core in _known()]
    return max(own.flash for own in every), max(own.ram for own in every)


@cache
def _of_functions(names: tuple[str, ...], weights: str, core: str) -> tuple[float, int]:
    """Bytes of instructions of functions and of the run that calls them, less the calls; and its stack."""
    known = _known()[core][weights]
    called = [name for name in names if name in known["functions"]]
    text = sum(known["functions"][name][0] for name in called)
    text += known["run" if "frame" in names else "alone"]
    depths = [_depth(name, weights, core) for name in called]
    return text, known["frame"] + max(depths, default=0)


@cache
def _depth(name: str, weights: str, core: str) -> int:
    """Stack of a function and the deepest of those that it calls."""
    own, functions = _sections(weights), _known()[core][weights]["functions"]
    below = max((_depth(other, weights, core) for other in own[name][0]), default=0)
    return int(below + (functions[name][1] if name in functions else 0))


@cache
def _sections(weights: str) -> dict[str, tuple[tuple[str, ...], str]]:
    files = (f"{weights}.c", "kernels.c", "output.c")
    return {name: own for file in files for name, own in sections(file).items()}


def symbols(name: str, weights: str) -> list[str]:
    """The C functions of a section that are never inlined.

    Example:
        >>> symbols("blocks_1", "int8"), symbols("between", "int8")
        (['blocks_1'], [])
    """
    for file in (f"{weights}.c", "kernels.c", "output.c"):
        if name in sections(file):
            found = _FUNCTION.findall(sections(file)[name][1])
            return [*found, "explorer_edge_frame"] if name == "frame" else found
    raise KeyError(name)


@cache
def _known() -> Any:
    text = resources.files("explorer.microcontroller").joinpath("code_bytes.json").read_text("utf-8")
    return json.loads(text)["cores"]
