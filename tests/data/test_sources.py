"""Sources by their name: archives of arrays, functions of a user, and what is refused."""

import contextlib
import random
from pathlib import Path

import numpy as np
import pytest
from written_data import LABELS, arrays, load, write_npz

from explorer.errors import UserError


def test_load_data_npz_relative_to_working_directory_then_data_dir(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    write_npz(
        tmp_path / "there" / "own.npz", x_train=arrays()["x_train"][:, :4], x_test=arrays()["x_test"][:, :4]
    )
    monkeypatch.chdir(tmp_path / "here")
    assert load("npz:own.npz", tmp_path / "there").input_shape == (1, 4, 6)
    write_npz(Path("own.npz"))
    assert load("npz:own.npz", tmp_path / "there").input_shape == (1, 5, 6)
    assert load("npz:own.npz").name == "npz:own.npz"


@pytest.mark.parametrize("source", ["", "cifar", "npz:", "MNIST", "npz"])
def test_load_data_unknown_source(source: str) -> None:
    with pytest.raises(
        UserError,
        match=r"must be digits, mnist, fashion_mnist, cifar10, npz:PATH, npy:DIR, folder:PATH or \S+, got ",
    ):
        load(source)


def test_load_data_npz_files_that_are_not_archives(tmp_path: Path) -> None:
    single, text, empty = (tmp_path / name for name in ("single.npz", "text.npz", "empty.npz"))
    with single.open("wb") as file:
        np.save(file, LABELS)
    text.write_text("x_train,y_train\n")
    empty.touch()
    with pytest.raises(UserError, match=r"single.npz: must be an .npz archive with .*, got a single array"):
        load(f"npz:{single}")
    for path in (text, empty):
        with pytest.raises(UserError, match=rf"{path.name}: the file must be plain numpy data"):
            load(f"npz:{path}")
    with pytest.raises(UserError, match=r"must name an existing .npz file, found none"):
        load(f"npz:{tmp_path / 'absent.npz'}")


def test_load_data_never_unpickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.npz").write_bytes(b"\x80\x04cposix\nsystem\n")  # the start of a pickle
    monkeypatch.setattr("pickle.load", lambda *_, **__: pytest.fail("unpickled"))
    with pytest.raises(UserError, match="plain numpy data"):
        load(f"npz:{tmp_path / 'own.npz'}")
    source = write_npz(tmp_path / "own.npz", y_test=np.array([{}] * 20))
    with pytest.raises(UserError, match="y_test must be plain numpy data"):
        load(source)


def test_load_data_damaged_npz_is_a_user_error(tmp_path: Path) -> None:
    write_npz(tmp_path / "own.npz")
    whole = (tmp_path / "own.npz").read_bytes()
    generator = random.Random(0)
    for _ in range(150):
        damaged = bytearray(whole[: generator.choice([len(whole), generator.randrange(len(whole))])])
        for _ in range(3):
            if damaged:
                damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
        (tmp_path / "own.npz").write_bytes(damaged)
        with contextlib.suppress(
            UserError
        ):  # damage outside the arrays may go unseen; nothing else is raised
            load(f"npz:{tmp_path / 'own.npz'}")


FACTORY = """
import numpy as np
def load():
    x = np.arange(60, dtype=np.float32).reshape(30, 2)
    return x, np.arange(30) % 3, x[:9], np.arange(9) % 3
def load_three():
    return 1, 2, 3
def load_list():
    return [0, 0, 0, 0]
def fail():
    raise RuntimeError("no such table")
"""


@pytest.fixture
def factory_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_sensor_data.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("factory_folder")
def test_arrays_of_a_function() -> None:
    data = load("own_sensor_data:load")
    assert (data.name, data.num_classes, data.input_shape) == ("own_sensor_data:load", 3, (2,))
    assert (len(data.train), len(data.test)) == (22, 9)


@pytest.mark.usefixtures("factory_folder")
@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("load_three", r"must return the tuple \(x_train, y_train, x_test, y_test\), got 3 values"),
        ("load_list", r"must return the tuple .*, got list"),
        ("fail", r"'own_sensor_data:fail': RuntimeError: no such table"),
        ("absent", r"module 'own_sensor_data' has no function 'absent'"),
    ],
)
def test_functions_that_give_no_data(function: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(f"own_sensor_data:{function}")


def test_function_of_no_module() -> None:
    with pytest.raises(UserError, match="cannot import 'no_such_module_here'"):
        load("no_such_module_here:load")


def test_an_archive_may_name_its_classes(tmp_path: Path) -> None:
    names = np.array(["zero", "one", "two", "three"])
    num_classes = len(np.unique(arrays()["y_train"]))
    data = load(write_npz(tmp_path / "own.npz", class_names=names[:num_classes]), train_samples=20)
    assert data.class_names == tuple(names[:num_classes].tolist())
    without = load(write_npz(tmp_path / "plain.npz"), train_samples=20)
    assert without.class_names == ()
    assert without.fingerprint == data.fingerprint  # names do not change samples


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (np.array(["a"]), "class_names must hold . names, one per class of y_train, got 1"),
        (np.array([["a", "b"]]), "class_names must be text"),
        (np.array([1, 2]), "class_names must be text"),
        (np.array(["a", "a"]), "each name once"),
        (np.array(["a", "b", "c", ""]), "names of classes must be printable text, got ''"),
        (np.array(["a", "b", "c", "d\ne"]), r"names of classes must be printable text, got 'd\\ne'"),
        (np.array(["a", "b", "c", "\ud800"]), r"names of classes must be printable text, got '\\ud800'"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, names: np.ndarray, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(write_npz(tmp_path / "own.npz", class_names=names), train_samples=20)
