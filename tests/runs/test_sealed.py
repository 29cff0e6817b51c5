"""What was written comes back, and whatever is changed in it is told."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.runs.sealed import DamagedError, checksum, read_checked, read_sealed, unsealed, write_sealed
from explorer.utils.files import read_json, write_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples of a property."""
    return tmp_path_factory.mktemp("sealed")


@given(content=st.dictionaries(st.text().filter(lambda name: name != "sha256"), PLAIN, max_size=4))
def test_there_and_back(folder: Path, content: dict[str, object]) -> None:
    path = folder / "run.json"
    write_sealed(path, content)
    assert read_sealed(path, "") == content


@given(bit=st.integers(0, 8 * 100 - 1))
def test_a_bit_is_never_flipped_unnoticed(folder: Path, bit: int) -> None:
    path, content = folder / "run.json", {"correct": 380, "names": ["a", "ü"]}
    write_sealed(path, content)
    damaged = bytearray(path.read_bytes())
    damaged[bit // 8 % len(damaged)] ^= 1 << bit % 8
    path.write_bytes(damaged)
    told = f"{re.escape(str(path))}: .*; search anew"
    try:
        found = read_sealed(path, "search anew")
    except DamagedError:
        with pytest.raises(DamagedError, match=told):
            read_sealed(path, "search anew")
    else:
        assert found == content  # white space between values says nothing


@pytest.mark.parametrize("content", [[], 3, None, {}, {"correct": 1}, {"correct": 1, "sha256": "0" * 64}])
def test_what_has_no_seal_is_damaged(content: object) -> None:
    with pytest.raises(DamagedError, match=r"run\.json: is not what was written .*; search anew"):
        unsealed(content, Path("run.json"), "search anew")


def test_a_reader_may_format_it_anew(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_sealed(path, {"correct": 380})
    write_json(path, read_json(path))
    path.write_text(path.read_text().replace("\n", "\n    "))
    assert read_sealed(path, "") == {"correct": 380}


def test_checked_bytes(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with pytest.raises(DamagedError, match="weights: cannot be read: no such file; search anew"):
        read_checked(path, checksum(b"a"), "search anew")
    path.write_bytes(b"a")
    assert read_checked(path, checksum(b"a"), "") == b"a"
    for expected in (checksum(b"b"), None):
        with pytest.raises(DamagedError, match="weights: cannot be read: it is not what was written"):
            read_checked(path, expected, "")
