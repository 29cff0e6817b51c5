"""Being told to end: by a service manager or batch system (SIGTERM), by a terminal that closes (SIGHUP)."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Have SIGTERM and SIGHUP end what runs as Ctrl-C does; signals that are ignored (``nohup``) stay so.

    Only the main thread may handle signals; elsewhere this does nothing.

    Example:
        >>> try:
        ...     with ended_by_signals():
        ...         os.kill(os.getpid(), signal.SIGTERM)
        ... except KeyboardInterrupt:
        ...     print("interrupted")
        interrupted
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def end(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:  # writing to a terminal that is gone fails, and there is more to write
            for terminal in terminals:
                os.dup2(os.open(os.devnull, os.O_WRONLY), terminal)
        raise KeyboardInterrupt

    heeded = [number for number in _SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in heeded:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)
