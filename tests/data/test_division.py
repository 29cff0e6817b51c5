"""People, devices and recordings stay on one side, and validation may have a part of its own."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from explorer import UserError, run_search
from explorer.data.dataset import DataSet, load_data
from explorer.data.division import draw, quotas
from explorer.data.groups import whole_groups
from explorer.data.sources import NPZ_KEYS, given_arrays
from explorer.utils.imports import give

PEOPLE, EACH = 12, 20


def arrays() -> dict[str, np.ndarray]:
    """Samples whose only feature says who they are from."""
    people = np.repeat(np.arange(PEOPLE), EACH).astype(np.float32)
    labels = np.tile(np.arange(EACH) % 2, PEOPLE)
    test = np.full(10, -1.0, np.float32)
    return dict(zip(NPZ_KEYS, (people[:, None], labels, test[:, None], np.arange(10) % 2), strict=True))


def loaded(source: str, train: int | None = None, validation: int = 30, seed: int = 0) -> DataSet:
    sizes = {"train_samples": train, "validation_samples": validation, "test_samples": None}
    return load_data(source, **sizes, seed=seed, normalise="none")  # type: ignore[arg-type]


def people_of(data: DataSet) -> tuple[set[float], set[float]]:
    train, validation = (set(own.inputs.flatten().tolist()) for own in (data.train, data.validation))
    return train, validation


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("text", [True, False])
def test_groups_of_an_archive_never_straddle(tmp_path: Path, seed: int, text: bool) -> None:
    groups = np.repeat(np.arange(PEOPLE), EACH)
    np.savez(tmp_path / "own.npz", **arrays(), groups_train=groups.astype(str) if text else groups)
    data = loaded(f"npz:{tmp_path / 'own.npz'}", seed=seed)
    train, validation = people_of(data)
    assert not train & validation
    assert len(validation) == 2, "as few as hold 30 samples"
    assert len(data.validation) == 30
    assert len(data.train) == (PEOPLE - 2) * EACH
    assert data.validation_is_apart
    assert data.class_counts()["validation"] == [15, 15]


def test_without_groups_people_straddle(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", **arrays())
    data = loaded(f"npz:{tmp_path / 'own.npz'}")
    train, validation = people_of(data)
    assert train & validation
    assert not data.validation_is_apart


def test_a_function_may_return_groups_fifth_or_validation_fifth_and_sixth() -> None:
    groups = np.repeat(np.arange(PEOPLE), EACH)
    source = give("grouped", lambda: (*arrays().values(), groups))
    train, validation = people_of(loaded(source, train=50))
    assert not train & validation
    own = np.full((40, 1), 99.0, np.float32), np.arange(40) % 2
    data = loaded(give("apart", lambda: (*arrays().values(), *own)))
    assert people_of(data)[1] == {99.0}
    assert (len(data.train), len(data.validation)) == (PEOPLE * EACH, 30)
    assert data.validation_is_apart == "validation has a part of its own"


def test_arrays_given_in_python_may_have_groups_too() -> None:
    content = arrays() | {"groups_train": np.repeat(np.arange(PEOPLE), EACH)}
    assert not set.intersection(*people_of(loaded(given_arrays(content))))
    assert not set.intersection(*people_of(loaded(given_arrays(tuple(content.values())))))


def test_a_folder_of_images_may_have_groups(tmp_path: Path) -> None:
    rows = ["file,group"]
    for name in ("ant", "bird"):
        (tmp_path / name).mkdir()
        for camera in range(10):
            for picture in range(4):
                file = f"{name}/{camera}-{picture}.png"
                Image.new("L", (4, 4), camera).save(tmp_path / file)
                rows.append(f"{file},camera {camera}")
    (tmp_path / "groups.csv").write_text("\n".join(rows))
    data = loaded(f"folder:{tmp_path}", validation=8)
    seen = [
        set(own.inputs.mul(255).round().flatten().tolist())
        for own in (data.train, data.validation, data.test)
    ]
    assert not seen[0] & seen[1]
    assert not (seen[0] | seen[1]) & seen[2], "the test part takes whole groups, too"
    (tmp_path / "groups.csv").write_text("\n".join(rows[:-1]))
    with pytest.raises(UserError, match=r"groups.csv: must have a row for every image.*bird/9-3.png"):
        loaded(f"folder:{tmp_path}", validation=8)
    (tmp_path / "groups.csv").write_text("name,camera\n")
    with pytest.raises(UserError, match=r"must have the columns file and group"):
        loaded(f"folder:{tmp_path}", validation=8)
    (tmp_path / "groups.csv").write_text("\n".join(rows)[:-10])  # cut
    with pytest.raises(UserError, match=r"groups.csv: line 81 must hold a file and a group"):
        loaded(f"folder:{tmp_path}", validation=8)
    (tmp_path / "groups.csv").write_bytes("\n".join(rows).encode() + b"\xff")
    with pytest.raises(UserError, match=r"groups.csv: must be a table in UTF-8, got: "):
        loaded(f"folder:{tmp_path}", validation=8)


@pytest.mark.parametrize(
    ("more", "validation", "message"),
    [
        (
            {"groups_train": np.arange(7)},
            30,
            "groups_train must hold one whole number or text per training sample",
        ),
        ({"groups_train": np.zeros(PEOPLE * EACH, int)}, 30, "groups_train must leave every class to train"),
        ({"groups_train": np.repeat(np.arange(PEOPLE), EACH)}, 240, "groups_train must leave every class"),
        (
            {"x_validation": np.zeros((9, 1))},
            30,
            "or x_validation and y_validation, or none of them, got x_val",
        ),
        (
            {"x_validation": np.zeros((9, 2)), "y_validation": np.zeros(9, int)},
            5,
            "x_validation must hold samples",
        ),
        ({"x_validation": np.zeros((9, 1)), "y_validation": np.full(9, 7)}, 5, "y_validation must hold only"),
        (
            {"x_validation": np.zeros((9, 1)), "y_validation": np.zeros(9, int)},
            30,
            r"1 \.\. 9 \(x_validation\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, more: dict[str, np.ndarray], validation: int, message: str
) -> None:
    np.savez(tmp_path / "own.npz", **arrays(), **more)
    with pytest.raises(UserError, match=message):
        loaded(f"npz:{tmp_path / 'own.npz'}", validation=validation)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=40), st.integers(1, 20), st.integers(0, 99))
def test_whole_groups_hold_enough_and_leave_every_class(groups: list[int], size: int, seed: int) -> None:
    labels = np.arange(len(groups)) % 2
    chosen = whole_groups(labels, np.array(groups), size, seed)
    if chosen is None:
        return
    assert chosen.sum() >= size
    assert not set(np.array(groups)[chosen]) & set(np.array(groups)[~chosen])
    assert set(labels[~chosen]) == {0, 1}


def test_a_run_says_that_its_validation_is_independent(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((80, 6)).astype(np.float32), np.arange(80) % 2
    space = {
        "data": {"source": (x, y, x[:20], y[:20], np.arange(80) // 8), "validation_samples": 16},
        "backbones": {"net": {"factory": "explorer.backbones:mlp", "arguments": {"hidden": [[4]]}}},
        "training": {"epochs": 1},
        "objectives": {"accuracy": 0.1, "edge_macs": 1000},
        **{"edge_device": "rpi4", "server_device": "xeon_8124m", "link": "lte_2021"},
    }
    run = run_search(space, trials=1, workers=1, energy=False, progress=False, reports=tmp_path)
    assert any(note.startswith("validation is independent: no group") for note in run.record.notes)


def test_draw_is_frozen() -> None:
    validation, train = draw(np.arange(12) % 3, [np.array([1, 1, 1]), np.array([2, 1, 1])], seed=0)
    assert (validation.tolist(), train.tolist()) == (
        [6, 11, 4],
        [10, 2, 9, 3],
    )  # of the order 6 11 4 10 2 8 1 7 9 3 0 5


@given(st.data())
def test_quotas_follow_shares(data: st.DataObject) -> None:
    available = np.array(data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any)))
    size = data.draw(st.integers(0, int(available.sum())))
    found = quotas(available, size)
    share = available * size / available.sum()
    assert found.sum() == size
    assert ((found >= 0) & (found <= available)).all()
    if size >= np.count_nonzero(available):
        assert (found[available > 0] >= 1).all()
    if (share[available > 0] >= 1).all():  # nobody had to be helped to its one sample
        assert (np.abs(found - share) < 1).all()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 2**32 - 1), st.data())
def test_draw_keeps_quotas_and_disjointness(values: list[int], seed: int, data: st.DataObject) -> None:
    labels = np.array(values)
    counts = np.bincount(labels, minlength=4)
    first = quotas(counts, data.draw(st.integers(0, len(labels))))
    rest = counts - first
    second = quotas(rest, data.draw(st.integers(0, int(rest.sum())))) if rest.any() else rest
    drawn = draw(labels, [first, second], seed)
    for indices, wanted in zip(drawn, (first, second), strict=True):
        assert np.array_equal(np.bincount(labels[indices], minlength=4), wanted)
    everything = np.concatenate(drawn)
    assert len(set(everything.tolist())) == len(everything)
