"""``confirmed.json``: what networks of a run come to when they are trained anew with other seeds."""

import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from explorer.runs.sealed import read_sealed, write_sealed

CONFIRMED_FILE = "confirmed.json"


@dataclass(frozen=True)
class Confirmed:
    """An operating point whose network was trained anew; threshold and payload bits stay as they were.

    Attributes:
        point_id: Of the point.
        accuracy: Of the network that was searched, on the validation subset.
        accuracy_ci95_low: Lower end of its interval.
        seeds: Of the trainings that succeeded.
        accuracies: On the same validation subset, one per seed.
        exit_rates: One per seed.
        failures: Why others failed.
        quality: What all this is: accuracy, or the run's quality where that is another.

    Example:
        >>> point = Confirmed("mlp-1.0.8.90", 0.96, 0.94, (1, 2, 3), (0.93, 0.92, 0.94), (0.5, 0.6, 0.5), ())
        >>> round(point.mean, 3), round(point.deviation, 3), point.lucky
        (0.93, 0.01, True)
    """

    point_id: str
    accuracy: float
    accuracy_ci95_low: float
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    exit_rates: tuple[float, ...]
    failures: tuple[str, ...]
    quality: str = "accuracy"

    @property
    def mean(self) -> float:
        """Mean accuracy over seeds; NaN without any."""
        return statistics.fmean(self.accuracies) if self.accuracies else float("nan")

    @property
    def deviation(self) -> float:
        """Standard deviation of the accuracy over seeds; NaN with fewer than two."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else float("nan")

    @property
    def lucky(self) -> bool:
        """Whether other seeds come, on average, to less than the lower end of the interval."""
        return self.mean < self.accuracy_ci95_low

    def to_json(self) -> dict[str, Any]:
        """Plain data, with mean, deviation and luck; None for what is not known."""
        known = {"accuracy_mean": self.mean, "accuracy_deviation": self.deviation}
        plain = {name: None if value != value else value for name, value in known.items()}
        own = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }
        return own | plain | {"lucky": self.lucky}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Confirmed":
        """Inverse of :meth:`to_json`."""
        names = ("seeds", "accuracies", "exit_rates", "failures")
        lists = {name: tuple(content[name]) for name in names}
        return cls(
            content["point_id"],
            content["accuracy"],
            content["accuracy_ci95_low"],
            **lists,
            quality=content.get("quality", "accuracy"),
        )


def write_confirmed(folder: Path, points: list[Confirmed]) -> Path:
    """Write ``confirmed.json`` of a run folder; points that were confirmed before stay, unless they are anew.

    Example:
        >>> point = Confirmed("mlp-1.0.8.90", 0.96, 0.94, (1,), (0.93,), (0.5,), ())
        >>> write_confirmed(Path(), [point]).name, read_confirmed(Path()) == [point]
        ('confirmed.json', True)
    """
    known = {point.point_id: point for point in (*read_confirmed(folder), *points)}
    write_sealed(folder / CONFIRMED_FILE, {"points": [point.to_json() for point in known.values()]})
    return folder / CONFIRMED_FILE


def read_confirmed(folder: Path) -> list[Confirmed]:
    """Points of a run that were confirmed; none where nobody asked.

    Example:
        >>> read_confirmed(Path("nowhere"))
        []
    """
    path = folder / CONFIRMED_FILE
    if not path.exists():
        return []
    content = read_sealed(path, "remove it, and `python -m explorer.confirm` trains anew")
    return [Confirmed.from_json(own) for own in content["points"]]
