"""What files claim of their size, where numpy is all there is."""

import io
import warnings
from contextlib import suppress

import numpy as np
import psutil
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from explorer.runtime.edge.claims import (
    MAX_BYTES_VARIABLE,
    array_header,
    check_claim,
    claimed_bytes,
    most_bytes,
)
from explorer.runtime.errors import UserError


def test_the_limit_is_the_one_given_then_the_environment_then_half_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(MAX_BYTES_VARIABLE, raising=False)
    half = most_bytes()
    assert abs(2 * half - psutil.virtual_memory().total) < 2
    monkeypatch.setenv(MAX_BYTES_VARIABLE, "4096")
    assert most_bytes() == 4096
    assert most_bytes(5) == 5


@pytest.mark.parametrize("text", ["0", "-1", "4 GB", "1e9", "9" * 19])
def test_a_limit_that_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(MAX_BYTES_VARIABLE, text)
    with pytest.raises(UserError, match=f"^{MAX_BYTES_VARIABLE}: must be a whole number .* got '{text}'$"):
        most_bytes()


@given(claimed=st.integers(0, 2**60), limit=st.integers(1, 2**60))
def test_a_claim_is_refused_if_it_is_above_the_limit(claimed: int, limit: int) -> None:
    if claimed <= limit:
        check_claim("x", claimed, limit)
    else:
        with pytest.raises(UserError, match=f"got a claim of {claimed:,}$"):
            check_claim("x", claimed, limit)


@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_claims_are_those_of_the_header(version: tuple[int, int]) -> None:
    file, array = io.BytesIO(), np.zeros((3, 0, 4)) if version == (1, 0) else np.zeros((3, 4), np.int16)
    np.lib.format.write_array(file, array, version)
    file.seek(0)
    assert claimed_bytes(file) == array.nbytes


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
