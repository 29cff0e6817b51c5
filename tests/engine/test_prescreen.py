"""The prescreen asks the metrics what is known before training."""

from dataclasses import replace

import pytest
from stand_ins import SETTING, make_proposer

from explorer.core.run_point import RunPoint
from explorer.costs.model import CostModel
from explorer.engine import prescreen as module
from explorer.engine.prescreen import Prescreen
from explorer.runtime.sizes import REQUEST_OVERHEAD
from explorer.space import metrics
from explorer.space.candidate import Candidate
from explorer.space.constraints import parse_constraint


def violations(*texts: str, point: RunPoint) -> dict[str, float]:
    proposer = make_proposer()
    variant = proposer.inventory.variants["mlp"][0]
    network = proposer.network(variant, "block", variant.densest)
    constraints = [parse_constraint(text, "test") for text in texts]
    screen = Prescreen(proposer.inventory, constraints, CostModel(SETTING))
    return screen.violations(Candidate.canonical(network, point))


def test_a_cost_that_is_too_high_at_every_offload_rate_is_named() -> None:
    found = violations("edge_macs <= 1", "payload_bytes <= 1", point=RunPoint("relu1", 0.5, 8))
    assert set(found) == {"edge_macs <= 1"}  # with every sample answered on the edge nothing is sent
    assert set(violations("payload_bytes <= 1", point=RunPoint("input", 1.0, 8))) == {"payload_bytes <= 1"}


def test_bytes_around_payloads_are_known_before_training() -> None:
    sent = RunPoint("input", 1.0, 8)
    (payload,) = violations("payload_bytes <= 1", point=sent).values()
    (wire,) = violations("wire_bytes <= 1", point=sent).values()
    assert wire - payload == REQUEST_OVERHEAD
    assert violations("wire_bytes <= 1", point=RunPoint("relu1", 0.5, 8)) == {}


def test_learned_metrics_rule_out_nothing_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    second = replace(metrics.METRICS["accuracy"], name="balanced_accuracy", credit="balanced")
    monkeypatch.setitem(metrics.ALL_METRICS, "balanced_accuracy", second)
    assert module.ALL_METRICS is metrics.ALL_METRICS
    everywhere = ("accuracy >= 0.99", "exit_rate >= 0.99", "balanced_accuracy >= 0.99")
    assert violations(*everywhere, point=RunPoint("relu1", 0.5, 8)) == {}


def test_what_c_takes_is_not_known_before_training() -> None:
    proposer = make_proposer(edge_weight_bits=[32, 8])
    variant = proposer.inventory.variants["mlp"][0]
    network = proposer.network(variant, "block", variant.densest)
    texts = ("edge_flash_bytes <= 1", "edge_ram_bytes <= 1", "edge_macs <= 1")
    constraints = [parse_constraint(text, "test") for text in texts]
    screen = Prescreen(proposer.inventory, constraints, CostModel(SETTING))
    for weight_bits in (32, 8):
        point = RunPoint("relu1", 0.5, 8, weight_bits)
        assert set(screen.violations(Candidate.canonical(network, point))) == {"edge_macs <= 1"}
