"""A paced link between two processes of one machine: a TCP proxy with rate and round-trip time, without root.

Bytes leave in small chunks, one behind the other, as on a wire: a chunk leaves at ``max(now, free) +
8 bytes / rate`` and arrives half a round-trip time later. There is no token bucket, which would let its burst
pass at once. All connections share the one link. Not simulated are losses (those of a profile enter as the
mean number of bytes), jitter, TCP's handshakes and its slow start.
"""

import asyncio
import contextlib
import math
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from explorer.costs.latency import bytes_on_air
from explorer.deploy.link_direction import Direction, Message, Rate
from explorer.devices import LinkProfile, load_link
from explorer.errors import UserError

_LOOPBACK = "127.0.0.1"
_SOCKET_BYTES = 1 << 16  # that the kernel takes off a sender before it has to wait for the link
_SELECTABLE = 512  # listeners below this number leave enough for connections: select(2) knows 1,024
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER that closes with a reset


class LinkProxy:
    """Stands between an edge and a server, and makes every byte take its time.

    It listens on the loopback interface, in a thread of its own, as long as its ``with`` block lasts. A
    message is what one side of a connection sends until the other one does: for requests and answers that
    is exact, unless an answer begins before its request has ended.

    Args:
        upstream_port: Where the server listens.
        uplink_bits_per_s: From edge to server: a rate, or steps (seconds since the start, rate), the first at
            second 0. At rate 0 bytes wait; ``math.inf`` does not pace.
        downlink_bits_per_s: From server to edge; the uplink's where None.
        rtt_s: Round-trip time; each direction takes half of it.
        upstream_host: Of the server.
        port: To listen on; 0 takes a free one.
        on_air: Bytes that a message of some bytes takes on the link, headers included; None for no more than
            its own. It must not fall as the message grows.

    Raises:
        UserError: A rate or a time that is not legal.

    Example:
        >>> import time
        >>> server = socket.create_server(("127.0.0.1", 0))
        >>> with server, LinkProxy(server.getsockname()[1], uplink_bits_per_s=1e6, rtt_s=0.02) as proxy:
        ...     with socket.create_connection(("127.0.0.1", proxy.port)) as edge, server.accept()[0] as peer:
        ...         begun = time.monotonic()
        ...         edge.sendall(bytes(1000))
        ...         received = peer.recv(1000, socket.MSG_WAITALL)
        ...         print(len(received), time.monotonic() - begun > 0.018, proxy.uplink_messages)
        1000 True (1000,)
    """

    def __init__(
        self,
        upstream_port: int,
        *,
        uplink_bits_per_s: Rate,
        downlink_bits_per_s: Rate | None = None,
        rtt_s: float = 0.0,
        upstream_host: str = _LOOPBACK,
        port: int = 0,
        on_air: Callable[[int], float] | None = None,
    ) -> None:
        if not (rtt_s >= 0 and math.isfinite(rtt_s)):
            raise UserError(f"rtt_s: must be a finite number of seconds >= 0, got {rtt_s!r}")
        down = uplink_bits_per_s if downlink_bits_per_s is None else downlink_bits_per_s
        self._up = Direction("uplink_bits_per_s", uplink_bits_per_s, rtt_s / 2, on_air or float)
        self._down = Direction("downlink_bits_per_s", down, rtt_s / 2, on_air or float)
        self._upstream, self._wanted_port = (upstream_host, upstream_port), port
        self._connections: set[asyncio.Task[None]] = set()

    @classmethod
    def of(
        cls,
        profile: LinkProfile | str | Path,
        upstream_port: int,
        *,
        downlink_bits_per_s: Rate | None = None,
        upstream_host: str = _LOOPBACK,
        port: int = 0,
    ) -> Self:
        """The link of a profile: its rate, its round-trip time and its headers.

        Headers per message and per packet, and the mean number of times that bytes are sent because of
        losses, are charged by :func:`explorer.costs.latency.bytes_on_air`, in both directions: what the cost
        model calls ``transfer_time_s`` passes on the link, while counts stay those of the sockets.

        Args:
            profile: A profile, the name of a shipped one, or the path of a YAML file.
            upstream_port: Where the server listens.
            downlink_bits_per_s: Profiles know the uplink only; None takes the same rate.
            upstream_host: Of the server.
            port: To listen on; 0 takes a free one.

        Raises:
            UserError: There is no such profile, or it lacks a rate or a round-trip time.
        """
        link = profile if isinstance(profile, LinkProfile) else load_link(profile)
        for quantity in ("uplink_bits_per_s", "rtt_s"):
            if getattr(link, quantity) is None:
                raise UserError(f"{link.name}: {quantity}: is needed for a paced link, the profile has none")
        assert link.uplink_bits_per_s is not None
        assert link.rtt_s is not None
        return cls(
            upstream_port,
            uplink_bits_per_s=link.uplink_bits_per_s,
            downlink_bits_per_s=downlink_bits_per_s,
            rtt_s=link.rtt_s,
            upstream_host=upstream_host,
            port=port,
            on_air=lambda count: float(bytes_on_air(count, link)),
        )

    @property
    def port(self) -> int:
        """Where the edge connects to."""
        return int(self._listener.getsockname()[1])

    @property
    def uplink_bytes(self) -> int:
        """Bytes that the edge's sockets have sent so far."""
        return self._up.carried_bytes

    @property
    def downlink_bytes(self) -> int:
        """Bytes that the server's sockets have sent so far."""
        return self._down.carried_bytes

    @property
    def uplink_messages(self) -> tuple[int, ...]:
        """Bytes of each message from the edge; the last 100,000, in the order in which they began."""
        return self._up.message_bytes()

    @property
    def downlink_messages(self) -> tuple[int, ...]:
        """Bytes of each message from the server, likewise."""
        return self._down.message_bytes()

    def set_rate(
        self, *, uplink_bits_per_s: Rate | None = None, downlink_bits_per_s: Rate | None = None
    ) -> None:
        """Change rates from now on; None leaves one as it is, and steps count their seconds from now.

        Raises:
            UserError: A rate that is not legal.
        """
        if uplink_bits_per_s is not None:
            self._up.set_rate(uplink_bits_per_s)
        if downlink_bits_per_s is not None:
            self._down.set_rate(downlink_bits_per_s)

    def __enter__(self) -> Self:
        self._listener = socket.create_server((_LOOPBACK, self._wanted_port))
        self._listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES
        )  # connections inherit it
        self._listener.setblocking(False)
        self._up.begin()
        self._down.begin()
        self._loop = asyncio.SelectorEventLoop(_selector(self._listener.fileno()))
        self._stopped = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="link proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended by itself: no descriptor was left
            self._loop.call_soon_threadsafe(self._stopped.set_result, None)
        self._thread.join()

    def _run(self) -> None:
        with self._listener, asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._accept())

    async def _accept(self) -> None:
        """Take connections until stopped; those that are left then end by being cancelled."""
        accepting = asyncio.create_task(self._accept_forever())
        await asyncio.wait([accepting, self._stopped], return_when=asyncio.FIRST_COMPLETED)
        accepting.cancel()

    async def _accept_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            edge, _ = await loop.sock_accept(self._listener)
            task = asyncio.create_task(self._connect(edge))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

    async def _connect(self, edge: socket.socket) -> None:
        """Carry one connection to its end; whatever breaks one side resets the other."""
        with edge, socket.socket() as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
            for end in (edge, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await asyncio.get_running_loop().sock_connect(server, self._upstream)
                connection = _Connection()
                async with asyncio.TaskGroup() as group:
                    group.create_task(connection.carry(edge, server, self._up))
                    group.create_task(connection.carry(server, edge, self._down))
            except* OSError:
                for end in (edge, server):
                    with contextlib.suppress(OSError):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)


class _Connection:
    """Both ways of one connection; a message ends where the other side begins one."""

    def __init__(self) -> None:
        self._speaker: Direction | None = None
        self._message = Message()

    async def carry(self, source: socket.socket, target: socket.socket, direction: Direction) -> None:
        """From one socket to the other, until the source has no more to send."""
        loop, line = asyncio.get_running_loop(), direction.line()
        async with asyncio.TaskGroup() as group:
            group.create_task(line.deliver(target))
            while chunk := await loop.sock_recv(source, await direction.readable_bytes()):
                if self._speaker is not direction:
                    self._speaker, self._message = direction, direction.new_message()
                await line.put(chunk, direction.send(self._message, len(chunk)))
            await line.put(b"", direction.arrival_of_end())


def _selector(fileno: int) -> selectors.BaseSelector:
    """One that waits for microseconds: epoll waits for whole milliseconds."""
    return selectors.SelectSelector() if fileno < _SELECTABLE else selectors.DefaultSelector()
