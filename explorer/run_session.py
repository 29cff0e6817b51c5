"""The two halves of a session after it is prepared: run the search, then measure and write the results."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import optuna
import pandas as pd

from explorer.core.training import TrainingFailedError
from explorer.data import DataSet, Subset
from explorer.engine.auto_pool import AutoPool, workers_per_machine
from explorer.engine.child import Limits
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import Progress
from explorer.engine.pool import Pool, SerialPool
from explorer.engine.proposals import Proposer
from explorer.engine.sharing import Opened, opening
from explorer.errors import UserError
from explorer.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.failures import failing_alone
from explorer.files import write_json
from explorer.jpeg import is_image, jpeg_rows
from explorer.measure import check_factories, measure_parts, parts_to_measure, restored
from explorer.profile.energy import EnergyMeter
from explorer.report.index import write_index
from explorer.report.page import write_report
from explorer.results import (
    BASELINES_FILE,
    MEASUREMENTS_FILE,
    RUN_FILE,
    TRIALS_FILE,
    RunResults,
    is_deployable,
    load_run,
    run_results,
    write_front,
)
from explorer.session import Options, Session
from explorer.session_record import session_summary, trial_rows
from explorer.store import Store

if TYPE_CHECKING:
    from explorer.engine.workers import DaskPool

ENERGY_SECONDS = 0.25


def open_pool(session: Session, options: Options) -> Pool[TrainingTask, EvaluatedNetwork]:
    """Where this session's networks are trained; workers get the data once, without the test subset."""
    test = session.data.test
    data = replace(session.data, test=Subset(test.inputs[:0].clone(), test.labels[:0].clone()))
    work = partial(
        evaluate_network,
        data=data,
        readout=session.space.readout,
        signatures=session.inventory.signatures,
    )
    limits = Limits(options.time_limit_s, options.memory_limit_bytes)
    workers = options.workers or workers_per_machine(options.threads)

    def open_workers() -> "DaskPool[TrainingTask, EvaluatedNetwork]":
        from explorer.engine.workers import DaskPool

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
    if workers == 1:
        return SerialPool(work)
    if options.workers is not None:
        return open_workers()

    def open_ready_workers() -> Pool[TrainingTask, EvaluatedNetwork]:
        pool = open_workers()
        pool.wait_until_ready()
        return pool

    return AutoPool(work, open_ready_workers, session.trials)


def search(
    session: Session, options: Options, loop_report: Callable[[Progress], None]
) -> tuple[optuna.Study, bool]:
    """Run the search; returns the study and whether it was interrupted."""
    identity: dict[str, Any] = {
        "source": session.space.data.source,
        "fingerprint": session.data.fingerprint,
    }
    if session.space.data.normalise != "train":  # as long as it is, keys are those of earlier runs
        identity["normalise"] = session.space.model_dump(mode="json")["data"]["normalise"]
    proposer = Proposer(session.inventory, identity, session.record["encoding"])
    meter = EnergyMeter()
    with _begun(session) as opened, open_pool(session, options) as pool, meter:
        if options.live_s is not None:
            loop_report = LiveReport(session, opened.study, loop_report, options.live_s)
        loop = SearchLoop(
            study=opened.study,
            proposer=proposer,
            store=Store(session.folder),
            setting=session.setting,
            pool=pool,
            rung_epochs=session.rung_epochs,
            sampler=session.record["sampler"],
            seed=session.record["seed"],
            claims=opened.claims,
            exchange=opened.exchange,
        )
        check_factories(loop.networks.store, session.data)
        interrupted = False
        try:
            loop.run(session.trials, options.timeout_s, loop_report)
        except KeyboardInterrupt:
            interrupted = True
    session.record["exhausted"] = loop.exhausted
    session.record["hypervolume"] = loop.networks.archive.hypervolume
    session.record["rung_results"] = loop.networks.rungs.summary()
    session.record.setdefault("promotions", []).extend(map(asdict, loop.promotions))
    reading = meter.reading
    where = ["worker processes"] * (not pool.in_this_process)
    where += ["other processes of the study"] * (opened.exchange.taken > 0)
    if where:
        reason = f"trained in {' and '.join(where)}, which codecarbon misses"
        reading = replace(reading, energy_j=None, reason=reason)
    session.record["sessions"].append(asdict(reading) | loop.suggest_times.summary())
    return opened.study, interrupted


