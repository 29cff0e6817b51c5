"""The exact sweep: accuracy and exit rate of a trained network at every threshold, split point and bits.

One pass over the validation subset gives each sample's exit confidence, whether the exit is right, and
whether the server is right given the *decoded* payload. Sorted by confidence, prefix sums then give accuracy
and exit rate at every distinct threshold, in O(n log n), without a grid and without training again.

Shape suffixes: S split points but ``output``, B payload bits, N samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from explorer.core.network import Network
from explorer.core.split_points import OUTPUT
from explorer.data import Subset
from explorer.profile.payload import roundtrip

_BATCH = 512


@dataclass(frozen=True)
class Evidence:
    """What one trained network did on each validation sample; enough for every operating point of it.

    Attributes:
        split_points: Names, without ``output``.
        payload_bits: Bits for which server answers were recomputed.
        exit_confidence_SN: Largest softmax probability of the exit, float32.
        exit_correct_SN: Whether the exit is right.
        server_correct_SBN: Whether the server is right, given the decoded payload.
        output_correct_N: Whether the whole network is right.
    """

    split_points: tuple[str, ...]
    payload_bits: tuple[int, ...]
    exit_confidence_SN: NDArray[np.float32]
    exit_correct_SN: NDArray[np.bool_]
    server_correct_SBN: NDArray[np.bool_]
    output_correct_N: NDArray[np.bool_]

    @property
    def num_samples(self) -> int:
        return len(self.output_correct_N)


@dataclass(frozen=True)
class Outcome:
    """Samples answered right, and answered on the edge, of ``Evidence.num_samples``."""

    correct: int
    exited: int


@torch.inference_mode()
def collect_evidence(network: Network, data: Subset, payload_bits: Sequence[int]) -> Evidence:
    """Run ``data`` through every exit and, encoded and decoded, through every server part.

    A payload of 32 bits arrives as it was sent: the server then answers as the whole network does.
    """
    network.eval()
    all_inputs = data.inputs
    if all_inputs.dim() == 4:  # measured on CPU: a small CNN takes 0.45 of the time
        all_inputs = all_inputs.contiguous(memory_format=torch.channels_last)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    servers = [network.parts(point).server for point in network.split_points[:-1]]
    confidence, exit_correct, server_correct, output_correct = [], [], [], []
    for inputs, labels in zip(all_inputs.split(_BATCH), data.labels.split(_BATCH), strict=True):
        *crossing, logits = network.features(inputs)
        exits = torch.stack([exit_(tensor) for exit_, tensor in zip(network.exits, crossing, strict=True)])
        top_SN, predicted_SN = exits.softmax(-1).max(-1)
        confidence.append(top_SN)
        exit_correct.append(predicted_SN == labels)
        whole_correct = logits.argmax(-1) == labels
        output_correct.append(whole_correct)
        answers = [
            whole_correct if bits == 32 else server(roundtrip(tensor, bits)).argmax(-1) == labels
            for server, tensor in zip(servers, crossing, strict=True)
            for bits in payload_bits
        ]
        server_correct.append(torch.stack(answers).view(len(servers), len(payload_bits), -1))
    network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return Evidence(
        tuple(point.name for point in network.split_points[:-1]),
        tuple(payload_bits),
        torch.cat(confidence, -1).numpy(),
        torch.cat(exit_correct, -1).numpy(),
        torch.cat(server_correct, -1).numpy(),
        torch.cat(output_correct, -1).numpy(),
    )


def outcome_at(evidence: Evidence, split_point: str, bits: int | None, threshold: float | None) -> Outcome:
    """Outcome of one operating point.

    Args:
        evidence: Of the network.
        split_point: A name of ``evidence.split_points``, or ``output``.
        bits: Payload bits; ignored for ``output``.
        threshold: A sample exits when its confidence is >= it; None for no exit classifier at all.
    """
    if split_point == OUTPUT:
        return Outcome(int(evidence.output_correct_N.sum()), evidence.num_samples)
    split = evidence.split_points.index(split_point)
    assert bits is not None
    server_correct = evidence.server_correct_SBN[split, evidence.payload_bits.index(bits)]
    if threshold is None:
        return Outcome(int(server_correct.sum()), 0)
    exits = evidence.exit_confidence_SN[split].astype(np.float64) >= threshold
    correct = np.where(exits, evidence.exit_correct_SN[split], server_correct)
    return Outcome(int(correct.sum()), int(exits.sum()))


def sweep(evidence: Evidence, low: float, high: float) -> pd.DataFrame:
    """The (accuracy, exit rate) frontier of every split point and payload bits.

    For a fixed network, split point and bits every cost is monotone in the offload rate, so the frontier is
    enough to rebuild the exact front for any objectives, device and link. Thresholds lie half-way between
    neighbouring confidences, where rounding cannot move a sample across, or at an end of the range.

    Args:
        evidence: Of the network.
        low, high: Range of thresholds allowed, 0 <= low <= high <= 1. ``high == 1`` also allows leaving the
            exit classifier out.

    Returns:
        Columns ``split_point, payload_bits (Int64), confidence_threshold, correct, exited``; the threshold is
        NaN where no exit classifier is used, the bits are missing for ``output``.
    """
    rows: list[tuple[str, int | None, float, int, int]] = []
    for split, name in enumerate(evidence.split_points):
        confidence = evidence.exit_confidence_SN[split].astype(np.float64)
        for index, bits in enumerate(evidence.payload_bits):
            server_correct = evidence.server_correct_SBN[split, index]
            frontier = _frontier(confidence, evidence.exit_correct_SN[split], server_correct, low, high)
            rows += [(name, bits, *point) for point in frontier]
    output = outcome_at(evidence, OUTPUT, None, None)
    rows.append((OUTPUT, None, 0.0, output.correct, output.exited))
    names, bits_sent, thresholds, correct, exited = zip(*rows, strict=True)
    return pd.DataFrame(
        {
            "split_point": names,
            "payload_bits": pd.array(bits_sent, dtype="Int64"),
            "confidence_threshold": thresholds,
            "correct": correct,
            "exited": exited,
        }
    )


def _frontier(
    confidence: NDArray[np.float64],
    exit_correct: NDArray[np.bool_],
    server_correct: NDArray[np.bool_],
    low: float,
    high: float,
) -> list[tuple[float, int, int]]:
    """Non-dominated (threshold, correct, exited), most exits first; last the one without exit classifier.

    ``correct[n]`` and ``thresholds[n]`` belong to the ``n`` most confident samples exiting.
    """
    order = np.argsort(-confidence, kind="stable")
    ranked = confidence[order]
    gained = np.cumsum(exit_correct[order].astype(np.int64) - server_correct[order])
    correct = int(server_correct.sum()) + np.append(0, gained)
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
    best_before = np.maximum.accumulate(np.append(-1, correct[exited]))[:-1]
    kept = exited[correct[exited] > best_before]
    points = list(zip(thresholds[kept].tolist(), correct[kept].tolist(), kept.tolist(), strict=True))
    return points + ([(np.nan, int(correct[0]), 0)] if high >= 1.0 else [])
