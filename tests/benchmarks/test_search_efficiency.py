"""The benchmark of the search: its yardstick by formula, its table by hand, its plain loop on digits."""

from collections import OrderedDict
from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch import nn

from benchmarks.search_efficiency import __main__ as search_efficiency
from benchmarks.search_efficiency.comparison import (
    band,
    compare,
    efficiency_figure,
    median,
    medians,
    shortfalls,
)
from benchmarks.search_efficiency.curves import Curve, Sample, log_hypervolume
from benchmarks.search_efficiency.ours import RUNGS, VARIANTS, WHOLE, run_ours
from benchmarks.search_efficiency.plain_loop import Choice, answers, build, edge_macs, run_plain, suggest
from benchmarks.search_efficiency.run import LABELS, PLAIN
from benchmarks.search_efficiency.spaces import SPACES, make_space
from explorer.backbones import build_backbone
from explorer.core.graph.split_points import INPUT, OUTPUT
from explorer.core.sparsity.sparsify import sparsify
from explorer.costs.build import build_network
from explorer.costs.dense_macs import dense_counts
from explorer.costs.split_costs import split_costs
from explorer.data.dataset import DataSet
from explorer.engine.proposals import Proposer
from explorer.errors import UserError
from explorer.space.files import load_space_data
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace
from explorer.space.variants import Inventory

MLP = make_space("mlp", 0)  # references 0.5, 500,000 MACs, 3,200 bytes


def _share(cost: float, reference: float) -> float:
    return 1 - log(1 + 1000 * cost / reference) / log(1001)


def test_hypervolume_of_one_point_is_a_box() -> None:
    point = np.array([[-0.9, 5_000.0, 32.0]])
    expected = 0.8 * _share(5_000, 500_000) * _share(32, 3_200)
    assert log_hypervolume(point, MLP) == pytest.approx(expected)


def test_hypervolume_of_two_points_counts_what_they_share_once() -> None:
    points = np.array([[-0.9, 50_000.0, 0.0], [-0.8, 500.0, 0.0]])
    dear, cheap = _share(50_000, 500_000), _share(500, 500_000)
    assert log_hypervolume(points, MLP) == pytest.approx(0.8 * dear + 0.6 * (cheap - dear))


@pytest.mark.parametrize("point", [(-0.5, 0.0, 0.0), (-0.9, 500_000.0, 0.0), (-0.9, 0.0, 4_000.0)])
def test_points_no_better_than_the_reference_add_nothing(point: tuple[float, ...]) -> None:
    assert log_hypervolume(np.array([point]), MLP) == 0.0


def test_ideal_fills_the_box_and_no_point_leaves_it_empty() -> None:
    assert log_hypervolume(np.array([[-1.0, 0.0, 0.0]]), MLP) == pytest.approx(1.0)
    assert log_hypervolume(np.empty((0, 3)), MLP) == 0.0


def _curve(variant: str, steps: dict[float, float], seed: int = 0, budget_s: float = 100.0) -> Curve:
    """A curve with one training per trial: hypervolume by second."""
    count = len(steps)
    return Curve(
        "mlp", variant, seed, budget_s, tuple(steps), tuple(range(1, count + 1)), tuple(steps.values()), 5
    )


def test_curve_of_samples_leaves_out_what_ended_too_late() -> None:
    fronts = [np.array([[-accuracy, 5_000.0, 32.0]]) for accuracy in (0.7, 0.7, 0.9)]
    seconds = (1.0, 2.0, 11.0)
    samples = [Sample(s, n, front) for n, (s, front) in enumerate(zip(seconds, fronts, strict=True), start=1)]
    curve = Curve.of(samples, MLP, "mlp", PLAIN, 0, budget_s=10.0)
    assert (curve.seconds, curve.trainings, curve.points) == ((1.0, 2.0), (1, 2), 1)
    assert curve.hypervolume == pytest.approx((log_hypervolume(fronts[0], MLP),) * 2)


def test_time_to_target_is_the_first_trial_at_or_above_it() -> None:
    curve = _curve(WHOLE, {1.0: 0.2, 3.0: 0.5, 4.0: 0.5, 9.0: 0.6})
    assert [curve.time_to(target) for target in (0.0, 0.2, 0.3, 0.5, 0.6)] == [1.0, 1.0, 3.0, 3.0, 9.0]
    assert curve.time_to(0.61) is None
    assert (curve.final, curve.last_improved_s) == (0.6, 9.0)


def test_curve_between_trials_keeps_its_value() -> None:
    curve = _curve(WHOLE, {1.0: 0.2, 3.0: 0.5})
    assert curve.at([0.5, 1.0, 2.9, 3.0, 50.0], "seconds") == [0.0, 0.2, 0.2, 0.5, 0.5]
    assert curve.at([0, 1, 2], "trainings") == [0.0, 0.2, 0.5]


