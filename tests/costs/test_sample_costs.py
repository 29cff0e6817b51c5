"""What one sample takes, against the latency of each kind of sample summed by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.costs.model import CostModel
from explorer.costs.sample_costs import SampleCosts
from explorer.devices import Setting
from tests.costs.test_model import SPLITS, WITH_EXIT, setting, sweep

EDGE_S = (4.0 + 0.5) + (0.1 + 0.5)  # the edge part and the exit
SENT_S = (110 / 100 + 0.5) + 0.125 + 8 * 30 / 16 + 20 / 8000 + 2000 / 8000


def point(row: tuple[Any, ...], deadline_s: float | None = None) -> "pd.Series[Any]":
    where: Setting = replace(setting(), deadline_s=deadline_s)
    return CostModel(where).points(sweep(row), SPLITS, 10).iloc[0]


def test_latency_of_an_exit_and_of_a_sent_sample() -> None:
    own = point(WITH_EXIT)
    assert own["latency_exit_s"] == pytest.approx(EDGE_S)
    assert own["latency_offload_s"] == pytest.approx(EDGE_S + SENT_S)
    mean = 0.7 * own["latency_exit_s"] + 0.3 * own["latency_offload_s"]
    assert own["latency_model_s"] == pytest.approx(mean)
    assert np.isnan(own["deadline_missed"])


def test_a_kind_of_sample_that_never_occurs_has_no_latency() -> None:
    whole = point(("output", None, 0.0, 9, 10))
    assert whole["latency_exit_s"] == whole["latency_model_s"]
    assert np.isnan(whole["latency_offload_s"])
    sent = point(("fc1", 16, np.nan, 6, 0))
    assert sent["latency_offload_s"] == pytest.approx(sent["latency_model_s"])
    assert np.isnan(sent["latency_exit_s"])


@pytest.mark.parametrize(("deadline_s", "late"), [(EDGE_S - 0.01, 1.0), (EDGE_S + 0.01, 0.3), (100.0, 0.0)])
def test_a_deadline_is_missed_by_all_samples_of_a_kind_or_by_none(deadline_s: float, late: float) -> None:
    assert point(WITH_EXIT, deadline_s)["deadline_missed"] == late


def test_a_deadline_that_lies_on_a_latency_is_met() -> None:
    assert point(WITH_EXIT, point(WITH_EXIT)["latency_offload_s"])["deadline_missed"] == 0


def test_what_is_not_known_leaves_the_share_of_late_samples_open() -> None:
    link = replace(setting(), link=setting().link.model_copy(update={"rtt_s": None}), deadline_s=1.0)
    offloads, stays = WITH_EXIT, ("output", None, 0.0, 9, 10)
    points = CostModel(link).points(sweep(offloads, stays), SPLITS, 10)
    assert points["deadline_missed"].isna().tolist() == [True, False]
    assert points["latency_exit_s"].notna().all()


seconds = st.floats(0, 10)


@given(edge=seconds, sent=seconds, exited=st.integers(0, 20), offloaded=st.integers(0, 20), deadline=seconds)
def test_the_share_is_that_of_samples_counted_one_by_one(
    edge: float, sent: float, exited: int, offloaded: int, deadline: float
) -> None:
    if exited + offloaded == 0:
        return
    one = np.array([edge]), np.array([sent]), np.array([0.0]), np.array([0.0])
    costs = SampleCosts(*one, np.array([float(exited)]), np.array([float(offloaded)]))
    latencies = [edge] * exited + [edge + sent] * offloaded
    assert costs.late_share(deadline)[0] == np.mean([own > deadline for own in latencies])
    assert costs.latency_s[0] == pytest.approx(np.mean(latencies), abs=1e-12)
