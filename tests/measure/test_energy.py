"""The energy meter: arithmetic with a stub, failures that codecarbon hides, and one real reading."""

import functools
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import codecarbon.lock
import pytest
from codecarbon.core import hardware_cache

from explorer.measure import energy
from explorer.measure.energy import EnergyMeter, measure_energy_per_call


def busy(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


@pytest.fixture
def fresh_tracker() -> Iterator[None]:
    """A tracker that detects the hardware anew and is forgotten afterwards."""
    energy._tracker.cache_clear()
    hardware_cache.clear_cache()
    yield
    energy._tracker.cache_clear()


def stub(monkeypatch: pytest.MonkeyPatch, result: object) -> None:
    """Replace codecarbon by a tracker that returns ``result`` or raises it, when stopped."""

    def stop_task() -> object:
        if isinstance(result, Exception):
            raise result
        return result

    tracker = SimpleNamespace(start_task=lambda: None, stop_task=stop_task, _hardware=[])
    monkeypatch.setattr(energy, "_tracker", lambda process_id: tracker)


def task(cpu: float, gpu: float, total: float) -> SimpleNamespace:
    memory = total - cpu - gpu
    return SimpleNamespace(
        cpu_energy=cpu, gpu_energy=gpu, ram_energy=memory, energy_consumed=total, duration=0.25
    )


def test_reading_converts_kilowatt_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, task(cpu=1e-6, gpu=0, total=2e-6))
    with EnergyMeter() as meter:
        time.sleep(0.01)
    assert meter.reading.energy_j == pytest.approx(2e-6 * 1000 * 3600)
    assert meter.reading.memory_j == pytest.approx(1e-6 * 1000 * 3600)
    assert 0.01 <= meter.reading.seconds < 1
    assert meter.reading.reason == ""


def test_energy_per_call_divides_by_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, task(cpu=1e-6, gpu=0, total=1e-6))
    calls = []
    reading = measure_energy_per_call(lambda: calls.append(time.sleep(0.01)), seconds=0.05)
    timed = len(calls) - 1  # the first warms up
    assert 1 <= timed <= 5
    assert reading.energy_j == pytest.approx(3.6 / timed)
    assert reading.seconds >= 0.01


def test_long_call_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, task(cpu=0, gpu=1e-6, total=1e-6))
    calls = []
    assert measure_energy_per_call(lambda: calls.append(1), seconds=0).energy_j == pytest.approx(3.6)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "codecarbon returned nothing"),
        (task(0, 0, 0), "codecarbon saw no processor energy in 0.25 s"),
        (task(0, 0, 1e-6), "codecarbon saw no processor energy in 0.25 s"),  # memory is a constant
        (task(float("nan"), 0, 1e-6), "codecarbon saw no processor energy in 0.25 s"),
        (RuntimeError("no sensor"), "codecarbon failed to stop: RuntimeError: no sensor"),
    ],
)
def test_no_energy_is_not_zero_energy(monkeypatch: pytest.MonkeyPatch, result: object, reason: str) -> None:
    stub(monkeypatch, result)
    reading = measure_energy_per_call(lambda: None, seconds=0.001)
    assert reading.energy_j is None
    assert reading.reason == reason
    assert reading.seconds > 0


def test_failing_start_is_not_measured_and_the_meter_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(process_id: int) -> Any:
        raise OSError("counter vanished")

    with monkeypatch.context() as patch:
        patch.setattr(energy, "_tracker", broken)
        with EnergyMeter() as meter:
            pass
    assert meter.reading.energy_j is None
    assert meter.reading.reason == "codecarbon failed to start: OSError: counter vanished"
    stub(monkeypatch, task(cpu=1e-6, gpu=0, total=1e-6))
    with meter:
        pass
    assert meter.reading.energy_j == pytest.approx(3.6)


def test_swallowed_constructor_failure_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, fresh_tracker: None
) -> None:
    monkeypatch.setattr(energy.tempfile, "gettempdir", lambda: "/no/such/folder")
    with EnergyMeter() as meter:
        pass
    assert meter.reading.energy_j is None
    assert meter.reading.reason.startswith("codecarbon failed to st")


def test_work_may_fail_inside_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, task(cpu=1e-6, gpu=0, total=1e-6))
    meter = EnergyMeter()
    with pytest.raises(KeyError), meter:
        raise KeyError("x")
    with meter:
        pass
    assert meter.reading.reason == ""


@pytest.mark.parametrize("stuck", ["start", "stop"])
def test_a_meter_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch, stuck: str) -> None:
    steps = {"start_task": lambda: None, "stop_task": lambda: task(cpu=1e-6, gpu=0, total=2e-6)}
    well = SimpleNamespace(**steps, _hardware=[])
    never = SimpleNamespace(**steps | {f"{stuck}_task": threading.Event().wait}, _hardware=[])
    of_this_process = functools.cache(lambda process_id: trackers.pop())
    trackers = [well, never]
    monkeypatch.setattr(energy, "_tracker", of_this_process)
    monkeypatch.setattr(energy, "_PATIENCE_S", 0.05)
    meter = EnergyMeter()
    with meter:
        pass
    assert meter.reading.energy_j is None
    assert meter.reading.reason == f"codecarbon failed to {stuck}: TimeoutError: no answer within 0.05 s"
    with meter:  # the next reading is another tracker's
        pass
    assert meter.reading.energy_j == pytest.approx(2e-6 * 1000 * 3600)


