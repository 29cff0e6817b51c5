"""Two encodings of one choice: there and back, what samplers see, and references that stay what they say."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops import in_memory, make_loop, results, silent
from stand_ins import SPACE, fabricate, make_inventory, make_proposer

from explorer.core.run_point import RunPoint
from explorer.engine.encodings import ENCODINGS, ParamChoice
from explorer.engine.references import references

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

FIXED = {"backbone", "size", "density.1", "density.2", "density.3", "split_point"}
HOW_TO_RUN = {"confidence_threshold", "payload_bits"}
MLP = SPACE["backbones"]["mlp"]
RICH: dict[str, Any] = {
    "patterns": ["structured", "block"],
    "backbones": {
        "mlp": MLP,
        "deep": MLP
        | {"arguments": {"hidden": [[8, 8, 8, 8], [4, 12, 8, 16]]}, "densities": {"low": 0.1, "limit": 5}},
    },
}


def suggested(encoding: str, params: dict[str, Any], **space: Any) -> ParamChoice:
    return ENCODINGS[encoding](make_inventory(**space)).suggest(optuna.trial.FixedTrial(params))


def drawn(encoding: str, seed: int) -> tuple[ParamChoice, dict[str, Any]]:
    """A choice that a random sampler makes in the rich space, and its parameters."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    return ENCODINGS[encoding](make_inventory(**RICH)).suggest(trial), trial.params


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(seed=st.integers(0, 2**31))
def test_there_and_back(encoding: str, seed: int) -> None:
    choice, params = drawn(encoding, seed)
    back = ENCODINGS[encoding](make_inventory(**RICH)).params(choice)
    assert back.keys() == params.keys()
    assert suggested(encoding, back, **RICH) == choice


@given(seed=st.integers(0, 2**31))
def test_fixed_parameters_are_the_same_in_every_trial(seed: int) -> None:
    _, params = drawn("fixed", seed)
    assert params.keys() == FIXED | HOW_TO_RUN | {"pattern"}


def fixed(**changes: Any) -> dict[str, Any]:
    chosen = {"backbone": "mlp", "size": 1.0, "split_point": 0.5, "confidence_threshold": 0.5}
    chosen |= {"payload_bits": 8, "density.1": 1.0, "density.2": 1.0, "density.3": 1.0}
    return chosen | {key.replace("__", "."): value for key, value in changes.items()}


def test_fixed_choice_by_hand() -> None:
    choice = suggested("fixed", fixed(density__1=0.3, density__3=0.45, split_point=0.49))
    assert choice.variant.arguments == {"hidden": [16, 8]}
    # choices 1/4, 1/2, 1; by ratio 0.3 is nearest to 1/4 and 0.45 to 1/2
    assert choice.densities == {"fc1": Fraction(1, 4), "fc2": Fraction(1), "classifier": Fraction(1, 2)}
    # input, relu1, relu2, output share [0, 1]
    assert choice.point == RunPoint("relu1", 0.5, 8)


def test_size_ranks_variants_by_their_weights() -> None:
    space = {"backbones": {"mlp": MLP | {"arguments": {"hidden": [[16, 8], [4], [8]]}}}}
    sizes = (0.0, 0.33, 0.34, 0.66, 0.67, 1.0)
    hidden = [suggested("fixed", fixed(size=size), **space).variant.arguments["hidden"] for size in sizes]
    assert hidden == [[4], [4], [8], [8], [16, 8], [16, 8]]


@pytest.mark.parametrize(
    ("hidden", "groups"),
    [([4], [1, 3]), ([16, 8], [1, 2, 3]), ([8] * 3, [1, 2, 2, 3]), ([8] * 5, [1, 1, 2, 2, 3, 3])],
)
def test_groups_by_depth(hidden: list[int], groups: list[int]) -> None:
    space = {"backbones": {"mlp": MLP | {"arguments": {"hidden": [hidden, [8] * 6]}}}}
    variant = make_inventory(**space).variants["mlp"][0]
    for group in (1, 2, 3):
        encoding = ENCODINGS["fixed"](make_inventory(**space))
        densities = {
            path: choices[0 if own == group else -1]
            for (path, choices), own in zip(variant.densities.items(), groups, strict=True)
        }
        choice = ParamChoice(variant, "block", densities, RunPoint("output", 0.0, 8))
        params = encoding.params(choice)
        sparse = [number for number in (1, 2, 3) if params[f"density.{number}"] < 0.5]
        assert sparse == ([group] if group in groups else [])
        assert suggested("fixed", params, **space) == choice


