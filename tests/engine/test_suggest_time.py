"""When a search says that its sampler holds it up."""

import pytest

from explorer.engine.defaults import SAMPLERS
from explorer.engine.suggest_time import CHEAPER, LEAST_S, RECENT, SuggestTimes


def warnings(sampler: str, suggest_s: float, rest_s: float, proposals: int) -> list[str]:
    """What is said after each of so many proposals, all of which take the same."""
    times, said = SuggestTimes(sampler), []
    for number in range(1, proposals + 1):
        times.add(suggest_s, number * (suggest_s + rest_s))
        said.append(times.warning())
    return said


def test_slow_sampler_is_named_once_with_one_that_proposes_sooner() -> None:
    said = warnings("tpe", suggest_s=0.3, rest_s=0.2, proposals=3 * RECENT)
    (warning,) = filter(None, said)
    assert said.index(warning) == RECENT  # the first moment at which 20 proposals have passed
    for part in (
        "the tpe sampler took 0.3 s",
        f"(after {RECENT + 1})",
        "keeps its sampler",
        "--sampler nsga2",
    ):
        assert part in warning


@pytest.mark.parametrize(
    ("suggest_s", "rest_s"),
    [(LEAST_S / 1.01, 0.0), (0.3, 0.31), (30.0, 31.0)],
    ids=["below the floor", "less than the rest", "much, but less than the rest"],
)
def test_sampler_worth_its_time_is_left_alone(suggest_s: float, rest_s: float) -> None:
    assert not any(warnings("tpe", suggest_s, rest_s, 3 * RECENT))


def test_only_the_recent_proposals_count() -> None:
    times, clock, said = SuggestTimes("gp"), 0.0, list[str]()
    for suggest_s in [0.001] * 100 + [0.5] * RECENT:
        clock += suggest_s + 0.1
        times.add(suggest_s, clock)
        said.append(times.warning())
    (warning,) = filter(None, said)
    assert said.index(warning) == 100 + RECENT // 2 - 1  # half of the last 20 are slow
    assert "--sampler front" in warning
    assert times.recent_s == 0.5


def test_one_slow_proposal_is_no_habit() -> None:
    times = SuggestTimes("tpe")
    for number in range(3 * RECENT):
        times.add(60.0 if number == RECENT else 0.01, 61.0 * (number >= RECENT) + 0.02 * number)
        assert not times.warning()


def test_before_the_first_proposal() -> None:
    times = SuggestTimes("tpe")
    assert (times.recent_s, times.warning()) == (0.0, "")


def test_what_is_proposed_instead_is_a_sampler_and_never_leads_in_a_circle() -> None:
    for sampler in CHEAPER:
        seen = [sampler]
        while seen[-1] in CHEAPER:
            seen.append(CHEAPER[seen[-1]])
        assert len(set(seen)) == len(seen)
        assert set(seen) <= set(SAMPLERS)


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS) - set(CHEAPER)))
def test_nothing_proposes_sooner_than_the_cheapest(sampler: str) -> None:
    assert not any(warnings(sampler, suggest_s=5.0, rest_s=0.0, proposals=3 * RECENT))
