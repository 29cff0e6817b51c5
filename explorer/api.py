"""The Python face: search, look at a run, select a point, load its network. ``import explorer`` shows it."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from explorer.data.dataset import DataSet
from explorer.engine.progress import make_reporter
from explorer.engine.storage.database import failures_explained
from explorer.front.select import Pick, Selection
from explorer.inspect.describe import Backbone
from explorer.inspect.describe import describe as describe_factory
from explorer.report.rebuild import rebuild_report
from explorer.runs.confirmed import Confirmed
from explorer.runs.deployment import load_run_data
from explorer.runs.folder import REPORTS, find_run
from explorer.runs.held_out import read_test_subset
from explorer.runs.record import RunRecord
from explorer.runs.results import RunResults
from explorer.runs.results import load_run as read_run
from explorer.runs.split_network import SplitNetwork, split_network
from explorer.session.confirm import confirm, points_to_confirm
from explorer.session.finish import finish
from explorer.session.options import Options
from explorer.session.prepare import owning
from explorer.session.run import search
from explorer.space.files import load_space as read_space
from explorer.space.files import space_from
from explorer.space.schema import SearchSpace
from explorer.utils.imports import name_of, user_code
from explorer.utils.threads import torch_threads

_SHOWN = ("backbone", "split_point", "confidence_threshold", "payload_bits")


class Run:
    """A run: its operating points, its front, and what can be done with them.

    Args:
        results: The run as tables.
        data: Its data set, where it was given in Python.
        interrupted: Whether the search was interrupted before its end.

    Attributes:
        results: The run as tables.
        interrupted: Whether the search was interrupted before its end.

    Example:
        >>> run = run_search("digits", trials=1, name="one", workers=1, energy=False, progress=False)
        >>> pick = run.select(where=["accuracy >= 0.5"], minimize="edge_macs")
        >>> pick.run_point.split_point
        'input'
        >>> logits, sent_bytes = run.load_network(pick)(run.load_data().validation.inputs[:3])
        >>> logits.shape
        torch.Size([3, 10])
    """

    def __init__(self, results: RunResults, data: DataSet | None = None, interrupted: bool = False) -> None:
        self.results, self.interrupted = results, interrupted
        self._data = data

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.results.path

    @property
    def record(self) -> RunRecord:
        """What the run was begun with, and what came of it: the contents of ``run.json``."""
        return self.results.record

    @property
    def front(self) -> pd.DataFrame:
        """The Pareto front: feasible operating points that no other dominates, best accuracy first."""
        return self.results.front

    @property
    def points(self) -> pd.DataFrame:
        """Every operating point, one row each."""
        return self.results.points

    @property
    def trials(self) -> pd.DataFrame:
        """Every proposal, failed ones included, one row each."""
        return self.results.trials

    def select(
        self,
        *,
        where: Sequence[str] = (),
        relax: bool = False,
        fit: bool | None = None,
        assured: bool = False,
        indifferent: bool = False,
        fully_trained: bool = False,
        objectives: Sequence[str] = (),
        ideal: bool = False,
        weights: Mapping[str, float] | None = None,
        minimize: str | None = None,
        maximize: str | None = None,
        point_id: str | None = None,
    ) -> Pick:
        """Select one operating point, as ``explorer pick`` and the report do; the knee unless told otherwise.

        Args:
            where: Constraints such as ``accuracy >= 0.95`` or ``edge_memory_bytes <= 64 KiB``.
            relax: Leave the constraints that the run's space names out.
            fit: Whether points must fit the memory of the edge device; as the run's space says where None.
            assured: Ask the lower end of its interval for every accuracy that is asked for.
            indifferent: Take the cheapest point of the front instead whose accuracy does not differ, by
                McNemar's exact test on the validation samples.
            fully_trained: Only networks trained for all their epochs.
            objectives: Columns that span the front; the run's where empty.
            ideal: Closest to the best value of every objective.
            weights: Weight per objective, 1 where not given.
            minimize: The feasible point with the smallest value of a column.
            maximize: The feasible point with the largest value of a column.
            point_id: This very point.

        Raises:
            UserError: Unknown id or column, or no point satisfies the constraints.
        """
        return self.results.select(
            Selection(
                where=where,
                relax=relax,
                fit=fit,
                assured=assured,
                indifferent=indifferent,
                fully_trained=fully_trained,
                objectives=objectives,
                ideal=ideal,
                weights=weights or {},
                minimize=minimize,
                maximize=maximize,
                point_id=point_id,
            )
        )

    def with_setting(
        self,
        *,
        edge: str | None = None,
        server: str | None = None,
        link: str | None = None,
        protocol: str | None = None,
        deadline_s: float | None = None,
        changes: Mapping[str, float] | None = None,
    ) -> "Run":
        """The run on other devices or another link: latency, energy and front anew, without training.

        Args:
            edge: A shipped profile or a YAML file in place of the run's edge device.
            server: In place of its server.
            link: In place of its link.
            protocol: Which messages carry payloads: ``http``, ``frame`` or ``none``.
            deadline_s: Seconds after which an answer is late, for the column ``deadline_missed``.
            changes: Single quantities, such as ``{"link.rtt_s": 0.5}``.

        Raises:
            UserError: Unknown profile, protocol or quantity, or a value that is not legal.
        """
        texts = [f"{name}={value!r}" for name, value in (changes or {}).items()]
        others = self.results.setting.with_profiles(edge, server, link, protocol, deadline_s)
        setting = others.with_changes(texts)
        return Run(self.results.with_setting(setting), self._data, self.interrupted)

    def load_data(self, data_dir: str | Path | None = None) -> DataSet:
        """The data set of the run; ``data_dir`` is where its files lie.

        Raises:
            UserError: It cannot be read, or is another now.
        """
        if self._data is None:
            self._data = load_run_data(self.results, None if data_dir is None else Path(data_dir))
        return self._data

    def load_network(self, pick: Pick, data_dir: str | Path | None = None) -> SplitNetwork:
        """The trained network of a point, cut where the point says: edge part, codec, server part.

        Raises:
            UserError: Its weights were dropped, or what is built is not what was trained.
        """
        data = self.load_data(data_dir)
        return split_network(self.results.path, pick.network_key, pick.run_point, data)

    def test(self, pick: Pick, data_dir: str | Path | None = None) -> dict[str, Any]:
        """Accuracy and exit rate of a point on the test subset, with the accuracy's 95 % interval.

        The search never reads this subset. Look once: a point selected by it is no longer judged by it. How
        many points it was read for is counted in the run, and is ``reads`` here; ``warnings`` are sentences.
        """
        return read_test_subset(self.results, pick, self.load_data(data_dir))

    def confirm(
        self,
        *,
        top: int = 10,
        ids: Sequence[str] = (),
        seeds: int = 3,
        workers: int | None = None,
        device: str = "auto",
        data_dir: str | Path | None = None,
    ) -> list[Confirmed]:
        """Train points anew with other seeds, as ``explorer confirm`` does, and write ``confirmed.json``.

        Args:
            top: So many points of the front, the most accurate ones.
            ids: These points instead.
            seeds: Trainings of each network.
            workers: Trainings at a time.
            device: Where to train, as of :func:`run_search`.
            data_dir: Where data files lie.

        Returns:
            One entry per point: mean, deviation, and whether the point was lucky.

        Raises:
            UserError: There is no such point, or the run cannot be gone on with.
        """
        data = self.load_data(data_dir)
        points = points_to_confirm(self.results, top, ids)
        options = Options.of_run(self.path, data=data, workers=workers, device=device)
        with torch_threads(options.threads):
            return confirm(self.results, points, options, seeds)

    def deploy(self, pick: Pick, folder: str | Path, data_dir: str | Path | None = None) -> Path:
        """Write a bundle of a point, proven to do what was trained; returns its folder.

        Raises:
            UserError: The folder exists, the weights were dropped, or a part cannot be exported.
            NotEquivalentError: The bundle does not do what the stored network does; nothing was written.
        """
        from explorer.deploy.bundle import Source, build_bundle  # slow to import; few need it
        from explorer.deploy.plan import row_of

        source = Source.of_run(self.results, pick.network_key, self.load_data(data_dir))
        return build_bundle(source, [row_of(pick)], Path(folder)).folder

    def report(self) -> Path:
        """Write the run's HTML report anew; returns the file."""
        return rebuild_report(self.path)[1]

    def __repr__(self) -> str:
        points = f"{len(self.points):,} operating points, {len(self.front)} on the front"
        return f"<Run {self.path.name}: {len(self.trials)} trials, {points}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the front, best accuracy first."""
        objectives = [metric.name for metric in self.results.objectives]
        columns = list(dict.fromkeys(["accuracy", *objectives, *_SHOWN]))
        table: str = self.front[columns].to_html(index=False, max_rows=20)
        return f"<p>{_escaped(repr(self))}</p>{table}"


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
            :func:`explorer.data.claims.max_data_bytes`.
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


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
