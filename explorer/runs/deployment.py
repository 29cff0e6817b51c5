"""What a deployment reads from a run: the trained network, its data, the contract."""

from pathlib import Path
from typing import Any

from explorer.core.calibration import Calibration
from explorer.core.graph.split_points import OUTPUT
from explorer.core.network import Network
from explorer.core.payload import header_bytes
from explorer.core.run_point import RunPoint
from explorer.costs.build import restore_network
from explorer.data.dataset import DataSet
from explorer.errors import UserError, naming
from explorer.front.select import Pick
from explorer.runs.front_files import records
from explorer.runs.point_table import front_columns
from explorer.runs.record import RUN_FILE, SCHEMA_VERSION
from explorer.runs.results import RunResults
from explorer.runs.store import Store
from explorer.space.files import load_space_data, parse_space
from explorer.space.fit import misfit
from explorer.space.rebuilt import SAMPLES
from explorer.utils.imports import user_code


def restored(store: Store, key: str, data: DataSet) -> Network:
    """A stored network with its weights, in eval mode.

    Raises:
        UserError: What is built is not what was trained; says in what it differs.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="restored", workers=1, energy=False, progress=False)
        >>> network = restored(Store(run.path), run.select().network_key, run.load_data())
        >>> network.training, network.split_points[0].name
        (False, 'input')
    """
    stored, weights, logits = store.read(key), store.read_weights(key), store.read_logits(key)
    with user_code(f"{stored.spec.factory}: the trained network cannot be built again", told=(UserError,)):
        return restore_network(
            *(stored.spec, weights, stored.placement_checksum, logits),
            *(data.validation.first(SAMPLES), data.num_classes),
        )


def check_factories(store: Store, data: DataSet) -> None:
    """Rebuild one trained network of every variant whose weights are stored.

    Raises:
        UserError: A factory does not build what was trained.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="checked", workers=1, energy=False, progress=False)
        >>> check_factories(Store(run.path), run.load_data())  # silent where all is well
    """
    checked = set[object]()
    for key in store:
        spec = store.read_spec(key)
        variant = spec.factory, spec.arguments, spec.input_pool, spec.bottleneck
        if variant not in checked and store.has_weights(key):
            restored(store, key, data)
            checked.add(variant)


def load_run_data(
    results: RunResults, data_dir: Path | None = None, max_data_bytes: int | None = None
) -> DataSet:
    """The data that a run was made with.

    Args:
        results: The run.
        data_dir: Where its files lie; where the run had them unless given.
        max_data_bytes: That they may take in memory; as for the run unless given.

    Raises:
        UserError: They cannot be read, or are others now.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="its-data", workers=1, energy=False, progress=False)
        >>> load_run_data(run.results, data_dir=None).input_shape
        (1, 8, 8)
    """
    where = str(results.path / RUN_FILE)
    space = parse_space(results.record.space_file, where)
    with naming(where):
        data = load_space_data(space, *results.record.data_options(data_dir, max_data_bytes))
    if data.fingerprint != results.record.data_fingerprint:
        raise UserError(
            f"{results.path}: the data of {space.data.source!r} are not those the run was made with"
        )
    return data


def deployment(results: RunResults, pick: Pick, test: dict[str, Any] | None) -> dict[str, Any]:
    """What is known of a picked point, as plain data (``pick.json``).

    ``misfit`` says what does not fit the edge device's memory, and is empty where all does.
    ``test`` is what :func:`explorer.runs.held_out.read_test_subset` says; None where it was not read.

    The two halves themselves are written by :mod:`explorer.deploy.bundle`.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="deployed", workers=1, energy=False, progress=False)
        >>> content = deployment(run.results, run.select(minimize="edge_macs"), test=None)
        >>> content["input"]["shape"], content["split"]["split_point"]
        ([1, 8, 8], 'input')
    """
    key, point = pick.network_key, pick.run_point
    store, stored = Store(results.path), results.networks[key]
    calibration = store.read_calibration(key)
    split = next(split for split in stored.splits if split.name == point.split_point)
    (row,) = records(pick.point[front_columns(results.points)].to_frame().T)
    data = results.record.data
    return {
        "schema_version": SCHEMA_VERSION,
        "run": results.path.name,
        "why": pick.why,
        "point": row,
        "misfit": misfit(pick.point.to_dict(), results.setting.edge),
        "validation": results.by_class(pick.point).to_json(),
        "test": test,
        "network": stored.spec.to_json(),
        "placement_checksum": stored.placement_checksum,
        "weights": f"networks/{key}/weights.safetensors" if store.has_weights(key) else None,
        "input": {
            "shape": data.input_shape,
            "mean": data.mean,
            "std": data.std,
            "num_classes": data.num_classes,
            "class_names": data.class_names,
        },
        "split": {
            "split_point": split.name,
            "crossing_shape": list(split.shape),
            "has_server_part": split.name != OUTPUT,
            "has_exit_classifier": point.confidence_threshold is not None and split.name != OUTPUT,
            "exit_rule": "answer on the edge when the score of the exit's logits is >= confidence_threshold",
            "exit_score": calibration.inference_config.score,
            "exit_temperature": calibration.temperatures.get(split.name, 1.0),
        },
        "payload": None if point.payload_bits is None else codec_json(calibration, point),
        "profiles": results.setting.to_json(),
        "protocol": results.setting.protocol,
        "deadline_s": results.setting.deadline_s,
        "neighbours": records(pick.neighbours[front_columns(results.points)]),
    }


def codec_json(calibration: Calibration, point: RunPoint) -> dict[str, Any]:
    """What encoder and decoder must know, see :class:`explorer.runtime.codec.Codec`, as plain data.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> codec_json(uncalibrated(["relu1"], [8]), RunPoint("relu1", None, 8))["header_bytes"]
        10
    """
    assert point.payload_bits is not None
    codec = calibration.codecs[point.split_point, point.payload_bits]
    return {
        "bits": codec.bits,
        "ranges": codec.ranges,
        "entropy": codec.entropy,
        "header_bytes": header_bytes(codec.ranges),
        "low": None if codec.low is None else codec.low.tolist(),
        "step": None if codec.step is None else codec.step.tolist(),
    }
