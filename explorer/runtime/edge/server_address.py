"""Where a server listens, read from its URL, and whether what it sends is encrypted and verified."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import UserError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class ServerAddress:
    """Where a server listens.

    Attributes:
        host: Name or address, without brackets.
        port: TCP port.
        tls: Its certificates are checked by this; None where the connection is not encrypted.

    Example:
        >>> address = server_address("http://[::1]:8080/")
        >>> address.host, address.port, address.tls, address.host_header
        ('::1', 8080, None, '[::1]:8080')
    """

    host: str
    port: int
    tls: ssl.SSLContext | None

    @property
    def host_header(self) -> str:
        """Value of the header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = _PORTS["http" if self.tls is None else "https"]
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, so that no network lies between."""
        return self.host == "localhost" or self.host == "::1" or self.host.startswith("127.")


def server_address(url: str, ca_file: Path | None = None) -> ServerAddress:
    """Read a server's URL.

    Args:
        url: ``http://HOST[:PORT]`` or ``https://HOST[:PORT]``; certificates are always verified.
        ca_file: Certificates (PEM) that are trusted instead of the system's.

    Raises:
        UserError: Another URL, or a file that holds no certificate.

    Example:
        >>> server_address("ftp://example.org")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: the server's URL must be http(s)://HOST[:PORT], got 'ftp://example.org'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # no such port, or brackets that do not close
        parts, host, port = urlsplit(""), None, None
    surplus = parts.username or parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in _PORTS or not host or surplus or not host.isascii() or not host.isprintable():
        raise UserError(f"the server's URL must be http(s)://HOST[:PORT], got {url!r}")
    port = _PORTS[parts.scheme] if port is None else port
    if parts.scheme == "https":
        return ServerAddress(host, port, _tls_context(ca_file))
    if ca_file is not None:
        raise UserError(f"certificates of {ca_file} are of use with https only, got {url!r}")
    return ServerAddress(host, port, None)


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise UserError(f"{ca_file} must hold certificates in PEM form: {error.reason}") from None
