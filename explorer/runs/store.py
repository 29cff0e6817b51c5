"""The run folder: the database a person can look into. One writer; a network appears whole or not at all.

A network's folder is cache, checkpoint and artifact at once. Nothing here reads or writes pickle.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import load as load_tensors
from torch import Tensor

from explorer.core.calibration import Calibration, InferenceConfig
from explorer.core.evidence import Evidence
from explorer.core.failures import failing_alone
from explorer.core.payload import PayloadForm
from explorer.core.run_point import FLOAT32, INT8
from explorer.core.training_record import TrainingRecord
from explorer.costs.evaluate import EvaluatedNetwork
from explorer.costs.split_costs import SplitCosts
from explorer.errors import UserError
from explorer.runs.folder import resume_command
from explorer.runs.network_files import (
    codecs_content,
    evidence_content,
    load,
    parse_codecs,
    parse_evidence,
    parse_points,
    points_content,
    tensors_content,
)
from explorer.runs.record import SCHEMA_VERSION, check_schema
from explorer.runs.sealed import DamagedError, checksum, read_checked, unsealed, write_sealed
from explorer.space.candidate import NetworkSpec
from explorer.utils.files import naming_file, read_json

_UNFINISHED, _REPLACED, _DAMAGED = ".unfinished-", ".replaced-", ".damaged-"
_NETWORK, _WEIGHTS = "network.json", "weights.safetensors"
_POINTS, _EVIDENCE, _TRAINING_STATE = "points.parquet", "evidence.safetensors", "training_state.safetensors"
_INT8_EVIDENCE = "int8_evidence.safetensors"  # of edge parts in int8, where the space has them
_EVIDENCES = {FLOAT32: _EVIDENCE, INT8: _INT8_EVIDENCE}
_EARLIER = "earlier"  # folder: <epochs>/ holds points and evidence of the network when it was paused there
_CALIBRATION, _LOGITS = "calibration.safetensors", "logits.safetensors"
_FILE = re.compile(
    rf"network\.json|weights\.safetensors|{re.escape(_CALIBRATION)}|{re.escape(_LOGITS)}|{re.escape(_TRAINING_STATE)}"
    rf"|({_EARLIER}/[1-9]\d*/)?({re.escape(_POINTS)}|{re.escape(_EVIDENCE)}|{re.escape(_INT8_EVIDENCE)})"
)
_DROPPED = (_WEIGHTS, _TRAINING_STATE)  # of networks that left the front
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # as NetworkSpec.key makes them


@dataclass(frozen=True)
class StoredNetwork:
    """What ``network.json`` and ``points.parquet`` say about a trained network.

    Attributes:
        spec: What was trained.
        splits: Costs at every split point.
        training: What training took.
        num_samples: Validation samples behind the points.
        points: The swept frontier, see :func:`explorer.core.sweep.sweep`.
        placement_checksum: Of the kept positions derived from the seed.
        uncounted: Operators fvcore did not count.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="one", workers=1, energy=False, progress=False)
        >>> stored = Store(run.path).read(run.select().network_key)
        >>> stored.num_samples, stored.training.epochs, stored.splits[0].name
        (400, 10, 'input')
    """

    spec: NetworkSpec
    splits: tuple[SplitCosts, ...]
    training: TrainingRecord
    num_samples: int
    points: pd.DataFrame
    placement_checksum: int
    uncounted: dict[str, int]


class Store:
    """Networks under ``<run>/networks/<key>/``.

    Args:
        run: The run folder; created when missing.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="stored", workers=1, energy=False, progress=False)
        >>> store, key = Store(run.path), run.select().network_key
        >>> key in store, store.has_weights(key), store.read_evidence(key).payload_bits
        (True, True, (32, 16, 8))
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.networks = run / "networks"
        self.networks.mkdir(parents=True, exist_ok=True)

    def remove_unfinished(self) -> None:
        """Remove what a killed writer left behind; for the one writer only, before it writes.

        A network taken away whose successor was not yet in its place is put back.
        """
        for old in self.networks.glob(f"{_REPLACED}*"):
            key = old.name.removeprefix(_REPLACED)
            if key in self:
                shutil.rmtree(old)
            else:
                os.rename(old, self.networks / key)
        for leftover in (*self.networks.glob(f"{_UNFINISHED}*"), *self.networks.glob(f"{_DAMAGED}*")):
            shutil.rmtree(leftover)

    def __iter__(self) -> Iterator[str]:
        """Keys of all networks stored, sorted."""
        folders = (path for path in self.networks.iterdir() if path.is_dir())
        return iter(sorted(path.name for path in folders if not path.name.startswith(".")))

    def __contains__(self, key: str) -> bool:
        return (self.networks / key).is_dir()

    def write(
        self,
        network: EvaluatedNetwork,
        points: pd.DataFrame,
        publish: Callable[[dict[str, bytes]], None] | None = None,
    ) -> None:
        """Store a trained network, new or trained further; points and evidence of fewer epochs stay.

        A writer killed here leaves the old or the new one whole, once :meth:`remove_unfinished` has run.

        Args:
            network: What was trained.
            points: Its swept frontier.
            publish: Given the files as of :meth:`read_files` just before they appear here. So what this
                store holds is published, wherever the writer was killed.

        Raises:
            TrainingFailedError: What was trained has no form as a file; nothing is written.
        """
        key, unfinished = network.spec.key, self._write_unfinished(network, points)
        if publish is not None:
            publish(_read_files(unfinished))
        self._put(unfinished, key)

    def read_files(self, key: str) -> dict[str, bytes]:
        """Contents of a network's folder by file name, to be carried to another run folder."""
        return _read_files(self.networks / key)

    def write_files(self, key: str, files: Mapping[str, bytes]) -> None:
        """Store what :meth:`read_files` read elsewhere, in place of what is here under the key.

        Raises:
            UserError: A name is no file of a network, the key is not that of the network, or a file is not
                what was written.
        """
        if unknown := [name for name in files if not _FILE.fullmatch(name)]:
            raise UserError(f"network {key!r}: no file of a network is called {unknown[0]!r}")
        if not _KEY.fullmatch(key) or json.loads(files.get("network.json", b"{}")).get("key") != key:
            raise UserError(f"network {key!r}: its network.json is missing or says another key")
        expected = json.loads(files[_NETWORK]).get("files", {})
        for name, content in files.items():
            if name != _NETWORK and checksum(content) != expected.get(name):
                raise UserError(f"network {key!r}: its {name} is not what was written (its checksum differs)")
        folder = self.networks / f"{_UNFINISHED}{key}"
        folder.mkdir()
        for name, content in files.items():
            _write(folder / name, content)
        self._put(folder, key)

    def _put(self, unfinished: Path, key: str) -> None:
        folder, replaced = self.networks / key, self.networks / f"{_REPLACED}{key}"
        if key not in self:
            os.rename(unfinished, folder)
            return
        os.rename(folder, replaced)
        os.rename(unfinished, folder)
        shutil.rmtree(replaced)

    def _kept_of_earlier(self, key: str) -> dict[str, bytes]:
        """Files of a network to be replaced that stay: points and evidence at its epochs, now and earlier."""
        if key not in self:
            return {}
        record = self._record(key)
        now = record["training"]["epochs"]
        names = {name: name for name in record["files"] if name.startswith(f"{_EARLIER}/")}
        own = [name for name in (_POINTS, *_EVIDENCES.values()) if name in record["files"]]
        names |= {f"{_EARLIER}/{now}/{name}": name for name in own}
        return {name: self._content(key, own, record) for name, own in names.items()}

    def _write_unfinished(self, network: EvaluatedNetwork, points: pd.DataFrame) -> Path:
        key = network.spec.key
        with failing_alone():
            files = _contents(network, points)
        files |= self._kept_of_earlier(key)
        folder = self.networks / f"{_UNFINISHED}{key}"
        folder.mkdir()
        for name, content in files.items():
            _write(folder / name, content)
        record = {
            "schema_version": SCHEMA_VERSION,
            "key": key,
            "spec": network.spec.to_json(),
            "num_samples": network.evidence.num_samples,
            "training": asdict(network.training),
            "placement_checksum": network.placement_checksum,
            "inference_config": asdict(network.calibration.inference_config),
            "temperatures": dict(network.calibration.temperatures),
            "uncounted_operators": network.uncounted,
            "splits": [split.to_json() for split in network.splits],
            "files": {name: checksum(content) for name, content in files.items()},
        }
        write_sealed(folder / _NETWORK, record)
        return folder

    def _record(self, key: str) -> dict[str, Any]:
        """What ``network.json`` says."""
        path = self.networks / key / _NETWORK
        try:
            record = read_json(path)
        except UserError as error:
            raise DamagedError(str(error), self._remedy) from None
        check_schema(record, path)
        return unsealed(record, path, self._remedy)

    def _content(self, key: str, name: str, record: Mapping[str, Any] | None = None) -> bytes:
        """A file of a network, as it was written; ``record`` is its ``network.json`` where that is read."""
        files = (record or self._record(key))["files"]
        return read_checked(self.networks / key / name, files.get(name), self._remedy)

    @property
    def _remedy(self) -> str:
        return f"`{resume_command(self.run)}` trains the network anew"

    def check(self, key: str) -> None:
        """Read every file of a network; weights and training state may have been dropped.

        Raises:
            DamagedError: One is missing or not what was written.
        """
        record = self._record(key)
        for name in record["files"]:
            if name not in _DROPPED or (self.networks / key / name).exists():
                self._content(key, name, record)

    def remove(self, key: str) -> None:
        """Forget a network, as if it had never been trained; for the one writer only."""
        away = self.networks / f"{_DAMAGED}{key}"
        os.rename(self.networks / key, away)
        shutil.rmtree(away)

    def read(self, key: str) -> StoredNetwork:
        """Read everything but evidence and weights.

        Raises:
            UserError: A file is missing, unreadable, changed or of another schema version.
        """
        record = self._record(key)
        splits = tuple(SplitCosts.from_json(split) for split in record["splits"])
        points = parse_points(
            self._content(key, _POINTS, record), self.networks / key / _POINTS, record["num_samples"]
        )
        return StoredNetwork(
            NetworkSpec.from_json(record["spec"]),
            splits,
            TrainingRecord.from_json(record["training"]),
            record["num_samples"],
            points,
            record["placement_checksum"],
            record["uncounted_operators"],
        )

    def read_splits(self, key: str) -> tuple[SplitCosts, ...]:
        """Costs at every split point of a network, without its points."""
        return tuple(SplitCosts.from_json(split) for split in self._record(key)["splits"])

    def read_spec(self, key: str) -> NetworkSpec:
        """What was trained."""
        return NetworkSpec.from_json(self._record(key)["spec"])

    def read_training(self, key: str) -> TrainingRecord:
        """What training a network took."""
        return TrainingRecord.from_json(self._record(key)["training"])

    def earlier_epochs(self, key: str) -> list[int]:
        """Epochs at which a network was paused before it was trained as far as it is now, ascending."""
        folder = self.networks / key / _EARLIER
        return sorted(int(path.name) for path in folder.iterdir()) if folder.exists() else []

    def read_earlier_points(self, key: str, epochs: int) -> pd.DataFrame:
        """Swept points of a network when it was paused, see :meth:`earlier_epochs`."""
        name, record = f"{_EARLIER}/{epochs}/{_POINTS}", self._record(key)
        content = self._content(key, name, record)
        return parse_points(content, self.networks / key / name, record["num_samples"])

    def read_evidence(self, key: str, epochs: int | None = None, edge_weight_bits: int = FLOAT32) -> Evidence:
        """Per-sample validation outcomes of a network, now or at one of :meth:`earlier_epochs`."""
        own = _EVIDENCES[edge_weight_bits]
        name = own if epochs is None else f"{_EARLIER}/{epochs}/{own}"
        record, path = self._record(key), self.networks / key / name
        splits = tuple(SplitCosts.from_json(split) for split in record["splits"])
        quality = NetworkSpec.from_json(record["spec"]).recipe.quality
        return parse_evidence(self._content(key, name, record), path, splits, quality)

    def read_evidences(self, key: str, epochs: int | None = None) -> list[Evidence]:
        """Of edge parts in float32 and, where the run has them, in int8; see :meth:`read_evidence`."""
        before, files = "" if epochs is None else f"{_EARLIER}/{epochs}/", self._record(key)["files"]
        known = [bits for bits, name in _EVIDENCES.items() if f"{before}{name}" in files]
        return [self.read_evidence(key, epochs, bits) for bits in known]

    def read_calibration(self, key: str) -> Calibration:
        """What was fitted to a network besides its weights."""
        record = self._record(key)
        splits = [split["name"] for split in record["splits"][:-1]]
        payload = record["inference_config"]["payload"]
        form = PayloadForm(**(payload | {"bits": tuple(payload["bits"])}))
        weight_bits = tuple(record["inference_config"].get("edge_weight_bits", (FLOAT32,)))
        typed = {"payload": form, "edge_weight_bits": weight_bits}
        inference_config = InferenceConfig(**(record["inference_config"] | typed))
        content = None if form.ranges == "sample" else self._content(key, _CALIBRATION, record)
        codecs = parse_codecs(content, self.networks / key / _CALIBRATION, form, splits)
        return Calibration(inference_config, codecs, record["temperatures"])

    def read_weights(self, key: str) -> dict[str, Tensor]:
        """Weights by name.

        Raises:
            UserError: They were dropped when the network left the front, or cannot be read.
        """
        path = self.networks / key / _WEIGHTS
        if not path.exists():
            raise UserError(
                f"{path}: weights were dropped when the network left the front (see --keep-weights)"
            )
        tensors: dict[str, Tensor] = load(load_tensors, self._content(key, _WEIGHTS), path)
        return tensors

    def read_logits(self, key: str) -> Tensor:
        """Logits of a network's first validation samples, :func:`explorer.space.rebuilt.sample_logits`."""
        tensors: dict[str, Tensor] = load(
            load_tensors, self._content(key, _LOGITS), self.networks / key / _LOGITS
        )
        return tensors["logits"]

    def read_training_state(self, key: str) -> dict[str, Tensor] | None:
        """What training needs to go on; None when it is complete, or was dropped with the weights."""
        path = self.networks / key / _TRAINING_STATE
        if not path.exists():
            return None
        state: dict[str, Tensor] = load(load_tensors, self._content(key, _TRAINING_STATE), path)
        return state

    def has_weights(self, key: str) -> bool:
        """Whether the weights were kept."""
        return (self.networks / key / _WEIGHTS).exists()

    def drop_weights(self, key: str) -> None:
        """Forget weights and training state of a network; its points and evidence stay."""
        for name in _DROPPED:
            (self.networks / key / name).unlink(missing_ok=True)


def _contents(network: EvaluatedNetwork, points: pd.DataFrame) -> dict[str, bytes]:
    """Files of a network by name, but ``network.json``."""
    calibration = network.calibration
    names = [split.name for split in network.splits]
    files = {
        _EVIDENCE: evidence_content(network.evidence, names),
        _WEIGHTS: tensors_content(network.weights),
        _LOGITS: tensors_content({"logits": network.logits}),
        _POINTS: points_content(points),
    }
    if calibration.inference_config.payload.ranges != "sample":
        files[_CALIBRATION] = codecs_content(calibration.codecs, names)
    if network.int8_evidence is not None:
        files[_INT8_EVIDENCE] = evidence_content(network.int8_evidence, names)
    if network.training_state is not None:
        files[_TRAINING_STATE] = tensors_content(network.training_state)
    return files


def _write(path: Path, content: bytes) -> None:
    """Write a new file into a folder that nobody else knows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming_file(path):
        path.write_bytes(content)


def _read_files(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if _FILE.fullmatch(name)}