def test_search_without_a_finished_trial_has_nothing() -> None:
    curve = Curve.of([], MLP, "mlp", WHOLE, 0, 10.0)
    assert (curve.final, curve.last_improved_s, curve.time_to(0.1)) == (0.0, 10.0, None)


def _curves(whole: dict[float, float], rungs: dict[float, float] | None = None) -> list[Curve]:
    others = {variant: _curve(variant, rungs or {2.0: 0.4, 20.0: 0.6}) for variant in LABELS}
    others[PLAIN] = _curve(PLAIN, {10.0: 0.2, 80.0: 0.5, 90.0: 0.5})
    return list((others | {WHOLE: _curve(WHOLE, whole)}).values())


def test_table_relates_seconds_to_the_same_hypervolume() -> None:
    curves = _curves({1.0: 0.3, 4.0: 0.55, 8.0: 0.7}, {2.0: 0.4, 20.0: 0.8})
    rows = {row["variant"]: row for row in compare(curves)}
    assert (rows[PLAIN]["target_s"], set(rows[PLAIN]["speedups"].values())) == (80.0, {1.0})
    assert rows[WHOLE]["target_s"] == 4.0
    assert rows[WHOLE]["speedups"] == {0.5: 80.0, 0.8: 20.0, 0.95: 20.0, 1.0: 20.0}
    assert rows[WHOLE]["at_equal_seconds"] == {10.0: 0.7 / 0.2, 30.0: 0.7 / 0.2, 60.0: 0.7 / 0.2, 150.0: None}
    assert rows[RUNGS]["speedups"][1.0] == 4.0
    assert rows[RUNGS]["rungs_share"] == pytest.approx(20 / 8)


def test_a_share_that_was_never_reached_counts_as_worst() -> None:
    rows = compare(_curves({4.0: 0.55, 8.0: 0.7}, {2.0: 0.4, 20.0: 0.6}))
    assert next(row for row in rows if row["variant"] == RUNGS)["rungs_share"] is None
    assert medians(rows)[RUNGS]["rungs_share"] is None


def test_check_passes_figures_that_keep_the_promise() -> None:
    assert shortfalls(compare(_curves({1.0: 0.3, 3.0: 0.55, 12.0: 0.7}))) == []


@pytest.mark.parametrize(
    ("whole", "named"),
    [
        ({3.0: 0.48, 4.1: 0.55}, ["median speed-up to 100% of the plain loop: 19.51, at least 20"]),
        ({12.0: 0.55}, ["95% of the plain loop: 6.67, at least 25", "seed 0: ", "100%", "seed 0: "]),
        ({1.0: 0.4}, ["never reached the plain loop's", "none: not reached", "none: not reached"]),
    ],
)
def test_check_names_what_falls_short(whole: dict[float, float], named: list[str]) -> None:
    lines = shortfalls(compare(_curves(whole)))
    assert len(lines) == len(named)
    assert all(part in line for part, line in zip(named, lines, strict=True))


def test_median_counts_what_was_never_reached_as_worst() -> None:
    infinity = float("inf")
    assert median([None, 30.0, 20.0], -infinity) == 20.0
    assert median([None, None, 20.0], -infinity) is None
    assert median([None, 0.2, 0.4], infinity) == 0.4
    assert median([None, 0.2], infinity) is None


def test_band_ends_where_a_seed_ends() -> None:
    curves = [_curve(WHOLE, {1.0: 0.2, 3.0: 0.5, 5.0: 0.6}), _curve(WHOLE, {2.0: 0.4, 4.0: 0.4}, seed=1)]
    grid, low, middle, high = band(curves, "trainings")
    assert (grid, low, high) == ([1, 2], [0.2, 0.4], [0.4, 0.5])
    assert middle == pytest.approx([0.3, 0.45])
    assert band(curves, "seconds")[0] == [1.0, 2.0, 3.0, 4.0, 5.0, 100.0]


def test_figure_has_a_line_and_a_band_per_variant_and_panel() -> None:
    figure = efficiency_figure(_curves({1.0: 0.3}))
    assert len(figure.data) == 3 * len(LABELS) * 2
    assert [trace.name for trace in figure.data if trace.showlegend] == list(LABELS.values())


def test_every_space_states_the_three_objectives() -> None:
    for name in SPACES:
        space = make_space(name, 3)
        assert list(space.objectives) == ["accuracy", "edge_macs", "payload_bytes"]
        assert space.training.seed == 3


def test_every_variant_has_a_label_of_its_own() -> None:
    assert set(LABELS) == {PLAIN, *VARIANTS}
    assert len(set(LABELS.values())) == len(LABELS)


@pytest.mark.parametrize("arguments", [["--budget", "0"], ["--seeds", "0"]])
def test_impossible_options_are_named(arguments: list[str]) -> None:
    with pytest.raises(UserError, match=f"{arguments[0]}: must be"):
        search_efficiency.main(arguments)


