"""A server from its beginning to its orderly end: bundles, sockets, certificates, tokens, signals."""

import asyncio
import re
import signal
import ssl
from collections.abc import Sequence
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from ..errors import UserError
from ..manifest import load_bundle
from .application import DEFAULTS, Application, Limits
from .logs import Log

IDLE_S = 120.0  # a connection without a request is closed after this
BODY_S = 10.0  # so is one whose body does not come
HEADERS_BYTES = 16384  # most of a request's line and headers


def make_app(
    folders: Sequence[Path], limits: Limits = DEFAULTS, token: str | None = None, log: Log | None = None
) -> Application:
    """Load bundles and make what serves them.

    Args:
        folders: Of the bundles.
        limits: How much the server takes on.
        token: That clients must send; None where anybody is welcome.
        log: Where lines go.

    Raises:
        BundleError: A bundle cannot be used; names the file.

    Example:
        >>> make_app([Path("nowhere")])
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.BundleError: nowhere/manifest.json: no such file: the folder is no bundle
    """
    return Application([load_bundle(folder, "server") for folder in folders], limits, token, log)


async def serve(
    app: Application,
    host: str = "127.0.0.1",
    port: int = 8080,
    tls: ssl.SSLContext | None = None,
    log: Log | None = None,
) -> None:
    """Listen until SIGTERM or SIGINT; then take no more requests, finish those that wait, and return.

    The server listens before it is ready: until every bundle has passed its self-check it answers 503.

    Args:
        app: What answers.
        host: Address to listen on.
        port: 0 chooses a free one; the log says which.
        tls: For HTTPS.
        log: Where lines go.

    Raises:
        UserError: The address cannot be listened on.
        BundleError: A bundle does not compute what it should.

    Example:
        >>> asyncio.run(serve(app, port=8443, tls=tls_context(cert, key)))  # doctest: +SKIP
    """
    log, stop = log or Log(), asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    server, port = listen(app, host, port, tls)
    log("listening", host=host, port=port, tls=tls is not None)
    try:
        opening, stopping = asyncio.ensure_future(app.open()), asyncio.ensure_future(stop.wait())
        await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
            log("ready")
        await stopping
        log("draining")
        server.stop()
        await app.drain()
    finally:
        server.stop()
        await server.close_all_connections()
        app.close()
    log("stopped")


def listen(
    app: Application,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    idle_s: float = IDLE_S,
    body_s: float = BODY_S,
) -> tuple[HTTPServer, int]:
    """Begin to answer, in the running event loop.

    Args:
        app: What answers.
        host: Address to listen on.
        port: 0 chooses a free one.
        tls: For HTTPS.
        idle_s: Seconds after which a connection without a request is closed.
        body_s: Seconds in which a body has to come.

    Returns:
        What listens, and its port.

    Raises:
        UserError: The address cannot be listened on.

    Example:
        >>> server, port = listen(app, "127.0.0.1")  # doctest: +SKIP
    """
    server = HTTPServer(
        app,
        ssl_options=tls,
        max_header_size=HEADERS_BYTES,
        max_body_size=app.max_body,
        idle_connection_timeout=idle_s,
        body_timeout=body_s,
    )
    try:
        sockets = bind_sockets(port, host)
    except (OSError, UnicodeError) as error:
        raise UserError(f"cannot listen on {host}, port {port}: {error}") from None
    server.add_sockets(sockets)
    return server, int(sockets[0].getsockname()[1])


def tls_context(cert: Path, key: Path) -> ssl.SSLContext:
    """What HTTPS needs, from PEM files.

    Raises:
        UserError: They cannot be read, or do not belong together.

    Example:
        >>> tls_context(Path("missing.pem"), Path("missing.key"))
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: missing.pem, missing.key: no certificate with its key: ...
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:  # of which SSLError is one
        raise UserError(f"{cert}, {key}: no certificate with its key: {error.strerror or error}") from None
    return context


def read_token(path: Path) -> str:
    """The token in a file; white space around it is left out.

    Raises:
        UserError: It cannot be read, or holds no token: visible ASCII characters, at least one.

    Example:
        >>> _ = Path("token").write_text("secret")
        >>> read_token(Path("token"))
        'secret'
    """
    try:
        token = path.read_bytes().strip()
    except OSError as error:
        raise UserError(f"--token-file: {path}: {error.strerror or error}") from None
    if not re.fullmatch(rb"[!-~]{1,1024}", token):  # what it holds is not shown
        raise UserError(f"--token-file: {path}: must hold one token of visible ASCII characters")
    return token.decode("ascii")
