"""Compilers: an edge part for this host or for a Cortex-M, and how long its sections are."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from explorer.errors import UserError

ARM = "arm-none-eabi-"
PACKAGES = "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"  # of Debian
# Floats must not be contracted: a fused multiply-add has other last bits than PyTorch and numpy.
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-ffp-contract=off")
OPTIMISED = ("-O2", "-fno-tree-loop-distribute-patterns")  # else loops become calls of memcpy, which is libc


@dataclass(frozen=True)
class Core:
    """A Cortex-M, and the board that QEMU has with it.

    Attributes:
        flags: Of the compiler.
        machine: Of QEMU.
        code, ram: Where memory begins; cores with TrustZone start in the secure state, with other addresses.
        memory: Bytes of each.

    Example:
        >>> CORES["m4"].machine
        'mps2-an386'
    """

    flags: tuple[str, ...]
    machine: str
    code: int = 0x00000000
    ram: int = 0x20000000
    memory: int = 4 << 20


def _hard(cpu: str, unit: str) -> tuple[str, ...]:
    return (f"-mcpu={cpu}", "-mthumb", "-mfloat-abi=hard", f"-mfpu={unit}")


CORES: Mapping[str, Core] = {
    "m3": Core(("-mcpu=cortex-m3", "-mthumb"), "mps2-an385"),
    "m4": Core(_hard("cortex-m4", "fpv4-sp-d16"), "mps2-an386"),
    "m7": Core(_hard("cortex-m7", "fpv5-sp-d16"), "mps2-an500"),
    "m33": Core(_hard("cortex-m33", "fpv5-sp-d16"), "mps2-an505", 0x10000000, 0x38000000),
    "m55": Core(_hard("cortex-m55", "auto"), "mps3-an547", 0x10000000, 0x30000000, 512 << 10),
}


@dataclass(frozen=True)
class Sections:
    """Bytes of an object file or program.

    Attributes:
        text, rodata, data, bss: Instructions, constants, variables with and without initial value.

    Example:
        >>> Sections(text=600, rodata=4000, data=0, bss=512).flash
        4600
    """

    text: int
    rodata: int
    data: int
    bss: int

    @property
    def flash(self) -> int:
        """Instructions, constants, and initial values."""
        return self.text + self.rodata + self.data


def find_tool(name: str) -> str:
    """The path of a program.

    Raises:
        UserError: It is not installed; says which packages bring it.

    Example:
        >>> find_tool("no-such-compiler")
        Traceback (most recent call last):
        explorer.runtime.errors.UserError: no-such-compiler: not on PATH; Debian has it in ...
    """
    path = shutil.which(name)
    if path is None:
        raise UserError(f"{name}: not on PATH; Debian has it in the packages {PACKAGES}")
    return path


def compiled(source: Path, core: Core, more: Sequence[str] = (), out: Path | None = None) -> Path:
    """An object file of a C file, for a Cortex-M.

    Args:
        source: The C file.
        core: For which one.
        more: Flags.
        out: The object file; beside the source unless given.

    Example:
        >>> compiled(Path("edge.c"), CORES["m4"])  # doctest: +SKIP
        PosixPath('edge.o')
    """
    out = out or source.with_suffix(".o")
    command = [find_tool(f"{ARM}gcc"), *core.flags, *WARNINGS, *OPTIMISED, "-ffreestanding", *more]
    run_tool([*command, "-c", str(source), "-o", str(out)])
    return out


def linked(objects: Sequence[Path], core: Core, program: Path) -> Path:
    """A program of object files, for the core's board; nothing of libc is in it.

    Example:
        >>> linked([Path("edge.o")], CORES["m4"], Path("edge.elf"))  # doctest: +SKIP
        PosixPath('edge.elf')
    """
    script = resources.files("explorer.microcontroller").joinpath("c", "board.ld").read_text("utf-8")
    known = {
        "CODE_START": core.code,
        "RAM_START": core.ram,
        "CODE_LENGTH": core.memory,
        "RAM_LENGTH": core.memory,
    }
    for name, number in known.items():
        script = script.replace(name, hex(number))
    program.with_suffix(".ld").write_text(script, encoding="utf-8")
    names = [str(path) for path in objects]
    command = [
        find_tool(f"{ARM}gcc"),
        *core.flags,
        "-nostdlib",
        "-nostartfiles",
        "-Wl,--no-warn-rwx-segments",
    ]
    run_tool([*command, f"-T{program.with_suffix('.ld')}", *names, "-lgcc", "-o", str(program)])
    return program


def sections(path: Path) -> Sections:
    """How long the sections of an object file or program are.

    Example:
        >>> sections(Path("edge.o"))  # doctest: +SKIP
        Sections(text=612, rodata=4180, data=0, bss=512)
    """
    lines = run_tool([find_tool(f"{ARM}size"), "-A", str(path)]).splitlines()
    found = dict.fromkeys(("text", "rodata", "data", "bss"), 0)
    for line in lines:
        words = line.split()
        name = words[0].lstrip(".").partition(".")[0] if len(words) == 3 else ""
        if name in found:
            found[name] += int(words[1])
    return Sections(**found)


def run_tool(command: Sequence[str], timeout_s: float = 120) -> str:
    r"""Run a program to its end; returns what it printed on both streams.

    Raises:
        UserError: It failed; says what it printed first.

    Example:
        >>> run_tool(["echo", "done"])
        'done\n'
    """
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        told = "\n".join((done.stderr + done.stdout).splitlines()[:8])
        raise UserError(f"{Path(command[0]).name} failed with exit code {done.returncode}: {told}")
    return done.stderr + done.stdout
