"""How much of an objective a forest can tell from the choices of an operating point, and by which of them.

The forest predicts points of networks that it was not fitted to. How much worse it does so with one column
shuffled is that column's permutation importance (Breiman, Machine Learning 2001).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FOLDS = 4
TREES, REPEATS = 30, 2
_SEED = 0


@dataclass(frozen=True)
class Explained:
    """What a forest knows of each target.

    Attributes:
        r2: By target, of points of networks left out: 1 is exact, 0 no better than the mean.
        falls: By target and feature, how much R2 falls when the feature is shuffled; at least 0.

    Example:
        >>> Explained({"accuracy": 0.8}, {"accuracy": {"threshold": 0.5}}).falls["accuracy"]["threshold"]
        0.5
    """

    r2: dict[str, float]
    falls: dict[str, dict[str, float]]


def explained(features: pd.DataFrame, targets: pd.DataFrame, networks: NDArray[np.int64]) -> Explained:
    """Fit a forest to all networks but some, in turn, and see how it predicts the others.

    Args:
        features: Numbers, a row for each point (R, F).
        targets: Of the same points (R, T); each must vary.
        networks: Of the same points (R,); at least :data:`FOLDS` different ones.

    Example:
        >>> features = pd.DataFrame({"threshold": np.arange(40) % 8, "bits": np.arange(40) // 20})
        >>> targets = pd.DataFrame({"doubled": 2 * features["threshold"]})
        >>> found = explained(features, targets, networks=np.arange(40) // 4)
        >>> found.r2["doubled"] > 0.9, found.falls["doubled"]["bits"] < 0.1
        (True, True)
    """
    # more than a second that no command should take to start
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import GroupKFold

    x_RF, y_RT = features.to_numpy(dtype=float), targets.to_numpy(dtype=float)
    y_RT = (y_RT - y_RT.mean(axis=0)) / y_RT.std(axis=0)  # one forest for all, so that they count alike
    rng = np.random.default_rng(_SEED)
    errors = np.zeros((1 + x_RF.shape[1], y_RT.shape[1]))
    for train, left_out in GroupKFold(FOLDS).split(x_RF, groups=networks):
        forest = RandomForestRegressor(TREES, min_samples_leaf=2, random_state=_SEED, n_jobs=1)
        forest.fit(x_RF[train], y_RT[train])
        copies = [x_RF[left_out], *_shuffled(x_RF[left_out], rng)]
        predicted = forest.predict(np.concatenate(copies)).reshape(len(copies), len(left_out), -1)
        squared = np.square(predicted - y_RT[left_out]).sum(axis=1)
        errors[0] += squared[0]
        errors[1:] += squared[1:].reshape(-1, REPEATS, y_RT.shape[1]).mean(axis=1)
    r2 = 1.0 - errors / len(y_RT)
    falls = np.maximum(r2[0] - r2[1:], 0.0)
    names, choices = [str(name) for name in targets], [str(name) for name in features]
    return Explained(
        dict(zip(names, r2[0].tolist(), strict=True)),
        {name: dict(zip(choices, falls[:, place].tolist(), strict=True)) for place, name in enumerate(names)},
    )


def _shuffled(x_RF: Floats, rng: np.random.Generator) -> list[Floats]:
    """Copies with one column shuffled each, two of each column."""
    copies = []
    for place in range(x_RF.shape[1]):
        for _ in range(REPEATS):
            copy = x_RF.copy()
            copy[:, place] = rng.permutation(copy[:, place])
            copies.append(copy)
    return copies
