"""Names of networks and operating points."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.space.candidate import NetworkSpec
from explorer.space.files import load_space
from explorer.space.names import density_text, network_words, point_name


def spec(arguments: dict[str, Any], *densities: Fraction) -> NetworkSpec:
    own = tuple((f"fc{place}", density) for place, density in enumerate(densities))
    how = ("cnn", "explorer.backbones:cnn", json.dumps(arguments), "block", own, 64)
    return NetworkSpec(*how, load_space("digits")[0].recipe, "{}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "cnn"),
        ({"hidden": [64]}, "cnn 64"),
        ({"channels": [16, 32], "hidden": 10}, "cnn 16-32 10"),
        ({"blocks": [[1, 2], [3]], "norm": "batch"}, "cnn 1-2-3 batch"),
    ],
)
def test_arguments_stand_in_their_order(arguments: dict[str, Any], words: str) -> None:
    assert network_words(spec(arguments, Fraction(1)))[0] == words


def test_a_pooled_input_is_named_behind_the_arguments() -> None:
    pooled = replace(spec({"hidden": [64]}, Fraction(1)), input_pool=2)
    assert point_name(network_words(pooled), "input_pool") == "cnn 64 input pool 2 at input_pool, dense"


@given(st.lists(st.fractions(Fraction(1, 64), 1), min_size=1))
def test_densities_are_named_by_their_ends(densities: list[Fraction]) -> None:
    text = density_text(densities)
    if min(densities) == 1:
        assert text == "dense"
    else:
        ends = [Fraction(end) for end in text.split(" to ")]
        assert (ends[0], ends[-1]) == (min(densities), max(densities))


def test_a_point_is_named_by_its_cut() -> None:
    words = network_words(spec({"channels": [16, 32]}, Fraction(1, 4), Fraction(1, 4)))
    assert point_name(words, "pool2") == "cnn 16-32 at pool2, 1/4"
    assert point_name(words, "output") == "cnn 16-32 on the edge, 1/4"
