"""The benchmark of the bookkeeping: its stub, its arithmetic, and the figures it names."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.engine_overhead import __main__ as engine_overhead
from benchmarks.engine_overhead.limits import shortfalls
from benchmarks.engine_overhead.search import MIXES, Case, Overhead, make_inventory, measure, summarise
from benchmarks.engine_overhead.stub import Stub
from benchmarks.engine_overhead.workers import (
    ONE,
    ONE_TWO_THREADS,
    SLEEPING_EIGHT,
    SLEEPING_ONE,
    TWO,
    Throughput,
)
from benchmarks.engine_overhead.workers import summarise as summarise_rounds
from explorer.core.sweep import sweep
from explorer.costs.evaluate import TrainingTask
from explorer.engine.defaults import DEFAULT_SAMPLER
from explorer.engine.proposals import Proposer
from explorer.space.variants import Inventory

CASE = Case(DEFAULT_SAMPLER, "sqlite", "distinct", 200)
GOOD = Overhead(
    CASE,
    trained=190,
    seconds=3.0,
    ms_per_proposal=15.0,
    ms_at_end=45.0,
    sampler_ms_at_end=30.0,
    kb_per_proposal=30.0,
)
MANY = replace(GOOD, case=Case("nsga2", "sqlite", "distinct", 10_000), ms_at_end=10.0, kb_per_proposal=20.0)


@pytest.fixture(scope="module")
def inventory() -> Inventory:
    return make_inventory("repeating")[0]


def _task(inventory: Inventory, number: int) -> TrainingTask:
    variant = inventory.variants["mlp"][0]
    densities = {path: choices[number] for path, choices in variant.densities.items()}
    return TrainingTask(Proposer(inventory, {}).network(variant, "block", densities), 10)


def test_stub_leaves_the_data_of_a_training(inventory: Inventory) -> None:
    stub = Stub(inventory)
    sparse, dense = (stub(_task(inventory, number)) for number in (0, -1))
    evidence = dense.evidence
    assert [split.name for split in dense.splits] == [*evidence.split_points, "output"]
    assert evidence.server_correct_SBN.shape == (3, 3, 400)
    assert 3 < len(sweep(evidence, 0.0, 1.0)) < 400
    assert sparse.splits[-1].edge_macs < dense.splits[-1].edge_macs
    assert sparse.evidence.output_correct_N.mean() < evidence.output_correct_N.mean()


def test_stub_follows_from_the_network_alone(inventory: Inventory) -> None:
    first, second = (Stub(inventory)(_task(inventory, 0)) for _ in range(2))
    assert first.splits == second.splits
    assert (first.evidence.exit_confidence_SN == second.evidence.exit_confidence_SN).all()


def test_stub_knows_how_long_it_took(inventory: Inventory) -> None:
    stub = Stub(inventory, sleep_s=0.02)
    start = time.perf_counter()
    for _ in range(3):
        stub(_task(inventory, 0))
    assert 0.06 <= stub.seconds <= time.perf_counter() - start


def test_spaces_are_large_enough() -> None:
    wide, _ = make_inventory("distinct")
    assert set(MIXES) == {"distinct", "repeating"}
    assert wide.num_networks > 100_000


def test_training_is_taken_off() -> None:
    start = time.perf_counter()
    slept = measure(Case("random", "memory", "distinct", 12, sleep_s=0.1))
    assert slept.trained > 5
    assert slept.seconds + 0.1 * slept.trained < time.perf_counter() - start


def test_means_and_growth() -> None:
    case = replace(CASE, proposals=20)
    spent_s = [0.5 + 0.01 * number for number in range(19)] + [0.78, 0.88]
    overhead = summarise(case, 15, spent_s, [0.01] * 18 + [0.02, 0.04], {10: 1_000_000, 20: 1_050_000})
    assert overhead.seconds == 0.88
    assert overhead.ms_per_proposal == pytest.approx(44)
    assert overhead.ms_at_end == pytest.approx(100)  # of the last two of 20: (0.88 - 0.68) / 2
    assert overhead.sampler_ms_at_end == pytest.approx(30)
    assert overhead.kb_per_proposal == 5.0
    assert overhead.to_json()["sampler"] == DEFAULT_SAMPLER
    json.dumps(overhead.to_json())


def test_speedups_are_medians_of_ratios_within_rounds() -> None:
    rounds = [{ONE: 1.0, TWO: 1.8}, {ONE: 2.0, TWO: 3.8}, {ONE: 0.5, TWO: 0.8}]
    two = summarise_rounds(TWO, rounds, [ONE])
    assert (two.trainings_per_s, two.speedups[ONE]) == (1.8, pytest.approx(1.8))


def test_nothing_falls_short_at_the_limits() -> None:
    enough = [
        Throughput(TWO, 2.0, {ONE: 1.7, ONE_TWO_THREADS: 1.3}),
        Throughput(SLEEPING_EIGHT, 7.0, {SLEEPING_ONE: 7.0}),
        Throughput(ONE_TWO_THREADS, 1.0, {ONE: 0.9}),
    ]
    others = replace(GOOD, case=replace(CASE, storage="postgres"), ms_per_proposal=99.0)
    assert shortfalls([GOOD, MANY, others], enough) == []


def test_every_shortfall_is_named() -> None:
    slow = [
        replace(GOOD, ms_at_end=47.0, sampler_ms_at_end=31.0),
        replace(MANY, ms_at_end=10.5, kb_per_proposal=21.0),
    ]
    few = [
        Throughput(TWO, 2.0, {ONE: 1.6, ONE_TWO_THREADS: 1.2}),
        Throughput(SLEEPING_EIGHT, 6.0, {SLEEPING_ONE: 6.0}),
    ]
    assert shortfalls(slow, few) == [
        f"{DEFAULT_SAMPLER}, 200 proposals, distinct: 16.0 ms per proposal beside the sampler at the end, "
        "at most 15",
        f"{DEFAULT_SAMPLER}, 200 proposals, distinct: sampler 31.0 ms at the end, at most 30",
        "nsga2, 10,000 proposals, distinct: 10.5 ms per proposal at the end, at most 10",
        "nsga2, 10,000 proposals, distinct: 21.0 KB per proposal, at most 20",
        "2 workers, 1 thread each over 1 worker, 1 thread: 1.60x, at least 1.7x",
        "2 workers, 1 thread each over 1 worker, 2 threads: 1.20x, at least 1.3x",
        "8 workers, sleeping over 1 worker, sleeping: 6.00x, at least 7x",
    ]


def test_command_writes_and_checks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = replace(GOOD, ms_per_proposal=31.0, sampler_ms_at_end=31.0)
    monkeypatch.setattr(engine_overhead, "run_cases", lambda cases, postgres: iter([slow]))
    monkeypatch.setattr(engine_overhead, "compare_workers", lambda rounds, trainings, sleeps: [])
    out = tmp_path / "out.json"
    assert engine_overhead.main(["--quick", "--out", str(out)]) == 0
    assert engine_overhead.main(["--quick", "--check"]) == 1
    assert f"falls short: {DEFAULT_SAMPLER}, 200 proposals" in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert [row["ms_per_proposal"] for row in written["overheads"]] == [31.0]
    assert len(written["falls_short"]) == 1
