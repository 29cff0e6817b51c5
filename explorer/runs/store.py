"""The run folder: the database a person can look into.

A network's folder is cache, checkpoint and artifact at once. Nothing here reads or writes pickle.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import pandas as pd
from safetensors.torch import load as load_tensors
from torch import Tensor

from explorer.core.calibration import Calibration, InferenceConfig
from explorer.core.evidence import Evidence
from explorer.core.failures import failing_alone
from explorer.core.payload import PayloadForm
from explorer.core.run_point import FLOAT32
from explorer.core.training_record import TrainingRecord
from explorer.costs.evaluate import EvaluatedNetwork
from explorer.costs.split_costs import SplitCosts
from explorer.errors import UserError
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
from explorer.runs.network_folders import (
    CALIBRATION,
    DROPPED,
    EARLIER,
    EVIDENCE,
    EVIDENCES,
    INT8_EVIDENCE,
    LOGITS,
    POINTS,
    TRAINING_STATE,
    WEIGHTS,
    NetworkFolders,
)
from explorer.runs.record import SCHEMA_VERSION
from explorer.space.candidate import NetworkSpec


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


class Store(NetworkFolders):
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

    def write(
        self,
        network: EvaluatedNetwork,
        points: pd.DataFrame,
        publish: Callable[[dict[str, bytes]], None] | None = None,
    ) -> None:
        """Store a trained network as :meth:`explorer.runs.network_folders.NetworkFolders.put` does.

        Args:
            network: What was trained.
            points: Its swept frontier.
            publish: As of :meth:`explorer.runs.network_folders.NetworkFolders.put`.

        Raises:
            TrainingFailedError: What was trained has no form as a file; nothing is written.
        """
        with failing_alone():
            files = _contents(network, points)
        record = {
            "schema_version": SCHEMA_VERSION,
            "key": network.spec.key,
            "spec": network.spec.to_json(),
            "num_samples": network.evidence.num_samples,
            "training": asdict(network.training),
            "placement_checksum": network.placement_checksum,
            "inference_config": asdict(network.calibration.inference_config),
            "temperatures": dict(network.calibration.temperatures),
            "uncounted_operators": network.uncounted,
            "splits": [split.to_json() for split in network.splits],
        }
        self.put(network.spec.key, files, record, publish)

    def read(self, key: str) -> StoredNetwork:
        """Read everything but evidence and weights.

        Raises:
            UserError: A file is missing, unreadable, changed or of another schema version.
        """
        record = self.record(key)
        splits = tuple(SplitCosts.from_json(split) for split in record["splits"])
        points = parse_points(
            self.content(key, POINTS, record), self.networks / key / POINTS, record["num_samples"]
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
        return tuple(SplitCosts.from_json(split) for split in self.record(key)["splits"])

    def read_spec(self, key: str) -> NetworkSpec:
        """What was trained."""
        return NetworkSpec.from_json(self.record(key)["spec"])

    def read_training(self, key: str) -> TrainingRecord:
        """What training a network took."""
        return TrainingRecord.from_json(self.record(key)["training"])

    def earlier_epochs(self, key: str) -> list[int]:
        """Epochs at which a network was paused before it was trained as far as it is now, ascending."""
        folder = self.networks / key / EARLIER
        return sorted(int(path.name) for path in folder.iterdir()) if folder.exists() else []

    def read_earlier_points(self, key: str, epochs: int) -> pd.DataFrame:
        """Swept points of a network when it was paused, see :meth:`earlier_epochs`."""
        name, record = f"{EARLIER}/{epochs}/{POINTS}", self.record(key)
        content = self.content(key, name, record)
        return parse_points(content, self.networks / key / name, record["num_samples"])

    def read_evidence(self, key: str, epochs: int | None = None, edge_weight_bits: int = FLOAT32) -> Evidence:
        """Per-sample validation outcomes of a network, now or at one of :meth:`earlier_epochs`."""
        own = EVIDENCES[edge_weight_bits]
        name = own if epochs is None else f"{EARLIER}/{epochs}/{own}"
        record, path = self.record(key), self.networks / key / name
        splits = tuple(SplitCosts.from_json(split) for split in record["splits"])
        quality = NetworkSpec.from_json(record["spec"]).recipe.quality
        return parse_evidence(self.content(key, name, record), path, splits, quality)

    def read_evidences(self, key: str, epochs: int | None = None) -> list[Evidence]:
        """Of edge parts in float32 and, where the run has them, in int8; see :meth:`read_evidence`."""
        before, files = "" if epochs is None else f"{EARLIER}/{epochs}/", self.record(key)["files"]
        known = [bits for bits, name in EVIDENCES.items() if f"{before}{name}" in files]
        return [self.read_evidence(key, epochs, bits) for bits in known]

    def read_calibration(self, key: str) -> Calibration:
        """What was fitted to a network besides its weights."""
        record = self.record(key)
        splits = [split["name"] for split in record["splits"][:-1]]
        payload = record["inference_config"]["payload"]
        form = PayloadForm(**(payload | {"bits": tuple(payload["bits"])}))
        weight_bits = tuple(record["inference_config"].get("edge_weight_bits", (FLOAT32,)))
        typed = {"payload": form, "edge_weight_bits": weight_bits}
        inference_config = InferenceConfig(**(record["inference_config"] | typed))
        content = None if form.ranges == "sample" else self.content(key, CALIBRATION, record)
        codecs = parse_codecs(content, self.networks / key / CALIBRATION, form, splits)
        return Calibration(inference_config, codecs, record["temperatures"])

    def read_weights(self, key: str) -> dict[str, Tensor]:
        """Weights by name.

        Raises:
            UserError: They were dropped when the network left the front, or cannot be read.
        """
        path = self.networks / key / WEIGHTS
        if not path.exists():
            raise UserError(
                f"{path}: weights were dropped when the network left the front (see --keep-weights)"
            )
        tensors: dict[str, Tensor] = load(load_tensors, self.content(key, WEIGHTS), path)
        return tensors

    def read_logits(self, key: str) -> Tensor:
        """Logits of a network's first validation samples, :func:`explorer.space.rebuilt.sample_logits`."""
        tensors: dict[str, Tensor] = load(
            load_tensors, self.content(key, LOGITS), self.networks / key / LOGITS
        )
        return tensors["logits"]

    def read_training_state(self, key: str) -> dict[str, Tensor] | None:
        """What training needs to go on; None when it is complete, or was dropped with the weights."""
        path = self.networks / key / TRAINING_STATE
        if not path.exists():
            return None
        state: dict[str, Tensor] = load(load_tensors, self.content(key, TRAINING_STATE), path)
        return state

    def has_weights(self, key: str) -> bool:
        """Whether the weights were kept."""
        return (self.networks / key / WEIGHTS).exists()

    def drop_weights(self, key: str) -> None:
        """Forget weights and training state of a network; its points and evidence stay."""
        for name in DROPPED:
            (self.networks / key / name).unlink(missing_ok=True)


def _contents(network: EvaluatedNetwork, points: pd.DataFrame) -> dict[str, bytes]:
    """Files of a network by name, but ``network.json``."""
    calibration = network.calibration
    names = [split.name for split in network.splits]
    files = {
        EVIDENCE: evidence_content(network.evidence, names),
        WEIGHTS: tensors_content(network.weights),
        LOGITS: tensors_content({"logits": network.logits}),
        POINTS: points_content(points),
    }
    if calibration.inference_config.payload.ranges != "sample":
        files[CALIBRATION] = codecs_content(calibration.codecs, names)
    if network.int8_evidence is not None:
        files[INT8_EVIDENCE] = evidence_content(network.int8_evidence, names)
    if network.training_state is not None:
        files[TRAINING_STATE] = tensors_content(network.training_state)
    return files
