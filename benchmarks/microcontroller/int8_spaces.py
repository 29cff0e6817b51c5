"""What accuracy at ``output`` int8 costs on spaces whose data are not embedded, by a few small trainings.

Spaces are reduced: fewer samples and epochs, every density and architecture may still be drawn. Spaces whose
data do not lie in the folder are left out, and named; nothing is downloaded. Windows of a sensor, which are
the user's, are made where there are none: waves of a frequency of each class, in noise.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import explorer
from explorer.data.sources import NPZ_KEYS
from explorer.space.files import load_space

# Sources that fit a space, each with what must lie in the folder; the first that is there is taken.
SOURCES: Mapping[str, Mapping[str, str]] = {
    "mnist_mlp": {"mnist": "mnist"},
    "fashion_cnn": {"fashion_mnist": "fashion_mnist"},
    "cifar10_quick": {
        "cifar10": "cifar-10-binary.tar.gz",
        "npz:cifar10_subset.npz": "cifar10_subset.npz",
    },
    "sensor_cnn1d": {"npz:sensor_windows.npz": "sensor_windows.npz"},
}
MADE = "sensor_cnn1d"  # whose data are made where there are none
CLASSES, CHANNELS, STEPS, NOISE = 6, 3, 64, 1.5
NETWORKS, TRAIN_SAMPLES, VALIDATION_SAMPLES, EPOCHS = 3, 2000, 1000, 6
MOST_DROP = 0.01


@dataclass(frozen=True)
class SpaceRow:
    """Networks of one space: share of right answers at ``output``, of the network that int8 harms most.

    Attributes:
        space, source: What was trained on what.
        networks: That there is C for.
        accuracy: Of float32.
        drop: By how much it falls in int8.
        samples: Of validation.
    """

    space: str
    source: str
    networks: int
    accuracy: float
    drop: float
    samples: int

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def drops(points: pd.DataFrame) -> pd.DataFrame:
    """Accuracy at ``output`` in float32, and how much of it is lost in int8, by network.

    Args:
        points: Of a run whose edge parts are in float32 and in int8.
    """
    at_output = points[points["split_point"] == "output"]
    accuracy = at_output.pivot(index="network_key", columns="edge_weight_bits", values="accuracy")
    return pd.DataFrame({"accuracy": accuracy[32], "drop": accuracy[32] - accuracy[8]}).dropna()


def measured(data_dir: Path, seed: int = 0) -> Iterator[SpaceRow]:
    """Search every space whose data are there."""
    for name, sources in SOURCES.items():
        source = next((own for own, file in sources.items() if (data_dir / file).exists()), None)
        if source is None and name == MADE:
            with tempfile.TemporaryDirectory() as folder:
                write_windows(Path(folder) / "sensor_windows.npz", seed)
                own = _row(name, *sources, Path(folder), seed)
            yield replace(own, source="windows that are made")
            continue
        if source is None:
            print(f"{name}: left out, {' or '.join(sources.values())} is not in the folder", flush=True)
            continue
        yield _row(name, source, data_dir, seed)


def write_windows(path: Path, seed: int) -> None:
    """Write windows of a sensor that does not exist, (N, 3, 64), by which six classes can nearly be told."""
    rng = np.random.default_rng(seed)
    arrays = dict(zip(NPZ_KEYS, (*_windows(3000, rng), *_windows(100, rng)), strict=True))
    np.savez(path, **arrays)


def _windows(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.integers(0, CLASSES, count)
    gains, phases = rng.uniform(0.5, 1.5, (count, CHANNELS, 1)), rng.uniform(0, 1, (count, CHANNELS, 1))
    turns = (2 + 0.5 * labels)[:, None, None] * np.arange(STEPS) / STEPS
    waves = gains * np.sin(2 * np.pi * (turns + phases))
    return (waves + NOISE * rng.normal(size=waves.shape)).astype(np.float32), labels


def _row(name: str, source: str, data_dir: Path, seed: int) -> SpaceRow:
    space = load_space(name)[0]
    amounts = {"train_samples": TRAIN_SAMPLES, "validation_samples": VALIDATION_SAMPLES}
    changes: dict[str, Any] = {
        "data": space.data.model_copy(update={"source": source, **amounts}),
        "training": space.training.model_copy(update={"epochs": EPOCHS}),
        "edge_weight_bits": [32, 8],
        "payload_bits": [8],
        "constraints": [],
    }
    options: dict[str, Any] = {"workers": 1, "energy": False, "progress": False, "sampler": "random"}
    with tempfile.TemporaryDirectory() as folder:
        run = explorer.run_search(
            space.model_copy(update=changes),
            trials=NETWORKS,
            seed=seed,
            name=name,
            data_dir=data_dir,
            reports=Path(folder),
            **options,
        )
    found = drops(run.points)
    worst = found.loc[found["drop"].idxmax()]
    return SpaceRow(
        name, source, len(found), float(worst["accuracy"]), float(worst["drop"]), VALIDATION_SAMPLES
    )


def show(row: SpaceRow) -> None:
    """Print it."""
    print(f"{row.space}, {row.source}: {row.networks} networks; accuracy at output of the worst, on "
          f"{row.samples} samples: {row.accuracy:.1%} in float32, in int8 {100 * row.drop:.2f} points less",
          flush=True)  # fmt: skip


def shortfalls(rows: list[SpaceRow]) -> list[str]:
    """What falls short, one line per figure."""
    return [
        f"{row.space}: accuracy at output falls by {row.drop:.4f}, at most {MOST_DROP}"
        for row in rows
        if row.drop > MOST_DROP
    ]
