"""What the edge asks of a server: an answer to a payload, and whether a model is ready."""

import json
import time
from pathlib import Path

from ..errors import UserError
from ..manifest import Bundle
from ..protocol.json_values import ProtocolError
from ..protocol.messages import Response, infer_request, parse_response
from ..sizes import REQUEST_OVERHEAD, RESPONSE_BYTES
from .connection import Connection, HttpAnswer, LostError
from .server_address import server_address

READY_PATH = "/v2/models/{name}/versions/{version}/ready"

PADDED_BYTES = 8192  # servers bound the length of headers
_TIMEOUT_S, _PATIENCE = 1.0, 4
_BUSY = (408, 429)  # refusals that speak of the server's load, not of the message
_LASTING = (301, 302, 307, 308, 401, 403, 404, 405, 409)  # refusals that meet every message alike
_SHOWN = 300  # characters of a server's text in a message


class Unreachable(Exception):  # noqa: N818  (a state of the world, as the edge sees it)
    """No answer in time, a broken connection, or a server that cannot serve now; the message says which."""


class Refused(Exception):  # noqa: N818
    """The server answered that it will not serve this message, which is never sent again.

    Args:
        text: What the server says.
        status: Of HTTP.

    Attributes:
        status: Of HTTP.
        lasting: Whether all further messages would be refused alike: no such version, no valid token.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status
        self.lasting = status in _LASTING


def default_timeout_s(bundle: Bundle) -> float:
    """Seconds that a message is given where nobody says otherwise.

    One second, or four times what the longest message takes on the link that the bundle was chosen for.

    Example:
        >>> from types import SimpleNamespace
        >>> slow = {"link": {"rtt_s": 1.0, "uplink_bits_per_s": 5470}}
        >>> bundle = SimpleNamespace(points=[SimpleNamespace(message_bytes=43.75)], setting=slow)
        >>> default_timeout_s(bundle)
        8.0
    """
    link = bundle.setting.get("link", {})
    rtt_s, bits_per_s = link.get("rtt_s"), link.get("uplink_bits_per_s")
    if not rtt_s or not bits_per_s:
        return _TIMEOUT_S
    longest = REQUEST_OVERHEAD + RESPONSE_BYTES + max(point.message_bytes for point in bundle.points)
    return float(max(_TIMEOUT_S, _PATIENCE * (rtt_s + 8 * longest / bits_per_s)))


class Client:
    """Asks one server for one model, over one kept connection.

    It is not for several threads.

    Args:
        url: ``http(s)://HOST[:PORT]``; certificates of https are always verified.
        bundle: Its name and version are asked for, and its number of classes bounds the answers.
        token: For a server that wants one.
        timeout_s: Seconds for a message and its answer: name look-up, connect, send and receive together;
            None takes :func:`default_timeout_s`.
        ca_file: Certificates (PEM) that are trusted instead of the system's.

    Attributes:
        timeout_s: See above; may be changed.

    Raises:
        UserError: The URL, the token or the file cannot be used.

    Example:
        >>> from types import SimpleNamespace
        >>> bundle = SimpleNamespace(name="digits", version="0123456789abcdef", num_classes=10)
        >>> client = Client("http://127.0.0.1:1", bundle, timeout_s=0.5)
        >>> client.infer(0, b"payload")
        Traceback (most recent call last):
            ...
        explorer.runtime.edge.client.Unreachable: connection refused
        >>> client.is_ready(), client.sent_bytes
        (False, 0)
    """

    def __init__(
        self,
        url: str,
        bundle: Bundle,
        token: str | None = None,
        timeout_s: float | None = None,
        ca_file: Path | None = None,
    ) -> None:
        if token is not None and not (
            token.isascii() and token.isprintable() and token.strip() == token != ""
        ):
            raise UserError("the token must be printable ASCII without spaces around it")
        self.timeout_s = default_timeout_s(bundle) if timeout_s is None else timeout_s
        self._bundle, self._token = bundle, token
        self._connection = Connection(server_address(url, ca_file))
        self._number = 0

    @property
    def sent_bytes(self) -> int:
        """Bytes of HTTP sent since it was made, failed messages included."""
        return self._connection.sent_bytes

    @property
    def received_bytes(self) -> int:
        """Bytes of HTTP received since it was made."""
        return self._connection.received_bytes

    @property
    def connections(self) -> int:
        """How often it connected."""
        return self._connection.openings

    @property
    def exposes_token(self) -> bool:
        """Whether a token crosses a network without encryption."""
        address = self._connection.address
        return self._token is not None and address.tls is None and not address.is_loopback

    def deadline(self) -> float:
        """When a message that begins now has to be answered, of ``time.monotonic()``."""
        return time.monotonic() + self.timeout_s

    def infer(self, point: int, payload: bytes, deadline: float | None = None) -> tuple[int, float]:
        """Label and confidence of a payload.

        Args:
            point: Place of the operating point in the bundle, whose codec encoded the payload.
            payload: The encoded tensor.
            deadline: Of ``time.monotonic()``; None gives it all of the time-out.

        Returns:
            The class, and its softmax probability.

        Raises:
            Unreachable: No answer: time-out, broken connection, server error or overload.
            Refused: The server will not answer this message.
        """
        self._number += 1
        message = infer_request(
            self._bundle.name,
            self._bundle.version,
            self._connection.address.host_header,
            point=point,
            payload=payload,
            token=self._token,
            number=self._number,
        )
        answer = self._exchange(message, deadline)
        if answer.status != 200:
            self._raise_status(answer)
        try:
            response = self._checked(parse_response(answer.body, answer.header_length))
        except ProtocolError as error:
            self._connection.close()  # whatever else it holds is not trusted either
            raise Unreachable(f"the server's answer cannot be used: {error}") from None
        return response.label, response.confidence

    def is_ready(self, deadline: float | None = None, request_bytes: int = 0) -> bool:
        """Whether the server says that it answers for the bundle.

        Args:
            deadline: Of ``time.monotonic()``; None gives it all of the time-out.
            request_bytes: The question is padded to this length, at most ``PADDED_BYTES``, to learn how long
                so many bytes take.
        """
        path = READY_PATH.format(name=self._bundle.name, version=self._bundle.version)
        lines = [f"GET {path} HTTP/1.1", f"Host: {self._connection.address.host_header}"]
        if self._token is not None:
            lines.append(f"Authorization: Bearer {self._token}")
        message = "\r\n".join([*lines, "\r\n"])
        if (missing := min(request_bytes, PADDED_BYTES) - len(message) - len("X-Padding: \r\n")) >= 0:
            message = "\r\n".join([*lines, f"X-Padding: {'0' * missing}", "\r\n"])
        try:
            return self._exchange(message.encode("ascii"), deadline).status == 200
        except Unreachable:
            return False

    def close(self) -> None:
        """Close the connection; the next message opens it again."""
        self._connection.close()

    def _exchange(self, message: bytes, deadline: float | None) -> HttpAnswer:
        try:
            return self._connection.exchange(message, self.deadline() if deadline is None else deadline)
        except LostError as error:
            raise Unreachable(str(error)) from None

    def _checked(self, response: Response) -> Response:
        if response.id not in ("", str(self._number)):
            raise ProtocolError("it belongs to another message")
        if response.label >= self._bundle.num_classes:
            raise ProtocolError(f"label {response.label} of {self._bundle.num_classes} classes")
        return response

    def _raise_status(self, answer: HttpAnswer) -> None:
        text = f"the server answered {answer.status}{_told(answer.body)}"
        if answer.status in _BUSY or answer.status >= 500 or answer.status < 300:
            raise Unreachable(text)
        raise Refused(text, answer.status)


def _told(body: bytes) -> str:
    """What a server says about an error, in one line of bounded length."""
    try:
        content = json.loads(body)
        text = content["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return f": {line[:_SHOWN]}" if line else ""
