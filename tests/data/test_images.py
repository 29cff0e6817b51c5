"""Image folders: classes by name, fixed test part, one size, clear refusals."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer.data.dataset import load_data
from explorer.data.images import read_image_folder, unread_note
from explorer.errors import UserError


def write_image(path: Path, value: int, size: tuple[int, int] = (6, 4), mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value if mode in ("L", "I;16") else (value, 0, 0)).save(path)


def write_classes(folder: Path, per_class: int = 10, mode: str = "L") -> None:
    for number, name in enumerate(("bird", "ant")):
        for image in range(per_class):
            write_image(folder / name / f"{image}.png", 100 * number + image, mode=mode)


def test_classes_are_numbered_by_name(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "ant" / "notes.txt").write_text("no image")
    (tmp_path / ".cache").mkdir()
    (x_train, y_train, x_test, y_test), names = read_image_folder(tmp_path, limit=10**6)
    assert names == ("ant", "bird")
    assert x_train.shape == (16, 4, 6)  # 6 wide, 4 high; a fifth of each class is held out
    assert x_test.shape == (4, 4, 6)
    for images, labels in ((x_train, y_train), (x_test, y_test)):
        assert np.array_equal(labels, images[:, 0, 0] < 100)  # ants have values from 100 on and label 0
    assert sorted({*x_train[:, 0, 0], *x_test[:, 0, 0]}) == [*range(10), *range(100, 110)]
    again, _ = read_image_folder(tmp_path, limit=10**6)
    assert np.array_equal(again[2], x_test)


def test_given_train_and_test(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", 3)
    write_classes(tmp_path / "test", 2)
    (x_train, _, x_test, _), names = read_image_folder(tmp_path, limit=10**6)
    assert (len(x_train), len(x_test), names) == (6, 4, ("ant", "bird"))


def test_colour_where_any_image_has_some(tmp_path: Path) -> None:
    write_classes(tmp_path)
    write_image(tmp_path / "ant" / "red.jpg", 250, mode="RGB")
    (x_train, *_), _ = read_image_folder(tmp_path, limit=10**6)
    assert x_train.shape[1:] == (4, 6, 3)


def test_as_a_data_set(tmp_path: Path) -> None:
    write_classes(tmp_path / "animals", mode="RGB")
    sizes = {"train_samples": None, "validation_samples": 4, "test_samples": None, "seed": 0}
    data = load_data("folder:animals", data_dir=tmp_path, **sizes)  # type: ignore[arg-type]
    assert (data.name, data.input_shape, data.class_names) == ("folder:animals", (3, 4, 6), ("ant", "bird"))
    with pytest.raises(UserError, match="folder:plants: must name an existing folder, found none"):
        load_data("folder:plants", data_dir=tmp_path, **sizes)  # type: ignore[arg-type]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must hold one folder per class, got none"):
        read_image_folder(tmp_path, limit=10**6)
    write_classes(tmp_path)
    (tmp_path / "cow").mkdir()
    with pytest.raises(UserError, match=r"cow: must hold images \(.png, .jpg, .jpeg\), got none"):
        read_image_folder(tmp_path, limit=10**6)
    write_image(tmp_path / "cow" / "big.png", 1, size=(7, 4))
    write_image(tmp_path / "cow" / "big2.png", 1, size=(7, 4))
    with pytest.raises(UserError, match=r"big2?.png: all images must have one size, .* has 6 x 4, got 7 x 4"):
        read_image_folder(tmp_path, limit=10**6)
    for name in ("big.png", "big2.png"):
        (tmp_path / "cow" / name).write_bytes(b"no image at all")
    with pytest.raises(UserError, match=r"big2?.png: must be a readable image"):
        read_image_folder(tmp_path, limit=10**6)


def test_sixteen_bits_per_pixel_are_refused(tmp_path: Path) -> None:
    write_classes(tmp_path)
    write_image(tmp_path / "ant" / "deep.png", 1000, mode="I;16")
    with pytest.raises(UserError, match=r"deep.png: must have 8 bits per channel, got mode 'I;16'"):
        read_image_folder(tmp_path, limit=10**6)


def test_train_and_test_of_other_classes(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", 3)
    write_classes(tmp_path / "test", 2)
    write_image(tmp_path / "test" / "cow" / "0.png", 1)
    with pytest.raises(UserError, match="must hold the same classes, only one has 'cow'"):
        read_image_folder(tmp_path, limit=10**6)


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "ant" / "._0.png").write_bytes(b"what another system leaves beside 0.png")
    assert len(read_image_folder(tmp_path, limit=10**6)[0][0]) == 16


def test_what_is_not_read_is_told(tmp_path: Path) -> None:
    write_classes(tmp_path / "pets")
    assert unread_note(tmp_path / "pets") == ""
    (tmp_path / "pets" / "groups.csv").write_text("file,group\n")
    (tmp_path / "pets" / ".hidden").write_text("")
    assert unread_note(tmp_path / "pets") == ""
    write_image(tmp_path / "pets" / "0.png", 1)
    write_image(tmp_path / "pets" / "ant" / "wings" / "0.png", 1)
    (tmp_path / "pets" / "bird" / "tweety.gif").write_bytes(b"")
    assert unread_note(tmp_path / "pets").startswith("pets: 3 entries are not read, such as 0.png: ")
    for part in ("train", "test"):
        write_classes(tmp_path / "parts" / part)
    assert unread_note(tmp_path / "parts") == ""
    (tmp_path / "parts" / "test" / "ant" / "a.bmp").write_bytes(b"")
    assert "1 entry is not read, such as test/ant/a.bmp" in unread_note(tmp_path / "parts")


def test_a_class_of_one_image_leaves_nothing_to_train(tmp_path: Path) -> None:
    write_classes(tmp_path, per_class=1)
    with pytest.raises(UserError, match=r"ant: must hold at least 2 images, .*, got 1$"):
        read_image_folder(tmp_path, limit=10**6)


def test_an_image_of_another_size_is_named_once(tmp_path: Path) -> None:
    write_classes(tmp_path)
    write_image(tmp_path / "ant" / "0.png", 1, size=(7, 4))
    with pytest.raises(UserError) as refused:
        read_image_folder(tmp_path, limit=10**6)
    assert str(refused.value).count("must be a readable image") == 0


@pytest.mark.parametrize("name", ["a\x1b[31mb", "a\nb", "\udcff\udcfe"])
def test_names_of_classes_that_cannot_be_printed(tmp_path: Path, name: str) -> None:
    write_classes(tmp_path)
    (tmp_path / "ant").rename(tmp_path / name)
    with pytest.raises(UserError, match="names of classes must be printable text, got '"):
        load_data(f"folder:{tmp_path}", train_samples=None, validation_samples=4, test_samples=None, seed=0)


def test_a_file_in_two_groups(tmp_path: Path) -> None:
    write_classes(tmp_path)
    rows = [f"{name}/{image}.png,{image // 2}" for name in ("ant", "bird") for image in range(10)]
    (tmp_path / "groups.csv").write_text("\n".join(["file,group", *rows, rows[0]]))
    assert len(read_image_folder(tmp_path, limit=10**6)[0]) == 5  # the same row twice says nothing else
    (tmp_path / "groups.csv").write_text("\n".join(["file,group", *rows, "ant/0.png,7"]))
    with pytest.raises(UserError, match=r"line 22: .* ant/0.png is in '0' and '7'"):
        read_image_folder(tmp_path, limit=10**6)
