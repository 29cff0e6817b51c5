"""The Python face: search, look at a run, select a point, load its network. ``import explorer`` shows it."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from explorer.engine.progress import make_reporter
from explorer.engine.storage.database import failures_explained
from explorer.inspect.describe import Backbone
from explorer.inspect.describe import describe as describe_factory
from explorer.run import Run
from explorer.runs.folder import REPORTS, find_run
from explorer.runs.results import load_run as read_run
from explorer.session.finish import finish
from explorer.session.options import Options
from explorer.session.prepare import owning
from explorer.session.run import search
from explorer.space.files import load_space as read_space
from explorer.space.files import space_from
from explorer.space.schema import SearchSpace
from explorer.utils.imports import name_of, user_code
from explorer.utils.threads import torch_threads


def load_space(what: str | Path | Mapping[str, Any]) -> SearchSpace:
    """Read a search space: a YAML file, a shipped space by its name, or a mapping with the same keys.

    In a mapping a factory may be a function, a module class or a trained module, and the data source a tuple
    of arrays ``(x_train, y_train, x_test, y_test)``, which ``groups_train``, or ``x_validation`` and
    ``y_validation``, may follow.

    Raises:
        UserError: Names the key, the rule and the value received.

    Example:
        >>> list(load_space("digits").objectives)
        ['accuracy', 'edge_macs', 'edge_memory_bytes', 'payload_bytes']
    """
    return space_from(what) if isinstance(what, Mapping) else read_space(str(what))[0]


def run_search(
    space: str | Path | SearchSpace | Mapping[str, Any],
    *,
    trials: int | None = None,
    name: str | None = None,
    resume: bool = False,
    seed: int | None = None,
    sampler: str | None = None,
    workers: int | None = None,
    device: str = "auto",
    timeout_s: float | None = None,
    data_dir: str | Path | None = None,
    max_data_bytes: int | None = None,
    reports: str | Path = REPORTS,
    energy: bool = True,
    progress: bool = True,
) -> Run:
    """Search a space, and write run folder and report as ``explorer search`` does.

    Ctrl-C, or the stop button of a notebook, ends the search early: what was done is measured, written and
    returned. Further options are those of the command line.

    Args:
        space: As of :func:`load_space`.
        trials: Proposals in all; 200 unless said.
        name: Of the run folder; space and time unless said.
        resume: Go on with the run ``name``.
        seed: Of the sampler; 0 unless said.
        sampler: One of :data:`explorer.engine.defaults.SAMPLERS`.
        workers: Trainings at a time; 1 trains in this process, which alone gives the same proposals twice.
        device: Where networks are trained: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        timeout_s: Begin no training after so many seconds.
        data_dir: Where data files lie.
        max_data_bytes: Memory that data read from files may take; see
            :func:`explorer.runtime.edge.claims.most_bytes`.
        reports: Where run folders lie.
        energy: Whether the energy of the front's parts is measured.
        progress: Whether progress is shown.

    Raises:
        UserError: The sentence that the command would print.

    Example:
        >>> run = run_search("digits", trials=2, name="found", workers=1, energy=False, progress=False)
        >>> run.path.as_posix(), run.trials["state"].tolist(), len(run.front) > 0
        ('reports/found', ['COMPLETE', 'COMPLETE'], True)
    """
    options = Options(
        space=load_space(space) if isinstance(space, Mapping) else _plain(space),
        trials=trials,
        run=name,
        resume=resume,
        seed=seed,
        sampler=sampler,
        workers=workers,
        device=device,
        timeout_s=timeout_s,
        data_dir=None if data_dir is None else Path(data_dir),
        max_data_bytes=max_data_bytes,
        reports=Path(reports),
        energy=energy,
    )
    with torch_threads(options.threads), owning(options) as session:
        with make_reporter(sys.stdout if progress else None) as reporter:
            study, interrupted = search(session, options, reporter)
        with failures_explained(session.storage):
            results = finish(session, options, study)
    return Run(results, session.data, interrupted)


def load_run(name: str | Path, reports: str | Path = REPORTS) -> Run:
    """Read a run: its folder, or its name under ``reports``.

    Raises:
        UserError: There is no such run, or it cannot be read.

    Example:
        >>> run = run_search("digits", trials=1, name="kept", workers=1, energy=False, progress=False)
        >>> load_run("kept").front.equals(run.front)
        True
    """
    return Run(read_run(find_run(str(name), Path(reports))))


def describe(
    backbone: str | nn.Module | Any,
    input_shape: tuple[int, ...],
    num_classes: int | None = None,
    arguments: Mapping[str, Any] | None = None,
    max_crossing_tensors: int = 1,
) -> Backbone:
    """What a backbone contains: split points, junctions with their legal densities, costs, refusals.

    Args:
        backbone: A module, a factory, or ``package.module:function``.
        input_shape: Of a sample, without batch.
        num_classes: Logits; found out from a module, 10 for a factory unless said.
        arguments: Of the factory.
        max_crossing_tensors: How many tensors a split point may send together.

    Raises:
        UserError: The factory cannot be called.

    Example:
        >>> net = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        >>> [point["name"] for point in describe(net, input_shape=(64,)).split_points]
        ['input', '1', 'output']
    """
    if num_classes is None:
        num_classes = _num_logits(backbone, input_shape) if isinstance(backbone, nn.Module) else 10
    factory = backbone if isinstance(backbone, str) else name_of(backbone)
    return describe_factory(
        factory, dict(arguments or {}), input_shape, num_classes, max_crossing_tensors=max_crossing_tensors
    )


def _num_logits(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    training = module.training
    try:
        with torch.no_grad(), user_code(f"{type(module).__name__}: a sample of shape {input_shape} fails"):
            return int(module.eval()(torch.zeros(1, *input_shape)).shape[-1])
    finally:
        module.train(training)


def _plain(space: str | Path | SearchSpace) -> str | SearchSpace:
    return space if isinstance(space, SearchSpace) else str(space)
