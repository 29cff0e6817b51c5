"""Writing a bundle: ONNX files of both halves, the runtime, samples with what comes of them, the manifest."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np

from explorer.core.calibration import Calibration
from explorer.core.chain import DeployedChain, Normalise
from explorer.core.network import Network
from explorer.core.run_point import RunPoint
from explorer.data.dataset import DataSet
from explorer.deploy.equivalence import Checked, Reference, check_equivalence
from explorer.deploy.onnx_files import export_chain, sliced
from explorer.deploy.plan import StagePlan, plan_stages
from explorer.deploy.texts import readme, script
from explorer.devices import Setting
from explorer.errors import UserError
from explorer.runs.deployment import codec_json, restored
from explorer.runs.results import RunResults
from explorer.runs.store import Store
from explorer.runtime.manifest import FORMAT, MANIFEST, SAMPLES, TEST_SAMPLES, digest_of
from explorer.runtime.stages import INPUT
from explorer.utils.environment import package_versions
from explorer.utils.files import write_json

COMPARED, BROUGHT = 600, 200  # samples, unless told otherwise
NUM_SAMPLES = 8  # that a bundle brings, for machines to check themselves
MOST_BYTES = 4 << 20  # of float32 test samples, before they are compressed
SELF_CHECK = 1e-4  # relative to the largest value; other processors round otherwise
_TOOLS = ("torch", "onnx", "onnxruntime", "numpy", "zstandard")


@dataclass(frozen=True)
class Source:
    """What a bundle is made from.

    Attributes:
        name: Of the run.
        restore: Gives the trained network, in eval mode; a new one at every call.
        calibration: Its codecs and exits.
        data: Validation and test samples, and how they were normalised.
        setting: What predictions hold for.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="source", workers=1, energy=False, progress=False)
        >>> Source.of_run(run.results, run.select().network_key, run.load_data()).name
        'source'
    """

    name: str
    restore: Callable[[], Network]
    calibration: Calibration
    data: DataSet
    setting: Setting

    @classmethod
    def of_run(cls, results: RunResults, key: str, data: DataSet) -> Self:
        """A network of a run."""
        store = Store(results.path)
        calibration, setting = store.read_calibration(key), results.setting
        return cls(results.path.name, partial(restored, store, key, data), calibration, data, setting)


@dataclass(frozen=True)
class Built:
    """A bundle that was written.

    Attributes:
        folder: Where it lies.
        digest: Its own.
        file_bytes: Length of every ONNX file, by path.
        checked: What was compared, for each point.

    Example:
        >>> Built(Path("bundle"), "00ff", {"edge/stage-0.onnx": 3289}, checked=[]).file_bytes
        {'edge/stage-0.onnx': 3289}
    """

    folder: Path
    digest: str
    file_bytes: dict[str, int]
    checked: list[Checked]


def build_bundle(
    source: Source,
    rows: Sequence[dict[str, Any]],
    folder: Path,
    samples: int = COMPARED,
    test_samples: int = BROUGHT,
) -> Built:
    """Write a bundle and prove it; nothing is left where it cannot be proved.

    Args:
        source: Network and data.
        rows: Operating points of one network, the picked one first.
        folder: Must not exist yet.
        samples: How many are compared at most.
        test_samples: How many labelled test samples the bundle brings at most; see :data:`MOST_BYTES`.

    Raises:
        UserError: ``folder`` exists, or a part cannot be exported.
        NotEquivalentError: The bundle does not do what the stored network does.

    Example:
        >>> from explorer import run_search
        >>> from explorer.deploy.plan import row_of
        >>> run = run_search("digits", trials=1, name="bundled", workers=1, energy=False, progress=False)
        >>> pick = run.select(minimize="edge_macs")
        >>> source = Source.of_run(run.results, pick.network_key, run.load_data())
        >>> list(build_bundle(source, [row_of(pick)], Path("bundled"), samples=20).file_bytes)
        ['edge/stage-0.onnx', 'server/stage-0.onnx']
    """
    if folder.exists():
        raise UserError(f"--out: must not exist yet, got {folder}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
        half_done = Path(name) / folder.name
        built = _write(source, rows, half_done, samples, test_samples)
        half_done.rename(folder)
    return Built(folder, built.digest, built.file_bytes, built.checked)


def _write(
    source: Source, rows: Sequence[dict[str, Any]], folder: Path, samples: int, test_samples: int
) -> Built:
    points, data, calibration = [RunPoint.from_row(row) for row in rows], source.data, source.calibration
    network = source.restore()
    plan = plan_stages(network, points)
    reference = Reference(source.restore(), calibration, data)
    file_bytes = _write_stages(network, plan, calibration, points, data, folder)
    _write_runtime(folder)
    _write_samples(reference, points, folder / SAMPLES)
    _write_test_samples(data, folder / TEST_SAMPLES, test_samples)
    content: dict[str, Any] = {
        "format": FORMAT,
        "name": _model_name(source.name),
        "run": source.name,
        "input": {
            "shape": list(data.input_shape),
            "dtype": data.dtype,
            "mean": list(data.mean),
            "std": list(data.std),
        },
        "classes": {"count": data.num_classes, "names": list(data.class_names) or None},
        "stages": {half: [s.path for s in getattr(plan, half)] for half in ("edge", "server")},
        "points": [
            _point(row, point, places, network, calibration)
            for row, point, places in zip(rows, points, plan.points, strict=True)
        ],
        "setting": source.setting.to_json() | {"protocol": source.setting.protocol},
        "numeric": {"tolerance": SELF_CHECK},
        "tools": package_versions(_TOOLS),
    }
    _write_manifest(folder, content)
    checked = check_equivalence(folder, reference, points, samples)
    content["checked"] = [own.to_json() for own in checked]
    (folder / "README.md").write_text(readme(content, file_bytes), encoding="utf-8")
    digest = _write_manifest(folder, content)
    return Built(folder, digest, file_bytes, checked)


def _write_stages(
    network: Network,
    plan: StagePlan,
    calibration: Calibration,
    points: Sequence[RunPoint],
    data: DataSet,
    folder: Path,
) -> dict[str, int]:
    exits = {point.split_point for point in points if point.confidence_threshold is not None}
    normalise = Normalise(data.mean, data.std, data.input_shape, data.dtype)
    chain = DeployedChain(network, plan.cuts, exits, calibration, normalise)
    model = export_chain(chain, data.input_shape)
    sizes = {}
    for stage in (*plan.edge, *plan.server):
        path = folder / stage.path
        path.parent.mkdir(parents=True, exist_ok=True)
        content = sliced(model, stage.start, stage.outputs, chain.shapes)
        sizes[stage.path] = path.write_bytes(content)
    return sizes


def _write_runtime(folder: Path) -> None:
    """Copy the runtime as it is, and the two scripts that start it."""
    with resources.as_file(resources.files("explorer.runtime")) as source:
        shutil.copytree(source, folder / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run_edge.py", "serve.py"):
        (folder / name).write_text(script(name), encoding="utf-8")


def _write_samples(reference: Reference, points: Sequence[RunPoint], path: Path) -> None:
    path.parent.mkdir(parents=True)
    raw = reference.raw[:NUM_SAMPLES]
    arrays = {INPUT: raw}
    for number, point in enumerate(points):
        own = reference.at(point, slice(0, NUM_SAMPLES))
        arrays |= {f"{number}.{name}": values for name, values in own.items()}
    np.savez_compressed(path, allow_pickle=False, **{name: np.asarray(a) for name, a in arrays.items()})


def _write_test_samples(data: DataSet, path: Path, most: int) -> None:
    """Labelled samples to measure with; uint8 where they came so."""
    count = min(most, len(data.test), MOST_BYTES // (4 * prod(data.input_shape)))
    raw = data.raw(data.test.first(count))
    if count:
        raw = raw.astype(np.uint8) if data.dtype == "uint8" else raw
        np.savez_compressed(path, allow_pickle=False, x_test=raw, y_test=data.test.labels[:count].numpy())


def _point(
    row: dict[str, Any],
    point: RunPoint,
    places: tuple[tuple[int, ...], tuple[int, ...]],
    network: Network,
    calibration: Calibration,
) -> dict[str, Any]:
    split = network.split_point(point.split_point)
    sends, threshold = point.payload_bits is not None, point.confidence_threshold
    offload_rate = 1.0 - row["exit_rate"]
    rule = {
        "score": calibration.inference_config.score,
        "temperature": calibration.temperatures.get(point.split_point, 1.0),
        "threshold": threshold,
    }
    return {
        "id": row["point_id"],
        "split_point": point.split_point,
        "crossing_shape": list(split.shape),
        "edge_stages": list(places[0]),
        "server_stages": list(places[1]) if sends else [],
        "exit": rule if sends and threshold is not None else None,
        "payload": codec_json(calibration, point) if sends else None,
        "accuracy": row["accuracy"],
        "exit_rate": row["exit_rate"],
        "message_bytes": row["payload_bytes"] / offload_rate if offload_rate else 0.0,
        "predicted": row,
    }


def _write_manifest(folder: Path, content: dict[str, Any]) -> str:
    """Hash every file, and the manifest with these hashes."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST]
    content["files"] = {
        path.relative_to(folder).as_posix(): {
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "bytes": path.stat().st_size,
        }
        for path in paths
        if "__pycache__" not in path.parts
    }
    content["bundle"] = digest_of(content)
    write_json(folder / MANIFEST, content)
    return str(content["bundle"])


def _model_name(run: str) -> str:
    """A run's name as the protocol can say it."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in run) or "model"
