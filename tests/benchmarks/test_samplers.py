"""The benchmark of samplers: its table by hand, trainings shared, one small comparison of searches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins import fabricate, make_proposer

from benchmarks import samplers
from benchmarks.samplers import VARIANTS, SharedTrainings, Variant, compare, make_space, search, table
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.engine.defaults import SAMPLERS
from explorer.engine.encodings import ENCODINGS
from explorer.errors import UserError
from explorer.space.candidate import NetworkSpec
from explorer.space.files import load_space_data

pytestmark = pytest.mark.slow

EMPTY: dict[str, Any] = {"hypervolume": 0.5, "trained": 3, "suggest_ms": 1.0}


def a_spec() -> NetworkSpec:
    proposer = make_proposer()
    (variant, _) = proposer.inventory.variants["mlp"]
    return proposer.network(variant, "block", variant.densest)


def test_every_sampler_is_compared_in_both_encodings() -> None:
    assert {(v.sampler, v.encoding) for v in VARIANTS} == {
        (sampler, encoding) for sampler in SAMPLERS for encoding in ENCODINGS
    }


def test_a_network_is_trained_once_whoever_asks(tmp_path: Path) -> None:
    asked: list[str] = []

    def train(task: TrainingTask) -> EvaluatedNetwork:
        asked.append(task.spec.key)
        return fabricate(task.spec)

    task = TrainingTask(a_spec(), 1)
    first = SharedTrainings(tmp_path, train)(task)
    again = SharedTrainings(tmp_path, train)(task)  # another search, another process
    assert asked == [task.spec.key]
    whole = fabricate(task.spec)
    for network in (first, again):
        assert network.weights == {}
        assert (network.splits, network.training) == (whole.splits, whole.training)
        assert np.array_equal(network.evidence.exit_confidence_SN, whole.evidence.exit_confidence_SN)
        assert np.array_equal(network.evidence.server_correct_SBN, whole.evidence.server_correct_SBN)


def test_table_has_medians_and_ranges_and_the_best_first() -> None:
    scores = {("tpe", 0): (0.1, 0.4), ("tpe", 1): (0.3, 0.6), ("nsga2", 0): (0.2, 0.9), ("gp", 0): (0.99,)}
    rows = [
        EMPTY
        | {"sampler": sampler, "encoding": "fixed", "seed": seed, "proposals": mark}
        | {"log_hypervolume": score}
        for (sampler, seed), own in scores.items()
        for mark, score in zip((10, 20), own, strict=False)
    ]
    lines = table(rows).set_index("sampler")
    assert list(lines.index) == ["nsga2", "tpe", "gp"]  # gp never came to the last mark
    assert lines.loc["tpe", "log hv 10"] == pytest.approx(0.2)
    assert lines.loc["tpe", "log hv 20"] == pytest.approx(0.5)
    assert lines.loc["tpe", "log hv range"] == "0.4000 .. 0.6000"
    assert lines.loc["gp", "log hv range"] == "0.9900 .. 0.9900"


def test_searches_are_scored_at_their_marks(tmp_path: Path) -> None:
    """On a part of the real space, trained for an epoch."""
    space = make_space()
    assert space.training.epochs == samplers.EPOCHS
    assert next(iter(space.objectives)) == "accuracy"  # as the log hypervolume needs it
    content = space.model_dump(mode="json")
    content["backbones"].pop("cnn")
    content["data"] |= {"train_samples": 200, "validation_samples": 100}
    content["training"]["epochs"] = 1
    small = type(space).model_validate(content)
    data = load_space_data(small, None)
    shared = SharedTrainings(
        tmp_path, lambda task: samplers.evaluate_network(task, data, space.inference_config)
    )
    rows = list(
        compare(
            [Variant("random", "fixed"), Variant("tpe", "conditional")],
            1,
            lambda variant, seed: search(small, data, shared, variant, seed, (6, 8)),
        )
    )
    assert [row["proposals"] for row in rows] == [6, 8, 6, 8]
    assert all(0 < row["log_hypervolume"] < row["hypervolume"] < 1 for row in rows)
    assert rows[0]["log_hypervolume"] <= rows[1]["log_hypervolume"]
    assert len(shared) < rows[1]["trained"] + rows[3]["trained"]  # both began with the references


def test_impossible_option_is_named() -> None:
    with pytest.raises(UserError, match="--seeds: must be"):
        samplers.main(["--seeds", "0"])
