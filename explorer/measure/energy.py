"""Joules that this machine spends on a piece of work, as codecarbon estimates or measures them.

What codecarbon knows depends on the machine: a processor's own energy counter (RAPL), or the processor's
rated power times the load, or what codecarbon assumes where it does not know the processor; for memory a
constant, estimated from its size. A reading says which, and what of it is the memory's. The load is counted
in clock ticks of the operating system, usually 10 ms, so short work must be repeated for 0.2 s or more.
"""

import _thread
import importlib.metadata
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar

from codecarbon import OfflineEmissionsTracker

T = TypeVar("T")

_JOULES_PER_KWH = 3.6e6
_NAME = f"codecarbon {importlib.metadata.version('codecarbon')}"
_PATIENCE_S = 60.0  # in which codecarbon must start or stop; it detects hardware within seconds
_COUNTRY = "FRA"  # codecarbon wants one for the CO2 figure, which is not used

# How codecarbon gets a processor's power, by the mode it chose for this machine.
_CPU_MODES = {
    "intel_rapl": "RAPL counter of the whole processor",
    "windows_emi": "energy counter of the whole processor",
    "intel_power_gadget": "Intel Power Gadget, whole processor",
    "cpu_load": "{watts} x load of this process and those it started",
    "constant": "half of {watts}",
}
_W_PER_THREAD = 4  # what codecarbon assumes of a processor that it does not know

_reading_in_progress = threading.Lock()


@dataclass(frozen=True)
class EnergyReading:
    """One reading.

    Attributes:
        energy_j: Joules, or None when not measured; never 0 for something that ran.
        seconds: Wall-clock seconds that the reading covers.
        method: Program, version, and how it got the power.
        reason: Why there is no energy; empty when there is.
        memory_j: What of the energy is the memory's, estimated as a constant power: it does not depend on the
            work. None when not measured.

    Example:
        >>> reading = EnergyReading(energy_j=1.5, seconds=0.25, method="RAPL counter", reason="")
        >>> reading.energy_j / reading.seconds
        6.0
    """

    energy_j: float | None
    seconds: float
    method: str
    reason: str
    memory_j: float | None = None


class EnergyMeter:
    """Reads the energy of the work inside a ``with`` block; can be entered again and again.

    The first reading of a process detects the hardware, which takes seconds; every further one costs a few
    milliseconds, outside the measured time. Nothing is written to disk or sent. A failing codecarbon never
    raises here: the reading says "not measured" and why.

    Attributes:
        reading: The last completed reading.

    Example:
        >>> meter = EnergyMeter()
        >>> with meter:
        ...     time.sleep(0.01)
        >>> meter.reading.seconds >= 0.01, (meter.reading.energy_j is None) == bool(meter.reading.reason)
        (True, True)
    """

    def __init__(self) -> None:
        self.reading = EnergyReading(None, 0.0, _NAME, "no reading was taken yet")
        self._problem = ""
        self._start = 0.0

    def __enter__(self) -> Self:
        self._problem = _begin()
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._start
        read = (None, _NAME, self._problem, None) if self._problem else _end()
        energy_j, method, reason, memory_j = read
        self.reading = EnergyReading(energy_j, seconds, method, reason, memory_j)


def measure_energy_per_call(run: Callable[[], object], *, seconds: float) -> EnergyReading:
    """Energy and time of one call, averaged over as many calls as fill ``seconds``.

    Args:
        run: What to measure; called once before the reading, to warm up.
        seconds: Least wall-clock time of the reading, in s; 0.2 or more for a stable figure.

    Returns:
        Energy and seconds per call.

    Example:
        >>> reading = measure_energy_per_call(lambda: sum(range(10_000)), seconds=0.05)
        >>> reading.seconds > 0, reading.method.split()[0]
        (True, 'codecarbon')
    """
    run()
    calls = 0
    meter = EnergyMeter()
    with meter:
        end = time.perf_counter() + seconds
        while calls == 0 or time.perf_counter() < end:
            run()
            calls += 1
    total = meter.reading
    energy_j = None if total.energy_j is None else total.energy_j / calls
    memory_j = None if total.memory_j is None else total.memory_j / calls
    return EnergyReading(energy_j, total.seconds / calls, total.method, total.reason, memory_j)


