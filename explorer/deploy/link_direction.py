"""One way of a paced link: when it is free, what it has carried, and the bytes that are under way."""

import asyncio
import math
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from explorer.errors import UserError

Rate = float | Sequence[tuple[float, float]]  # bits per s, or steps of (seconds since the start, bits per s)

_CHUNK_S = 0.002  # what a chunk lasts, as far as its smallest and its largest size allow
_CHUNK_BYTES = (16, 1 << 14)
_AHEAD_S = 0.005  # read so long before the link is free: a timer that is late then costs the link nothing
_WAITING_BYTES = 1 << 16  # for a slow receiver; what is more stays in the sender's socket
_FASTEST_BITS_PER_S = 1e10  # for the memory of a link that is not paced
_AWAKE_S = 2e-4  # timers are late by half of this
_OUTAGE_POLL_S = 0.01
_KEPT_MESSAGES = 100_000


@dataclass(slots=True)
class Message:
    """What one side of a connection has sent since the other did.

    Example:
        >>> Message().count
        0
    """

    count: int = 0


class Direction:
    """One way of the link, shared by all connections.

    Args:
        name: Of the rate, for messages.
        rate: Bits per second, or steps of it.
        delay_s: From leaving to arriving.
        on_air: Bytes on the link of a message of some bytes.

    Attributes:
        carried_bytes: Taken from the senders' sockets so far.

    Example:
        >>> direction = Direction("uplink", [(0.0, 8e3), (60.0, 8e2)], delay_s=0.5, on_air=float)
        >>> begun = time.monotonic()
        >>> round(direction.send(direction.new_message(), 1000) - begun, 2)  # 1 s on the link
        1.5
        >>> direction.carried_bytes, direction.message_bytes()
        (1000, (1000,))
    """

    def __init__(self, name: str, rate: Rate, delay_s: float, on_air: Callable[[int], float]) -> None:
        self._name, self._delay_s, self._on_air = name, delay_s, on_air
        self.carried_bytes = 0
        self._messages: deque[Message] = deque(maxlen=_KEPT_MESSAGES)
        self._free = 0.0
        self.set_rate(rate)

    def set_rate(self, rate: Rate) -> None:
        """Another rate from now on."""
        steps = [(0.0, rate)] if isinstance(rate, int | float) else list(rate)
        seconds = [second for second, _ in steps]
        if not steps or seconds[0] != 0 or not all(a < b for a, b in pairwise(seconds)):
            raise UserError(f"{self._name}: steps must begin at second 0 and go on in time, got {rate!r}")
        if not all(bits_per_s >= 0 for _, bits_per_s in steps):
            raise UserError(f"{self._name}: must be >= 0 bits per second, got {rate!r}")
        self._plan = (time.monotonic(), steps)  # one assignment, since other threads read it

    def begin(self) -> None:
        """Count the seconds of the steps from now."""
        self._plan = (time.monotonic(), self._plan[1])

    def rate_at(self, at: float) -> float:
        """Bits per second at a time of the monotonic clock."""
        begun, steps = self._plan
        return next((rate for second, rate in reversed(steps) if second <= at - begun), steps[0][1])

    def message_bytes(self) -> tuple[int, ...]:
        """Bytes of each message."""
        return tuple(message.count for message in list(self._messages))

    def new_message(self) -> Message:
        """Begin a message."""
        self._messages.append(Message())
        return self._messages[-1]

    def send(self, message: Message, count: int) -> float:
        """Put so many bytes of a message on the link; returns when they arrive, by the monotonic clock."""
        before = self._on_air(message.count)
        message.count += count
        self.carried_bytes += count
        now = time.monotonic()
        begin = max(now, self._free)
        rate = self.rate_at(begin) or self.rate_at(now) or self._least_rate()
        self._free = begin + 8 * (self._on_air(message.count) - before) / rate
        return self.arrival_of_end()

    def arrival_of_end(self) -> float:
        """When all that was put on the link will have arrived."""
        return self._free + self._delay_s

    async def readable_bytes(self) -> int:
        """Wait until the link is nearly free; returns how much it takes at once."""
        while (rate := self.rate_at(time.monotonic())) == 0:
            await asyncio.sleep(_OUTAGE_POLL_S)
        await _until(self._free - _AHEAD_S)
        smallest, largest = _CHUNK_BYTES
        return int(min(max(rate * _CHUNK_S / 8, smallest), largest))

    def line(self) -> "Line":
        """For the bytes of one connection that are under way."""
        return Line(self._most_under_way)

    def _most_under_way(self) -> float:
        fastest = max(rate for _, rate in self._plan[1])
        return _WAITING_BYTES + min(fastest, _FASTEST_BITS_PER_S) * self._delay_s / 8

    def _least_rate(self) -> float:
        """For a chunk that was read just before an outage."""
        return min((rate for _, rate in self._plan[1] if rate > 0), default=math.inf)


class Line:
    """Chunks under way, each with the time of its arrival; bounded in bytes.

    Args:
        most_bytes: How many may be under way.

    Example:
        >>> async def carried() -> bytes:
        ...     ours, theirs = socket.socketpair()
        ...     ours.setblocking(False)
        ...     line = Line(lambda: 1000.0)
        ...     await line.put(b"chunk", time.monotonic())
        ...     await line.put(b"", time.monotonic())
        ...     with ours, theirs:
        ...         await line.deliver(ours)
        ...         return theirs.recv(100)
        >>> asyncio.run(carried())
        b'chunk'
    """

    def __init__(self, most_bytes: Callable[[], float]) -> None:
        self._most_bytes = most_bytes
        self._chunks: asyncio.Queue[tuple[bytes, float]] = asyncio.Queue()
        self._room = asyncio.Event()
        self._held = 0

    async def put(self, chunk: bytes, arrives: float) -> None:
        """Send a chunk on its way, and wait until there is room for another; an empty one ends the line."""
        self._held += len(chunk)
        self._chunks.put_nowait((chunk, arrives))
        while self._held > self._most_bytes():
            self._room.clear()
            await self._room.wait()

    async def deliver(self, target: socket.socket) -> None:
        """Hand chunks over as they arrive."""
        loop = asyncio.get_running_loop()
        while True:
            chunk, arrives = await self._chunks.get()
            await _until(arrives)
            if not chunk:
                target.shutdown(socket.SHUT_WR)
                return
            await loop.sock_sendall(target, chunk)
            self._held -= len(chunk)
            self._room.set()


async def _until(when: float) -> None:
    """Return at a time of the monotonic clock; the last moment is waited out awake, as timers are late."""
    await asyncio.sleep(max(0.0, when - time.monotonic() - _AWAKE_S))
    while time.monotonic() < when:
        await asyncio.sleep(0)
