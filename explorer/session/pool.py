"""Where a session's networks are trained: in this process, in local workers, or on a Dask cluster."""

from functools import partial
from typing import TYPE_CHECKING, Any

from explorer.core.device import chosen_device, described, gpus_of
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.data.dataset import DataSet
from explorer.engine.pool.auto import AutoPool, workers_per_machine
from explorer.engine.pool.base import Pool, SerialPool
from explorer.engine.pool.child import Limits
from explorer.engine.pool.scratch import remove_abandoned
from explorer.errors import UserError
from explorer.session.options import Options
from explorer.session.prepare import Session
from explorer.utils.imports import is_given

if TYPE_CHECKING:
    from explorer.engine.pool.dask import DaskPool

# Small networks do not fill a GPU; `benchmarks.gpu` measures what other numbers give.
WORKERS_PER_GPU = 4
SENT_BYTES = 2**31  # samples that are sent to a cluster; more must lie in files that its machines share


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

    Temporary files of searches that were killed are removed before.

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
    remove_abandoned()
    data = session.data.without_test()
    work = partial(
        evaluate_network,
        data=data,
        inference_config=session.space.inference_config,
        signatures=None if other_seeds else session.inventory.signatures,
        device=options.device,
    )
    limits = Limits(options.time_limit_s, options.memory_limit_bytes)
    gpus = gpus_of(options.device) if options.scheduler is None else ()
    cores = workers_per_machine(options.threads)
    per_gpu = options.workers or min(WORKERS_PER_GPU, max(1, cores // max(1, len(gpus))))
    workers = per_gpu * len(gpus) if gpus else options.workers or cores

    def open_workers() -> "DaskPool[TrainingTask, EvaluatedNetwork]":
        from explorer.engine.pool.dask import DaskPool

        return DaskPool(
            partial(work, **_for_workers(data, options, gpus)),
            workers=workers,
            threads=options.threads,
            limits=limits,
            scheduler=options.scheduler,
            resources=options.resources,
            gpus=gpus,
        )

    if options.scheduler is not None or limits != Limits():
        return open_workers()
    if options.workers == 1 or workers == 1 or _given_objects(session):
        return SerialPool(work)
    if options.workers is not None:
        return open_workers()

    def open_ready_workers() -> Pool[TrainingTask, EvaluatedNetwork]:
        pool = open_workers()
        pool.wait_until_ready()
        return pool

    return AutoPool(work, open_ready_workers, session.record.trials_asked)


def _for_workers(data: DataSet, options: Options, gpus: tuple[str, ...]) -> dict[str, Any]:
    """What worker processes are told otherwise: each sees one GPU, and a cluster has not our files."""
    if options.scheduler is None:
        return {"device": "cuda" if gpus else "cpu"}
    return {"data": data.compact()} if data.sample_bytes <= SENT_BYTES else {}


def device_name(options: Options) -> str:
    """Where a session trains, for its record.

    Example:
        >>> device_name(Options(device="cpu")), device_name(Options(scheduler="tcp://host:8786"))
        ('cpu', 'auto, as each worker has it')
    """
    if options.scheduler is not None:
        return f"{options.device}, as each worker has it"
    return described(chosen_device(options.device))
