"""Addresses of the protocol: what a path and a method ask for, and of which model and version."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from ..protocol.json_values import shown
from .exchange import RefusedError

Way = Literal["live", "ready", "server", "metrics", "model", "model_ready", "infer"]
LIVE = "/v2/health/live"
_FIXED: dict[str, Way] = {LIVE: "live", "/v2/health/ready": "ready", "/v2": "server", "/metrics": "metrics"}
_OF_A_MODEL: dict[str | None, Way] = {None: "model", "/ready": "model_ready", "/infer": "infer"}
_MODEL = re.compile(r"/v2/models/(?P<name>[^/]+)(/versions/(?P<version>[^/]+))?(?P<rest>/ready|/infer)?")


@dataclass(frozen=True)
class Address:
    """What a request is about.

    Attributes:
        way: What is asked for.
        name, version: Of a served model; empty where it is about none.
        named: Whether the version stands in the path; else it is the only one that is served.

    Example:
        >>> Address("live")
        Address(way='live', name='', version='', named=False)
    """

    way: Way
    name: str = ""
    version: str = ""
    named: bool = False


def find_address(method: str, path: str, models: Mapping[str, Collection[str]]) -> Address:
    """Say what a request is about.

    Args:
        method: Of HTTP.
        path: Without the query.
        models: Versions by model, as served.

    Raises:
        RefusedError: 404 for what is not there, 405 for another method, 400 for a version left open.

    Example:
        >>> find_address("POST", "/v2/models/digits/infer", {"digits": ["0123456789abcdef"]})
        Address(way='infer', name='digits', version='0123456789abcdef', named=False)
        >>> find_address("POST", "/v2/models/digits/versions/7/infer", {"digits": ["0123456789abcdef"]})
        Traceback (most recent call last):
            ...
        explorer.runtime.server.exchange.RefusedError: model digits: served in ..., not in version "7"
    """
    address = Address(_FIXED[path]) if path in _FIXED else _model_address(path, models)
    allowed = ("POST",) if address.way == "infer" else ("GET", "HEAD")
    if method not in allowed:
        message = f"method: must be {' or '.join(allowed)} here, got {shown(method)}"
        raise RefusedError(405, "method", message, {"Allow": ", ".join(allowed)})
    return address


def _model_address(path: str, models: Mapping[str, Collection[str]]) -> Address:
    found = _MODEL.fullmatch(path)
    if not found:
        raise RefusedError(404, "path", f"nothing is at {shown(path)}")
    name, version, way = found["name"], found["version"], _OF_A_MODEL[found["rest"]]
    if name not in models:
        raise RefusedError(404, "model", f"served are {', '.join(sorted(models))}, not model {shown(name)}")
    served = ", ".join(sorted(models[name]))
    if version is not None and version not in models[name]:
        raise RefusedError(
            404, "version", f"model {name}: served in {served}, not in version {shown(version)}"
        )
    if version is None and way == "infer" and len(models[name]) > 1:
        raise RefusedError(400, "version", f"model {name}: the path must name a version of {served}")
    return Address(way, name, version or min(models[name]), version is not None)
