"""What is fitted to a trained network without changing its weights: payload ranges, exit temperatures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from explorer.core.exits import Score, confidence, fitted_temperature
from explorer.core.graph.module_state import inference
from explorer.core.network import Network
from explorer.core.payload import Codec, PayloadForm
from explorer.core.payload_ranges import fitted_codec
from explorer.core.run_point import FLOAT32
from explorer.data.dataset import Subset

Temperature = Literal["none", "fitted"]

CALIBRATION_SAMPLES = 128


@dataclass(frozen=True)
class InferenceConfig:
    """How trained networks are run.

    Attributes:
        payload: How payloads are encoded.
        score: How sure an exit is, see :func:`explorer.core.exits.confidence`.
        temperature: Whether the logits of exits are scaled by a fitted temperature.
        edge_weight_bits: Of the edge part: 32, and 8 where it is also evaluated in integers.

    Example:
        >>> InferenceConfig(PayloadForm(bits=(8, 4), ranges="channel"), temperature="fitted")
        InferenceConfig(payload=PayloadForm(bits=(8, 4), ranges='channel', entropy='none'),
                        score='max_softmax', temperature='fitted', edge_weight_bits=(32,))
    """

    payload: PayloadForm
    score: Score = "max_softmax"
    temperature: Temperature = "none"
    edge_weight_bits: tuple[int, ...] = (FLOAT32,)


@dataclass(frozen=True)
class Calibration:
    """All that is needed, besides the weights, to run a network's parts.

    Attributes:
        inference_config: How they are run.
        codecs: By split point and payload bits.
        temperatures: Of the exits, by split point; 1 where there is none.

    Example:
        >>> calibration = uncalibrated(["input"], payload_bits=(32, 8))
        >>> calibration.codecs["input", 8]
        Codec(bits=8, ranges='sample', entropy='none', low=None, step=None)
        >>> calibration.only(8).inference_config.payload.bits
        (8,)
        >>> calibration.confidence("input", torch.tensor([1.0, 1.0]))
        tensor(0.5000)
    """

    inference_config: InferenceConfig
    codecs: Mapping[tuple[str, int], Codec]
    temperatures: Mapping[str, float] = field(default_factory=dict)

    def only(self, payload_bits: int) -> "Calibration":
        """The part that is needed to send so many bits per value."""
        payload = replace(self.inference_config.payload, bits=(payload_bits,))
        return replace(self, inference_config=replace(self.inference_config, payload=payload))

    def confidence(self, split_point: str, logits: torch.Tensor) -> torch.Tensor:
        """How sure the exit at a split point is, shape (...); ``logits`` have the shape (..., classes)."""
        return confidence(logits, self.inference_config.score, self.temperatures.get(split_point, 1.0))


def calibrate(
    network: Network, training: Subset, validation: Subset, inference_config: InferenceConfig
) -> Calibration:
    """Fit payload ranges and exit temperatures.

    Args:
        network: Trained; in eval mode afterwards.
        training: Its training subset; ranges are fitted to the first :data:`CALIBRATION_SAMPLES`.
        validation: Temperatures are fitted to it, as thresholds are chosen on it.
        inference_config: How the network is run.

    Example:
        >>> network = Network(torch.nn.Linear(4, 2), torch.zeros(1, 4), num_classes=2, exit_features=4)
        >>> data = Subset(torch.linspace(-1, 1, 32).view(8, 4), torch.arange(8) % 2)
        >>> calibration = calibrate(network, data, data, InferenceConfig(PayloadForm((8,), "tensor")))
        >>> calibration.codecs["input", 8].low.tolist()
        [-1.0]
    """
    network.eval()
    form = inference_config.payload
    with inference(network):
        *crossing, _ = network.features(training.first(CALIBRATION_SAMPLES))
        codecs = {
            (point.name, bits): fitted_codec(tensor, bits, form.ranges, form.entropy)
            for point, tensor in zip(network.split_points, crossing, strict=False)
            for bits in form.bits
        }
        temperatures = (
            _fitted_temperatures(network, validation) if inference_config.temperature == "fitted" else {}
        )
        return Calibration(inference_config, codecs, temperatures)


def _fitted_temperatures(network: Network, validation: Subset) -> dict[str, float]:
    names = [point.name for point in network.split_points if network.exit_at(point.name) is not None]
    batches = [network(inputs)[:-1] for inputs, _ in validation.batches(512)]
    labels = validation.labels.cpu()
    return {
        name: fitted_temperature(torch.cat(logits).cpu(), labels)
        for name, logits in zip(names, zip(*batches, strict=True), strict=True)
    }


def uncalibrated(split_points: Iterable[str], payload_bits: Sequence[int]) -> Calibration:
    """Payloads of the split points named, their ranges travelling along.

    Example:
        >>> list(uncalibrated(["conv1", "conv2"], payload_bits=(32, 8)).codecs)
        [('conv1', 32), ('conv1', 8), ('conv2', 32), ('conv2', 8)]
    """
    codecs = {(name, bits): Codec(bits) for name in split_points for bits in payload_bits}
    return Calibration(InferenceConfig(PayloadForm(tuple(payload_bits))), codecs)
