"""The command of the server; what is heavy is imported when it runs, so that help is there at once."""

import argparse
import logging
import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from math import inf
from pathlib import Path

from ..errors import UserError, run_command

_ABOUT = "Answer for bundles over the Open Inference Protocol."


def main(arguments: Sequence[str] | None = None, folder: Path | None = None) -> int:
    """What ``serve.py`` of a bundle runs.

    Args:
        arguments: Of the command line; None takes the process's own.
        folder: The bundle that is served where none is named; None takes the one that this file lies in, if
            it lies in one.

    Returns:
        0: told to stop, and did so in order; 2: bad input.

    Example:
        >>> import sys
        >>> from contextlib import redirect_stderr
        >>> with redirect_stderr(sys.stdout):
        ...     main(["nowhere"])
        error: nowhere/manifest.json: no such file: the folder is no bundle
        2
    """
    own = Path(__file__).resolve().parent.parent.parent
    if folder is None and (own / "manifest.json").is_file():
        folder = own
    parser = argparse.ArgumentParser(description=_ABOUT)
    add_arguments(parser, folder)
    parsed = parser.parse_args(arguments)
    return run_command(lambda: run(parsed))


def add_arguments(parser: argparse.ArgumentParser, folder: Path | None = None) -> None:
    """Add the options of the server to a parser.

    Args:
        parser: To add to.
        folder: The bundle that is served where none is named; None where one has to be.

    Example:
        >>> parser = argparse.ArgumentParser()
        >>> add_arguments(parser)
        >>> parser.parse_args(["bundle", "--port", "9000"]).port
        9000
    """
    add = parser.add_argument
    where = {"nargs": "+"} if folder is None else {"nargs": "*", "default": [folder]}
    add("folders", type=Path, metavar="DIR", help="a bundle; several are served side by side", **where)
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)")
    add("--port", type=number(0, 65535), default=8080, help="default: %(default)s; 0 chooses a free one")
    add("--tls-cert", type=Path, metavar="FILE", help="certificate chain (PEM): HTTPS instead of HTTP")
    add("--tls-key", type=Path, metavar="FILE", help="its private key (PEM)")
    add("--token-file", type=Path, metavar="FILE", help="holds the token that clients must send")
    what = "most requests computed together, of those that wait already (default: %(default)s)"
    add("--max-batch", type=number(1), default=8, metavar="N", help=what)
    what = "longest request body (default: the bundles' longest payload and 4096)"
    add("--max-body", type=number(1), metavar="BYTES", help=what)
    what = "most requests that wait; further ones are answered 503 (default: %(default)s)"
    add("--queue", type=number(1), default=64, metavar="N", help=what)


def run(parsed: argparse.Namespace) -> int:
    """Serve as parsed arguments say.

    Example:
        >>> run(argparse.Namespace(folders=[Path("nowhere")], tls_cert=Path("cert.pem"), tls_key=None))
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: --tls-cert and --tls-key: one needs the other
    """
    import asyncio

    try:
        from .application import Limits
        from .logs import LibraryLines, Log
        from .serving import make_app, read_token, serve, tls_context
    except ModuleNotFoundError as error:
        raise UserError(f"the server needs the Python package {error.name}") from None
    if (parsed.tls_cert is None) != (parsed.tls_key is None):
        raise UserError("--tls-cert and --tls-key: one needs the other")
    log = Log()
    logging.getLogger().addHandler(LibraryLines(log))
    tls = None if parsed.tls_cert is None else tls_context(parsed.tls_cert, parsed.tls_key)
    token = None if parsed.token_file is None else read_token(parsed.token_file)
    if not _only_this_machine(parsed.host) and (tls is None or token is None):
        protection = {"--tls-cert": tls, "--token-file": token}
        missing = [option for option, value in protection.items() if value is None]
        log("open to the network", "warning", host=parsed.host, without=missing)
    limits = Limits(parsed.max_batch, parsed.queue, parsed.max_body)

    async def served() -> None:
        await serve(make_app(parsed.folders, limits, token, log), parsed.host, parsed.port, tls, log)

    asyncio.run(served())
    return 0


def _only_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def number(least: int, most: float = inf) -> Callable[[str], int]:
    """A type of whole numbers in a range.

    Example:
        >>> number(1)("8")
        8
        >>> number(0, 65535)("70000")
        Traceback (most recent call last):
            ...
        argparse.ArgumentTypeError: must be a whole number from 0 to 65535, got '70000'
    """

    def convert(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", text) or not least <= int(text) <= most:
            rule = f"of at least {least}" if most == inf else f"from {least} to {most}"
            raise argparse.ArgumentTypeError(f"must be a whole number {rule}, got {text!r}")
        return int(text)

    return convert
