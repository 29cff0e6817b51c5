"""What the benchmark promises, and which figures fall short of it."""

from collections.abc import Iterator, Sequence

from benchmarks.engine_overhead.search import Overhead
from benchmarks.engine_overhead.workers import (
    ONE,
    ONE_TWO_THREADS,
    SLEEPING_EIGHT,
    SLEEPING_ONE,
    TWO,
    Throughput,
)
from explorer.engine.defaults import DEFAULT_SAMPLER

MOST_MS, MOST_SAMPLER_MS, PROPOSALS = 15, 30, 200  # default sampler, SQLite; at the end
MOST_MS_AT_END, MOST_KB, MANY_PROPOSALS = 10, 20, 10_000  # nsga2, SQLite
LEAST_SPEEDUP = {(TWO, ONE): 1.7, (TWO, ONE_TWO_THREADS): 1.3, (SLEEPING_EIGHT, SLEEPING_ONE): 7.0}


def shortfalls(overheads: Sequence[Overhead], throughputs: Sequence[Throughput]) -> list[str]:
    """Every figure measured that falls short, one line each."""
    return [*_slow(overheads), *_not_fast_enough(throughputs)]


def _slow(overheads: Sequence[Overhead]) -> Iterator[str]:
    for overhead in overheads:
        case = overhead.case
        if case.storage != "sqlite" or case.sleep_s:
            continue
        name = f"{case.sampler}, {case.proposals:,} proposals, {case.mix}"
        if case.sampler == DEFAULT_SAMPLER and case.proposals in (PROPOSALS, MANY_PROPOSALS):
            yield from _of_default(name, overhead)
        elif (case.sampler, case.proposals) == ("nsga2", MANY_PROPOSALS):
            if overhead.ms_at_end > MOST_MS_AT_END:
                yield f"{name}: {overhead.ms_at_end:.1f} ms per proposal at the end, at most {MOST_MS_AT_END}"
            if overhead.kb_per_proposal > MOST_KB:
                yield f"{name}: {overhead.kb_per_proposal:.1f} KB per proposal, at most {MOST_KB}"


def _of_default(name: str, overhead: Overhead) -> Iterator[str]:
    rest = overhead.ms_at_end - overhead.sampler_ms_at_end
    if rest > MOST_MS:
        yield f"{name}: {rest:.1f} ms per proposal beside the sampler at the end, at most {MOST_MS}"
    if overhead.sampler_ms_at_end > MOST_SAMPLER_MS:
        yield f"{name}: sampler {overhead.sampler_ms_at_end:.1f} ms at the end, at most {MOST_SAMPLER_MS}"


def _not_fast_enough(throughputs: Sequence[Throughput]) -> Iterator[str]:
    for throughput in throughputs:
        for other, speedup in throughput.speedups.items():
            least = LEAST_SPEEDUP.get((throughput.name, other), 0.0)
            if speedup < least:
                yield f"{throughput.name} over {other}: {speedup:.2f}x, at least {least:g}x"
