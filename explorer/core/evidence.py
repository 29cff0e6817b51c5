"""Evidence: what a trained network does on each sample, at every early exit and behind every payload.

One pass over a subset gives each sample's exit confidence, whether the exit is right, whether the server is
right given the *decoded* payload, and the payload's length: enough for every operating point of the network.

Shape suffixes: S split points but ``output``, B payload bits, N samples.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explorer.core.calibration import Calibration
from explorer.core.code_bytes import CodeBytes
from explorer.core.device import CPU
from explorer.core.exits import ExitClassifier
from explorer.core.graph.module_state import inference
from explorer.core.graph.split_points import OUTPUT
from explorer.core.network import Network
from explorer.core.payload import Codec, encode, encoded_bytes, roundtrip
from explorer.core.quality import ACCURACY, Quality
from explorer.core.run_point import FLOAT32, RunPoint
from explorer.data.dataset import Subset

_BATCH = 512


@dataclass(frozen=True)
class Answers:
    """The classes that a network answered, for confusion matrices.

    Attributes:
        exit_SN: Of each exit; 0 where the split point has none.
        server_SBN: Of the server, given the decoded payload.
        output_N: Of the whole network.

    Example:
        >>> one = np.array([1, 0], np.uint8)
        >>> Answers(one[None], one[None, None], one).output_N.tolist()
        [1, 0]
    """

    exit_SN: NDArray[Any]
    server_SBN: NDArray[Any]
    output_N: NDArray[Any]


@dataclass(frozen=True)
class Evidence:
    """What one trained network did on each validation sample; enough for every operating point of it.

    Attributes:
        split_points: Names, without ``output``.
        payload_bits: Bits for which server answers were recomputed.
        exit_confidence_SN: How sure the exit is, float32; NaN where the split point has none.
        exit_correct_SN: Whether the exit is right.
        server_correct_SBN: Whether the server is right, given the decoded payload.
        output_correct_N: Whether the whole network is right.
        encoded_bytes_SBN: Length of the payload; the last axis is 1 where it does not depend on the sample.
        label_N: What would be right.
        quality: Which mean of right answers counts.
        answers: What was answered; None where that was not kept.
        code: What the C of its edge parts takes; None where that does not count.

    Example:
        >>> right = np.array([True, True, False])
        >>> evidence = Evidence(
        ...     ("conv1",), (8,), exit_confidence_SN=np.array([[0.9, 0.7, 0.4]], np.float32),
        ...     exit_correct_SN=right[None], server_correct_SBN=right[None, None], output_correct_N=right,
        ...     encoded_bytes_SBN=np.array([[[12]]], np.int32), label_N=np.array([0, 1, 1]),
        ... )
        >>> evidence.num_samples, evidence.encoded_bytes(split=0, bits_index=0).tolist()
        (3, [12, 12, 12])
    """

    split_points: tuple[str, ...]
    payload_bits: tuple[int, ...]
    exit_confidence_SN: NDArray[np.float32]
    exit_correct_SN: NDArray[np.bool_]
    server_correct_SBN: NDArray[np.bool_]
    output_correct_N: NDArray[np.bool_]
    encoded_bytes_SBN: NDArray[np.int32]
    label_N: NDArray[np.int64]
    quality: Quality = ACCURACY
    answers: Answers | None = None
    code: CodeBytes | None = None

    @property
    def edge_weight_bits(self) -> int:
        """Of the edge parts."""
        return FLOAT32 if self.code is None else self.code.edge_weight_bits

    @property
    def has_output(self) -> bool:
        """Whether it tells of the whole network on the edge, for which there may be no C in int8."""
        return self.edge_weight_bits == FLOAT32 or (self.code is not None and self.code.has_output)

    def has(self, point: RunPoint) -> bool:
        """Whether it tells of a way to run the network."""
        known = self.has_output if point.split_point == OUTPUT else point.split_point in self.split_points
        return known and point.edge_weight_bits == self.edge_weight_bits

    def code_columns(self, point: RunPoint) -> dict[str, float]:
        """What a swept point says of its C, see :data:`explorer.core.code_bytes.CODE_COLUMNS`."""
        return {} if self.code is None else self.code.columns(point, self.split_points, self.payload_bits)

    @property
    def num_samples(self) -> int:
        """Samples of the subset."""
        return len(self.output_correct_N)

    def encoded_bytes(self, split: int, bits_index: int) -> NDArray[np.int32]:
        """Length of every sample's payload, shape (N,)."""
        return np.broadcast_to(self.encoded_bytes_SBN[split, bits_index], (self.num_samples,))


