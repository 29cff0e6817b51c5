"""The report of a search that goes on."""

import threading
import time
from collections.abc import Callable
from typing import Self

import optuna

from explorer.engine.outcomes import Progress
from explorer.report.page import write_report
from explorer.runs.record import SearchReading
from explorer.runs.results import run_results
from explorer.runs.store import Store
from explorer.session.prepare import Session
from explorer.session.summary import summarised, trial_rows


class LiveReport:
    """Shows progress, and writes the report anew at intervals; the page reloads itself.

    Writing takes at most a tenth of the time, however long it takes. What became known just after one was
    written is in the next, an interval later, even if nothing ends meanwhile: a thread then writes it.

    Args:
        session: What is being searched.
        study: Its study.
        show: Shows progress otherwise.
        interval_s: Seconds between two reports, at least.

    Example:
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> session, study = prepare(Options(space="digits", run="tiny")), optuna.create_study()
        >>> session.folder.mkdir(parents=True)
        >>> with LiveReport(session, study, lambda progress: print(progress.trials), interval_s=0.0) as show:
        ...     show(Progress(7, 200, {}, 0, 12, 0.4, 2.5, None, 0.01, warning=""))
        7
        >>> [path.name for path in session.folder.glob("*.html")]
        ['report.html']
    """

    def __init__(
        self, session: Session, study: optuna.Study, show: Callable[[Progress], None], interval_s: float
    ) -> None:
        self.session, self.study, self.show, self.interval_s = session, study, show, interval_s
        self._next = time.perf_counter() + interval_s
        self._writing = threading.Lock()
        self._timer: threading.Timer | None = None
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Write nothing any more; what is being written is finished."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()

    def __call__(self, progress: Progress) -> None:
        """Show progress, and write the report when its time has come."""
        self.show(progress)
        if self._failure is not None:
            raise self._failure
        if (left_s := self._next - time.perf_counter()) <= 0:
            self._write(progress)
        elif self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(left_s, self._write_later, [progress])
            self._timer.start()

    def _write_later(self, progress: Progress) -> None:
        try:
            self._write(progress)
        except Exception as error:  # told by the next call, in the thread of the search
            self._failure = error

    def _write(self, progress: Progress) -> None:
        with self._writing:
            start, folder = time.perf_counter(), self.session.folder
            search = SearchReading(seconds=progress.elapsed_s, energy_reason="still searching")
            record = summarised(self.session, self.study, Store(folder)).model_copy(update={"search": search})
            results = run_results(folder, record, trial_rows(self.study))
            write_report(results, live_s=self.interval_s)
            end = time.perf_counter()
            self._next = end + max(self.interval_s, 9 * (end - start))
