"""URLs of servers."""

from pathlib import Path

import pytest

from explorer.runtime.edge.server_address import server_address
from explorer.runtime.errors import UserError


@pytest.mark.parametrize(
    ("url", "place", "header"),
    [
        ("http://server", ("server", 80), "server"),
        ("http://server:8080/", ("server", 8080), "server:8080"),
        ("http://[::1]:80", ("::1", 80), "[::1]"),
        ("https://10.0.0.2", ("10.0.0.2", 443), "10.0.0.2"),
        ("HTTPS://Server:8443", ("server", 8443), "server:8443"),
    ],
)
def test_urls(url: str, place: tuple[str, int], header: str) -> None:
    address = server_address(url)
    assert (address.host, address.port) == place
    assert address.host_header == header
    assert (address.tls is not None) == url.lower().startswith("https")


@pytest.mark.parametrize(
    "url",
    [
        *("", "server:8080", "ftp://server", "http://", "http://:80", "http://server:port", "http://s:70000"),
        *("http://user@server", "http://server/path", "http://server?x=1", "http://server#x", "http://[::1"),
        *("http://s\u00e9rver", "http://server\r\nX: y"),
    ],
)
def test_other_urls_are_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(UserError, match=r"must be http\(s\)://HOST\[:PORT\], got"):
        server_address(url)


def test_certificates_must_be_some_and_of_use(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("nothing")
    with pytest.raises(UserError, match=r"ca\.pem must hold certificates"):
        server_address("https://server", file)
    with pytest.raises(UserError, match="with https only"):
        server_address("http://server", file)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:1", True),
        ("http://127.0.0.2", True),
        ("http://[::1]", True),
        ("http://10.0.0.1", False),
    ],
)
def test_loopback(url: str, expected: bool) -> None:
    assert server_address(url).is_loopback == expected
