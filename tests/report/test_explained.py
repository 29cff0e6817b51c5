"""What a forest tells of functions that are known, and of noise."""

import numpy as np
import pandas as pd

from explorer.report.explained import explained


def table(seed: int, rows: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    """Three features, the last the same for all points of a network; and the networks."""
    rng = np.random.default_rng(seed)
    networks = np.repeat(np.arange(rows // 10), 10)
    features = pd.DataFrame(rng.random((rows, 2)), columns=["threshold", "idle"])
    return features.assign(density=rng.random(rows // 10)[networks]), networks


def test_what_moves_a_target_is_found_and_what_does_not_is_at_naught() -> None:
    features, networks = table(0)
    targets = pd.DataFrame(
        {"one": features["threshold"], "both": features["threshold"] + features["density"]}
    )
    found = explained(features, targets, networks)
    assert found.r2["one"] > 0.95
    assert found.r2["both"] > 0.85
    # of an additive target, R2 falls by twice the share of its variance that the shuffled part has
    assert abs(found.falls["one"]["threshold"] - 2) < 0.25
    assert abs(found.falls["both"]["threshold"] - 1) < 0.3
    assert abs(found.falls["both"]["density"] - 1) < 0.4
    assert max(falls["idle"] for falls in found.falls.values()) < 0.03
    assert found == explained(features, targets, networks)


def test_noise_of_networks_is_not_learned_from_their_own_points() -> None:
    features, networks = table(1)
    noise = pd.DataFrame({"noise": np.random.default_rng(2).normal(size=40)[networks]})
    assert explained(features, noise, networks).r2["noise"] < 0.1
