"""The paced proxy: a round trip of so many bytes takes rtt + 8 bytes / rate, and every byte is counted.

Lower bounds are exact, since nothing arrives early; upper bounds are generous, since machines are loaded.
"""

import math
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from statistics import median

import pytest

from explorer.costs.latency import transfer_time_s
from explorer.deploy.link_proxy import LinkProxy
from explorer.devices import LinkProfile, link_names, load_link
from explorer.errors import UserError

ANSWER = b"ok"
LATE_S = 0.25  # what a loaded machine may add
KIB = 1024


class Answering(socketserver.BaseRequestHandler):
    """Reads messages of four bytes of length and so many bytes, and answers each."""

    def handle(self) -> None:
        with self.request.makefile("rb") as stream:
            while header := stream.read(4):
                size = int.from_bytes(header, "big")
                assert len(stream.read(size)) == size
                self.request.sendall(ANSWER)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server that answers."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def connect(proxy: LinkProxy) -> socket.socket:
    edge = socket.create_connection(("127.0.0.1", proxy.port), timeout=20)
    edge.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return edge


def exchange_s(edge: socket.socket, size: int) -> float:
    """Seconds until a message of ``size`` bytes (from 4 on) is answered."""
    begun = time.monotonic()
    edge.sendall((size - 4).to_bytes(4, "big") + bytes(size - 4))
    assert edge.recv(len(ANSWER), socket.MSG_WAITALL) == ANSWER
    return time.monotonic() - begun


@pytest.mark.parametrize("size", [10, 100, 1000, 4096, 20_000])
def test_a_round_trip_takes_rtt_and_the_bytes_at_the_rate(port: int, size: int) -> None:
    rate, rtt_s = 1e6, 0.02
    with LinkProxy(port, uplink_bits_per_s=rate, rtt_s=rtt_s) as proxy, connect(proxy) as edge:
        seconds = [exchange_s(edge, size) for _ in range(3)]
    expected = rtt_s + 8 * (size + len(ANSWER)) / rate
    assert min(seconds) >= expected
    assert min(seconds) < expected + LATE_S


def test_each_direction_has_its_own_rate(port: int) -> None:
    with (
        LinkProxy(port, uplink_bits_per_s=math.inf, downlink_bits_per_s=200.0) as proxy,
        connect(proxy) as edge,
    ):
        assert 8 * 2 / 200 <= exchange_s(edge, 20_000) < 8 * 2 / 200 + LATE_S


def test_bytes_are_counted_by_direction_and_message(port: int) -> None:
    sizes = [4, 5, 1000, 70_000, 4]
    with LinkProxy(port, uplink_bits_per_s=1e8, rtt_s=0.002) as proxy:
        with connect(proxy) as edge:
            for size in sizes:
                exchange_s(edge, size)
        assert proxy.uplink_messages == tuple(sizes)
        assert proxy.downlink_messages == (len(ANSWER),) * len(sizes)
        assert (proxy.uplink_bytes, proxy.downlink_bytes) == (sum(sizes), len(ANSWER) * len(sizes))


def test_messages_of_several_connections_are_told_apart(port: int) -> None:
    with LinkProxy(port, uplink_bits_per_s=2e6) as proxy:
        with connect(proxy) as one, connect(proxy) as other:
            threads = [
                threading.Thread(target=exchange_s, args=pair) for pair in ((one, 10_000), (other, 6000))
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(proxy.uplink_messages) == [6000, 10_000]


def test_connections_share_the_link(port: int) -> None:
    """Two messages at a time take as long as both one after the other."""
    with LinkProxy(port, uplink_bits_per_s=1e6) as proxy, connect(proxy) as one, connect(proxy) as other:
        begun = time.monotonic()
        threads = [threading.Thread(target=exchange_s, args=(edge, 10_000)) for edge in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - begun >= 8 * 20_000 / 1e6


def test_no_burst_passes_at_once(port: int) -> None:
    """Idle time earns no credit, as it would in a token bucket."""
    with LinkProxy(port, uplink_bits_per_s=2e5) as proxy, connect(proxy) as edge:
        time.sleep(0.3)
        assert exchange_s(edge, 1000) >= 8 * 1002 / 2e5


def test_the_rate_falls_and_recovers_by_itself(port: int) -> None:
    steps = [(0.0, 1e6), (0.4, 5e4), (1.2, 1e6)]
    with LinkProxy(port, uplink_bits_per_s=steps) as proxy, connect(proxy) as edge:
        begun, seen = time.monotonic(), []
        while (now := time.monotonic() - begun) < 1.6:
            seen.append((now, exchange_s(edge, 1000)))
    fast, slow = 8 * 1002 / 1e6, 8 * 1002 / 5e4
    whole_in_second = [seconds for now, seconds in seen if now > 0.5 and now + seconds < 1.0]
    assert min(whole_in_second) >= slow * 0.95  # a chunk that was read before the step passes at the old rate
    assert median(seconds for now, seconds in seen if now < 0.3) < slow
    assert fast <= min(seconds for now, seconds in seen if now > 1.25) < slow


def test_the_rate_changes_when_told(port: int) -> None:
    with LinkProxy(port, uplink_bits_per_s=1e7) as proxy, connect(proxy) as edge:
        exchange_s(edge, 1000)
        proxy.set_rate(uplink_bits_per_s=8e4)
        assert exchange_s(edge, 1000) >= 0.1
        proxy.set_rate(uplink_bits_per_s=1e7, downlink_bits_per_s=160.0)
        assert exchange_s(edge, 1000) >= 0.1


def test_bytes_wait_while_the_link_is_out(port: int) -> None:
    with LinkProxy(port, uplink_bits_per_s=0.0, downlink_bits_per_s=1e6) as proxy, connect(proxy) as edge:
        timer = threading.Timer(0.2, lambda: proxy.set_rate(uplink_bits_per_s=1e6))
        timer.start()
        assert 0.19 <= exchange_s(edge, 100) < 0.2 + LATE_S
        timer.join()


def test_a_sender_is_held_back_where_nobody_reads() -> None:
    """Bounded memory: of an endless stream no more is taken than sockets and delay hold."""
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        LinkProxy(server.getsockname()[1], uplink_bits_per_s=1e9, rtt_s=0.01) as proxy,
        connect(proxy) as edge,
    ):
        peer, _ = server.accept()
        with peer:
            edge.settimeout(0.5)
            with pytest.raises(TimeoutError):
                edge.sendall(bytes(64_000 * KIB))
            in_sockets = 8192 * KIB  # what the kernel's buffers of the last leg may take, at most
            assert proxy.uplink_bytes < in_sockets + 64 * KIB + 1e9 * 0.005 / 8 + 32 * KIB


def test_half_a_connection_may_end_first() -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        LinkProxy(server.getsockname()[1], uplink_bits_per_s=1e6, rtt_s=0.02) as proxy,
        connect(proxy) as edge,
    ):
        edge.sendall(b"all")
        edge.shutdown(socket.SHUT_WR)
        peer, _ = server.accept()
        with peer:
            assert peer.recv(10, socket.MSG_WAITALL) == b"all"
            peer.sendall(b"heard")
        assert edge.recv(10, socket.MSG_WAITALL) == b"heard"


