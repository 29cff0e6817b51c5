"""``run.json``: what a run was begun with, and what came of it so far."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explorer.core.quality import Quality
from explorer.devices import ProtocolName, Setting
from explorer.errors import UserError
from explorer.front.optimism import Optimism
from explorer.runs.learned import Learned
from explorer.runs.sealed import unsealed, write_sealed
from explorer.space.constraints import Constraint, parse_constraint
from explorer.space.fit import memory_limits
from explorer.space.metrics import SEARCHED_METRICS, Metric
from explorer.space.quality_spec import ClassWeights, quality_of
from explorer.utils.files import read_json
from explorer.utils.refusals import first_refusal

RUN_FILE = "run.json"
SCHEMA_VERSION = 7
_REMEDY = "put back a copy of it, or search anew under another name"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DataRecord(_Part):
    """What a deployment must know of the inputs, and the sizes of the subsets.

    Example:
        >>> sizes = {"class_counts": {"train": [60, 40]}, "samples": {"train": 100}}
        >>> DataRecord(input_shape=[64], num_classes=2, mean=[4.9], std=[6.0], **sizes).class_names
        []
    """

    input_shape: list[int]
    num_classes: int
    mean: list[float]
    std: list[float]
    class_names: list[str] = []
    class_counts: dict[str, list[int]]
    samples: dict[str, int]


class SessionReading(_Part):
    """What one session of the search took; an energy that is not known is None.

    ``device`` is where networks were trained: the processor, or a GPU by its name.

    Example:
        >>> unread = {"energy_j": None, "method": "codecarbon", "reason": "energy was not asked for"}
        >>> reading = SessionReading(seconds=12.5, suggest_seconds=0.4, suggest_median_s=0.002, **unread)
        >>> reading.seconds, reading.energy_j, reading.reason
        (12.5, None, 'energy was not asked for')
    """

    energy_j: float | None
    seconds: float
    device: str = "cpu"
    method: str
    reason: str
    memory_j: float | None = None
    suggest_seconds: float
    suggest_median_s: float | None


class SearchReading(_Part):
    """What all sessions took together.

    Example:
        >>> SearchReading(seconds=25.0, suggest_seconds=0.8).energy_j is None
        True
    """

    seconds: float
    suggest_seconds: float = 0.0
    suggest_median_s: float | None = None
    energy_j: float | None = None
    memory_j: float | None = None
    energy_method: str = ""
    energy_reason: str = ""


class RungResults(_Part):
    """Epochs of the rungs, networks that reached each, and how well each foretold the next.

    Example:
        >>> RungResults(epochs=[3, 9], networks=[20, 7], rank_correlation=[0.8])
        RungResults(epochs=[3, 9], networks=[20, 7], rank_correlation=[0.8])
    """

    epochs: list[int] = []
    networks: list[int] = []
    rank_correlation: list[float | None] = []


@dataclass(frozen=True)
class Promotion:
    """What became of training a network further.

    Attributes:
        network_key: Of the network.
        until_epoch: How far it was to be trained.
        reason: Why that failed, else empty.
        elapsed_s: Seconds of search up to its end, over all sessions.
        hypervolume: Of the archive after it.

    Example:
        >>> further = Promotion("mlp-99448b90f587", 9, reason="", elapsed_s=31.5, hypervolume=0.42)
        >>> further.until_epoch, further.hypervolume
        (9, 0.42)
    """

    network_key: str
    until_epoch: int
    reason: str
    elapsed_s: float
    hypervolume: float


class RunRecord(_Part):
    """Contents of ``run.json``.

    The first block is what the run was begun with and does not change; the second grows from session to
    session; the third is written anew at the end of each, and while a live report is kept. ``data_dir`` and
    ``max_data_bytes`` are what the last session was told, so that later commands need not be.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="recorded", workers=1, energy=False, progress=False)
        >>> record = RunRecord.read(run.path)
        >>> record.trials_asked, record.setting.link.name, record.data.samples
        (1, 'ble_2m_dle', {'train': 1037, 'validation': 400, 'test': 360})
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    created: str
    seed: int
    sampler: str
    rungs: str
    encoding: str
    prefer: str = "gain"
    space_name: str
    space_file: str
    space: dict[str, Any]
    constraints: list[str]
    data_fingerprint: str
    data: DataRecord
    profiles: dict[str, dict[str, Any]]
    protocol: ProtocolName
    deadline_s: float | None = None
    study: str

    storage: str | None = None
    data_dir: str | None = None
    max_data_bytes: int | None = None
    trials_asked: int
    sessions: list[SessionReading] = Field(default_factory=list)
    promotions: list[Promotion] = Field(default_factory=list)
    rung_results: RungResults = Field(default_factory=RungResults)
    exhausted: bool = False
    hypervolume: float | None = None

    versions: dict[str, str] = Field(default_factory=dict)
    machine: dict[str, Any] = Field(default_factory=dict)
    missing: dict[str, list[str]] = Field(default_factory=dict)
    counts: dict[str, int] = Field(default_factory=dict)
    search: SearchReading | None = None
    uncounted_arithmetic: dict[str, dict[str, int]] = Field(default_factory=dict)
    operators_without_macs: dict[str, dict[str, int]] = Field(default_factory=dict)
    failed_variants: dict[str, str] = Field(default_factory=dict)
    learned: Learned | None = None
    optimism: Optimism | None = None
    notes: list[str] = Field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a run folder's record.

        Raises:
            UserError: Missing, unreadable, changed or of another schema version.
        """
        path = folder / RUN_FILE
        content = read_json(path)
        check_schema(content, path)
        try:
            return cls.model_validate(unsealed(content, path, _REMEDY))
        except ValidationError as error:
            raise UserError(f"{path}: {first_refusal(error)}") from None

    def write(self, folder: Path) -> None:
        """Write it whole into the run folder."""
        write_sealed(folder / RUN_FILE, self.model_dump(mode="json"))

    @property
    def setting(self) -> Setting:
        """Devices, link, protocol and deadline with the very numbers the run was modelled with."""
        return Setting.from_json(self.profiles, self.protocol, self.deadline_s)

    def data_options(
        self, data_dir: Path | None = None, max_data_bytes: int | None = None
    ) -> tuple[Path | None, int | None]:
        """Where the run's data lie and how large they may be: as told now, else as the last session was told.

        A folder that is no longer there, such as on another machine, is forgotten.

        Example:
            >>> record = RunRecord.model_construct(data_dir="/no/such/folder", max_data_bytes=1000)
            >>> record.data_options(), record.data_options(Path("here"), 500)
            ((None, 1000), (PosixPath('here'), 500))
        """
        held = self.data_dir and Path(self.data_dir)
        remembered = held if held and held.is_dir() else None
        return data_dir or remembered, max_data_bytes or self.max_data_bytes

    def remember(self, data_dir: Path | None, max_data_bytes: int | None) -> None:
        """Keep what was told of the data, for :meth:`data_options`."""
        self.data_dir = self.data_dir if data_dir is None else str(data_dir.resolve())
        self.max_data_bytes = max_data_bytes or self.max_data_bytes

    @property
    def objectives(self) -> tuple[Metric, ...]:
        """One to four columns that the search optimised."""
        return tuple(SEARCHED_METRICS[name] for name in self.space["objectives"])

    @property
    def quality(self) -> Quality:
        """What makes answers good."""
        spec = self.space.get("quality", "accuracy")
        return quality_of(ClassWeights(**spec) if isinstance(spec, dict) else spec)

    @property
    def trained_to(self) -> dict[str, int]:
        """Epochs that networks were promoted to, by key: as far as their files need not say it."""
        done = [entry for entry in self.promotions if not entry.reason]
        return {
            entry.network_key: entry.until_epoch for entry in sorted(done, key=lambda own: own.until_epoch)
        }

    @property
    def starts_from_dense(self) -> bool:
        """Whether sparse networks start from trained dense ones."""
        return bool(self.space.get("training", {}).get("start") == "dense")

    @property
    def parsed_constraints(self) -> list[Constraint]:
        """The constraints that the run's space names."""
        return [parse_constraint(text, "constraints") for text in self.constraints]

    @property
    def fits_device(self) -> bool:
        """Whether points of the run must fit the memory of the edge device."""
        return bool(self.space.get("fit", "device") == "device")

    def constraints_on(self, setting: Setting) -> list[Constraint]:
        """All constraints of the run: those that its space names, and what the edge device's memory holds."""
        return [*self.parsed_constraints, *(memory_limits(setting.edge) if self.fits_device else ())]


def check_schema(content: Any, path: Path) -> None:
    """Refuse what another version of the explorer wrote.

    Raises:
        UserError: The schema version is another.

    Example:
        >>> check_schema({"schema_version": SCHEMA_VERSION}, Path("run.json"))
        >>> check_schema({"schema_version": 1}, Path("run.json"))
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: run.json: schema_version must be ..., got 1: another version ...
    """
    got = content.get("schema_version") if isinstance(content, dict) else None
    if got != SCHEMA_VERSION:
        raise UserError(
            f"{path}: schema_version must be {SCHEMA_VERSION}, got {got!r}: another version of the explorer "
            "wrote it, which alone can read it; search anew for a run that this one reads"
        )
