"""Log lines for machines: one JSON object each, on stderr; what a peer sent is never in them."""

import json
import logging
import sys
from datetime import UTC, datetime
from math import inf
from time import monotonic
from typing import Any, TextIO


class Log:
    """Writes lines with time, level, event and whatever else there is to say.

    Args:
        stream: Where to; stderr unless said otherwise.

    Example:
        >>> Log(sys.stdout)("listening", port=8080)
        {"time": "...Z", "level": "info", "event": "listening", "port": 8080}
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def __call__(self, event: str, level: str = "info", **fields: Any) -> None:
        """Write one line."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"time": time, "level": level, "event": event, **fields}, default=str)
        stream = self._stream or sys.stderr
        stream.write(f"{line}\n")
        stream.flush()


class SparingLog:
    """At most one line a second for each event and reason, with the number left out before it.

    So a peer that sends nonsense without end does not fill a disk.

    Args:
        log: Where they go.

    Example:
        >>> sparing = SparingLog(Log(sys.stdout))
        >>> for _ in range(3):
        ...     sparing("refused", "malformed", code=400)
        {"time": "...", "level": "warning", "event": "refused", "reason": "malformed", ...}
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._last: dict[tuple[str, str], tuple[float, int]] = {}

    def __call__(self, event: str, reason: str, level: str = "warning", **fields: Any) -> None:
        """Write one line, or none."""
        now = monotonic()
        last, left_out = self._last.get((event, reason), (-inf, 0))
        if now - last < 1:
            self._last[event, reason] = (last, left_out + 1)
            return
        self._last[event, reason] = (now, 0)
        self._log(event, level, reason=reason, left_out=left_out, **fields)


class LibraryLines(logging.Handler):
    """Turns warnings of libraries into such lines; a defect's traceback is one field.

    Args:
        log: Where they go.

    Example:
        >>> logger = logging.getLogger("some.package")
        >>> logger.addHandler(LibraryLines(Log(sys.stdout)))
        >>> logger.warning("socket closed")
        {"time": "...", "level": "warning", "event": "library", "reason": "some.package", ...}
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._sparing = SparingLog(log)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line for a record."""
        fields = {"message": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._sparing("library", record.name, record.levelname.lower(), **fields)
