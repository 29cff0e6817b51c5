"""What a search is asked for, by a command line or from Python."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from explorer.data.dataset import DataSet
from explorer.space.schema import SearchSpace


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was said of a search; None where nothing was.

    Attributes:
        space: A space file, the name of a shipped space, or a space made in Python.
        data: The data set, where it was made in Python; else the space names it.
        trials: Proposals in all.
        run: Name of the run folder.
        seed: Of the sampler.
        sampler, rungs, encoding, prefer: See :mod:`explorer.engine.defaults`.
        timeout_s: Seconds after which no training begins.
        resume: Go on with a run.
        storage: Optuna storage URL.
        study: Name of the study there.
        data_dir: Where data files lie.
        max_data_bytes: That data read from files may take in memory.
        reports: Where run folders lie.
        keep_weights: Keep weights of networks that left the front.
        live_s: Seconds between two live reports.
        energy: Measure the energy of the front's parts.
        workers: Trainings at a time, of each GPU where there are several.
        threads: Of a training.
        device: Where networks are trained: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        scheduler: Address of a Dask cluster.
        resources: What a training takes of a worker there.
        time_limit_s, memory_limit_bytes: Of a training.

    Example:
        >>> options = Options(space="digits", trials=50, workers=1)
        >>> options.trials, options.seed, options.reports.name  # what is not said is None or a default
        (50, None, 'reports')
    """

    space: str | SearchSpace | None = None
    data: DataSet | None = None
    trials: int | None = None
    run: str | None = None
    seed: int | None = None
    sampler: str | None = None
    rungs: str | None = None
    encoding: str | None = None
    prefer: str | None = None
    timeout_s: float | None = None
    resume: bool = False
    storage: str | None = None
    study: str | None = None
    data_dir: Path | None = None
    max_data_bytes: int | None = None
    reports: Path = Path("reports")
    keep_weights: bool = False
    live_s: float | None = None
    energy: bool = True
    workers: int | None = None
    threads: int = 1
    device: str = "auto"
    scheduler: str | None = None
    resources: dict[str, float] = field(default_factory=dict)
    time_limit_s: float | None = None
    memory_limit_bytes: int | None = None

    @classmethod
    def of_run(
        cls,
        folder: Path,
        *,
        data: DataSet | None = None,
        data_dir: Path | None = None,
        max_data_bytes: int | None = None,
        workers: int | None = None,
        device: str = "auto",
    ) -> Self:
        """To go on with a run, by its folder."""
        return cls(
            run=folder.name,
            reports=folder.parent,
            resume=True,
            data=data,
            data_dir=data_dir,
            max_data_bytes=max_data_bytes,
            workers=workers,
            device=device,
        )
