"""The server's answers: health, metadata, metrics and inference, for one bundle or several."""

import asyncio
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from tornado import httputil

from ..codec import PayloadError
from ..errors import UserError
from ..manifest import FORMAT, Bundle
from ..protocol.json_values import ProtocolError
from ..protocol.messages import HEADER_LENGTH, INPUT, OUTPUTS, Request, infer_response, parse_request
from ..sizes import REQUEST_OVERHEAD
from .addresses import LIVE, Address, find_address
from .batching import Batcher, BusyError
from .exchange import Exchange, Head, RefusedError, Reply
from .logs import Log, SparingLog
from .metrics import CONTENT_TYPE, Metrics
from .served import Served

SPARE_BYTES = 4096  # beside the largest payload, for the JSON in front of it
_LATER = {"Retry-After": "1"}


@dataclass(frozen=True)
class Limits:
    """How much a server takes on.

    Attributes:
        max_batch: Most requests computed together.
        queue: Most requests that wait.
        body_bytes: Longest body; None for the longest legal payload and ``SPARE_BYTES``.

    Example:
        >>> Limits().max_batch
        8
    """

    max_batch: int = 8
    queue: int = 64
    body_bytes: int | None = None


DEFAULTS = Limits()


class Application(httputil.HTTPServerConnectionDelegate):
    """Serves bundles over the Open Inference Protocol, in an event loop.

    Args:
        bundles: Loaded with their half ``server``.
        limits: How much it takes on.
        token: That clients must send; None where anybody is welcome.
        log: Where lines go.

    Raises:
        UserError: There is no bundle, one stands twice, or legal requests would be longer than the limit.

    Example:
        >>> Application([])
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: no bundle to serve
    """

    def __init__(
        self,
        bundles: Sequence[Bundle],
        limits: Limits = DEFAULTS,
        token: str | None = None,
        log: Log | None = None,
    ) -> None:
        self._models: dict[str, dict[str, Served]] = {}
        for bundle in bundles:
            versions = self._models.setdefault(bundle.name, {})
            if bundle.version in versions:
                raise UserError(f"{bundle.folder}: this bundle is served already, from another folder")
            versions[bundle.version] = Served(bundle)
        self.served = [served for versions in self._models.values() for served in versions.values()]
        if not self.served:
            raise UserError("no bundle to serve")
        self.max_body = _body_bytes(limits, max(own.largest_payload for own in self.served))
        self.state: Literal["starting", "ready", "draining"] = "starting"
        self._token, self._log = token, log or Log()
        self._refusals = SparingLog(self._log)
        self.metrics = Metrics(waiting=lambda: self._batcher.waiting)
        self._replies: set[asyncio.Future[Reply]] = set()
        self._batcher = Batcher(_compute, limits.max_batch, limits.queue, self.metrics.batch)

    async def open(self) -> None:
        """Check every bundle against the samples that it brings; from then on the server is ready.

        Raises:
            BundleError: A bundle does not compute what it should.
        """
        for served in self.served:
            began = time.perf_counter()
            await self._batcher.run(served.self_check)
            own, took = served.bundle, time.perf_counter() - began
            self._log("bundle checked", model=own.name, version=own.version, seconds=round(took, 3))
        if self.state == "starting":
            self.state = "ready"

    async def drain(self) -> None:
        """Take no more requests, and finish those that wait."""
        self.state = "draining"
        await asyncio.gather(*self._replies, return_exceptions=True)  # they are written before this goes on

    def close(self) -> None:
        """End the worker thread."""
        self._batcher.close()

    def start_request(self, server_conn: object, request_conn: Any) -> Exchange:
        """Receive a request; called by tornado."""
        return Exchange(self, request_conn)

    def admit(self, head: Head) -> Address:
        """What a request is about, from its headers.

        Raises:
            RefusedError: It lacks the token, or nothing is at its address.
        """
        if self._token is not None and head.path != LIVE and not _sends(head, self._token):
            message = "Authorization: must be Bearer and the server's token"
            raise RefusedError(401, "unauthorized", message, {"WWW-Authenticate": "Bearer"})
        return find_address(head.method, head.path, self._models)

    def answer(self, head: Head, about: Address, body: bytes) -> "Reply | asyncio.Future[Reply]":
        """Answer a request, now or later.

        Raises:
            RefusedError: It is not answered as it wished.
        """
        match about.way:
            case "infer":
                return self._infer(head, about, body)
            case "ready" | "model_ready":
                self._must_be_ready()
                return Reply.json(200, {"ready": True})
            case "live":
                return Reply.json(200, {"live": True})
            case "server":
                extensions = ["binary_tensor_data"]
                return Reply.json(200, {"name": "explorer", "version": str(FORMAT), "extensions": extensions})
            case "model":
                return self._model(about)
        text = self.metrics.text()
        if text is None:
            raise RefusedError(501, "metrics", "metrics need the Python package prometheus_client")
        return Reply(200, text, {"Content-Type": CONTENT_TYPE})

    def refused(self, head: Head, about: Address | None, refusal: RefusedError) -> None:
        """Count and log a refusal."""
        self.metrics.refused(refusal.reason)
        name, version = (about.name, about.version) if about else ("", "")
        if about is None or about.way == "infer":
            self.metrics.answered(name, version, refusal.status)
        which = {"model": name, "version": version, "peer": head.peer}
        self._refusals("refused", refusal.reason, code=refusal.status, **which)

    def _must_be_ready(self) -> None:
        if self.state != "ready":
            raise RefusedError(503, self.state, f"the server is {self.state}", _LATER)

    def _model(self, about: Address) -> Reply:
        versions, outputs = sorted(self._models[about.name]), list(OUTPUTS.values())
        content = {"name": about.name, "versions": versions, "platform": "onnxruntime_onnx"}
        return Reply.json(200, {**content, "inputs": [INPUT], "outputs": outputs})

    def _infer(self, head: Head, about: Address, body: bytes) -> "asyncio.Future[Reply]":
        began = time.perf_counter()
        self._must_be_ready()
        if "Content-Encoding" in head.headers:
            raise RefusedError(415, "encoding", "Content-Encoding: bodies must come as they are")
        served = self._models[about.name][about.version]
        try:
            request = parse_request(body, head.headers.get(HEADER_LENGTH))
            served.check(request.point, request.payload)
        except ProtocolError as error:
            raise RefusedError(400, "malformed", str(error)) from None
        except PayloadError as error:
            raise RefusedError(400, "payload", str(error)) from None
        try:
            computed = self._batcher.submit((served, request.point), request.payload)
        except BusyError:
            raise RefusedError(503, "busy", "the server is busy: its queue is full", _LATER) from None
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies.add(reply)
        reply.add_done_callback(self._replies.discard)
        reply.add_done_callback(lambda done: done.cancelled() and computed.cancel())
        computed.add_done_callback(partial(self._computed, reply, request, about, began))
        return reply

    def _computed(
        self,
        reply: "asyncio.Future[Reply]",
        request: Request,
        about: Address,
        began: float,
        computed: "asyncio.Future[tuple[int, float]]",
    ) -> None:
        """Turn a label and a confidence into the answer."""
        if computed.cancelled() or reply.cancelled():
            return
        failure = computed.exception()
        if isinstance(failure, PayloadError):
            reply.set_exception(RefusedError(400, "payload", str(failure)))
            return
        if failure is not None:
            self._log(
                "inference failed", "error", model=about.name, version=about.version, error=repr(failure)
            )
            reply.set_exception(RefusedError(500, "failed", "the model could not be computed"))
            return
        version = None if about.named else about.version
        headers, body = infer_response(request, *computed.result(), about.name, version)
        self.metrics.answered(about.name, about.version, 200, time.perf_counter() - began)
        reply.set_result(Reply(200, body, headers))


def _body_bytes(limits: Limits, payload_bytes: int) -> int:
    """The longest body, which must let the longest payload in."""
    if limits.body_bytes is None:
        return payload_bytes + SPARE_BYTES
    least, most = payload_bytes + REQUEST_OVERHEAD, limits.body_bytes
    if most < least:
        raise UserError(f"--max-body: must be at least {least}, for the longest payload, got {most}")
    return most


def _sends(head: Head, token: str) -> bool:
    """Whether a request has the token; takes the same time however much of it is right."""
    scheme, _, given = head.headers.get("Authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    return same and scheme.lower() == "bearer"


def _compute(key: tuple[Served, int], payloads: Sequence[bytes]) -> Sequence[Any]:
    served, point = key
    return served.answer(point, payloads)
