"""One session of a search, from files to files: prepare, search, measure the front, write the results."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil, isnan
from pathlib import Path
from typing import Any

from explorer.cost import Setting
from explorer.data import DataSet, load_data
from explorer.devices import load_device, load_link
from explorer.engine.database import without_password
from explorer.engine.rungs import worthwhile_rungs
from explorer.errors import UserError
from explorer.files import read_json
from explorer.inventory import build_inventory
from explorer.profile.latency import transfer_energy_j
from explorer.results import (
    RUN_FILE,
    read_setting,
)
from explorer.runs import checked_name, list_runs, new_run_folder
from explorer.space import SearchSpace
from explorer.space_files import SHIPPED, parse_space, read_space
from explorer.store import SCHEMA_VERSION, check_schema
from explorer.variants import Inventory

DEFAULT_TRIALS, DEFAULT_SAMPLER, DEFAULT_ENCODING = 200, "nsga2", "conditional"  # by benchmarks.samplers
DEFAULT_SEED, DEFAULT_RUNGS = 0, "off"
ENERGY_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line said; None where it said nothing."""

    space: str | None = None
    trials: int | None = None
    run: str | None = None
    seed: int | None = None
    sampler: str | None = None
    rungs: str | None = None
    encoding: str | None = None
    timeout_s: float | None = None
    resume: bool = False
    storage: str | None = None
    study: str | None = None
    data_dir: Path | None = None
    reports: Path = Path("reports")
    keep_weights: bool = False
    live_s: float | None = None
    energy: bool = True
    workers: int | None = None
    threads: int = 1
    scheduler: str | None = None
    resources: dict[str, float] = field(default_factory=dict)
    time_limit_s: float | None = None
    memory_limit_bytes: int | None = None


@dataclass(frozen=True)
class Session:
    """A search ready to run: everything read and checked, nothing written yet.

    Attributes:
        folder: The run folder.
        record: Contents of ``run.json`` so far.
        space: The validated space.
        data: Its data.
        inventory: Its variants.
        setting: Devices and link.
        trials: How many finished trials end the search.
        rung_epochs: Epochs at which training pauses; the last is a complete training.
        storage: Optuna storage URL.
        study: Name of the study there.
    """

    folder: Path
    record: dict[str, Any]
    space: SearchSpace
    data: DataSet
    inventory: Inventory
    setting: Setting
    trials: int
    rung_epochs: tuple[int, ...]
    storage: str
    study: str

    @property
    def begun_with(self) -> dict[str, object]:
        """What all processes that search one study must agree on, long texts as hashes."""
        texts = {name: json.dumps(self.record[name], sort_keys=True) for name in ("space", "profiles")}
        hashes = {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in texts.items()}
        names = ("data_fingerprint", "encoding", "rungs", "seed", "sampler")
        given = {name: self.record[name] for name in names}
        return hashes | given


def load_space(name: str | None) -> tuple[SearchSpace, str, str]:
    """Read a space file, or a shipped space by its bare name.

    Returns:
        The space, its text and its name.
    """
    name = name or "digits"
    path = Path(name)
    shipped = SHIPPED / f"{name}.yaml"
    if not path.suffix and not path.exists() and path.name == name and shipped.is_file():
        path = shipped
    space, text = read_space(path)
    return space, text, path.stem


def load_space_data(space: SearchSpace, data_dir: Path | None) -> DataSet:
    """The data set a space names."""
    spec = space.data
    return load_data(
        spec.source,
        train_samples=spec.train_samples,
        validation_samples=spec.validation_samples,
        test_samples=spec.test_samples,
        seed=spec.seed,
        data_dir=data_dir,
        layout=spec.layout,
        normalise=spec.scaling,
    )


def prepare(options: Options) -> Session:
    """Read and check everything a search needs, for a new run or to go on with one.

    Raises:
        UserError: Something does not fit; nothing has been written.
    """
    folder, record = _resumed(options) if options.resume else _new(options)
    space = parse_space(record["space_file"], record["space_name"])
    data = load_space_data(space, options.data_dir)
    if record.setdefault("data_fingerprint", data.fingerprint) != data.fingerprint:
        raise UserError(f"{folder}: the data of {space.data.source!r} are not those the run began with")
    inventory = build_inventory(space, data.input_shape, data.num_classes)
    setting = read_setting(record) if "profiles" in record else _load_setting(space)
    _check_objectives(space, setting)
    record["data"] = _data_record(data)
    record["profiles"] = {role: profile.model_dump(mode="json") for role, profile in vars(setting).items()}
    trials = options.trials or record.get("trials_asked") or DEFAULT_TRIALS
    record["trials_asked"] = trials
    storage, study = _storage(options, folder, record)
    rungs = rungs_of(space, len(data.train)) if record["rungs"] == "on" else (space.recipe.total_epochs,)
    return Session(folder, record, space, data, inventory, setting, trials, rungs, storage, study)


