"""The arena: what is needed at once never overlaps, and what need not be apart shares memory."""

from hypothesis import given
from hypothesis import strategies as st

from explorer.microcontroller.arena import Buffer, placed, planned
from explorer.microcontroller.forms import Shape
from explorer.microcontroller.program import Add, Map, Op, Program, Transpose

buffers = st.lists(
    st.builds(
        lambda size, first, length: Buffer(size, first, first + length),
        st.integers(1, 100),
        st.integers(0, 12),
        st.integers(0, 6),
    ),
    max_size=12,
)


@given(buffers)
def test_buffers_that_are_needed_at_once_lie_apart(own: list[Buffer]) -> None:
    starts = placed(own)
    for one, start in zip(own, starts, strict=True):
        for other, begin in zip(own, starts, strict=True):
            if one is not other and one.overlaps(other):
                assert start + one.size <= begin or begin + other.size <= start


@given(buffers)
def test_an_arena_is_between_the_most_that_is_needed_at_once_and_the_sum(own: list[Buffer]) -> None:
    starts = placed(own)
    size = max((start + one.size for start, one in zip(starts, own, strict=True)), default=0)
    most = max((sum(b.size for b in own if b.first <= place <= b.last) for place in range(20)), default=0)
    assert most <= size <= sum(one.size for one in own)


def program_of(ops: list[Op], output: str) -> Program:
    names = {name for op in ops for name in (*op.inputs, op.output)}
    return Program(tuple(ops), dict.fromkeys(names, Shape(1, 1, 8)), output, None)


def test_an_activation_writes_over_what_nobody_reads_later() -> None:
    ops: list[Op] = [Op("a", (), "a"), Map("b", ("a",), "b", "sigmoid"), Map("c", ("b",), "c", "sigmoid")]
    program = program_of(ops, "c")
    assert planned(program, dict.fromkeys("abc", 8), {}).size == 8


def test_a_sum_does_not_write_over_what_is_read_again() -> None:
    ops: list[Op] = [
        Op("a", (), "a"),
        Op("b", ("a",), "b"),
        Add("c", ("a", "b"), "c"),
        Add("d", ("a", "c"), "d"),
    ]
    arena = planned(program_of(ops, "d"), dict.fromkeys("abcd", 8), {})
    assert arena.tensors["c"] == arena.tensors["b"]  # `a` is read again by `d`
    assert arena.size == 16


def test_a_view_takes_no_memory_and_keeps_what_it_shows() -> None:
    view = Transpose("v", ("a",), "v", tables=1, rows=8, columns=1)
    ops: list[Op] = [Op("a", (), "a"), view, Op("b", ("v",), "b"), Op("c", ("a", "b"), "c")]
    arena = planned(program_of(ops, "c"), dict.fromkeys("avbc", 8), {})
    assert arena.tensors["v"] == arena.tensors["a"]
    assert arena.size == 24


def test_scratch_memory_is_free_again_afterwards() -> None:
    ops: list[Op] = [Op("a", (), "a"), Op("b", ("a",), "b"), Op("c", ("b",), "c")]
    arena = planned(program_of(ops, "c"), dict.fromkeys("abc", 4), {1: 100})
    assert arena.size == 108  # input, output and scratch of `b`; `c` lies where scratch was
    assert arena.tensors["c"] < 108
