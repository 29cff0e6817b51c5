"""Calibration: ranges come from training samples alone, one codec per split point and number of bits."""

import numpy as np
import torch
from tiny_nets import IMAGE, NUM_CLASSES, Chain, build

from explorer.core.calibration import CALIBRATION_SAMPLES, InferenceConfig, calibrate, uncalibrated
from explorer.core.network import Network
from explorer.core.payload import PayloadForm
from explorer.core.payload_ranges import fitted_codec
from explorer.data.dataset import Subset

FORM = PayloadForm((16, 8, 4), "channel", "zstd")


def network() -> Network:
    return Network(build(Chain), torch.zeros(1, *IMAGE), NUM_CLASSES, exit_features=8).train()


def training(samples: int) -> Subset:
    inputs = torch.randn(samples, *IMAGE, generator=torch.Generator().manual_seed(0))
    return Subset(inputs, torch.zeros(samples, dtype=torch.int64))


def test_one_codec_per_split_point_and_bits() -> None:
    own, data = network(), training(20)
    calibration = calibrate(own, data, data, InferenceConfig(FORM))
    points = own.split_points[:-1]
    assert set(calibration.codecs) == {(point.name, bits) for point in points for bits in FORM.bits}
    with torch.no_grad():
        crossing = own.eval().features(data.inputs)
    for point, tensor in zip(points, crossing, strict=False):
        codec, expected = calibration.codecs[point.name, 4], fitted_codec(tensor, 4, "channel", "zstd")
        assert codec.entropy == "zstd"
        assert codec.low is not None
        assert expected.low is not None
        assert np.array_equal(codec.low, expected.low)


def test_only_the_first_training_samples_are_read() -> None:
    own, data = network(), training(CALIBRATION_SAMPLES + 50)
    changed = Subset(data.inputs.clone(), data.labels)
    changed.inputs[CALIBRATION_SAMPLES:] *= 100
    lows = [
        calibrate(own, subset, data, InferenceConfig(FORM)).codecs["input", 8].low
        for subset in (data, changed)
    ]
    assert lows[0] is not None
    assert lows[1] is not None
    assert np.array_equal(lows[0], lows[1])


def test_the_part_for_one_number_of_bits() -> None:
    calibration = uncalibrated(["input", "fc1"], [32, 8])
    assert calibration.only(8).inference_config == InferenceConfig(PayloadForm((8,)))
    assert calibration.only(8).codecs["fc1", 8].bits == 8
