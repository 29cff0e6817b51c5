"""The end of a session: measure the parts on the front, then write record, front and report."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import optuna
import pandas as pd

from explorer.core.failures import failing_alone
from explorer.core.sweep import is_deployable
from explorer.core.training import TrainingFailedError
from explorer.data.dataset import DataSet
from explorer.measure.budget import seconds_to_measure
from explorer.measure.jpeg import is_image, jpeg_rows
from explorer.measure.parts import measure_parts, parts_to_measure
from explorer.report.index import write_index
from explorer.report.page import write_report
from explorer.runs.chosen import run_optimism
from explorer.runs.deployment import restored
from explorer.runs.front_files import write_front
from explorer.runs.results import RunResults, lost_networks, run_results
from explorer.runs.sealed import write_sealed
from explorer.runs.store import Store
from explorer.runs.summaries import BASELINES_FILE, MEASUREMENTS_FILE, TRIALS_FILE, write_rows
from explorer.session.learned import learned_or_why_not
from explorer.session.options import Options
from explorer.session.prepare import Session
from explorer.session.summary import summarised, trial_rows

ENERGY_SECONDS = 0.2  # the shortest that gives a stable figure, see explorer.measure.energy


def finish(
    session: Session,
    options: Options,
    study: optuna.Study,
    show: Callable[[int, int], None] = lambda done, of: None,
) -> RunResults:
    """Measure the parts on the front and write trials, measurements, run record, front and report.

    ``show`` is told how many of how many parts are measured.

    Example:
        >>> from explorer.session.prepare import prepare
        >>> from explorer.session.run import search
        >>> options = Options(space="digits", run="tiny", trials=2, workers=1, energy=False)
        >>> session = prepare(options)
        >>> study, _ = search(session, options, show=lambda progress: None)
        >>> results = finish(session, options, study)
        >>> sorted(path.name for path in results.path.glob("*.*") if "study" not in path.name)
        ['baselines.json', 'front.csv', 'front.json', 'measurements.json', 'report.html', 'run.json',
         'trials.json']
    """
    folder, store = session.folder, Store(session.folder)
    rows = trial_rows(study)
    write_rows(folder / TRIALS_FILE, rows)
    record = summarised(session, study, store)
    record.write(folder)
    so_far = run_results(folder, record, rows)
    record.notes += [
        f"network {key} was damaged, and is trained anew when the search goes on: its points are missing"
        for key in lost_networks(so_far.trials, so_far.networks)
    ]
    points = so_far.points
    thresholds = session.space.confidence_thresholds
    record.optimism = run_optimism(so_far, thresholds.low, thresholds.high)
    record.learned, why_not = learned_or_why_not(session, study, so_far)
    record.notes += [why_not] if why_not else []
    write_rows(folder / BASELINES_FILE, _baselines(points, store, session.data))
    parts = [part for part in parts_to_measure(points) if store.has_weights(part[0])]
    energy_seconds = ENERGY_SECONDS if options.energy else 0.0
    budget_s = seconds_to_measure(sum(own.seconds for own in record.sessions))
    measured = measure_parts(
        parts, store, session.data, energy_seconds=energy_seconds, budget_s=budget_s, show=show
    )
    write_sealed(folder / MEASUREMENTS_FILE, measured)
    failures = measured["conditions"]["failures"]
    record.notes += [f"{key} was not measured: {reason}" for key, reason in failures.items()]
    if late := measured["conditions"]["unmeasured"]:
        record.notes.append(
            f"{late} of {len(parts)} parts on the front were not measured: measuring takes at most a quarter "
            f"of the search's time, here {budget_s:.0f} s"
        )
    if not options.keep_weights:
        for key in set(store) - {key for key, *_ in parts} - _starts(session, store):
            store.drop_weights(key)
    record.counts |= {
        "operating_points": int(is_deployable(points).sum()),
        "front": int(points["on_front"].sum()),
    }
    record.write(folder)
    results = run_results(folder, record, rows)
    write_front(results)
    write_report(results)
    write_index(options.reports)
    return results


def _starts(session: Session, store: Store) -> set[str]:
    """Networks that others start or learn from, whose weights are kept: the search may be resumed."""
    if not session.space.training.dense_first:
        return set()
    return {key for key in store if not store.read_spec(key).is_sparse}


def _baselines(points: pd.DataFrame, store: Store, data: DataSet) -> list[dict[str, Any]]:
    """Compress-and-offload with the networks that run on the server as a whole; for images only."""
    on_server = points.loc[points["reference"].str.contains("all_server"), "network_key"].unique()
    rows: list[dict[str, Any]] = []
    for key in on_server if is_image(data.input_shape) else ():
        if store.has_weights(key):
            with suppress(TrainingFailedError), failing_alone():  # measuring it again will say why
                rows += jpeg_rows(key, restored(store, key, data), data)
    return rows