def test_densities_that_differ_in_a_group_become_one_between_them() -> None:
    space = {"backbones": {"mlp": MLP | {"arguments": {"hidden": [[8] * 3]}}}}
    (variant,) = make_inventory(**space).variants["mlp"]
    assert list(variant.densities) == ["fc1", "fc2", "fc3", "classifier"]  # fc2 and fc3 share a group
    apart = variant.densest | {"fc2": Fraction(1, 4)}
    encoding = ENCODINGS["fixed"](make_inventory(**space))
    params = encoding.params(ParamChoice(variant, "block", apart, RunPoint("output", 0.0, 8)))
    # half-way by ratio between 1/4, which ends at sqrt(1/8), and 1, which begins at sqrt(1/2)
    assert params["density.2"] == pytest.approx(0.5)
    near = dict(suggested("fixed", params, **space).densities)
    assert near == variant.densest | {"fc2": Fraction(1, 2), "fc3": Fraction(1, 2)}


def test_what_leaves_no_choice_has_no_parameters() -> None:
    space = {"backbones": {"mlp": MLP | {"densities": [1.0], "arguments": {"hidden": [[4]]}}}}
    params = {"backbone": "mlp", "split_point": 0.5, "confidence_threshold": 0.5, "payload_bits": 8}
    choice = suggested("fixed", params, **space)
    assert set(choice.densities.values()) == {Fraction(1)}
    assert ENCODINGS["fixed"](make_inventory(**space)).params(choice).keys() == params.keys()


@pytest.mark.parametrize(
    "hidden", [[[4], [16, 8]], [[12, 20, 6, 9], [5]], [[7, 30, 12, 18, 24], [2], [9, 9]]]
)
@pytest.mark.parametrize("limit", [3, 8])
def test_references_are_the_same_networks_in_both(hidden: list[list[int]], limit: int) -> None:
    spec = MLP | {"arguments": {"hidden": hidden}, "densities": {"low": 0.05, "limit": limit}}
    space = {"backbones": {"mlp": spec}, "confidence_thresholds": {"low": 0.0, "high": 1.0, "step": 0.05}}
    proposers = [make_proposer(encoding=encoding, **space) for encoding in ENCODINGS]
    candidates = [
        {own.name: p.suggest(optuna.trial.FixedTrial(own.params)) for own in references(p)} for p in proposers
    ]
    assert candidates[0] == candidates[1]
    assert len(candidates[0]) == 5


@pytest.mark.parametrize("sampler", ["gp", "nsga2", "nsga3", "tpe"])
def test_samplers_search_the_fixed_encoding(
    tmp_path: Path, sampler: str, recwarn: pytest.WarningsRecorder
) -> None:
    whole = make_loop(tmp_path / "whole", fabricate, sampler, study=in_memory(), encoding="fixed")
    whole.run(12, None, silent)  # GP begins to model after ten
    assert all(trial.params.keys() == FIXED | HOW_TO_RUN for trial in whole.study.optuna_study.trials)
    assert {result.outcome for result in results(whole)} <= {"trained", "cached"}
    # open_study silences the first; the second comes whenever the collector meets what another test left.
    others = (optuna.exceptions.ExperimentalWarning, ResourceWarning)
    assert [str(w.message) for w in recwarn if not issubclass(w.category, others)] == []
    parts = tmp_path / "parts"
    parts.mkdir()
    for trials in (11, 12):
        resumed = make_loop(parts, fabricate, sampler, encoding="fixed")
        resumed.run(trials, None, silent)
    assert [t.params for t in resumed.study.optuna_study.trials] == [
        t.params for t in whole.study.optuna_study.trials
    ]


@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_weight_bits_are_a_parameter_only_where_there_is_a_choice(encoding: str) -> None:
    assert "edge_weight_bits" not in ENCODINGS[encoding](make_inventory()).distributions()
    both = ENCODINGS[encoding](make_inventory(edge_weight_bits=[32, 8]))
    variant = make_inventory(edge_weight_bits=[32, 8]).variants["mlp"][0]
    choice = ParamChoice(variant, "block", variant.densest, RunPoint("relu1", 0.5, 8, 8))
    trial = optuna.trial.FixedTrial(both.params(choice))
    assert both.suggest(trial).point == choice.point
    assert trial.distributions["edge_weight_bits"].choices == (32, 8)
