"""The exact sweep: accuracy and exit rate of a trained network at every threshold, split point and bits.

One pass over the validation subset gives each sample's exit confidence, whether the exit is right, whether
the server is right given the *decoded* payload, and the payload's length. Sorted by confidence, prefix sums
then give accuracy, exit rate and bytes sent at every distinct threshold, in O(n log n), without a grid and
without training again.

Shape suffixes: S split points but ``output``, B payload bits, N samples.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from explorer.core.calibration import Calibration
from explorer.core.exits import ExitClassifier
from explorer.core.module_state import inference
from explorer.core.network import Network
from explorer.core.split_points import OUTPUT
from explorer.data import Subset
from explorer.profile.payload import Codec, encode, encoded_bytes, roundtrip

POINT_COLUMNS = ["split_point", "payload_bits", "confidence_threshold", "correct", "exited", "sent_bytes"]
_BATCH = 512


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
    """

    split_points: tuple[str, ...]
    payload_bits: tuple[int, ...]
    exit_confidence_SN: NDArray[np.float32]
    exit_correct_SN: NDArray[np.bool_]
    server_correct_SBN: NDArray[np.bool_]
    output_correct_N: NDArray[np.bool_]
    encoded_bytes_SBN: NDArray[np.int32]

    @property
    def num_samples(self) -> int:
        return len(self.output_correct_N)

    def encoded_bytes(self, split: int, bits_index: int) -> NDArray[np.int32]:
        """Length of every sample's payload, shape (N,)."""
        return np.broadcast_to(self.encoded_bytes_SBN[split, bits_index], (self.num_samples,))


@dataclass(frozen=True)
class Outcome:
    """Of ``Evidence.num_samples``: answered right, answered on the edge; and bytes sent for the rest."""

    correct: int
    exited: int
    sent_bytes: int


def collect_evidence(network: Network, data: Subset, calibration: Calibration) -> Evidence:
    """Run ``data`` through every exit and, encoded and decoded, through every server part.

    A payload of 32 bits arrives as it was sent: the server then answers as the whole network does.
    """
    with network.laid_out(data.inputs) as inputs, inference(network):  # laid out as ordinary tensors
        return _collected(network, replace(data, inputs=inputs), calibration)


def _collected(network: Network, data: Subset, calibration: Calibration) -> Evidence:
    network.eval()
    payload_bits = calibration.readout.payload.bits
    names = tuple(point.name for point in network.split_points[:-1])
    servers = [network.parts(point).server for point in network.split_points[:-1]]
    confidence, exit_correct, server_correct, output_correct, lengths = [], [], [], [], []
    for inputs, labels in zip(data.inputs.split(_BATCH), data.labels.split(_BATCH), strict=True):
        *crossing, logits = network.features(inputs)
        exits = [
            _exit_answers(network.exit_at(name), calibration, name, tensor, labels)
            for name, tensor in zip(names, crossing, strict=True)
        ]
        confidence.append(torch.stack([own for own, _ in exits]))
        exit_correct.append(torch.stack([right for _, right in exits]))
        whole_correct = logits.argmax(-1) == labels
        output_correct.append(whole_correct)
        sent = [
            (server, tensor, calibration.codecs[name, bits])
            for name, server, tensor in zip(names, servers, crossing, strict=True)
            for bits in payload_bits
        ]
        answers = [
            whole_correct if codec.bits == 32 else server(roundtrip(tensor, codec)).argmax(-1) == labels
            for server, tensor, codec in sent
        ]
        sizes = [_encoded_lengths(tensor, codec) for _, tensor, codec in sent]
        server_correct.append(torch.stack(answers).view(len(names), len(payload_bits), -1))
        lengths.append(torch.stack(sizes).view(len(names), len(payload_bits), -1))
    if calibration.readout.payload.entropy == "none":
        del lengths[1:]  # the same in every batch
    return Evidence(
        names,
        payload_bits,
        torch.cat(confidence, -1).numpy(),
        torch.cat(exit_correct, -1).numpy(),
        torch.cat(server_correct, -1).numpy(),
        torch.cat(output_correct, -1).numpy(),
        torch.cat(lengths, -1).numpy(),
    )