def test_one_reading_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stub(monkeypatch, task(cpu=1e-6, gpu=0, total=1e-6))
    with EnergyMeter() as outer, EnergyMeter() as inner:
        pass
    assert inner.reading.energy_j is None
    assert "in progress" in inner.reading.reason
    assert outer.reading.energy_j == pytest.approx(3.6)


def test_unused_meter_has_no_energy() -> None:
    assert EnergyMeter().reading.energy_j is None


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("intel_rapl", "RAPL counter"),
        ("cpu_load", "65 W rated power x load of this process and those it started"),
        ("constant", "half of 65 W rated power"),
        ("a_mode_of_tomorrow", "a_mode_of_tomorrow"),
    ],
)
def test_method_says_how_the_power_was_obtained(mode: str, words: str) -> None:
    cpu = type("CPU", (), {"_mode": mode, "_tdp": 65, "get_model": lambda self: "Z80"})()
    ram = type("RAM", (), {"total_power": lambda self: SimpleNamespace(W=10.0)})()
    gpu = type("GPU", (), {"description": lambda self: "GPU (T4)"})()
    method = energy._method(SimpleNamespace(_hardware=[cpu, ram, gpu]))
    assert method.startswith("codecarbon ")
    assert f"CPU Z80: {words}" in method
    assert "RAM: 10 W constant, estimated from memory size; GPU (T4)" in method


def test_an_assumed_power_is_no_rated_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy.os, "cpu_count", lambda: 2)
    cpu = type("CPU", (), {"_mode": "cpu_load", "_tdp": 8, "get_model": lambda self: "EPYC"})()
    method = energy._method(SimpleNamespace(_hardware=[cpu]))
    assert method.endswith("CPU EPYC: 8 W assumed, 4 W a thread, x load of this process and those it started")


def forbid_network(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Make every way out fail; returns the list of attempts."""
    attempts: list[object] = []

    def refuse(*arguments: object, **options: object) -> None:
        attempts.append(arguments)
        raise OSError("no network in this test")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    return attempts


def hostile_settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The environment asks for the network, files, another scale; a killed process left its lock."""
    lock = folder / "stale.lock"
    lock.touch()
    monkeypatch.setattr(codecarbon.lock, "LOCKFILE", str(lock))
    settings = {
        "ALLOW_MULTIPLE_RUNS": "false",
        "API_CALL_INTERVAL": "1",  # send at every reading
        "CO2_SIGNAL_API_TOKEN": "token",
        "EMISSIONS_ENDPOINT": "http://localhost:9",
        "OUTPUT_METHODS": "api,csv",
        "PUE": "1e6",
        "TRACKING_MODE": "machine",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"CODECARBON_{name}", value)
    monkeypatch.chdir(folder)


@pytest.fixture
def log_records(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What codecarbon logs from the level it has right after its import."""
    messages: list[str] = []
    collector = logging.Handler()
    monkeypatch.setattr(collector, "emit", lambda record: messages.append(record.getMessage()))
    logger = logging.getLogger("codecarbon")
    monkeypatch.setattr(logger, "handlers", [collector])
    logger.setLevel(logging.INFO)
    return messages


def test_real_reading_is_silent_local_and_sensible(
    monkeypatch: pytest.MonkeyPatch, fresh_tracker: None, tmp_path: Path, log_records: list[str]
) -> None:
    hostile_settings(monkeypatch, tmp_path)
    attempts = forbid_network(monkeypatch)

    reading = measure_energy_per_call(lambda: busy(0.02), seconds=0.3)
    start = time.perf_counter()
    with EnergyMeter() as again:
        busy(0.3)
    overhead_s = time.perf_counter() - start - again.reading.seconds

    assert attempts == []
    assert log_records == []
    assert os.listdir(tmp_path) == ["stale.lock"]
    assert energy._tracker(os.getpid())._tracking_mode == "process"
    assert reading.method == again.reading.method
    assert overhead_s < 0.5  # about 6 ms on an idle machine
    if reading.energy_j is None or again.reading.energy_j is None:
        assert "no processor energy" in reading.reason + again.reading.reason
        pytest.skip("this machine tells codecarbon nothing about its processor")
    # energy is power x time, and the power that of a computer: a board's watt to a loaded server's kilowatts
    watts, watts_again = reading.energy_j / reading.seconds, again.reading.energy_j / again.reading.seconds
    assert 0.1 < watts < 5000
    assert watts == pytest.approx(watts_again, rel=0.8)
