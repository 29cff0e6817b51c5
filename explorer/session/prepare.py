"""Prepare a search: read and check everything it needs, for a new run or to go on with one."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

from explorer.core.device import chosen_device
from explorer.core.run_point import INT8
from explorer.data.dataset import DataSet
from explorer.devices import Setting
from explorer.engine.defaults import (
    DEFAULT_ENCODING,
    DEFAULT_PREFER,
    DEFAULT_RUNGS,
    DEFAULT_SAMPLER,
    DEFAULT_SEED,
    DEFAULT_SPACE,
    DEFAULT_TRIALS,
)
from explorer.engine.halving.rungs import worthwhile_rungs
from explorer.engine.storage.database import from_environment, without_password
from explorer.errors import UserError, naming
from explorer.runs.folder import checked_name, list_runs, new_run_folder
from explorer.runs.mend import mend
from explorer.runs.owner import owned, owner_of
from explorer.runs.record import RUN_FILE, DataRecord, RunRecord
from explorer.session.edge_code import without_code
from explorer.session.options import Options
from explorer.space.files import (
    load_space,
    load_space_data,
    load_space_setting,
    parse_space,
    space_differences,
    space_text,
)
from explorer.space.inventory import build_inventory
from explorer.space.metrics import ALL_METRICS
from explorer.space.quality_spec import with_class_numbers
from explorer.space.schema import SearchSpace
from explorer.space.training import TrainingSpec
from explorer.space.variants import Inventory


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
        rung_epochs: Epochs at which training pauses; the last is a complete training.
        storage: Optuna storage URL.
        mended: What was damaged in the run folder and is made anew, one sentence each.
        without_code: Which edge parts cannot be in int8 though the space asks for it, one sentence each.

    Example:
        >>> session = prepare(Options(space="digits", seed=3))
        >>> session.rung_epochs, session.begun_with["seed"], session.inventory.num_networks
        ((10,), 3, 624)
    """

    folder: Path
    record: RunRecord
    space: SearchSpace
    data: DataSet
    inventory: Inventory
    setting: Setting
    rung_epochs: tuple[int, ...]
    storage: str
    mended: tuple[str, ...] = ()
    without_code: tuple[str, ...] = ()

    @property
    def begun_with(self) -> dict[str, object]:
        """What all processes that search one study must agree on, long texts as hashes."""
        record = self.record
        texts = {name: json.dumps(getattr(record, name), sort_keys=True) for name in ("space", "profiles")}
        hashes = {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in texts.items()}
        names = ("data_fingerprint", "encoding", "prefer", "rungs", "seed", "sampler")
        given = {name: getattr(record, name) for name in names}
        return hashes | given


def prepare(options: Options) -> Session:
    """Read and check everything a search needs, for a new run or to go on with one.

    Raises:
        UserError: Something does not fit; nothing has been written.

    Example:
        >>> session = prepare(Options(space="digits", run="first", trials=50))
        >>> session.folder.as_posix(), session.record.trials_asked, session.storage
        ('reports/first', 50, 'sqlite:///reports/first/study.db')
    """
    if options.study is not None and options.storage is None and not options.resume:
        raise UserError(
            f"--study {options.study!r}: names a study in the database of --storage, which is missing"
        )
    if options.scheduler is None:
        chosen_device(options.device)  # that there is none is said before data are read
    return _resumed(options, _folder_to_resume(options)) if options.resume else _new(options)


@contextmanager
def owning(options: Options) -> Iterator[Session]:
    """Prepare a search and own its run folder, from before its record is read to the end of the search.

    Raises:
        UserError: As of :func:`prepare`, or another process searches the run.

    Example:
        >>> with owning(Options(space="digits", run="mine")) as session:
        ...     session.folder.exists()
        True
        >>> session.folder.exists()  # nothing was written, nothing is left
        False
    """
    if options.resume:
        folder = _folder_to_resume(options)
        with owned(folder):
            session = prepare(replace(options, run=folder.name))
            yield replace(session, mended=tuple(mend(folder)))
        return
    session = prepare(options)
    with owned(session.folder):
        new_run_folder(options.reports, session.folder.name, "")  # nobody was quicker
        yield session


def rungs_of(space: SearchSpace, train_samples: int) -> tuple[int, ...]:
    """Epochs at which trainings of a space pause when rungs are on.

    Example:
        >>> space = load_space("digits")[0]
        >>> rungs_of(space, train_samples=1_000), rungs_of(space, train_samples=50_000)
        ((10,), (1, 2, 4, 10))
    """
    return worthwhile_rungs(space.recipe.total_epochs, ceil(train_samples / space.training.batch_size))


def _new(options: Options) -> Session:
    space, text, name = space_of(options)
    folder = new_run_folder(options.reports, options.run, name)
    where = "space" if isinstance(options.space, SearchSpace) else options.space or DEFAULT_SPACE
    with naming(where):
        data = options.data or load_space_data(space, options.data_dir, options.max_data_bytes)
        space = _with_class_numbers(space, data)
        setting = load_space_setting(space)
    record = RunRecord(
        name=folder.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=DEFAULT_SEED if options.seed is None else options.seed,
        sampler=options.sampler or DEFAULT_SAMPLER,
        rungs=options.rungs or DEFAULT_RUNGS,
        encoding=options.encoding or DEFAULT_ENCODING,
        prefer=options.prefer or DEFAULT_PREFER,
        space_name=name,
        space_file=text,
        space=space.model_dump(mode="json"),
        constraints=space.all_constraints,
        data_fingerprint=data.fingerprint,
        data=_data_record(data),
        profiles=setting.to_json(),
        protocol=setting.protocol,
        deadline_s=setting.deadline_s,
        study=checked_name(options.study or folder.name, "--study"),
        storage=options.storage and without_password(options.storage),
        trials_asked=options.trials or DEFAULT_TRIALS,
    )
    record.remember(options.data_dir, options.max_data_bytes)
    return _session(options, folder, record, space, data, where)


