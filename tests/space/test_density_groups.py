"""Junctions that share one density have one parameter, and references come back as they were."""

from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_ins import SPACE, make_inventory, make_proposer

from explorer.engine.references import references
from explorer.space.density_groups import proposal_for, snap_group

TIED: dict[str, Any] = {
    "backbones": {
        "deep": {
            "factory": "explorer.backbones:mlp",
            "arguments": {"hidden": [[8, 8, 6], [12, 16, 8, 4]]},
            "densities": {"low": 0.1, "high": 1.0},
            "density_groups": ["fc*"],
        }
    }
}


@given(st.floats(0.25, 1.0), st.floats(0.25, 1.0))
def test_one_parameter_moves_all_its_junctions(tied: float, free: float) -> None:
    params = {
        "backbone": "deep",
        "deep.hidden": "[12, 16, 8, 4]",
        "deep.density.fc*": tied,
        "deep.density.classifier": free,
        "deep.split_point": 0.5,
        "confidence_threshold": 0.5,
        "payload_bits": 8,
    }
    own = make_proposer(**TIED).suggest(optuna.trial.FixedTrial(params))
    (variant,) = (v for v in make_inventory(**TIED).variants["deep"] if len(v.groups["fc*"]) == 4)
    densities = dict(own.network.densities)
    assert list(densities) == list(variant.densities)
    assert {path: densities[path] for path in variant.groups["fc*"]} == snap_group(
        tied, variant.groups["fc*"], variant.densities
    )
    back = proposal_for(densities, variant.groups["fc*"], variant.densities)
    assert snap_group(back, variant.groups["fc*"], variant.densities) == {
        path: densities[path] for path in variant.groups["fc*"]
    }


@pytest.mark.parametrize("groups", ["junction", "stage", "all", ["fc[12]"]])
def test_references_mean_the_same_networks_whatever_is_tied(groups: Any) -> None:
    backbone = TIED["backbones"]["deep"] | {"density_groups": groups}
    proposer = make_proposer(backbones={"deep": backbone})
    untied = make_proposer(backbones={"deep": backbone | {"density_groups": "junction"}})
    for own, other in zip(references(proposer), references(untied), strict=True):
        meant, expected = (
            made.suggest(optuna.trial.FixedTrial(reference.params))
            for made, reference in ((proposer, own), (untied, other))
        )
        assert own.name == other.name
        assert meant == expected


def test_a_study_has_one_parameter_per_group() -> None:
    proposer = make_proposer(**(SPACE | TIED))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), directions=["minimize"])
    for _ in range(20):
        proposer.suggest(study.ask())
    names = {name for trial in study.trials for name in trial.params if ".density." in name}
    assert names == {"deep.density.fc*", "deep.density.classifier"}
