"""A run in Python: its operating points and its front, and what can be done with them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from explorer.data.dataset import DataSet
from explorer.front.select import Pick, Selection
from explorer.report.rebuild import rebuild_report
from explorer.runs.confirmed import Confirmed
from explorer.runs.deployment import load_run_data
from explorer.runs.held_out import read_test_subset
from explorer.runs.record import RunRecord
from explorer.runs.results import RunResults
from explorer.runs.split_network import SplitNetwork, split_network
from explorer.session.confirm import confirm, points_to_confirm
from explorer.session.options import Options
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
        >>> from explorer import run_search
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
            device: Where to train, as of :func:`explorer.api.run_search`.
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


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