def _exit_answers(
    exit_: ExitClassifier | None, calibration: Calibration, name: str, crossing: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Confidence and whether right, each (N,); NaN and never where there is no exit classifier."""
    if exit_ is None:
        return torch.full(labels.shape, torch.nan), torch.zeros_like(labels, dtype=torch.bool)
    logits = exit_(crossing)
    return calibration.confidence(name, logits), logits.argmax(-1) == labels


def _encoded_lengths(batch: Tensor, codec: Codec) -> Tensor:
    """Bytes of each sample's payload, int32; one number where all have the same."""
    if codec.entropy == "none":
        lengths = [encoded_bytes(batch[0].numel(), codec.bits, codec.ranges)]
    else:
        lengths = [len(encode(sample, codec)) for sample in batch]
    return torch.tensor(lengths, dtype=torch.int32)


def outcome_at(evidence: Evidence, split_point: str, bits: int | None, threshold: float | None) -> Outcome:
    """Outcome of one operating point.

    Args:
        evidence: Of the network.
        split_point: A name of ``evidence.split_points``, or ``output``.
        bits: Payload bits; ignored for ``output``.
        threshold: A sample exits when its confidence is >= it; None for no exit classifier at all.
    """
    if split_point == OUTPUT:
        return Outcome(int(evidence.output_correct_N.sum()), evidence.num_samples, 0)
    split = evidence.split_points.index(split_point)
    assert bits is not None
    index = evidence.payload_bits.index(bits)
    server_correct = evidence.server_correct_SBN[split, index]
    lengths = evidence.encoded_bytes(split, index)
    if threshold is None:
        return Outcome(int(server_correct.sum()), 0, int(lengths.sum()))
    exits = evidence.exit_confidence_SN[split].astype(np.float64) >= threshold
    correct = np.where(exits, evidence.exit_correct_SN[split], server_correct)
    return Outcome(int(correct.sum()), int(exits.sum()), int(lengths[~exits].sum()))


def point_row(
    evidence: Evidence, split_point: str, bits: int | None, threshold: float | None
) -> pd.DataFrame:
    """One operating point as a row of :func:`sweep`; its threshold need not lie on the frontier."""
    own = outcome_at(evidence, split_point, bits, threshold)
    return _as_table([(split_point, bits, threshold, own.correct, own.exited, own.sent_bytes)])


def _as_table(rows: list[tuple[str, int | None, float | None, int, int, int]]) -> pd.DataFrame:
    columns: dict[str, Any] = dict(zip(POINT_COLUMNS, zip(*rows, strict=True), strict=True))
    columns["payload_bits"] = pd.array(columns["payload_bits"], dtype="Int64")
    columns["confidence_threshold"] = np.array(columns["confidence_threshold"], dtype=np.float64)
    return pd.DataFrame(columns)


def sweep(evidence: Evidence, low: float, high: float) -> pd.DataFrame:
    """The (accuracy, exit rate) frontier of every split point and payload bits.

    For a fixed network, split point and bits every cost is monotone in the offload rate, so the frontier is
    enough to rebuild the exact front for any objectives, device and link. Thresholds lie half-way between
    neighbouring confidences, where rounding cannot move a sample across, or at an end of the range.

    Args:
        evidence: Of the network.
        low, high: Range of thresholds allowed, 0 <= low <= high <= 1. ``high == 1`` also allows leaving the
            exit classifier out. A split point without one is always allowed.

    Returns:
        Columns ``split_point, payload_bits (Int64), confidence_threshold, correct, exited, sent_bytes``; the
        threshold is NaN where no exit classifier is used, the bits are missing for ``output``.
    """
    rows: list[tuple[str, int | None, float | None, int, int, int]] = []
    for split, name in enumerate(evidence.split_points):
        confidence = evidence.exit_confidence_SN[split].astype(np.float64)
        has_exit = not np.isnan(confidence).any()
        cuts = _cuts(confidence, low, high) if has_exit else None
        for index, bits in enumerate(evidence.payload_bits):
            server_correct = evidence.server_correct_SBN[split, index]
            lengths = evidence.encoded_bytes(split, index)
            if cuts is not None:
                frontier = _frontier(cuts, evidence.exit_correct_SN[split], server_correct, lengths)
                rows += [(name, bits, *point) for point in frontier]
            if cuts is None or high >= 1.0:
                rows.append((name, bits, np.nan, int(server_correct.sum()), 0, int(lengths.sum())))
    output = outcome_at(evidence, OUTPUT, None, None)
    rows.append((OUTPUT, None, 0.0, output.correct, output.exited, output.sent_bytes))
    return _as_table(rows)


@dataclass(frozen=True)
class _Cuts:
    """Samples by falling confidence (``order``), and where a threshold may cut them, most exits first.

    At ``thresholds[i]`` the ``exited[i]`` most confident samples exit.
    """

    order: NDArray[np.int64]
    thresholds: NDArray[np.float64]
    exited: NDArray[np.int64]


def _cuts(confidence: NDArray[np.float64], low: float, high: float) -> _Cuts:
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    thresholds = np.concatenate([[np.inf], (ranked[:-1] + ranked[1:]) / 2, [0.0]])
    distinct = np.concatenate([[False], ranked[:-1] > ranked[1:], [True]])
    allowed = distinct & (thresholds >= low) & (thresholds <= high) & (thresholds < 1.0)
    for bound in (low, high):
        exited_at_bound = int((ranked >= bound).sum())
        if bound < 1.0 and not allowed[exited_at_bound]:
            thresholds[exited_at_bound], allowed[exited_at_bound] = bound, True
    if high >= 1.0:
        allowed[0] = False  # an exit classifier that answers nothing is worse than none
    exited = np.flatnonzero(allowed)[::-1]
    return _Cuts(order, thresholds[exited], exited)


def _frontier(
    cuts: _Cuts,
    exit_correct: NDArray[np.bool_],
    server_correct: NDArray[np.bool_],
    lengths: NDArray[np.int32],
) -> list[tuple[float, int, int, int]]:
    """Non-dominated (threshold, correct, exited, sent bytes) with an exit classifier, most exits first."""
    gained = np.cumsum(exit_correct[cuts.order].astype(np.int64) - server_correct[cuts.order])
    correct = (int(server_correct.sum()) + np.append(0, gained))[cuts.exited]
    sent = (int(lengths.sum()) - np.append(0, np.cumsum(lengths[cuts.order], dtype=np.int64)))[cuts.exited]
    kept = correct > np.maximum.accumulate(np.append(-1, correct))[:-1]
    columns = (cuts.thresholds[kept], correct[kept], cuts.exited[kept], sent[kept])
    return list(zip(*(column.tolist() for column in columns), strict=True))
