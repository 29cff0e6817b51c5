"""What a person reads while a search runs."""

import io
import time
from contextlib import suppress
from pathlib import Path

import pytest
from loops import in_memory, make_loop
from stand_ins import fabricate

from explorer.engine import progress
from explorer.engine.outcomes import Progress
from explorer.engine.progress import counter, describe, make_reporter
from explorer.engine.suggest_time import RECENT, SuggestTimes

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

SHOWN = Progress(
    40,
    200,
    {"trained": 30, "cached": 9, "infeasible": 0, "failed": 1},
    0,
    17,
    0.71234,
    25.4,
    101.6,
    0.0123,
    "",
)


class SlowSampler(SuggestTimes):
    """Times of a sampler that takes 0.3 s for each proposal, half a second apart."""

    def add(self, seconds: float, now_s: float) -> None:
        super().add(0.3, 0.5 * len(self.seconds))


def test_one_line_says_where_the_search_stands() -> None:
    assert describe(SHOWN) == (
        "40/200 trials: 30 trained, 9 cached, 1 failed; front 17, hypervolume 0.7123; "
        "25 s, 12 ms to suggest, 102 s left"
    )


def test_every_proposal_is_timed(tmp_path: Path) -> None:
    loop, shown = make_loop(tmp_path, fabricate, study=in_memory()), list[Progress]()
    loop.run(6, None, shown.append)
    assert len(loop.study.suggest_times.seconds) == 6
    assert all(0 < progress.suggest_s < progress.elapsed_s for progress in shown)
    assert {progress.warning for progress in shown} == {""}


def test_search_with_a_slow_sampler_says_so_once(tmp_path: Path) -> None:
    loop, shown = make_loop(tmp_path, fabricate, study=in_memory()), list[Progress]()
    loop.study.suggest_times = SlowSampler("tpe")
    loop.run(RECENT + 10, None, shown.append)
    assert [number for number, progress in enumerate(shown) if progress.warning] == [RECENT]
    printed = io.StringIO()
    with make_reporter(printed) as report:
        for progress in shown:
            report(progress)
    notes = [line for line in printed.getvalue().splitlines() if line.startswith("note: ")]
    assert notes == [f"note: {shown[RECENT].warning}"]
    assert "--sampler nsga2" in notes[0]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_counter_changes_one_line_on_a_terminal_and_writes_few_elsewhere() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file, None):
        with counter(stream, "measuring") as show:
            for done in range(4):
                show(done, 3)
    assert terminal.getvalue() == "\rmeasuring: 0/3\rmeasuring: 1/3\rmeasuring: 2/3\rmeasuring: 3/3\n"
    assert file.getvalue() == "measuring: 0/3\nmeasuring: 3/3\n"  # the others came within five seconds


@pytest.mark.parametrize(("shown", "line"), [([0, 2], "\rmeasuring: 0/3\rmeasuring: 2/3\n"), ([], "")])
def test_a_counter_ends_its_line_where_not_all_was_done(shown: list[int], line: str) -> None:
    terminal = Terminal()
    with suppress(KeyboardInterrupt), counter(terminal, "measuring") as show:
        for done in shown:
            show(done, 3)
        raise KeyboardInterrupt
    assert terminal.getvalue() == line


def test_lines_are_written_while_the_first_network_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_EVERY_S", 0.01)
    stream = io.StringIO()
    with make_reporter(stream) as show:
        deadline = time.monotonic() + 30
        while stream.getvalue().count("training the first network") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        show(SHOWN)
    lines = stream.getvalue().splitlines()
    assert lines[-1] == describe(SHOWN)
    assert all(line.startswith("training the first network: ") for line in lines[:-1])