@contextmanager
def _begun(session: Session) -> Iterator[Opened]:
    """Open the study and write the run's record; a new run whose storage cannot be used leaves nothing."""
    folder, known = session.folder, session.folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / RUN_FILE, session.record)  # first: a run that is killed now can be resumed
    begun = False
    try:
        with opening(
            session.storage, session.study, session.space.metrics, session.begun_with, Store(folder)
        ) as opened:
            begun = True
            yield opened
    except UserError:
        if not known and not begun:
            shutil.rmtree(folder)
        raise


class LiveReport:
    """Shows progress, and writes the report anew at intervals; the page reloads itself.

    Writing takes at most a tenth of the time, however long it takes.

    Args:
        session: What is being searched.
        study: Its study.
        show: Shows progress otherwise.
        interval_s: Seconds between two reports, at least.
    """

    def __init__(
        self, session: Session, study: optuna.Study, show: Callable[[Progress], None], interval_s: float
    ) -> None:
        self.session, self.study, self.show, self.interval_s = session, study, show, interval_s
        self._next = time.perf_counter() + interval_s

    def __call__(self, progress: Progress) -> None:
        self.show(progress)
        if (start := time.perf_counter()) < self._next:
            return
        folder = self.session.folder
        search = {"seconds": progress.elapsed_s, "energy_j": None, "energy_reason": "still searching"}
        summary = session_summary(self.session, self.study, Store(folder)) | {"search": search}
        results = run_results(folder, self.session.record | summary, trial_rows(self.study))
        write_report(results, self.study, live_s=self.interval_s)
        end = time.perf_counter()
        self._next = end + max(self.interval_s, 9 * (end - start))


def finish(session: Session, options: Options, study: optuna.Study) -> RunResults:
    """Measure the parts on the front and write trials, measurements, run record, front and report."""
    folder, record, store = session.folder, session.record, Store(session.folder)
    write_json(folder / TRIALS_FILE, trial_rows(study))
    record |= session_summary(session, study, store)
    write_json(folder / RUN_FILE, record)
    points = load_run(folder).points
    write_json(folder / BASELINES_FILE, _baselines(points, store, session.data))
    parts = [part for part in parts_to_measure(points) if store.has_weights(part[0])]
    energy_seconds = ENERGY_SECONDS if options.energy else 0.0
    measured = measure_parts(parts, store, session.data, energy_seconds=energy_seconds)
    write_json(folder / MEASUREMENTS_FILE, measured)
    failures = measured["conditions"]["failures"]
    record["notes"] += [f"{key} was not measured: {reason}" for key, reason in failures.items()]
    if not options.keep_weights:
        for key in set(store) - {key for key, *_ in parts}:
            store.drop_weights(key)
    record["counts"] |= {
        "operating_points": int(is_deployable(points).sum()),
        "front": int(points["on_front"].sum()),
    }
    write_json(folder / RUN_FILE, record)
    results = load_run(folder)
    write_front(results)
    write_report(results, study)
    write_index(options.reports)
    return results


def _baselines(points: pd.DataFrame, store: Store, data: DataSet) -> list[dict[str, Any]]:
    """Compress-and-offload with the networks that run on the server as a whole; for images only."""
    on_server = points.loc[points["reference"].str.contains("all_server"), "network_key"].unique()
    rows: list[dict[str, Any]] = []
    for key in on_server if is_image(data.input_shape) else ():
        if store.has_weights(key):
            with suppress(TrainingFailedError), failing_alone():  # measuring it again will say why
                rows += jpeg_rows(key, restored(store, key, data), data)
    return rows
