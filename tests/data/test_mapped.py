"""Views of files are found again, whatever view it is."""

from pathlib import Path

import numpy as np
import pytest

from explorer.data.mapped import MappedArray, as_tensor
from explorer.errors import UserError

SHAPE = (6, 4, 5, 3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.save(tmp_path / "x.npy", np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE))
    return tmp_path / "x.npy"


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x.transpose(0, 3, 1, 2),
        lambda x: x[2:5, :, 1:],
        lambda x: x[:, np.newaxis, ..., 0],
        lambda x: np.asarray(x)[1:].transpose(3, 0, 1, 2),
    ],
    ids=["whole", "channels first", "slices", "new axis", "plain"],
)
def test_views(file: Path, view) -> None:  # type: ignore[no-untyped-def]
    array = view(np.load(file, mmap_mode="r"))
    found = MappedArray.of(array)
    assert found is not None
    assert found.path == str(file)
    assert np.array_equal(found.open(), array)
    assert np.array_equal(as_tensor(found.open()).numpy(), array)


def test_copies_are_in_memory(file: Path) -> None:
    array = np.load(file, mmap_mode="r")
    assert MappedArray.of(array[[2, 1]]) is None
    assert MappedArray.of(array + 1) is None
    assert MappedArray.of(np.zeros(3)) is None


@pytest.mark.parametrize("change", [lambda file: file.unlink(), lambda file: file.write_bytes(b"short")])
def test_a_file_that_is_not_there(file: Path, change) -> None:  # type: ignore[no-untyped-def]
    found = MappedArray.of(np.load(file, mmap_mode="r"))
    assert found is not None
    change(file)
    with pytest.raises(UserError, match=r"x\.npy: the samples must lie in this file on every machine"):
        found.open()