def collect_evidence(
    network: Network, data: Subset, calibration: Calibration, quality: Quality = ACCURACY
) -> Evidence:
    """Run ``data`` through every exit and, encoded and decoded, through every server part.

    A payload of 32 bits arrives as it was sent: the server then answers as the whole network does.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> network = Network(torch.nn.Linear(4, 2), torch.zeros(1, 4), num_classes=2, exit_features=4)
        >>> data = Subset(torch.randn(5, 4), torch.zeros(5, dtype=torch.int64))
        >>> evidence = collect_evidence(network, data, uncalibrated(["input"], payload_bits=(32, 8)))
        >>> evidence.split_points, evidence.server_correct_SBN.shape, evidence.encoded_bytes_SBN.tolist()
        (('input',), (1, 2, 5), [[[26], [14]]])
    """
    with network.laid_out(data) as laid_out, inference(network):  # laid out as ordinary tensors
        return _collected(network, laid_out, calibration, quality)


def _collected(network: Network, data: Subset, calibration: Calibration, quality: Quality) -> Evidence:
    network.eval()
    payload_bits = calibration.inference_config.payload.bits
    names = tuple(point.name for point in network.split_points[:-1])
    servers = [network.parts(point).server for point in network.split_points[:-1]]
    confidence, exits, served, output, lengths = [], [], [], [], []
    for inputs, _ in data.batches(_BATCH):
        *crossing, logits = network.features(inputs)
        own = [
            _exit_answers(network.exit_at(name), calibration, name, tensor)
            for name, tensor in zip(names, crossing, strict=True)
        ]
        confidence.append(torch.stack([sure for sure, _ in own]))
        exits.append(torch.stack([answer for _, answer in own]))
        whole = logits.argmax(-1)
        output.append(whole)
        sent = [
            (server, tensor, calibration.codecs[name, bits])
            for name, server, tensor in zip(names, servers, crossing, strict=True)
            for bits in payload_bits
        ]
        answers = [
            whole if codec.bits == 32 else server(roundtrip(tensor, codec)).argmax(-1)
            for server, tensor, codec in sent
        ]
        sizes = [_encoded_lengths(tensor, codec) for _, tensor, codec in sent]
        served.append(torch.stack(answers).view(len(names), len(payload_bits), -1))
        lengths.append(torch.stack(sizes).view(len(names), len(payload_bits), -1))
    if calibration.inference_config.payload.entropy == "none":
        del lengths[1:]  # the same in every batch
    narrow = np.min_scalar_type(logits.shape[-1] - 1)
    given = [torch.cat(batches, -1).numpy(force=True).astype(narrow) for batches in (exits, served, output)]
    label_N = data.labels.numpy(force=True)
    has_exit_S = np.array([network.exit_at(name) is not None for name in names], dtype=np.bool_)
    exit_SN, server_SBN, output_N = given
    return Evidence(
        names,
        payload_bits,
        torch.cat(confidence, -1).numpy(force=True),
        (exit_SN == label_N) & has_exit_S[:, np.newaxis],
        server_SBN == label_N,
        output_N == label_N,
        torch.cat(lengths, -1).numpy(),
        label_N,
        quality,
        Answers(exit_SN, server_SBN, output_N),
    )


def _exit_answers(
    exit_: ExitClassifier | None, calibration: Calibration, name: str, crossing: Tensor
) -> tuple[Tensor, Tensor]:
    """Confidence and answer, each (N,); NaN and 0 where there is no exit classifier."""
    if exit_ is None:
        unknown = torch.full((len(crossing),), torch.nan, device=crossing.device)
        return unknown, torch.zeros(len(crossing), dtype=torch.int64, device=crossing.device)
    logits = exit_(crossing)
    return calibration.confidence(name, logits), logits.argmax(-1)


def _encoded_lengths(batch: Tensor, codec: Codec) -> Tensor:
    """Bytes of each sample's payload, int32; one number where all have the same."""
    if codec.entropy == "none":
        lengths = [encoded_bytes(batch[0].numel(), codec.bits, codec.ranges)]
    else:
        lengths = [len(encode(sample, codec)) for sample in batch]
    return torch.tensor(lengths, dtype=torch.int32, device=CPU)
