"""A user's code draws the same in every process, and leaves the global generators as they were."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.errors import UserError
from explorer.utils.imports import import_function, seeded


def draw() -> tuple[float, float, float]:
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_all_global_generators_follow_from_the_seed() -> None:
    with seeded(5):
        first = draw()
    with seeded(5):
        again = draw()
    with seeded(6):
        other = draw()
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("seed", [-1, 2**32, 2**40])
def test_any_seed_will_do(seed: int) -> None:
    with seeded(seed):
        assert len(set(draw())) == 3


def broken_factory() -> None:
    draw()
    raise RuntimeError("inside")


def test_their_states_are_put_back_even_after_an_error() -> None:
    with seeded(1):
        expected = draw(), draw()
    with seeded(1):
        first = draw()
        with pytest.raises(RuntimeError, match="inside"), seeded(9):
            broken_factory()
        assert (first, draw()) == expected


def test_what_a_module_draws_when_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drawn_at_import.py").write_text(
        "import random, numpy, torch\n"
        "DRAWN = random.random(), numpy.random.rand(), torch.rand(()).item()\n"
        "def get():\n    return DRAWN\n"
    )
    monkeypatch.chdir(tmp_path)
    found = []
    for _ in range(2):  # two processes
        draw()
        found.append(import_function("drawn_at_import:get", "factory")())
        del sys.modules["drawn_at_import"]
    assert found[0] == found[1]


def test_no_such_function() -> None:
    with pytest.raises(UserError, match=r"^factory 'random:nothing': module 'random' has no function"):
        import_function("random:nothing", "factory")
