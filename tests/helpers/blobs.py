"""A spec, small data and a configuration, for tests of what is built from a spec and trained on data."""

import json
from fractions import Fraction
from typing import Any

import torch
from recipes import recipe

from explorer.core.calibration import InferenceConfig
from explorer.core.payload import PayloadForm
from explorer.costs.evaluate import TrainingTask
from explorer.data.dataset import DataSet, Subset
from explorer.space.candidate import NetworkSpec

RECIPE = recipe(batch_size=16, weight_decay=1e-4)
SPEC = NetworkSpec(
    backbone="mlp",
    factory="explorer.backbones:mlp",
    arguments=json.dumps({"hidden": [16, 8]}),
    pattern="structured",
    densities=(("fc1", Fraction(1, 4)), ("fc2", Fraction(1, 2)), ("classifier", Fraction(1))),
    exit_features=8,
    recipe=RECIPE,
    data="{}",
)
READOUT = InferenceConfig(PayloadForm((32, 8), "channel"))


class Forbidden:
    """Stands for the test subset; any look at it is an error."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the test subset was asked for {name}")


def subset(samples: int, seed: int) -> Subset:
    inputs = torch.randn(samples, 8, generator=torch.Generator().manual_seed(seed))
    return Subset(inputs, (inputs[:, 0] > 0).long() + 2 * (inputs[:, 1] > 0).long())


DATA = DataSet("blobs", subset(96, 0), subset(50, 1), Forbidden(), 4, (8,))  # type: ignore[arg-type]


def complete(spec: NetworkSpec) -> TrainingTask:
    return TrainingTask(spec, spec.recipe.epochs)
