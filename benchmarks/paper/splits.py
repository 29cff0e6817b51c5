"""The same networks cut after each hidden layer, with an exit there: accuracy against expected bytes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.paper.measure import fitted
from benchmarks.paper.networks import NUM_CLASSES, PaperNetwork, build
from explorer.core.calibration import uncalibrated
from explorer.core.evidence import collect_evidence
from explorer.core.graph.split_points import INPUT, OUTPUT
from explorer.core.network import Network
from explorer.core.recipe import Recipe
from explorer.core.sweep import sweep
from explorer.core.training import train
from explorer.data.dataset import DataSet

PAYLOAD_BITS = 8
POINTS_PER_SPLIT = 15


def split_rows(network: PaperNetwork, pattern: str, data: DataSet, recipe: Recipe) -> list[dict[str, Any]]:
    """Train with all exits jointly and sweep the thresholds on the validation subset.

    Thresholds are chosen by what they achieve, so the test subset is not read here.

    Returns:
        Points of the (accuracy, exit rate) frontier of each hidden layer, thinned evenly by exit rate; the
        last one of each, without threshold, offloads every sample.
    """
    width = network.widths[0]
    backbone = build(network, pattern, recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        whole = Network(backbone, torch.zeros(1, width), NUM_CLASSES, exit_features=width)
    train(whole, fitted(data.train, width), replace(recipe))
    calibration = uncalibrated([point.name for point in whole.split_points[:-1]], [PAYLOAD_BITS])
    points = sweep(collect_evidence(whole, fitted(data.validation, width), calibration), 0.0, 1.0)
    samples = len(data.validation)
    rows = []
    for point in whole.split_points:
        if point.name in (INPUT, OUTPUT):
            continue
        for row in _thinned(points[points["split_point"] == point.name], samples).itertuples():
            exit_rate = row.exited / samples
            rows.append(
                {
                    "network": network.name,
                    "pattern": pattern,
                    "split_point": point.name,
                    "payload_bits": PAYLOAD_BITS,
                    "confidence_threshold": None
                    if pd.isna(row.confidence_threshold)
                    else row.confidence_threshold,
                    "exit_rate": exit_rate,
                    "payload_bytes": row.sent_bytes / samples,
                    "accuracy": row.correct / samples,
                }
            )
    return rows


def _thinned(frontier: pd.DataFrame, samples: int) -> pd.DataFrame:
    """At most ``POINTS_PER_SPLIT`` rows nearest to evenly spaced exit rates; both ends stay."""
    exited = frontier["exited"].to_numpy() / samples
    wanted = np.linspace(exited.min(), exited.max(), POINTS_PER_SPLIT)
    nearest = {int(np.abs(exited - rate).argmin()) for rate in wanted}
    return frontier.iloc[sorted(nearest)]
