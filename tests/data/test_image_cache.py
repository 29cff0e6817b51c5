"""Images are decoded once, and again when one of them has changed."""

import os
from pathlib import Path

import numpy as np
import pytest

from explorer.data import image_cache
from explorer.data.image_cache import cached
from explorer.data.mapped import MappedArray

LARGE = np.arange(2**21, dtype=np.uint8).reshape(2, 1024, 1024)


class Decoder:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> np.ndarray:  # type: ignore[type-arg]
        self.asked += 1
        return LARGE


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(image_cache, "cache_folder", lambda: tmp_path / "cache")
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        path.write_bytes(b"image")
    return paths


def test_once(files: list[Path]) -> None:
    decode = Decoder()
    first, again = cached(files, decode), cached(files, decode)
    assert decode.asked == 1
    assert np.array_equal(first, LARGE)
    assert np.array_equal(again, LARGE)
    assert MappedArray.of(again) is not None


def test_again_when_something_changed(files: list[Path]) -> None:
    decode = Decoder()
    cached(files, decode)
    cached(files[::-1], decode)  # another order of samples
    os.utime(files[0], ns=(1, 1))
    cached(files, decode)
    files[1].write_bytes(b"other image")
    cached(files, decode)
    assert decode.asked == 4


def test_a_damaged_file_is_written_again(files: list[Path]) -> None:
    decode = Decoder()
    cached(files, decode)
    (kept,) = image_cache.cache_folder().iterdir()
    kept.write_bytes(b"")
    assert np.array_equal(cached(files, decode), LARGE)
    assert decode.asked == 2
    assert kept.stat().st_size > LARGE.nbytes


def test_small_ones_are_not_kept(files: list[Path]) -> None:
    cached(files, lambda: LARGE[:, :8])
    assert not image_cache.cache_folder().exists()


def test_a_folder_that_cannot_be_written(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "cache_folder", lambda: files[0] / "cache")  # below a file
    assert np.array_equal(cached(files, lambda: LARGE), LARGE)
