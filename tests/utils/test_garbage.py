"""Garbage collection is as it was, whatever happens meanwhile."""

import gc

import pytest

from explorer.utils.garbage import rarely_collected


def test_thresholds_come_back_after_an_error() -> None:
    before = gc.get_threshold()
    with rarely_collected(12_345):
        assert gc.get_threshold() == (12_345, *before[1:])
    with pytest.raises(KeyError), rarely_collected():
        raise KeyError
    assert gc.get_threshold() == before
