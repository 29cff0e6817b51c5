"""The rule of the search's data files, on a device that has numpy alone."""

import io

import numpy as np
import pytest

from explorer.data import claims as of_the_search
from explorer.runtime.edge.claims import MAX_BYTES_VARIABLE, check_claim, claimed_bytes, most_bytes
from explorer.runtime.errors import UserError


@pytest.mark.parametrize("text", [None, "4096"])
def test_the_limit_is_that_of_the_search(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MAX_BYTES_VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(MAX_BYTES_VARIABLE, text)
    assert most_bytes() == of_the_search.max_data_bytes()
    assert most_bytes(5) == 5


@pytest.mark.parametrize("text", ["0", "-1", "half"])
def test_a_variable_that_is_no_number_is_refused_in_the_same_words(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MAX_BYTES_VARIABLE, text)
    said = []
    for limit in (most_bytes, of_the_search.max_data_bytes):
        with pytest.raises(UserError) as caught:
            limit()
        said.append(str(caught.value))
    assert said[0] == said[1]


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_claims_are_those_of_the_header(version: tuple[int, int]) -> None:
    file, array = io.BytesIO(), np.zeros((3, 0, 4)) if version == (1, 0) else np.zeros((3, 4), np.int16)
    np.lib.format.write_array(file, array, version)
    file.seek(0)
    assert claimed_bytes(file) == array.nbytes


def test_what_is_claimed_may_be_as_large_as_the_limit() -> None:
    check_claim("x", claimed=10, limit=10)
    with pytest.raises(UserError, match="got a claim of 11"):
        check_claim("x", claimed=11, limit=10)
