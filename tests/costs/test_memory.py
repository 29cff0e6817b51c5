"""Peak memory by liveness, against a simulation that asks at every step who still needs each tensor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.costs.memory import Buffer, peak_live_bytes


def brute_force_peak(buffers: list[Buffer], result: str) -> int:
    """At each step sum the tensors that exist and are read at this step or later, directly or by a view."""
    by_name = {buffer.name: buffer for buffer in buffers}

    def memory(name: str) -> str:
        return memory(by_name[name].view_of) if by_name[name].view_of else name

    peak = 0
    for step, current in enumerate(buffers):
        needed = {memory(result), memory(current.name)}
        for later in buffers[step:]:
            needed |= {memory(source) for source in later.sources}
            if later.view_of:
                needed.add(memory(later.name))
        existing = {memory(buffer.name) for buffer in buffers[: step + 1]}
        peak = max(peak, sum(by_name[name].size_bytes for name in existing & needed))
    return peak


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Buffer], str]:
    buffers: list[Buffer] = []
    for number in range(draw(st.integers(1, 9))):
        names = [buffer.name for buffer in buffers]
        sources = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3)) if names else []
        view_of = sources[0] if sources and draw(st.integers(0, 3)) == 0 else ""
        buffers.append(Buffer(f"t{number}", tuple(sources), draw(st.integers(0, 9)), view_of))
    result = draw(st.sampled_from([buffer.name for buffer in buffers]))
    return buffers, result


@given(graphs())
def test_peak_is_the_simulated_one(graph: tuple[list[Buffer], str]) -> None:
    buffers, result = graph
    assert peak_live_bytes(buffers, result) == brute_force_peak(buffers, result)


def chain(*sizes: int) -> list[Buffer]:
    return [Buffer(f"t{n}", (f"t{n - 1}",) if n else (), size) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("buffers", "result", "peak"),
    [
        (chain(7), "t0", 7),
        (chain(1, 5, 3, 2), "t3", 5 + 3),  # a chain: the largest pair of neighbours
        # a skip keeps t0 alive until it is added: t0 + t1 + t2 at the addition
        ([*chain(4, 4), Buffer("t2", ("t0", "t1"), 4)], "t2", 12),
        # two branches: t1 waits for t2
        ([*chain(1, 8), Buffer("t2", ("t0",), 8), Buffer("t3", ("t1", "t2"), 16)], "t3", 8 + 8 + 16),
        # flatten shares memory: 6 exists once, beside the 2 computed from the view
        ([*chain(1, 6), Buffer("v", ("t1",), 6, "t1"), Buffer("t3", ("v",), 2)], "t3", 6 + 2),
        # a view of a view keeps the owner alive while t3 is computed
        (
            [
                *chain(1, 6),
                Buffer("v", ("t1",), 6, "t1"),
                Buffer("w", ("v",), 6, "v"),
                Buffer("t3", ("t1",), 5),
                Buffer("t4", ("w", "t3"), 1),
            ],
            "t4",
            6 + 5 + 1,
        ),
        # the result is held although others come later
        ([*chain(2, 3), Buffer("t2", ("t0",), 9)], "t1", 2 + 3 + 9),
    ],
)
def test_peak_by_hand(buffers: list[Buffer], result: str, peak: int) -> None:
    assert peak_live_bytes(buffers, result) == peak
