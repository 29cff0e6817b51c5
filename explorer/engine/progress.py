"""Progress of a search, and of what follows it: one live line on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from explorer.engine.outcomes import Progress

_PLAIN_EVERY_S, _NOTEBOOK_EVERY_S = 5.0, 0.5


class Reporter(Protocol):
    """Shows :class:`explorer.engine.loop.Progress` while a ``with`` block runs."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def __call__(self, progress: Progress) -> None:
        """Show where the search stands."""


def make_reporter(stream: TextIO | None) -> Reporter:
    """What suits the place: a bar on a terminal, a line that changes in a notebook, else lines now and then.

    Args:
        stream: Where to show; None shows nothing.

    Example:
        >>> counts = {"trained": 1, "cached": 0, "infeasible": 0, "failed": 0}
        >>> with make_reporter(sys.stdout) as show:
        ...     show(Progress(1, 2, counts, 0, 12, 0.4, 2.4, 2.4, 0.01, warning=""))
        1/2 trials: 1 trained, 0 cached, 0 failed; front 12, hypervolume 0.4000;
        2 s, 10 ms to suggest, 2 s left
    """
    if stream is None:
        return _SilentReporter()
    if stream.isatty():
        return _BarReporter()
    return _NotebookReporter() if _in_notebook() else _LineReporter(stream)


def _in_notebook() -> bool:
    """Whether this process is the kernel of one."""
    return "ipykernel" in sys.modules and import_module("IPython").get_ipython() is not None


def describe(progress: Progress) -> str:
    """One line: trials, what became of them, front, hypervolume, time, the sampler's share, time left.

    Example:
        >>> counts = {"trained": 8, "cached": 1, "infeasible": 0, "failed": 1}
        >>> print(describe(Progress(10, 200, counts, 2, 57, 0.6123, 8.0, 152.0, 0.004, warning="")))
        10/200 trials: 8 trained, 1 cached, 1 failed, 2 more trainings; front 57, hypervolume 0.6123;
        8 s, 4 ms to suggest, 152 s left
    """
    counts = progress.counts
    left = "" if progress.remaining_s is None else f", {progress.remaining_s:.0f} s left"
    rare = [outcome for outcome in ("infeasible",) if counts[outcome]]
    outcomes = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ("trained", "cached", *rare, "failed"))
    promotions = f", {progress.promotions} more trainings" if progress.promotions else ""
    trials = f"{progress.trials}/{progress.trials_asked} trials: {outcomes}{promotions}"
    front = f"front {progress.front_size}, hypervolume {progress.hypervolume:.4f}"
    seconds = f"{progress.elapsed_s:.0f} s, {progress.suggest_s * 1e3:.0f} ms to suggest{left}"
    return f"{trials}; {front}; {seconds}"


@contextmanager
def counter(stream: TextIO | None, what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how much of something is done: in a line that changes on a terminal, else in lines now and then.

    The line ends with the context, whether all was done or not.

    Args:
        stream: Where to show; None shows nothing.
        what: Is being done.

    Example:
        >>> with counter(sys.stdout, "measuring") as show:
        ...     for done in range(3):
        ...         show(done, 2)
        measuring: 0/2
        measuring: 2/2
    """
    last, on_terminal, is_open = -_PLAIN_EVERY_S, stream is not None and stream.isatty(), False

    def show(done: int, of: int) -> None:
        nonlocal last, is_open
        now = time.monotonic()
        if stream is None or (now - last < _PLAIN_EVERY_S and done < of and not on_terminal):
            return
        last, is_open = now, on_terminal
        start, end = ("\r", "") if on_terminal else ("", "\n")
        print(f"{start}{what}: {done}/{of}", end=end, file=stream, flush=True)

    try:
        yield show
    finally:
        if is_open:
            print(file=stream, flush=True)


class _SilentReporter:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, progress: Progress) -> None:
        """Show nothing."""


class _NotebookReporter(_SilentReporter):
    def __init__(self) -> None:
        # untyped, and there is no other way to change what a cell shows
        self._display: Any = import_module("IPython.display").display
        self._handle = self._display({"text/plain": "starting"}, raw=True, display_id=True)
        self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.warning:
            self._display({"text/plain": f"note: {progress.warning}"}, raw=True)
        now = time.monotonic()
        if now - self._last >= _NOTEBOOK_EVERY_S or progress.trials >= progress.trials_asked:
            self._last = now
            self._handle.update({"text/plain": describe(progress)}, raw=True)


class _LineReporter(_SilentReporter):
    """A line now and then; also while the first network is trained, of which nothing else is known."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._last, self._trials = stream, -_PLAIN_EVERY_S, 0
        self._known = threading.Event()
        self._waiting = threading.Thread(target=self._wait, daemon=True)

    def __enter__(self) -> Self:
        self._waiting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._known.set()
        self._waiting.join()

    def _wait(self) -> None:
        begun = time.monotonic()
        while not self._known.wait(_PLAIN_EVERY_S):
            seconds = time.monotonic() - begun
            with suppress(BrokenPipeError):  # ends the search with its next line, in the main thread
                print(f"training the first network: {seconds:.0f} s", file=self._stream, flush=True)

    def __call__(self, progress: Progress) -> None:
        self._known.set()
        if progress.warning:
            print(f"note: {progress.warning}", file=self._stream, flush=True)
        now = time.monotonic()
        just_ended = self._trials < progress.trials == progress.trials_asked
        self._trials = progress.trials
        if now - self._last >= _PLAIN_EVERY_S or just_ended:
            self._last = now
            print(describe(progress), file=self._stream, flush=True)


class _BarReporter:
    def __init__(self) -> None:
        columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._bar = Bar(*columns, console=Console(file=sys.stdout))
        self._task = self._bar.add_task("training the first network", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def __call__(self, progress: Progress) -> None:
        if progress.warning:
            self._bar.console.print(f"note: {progress.warning}")
        text = describe(progress).partition(" trials: ")[2]
        self._bar.update(self._task, completed=progress.trials, total=progress.trials_asked, description=text)
