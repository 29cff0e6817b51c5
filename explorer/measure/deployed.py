"""Predicted against measured: a bundle's two halves as two processes over a paced link.

The model predicts from profiles; the formula from parts that were timed here, one by one; the measurement is
what the edge process says of every sample, and the proxy of every byte.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.costs.latency import transfer_time_s
from explorer.data.claims import check_npz
from explorer.deploy.link_proxy import LinkProxy
from explorer.devices import LinkProfile
from explorer.errors import UserError
from explorer.runtime.codec import Floats, encode
from explorer.runtime.edge.claims import most_bytes
from explorer.runtime.edge.client import Client
from explorer.runtime.manifest import TEST_SAMPLES, Bundle, load_bundle
from explorer.runtime.sizes import REQUEST_OVERHEAD, RESPONSE_BYTES
from explorer.runtime.stages import EdgeParts

START_S = 60.0  # in which a server has to be ready
_WARM_UP, _TIMED, _PAUSE_S = 5, 60, 0.01  # samples, samples, before each
T = TypeVar("T")


@dataclass(frozen=True)
class TimedParts:
    """Seconds of what a sample goes through on this machine, medians.

    Attributes:
        edge_s: Edge part with exit.
        encode_s: The encoder.
        answer_s: From request to answer without a link: protocol, decoder and server part.

    Example:
        >>> TimedParts(edge_s=1e-5, encode_s=2e-5, answer_s=8e-4).sent_s(message_s=0.02)
        0.02083
    """

    edge_s: float
    encode_s: float
    answer_s: float

    def sent_s(self, message_s: float) -> float:
        """Seconds of a sample that is sent, its message and answer taking so long on the link."""
        return round(self.edge_s + self.encode_s + message_s + self.answer_s, 12)


@dataclass(frozen=True, eq=False)
class Measured:
    """What an edge process said of its samples, and a proxy of its bytes.

    Attributes:
        source: Of each answer (N,).
        latency_s: Of each answer (N,).
        sent_bytes: Of each answer, protocol included (N,).
        right: Of each answer (N,); None where labels are unknown.
        uplink_bytes, downlink_bytes: Of each message, as the proxy carried it.

    Example:
        >>> one = np.array(["exit"]), np.array([1e-5]), np.array([0]), np.array([True])
        >>> Measured(*one, uplink_bytes=(), downlink_bytes=()).source.tolist()
        ['exit']
    """

    source: NDArray[np.str_]
    latency_s: NDArray[np.float64]
    sent_bytes: NDArray[np.int64]
    right: NDArray[np.bool_] | None
    uplink_bytes: tuple[int, ...]
    downlink_bytes: tuple[int, ...]


def message_s(payload_bytes: float, link: LinkProfile) -> float:
    """Seconds that a request and its answer take on a link, both at its rate.

    Example:
        >>> link = LinkProfile(name="radio", kind="link", description="", uplink_bits_per_s=1e6, rtt_s=0.02)
        >>> round(message_s(100, link), 6)  # 0.02 + 8 (384 + 100 + 256) / 1e6
        0.02592
    """
    assert link.rtt_s is not None
    both = transfer_time_s([payload_bytes + REQUEST_OVERHEAD, RESPONSE_BYTES], link)
    return float(link.rtt_s + both.sum())


def load_samples(bundle: Bundle, most: int, max_bytes: int | None = None) -> tuple[Floats, NDArray[np.int64]]:
    """Labelled samples that a bundle brings, repeated where there are fewer than asked for.

    Args:
        bundle: Brings them.
        most: How many to give.
        max_bytes: That their file may take in memory, see :func:`explorer.runtime.edge.claims.most_bytes`.

    Raises:
        UserError: It brings none, or too many for the memory.

    Example:
        >>> samples, labels = load_samples(bundle, most=200)  # doctest: +SKIP
    """
    path = bundle.folder / TEST_SAMPLES
    if not path.exists():
        raise UserError(f"{path}: no such file: the bundle was made without test samples")
    check_npz(path, ["x_test", "y_test"], most_bytes(max_bytes))
    with np.load(path) as file:
        x, y = file["x_test"], file["y_test"]
    places = np.arange(most) % len(x)
    return x[places].astype(np.float32), y[places]


@contextmanager
def running_server(folder: Path) -> Iterator[int]:
    """The server half of a bundle as a process of its own; gives its port.

    Raises:
        UserError: It did not become ready; says what it said.

    Example:
        >>> with running_server(Path("bundle")) as port:  # doctest: +SKIP
        ...     print(f"http://127.0.0.1:{port}")
    """
    command = [sys.executable, str(folder / "serve.py"), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        yield _port(process)
    finally:
        process.terminate()
        process.communicate(timeout=START_S)


def _port(process: "subprocess.Popen[str]") -> int:
    said, port = list[str](), 0
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line.strip())
        if found := re.search(r'"port": ?(\d+)', line):
            port = int(found[1])
        if '"ready"' in line and port:
            return port
    raise UserError(f"serve.py: did not become ready: {' '.join(said)[-500:]}")


def run_edge(folder: Path, url: str, samples: Floats, timeout_s: float) -> list[dict[str, Any]]:
    """The edge half as a process of its own: a record for every sample.

    Raises:
        UserError: It failed; says what it said.

    Example:
        >>> run_edge(Path("bundle"), "http://127.0.0.1:8080", samples, 1.0)[0]["source"]  # doctest: +SKIP
        'exit'
    """
    with tempfile.TemporaryDirectory(prefix="measure-") as name:
        path = Path(name) / "samples.npz"
        np.savez(path, allow_pickle=False, x_test=samples)
        command = [sys.executable, str(folder / "run_edge.py"), "--server", url, "--json"]
        command += ["--data", f"npz:{path}", "--timeout", f"{timeout_s:g}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    records = [line for line in lines if "sample" in line]
    if len(records) != len(samples):
        raise UserError(f"run_edge.py: answered {len(records)} of {len(samples)}: {done.stderr[-500:]}")
    return records


def measure(bundle: Bundle, link: LinkProfile, samples: Floats, labels: NDArray[np.int64] | None) -> Measured:
    """Run both halves over a paced link.

    Args:
        bundle: Of both halves.
        link: Its rate and round-trip time pace every byte.
        samples: Raw (N, ...).
        labels: Of the samples (N,).

    Example:
        >>> measure(bundle, load_link("ble_2m_dle"), samples, labels).source[:2]  # doctest: +SKIP
        array(['exit', 'server'], dtype='<U6')
    """
    longest = max(point.message_bytes for point in bundle.points)
    timeout_s = 5.0 + 3 * message_s(longest + 64, link)
    with running_server(bundle.folder) as port, LinkProxy.of(link, port) as proxy:
        records = run_edge(bundle.folder, f"http://127.0.0.1:{proxy.port}", samples, timeout_s)
        up, down = proxy.uplink_messages, proxy.downlink_messages
    answers = np.array([-1 if own["label"] is None else own["label"] for own in records])
    return Measured(
        np.array([str(own["source"]) for own in records]),
        np.array([own.get("latency_s", np.nan) for own in records], dtype=np.float64),
        np.array([own.get("sent_bytes", 0) for own in records], dtype=np.int64),
        None if labels is None else answers == labels,
        up,
        down,
    )


def time_parts(bundle: Bundle, samples: Floats, point: int = 0) -> TimedParts:
    """Time edge part, encoder and answer of one operating point in this process, medians over samples.

    They are timed as they will be used: with a pause before each sample, in which caches cool down, and
    through the proxy, which does not pace here. Back to back they would be faster than over any link.

    Example:
        >>> time_parts(bundle, samples).edge_s  # doctest: +SKIP
        0.00012
    """
    parts, own = EdgeParts(bundle), bundle.points[point]
    if own.codec is None:
        return TimedParts(_median([_timed(parts.run, sample, point)[0] for sample in samples]), 0.0, 0.0)
    rows = list[tuple[float, float, float]]()
    with running_server(bundle.folder) as port, LinkProxy(port, uplink_bits_per_s=inf) as proxy:
        client = Client(f"http://127.0.0.1:{proxy.port}", bundle, None, 10.0, None)
        for sample in [*samples[:_WARM_UP], *samples[:_TIMED]]:
            time.sleep(_PAUSE_S)
            edge_s, result = _timed(parts.run, sample, point)
            encode_s, payload = _timed(encode, result.crossing, own.codec)
            rows.append((edge_s, encode_s, _timed(client.infer, point, payload)[0]))
        client.close()
    return TimedParts(*map(_median, zip(*rows[_WARM_UP:], strict=True)))


def _timed(call: Callable[..., T], *arguments: Any) -> tuple[float, T]:
    begun = time.perf_counter()
    result = call(*arguments)
    return time.perf_counter() - begun, result


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else 0.0


def both_halves(folder: Path) -> Bundle:
    """A bundle whose two halves were checked.

    Example:
        >>> both_halves(Path("nowhere"))
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.BundleError: nowhere/manifest.json: no such file: the folder is no bundle
    """
    load_bundle(folder, "server")
    return load_bundle(folder, "edge")
