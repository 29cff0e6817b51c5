"""A bundle as it lies on disk: its manifest, and the check that every file is the one that was built."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .codec import PAYLOAD_BITS, Codec, is_calibrated
from .errors import BundleError

Half = Literal["edge", "server"]
FORMAT = 1
MANIFEST, SAMPLES, TEST_SAMPLES = "manifest.json", "check/samples.npz", "check/test.npz"
COMMON = ("runtime/", "check/")  # folders that both halves need
VERSION_DIGITS = 16


@dataclass(frozen=True)
class ExitRule:
    """When the edge answers alone: from a confidence on.

    Attributes:
        score: How confidence follows from the exit's logits; computed in the edge's last stage.
        temperature: Divides the logits first; likewise.
        threshold: The edge answers where the confidence is at least this.

    Example:
        >>> ExitRule("max_softmax", temperature=1.0, threshold=0.9).threshold
        0.9
    """

    score: str
    temperature: float
    threshold: float


@dataclass(frozen=True, eq=False)
class Point:
    """One way to run the network of a bundle.

    Attributes:
        id: Of the operating point in its run.
        split_point: Where the network is cut; ``output`` runs all of it on the edge.
        crossing_shape: Of the tensor there, without batch.
        edge_stages, server_stages: Places in :attr:`Bundle.stages`, in the order in which they run.
        exit: When the edge answers alone; None where it never does.
        codec: How the crossing tensor is sent; None at ``output``.
        accuracy, exit_rate, message_bytes: Expected, from the validation subset; bytes of one payload.
        predicted: All columns of the point.

    Example:
        >>> how = {"exit": None, "codec": None, "accuracy": 0.9, "exit_rate": 1.0, "message_bytes": 0.0}
        >>> Point("mlp-1.0", "output", (10,), (0,), (), **how, predicted={}).sends
        False
    """

    id: str
    split_point: str
    crossing_shape: tuple[int, ...]
    edge_stages: tuple[int, ...]
    server_stages: tuple[int, ...]
    exit: ExitRule | None
    codec: Codec | None
    accuracy: float
    exit_rate: float
    message_bytes: float
    predicted: Mapping[str, Any]

    @property
    def sends(self) -> bool:
        """Whether anything is ever sent."""
        return self.codec is not None


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose files were checked.

    Attributes:
        folder: Where it lies.
        digest: SHA-256 over all that the manifest says, 64 hexadecimal digits; the same on both machines.
        name: Of the model.
        input_shape: Of one sample, without batch; samples come as they are, the first stage normalises them.
        num_classes: Length of the logits.
        class_names: None where the data set has none.
        points: Ways to run the network; the first is the one that was picked.
        stages: Paths of ONNX files inside the folder, by half.
        tolerance: Largest difference of values between runtimes.
        input_dtype: What samples are before they are converted to float32: ``uint8`` has values 0 to 255.
        setting: Profiles of edge, server and link by role, and the protocol's name: what was predicted for.

    Example:
        >>> Bundle(Path(), "0123456789abcdef" * 4, "digits", (64,), 10, None, (), {}, 1e-5).version
        '0123456789abcdef'
    """

    folder: Path
    digest: str
    name: str
    input_shape: tuple[int, ...]
    num_classes: int
    class_names: tuple[str, ...] | None
    points: tuple[Point, ...]
    stages: Mapping[str, tuple[str, ...]]
    tolerance: float
    input_dtype: str = "float32"
    setting: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """What the protocol calls the model's version: the beginning of the digest."""
        return self.digest[:VERSION_DIGITS]


def load_bundle(folder: Path, half: Half) -> Bundle:
    """Read a bundle and check one half of it.

    Args:
        folder: Of the bundle; files of the other half may be missing.
        half: Whose files are checked, besides those that both need.

    Raises:
        BundleError: A file is missing, damaged or of another bundle, or the manifest is none; it is named.

    Example:
        >>> load_bundle(Path("nowhere"), "edge")
        Traceback (most recent call last):
        explorer.runtime.errors.BundleError: nowhere/manifest.json: no such file: the folder is no bundle
    """
    where = folder / MANIFEST
    content = _read(where)
    if content.get("format") != FORMAT:
        raise BundleError(f"{where}: format: must be {FORMAT}, got {content.get('format')!r}")
    digest = content.get("bundle")
    if digest != digest_of(content):
        raise BundleError(f"{where}: does not fit its own digest: it was changed or damaged")
    _check_files(folder, content["files"], (f"{half}/", *COMMON))
    try:
        return _parsed(folder, str(digest), content)
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise BundleError(f"{where}: is no manifest of format {FORMAT}: {error!r}") from None


def digest_of(content: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of a manifest, its own digest apart.

    Example:
        >>> digest_of({"format": 1, "bundle": "anything"}) == digest_of({"format": 1})
        True
    """
    rest = {key: value for key, value in content.items() if key != "bundle"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _read(where: Path) -> dict[str, Any]:
    try:
        content = json.loads(where.read_bytes())
    except FileNotFoundError:
        raise BundleError(f"{where}: no such file: the folder is no bundle") from None
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{where}: cannot be read: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        raise BundleError(f"{where}: must be an object with `files`")
    return content


def _check_files(folder: Path, files: Mapping[str, Any], prefixes: tuple[str, ...]) -> None:
    for name, expected in files.items():
        if not name.startswith(prefixes):
            continue
        if ".." in name.split("/"):
            raise BundleError(f"{folder / MANIFEST}: files: must lie inside the folder, got {name!r}")
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            raise BundleError(f"{folder / name}: cannot be read: {error.strerror or error}") from None
        if hashlib.sha256(content).hexdigest() != expected["sha256"]:
            raise BundleError(f"{folder / name}: is damaged or of another bundle: its SHA-256 differs")


def _parsed(folder: Path, digest: str, content: Mapping[str, Any]) -> Bundle:
    names = content["classes"]["names"]
    return Bundle(
        folder,
        digest,
        str(content["name"]),
        _shape(content["input"]["shape"]),
        int(content["classes"]["count"]),
        None if names is None else tuple(map(str, names)),
        tuple(map(_point, content["points"])),
        {half: tuple(map(str, paths)) for half, paths in content["stages"].items()},
        float(content["numeric"]["tolerance"]),
        str(content["input"]["dtype"]),
        dict(content.get("setting", {})),
    )


def _point(content: Mapping[str, Any]) -> Point:
    rule, payload = content["exit"], content["payload"]
    return Point(
        str(content["id"]),
        str(content["split_point"]),
        _shape(content["crossing_shape"]),
        _shape(content["edge_stages"]),
        _shape(content["server_stages"]),
        None if rule is None else ExitRule(**rule),
        None if payload is None else _codec(payload),
        float(content["accuracy"]),
        float(content["exit_rate"]),
        float(content["message_bytes"]),
        dict(content["predicted"]),
    )


def _codec(content: Mapping[str, Any]) -> Codec:
    bits, ranges = int(content["bits"]), content["ranges"]
    if bits not in PAYLOAD_BITS or ranges not in ("sample", "tensor", "channel"):
        raise ValueError(f"payload: unknown bits or ranges: {bits}, {ranges!r}")
    ends = [content["low"], content["step"]] if is_calibrated(bits, ranges) else [None, None]
    low, step = (None if end is None else np.array(end, np.float32) for end in ends)
    return Codec(bits, ranges, content["entropy"], low, step)


def _shape(numbers: Iterable[Any]) -> tuple[int, ...]:
    return tuple(map(int, numbers))
