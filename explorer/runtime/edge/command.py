"""The command of the edge: answers samples, says where each answer comes from, and counts at the end."""

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UserError, run_command

if TYPE_CHECKING:
    from ..manifest import Bundle
    from .edge_runtime import Answer, EdgeRuntime
    from .samples import Samples
    from .tally import Tally

EXIT_NOT_ALL_ANSWERED = 1
_ABOUT = "Answer samples on the edge, and ask the server where the edge is not sure enough."
_MILLISECONDS = 1e3


def main(arguments: Sequence[str] | None = None, folder: Path | None = None) -> int:
    """What ``run_edge.py`` of a bundle runs: options, samples, answers, the exit code.

    Args:
        arguments: Of the command line; None takes the process's own.
        folder: The bundle; None takes the one that this file lies in, and wants it as the first argument if
            it lies in none.

    Returns:
        0: every sample was answered, until SIGTERM where it came; 1: some were not; 2: bad input; 130:
        interrupted; 141: nobody reads the answers any more.

    Example:
        >>> from contextlib import redirect_stderr
        >>> with redirect_stderr(sys.stdout):
        ...     main(["--data", "-"], Path("nowhere"))
        error: nowhere/manifest.json: no such file: the folder is no bundle
        2
    """
    own = Path(__file__).resolve().parent.parent.parent
    if folder is None and (own / "manifest.json").is_file():
        folder = own
    parser = argparse.ArgumentParser(description=_ABOUT)
    if folder is None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="the bundle")
    add_options(parser)
    parsed = parser.parse_args(arguments, argparse.Namespace(folder=folder))
    return run_command(lambda: run(parsed))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the edge.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_options(parser)
        >>> parser.parse_args(["--data", "-", "--timeout", "0.5"]).timeout
        0.5
    """
    add = parser.add_argument
    add("--server", metavar="URL", help="http(s)://HOST[:PORT]; without it the edge answers alone")
    data = (
        "npz:FILE with x_test, x or inputs (and y_test, y or labels for accuracy); folder:DIR of .npy "
        "files, one sample each (no images); -: float32, little endian, on standard input"
    )
    add("--data", required=True, metavar="DATA", help=data)
    most = (
        "refuse files of samples that would take more memory (default: EXPLORER_MAX_DATA_BYTES, then half of "
        "this machine's memory)"
    )
    add("--max-data-bytes", type=_at_least_one, metavar="N", help=most)
    add("--json", action="store_true", help="a JSON line for each sample, and one for all at the end")
    limit = (
        "seconds for a message and its answer, connecting included (default: 1, or four times what a message "
        "takes on the link that the bundle was chosen for)"
    )
    add("--timeout", type=_above_zero, metavar="S", help=limit)
    add("--token-file", type=Path, metavar="FILE", help="holds the token that the server wants")
    add("--ca-file", type=Path, metavar="FILE", help="certificates (PEM) to trust instead of the system's")
    add("--limit", type=_at_least_one, metavar="N", help="stop after N samples")
    add("--policy", action="store_true", help="choose among operating points as the link changes")


def run(parsed: argparse.Namespace) -> int:
    """Answer as parsed arguments say.

    Args:
        parsed: ``folder`` and what :func:`add_options` adds.

    Returns:
        0, or 1 where a sample has no answer.

    Raises:
        UserError: Bad input.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_options(parser)
        >>> run(parser.parse_args(["--data", "-"], argparse.Namespace(folder=Path("nowhere"))))
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.BundleError: nowhere/manifest.json: no such file: the folder is no bundle
    """
    from ..manifest import load_bundle
    from .samples import open_samples
    from .tally import Tally

    logging.basicConfig(stream=sys.stderr, format="edge: %(message)s", level=logging.INFO)
    bundle = load_bundle(parsed.folder, "edge")
    samples = open_samples(parsed.data, bundle, sys.stdin.buffer, parsed.max_data_bytes)
    edge = _opened(bundle, parsed)
    tally = Tally()
    try:
        with suppress(_Stopped), _stopped_by_sigterm():
            _answer_all(edge, samples, tally, parsed)
    finally:  # of an interrupted run, too: what was answered was answered
        edge.close()
        _show(_summary(edge, tally), parsed.json)
    return EXIT_NOT_ALL_ANSWERED if tally.failures else 0


class _Stopped(KeyboardInterrupt):
    """A service manager asks the run to end: that is no failure."""


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise _Stopped

    if threading.current_thread() is not threading.main_thread():  # no other may handle signals
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _opened(bundle: "Bundle", parsed: argparse.Namespace) -> "EdgeRuntime":
    from ..policy.bundle_policy import bundle_policy
    from ..stages import EdgeParts, self_check
    from .client import Client
    from .edge_runtime import EdgeRuntime

    client = None
    if parsed.server is not None:
        token = None if parsed.token_file is None else _token(parsed.token_file)
        client = Client(parsed.server, bundle, token, parsed.timeout, parsed.ca_file)
        if client.exposes_token:
            print("warning: the token crosses the network without encryption: use https", file=sys.stderr)
    elif all(point.sends and point.exit is None for point in bundle.points):
        raise UserError(f"{parsed.folder}: has no exit to answer by, so --server must name one that answers")
    parts = EdgeParts(bundle)
    self_check(parts)
    policy = bundle_policy(parts) if parsed.policy else None
    return EdgeRuntime(bundle, client, policy, parts=parts)


def _token(path: Path) -> str:
    try:
        text = path.read_text("utf-8").strip()
    except UnicodeDecodeError:
        text = ""
    if not text:
        raise UserError(f"{path} must hold a token, as text")
    return text


def _answer_all(edge: "EdgeRuntime", samples: "Samples", tally: "Tally", parsed: argparse.Namespace) -> None:
    """Answer one sample after the other, each once."""
    from .edge_runtime import NoAnswerError

    for number, sample in enumerate(islice(samples.values, parsed.limit)):
        truth = None if samples.labels is None else int(samples.labels[number])
        try:
            answer = edge.answer(sample)
        except NoAnswerError as error:
            tally.add_failure(str(error))
            if parsed.json:
                _print_line({"sample": number, "label": None, "source": None, "reason": str(error)})
        else:
            tally.add(answer, truth)
            if parsed.json:
                _print_line(_line(edge.bundle, number, answer, truth))
        edge.look_at_link()


def _line(bundle: "Bundle", number: int, answer: "Answer", truth: int | None) -> dict[str, Any]:
    """An answer as JSON has it."""
    names = bundle.class_names
    return {
        "sample": number,
        "label": answer.label,
        **({} if names is None else {"class": names[answer.label]}),
        "source": answer.source,
        "confidence": answer.confidence,
        "point": bundle.points[answer.point].id,
        "sent_bytes": answer.sent_bytes,
        "latency_s": answer.latency_s,
        "reason": answer.reason,
        **({} if truth is None else {"truth": truth}),
    }


def _summary(edge: "EdgeRuntime", tally: "Tally") -> dict[str, Any]:
    client = edge.client
    return {
        "bundle": edge.bundle.version,
        **tally.summary(),
        "sent_bytes": edge.sent_bytes,
        "received_bytes": 0 if client is None else client.received_bytes,
        "connections": 0 if client is None else client.connections,
        "breaker_openings": edge.breaker.openings,
    }


def _print_line(content: dict[str, Any]) -> None:
    print(json.dumps(content, allow_nan=False), flush=True)  # whoever reads along sees each answer at once


def _show(summary: dict[str, Any], as_json: bool) -> None:
    """Print the counts for a machine or a person."""
    for reason, count in summary["failures"].items():
        print(f"error: {count} of {summary['samples']} samples have no answer: {reason}", file=sys.stderr)
    if as_json:
        _print_line({"summary": summary})
        return
    right = "" if summary["accuracy"] is None else f", accuracy {100 * summary['accuracy']:.2f} %"
    print(f"{summary['samples']} samples, {summary['answered']} answered{right}")
    print(f"{'source':<14}{'samples':>9}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}")
    for source, quantiles in summary["latency_s"].items():
        count = summary["answered"] if source == "all" else summary["sources"][source]
        times = ("-" if value is None else f"{value * _MILLISECONDS:.3f}" for value in quantiles.values())
        print(f"{source:<14}{count:>9}" + "".join(f"{time:>10}" for time in times))
    for reason, count in summary["reasons"].items():
        print(f"edge_fallback {count}: {reason}")
    sent, received = summary["sent_bytes"], summary["received_bytes"]
    print(f"{sent} bytes sent, {received} received, {summary['connections']} connections")


def _above_zero(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text!r}")
    return number


def _at_least_one(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text!r}")
    return int(text)
