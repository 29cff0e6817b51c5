"""Where a session's networks are trained: in this process, in local workers, or on a Dask cluster."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.data.dataset import Subset
from explorer.engine.pool.auto import AutoPool, workers_per_machine
from explorer.engine.pool.base import Pool, SerialPool
from explorer.engine.pool.child import Limits
from explorer.errors import UserError
from explorer.session.options import Options
from explorer.session.prepare import Session
from explorer.utils.imports import is_given

if TYPE_CHECKING:
    from explorer.engine.pool.dask import DaskPool


def check_workers(session: Session, options: Options) -> None:
    """Refuse workers for what only this process has.

    Raises:
        UserError: A factory was given as an object, and trainings were asked for elsewhere.

    Example:
        >>> from explorer.session.prepare import prepare
        >>> check_workers(prepare(Options(run="some")), Options(workers=2))  # factories that can be imported
    """
    limits = (options.time_limit_s, options.memory_limit_bytes)
    elsewhere = options.scheduler is not None or limits != (None, None) or (options.workers or 1) > 1
    if elsewhere and (given := _given_objects(session)):
        raise UserError(
            f"{given[0]!r} was given as an object in Python, which worker processes do not have; put it into "
            "a module that they can import, or use one worker without limits"
        )


def _given_objects(session: Session) -> list[str]:
    """Factories that only this process has."""
    names = (backbone.factory for backbone in session.space.backbones.values())
    return [name for name in names if is_given(name)]


def open_pool(
    session: Session, options: Options, other_seeds: bool = False
) -> Pool[TrainingTask, EvaluatedNetwork]:
    """Open the pool that was asked for; workers get the data once, without the test subset.

    Args:
        session: What is trained.
        options: What was asked for.
        other_seeds: Seeds are not those of the space: what factories built for these says nothing then.

    Example:
        >>> from explorer.session.prepare import prepare
        >>> options = Options(space="digits", workers=1)
        >>> with open_pool(prepare(options), options) as pool:
        ...     pool.slots, pool.under_this_process
        (1, True)
    """
    test = session.data.test
    data = replace(session.data, test=Subset(test.inputs[:0].clone(), test.labels[:0].clone()))
    work = partial(
        evaluate_network,
        data=data,
        inference_config=session.space.inference_config,
        signatures=None if other_seeds else session.inventory.signatures,
    )
    limits = Limits(options.time_limit_s, options.memory_limit_bytes)
    workers = options.workers or workers_per_machine(options.threads)

    def open_workers() -> "DaskPool[TrainingTask, EvaluatedNetwork]":
        from explorer.engine.pool.dask import DaskPool

        return DaskPool(
            work,
            workers=workers,
            threads=options.threads,
            limits=limits,
            scheduler=options.scheduler,
            resources=options.resources,
        )

    if options.scheduler is not None or limits != Limits():
        return open_workers()
    if workers == 1 or _given_objects(session):
        return SerialPool(work)
    if options.workers is not None:
        return open_workers()

    def open_ready_workers() -> Pool[TrainingTask, EvaluatedNetwork]:
        pool = open_workers()
        pool.wait_until_ready()
        return pool

    return AutoPool(work, open_ready_workers, session.record.trials_asked)