def test_a_server_that_is_away_ends_the_connection() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with LinkProxy(port, uplink_bits_per_s=1e6) as proxy:
        for _ in range(2):
            with pytest.raises(ConnectionError):
                ask(proxy)


def ask(proxy: LinkProxy) -> None:
    with connect(proxy) as edge:
        hear(edge, b"anybody?")


def hear(edge: socket.socket, message: bytes = b"") -> None:
    """Send and wait for the end, which must come before the time-out."""
    edge.sendall(message)
    while edge.recv(10):
        pass
    raise ConnectionAbortedError


def test_a_server_that_dies_resets_the_edge() -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        LinkProxy(server.getsockname()[1], uplink_bits_per_s=1e6) as proxy,
        connect(proxy) as edge,
    ):
        peer, _ = server.accept()
        edge.sendall(bytes(1000))
        assert peer.recv(1)
        peer.close()  # with bytes unread: a reset
        with pytest.raises(ConnectionError):
            hear(edge)


def test_stopping_ends_what_is_open(port: int) -> None:
    with LinkProxy(port, uplink_bits_per_s=10.0) as proxy:
        edge = connect(proxy)
        edge.sendall(bytes(10_000))
    with edge, pytest.raises(ConnectionError):
        hear(edge)


@pytest.mark.parametrize("name", ["ble_2m_dle", "wifi_huang2012"])
def test_a_profile_takes_what_its_model_says(port: int, name: str) -> None:
    link, size = load_link(name), 700
    with LinkProxy.of(name, port) as proxy, connect(proxy) as edge:
        seconds = min(exchange_s(edge, size) for _ in range(3))
    assert link.rtt_s is not None
    expected = link.rtt_s + float(transfer_time_s(size, link) + transfer_time_s(len(ANSWER), link))
    assert expected <= seconds < expected + LATE_S


def test_headers_and_losses_take_their_time(port: int) -> None:
    numbers = {"uplink_bits_per_s": 1e5, "rtt_s": 0.0, "header_bytes_per_message": 100.0, "loss": 0.5}
    packets = {"header_bytes_per_packet": 100.0, "packet_payload_bytes": 50.0}
    link = LinkProfile(name="bench", kind="link", description="", **numbers, **packets)
    with LinkProxy.of(link, port, downlink_bits_per_s=math.inf) as proxy, connect(proxy) as edge:
        assert exchange_s(edge, 60) >= 8 * 2 * (60 + 100 + 2 * 100) / 1e5  # two packets, twice each
        assert proxy.uplink_bytes == 60


def test_every_shipped_link_can_be_paced_or_says_what_it_lacks() -> None:
    for name in link_names():
        link = load_link(name)
        if link.uplink_bits_per_s is None or link.rtt_s is None:
            with pytest.raises(UserError, match=f"{name}: .*: is needed for a paced link"):
                LinkProxy.of(link, 1)
        else:
            LinkProxy.of(link, 1)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"uplink_bits_per_s": -1.0}, "uplink_bits_per_s: must be >= 0 bits per second, got -1.0"),
        ({"uplink_bits_per_s": math.nan}, "must be >= 0 bits per second"),
        ({"uplink_bits_per_s": [(1.0, 5.0)]}, "steps must begin at second 0"),
        ({"uplink_bits_per_s": []}, "steps must begin at second 0"),
        ({"uplink_bits_per_s": [(0.0, 5.0), (2.0, 1.0), (1.0, 5.0)]}, "go on in time"),
        ({"uplink_bits_per_s": 1.0, "downlink_bits_per_s": -2.0}, "downlink_bits_per_s: must be >= 0"),
        ({"uplink_bits_per_s": 1.0, "rtt_s": -0.1}, "rtt_s: must be a finite number of seconds >= 0"),
    ],
)
def test_what_is_no_link_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        LinkProxy(1, **wrong)  # type: ignore[arg-type]