def _begin() -> str:
    """Start a reading; returns why that failed, empty if it did not. One reading at a time per process."""
    if not _reading_in_progress.acquire(blocking=False):
        return "another energy reading is in progress in this process"
    try:
        _answer_within(_PATIENCE_S, lambda: _tracker(os.getpid()).start_task())
    except Exception as error:  # whatever a measuring library raises must not end a search
        _reading_in_progress.release()
        return f"codecarbon failed to start: {type(error).__name__}: {error}"
    return ""


def _end() -> tuple[float | None, str, str, float | None]:
    """Finish the reading that began: joules or None, the method, the reason for None, the memory's joules."""
    try:
        tracker = _tracker(os.getpid())
        task = _answer_within(_PATIENCE_S, tracker.stop_task)
        energy_j, reason = _energy(task)
        memory_j = None if energy_j is None else _JOULES_PER_KWH * task.ram_energy
        return energy_j, _method(tracker), reason, memory_j
    except Exception as error:
        return None, _NAME, f"codecarbon failed to stop: {type(error).__name__}: {error}", None
    finally:
        _reading_in_progress.release()


def _answer_within(seconds: float, call: Callable[[], T]) -> T:
    """What a call gives, made in a thread of its own, so that it cannot hold up a search for good.

    codecarbon's sampling begins a new thread each time. Where that finds no memory to begin, whoever started
    it waits without end, and holds the lock that stopping needs. For the same reason this thread is a bare
    one: nobody waits for it to begin.

    Raises:
        TimeoutError: No answer came within so many seconds. The tracker is given up, as it may hold its lock.
    """
    answers, answered = list[Future[T]](), _thread.allocate_lock()

    def work() -> None:
        answer = Future[T]()
        try:
            answer.set_result(call())
        except Exception as error:
            answer.set_exception(error)
        answers.append(answer)
        answered.release()

    answered.acquire()
    _thread.start_new_thread(work, ())
    if not answered.acquire(timeout=seconds):
        _tracker.cache_clear()
        raise TimeoutError(f"no answer within {seconds:g} s")
    return answers[0].result()


@cache
def _tracker(process_id: int) -> Any:
    """The tracker of a process; a forked process gets its own, since codecarbon measures by process id.

    Settings that would reach the network or the disk are given here, so that neither a configuration file nor
    the environment can turn them on. Several trackers may run on a machine: the lock file of a killed process
    would otherwise block this one. ``process`` mode charges the load of this process and its children only,
    of those that end meanwhile what a sample of every second saw; counters know the whole processor only.
    """
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    return OfflineEmissionsTracker(
        country_iso_code=_COUNTRY,
        cloud_provider=None,
        cloud_region=None,
        electricitymaps_api_token="",
        emissions_endpoint=False,
        output_methods=[],
        output_handlers=[],
        output_dir=tempfile.gettempdir(),
        allow_multiple_runs=True,
        tracking_mode="process",
        log_level="error",
        pue=1.0,
    )


def _energy(task: Any) -> tuple[float | None, str]:
    """Joules of a finished task, or None with the reason.

    Memory alone is a constant power, so without any processor energy nothing was measured.
    """
    if task is None:
        return None, "codecarbon returned nothing"
    processors_j = _JOULES_PER_KWH * (task.cpu_energy + task.gpu_energy)
    if not processors_j > 0:
        return None, f"codecarbon saw no processor energy in {task.duration:.3g} s"
    return _JOULES_PER_KWH * task.energy_consumed, ""


def _method(tracker: Any) -> str:
    """Program, version and the source of power of every part that codecarbon counts."""
    return "; ".join([_NAME, *(_describe(hardware) for hardware in tracker._hardware)])


def _describe(hardware: Any) -> str:
    kind = type(hardware).__name__
    if kind == "CPU":
        assumed = hardware._tdp == _W_PER_THREAD * (os.cpu_count() or 0)
        source = f"assumed, {_W_PER_THREAD} W a thread," if assumed else "rated power"
        how = _CPU_MODES.get(hardware._mode, hardware._mode).format(watts=f"{hardware._tdp:g} W {source}")
        return f"CPU {hardware.get_model()}: {how}"
    if kind == "RAM":
        return f"RAM: {hardware.total_power().W:.3g} W constant, estimated from memory size"
    return str(hardware.description())  # GPU, Raspberry, AppleSiliconChip: sensors, named by codecarbon
