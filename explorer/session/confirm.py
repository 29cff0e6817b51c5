"""Train chosen networks of a run anew with other seeds, in the search's own pool.

Initial weights, order of the samples and placement of kept connections follow from the seed. Everything else
stays: data, recipe, split point, payload bits, and the threshold, which is not tuned again.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pandas as pd

from explorer.core.quality import Quality
from explorer.core.run_point import RunPoint
from explorer.core.sweep import outcome_at
from explorer.core.training import TrainingFailedError
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.engine.pool.base import Pool
from explorer.errors import UserError
from explorer.report.rebuild import rebuild_report
from explorer.runs.confirmed import Confirmed, write_confirmed
from explorer.runs.deployment import check_factories
from explorer.runs.results import RunResults
from explorer.runs.store import Store
from explorer.session.options import Options
from explorer.session.pool import check_workers, open_pool
from explorer.session.prepare import Session, prepare
from explorer.space.candidate import NetworkSpec

Seeds = Sequence[int]


def points_to_confirm(results: RunResults, top: int, ids: Sequence[str] = ()) -> pd.DataFrame:
    """The points asked for by id, else the most accurate ones of the front.

    Raises:
        UserError: There is no point of an id, or the front has none.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="asked", workers=1, energy=False, progress=False)
        >>> points_to_confirm(run.results, top=2)["point_id"].tolist() == run.front["point_id"].tolist()[:2]
        True
    """
    if not ids:
        if results.front.empty:
            raise UserError(f"{results.path}: the front of this run has no operating point")
        return results.front.head(top)
    known = results.points.set_index("point_id", drop=False)
    if unknown := [name for name in ids if name not in known.index]:
        raise UserError(f"--ids: no operating point {unknown[0]!r} in this run")
    return known.loc[list(ids)]


def confirm(
    results: RunResults,
    points: pd.DataFrame,
    options: Options,
    seeds: int,
    show: Callable[[str], None] = lambda line: None,
) -> list[Confirmed]:
    """Train the networks of points with the seeds that follow the run's, and write what came of it.

    Args:
        results: The run.
        points: Rows of ``results.points``.
        options: Of the run, see :meth:`explorer.session.options.Options.of_run`.
        seeds: How many trainings of each network, at least 1.
        show: Is told of each training that ended.

    Returns:
        One entry per point, as in ``confirmed.json``; the report is written anew, too.

    Raises:
        UserError: The run cannot be gone on with, or its data are others now.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="anew", workers=1, energy=False, progress=False)
        >>> points = points_to_confirm(run.results, top=1)
        >>> found, = confirm(run.results, points, Options.of_run(run.path, workers=1), seeds=1)
        >>> (run.path / "confirmed.json").exists(), found.seeds
        (True, (1,))
    """
    session = prepare(options)
    first = session.space.recipe.seed + 1
    found = confirmed(session, options, results, points, range(first, first + seeds), show)
    write_confirmed(results.path, found)
    rebuild_report(results.path)
    return found


def confirmed(
    session: Session,
    options: Options,
    results: RunResults,
    points: pd.DataFrame,
    seeds: Seeds,
    show: Callable[[str], None] = lambda line: None,
) -> list[Confirmed]:
    """Train the networks of points with other seeds, and hold each point against what comes of it.

    Args:
        session: Of the run, prepared to go on with.
        options: Workers and their limits.
        results: The run.
        points: Rows of ``results.points``.
        seeds: Of the trainings; the run's own would train the same network again.
        show: Is told of each training that ended.

    Example:
        >>> from explorer import run_search
        >>> from explorer.session.prepare import prepare
        >>> run = run_search("digits", trials=1, name="seeds", workers=1, energy=False, progress=False)
        >>> options = Options(run="seeds", resume=True, workers=1)
        >>> points = points_to_confirm(run.results, top=1)
        >>> found, = confirmed(prepare(options), options, run.results, points, seeds=[1, 2])
        >>> found.seeds, len(found.accuracies), 0 < found.mean < 1
        ((1, 2), 2, True)
    """
    check_workers(session, options)
    check_factories(Store(session.folder), session.data)
    specs = {key: results.networks[key].spec for key in dict.fromkeys(points["network_key"])}
    asked = {(key, seed): with_seed(spec, seed) for key, spec in specs.items() for seed in seeds}
    with open_pool(session, options, other_seeds=True) as pool:
        dense = {own.dense.key: own.dense for own in asked.values() if own.dense is not None}
        starts = _trained(
            {key: TrainingTask(own, own.recipe.total_epochs) for key, own in dense.items()}, pool, show
        )
        tasks, failed = {}, {}
        for which, spec in asked.items():
            start = None if spec.dense is None else starts[spec.dense.key]
            if isinstance(start, str):
                failed[which] = f"the dense network it needs failed: {start}"
            else:
                weights = None if start is None else start.weights
                tasks[which] = TrainingTask(spec, spec.recipe.total_epochs, dense=weights)
        trained = _trained(tasks, pool, show) | failed
    quality = results.record.quality
    return [_held_against(row, seeds, trained, quality) for row in points.to_dict("records")]


def with_seed(spec: NetworkSpec, seed: int) -> NetworkSpec:
    """The same network, trained with another seed.

    Example:
        >>> from explorer.space.files import load_space
        >>> how = ("explorer.backbones:mlp", '{"hidden": [8]}', "block", (), 64)
        >>> spec = NetworkSpec("mlp", *how, load_space("digits")[0].recipe, '{"source": "digits"}')
        >>> with_seed(spec, 3).recipe.seed, with_seed(spec, 0) == spec
        (3, True)
    """
    return replace(spec, recipe=replace(spec.recipe, seed=seed))


def _trained(
    tasks: dict[Any, TrainingTask],
    pool: Pool[TrainingTask, EvaluatedNetwork],
    show: Callable[[str], None],
) -> dict[Any, EvaluatedNetwork | str]:
    """What came of each task: a network, or why there is none."""
    futures: dict[Any, Future[EvaluatedNetwork]] = {which: pool.submit(task) for which, task in tasks.items()}
    found: dict[Any, EvaluatedNetwork | str] = {}
    for number, (which, future) in enumerate(futures.items(), start=1):
        try:
            found[which] = future.result()
        except TrainingFailedError as error:
            found[which] = str(error)
        show(f"[{number}/{len(futures)}] {tasks[which].spec.backbone}, seed {tasks[which].spec.recipe.seed}")
    return found


def _held_against(
    row: Mapping[Any, Any], seeds: Seeds, trained: dict[Any, EvaluatedNetwork | str], quality: Quality
) -> Confirmed:
    point, key = RunPoint.from_row(row), row["network_key"]
    networks = {seed: trained[key, seed] for seed in seeds}
    known = {
        seed: next(each for each in own.evidences if each.has(point))
        for seed, own in networks.items()
        if not isinstance(own, str)
    }
    outcomes = [(outcome_at(own, point), own.num_samples) for own in known.values()]
    return Confirmed(
        point_id=row["point_id"],
        accuracy=row[quality.name],
        accuracy_ci95_low=row[f"{quality.name}_ci95_low"],
        seeds=tuple(known),
        accuracies=tuple(outcome.earned[quality.credit] / count for outcome, count in outcomes),
        exit_rates=tuple(outcome.exited / count for outcome, count in outcomes),
        failures=tuple(own for own in networks.values() if isinstance(own, str)),
        quality=quality.name,
    )
