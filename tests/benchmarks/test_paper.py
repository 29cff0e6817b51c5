"""The papers' networks: arithmetic by formula, and the benchmark end to end on a subset."""

import json
import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.paper import __main__ as paper
from benchmarks.paper.check import shortfalls
from benchmarks.paper.measure import fitted, sizes
from benchmarks.paper.networks import (
    DENSE,
    DEY,
    DEY_DENSE,
    LINEAR_PATTERNS,
    NETWORKS,
    PAPER,
    SMALL_DENSE,
    WIDE,
    PaperNetwork,
    build,
    fan_out_density,
    uniform,
)
from explorer.data.dataset import Subset
from explorer.errors import UserError

PAIRS = [(network, pattern) for network in NETWORKS for pattern in network.patterns]


def test_weights_are_the_published_ones() -> None:
    assert PAPER.num_weights == 800 * 2 + 40 * 9 + 40 * 10 == 2360
    assert SMALL_DENSE.num_weights == 2439
    assert PAPER.dense_twin.num_weights == 34_000
    assert DEY.num_weights == 41_000
    assert DEY_DENSE.num_weights == 784 * 112 + 112 * 10


def test_density_is_fan_out_over_outputs() -> None:
    assert PAPER.densities == (Fraction(1, 20), Fraction(9, 40), Fraction(1))
    assert DEY.densities == (Fraction(1, 2), Fraction(1))


@pytest.mark.parametrize(("inputs", "outputs", "fan_out"), [(800, 3, 1), (40, 10, 0), (40, 10, 11)])
def test_illegal_fan_out_is_named(inputs: int, outputs: int, fan_out: int) -> None:
    with pytest.raises(UserError, match=f"fan-out {fan_out}: {inputs} inputs and {outputs} outputs"):
        fan_out_density(inputs, outputs, fan_out)


def test_uniform_density_takes_the_nearest_legal_one() -> None:
    assert uniform(WIDE, Fraction(1, 8), "wide").fan_out == (30, 30, 1)
    assert uniform(WIDE, Fraction(1, 4), "wide").densities == (
        Fraction(1, 4),
        Fraction(1, 4),
        Fraction(3, 10),
    )
    assert not uniform(WIDE, Fraction(1), "wide").is_sparse


@pytest.mark.parametrize(("network", "pattern"), PAIRS, ids=lambda value: getattr(value, "name", value))
def test_sizes_follow_the_formula(network: PaperNetwork, pattern: str) -> None:
    weighed = sizes(network, pattern, batch_size=4)
    expected = sum(
        int(density * inputs * outputs)
        for density, (inputs, outputs) in zip(network.densities, pairwise(network.widths), strict=True)
    )
    assert weighed.weights == weighed.macs == network.num_weights == expected
    parameter_bytes = 4 * (expected + sum(network.widths[1:]))
    header = weighed.stored_bytes - parameter_bytes
    assert 0 < header < 1024
    assert weighed.training_state_bytes >= 4 * parameter_bytes


def test_training_state_is_weights_gradients_and_two_moments() -> None:
    parameters = SMALL_DENSE.num_weights + sum(SMALL_DENSE.widths[1:])
    steps = 4 * 6  # AdamW counts the steps of each of six tensors
    assert sizes(SMALL_DENSE, DENSE, batch_size=4).training_state_bytes == 4 * 4 * parameters + steps


def test_every_sparse_network_has_every_pattern_for_linear_layers() -> None:
    assert {"block", "structured", "random"} <= set(LINEAR_PATTERNS)
    assert all(
        network.patterns == (LINEAR_PATTERNS if network.is_sparse else (DENSE,)) for network in NETWORKS
    )
    assert {network.dense_twin.name for network in NETWORKS} <= {network.name for network in NETWORKS}


def test_building_repeats_itself() -> None:
    first, second = (build(PAPER, "structured", seed=3).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_inputs_are_padded_with_zeros_at_the_end() -> None:
    images = torch.rand(2, 1, 28, 28)
    padded = fitted(Subset(images, torch.zeros(2, dtype=torch.int64)), 800).inputs
    assert torch.equal(padded[:, :784], images.flatten(1))
    assert not padded[:, 784:].any()


def _rows(**changes: Any) -> list[dict[str, Any]]:
    """Rows that keep every promise, but for ``changes`` of the paper's `block` network."""
    lean = next(network for network in NETWORKS if network.family == "wide" and network.num_weights < 30_000)
    dense = PaperNetwork(WIDE, WIDE[1:], "wide")

    def row(network: PaperNetwork, pattern: str, accuracy: float, ratio: float = 1.0) -> dict[str, Any]:
        content: dict[str, Any] = {"network": network.name, "pattern": pattern, "family": network.family}
        weights = network.num_weights
        return content | {
            "weights": weights,
            "macs": weights,
            "accuracy_mean": accuracy,
            "epoch_ratio": ratio,
        }

    return [
        row(PAPER, "block", 0.95, 0.9) | changes,
        row(PAPER, "structured", 0.94),
        row(dense, DENSE, 0.98),
        row(lean, "block", 0.976),
    ]


def test_check_passes_rows_that_keep_every_promise() -> None:
    assert shortfalls(_rows()) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"accuracy_mean": 0.9399}, "block: accuracy 0.9399, target 0.9400"),
        ({"epoch_ratio": 1.0}, "block: an epoch takes 1.00 of the dense one's seconds"),
    ],
)
def test_check_names_what_falls_short(changes: dict[str, Any], named: str) -> None:
    (line,) = shortfalls(_rows(**changes))
    assert named in line


def test_check_names_too_great_a_loss() -> None:
    rows = _rows()
    rows[-1]["accuracy_mean"] = 0.974
    (line,) = shortfalls(rows)
    assert "loses 0.0060 of accuracy" in line


def test_check_wants_every_figure() -> None:
    assert len(shortfalls([])) == 3
    assert "no network of the wide family" in shortfalls(_rows()[:-1])[0]


@pytest.mark.timeout(240)
@pytest.mark.skipif(
    "EXPLORER_DATA_DIR" not in os.environ, reason="EXPLORER_DATA_DIR names no folder with MNIST"
)
def test_quick_variant_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "paper.json"
    status = paper.main(["--quick", "--check", "--out", str(out)])
    results = json.loads(out.read_text(encoding="utf-8"))
    assert [(row["network"], row["pattern"]) for row in results["rows"]] == [(n.name, p) for n, p in PAIRS]
    assert all(0 <= row["accuracy"] <= 1 and 0 <= row["exit_rate"] <= 1 for row in results["splits"])
    assert {row["network"] for row in results["splits"]} == {network.name for network in NETWORKS}
    assert status == (1 if results["falls_short"] else 0)
    printed = capsys.readouterr().out
    assert all(f"falls short: {line}" in printed for line in results["falls_short"])
