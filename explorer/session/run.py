"""Run a prepared search: open its storage and its pool, loop, and note what the session took."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import Any

import optuna

from explorer.costs.model import CostModel
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import Progress
from explorer.engine.proposals import Proposer
from explorer.engine.storage.open import Opened, opening
from explorer.errors import UserError
from explorer.measure.energy import EnergyMeter, EnergyReading
from explorer.runs.deployment import check_factories
from explorer.runs.record import RUN_FILE, RungResults, SessionReading
from explorer.runs.store import Store
from explorer.session.live import LiveReport
from explorer.session.options import Options
from explorer.session.pool import check_workers, device_name, open_pool
from explorer.session.prepare import Session


def search(session: Session, options: Options, show: Callable[[Progress], None]) -> tuple[optuna.Study, bool]:
    """Run the search.

    Args:
        session: What to search.
        options: What was asked for.
        show: Is told where the search stands.

    Returns:
        The study, and whether the search was interrupted.

    Example:
        >>> from explorer.session.prepare import prepare
        >>> options = Options(space="digits", run="tiny", trials=2, workers=1)
        >>> study, interrupted = search(prepare(options), options, show=lambda progress: None)
        >>> [trial.user_attrs["reference"] for trial in study.trials], interrupted
        (['small_dense', 'large_sparse'], False)
    """
    check_workers(session, options)
    record, interrupted = session.record, False
    meter = EnergyMeter()
    with (
        _begun(session) as keep,
        _opened(session) as opened,
        open_pool(session, options) as pool,
        _live(session, options, opened.study, show) as show,
        meter,
    ):
        loop = SearchLoop(
            study=opened.study,
            proposer=Proposer(session.inventory, _data_identity(session), record.encoding),
            store=Store(session.folder),
            costs=CostModel(session.setting),
            pool=pool,
            rung_epochs=session.rung_epochs,
            sampler=record.sampler,
            seed=record.seed,
            prefer=record.prefer,
            locks=opened.locks,
            sync=opened.sync,
            trained_to=record.trained_to,
        )
        check_factories(loop.networks.store, session.data)
        keep()
        try:
            loop.run(record.trials_asked, options.timeout_s, show)
        except KeyboardInterrupt:
            interrupted = True
    record.exhausted = loop.exhausted
    record.hypervolume = loop.networks.archive.hypervolume
    record.rung_results = RungResults.model_validate(loop.networks.rungs.summary())
    record.promotions += loop.promotions
    elsewhere = ["workers of a cluster"] * (not pool.under_this_process)
    elsewhere += ["other processes of the study"] * (opened.sync.taken > 0)
    reading = asdict(_honest(meter.reading, elsewhere)) | loop.study.suggest_times.summary()
    record.sessions.append(SessionReading.model_validate(reading | {"device": device_name(options)}))
    return opened.study, interrupted


def _live(
    session: Session, options: Options, study: optuna.Study, show: Callable[[Progress], None]
) -> AbstractContextManager[Callable[[Progress], None]]:
    if options.live_s is None:
        return nullcontext(show)
    return LiveReport(session, study, show, options.live_s)


def _data_identity(session: Session) -> dict[str, Any]:
    """What tells the training subset from others; part of every network's key."""
    data = session.space.data
    identity: dict[str, Any] = {"source": data.source, "fingerprint": session.data.fingerprint}
    if data.normalise != "train":  # at the default, as of a spec, nothing is said
        identity["normalise"] = data.model_dump(mode="json")["normalise"]
    return identity


def _honest(reading: EnergyReading, elsewhere: list[str]) -> EnergyReading:
    """The reading, without its energy where some was spent elsewhere."""
    if not elsewhere:
        return reading
    reason = f"trained in {' and '.join(elsewhere)}, which codecarbon misses"
    return replace(reading, energy_j=None, memory_j=None, reason=reason)


@contextmanager
def _begun(session: Session) -> Iterator[Callable[[], None]]:
    """Write the run's record; a new run that is refused before it is told to be kept leaves nothing."""
    folder, kept = session.folder, (session.folder / RUN_FILE).exists()

    def keep() -> None:
        nonlocal kept
        kept = True

    folder.mkdir(parents=True, exist_ok=True)
    try:
        session.record.write(folder)  # first: a run that is killed now can be resumed
        yield keep
    except (UserError, OSError):
        if not kept:
            shutil.rmtree(folder)
        raise


def _opened(session: Session) -> AbstractContextManager[Opened]:
    metrics, store = session.space.metrics, Store(session.folder)
    return opening(session.storage, session.record.study, metrics, session.begun_with, store)
