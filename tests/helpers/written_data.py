"""Data sets that tests write: tiny images whose pixels say which sample they are."""

from pathlib import Path
from typing import Any

import numpy as np

from explorer.data.dataset import DataSet, Subset, load_data
from explorer.data.sources import NPZ_KEYS


def load(source: str, data_dir: Path | None = None, **changes: Any) -> DataSet:
    sizes = {"train_samples": None, "validation_samples": 8, "test_samples": None, "seed": 0}
    return load_data(source, data_dir=data_dir, **(sizes | changes))


def arrays(num_train: int = 40, num_test: int = 20, num_classes: int = 4) -> dict[str, np.ndarray]:
    """uint8 images whose pixels tell which sample they belong to (train: 0.., test: 200..)."""
    pixels = np.zeros((num_train + num_test, 5, 6), dtype=np.uint8)
    pixels[:num_train] += np.arange(num_train, dtype=np.uint8)[:, None, None]
    pixels[num_train:] += np.arange(200, 200 + num_test, dtype=np.uint8)[:, None, None]
    labels = np.arange(num_train + num_test) % num_classes
    return dict(
        zip(
            NPZ_KEYS,
            (pixels[:num_train], labels[:num_train], pixels[num_train:], labels[num_train:]),
            strict=True,
        )
    )


LABELS = arrays()["y_train"]


def write_npz(path: Path, **changes: np.ndarray | None) -> str:
    held = {key: value for key, value in (arrays() | changes).items() if value is not None}
    np.savez(path, **held)
    return f"npz:{path}"


def sample_ids(subset: Subset, data: DataSet) -> list[int]:
    """Undo the normalisation of :func:`arrays` and read which samples were drawn."""
    pixels = (subset.inputs * data.std[0] + data.mean[0]) * 255
    return pixels.flatten(1).mean(1).round().int().tolist()
