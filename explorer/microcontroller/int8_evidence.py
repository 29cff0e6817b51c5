"""What a trained network does on each sample where its edge part computes in int8, integer by integer.

Nothing is trained: weights are rounded, ranges are those of training samples. Servers stay in float32 and get
what the edge device would send.

Shape suffixes as in :mod:`explorer.core.evidence`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from explorer.core.calibration import Calibration
from explorer.core.evidence import Answers, Evidence
from explorer.core.graph.module_state import inference
from explorer.core.graph.split_points import OUTPUT, SplitPoint
from explorer.core.network import Network
from explorer.core.payload import encoded_bytes, roundtrip
from explorer.core.quality import ACCURACY, Quality
from explorer.data.dataset import DataSet
from explorer.data.subset import Subset
from explorer.microcontroller.edge_sizes import code_bytes
from explorer.microcontroller.int8_edge import LoweredEdge, lowered_edges
from explorer.microcontroller.integer_reference import Array, IntegerResults, integer_results

_BATCH = 512


def with_c_edges(
    network: Network, data: DataSet, evidence: Evidence, calibration: Calibration
) -> tuple[Evidence, Evidence | None]:
    """Evidence of edge parts in float32 with what their C takes, and evidence of those in int8.

    Args:
        network: In eval mode, on the CPU; it stays as it is.
        data: Training and validation samples.
        evidence: Of the validation samples.
        calibration: Of the network.

    Returns:
        The latter is None where there is no C in int8 for any edge part.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> from explorer.core.evidence import collect_evidence
        >>> backbone = torch.nn.Sequential(torch.nn.Linear(4, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> own = Subset(torch.randn(4, 4), torch.arange(4) % 2)
        >>> data = DataSet("noise", own, own, own, 2, (4,), mean=(0.0,), std=(1.0,))
        >>> calibration = uncalibrated(["input"], [8])
        >>> evidence = collect_evidence(network, own, calibration)
        >>> float32, int8 = with_c_edges(network, data, evidence, calibration)
        >>> float32.edge_weight_bits, int8.edge_weight_bits, int8.has_output
        (32, 8, True)
        >>> bool(float32.code.output_K[0] > int8.code.output_K[0])
        True
    """
    edges = lowered_edges(network, data, calibration)
    sizes = code_bytes(network, edges, evidence.split_points, calibration, "float")
    int8 = _evidence_of(network, edges, data, data.validation, calibration, evidence.quality)
    return replace(evidence, code=sizes), int8


def collect_int8_evidence(
    network: Network, data: DataSet, subset: Subset, calibration: Calibration, quality: Quality = ACCURACY
) -> Evidence | None:
    """Run ``subset`` through every edge part in integers and, encoded and decoded, through every server part.

    Payloads are never compressed: the device has no room for that.

    Args:
        network: In eval mode, on the CPU; it stays as it is.
        data: Training samples, and how samples were normalised.
        subset: Whose samples are run.
        calibration: Of the network.
        quality: Which mean of right answers counts.

    Returns:
        Evidence of the split points that there is C for; None where there is none for any.

    Example:
        >>> from explorer.core.calibration import uncalibrated
        >>> backbone = torch.nn.Sequential(torch.nn.Linear(4, 2))
        >>> network = Network(backbone, torch.zeros(1, 4), num_classes=2, exit_features=4).eval()
        >>> own = Subset(torch.randn(4, 4), torch.arange(4) % 2)
        >>> data = DataSet("noise", own, own, own, 2, (4,), mean=(0.0,), std=(1.0,))
        >>> evidence = collect_int8_evidence(network, data, own, uncalibrated(["input"], [8]))
        >>> evidence.split_points, evidence.has_output, evidence.encoded_bytes_SBN.tolist()
        (('input',), True, [[[14]]])
    """
    edges = lowered_edges(network, data, calibration)
    return _evidence_of(network, edges, data, subset, calibration, quality)


def _evidence_of(
    network: Network,
    edges: Sequence[LoweredEdge],
    data: DataSet,
    subset: Subset,
    calibration: Calibration,
    quality: Quality,
) -> Evidence | None:
    known = [own for own in edges if own.integers is not None]
    if not known:
        return None
    sending = [own for own in known if own.point.name != OUTPUT]
    bits, label_N = calibration.inference_config.payload.bits, subset.labels.numpy(force=True)
    batches = [data.raw(inputs.cpu()) for inputs, _ in subset.batches(_BATCH)]
    shared: list[dict[str, Array]] = [{} for _ in batches]  # tensors that edge parts have in common

    def results(own: LoweredEdge) -> list[IntegerResults]:
        assert own.integers is not None
        return [integer_results(own.integers, *pair) for pair in zip(batches, shared, strict=True)]

    with network.laid_out(subset):
        split = [_answers(network, own.point, results(own), calibration) for own in sending]
    whole = [np.concatenate([_labels(each) for each in results(own)]) for own in known if own not in sending]
    narrow, count = np.min_scalar_type(data.num_classes - 1), len(label_N)
    exit_SN, server_SBN = (
        np.array([own[name] for own in split]).reshape(len(split), *shape, count).astype(narrow)
        for name, shape in (("exit", ()), ("server", (len(bits),)))
    )
    output_N = (whole[0] if whole else np.zeros(count)).astype(narrow)
    has_exit_S = np.array([network.exit_at(own.point.name) is not None for own in sending], dtype=np.bool_)
    names = tuple(own.point.name for own in sending)
    return Evidence(
        names,
        bits,
        np.array([own["confidence"] for own in split], dtype=np.float32).reshape(len(split), count),
        (exit_SN == label_N) & has_exit_S[:, np.newaxis],
        server_SBN == label_N,
        (output_N == label_N) & bool(whole),
        np.array([_lengths(own.point, calibration) for own in sending], np.int32).reshape(-1, len(bits), 1),
        label_N,
        quality,
        Answers(exit_SN, server_SBN, output_N),
        code_bytes(network, known, names, calibration, "int8"),
    )


def _answers(
    network: Network, point: SplitPoint, results: Sequence[IntegerResults], calibration: Calibration
) -> dict[str, NDArray[Any]]:
    """What exit (N,) and server (B, N) answer, and how sure the exit is (N,)."""
    server, has_exit = network.parts(point).server, network.exit_at(point.name) is not None
    codecs = [calibration.codecs[point.name, bits] for bits in calibration.inference_config.payload.bits]
    exits, sure, served = list[Any](), list[Any](), list[Any]()
    with inference(network):
        for own in results:
            crossing = _laid_out(torch.from_numpy(own.crossing).view(-1, *point.shape), network)
            served.append([server(roundtrip(crossing, codec)).argmax(-1).numpy() for codec in codecs])
            exits.append(_labels(own) if has_exit else np.zeros(len(crossing), np.int64))
            real = own.real_logits
            sure.append(
                np.full(len(crossing), np.nan)
                if real is None
                else calibration.confidence(point.name, torch.from_numpy(real)).numpy()
            )
    return {
        "exit": np.concatenate(exits),
        "confidence": np.concatenate(sure),
        "server": np.concatenate(served, axis=-1),
    }


def _laid_out(crossing: Tensor, network: Network) -> Tensor:
    """As the server parts get it where evidence of float32 is collected: convolutions are faster so."""
    as_images = network.channels_last and crossing.dim() == 4
    return crossing.contiguous(memory_format=torch.channels_last) if as_images else crossing


def _labels(results: IntegerResults) -> NDArray[np.int64]:
    """Largest logit, the first of equal ones, as the C decides."""
    assert results.logits is not None
    return np.asarray(results.logits.argmax(axis=-1))


def _lengths(point: SplitPoint, calibration: Calibration) -> list[int]:
    form = calibration.inference_config.payload
    return [encoded_bytes(point.payload_elements, bits, form.ranges) for bits in form.bits]
