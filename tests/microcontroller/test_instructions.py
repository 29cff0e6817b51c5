"""Predicted instructions beside emulated ones, and nothing predicted where nothing was measured."""

from typing import Any

import pytest
from deployable import source_of
from edge_parts import CNN, CNN1D, DIGEST, DS_CNN, EIGHT, MLP, RESNET, needs_emulator, part_of

from explorer.deploy.edge_part import Weights
from explorer.microcontroller import instructions
from explorer.microcontroller.emulator import emulate
from explorer.microcontroller.instructions import Instructions, predicted_instructions
from explorer.microcontroller.toolchain import CORES

MOST_OFF = 0.1  # relative; what emulation itself rounds to is 40 instructions


def test_the_mean_is_between_no_run_and_every_run_that_sends() -> None:
    own = Instructions(1000, 200)
    assert (own.mean(0.0), own.mean(0.25), own.mean(1.0)) == (1000, 1050, 1200)


def test_nothing_is_predicted_of_what_was_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    part = part_of(source_of(*MLP, config=EIGHT), "relu1", "int8")
    every = predicted_instructions(part.numbers, part.task, "int8", "m4")
    assert every is not None
    assert predicted_instructions(part.numbers, part.task, "int8", "m99") is None
    known = instructions._known()["m4"]["int8"]
    few = {name: each for name, each in known.items() if name != "dot_4x1.steps"}
    monkeypatch.setattr(instructions, "_known", lambda: {"m4": {"int8": few}})
    assert predicted_instructions(part.numbers, part.task, "int8", "m4") is None


def test_no_loop_takes_less_than_nothing_and_kinds_know_the_same_loops_on_every_core() -> None:
    cores = instructions._known()
    assert set(cores) <= set(CORES)
    for weights in ("float", "int8"):
        known = [own[weights] for own in cores.values() if weights in own]
        assert len({frozenset(own) for own in known}) == 1
        assert all(each >= 0 for own in known for each in own.values())


@needs_emulator
@pytest.mark.slow
@pytest.mark.parametrize("weights", ["float", "int8"])
@pytest.mark.parametrize(
    ("zoo", "split", "pattern"),
    [
        (MLP, "relu1", "block"),
        (MLP, "relu2", "random"),
        (RESNET, "pool", "block"),
        (DS_CNN, "pool", "clash_free"),
        (CNN1D, "average", "periodic"),
        (CNN, "output", "structured"),
    ],
    ids=lambda own: own if isinstance(own, str) else None,
)
def test_instructions_are_as_predicted(zoo: Any, split: str, pattern: Any, weights: Weights) -> None:
    part = part_of(source_of(*zoo, config=EIGHT, pattern=pattern), split, weights)
    found = emulate(part.code(DIGEST).files, part.samples[:2], "m4")
    known = predicted_instructions(part.numbers, part.task, weights, "m4")
    assert known is not None
    sent = sum("frame" in row for row in found.rows) / len(found.rows)
    assert found.instructions == pytest.approx(known.mean(sent), rel=MOST_OFF)
