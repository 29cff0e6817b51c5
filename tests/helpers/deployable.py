"""Networks to deploy without a search: built by seed, with lively batch norms, not trained."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from explorer.core.bottleneck import Bottleneck, with_bottleneck
from explorer.core.calibration import Calibration, InferenceConfig, calibrate
from explorer.core.input_pool import pooled_shape
from explorer.core.network import Network
from explorer.core.run_point import RunPoint
from explorer.core.sparsity.patterns import PatternName
from explorer.core.sparsity.sparsify import find_junctions, sparsify
from explorer.data.dataset import DataSet, Subset
from explorer.deploy.bundle import Source
from explorer.devices import Setting

CLASSES = 4


def data_of(shape: tuple[int, ...], dtype: str = "float32", samples: int = 120) -> DataSet:
    """Random samples; uint8 ones lie on its grid."""
    generator = torch.Generator().manual_seed(1)
    channels = shape[0]
    mean, std = (tuple((start + 0.1 * c) for c in range(channels)) for start in (0.3, 0.5))
    over = (-1, *[1] * (len(shape) - 1))

    def subset() -> Subset:
        raw = torch.rand(samples, *shape, generator=generator, dtype=torch.float64)
        if dtype == "uint8":
            raw = (255 * raw).round() / 255
        inputs = (raw - torch.tensor(mean).view(over)) / torch.tensor(std).view(over)
        return Subset(inputs.float(), torch.arange(samples) % CLASSES)

    return DataSet("random", subset(), subset(), subset(), CLASSES, shape, mean, std, dtype=dtype)


def source_of(
    factory: Callable[..., nn.Module],
    arguments: dict[str, Any],
    shape: tuple[int, ...],
    *,
    config: InferenceConfig,
    pattern: PatternName | None = None,
    bottleneck: Bottleneck | None = None,
    input_pool: int = 1,
    crossing_tensors: int = 1,
    exit_kind: Any = "pooled",
    dtype: str = "float32",
) -> Source:
    """What a bundle is made from, without a run."""
    data = data_of(shape, dtype)

    def restore() -> Network:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            inner = pooled_shape(shape, input_pool)
            backbone = factory(input_shape=inner, num_classes=CLASSES, **arguments)
            if pattern is not None:
                legal = {j.path: [d for d in j.legal if d < 1] for j in find_junctions(backbone, pattern)}
                chosen = {path: some[len(some) // 2] for path, some in legal.items() if some}
                sparsify(backbone, chosen, pattern, seed=0)
            narrow = with_bottleneck(backbone, torch.zeros(1, *inner), bottleneck)
            network = Network(
                *(narrow, torch.zeros(1, *shape), CLASSES, 8),
                exit_kind=exit_kind,
                max_crossing_tensors=crossing_tensors,
                input_pool=input_pool,
            )
            for module in network.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                    assert module.running_mean is not None
                    assert module.running_var is not None
                    module.running_mean.normal_()
                    module.running_var.uniform_(0.5, 2.0)
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.normal_(module.bias)
        return network.eval()

    calibration: Calibration = calibrate(restore(), data.train, data.validation, config)
    setting = Setting.load("rpi4", "xeon_8124m", "wifi_huang2012")
    return Source("random", restore, calibration, data, setting)


def row_of(point: RunPoint, number: int = 0) -> dict[str, Any]:
    """A row of a run's table, as far as a bundle reads it."""
    learned = {"accuracy": 0.5, "exit_rate": 0.25, "payload_bytes": 30.0}
    return {"point_id": f"random-0.{number}", "network_key": "random-0"} | point.to_row() | learned


def rows_of(points: Sequence[RunPoint]) -> list[dict[str, Any]]:
    """:func:`row_of` of several."""
    return [row_of(point, number) for number, point in enumerate(points)]