def _folder_to_resume(options: Options) -> Path:
    """The run named, or the newest one that no other process searches."""
    if options.run:
        return options.reports / options.run
    folders = list_runs(options.reports)
    if not folders:
        raise UserError(f"--resume: no run under {options.reports}/ yet")
    free = [folder for folder in folders if owner_of(folder) is None]
    if not free:
        raise UserError(f"--resume: every run under {options.reports}/ is being searched")
    return free[0]


def _resumed(options: Options, folder: Path) -> Session:
    """Go on with a run; what it was begun with must not be changed."""
    record = RunRecord.read(folder)
    where = str(folder / RUN_FILE)
    space = parse_space(record.space_file, where)
    given = {name: getattr(options, name) for name in ("seed", "sampler", "encoding", "prefer", "rungs")}
    for key, value in given.items():
        if value is not None and value != (held := getattr(record, key)):
            raise UserError(
                f"--resume: {key} must be what {folder} was begun with, got {value!r}, run has {held!r}"
            )
    if options.space is not None and (other := space_differences(space_of(options)[0], space)):
        raise UserError(f"--resume: space must be what {folder} was begun with, got {', '.join(other)}")
    if options.study not in (None, record.study):
        raise UserError(
            f"--study must be what {folder} was begun with, {record.study!r}, got {options.study!r}"
        )
    told = record.data_options(options.data_dir, options.max_data_bytes)
    with naming(where):
        data = options.data or load_space_data(space, *told)
    if data.fingerprint != record.data_fingerprint:
        raise UserError(f"{folder}: the data of {space.data.source!r} are not those the run began with")
    space = _with_class_numbers(space, data)
    record.trials_asked = options.trials or record.trials_asked
    record.remember(options.data_dir, options.max_data_bytes)
    if options.storage is not None:
        record.storage = without_password(options.storage)
    return _session(options, folder, record, space, data, where)


def _with_class_numbers(space: SearchSpace, data: DataSet) -> SearchSpace:
    numbered = with_class_numbers(space.quality, data.class_names, data.num_classes)
    return space.model_copy(update={"quality": numbered})


def _session(
    options: Options, folder: Path, record: RunRecord, space: SearchSpace, data: DataSet, where: str
) -> Session:
    setting = record.setting
    with naming(where):
        inventory = build_inventory(space, data.input_shape, data.num_classes)
        _check_profiles(space, setting)
        lacking = without_code(inventory, data)
    if record.sampler == "front" and record.encoding != "conditional":
        raise UserError(
            "--encoding must be conditional with --sampler front, which proposes any densities, got "
            f"{record.encoding!r}; name another --sampler"
        )
    if record.rungs == "on" and space.training.dense_first:
        raise UserError(f"--rungs must be off with training.{_no_rungs(space.training)}, got 'on'")
    rungs = rungs_of(space, len(data.train)) if record.rungs == "on" else (space.recipe.total_epochs,)
    storage = options.storage or from_environment(record.storage) or f"sqlite:///{folder / 'study.db'}"
    return Session(folder, record, space, data, inventory, setting, rungs, storage, without_code=lacking)


def _no_rungs(training: TrainingSpec) -> str:
    if training.start == "dense":
        return "start: dense, whose sparse networks train for fewer epochs than those they start from"
    return "teacher: dense, since a dense network teaches when it is trained to the end"


def space_of(options: Options) -> tuple[SearchSpace, str, str]:
    """The space asked for, its text and its name.

    Example:
        >>> space, text, name = space_of(Options(space="digits"))
        >>> name, list(space.backbones), "backbones:" in text
        ('digits', ['mlp', 'cnn'], True)
    """
    if isinstance(options.space, SearchSpace):
        return options.space, space_text(options.space), "python"
    return load_space(options.space or DEFAULT_SPACE)


def _data_record(data: DataSet) -> DataRecord:
    return DataRecord(
        input_shape=list(data.input_shape),
        num_classes=data.num_classes,
        mean=list(data.mean),
        std=list(data.std),
        class_names=list(data.class_names),
        class_counts=data.class_counts(),
        samples={name: len(getattr(data, name)) for name in ("train", "validation", "test")},
    )


def _check_profiles(space: SearchSpace, setting: Setting) -> None:
    """Refuse to search on a column that the profiles cannot fill."""
    wanted = [("objectives", metric.name) for metric in space.metrics]
    wanted += [("constraints", constraint.column) for constraint in space.parsed_constraints]
    for key, column in wanted:
        for role, quantities in ALL_METRICS[column].needs.items():
            profile = getattr(setting, role)
            if lacking := [profile.spelled(name) for name in quantities if getattr(profile, name) is None]:
                which = f"which profile {profile.name!r} does not have"
                raise UserError(f"{key}: {column} needs {', '.join(lacking)}, {which}")
        needs_times = "compute_times" in ALL_METRICS[column].needs.get("edge", ())
        if INT8 in space.edge_weight_bits and needs_times and setting.edge.macs_per_s_int8 is None:
            which = f"which profile {setting.edge.name!r} does not have"
            raise UserError(f"{key}: {column} with edge_weight_bits 8 needs macs_per_s_int8, {which}")
