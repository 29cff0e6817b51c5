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

import pandas as pd
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors
from torch import Tensor

from explorer.core.calibration import Calibration, InferenceConfig
from explorer.core.evidence import Evidence
from explorer.core.payload import PayloadForm
from explorer.core.training_record import TrainingRecord
from explorer.costs.evaluate import EvaluatedNetwork
from explorer.costs.split_costs import SplitCosts
from explorer.errors import UserError
from explorer.runs.network_files import (
    load,
    read_codecs,
    read_evidence,
    read_points,
    write_codecs,
    write_evidence,
)
from explorer.runs.record import SCHEMA_VERSION, check_schema
from explorer.space.candidate import NetworkSpec
from explorer.utils.files import read_json, write_json

_UNFINISHED, _REPLACED = ".unfinished-", ".replaced-"
_POINTS, _EVIDENCE, _TRAINING_STATE = "points.parquet", "evidence.safetensors", "training_state.safetensors"
_EARLIER = "earlier"  # folder: <epochs>/ holds points and evidence of the network when it was paused there
_CALIBRATION, _LOGITS = "calibration.safetensors", "logits.safetensors"
_FILE = re.compile(
    rf"network\.json|weights\.safetensors|{re.escape(_CALIBRATION)}|{re.escape(_LOGITS)}|{re.escape(_TRAINING_STATE)}"
    rf"|({_EARLIER}/[1-9]\d*/)?({re.escape(_POINTS)}|{re.escape(_EVIDENCE)})"
)
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
        for leftover in self.networks.glob(f"{_UNFINISHED}*"):
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
        """
        key, unfinished = network.spec.key, self._write_unfinished(network, points)
        if key in self:
            self._carry_over(key, unfinished)
        if publish is not None:
            publish(_read_files(unfinished))
        self._put(unfinished, key)

    def read_files(self, key: str) -> dict[str, bytes]:
        """Contents of a network's folder by file name, to be carried to another run folder."""
        return _read_files(self.networks / key)

    def write_files(self, key: str, files: Mapping[str, bytes]) -> None:
        """Store what :meth:`read_files` read elsewhere, in place of what is here under the key.

        Raises:
            UserError: A name is no file of a network, or the key is not that of the network.
        """
        if unknown := [name for name in files if not _FILE.fullmatch(name)]:
            raise UserError(f"network {key!r}: no file of a network is called {unknown[0]!r}")
        if not _KEY.fullmatch(key) or json.loads(files.get("network.json", b"{}")).get("key") != key:
            raise UserError(f"network {key!r}: its network.json is missing or says another key")
        folder = self.networks / f"{_UNFINISHED}{key}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        self._put(folder, key)

    def _put(self, unfinished: Path, key: str) -> None:
        folder, replaced = self.networks / key, self.networks / f"{_REPLACED}{key}"
        if key not in self:
            os.rename(unfinished, folder)
            return
        os.rename(folder, replaced)
        os.rename(unfinished, folder)
        shutil.rmtree(replaced)

    def _carry_over(self, key: str, successor: Path) -> None:
        """Copy what is kept of a network, at the epochs it has now and at earlier ones, to its successor."""
        folder, earlier = self.networks / key, successor / _EARLIER
        if (folder / _EARLIER).exists():
            shutil.copytree(folder / _EARLIER, earlier)
        now = earlier / str(self.read(key).training.epochs)
        now.mkdir(parents=True)
        for name in (_POINTS, _EVIDENCE):
            shutil.copyfile(folder / name, now / name)

    def _write_unfinished(self, network: EvaluatedNetwork, points: pd.DataFrame) -> Path:
        key = network.spec.key
        folder = self.networks / f"{_UNFINISHED}{key}"
        folder.mkdir()
        write_evidence(folder / _EVIDENCE, network.evidence)
        save_tensors(network.weights, folder / "weights.safetensors")
        save_tensors({"logits": network.logits}, folder / _LOGITS)
        if network.calibration.inference_config.payload.ranges != "sample":
            splits = [split.name for split in network.splits]
            write_codecs(folder / _CALIBRATION, network.calibration.codecs, splits)
        if network.training_state is not None:
            save_tensors(network.training_state, folder / _TRAINING_STATE)
        points.to_parquet(folder / _POINTS, index=False)
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
        }
        write_json(folder / "network.json", record)
        return folder

    def read(self, key: str) -> StoredNetwork:
        """Read everything but evidence and weights.

        Raises:
            UserError: A file is missing, unreadable or of another schema version.
        """
        path = self.networks / key / "network.json"
        record = read_json(path)
        check_schema(record, path)
        splits = tuple(SplitCosts.from_json(split) for split in record["splits"])
        points = read_points(self.networks / key / _POINTS)
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
        splits = read_json(self.networks / key / "network.json")["splits"]
        return tuple(SplitCosts.from_json(split) for split in splits)

    def read_spec(self, key: str) -> NetworkSpec:
        """What was trained."""
        return NetworkSpec.from_json(read_json(self.networks / key / "network.json")["spec"])

    def read_training(self, key: str) -> TrainingRecord:
        """What training a network took."""
        return TrainingRecord.from_json(read_json(self.networks / key / "network.json")["training"])

    def earlier_epochs(self, key: str) -> list[int]:
        """Epochs at which a network was paused before it was trained as far as it is now, ascending."""
        folder = self.networks / key / _EARLIER
        return sorted(int(path.name) for path in folder.iterdir()) if folder.exists() else []

    def read_earlier_points(self, key: str, epochs: int) -> pd.DataFrame:
        """Swept points of a network when it was paused, see :meth:`earlier_epochs`."""
        return read_points(self.networks / key / _EARLIER / str(epochs) / _POINTS)

    def read_evidence(self, key: str, epochs: int | None = None) -> Evidence:
        """Per-sample validation outcomes of a network, now or at one of :meth:`earlier_epochs`."""
        folder = self.networks / key
        path = (folder if epochs is None else folder / _EARLIER / str(epochs)) / _EVIDENCE
        return read_evidence(path, self.read_splits(key), self.read_spec(key).recipe.quality)

    def read_calibration(self, key: str) -> Calibration:
        """What was fitted to a network besides its weights."""
        record = read_json(self.networks / key / "network.json")
        splits = [split["name"] for split in record["splits"][:-1]]
        payload = record["inference_config"]["payload"]
        form = PayloadForm(**(payload | {"bits": tuple(payload["bits"])}))
        inference_config = InferenceConfig(**(record["inference_config"] | {"payload": form}))
        codecs = read_codecs(self.networks / key / _CALIBRATION, form, splits)
        return Calibration(inference_config, codecs, record["temperatures"])

    def read_weights(self, key: str) -> dict[str, Tensor]:
        """Weights by name.

        Raises:
            UserError: They were dropped when the network left the front, or cannot be read.
        """
        path = self.networks / key / "weights.safetensors"
        if not path.exists():
            raise UserError(
                f"{path}: weights were dropped when the network left the front (see --keep-weights)"
            )
        tensors: dict[str, Tensor] = load(load_tensors, path)
        return tensors

    def read_logits(self, key: str) -> Tensor:
        """Logits of a network's first validation samples, :func:`explorer.space.rebuilt.sample_logits`."""
        tensors: dict[str, Tensor] = load(load_tensors, self.networks / key / _LOGITS)
        return tensors["logits"]

    def read_training_state(self, key: str) -> dict[str, Tensor] | None:
        """What training needs to go on; None when it is complete, or was dropped with the weights."""
        path = self.networks / key / _TRAINING_STATE
        if not path.exists():
            return None
        state: dict[str, Tensor] = load(load_tensors, path)
        return state

    def has_weights(self, key: str) -> bool:
        """Whether the weights were kept."""
        return (self.networks / key / "weights.safetensors").exists()

    def drop_weights(self, key: str) -> None:
        """Forget weights and training state of a network; its points and evidence stay."""
        for name in ("weights.safetensors", _TRAINING_STATE):
            (self.networks / key / name).unlink(missing_ok=True)


def _read_files(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if _FILE.fullmatch(name)}
