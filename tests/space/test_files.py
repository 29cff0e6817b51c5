"""Space files: what they say is compared, and what is refused after reading names the key."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from stand_ins import SPACE

from explorer.errors import UserError
from explorer.space.files import (
    load_space_data,
    load_space_setting,
    parse_space,
    space_differences,
    space_from,
    space_text,
)


def test_defaults_that_are_written_out_make_no_other_space() -> None:
    space = space_from(SPACE)
    whole = yaml.safe_dump(space.model_dump(mode="json"))
    assert space_differences(parse_space(whole, "whole"), space) == []
    assert space_differences(parse_space(f"# a comment\n{space_text(space)}", "brief"), space) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"patterns": ["random"]}, ["patterns ['random'] instead of ['block']"]),
        ({"training": {"epochs": 2}}, ["training.epochs 2 instead of 1"]),
        ({"objectives": {"accuracy": 0.1}}, ["objectives.edge_macs left out"]),
        ({"objectives": SPACE["objectives"] | {"exit_rate": 0.0}}, ["objectives.exit_rate added"]),
    ],
)
def test_what_differs_is_told(changes: dict[str, Any], told: list[str]) -> None:
    assert space_differences(space_from(SPACE | changes), space_from(SPACE)) == told


@pytest.mark.parametrize("key", ["edge_device", "server_device", "link"])
def test_a_profile_that_is_not_there_is_told_with_the_key_that_names_it(key: str) -> None:
    with pytest.raises(UserError, match=f"^{key}: unknown profile 'toaster'"):
        load_space_setting(space_from(SPACE | {key: "toaster"}))


def test_data_that_are_not_there_are_told_with_their_key(tmp_path: Path) -> None:
    space = space_from(SPACE | {"data": {"source": "npz:nope.npz", "validation_samples": 3}})
    with pytest.raises(UserError, match=r"^data: npz:nope.npz: must name an existing"):
        load_space_data(space, tmp_path)
