"""What is fitted to a trained network without changing its weights: ranges of its payloads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from explorer.core.network import Network
from explorer.data import Subset
from explorer.profile.payload import Codec, PayloadForm
from explorer.profile.ranges import fitted_codec

CALIBRATION_SAMPLES = 128


@dataclass(frozen=True)
class Calibration:
    """All that is needed, besides the weights, to run a network's parts.

    Attributes:
        form: How payloads are encoded.
        codecs: By split point and payload bits.
    """

    form: PayloadForm
    codecs: Mapping[tuple[str, int], Codec]

    def only(self, payload_bits: int) -> "Calibration":
        """The part that is needed to send so many bits per value."""
        return replace(self, form=replace(self.form, bits=(payload_bits,)))


@torch.inference_mode()
def calibrate(network: Network, training: Subset, form: PayloadForm) -> Calibration:
    """Fit the payloads' ranges.

    Args:
        network: Trained; in eval mode afterwards.
        training: Its training subset; ranges are fitted to the first :data:`CALIBRATION_SAMPLES`.
        form: How payloads are encoded.
    """
    network.eval()
    *crossing, _ = network.features(training.inputs[:CALIBRATION_SAMPLES])
    codecs = {
        (point.name, bits): fitted_codec(tensor, bits, form.ranges, form.entropy)
        for point, tensor in zip(network.split_points, crossing, strict=False)
        for bits in form.bits
    }
    return Calibration(form, codecs)


def uncalibrated(split_points: Iterable[str], payload_bits: Sequence[int]) -> Calibration:
    """Payloads of the split points named, their ranges travelling along."""
    codecs = {(name, bits): Codec(bits) for name in split_points for bits in payload_bits}
    return Calibration(PayloadForm(tuple(payload_bits)), codecs)
