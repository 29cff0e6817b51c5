"""Peak memory by liveness, against a simulation that asks at every step who still needs each tensor.

What is done in place is carried out in blocks of memory too: every value must be there when it is read.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.costs.memory import Buffer, peak_live_bytes, written_over


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


def memory_of(buffers: list[Buffer]) -> dict[str, str]:
    """Whose memory each tensor is, views resolved."""
    found: dict[str, str] = {}
    for buffer in buffers:
        found[buffer.name] = found[buffer.view_of] if buffer.view_of else buffer.name
    return found


def in_place_peak(buffers: list[Buffer], result: str) -> int:
    """Blocks as a compiler hands them out; a tensor's content must still be there whenever it is read."""
    memory, readers = memory_of(buffers), dict[str, set[int]]()
    for step, buffer in enumerate(buffers):
        for source in buffer.sources:
            readers.setdefault(memory[source], set()).add(step)
        if buffer.view_of:
            readers.setdefault(memory[buffer.name], set()).add(step)
    readers.setdefault(memory[result], set()).add(len(buffers))
    last = {name: max(readers.get(name, {0})) for name in memory.values()}
    content = dict[int, str]()  # block: the tensor that lies in it
    block = dict[str, int]()
    sizes, peak = dict[int, int](), 0
    for step, buffer in enumerate(buffers):
        for source in buffer.sources:
            assert content[block[memory[source]]] == memory[source], "it was written over before it was read"
        if not buffer.view_of:
            reads = [memory[source] for source in buffer.sources]
            free = [
                memory[source]
                for source in buffer.sources
                if buffer.element_wise
                and last[memory[source]] == step
                and reads.count(memory[source]) == 1
                and sizes[block[memory[source]]] == buffer.size_bytes
                and next(own.size_bytes for own in buffers if own.name == source) == buffer.size_bytes
            ]
            number = block[free[0]] if free else len(block) + step + 1
            block[buffer.name], content[number] = number, buffer.name
            sizes[number] = buffer.size_bytes
        peak = max(peak, sum(sizes[number] for number in content))
        ended = [n for n, name in content.items() if last[name] <= step]
        for number in ended:
            del content[number]
    return peak


@st.composite
def element_wise_graphs(draw: st.DrawFn) -> tuple[list[Buffer], str]:
    """Graphs of few sizes, so that many operands are as large as what is computed from them."""
    buffers: list[Buffer] = []
    for number in range(draw(st.integers(1, 9))):
        names = [buffer.name for buffer in buffers]
        sources = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)) if names else []
        view_of = sources[0] if sources and draw(st.integers(0, 3)) == 0 else ""
        size, alike = draw(st.sampled_from([4, 8])), bool(sources) and draw(st.booleans())
        buffers.append(Buffer(f"t{number}", tuple(sources), size, view_of, alike))
    return buffers, draw(st.sampled_from([buffer.name for buffer in buffers]))


@given(element_wise_graphs())
def test_peak_in_place_is_that_of_blocks_handed_out(graph: tuple[list[Buffer], str]) -> None:
    buffers, result = graph
    peak = peak_live_bytes(buffers, result, in_place=True)
    assert peak == in_place_peak(buffers, result)
    assert peak <= peak_live_bytes(buffers, result)


@given(graphs())
def test_nothing_is_in_place_where_nothing_is_element_wise(graph: tuple[list[Buffer], str]) -> None:
    buffers, result = graph
    assert peak_live_bytes(buffers, result, in_place=True) == peak_live_bytes(buffers, result)


def relu(name: str, source: str, size: int) -> Buffer:
    return Buffer(name, (source,), size, element_wise=True)


@pytest.mark.parametrize(
    ("buffers", "result", "peak"),
    [
        ([*chain(4, 8), relu("r", "t1", 8)], "r", 4 + 8),  # as if fused into t1
        ([*chain(4, 8), relu("r", "t1", 8)], "t1", 8 + 8),  # t1 is handed on and must stay
        ([*chain(4, 8), relu("r", "t1", 8), Buffer("s", ("t1", "r"), 1)], "s", 8 + 8 + 1),  # read again later
        (
            [*chain(8, 8, 8), Buffer("sum", ("t0", "t2"), 8, "", True)],
            "sum",
            8 + 8 + 8,
        ),  # t1 to t2 has all three
        (
            [*chain(8, 2, 8), Buffer("sum", ("t0", "t2"), 8, "", True)],
            "sum",
            8 + 2 + 8,
        ),  # into one of the addends
        (
            [Buffer("x", (), 8), Buffer("t", ("x",), 8, "x"), Buffer("s", ("x", "t"), 8, "", True)],
            "s",
            16,
        ),  # x + x'
        (
            [Buffer("x", (), 8), Buffer("b", ("x",), 2), Buffer("s", ("b", "x"), 8, "", True)],
            "s",
            8 + 2,
        ),  # broadcast
        (
            [Buffer("x", (), 16), Buffer("v", ("x",), 8, "x"), relu("r", "v", 8)],
            "r",
            16 + 8,
        ),  # half of another tensor
        (
            [Buffer("x", (), 8), Buffer("v", ("x",), 8, "x"), relu("r", "v", 8)],
            "r",
            8,
        ),  # flattened, then activated
    ],
)
def test_in_place_by_hand(buffers: list[Buffer], result: str, peak: int) -> None:
    assert peak_live_bytes(buffers, result, in_place=True) == peak


def test_two_activations_of_one_tensor_share_it_with_the_last() -> None:
    buffers = [*chain(4, 8), relu("a", "t1", 8), relu("b", "t1", 8), Buffer("s", ("a", "b"), 8, "", True)]
    itself = {buffer.name: buffer.name for buffer in buffers}
    last = {"t0": 1, "t1": 3, "a": 4, "b": 4, "s": 5}
    assert written_over(buffers, itself, last) == {"b": "t1", "s": "a"}
