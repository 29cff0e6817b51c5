"""Limits on columns: what can be read and what is refused, with which words; what violates them."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.errors import UserError
from explorer.space.constraints import Constraint, parse_constraint
from explorer.space.metrics import ALL_METRICS


@pytest.mark.parametrize(
    ("text", "column", "operator", "bound"),
    [
        ("edge_memory_bytes <= 64 KiB", "edge_memory_bytes", "<=", 64 * 1024),
        ("edge_memory_bytes<=64kB", "edge_memory_bytes", "<=", 64_000),
        ("payload_bytes <= 2", "payload_bytes", "<=", 2),
        ("edge_param_bytes <= 1.5 MiB", "edge_param_bytes", "<=", 1.5 * 2**20),
        ("accuracy >= 95 %", "accuracy", ">=", 0.95),
        ("  accuracy >= .95  ", "accuracy", ">=", 0.95),
        ("latency_model_s <= 20 ms", "latency_model_s", "<=", 0.02),
        ("latency_model_s <= 2e-2", "latency_model_s", "<=", 0.02),
        ("energy_model_j <= 5 mJ", "energy_model_j", "<=", 0.005),
        ("edge_macs <= 2 MMAC", "edge_macs", "<=", 2e6),
        ("edge_latency_host_s <= 300 us", "edge_latency_host_s", "<=", 3e-4),
        ("exit_rate >= -1", "exit_rate", ">=", -1),
    ],
)
def test_parse_constraint(text: str, column: str, operator: str, bound: float) -> None:
    constraint = parse_constraint(text, "--where")
    assert (constraint.column, constraint.operator) == (column, operator)
    assert constraint.bound == pytest.approx(bound)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy > 0.9", "must read `column <= number .*got 'accuracy > 0.9'"),
        ("accuracy >= good", "must read"),
        ("accuracy", "must read"),
        ("", "must read .*got ''"),
        ("accuracy >= nan", "must read"),
        ("accuracy >= 0.9 and edge_macs <= 3", "must read"),
        ("flops <= 3", "unknown column 'flops'; known: accuracy, accuracy_ci95_low, "),
        (
            "edge_memory_bytes <= 64 blocks",
            "unknown unit 'blocks' for edge_memory_bytes; known: GB MB",
        ),
        ("latency_model_s <= 5 KiB", "unknown unit 'KiB' for latency_model_s; known: s ms µs us$"),
        ("energy_model_j <= 5 MJ", "unknown unit 'MJ' for energy_model_j; known: kJ J mJ µJ uJ$"),
        ("edge_macs <= 3 %", "unknown unit '%' for edge_macs"),
    ],
)
def test_unreadable_constraint(text: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^--where: {message}"):
        parse_constraint(text, "--where")


@given(st.sampled_from(sorted(ALL_METRICS)), st.sampled_from(["<=", ">="]), st.integers(-(10**5), 10**5))
def test_a_constraint_reads_what_it_shows(column: str, operator: str, bound: int) -> None:
    constraint = Constraint(column, operator, float(bound))
    assert parse_constraint(str(constraint), "constraints") == constraint


@pytest.mark.parametrize(
    ("operator", "bound", "value", "violation"),
    [
        ("<=", 10, 10, 0),
        ("<=", 10, 15, 0.5),  # half of the bound too much
        ("<=", 10, 5, -0.5),
        (">=", 0.5, 0.4, 0.2),
        (">=", -4, -6, 0.5),
        ("<=", 0, 3, 3),  # nothing to relate to
        ("<=", 10, math.nan, math.inf),
    ],
)
def test_violation(operator: str, bound: float, value: float, violation: float) -> None:
    assert Constraint("edge_macs", operator, bound).violation(value) == pytest.approx(violation)


@given(st.sampled_from(["<=", ">="]), st.floats(-10, 10), st.floats(-10, 10) | st.just(math.nan))
def test_satisfied_means_no_violation(operator: str, bound: float, value: float) -> None:
    constraint = Constraint("edge_macs", operator, bound)
    (satisfied,) = constraint.satisfied(pd.DataFrame({"edge_macs": [value]}))
    assert satisfied == (constraint.violation(value) <= 0)
