"""The rule of the search's data files, on a device that has numpy alone."""

import io
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from explorer.data import claims as of_the_search
from explorer.runtime.edge.claims import (
    MAX_BYTES_VARIABLE,
    array_header,
    check_claim,
    claimed_bytes,
    most_bytes,
)
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


@given(text=st.text("{}()[]'\"\\:,0123456789<fi desc\n\0", max_size=80))
@example(text="{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)")  # tokenize.TokenError of numpy
@example(text="{'descr': '<f4', 'fortran_order': False, 'shape': (3, '''")
@example(text="{[]: 1}")  # TypeError
@example(text="\n  1\n 2")  # IndentationError
@example(text="(" * 9_000)
def test_a_damaged_header_is_an_error_of_value(text: str) -> None:
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    with warnings.catch_warnings(), suppress(ValueError):
        warnings.simplefilter("ignore")  # of escapes in the text
        array_header(io.BytesIO(content))
