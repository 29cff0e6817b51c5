"""Fits against times that were made up by the very formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.devices.fitting import fit_times
from explorer.devices.micro_networks import micro_networks
from explorer.devices.operators import KINDS, OTHER, Operator

TERMS = st.tuples(st.floats(1e-6, 1e-4), st.floats(1e-11, 1e-9), st.floats(1e-11, 1e-9))


def test_every_kind_is_timed() -> None:
    kinds = {own.kind for network in micro_networks() for own in network.operators}
    assert kinds == set(KINDS) - {OTHER}


@given(conv=TERMS, linear=TERMS, part=st.floats(1e-6, 1e-4))
def test_known_times_are_found_again(conv: tuple[float, ...], linear: tuple[float, ...], part: float) -> None:
    rng, networks, seconds = np.random.default_rng(0), [], []
    for number in range(40):
        own = [
            Operator(int(macs), int(moved), kind)
            for kind in ("conv", "linear")[: 1 + number % 2]
            for macs, moved in rng.integers(1e3, 1e6, (1 + number % 3, 2))
        ]
        networks.append(own)
        terms = {"conv": conv, "linear": linear}
        works = [(terms[one.kind], (1, one.macs, one.moved_bytes)) for one in own]
        seconds.append(part + sum(np.dot(term, work) for term, work in works))
    fitted = fit_times(networks, seconds)
    assert fitted.part_overhead_s == pytest.approx(part, rel=1e-4)
    for kind, terms_of in (("conv", conv), ("linear", linear)):
        assert fitted.operators[kind].terms == pytest.approx((*terms_of, 0.0), rel=1e-4)
    found = [fitted.predicted_s(own) for own in networks]
    assert found == pytest.approx(seconds, rel=1e-6)


def test_groups_and_what_is_added_count() -> None:
    networks = [
        [Operator(macs, 100, "grouped_conv", groups, added_macs=added)]
        for macs, groups, added in ((100, 2, 0), (100, 4, 0), (100, 2, 300), (500, 8, 0), (700, 2, 100))
    ]
    seconds = [1.0 + 0.01 * (own.macs + own.added_macs) + 2.0 * own.groups for (own,) in networks]
    times = fit_times(networks, seconds).operators["grouped_conv"]
    assert times.s_per_mac == pytest.approx(0.01, rel=1e-6)
    assert times.s_per_group == pytest.approx(2.0, rel=1e-6)


def test_codecs_run_outside_of_parts() -> None:
    networks = [[Operator(0, 8, "move")], [Operator(0, 16, "move")], [Operator(10, 8, "encode")]]
    fitted = fit_times(networks, [5.0, 5.0, 0.5])
    assert fitted.part_overhead_s + fitted.operators["move"].s_per_call == pytest.approx(5.0)
    assert fitted.predicted_s(networks[2]) == pytest.approx(0.5)


def test_other_stands_for_all_kinds_together() -> None:
    networks = [[Operator(macs, 0, kind)] for macs in (1000, 2000, 4000) for kind in ("conv", "linear")]
    fitted = fit_times(networks, [own.macs * 1e-9 for (own,) in networks])
    assert fitted.operators[OTHER].s_per_mac == pytest.approx(1e-9)
