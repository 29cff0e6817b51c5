"""What waits is computed together, in the order of arrival; nothing is lost and nothing waits for company."""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.runtime.server.batching import Batcher, BusyError


class Recorded:
    """Computes by adding one, keeps every call, and waits for a gate that tests open."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, list[int]]] = []
        self.gate = threading.Event()

    def __call__(self, key: Any, items: Sequence[int]) -> list[Any]:
        self.gate.wait(10)
        self.calls.append((key, list(items)))
        return [item + 1 if item >= 0 else ValueError(item) for item in items]


async def submitted(batcher: Batcher, compute: Recorded, items: list[tuple[str, int]]) -> list[Any]:
    answers = [batcher.submit(key, item) for key, item in items]
    compute.gate.set()
    return await asyncio.gather(*answers, return_exceptions=True)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 99)), max_size=30), st.integers(1, 5))
def test_every_item_is_computed_once_in_order(items: list[tuple[str, int]], most: int) -> None:
    async def main() -> None:
        compute, sizes = Recorded(), list[int]()
        batcher = Batcher(compute, most, 100, sizes.append)
        assert await submitted(batcher, compute, items) == [item + 1 for _, item in items]
        batcher.close()
        assert sizes == [len(own) for _, own in compute.calls]
        assert max(sizes, default=0) <= most
        for key in "ab":
            computed = [item for name, own in compute.calls if name == key for item in own]
            assert computed == [item for name, item in items if name == key]
        if items:
            assert compute.calls[0] == (items[0][0], [items[0][1]])  # it did not wait for company
            assert len(sizes) <= 1 + sum(
                -(-len([1 for name, _ in items[1:] if name == key]) // most) for key in "ab"
            )

    asyncio.run(main())


def test_the_key_that_waited_longest_comes_next() -> None:
    async def main() -> None:
        compute = Recorded()
        batcher = Batcher(compute, 2, 100)
        await submitted(batcher, compute, [("a", 0), ("b", 1), ("a", 2), ("b", 3), ("b", 4), ("a", 5)])
        batcher.close()
        assert compute.calls == [("a", [0]), ("b", [1, 3]), ("a", [2, 5]), ("b", [4])]

    asyncio.run(main())


def test_a_failure_is_its_own() -> None:
    async def main() -> None:
        compute = Recorded()
        batcher = Batcher(compute, 8, 100)
        answers = await submitted(batcher, compute, [("a", 1), ("a", -1), ("a", 3)])
        batcher.close()
        assert (answers[0], answers[2]) == (2, 4)
        assert isinstance(answers[1], ValueError)

    asyncio.run(main())


def test_a_call_that_fails_fails_for_all_and_the_next_one_works() -> None:
    def compute(key: str, items: Sequence[int]) -> list[int]:
        return [10 // int(key)] * len(items)

    async def main() -> None:
        batcher = Batcher(compute, 8, 100)
        with pytest.raises(ZeroDivisionError):
            await batcher.submit("0", 1)
        assert await batcher.submit("2", 1) == 5
        batcher.close()

    asyncio.run(main())


def test_no_more_wait_than_may() -> None:
    async def main() -> None:
        compute = Recorded()
        batcher = Batcher(compute, 8, 2)
        answers = [batcher.submit("a", item) for item in range(3)]  # one is computed, two wait
        assert batcher.waiting == 2
        with pytest.raises(BusyError):
            batcher.submit("b", 3)
        compute.gate.set()
        assert await asyncio.gather(*answers) == [1, 2, 3]
        assert await batcher.submit("b", 3) == 4
        batcher.close()

    asyncio.run(main())


def test_who_leaves_is_not_computed() -> None:
    async def main() -> None:
        compute = Recorded()
        batcher = Batcher(compute, 1, 100)
        first, second, third = (batcher.submit("a", item) for item in range(3))
        second.cancel()
        compute.gate.set()
        assert await asyncio.gather(first, third) == [1, 3]
        batcher.close()
        assert [items for _, items in compute.calls] == [[0], [2]]

    asyncio.run(main())


def test_the_loop_goes_on_while_something_is_computed() -> None:
    async def main() -> None:
        batcher = Batcher(lambda key, items: [time.sleep(0.2)] * len(items), 8, 100)
        answer = batcher.submit("a", 0)
        began = time.monotonic()
        await asyncio.sleep(0.01)
        assert time.monotonic() - began < 2.0
        assert not answer.done()
        await answer
        batcher.close()

    asyncio.run(main())
