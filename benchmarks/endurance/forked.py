"""Commands in forks of a process that has everything imported, which takes a fresh interpreter seconds."""

import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from explorer import pick, search
from explorer.errors import run_command
from explorer.report import __main__ as report
from explorer.session import command  # noqa: F401  # what a search imports once its command line is read

SECONDS, MEMORY_BYTES = 30.0, 2**30
PATIENCE_S = (
    900.0  # of the clock, after which a command that waits is killed: others may use the machine, too
)
ADDRESS_BYTES = 2**33  # of virtual memory, which allocators reserve in plenty; beyond it memory is refused
_MODULES = {"search": search, "pick": pick, "report": report}
CRASHED = 70


@dataclass(frozen=True)
class Ended:
    """What became of a command.

    Attributes:
        arguments: Of the command, its name first.
        code: Exit code; negative: the signal that ended it.
        seconds: Of a processor, that of its children included.
        memory_bytes: Most resident memory, libraries included.
        printed: What it wrote to stdout and stderr.
    """

    arguments: tuple[str, ...]
    code: int
    seconds: float
    memory_bytes: int
    printed: str

    @property
    def message(self) -> str:
        """Its last line."""
        return self.printed.strip().splitlines()[-1] if self.printed.strip() else ""

    @property
    def problem(self) -> str:
        """What is wrong with it, empty where nothing is."""
        if self.code not in (0, 2, 3):
            return f"exit code {self.code}"
        if "Traceback (most recent call last)" in self.printed:
            return "a traceback"
        errors = [
            line for line in self.printed.splitlines() if line.startswith("error: ") or ": error: " in line
        ]
        if len(errors) != (self.code == 2):
            return f"{len(errors)} messages with exit code {self.code}"
        if not all(line.isprintable() for line in errors):
            return "a message that is not printable"
        if self.seconds > SECONDS:
            return f"{self.seconds:.0f} s"
        if self.memory_bytes > MEMORY_BYTES:
            return f"{self.memory_bytes / 2**20:.0f} MiB"
        return ""


def run_forked(
    commands: Sequence[Sequence[str]],
    folder: Path,
    jobs: int,
    prepare: Callable[[Sequence[str]], None] | None = None,
) -> Iterator[Ended]:
    """Run commands in ``folder``, some at a time, each in a fork of this process; in the order they end.

    Args:
        commands: Command lines, the name of the command first.
        folder: Where they run.
        jobs: How many at a time.
        prepare: Called in each fork with its command line, before the command.
    """
    torch.set_num_threads(1)  # a fork has no other threads
    waiting, running = list(reversed(commands)), dict[int, tuple[Sequence[str], float, Any]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            arguments, printed = waiting.pop(), tempfile.TemporaryFile()  # noqa: SIM115
            sys.stdout.flush()
            if not (process := os.fork()):
                _become(arguments, folder, printed.fileno(), prepare)
            running[process] = arguments, time.monotonic(), printed
        for process, (arguments, begun, printed) in list(running.items()):
            ended, status, usage = os.wait4(process, os.WNOHANG)
            if ended:
                seconds = usage.ru_utime + usage.ru_stime
                del running[process]
                printed.seek(0)
                text, code = printed.read().decode(errors="replace"), os.waitstatus_to_exitcode(status)
                printed.close()
                yield Ended(tuple(arguments), code, seconds, usage.ru_maxrss * 1024, text)
            elif time.monotonic() - begun > PATIENCE_S:
                os.kill(process, 9)
        time.sleep(0.01)


def run_process(arguments: Sequence[str], folder: Path) -> Ended:
    """Run a command in a process of its own, as a shell does."""
    module, *rest = arguments
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = [sys.executable, "-m", f"explorer.{module}", *rest]
    done = subprocess.run(
        whole, cwd=folder, capture_output=True, text=True, errors="replace", timeout=600, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Ended(tuple(arguments), done.returncode, seconds, 0, done.stdout + done.stderr)


def _become(
    arguments: Sequence[str], folder: Path, printed: int, prepare: Callable[[Sequence[str]], None] | None
) -> None:
    """Turn this fork into a command."""
    code = CRASHED
    try:
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CPU, (2 * int(SECONDS),) * 2)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES, ADDRESS_BYTES))
        module, *rest = arguments
        if prepare is not None:
            prepare(arguments)
        code = run_command(lambda: _MODULES[module].main(rest))
    except SystemExit as error:  # of argparse
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