def _digits(name: str, pattern: str = "block") -> tuple[SearchSpace, DataSet, Inventory]:
    content: dict[str, Any] = make_space(name, 0).model_dump(mode="json")
    content["data"] = {"source": "digits", "train_samples": 300, "validation_samples": 100}
    arguments = {"mlp": {"hidden": [[16, 8]]}, "cnn": {"channels": [[4, 8]], "hidden": [16]}}[name]
    content["backbones"][name]["arguments"] = arguments
    content["training"]["epochs"] = 1
    content["patterns"] = [pattern]
    space = SearchSpace.model_validate(content)
    data = load_space_data(space, None)
    return space, data, build_inventory(space, data.input_shape, data.num_classes)


def _choices(inventory: Inventory, count: int) -> list[Choice]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [suggest(study.ask(), inventory) for _ in range(count)]


@pytest.mark.parametrize("name", SPACES)
def test_plain_loop_counts_as_the_explorer_does(name: str) -> None:
    space, data, inventory = _digits(name)
    spec = space.backbones[name]
    for choice in _choices(inventory, 12):
        network_spec = Proposer(inventory, {}).network(choice.variant, "block", choice.densities)
        whole = build_network(network_spec, data.input_shape, data.num_classes)
        dense = dense_counts(spec.factory, network_spec.arguments, data.input_shape, data.num_classes, 64)
        costs = next(c for c in split_costs(whole, dense) if c.name == choice.split_point.name)
        macs = edge_macs(build(choice, inventory).eval(), choice.densities, data.validation.inputs[:1])
        assert macs == costs.edge_macs + choice.has_exit * costs.exit_macs


@pytest.mark.parametrize("pattern", ["block", "structured"])
def test_masked_layers_keep_the_positions_of_sparse_ones(pattern: str) -> None:
    _, data, inventory = _digits("mlp", pattern)
    choice = next(c for c in _choices(inventory, 20) if sum(d < 1 for d in c.densities.values()) > 1)
    sparse = build_backbone(
        "explorer.backbones:mlp", choice.variant.arguments, data.input_shape, data.num_classes, seed=0
    )
    sparsify(sparse, choice.densities, inventory.space.patterns[0], seed=0)
    masked = build(choice, inventory)
    plain = nn.Sequential(OrderedDict([*masked.edge.named_children(), *masked.server.named_children()]))
    for path, density in choice.densities.items():
        layer, twin = plain.get_submodule(path), sparse.get_submodule(path)
        if density < 1:
            assert torch.equal(_joined(layer), _joined(twin))


def _joined(layer: nn.Module) -> torch.Tensor:
    """Which input changes which output of a Linear layer, sparse or not; shape (inputs, outputs)."""
    inputs = layer.in_features if isinstance(layer, nn.Linear) else layer.inputs
    with torch.no_grad():
        return layer.eval()(torch.eye(int(inputs))) != layer(torch.zeros(1, int(inputs)))


def test_network_at_either_end_has_one_part_only() -> None:
    _, data, inventory = _digits("mlp")
    first = _choices(inventory, 1)[0]
    points = {point.name: point for point in first.variant.split_points}
    at_input = build(replace(first, split_point=points[INPUT], confidence_threshold=1.0), inventory)
    at_output = replace(first, split_point=points[OUTPUT])
    assert (len(at_input.edge), at_input.exit) == (0, None)
    network = build(at_output, inventory).eval()
    assert (len(network.server), network.exit) == (0, None)
    accuracy, offload_rate = answers(network, data.validation, at_output)
    right = network.edge(data.validation.inputs).argmax(-1) == data.validation.labels
    assert (accuracy, offload_rate) == (pytest.approx(right.float().mean().item()), 0.0)


@pytest.mark.parametrize(("threshold", "rate"), [(0.0, 0.0), (1.0, 1.0)])
def test_threshold_decides_who_answers(threshold: float, rate: float) -> None:
    _, data, inventory = _digits("mlp")
    first = _choices(inventory, 1)[0]
    choice = replace(first, split_point=first.variant.split_points[1], confidence_threshold=threshold)
    assert answers(build(choice, inventory).eval(), data.validation, choice)[1] == rate


@pytest.mark.parametrize("name", SPACES)
def test_plain_loop_trains_one_network_per_trial(name: str) -> None:
    space, data, _ = _digits(name)
    samples = run_plain(space, data, seed=0, budget_s=60.0, trials=2)
    assert [sample.trainings for sample in samples] == [1, 2]
    assert 0 < samples[0].seconds < samples[1].seconds
    assert samples[0].losses.shape == (1, 3)
    again = run_plain(space, data, seed=0, budget_s=60.0, trials=2)
    assert np.array_equal(samples[1].losses, again[1].losses)


def test_engine_reports_a_front_after_every_trial() -> None:
    space, data, _ = _digits("mlp")
    samples = run_ours(space, data, seed=0, budget_s=60.0, variant=WHOLE, trials=2)
    assert len(samples) >= 2
    assert all(len(sample.losses) > 1 and sample.seconds > 0 for sample in samples)
    scores = [log_hypervolume(sample.losses, space) for sample in samples]
    assert scores == sorted(scores)