def rungs_of(space: SearchSpace, train_samples: int) -> tuple[int, ...]:
    """Epochs at which trainings of a space pause when rungs are on."""
    return worthwhile_rungs(space.recipe.total_epochs, ceil(train_samples / space.training.batch_size))


def _storage(options: Options, folder: Path, record: dict[str, Any]) -> tuple[str, str]:
    """Storage URL and name of the study: those given, else those of the record, where both are noted."""
    if options.storage is not None:
        record["storage"] = without_password(options.storage)
    if options.study is not None and "storage" not in record:
        raise UserError(
            f"--study {options.study!r}: names a study in the database of --storage, which is missing"
        )
    study = record.setdefault("study", checked_name(options.study or folder.name, "--study"))
    if options.study not in (None, study):
        raise UserError(f"--study must be what {folder} was begun with, {study!r}, got {options.study!r}")
    return options.storage or record.get("storage") or f"sqlite:///{folder / 'study.db'}", study


def _new(options: Options) -> tuple[Path, dict[str, Any]]:
    space, text, name = load_space(options.space)
    record = {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": DEFAULT_SEED if options.seed is None else options.seed,
        "sampler": options.sampler or DEFAULT_SAMPLER,
        "rungs": options.rungs or DEFAULT_RUNGS,
        "encoding": options.encoding or DEFAULT_ENCODING,
        "space_name": name,
        "space_file": text,
        "space": space.model_dump(mode="json"),
        "constraints": list(space.constraints),
        "sessions": [],
    }
    return new_run_folder(options.reports, options.run, name), record


def _resumed(options: Options) -> tuple[Path, dict[str, Any]]:
    """The run named, or the newest one; what it was begun with must not be changed."""
    folders = [options.reports / options.run] if options.run else list_runs(options.reports)
    if not folders:
        raise UserError(f"--resume: no run under {options.reports}/ yet")
    record: dict[str, Any] = read_json(folders[0] / RUN_FILE)
    check_schema(record, folders[0] / RUN_FILE)
    given = {name: getattr(options, name) for name in ("seed", "sampler", "encoding", "rungs")}
    if options.space is not None:
        given["space_file"] = load_space(options.space)[1]
    for key, value in given.items():
        if value is not None and value != record[key]:
            shown = "another text" if key == "space_file" else f"{value!r}, run has {record[key]!r}"
            raise UserError(f"--resume: {key} must be what {folders[0]} was begun with, got {shown}")
    return folders[0], record


def _data_record(data: DataSet) -> dict[str, Any]:
    """What a deployment must know of the inputs, and the sizes of the subsets."""
    return {
        "input_shape": list(data.input_shape),
        "num_classes": data.num_classes,
        "mean": list(data.mean),
        "std": list(data.std),
        "class_names": list(data.class_names),
        "class_counts": data.class_counts(),
        "samples": {name: len(getattr(data, name)) for name in ("train", "validation", "test")},
    }


def _load_setting(space: SearchSpace) -> Setting:
    return Setting(load_device(space.edge_device), load_device(space.server_device), load_link(space.link))


def _check_objectives(space: SearchSpace, setting: Setting) -> None:
    """Refuse to search on a modelled column that the profiles cannot fill."""
    needs = {
        "latency_model_s": {
            "edge": ["macs_per_s"],
            "server": ["macs_per_s"],
            "link": ["uplink_bits_per_s", "rtt_s"],
        },
    }
    needs["energy_model_j"] = {**needs["latency_model_s"], "edge": ["macs_per_s", "active_w", "idle_w"]}
    wanted = [metric.name for metric in space.metrics] + [c.column for c in space.parsed_constraints]
    for column in wanted:
        for role, quantities in needs.get(column, {}).items():
            profile = getattr(setting, role)
            if lacking := [name for name in quantities if name in profile.missing()]:
                raise UserError(
                    f"{column} needs {', '.join(lacking)}, which profile {profile.name!r} does not have"
                )
    if "energy_model_j" in wanted and isnan(transfer_energy_j(1.0, setting.link)):
        either = "tx_joules_per_bit, or tx_alpha_w_per_bit_per_s with tx_beta_w"
        raise UserError(f"energy_model_j needs {either}, which profile {setting.link.name!r} does not have")
