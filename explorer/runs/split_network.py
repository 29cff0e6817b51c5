"""Split computing as it is deployed: edge part, early exit, payload, server part of a trained network."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from explorer.core.calibration import Calibration
from explorer.core.payload import Codec, decode, encode
from explorer.core.run_point import FLOAT32, RunPoint
from explorer.data.dataset import DataSet
from explorer.errors import UserError
from explorer.runs.deployment import restored
from explorer.runs.store import Store


@dataclass(frozen=True)
class SplitNetwork:
    """A trained network as it is deployed: cut in two, with what is sent between the parts.

    Attributes:
        edge: Runs on the edge device: inputs (N, ...) to the crossing tensor, or to logits at ``output``.
        exit_classifier: Crossing tensor to logits (N, classes); None where the edge never answers alone.
        codec: Encodes the crossing tensor; None where nothing is sent.
        server: Runs on the server: the decoded crossing tensor to logits.
        point: How the network is run.
        calibration: Score and temperature of the exit.
        shape: Of a crossing tensor, without batch.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> how = (RunPoint("input", None, payload_bits=8), uncalibrated(["input"], [8]))
        >>> network = SplitNetwork(nn.Identity(), None, Codec(8), nn.Linear(64, 10), *how, shape=(64,))
        >>> logits, sent_bytes = network(torch.zeros(3, 64))
        >>> logits.shape, sent_bytes
        (torch.Size([3, 10]), [74, 74, 74])
    """

    edge: nn.Module
    exit_classifier: nn.Module | None
    codec: Codec | None
    server: nn.Module
    point: RunPoint
    calibration: Calibration
    shape: tuple[int, ...]

    @torch.inference_mode()
    def __call__(self, inputs: Tensor) -> tuple[Tensor, list[int]]:
        """Answer a batch as the two machines would, sample by sample.

        Args:
            inputs: Shape (N, ...), normalised as the data set is.

        Returns:
            Logits (N, classes), and the bytes that were sent for each sample: 0 where the edge answered.
        """
        answers = [self._answer(sample) for sample in inputs.split(1)]
        return torch.cat([logits for logits, _ in answers]), [sent for _, sent in answers]

    def _answer(self, sample: Tensor) -> tuple[Tensor, int]:
        crossing = self.edge(sample)
        if self.codec is None:
            return crossing, 0
        threshold = self.point.confidence_threshold
        if self.exit_classifier is not None and threshold is not None:
            logits = self.exit_classifier(crossing)
            if self.calibration.confidence(self.point.split_point, logits).item() >= threshold:
                return logits, 0
        payload = encode(crossing[0], self.codec)
        received = decode(payload, self.shape, self.codec).unsqueeze(0)
        return self.server(received), len(payload)


def split_network(folder: Path, key: str, point: RunPoint, data: DataSet) -> SplitNetwork:
    """Load a stored network, cut as ``point`` says.

    Args:
        folder: The run folder.
        key: Of the network.
        point: How it is run.
        data: That of the run.

    Raises:
        UserError: Its weights were dropped, or what is built is not what was trained; or its edge part
            computes in int8.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="split", workers=1, energy=False, progress=False)
        >>> pick, data = run.select(minimize="edge_macs"), run.load_data()
        >>> network = split_network(run.path, pick.network_key, pick.run_point, data)
        >>> network.point.split_point, network.shape
        ('input', (1, 8, 8))
    """
    if point.edge_weight_bits != FLOAT32:
        raise UserError(
            f"{key}: the edge part of this point computes in int8; `explorer deploy --c-code int8` writes it"
        )
    store = Store(folder)
    network, calibration = restored(store, key, data), store.read_calibration(key)
    split_point = network.split_point(point.split_point)
    parts, bits = network.parts(split_point), point.payload_bits
    return SplitNetwork(
        edge=parts.edge,
        exit_classifier=None if point.confidence_threshold is None else network.exit_at(point.split_point),
        codec=None if bits is None else calibration.codecs[point.split_point, bits],
        server=parts.server,
        point=point,
        calibration=calibration,
        shape=split_point.shape,
    )
