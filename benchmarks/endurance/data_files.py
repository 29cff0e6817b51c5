"""Data files of every kind that are damaged at random: bits flipped, cut, gone, or something else."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from sklearn.datasets import load_digits

HEAD_BYTES = 160  # where most formats say what follows
SAMPLES, TEST_SAMPLES = 300, 60
INSTEAD = (
    b"",
    b"{}",
    b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'shape': (4000000000, 64)}",
    b"PK\x03\x04",
    b"x,y\n1,2\n",
)


def with_damaged_data(number: int, folder: Path, space: dict[str, Any], rng: random.Random) -> Path:
    """A space file whose data have one damaged file; both are written into ``folder``."""
    kind = list(KINDS)[number % len(KINDS)]
    place = folder / f"data{number}"
    place.mkdir()
    source = KINDS[kind](place)
    break_file(rng.choice(sorted(path for path in place.rglob("*") if path.is_file())), rng)
    own = space | {"data": {"source": source, "train_samples": 200, "validation_samples": 60}}
    path = folder / f"data{number}.yaml"
    path.write_text(yaml.safe_dump(own, sort_keys=False), encoding="utf-8")
    return path


def break_file(path: Path, rng: random.Random) -> str:
    """Break one file; returns how."""
    content, kind = bytearray(path.read_bytes()), rng.random()
    place = rng.randrange(min(len(content), HEAD_BYTES) if rng.random() < 0.5 else len(content))
    if kind < 0.5:
        content[place] ^= 1 << rng.randrange(8)
    elif kind < 0.75:
        del content[place:]
    elif kind < 0.9:
        content = bytearray(rng.choice(INSTEAD))
    else:
        path.unlink()
        if rng.random() < 0.5:
            path.mkdir()
        return "gone"
    path.write_bytes(content)
    return "changed"


def _arrays() -> dict[str, np.ndarray[Any, Any]]:
    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8).astype(np.float32)
    last = SAMPLES + TEST_SAMPLES
    return {
        "x_train": images[:SAMPLES],
        "y_train": labels[:SAMPLES],
        "x_test": images[SAMPLES:last],
        "y_test": labels[SAMPLES:last],
    }


def _npz(place: Path) -> str:
    np.savez(place / "digits.npz", **_arrays())
    return f"npz:{place / 'digits.npz'}"


def _compressed(place: Path) -> str:
    groups = np.arange(SAMPLES) // 3
    np.savez_compressed(place / "digits.npz", **_arrays(), groups_train=groups)
    return f"npz:{place / 'digits.npz'}"


def _npy(place: Path) -> str:
    for name, array in _arrays().items():
        np.save(place / f"{name}.npy", array)
    return f"npy:{place}"


def _images(place: Path) -> str:
    arrays = _arrays()
    suffixes = (".png", ".jpg")
    for number, (image, label) in enumerate(zip(arrays["x_train"], arrays["y_train"], strict=True)):
        path = place / str(label) / f"{number}{suffixes[number % 2]}"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).save(path)
    lines = [f"{path.relative_to(place)},{path.stem[-1]}\n" for path in sorted(place.rglob("*.*"))]
    (place / "groups.csv").write_text("".join(["file,group\n", *lines]))
    return f"folder:{place}"


KINDS: dict[str, Callable[[Path], str]] = {
    "npz": _npz,
    "compressed npz": _compressed,
    "npy": _npy,
    "images": _images,
}
