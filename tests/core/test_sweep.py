"""The sweep against brute force over all thresholds; evidence against one sample at a time."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_nets import IMAGE, NUM_CLASSES, Chain, build

from explorer.core.calibration import InferenceConfig, calibrate
from explorer.core.evidence import Evidence, collect_evidence
from explorer.core.network import Network
from explorer.core.payload import PayloadForm, decode, encode
from explorer.core.quality import MARGINS, Quality
from explorer.core.run_point import RunPoint
from explorer.core.sweep import POINT_COLUMNS, Outcome, outcome_at, point_row, sweep
from explorer.data.dataset import Subset

ANSWERS = st.booleans()
# few distinct values, so that samples tie with each other and with the ends of the range
CONFIDENCES = st.sampled_from([0.25, 0.5, 0.625, 0.75, 1.0]) | st.floats(0.125, 1.0, width=32)
BOUNDS = st.sampled_from([0.0, 0.25, 0.5, 0.6, 0.625, 0.7, 0.75, 0.9, 1.0])


@st.composite
def evidences(draw: st.DrawFn) -> Evidence:
    samples = draw(st.integers(1, 7))

    def answers(*shape: int) -> np.ndarray:
        count = int(np.prod(shape))
        return np.array(draw(st.lists(ANSWERS, min_size=count, max_size=count))).reshape(shape)

    confidence = draw(st.lists(CONFIDENCES, min_size=2 * samples, max_size=2 * samples))
    per_sample = draw(st.sampled_from([1, samples]))  # 1: every payload has the same length
    count = 4 * per_sample
    lengths = np.array(draw(st.lists(st.integers(2, 90), min_size=count, max_size=count)), dtype=np.int32)
    lengths = lengths.reshape(2, 2, per_sample)
    return Evidence(
        ("input", "fc1"),
        (32, 8),
        np.array(confidence, dtype=np.float32).reshape(2, samples),
        answers(2, samples),
        answers(2, 2, samples),
        answers(samples),
        lengths,
        np.arange(samples) % 3,
    )


def brute_force_outcomes(
    evidence: Evidence, split: int, bits: int, low: float, high: float
) -> list[tuple[int, int, bool]]:
    """(correct, exited, has exit classifier) at every threshold of the range, sample by sample.

    Between two neighbouring confidences all thresholds are the same, so the confidences themselves, the
    ends of the range and what lies just above each of them are all there is.
    """
    confidence = [float(value) for value in evidence.exit_confidence_SN[split]]
    marks = [*confidence, low, high]
    thresholds = {t for mark in marks for t in (mark, np.nextafter(mark, 2.0)) if low <= t <= high and t < 1}
    found = []
    for threshold in thresholds:
        exits = [value >= threshold for value in confidence]
        right = [
            evidence.exit_correct_SN[split, n] if out else evidence.server_correct_SBN[split, bits, n]
            for n, out in enumerate(exits)
        ]
        found.append((sum(map(int, right)), sum(exits), True))
    if high == 1.0:
        found.append((int(evidence.server_correct_SBN[split, bits].sum()), 0, False))
    return found


def brute_force_frontier(outcomes: list[tuple[int, int, bool]]) -> set[tuple[int, int, bool]]:
    """Outcomes that no other beats in accuracy, exit rate or by needing no exit classifier."""

    def beats(a: tuple[int, int, bool], b: tuple[int, int, bool]) -> bool:
        return a != b and a[0] >= b[0] and a[1] >= b[1] and a[2] <= b[2]

    return {own for own in outcomes if not any(beats(other, own) for other in outcomes)}


def rows_at(points: pd.DataFrame, name: str, bits: int) -> pd.DataFrame:
    return points[(points["split_point"] == name) & (points["payload_bits"] == bits)]


@given(evidences(), BOUNDS, BOUNDS)
def test_sweep_is_the_brute_force_frontier(evidence: Evidence, first: float, second: float) -> None:
    low, high = min(first, second), max(first, second)
    points = sweep(evidence, low, high)
    for split, name in enumerate(evidence.split_points):
        for index, bits in enumerate(evidence.payload_bits):
            rows = rows_at(points, name, bits)
            has_exit = rows["confidence_threshold"].notna()
            swept = list(zip(rows["correct"], rows["exited"], has_exit, strict=True))
            expected = brute_force_frontier(brute_force_outcomes(evidence, split, index, low, high))
            assert set(swept) == expected
            assert len(swept) == len(expected)
            assert rows["confidence_threshold"].dropna().between(low, high).all()


@given(evidences(), BOUNDS, BOUNDS)
def test_every_swept_row_is_the_outcome_at_its_threshold(
    evidence: Evidence, first: float, second: float
) -> None:
    for row in sweep(evidence, min(first, second), max(first, second)).itertuples():
        own = outcome_at(evidence, RunPoint.from_row(row._asdict()))
        assert own == Outcome({"correct": row.correct}, row.exited, row.sent_bytes)


QUALITIES = st.sampled_from(
    [Quality("balanced_accuracy"), Quality("weighted_accuracy", ((0, 4.0), (2, 0.3)))]
)


def brute_force_quality(right_N: np.ndarray, label_N: np.ndarray, quality: Quality) -> float:
    """Balanced accuracy as a mean of recalls, weighted accuracy as a mean over weighted samples."""
    if quality.name == "balanced_accuracy":
        return float(np.mean([right_N[label_N == label].mean() for label in np.unique(label_N)]))
    weights = np.array([dict(quality.class_weights).get(label, 1.0) for label in label_N.tolist()])
    return float(np.average(right_N, weights=weights))


@given(evidences(), BOUNDS, BOUNDS, QUALITIES)
def test_with_weights_the_sweep_is_the_brute_force_frontier(
    evidence: Evidence, first: float, second: float, quality: Quality
) -> None:
    low, high = min(first, second), max(first, second)
    samples = evidence.num_samples
    evidence = replace(evidence, quality=quality)
    points = sweep(evidence, low, high)
    assert points.columns.tolist() == [*POINT_COLUMNS, quality.credit, *MARGINS]
    for split, name in enumerate(evidence.split_points):
        confidence = evidence.exit_confidence_SN[split].astype(float)
        marks = {mark for mark in (*confidence, low, high, *np.nextafter([*confidence, low, high], 2))}
        for index, bits in enumerate(evidence.payload_bits):
            rows = rows_at(points, name, bits)
            rows = rows[rows["confidence_threshold"].notna()]
            outcomes = {}  # by number of exits: correct answers and quality
            for threshold in (mark for mark in marks if low <= mark <= high and mark < 1):
                exits_N = confidence >= threshold
                server_N = evidence.server_correct_SBN[split, index]
                right_N = np.where(exits_N, evidence.exit_correct_SN[split], server_N)
                worth = brute_force_quality(right_N, evidence.label_N, quality)
                outcomes[int(exits_N.sum())] = (int(right_N.sum()), round(worth, 9))
            if high == 1.0:
                outcomes.pop(0, None)  # without exits it is cheaper to have no exit classifier
            expected = {
                exited: own
                for exited, own in outcomes.items()
                if not any(
                    other >= exited and other != exited and better[0] >= own[0] and better[1] >= own[1]
                    for other, better in outcomes.items()
                )
            }
            found = zip(rows["exited"], rows["correct"], rows[quality.credit] / samples, strict=True)
            assert {exited: (right, round(worth, 9)) for exited, right, worth in found} == expected


@given(evidences(), BOUNDS, BOUNDS, QUALITIES)
def test_with_weights_every_row_is_the_outcome_at_its_threshold(
    evidence: Evidence, first: float, second: float, quality: Quality
) -> None:
    evidence = replace(evidence, quality=quality)
    for row in sweep(evidence, min(first, second), max(first, second)).itertuples():
        own = outcome_at(evidence, RunPoint.from_row(row._asdict()))
        assert own.to_row() == pytest.approx({name: getattr(row, name) for name in own.to_row()}, abs=1e-9)


@given(evidences(), st.floats(0, 1))
def test_no_threshold_beats_the_sweep(evidence: Evidence, threshold: float) -> None:
    points = sweep(evidence, 0.0, 1.0)
    for name in evidence.split_points:
        own = outcome_at(evidence, RunPoint(name, threshold, 8))
        rows = rows_at(points, name, 8)
        assert ((rows["correct"] >= own.correct) & (rows["exited"] >= own.exited)).any()


def one_split(confidence: list[float], exit_right: list[int], server_right: list[int]) -> Evidence:
    return Evidence(
        ("fc1",),
        (8,),
        np.array([confidence], dtype=np.float32),
        np.array([exit_right], dtype=bool),
        np.array([[server_right]], dtype=bool),
        np.array(server_right, dtype=bool),
        np.array([[[20, 30, 40, 50][: len(server_right)]]], dtype=np.int32),
        np.arange(len(server_right)),
    )


def test_sweep_by_hand() -> None:
    evidence = one_split([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 0], [1, 0, 1, 1])
    points = sweep(evidence, 0.0, 1.0)
    # exits, from all to none: 2 right of 4; 3 exit: 1+1+0 + server 1 = 3; 2 exit: 1+1 + 1+1 = 4;
    # 1 exits: 1 + 0+1+1 = 3, beaten; without exit classifier: 1+0+1+1 = 3
    assert points["exited"].tolist() == [4, 3, 2, 0, 4]
    assert points["correct"].tolist() == [2, 3, 4, 3, 3]
    assert points["confidence_threshold"].tolist() == pytest.approx([0, 0.65, 0.75, np.nan, 0], nan_ok=True)
    # payloads of 20, 30, 40 and 50 bytes; the first to exit saves the first
    assert points["sent_bytes"].tolist() == [0, 50, 40 + 50, 20 + 30 + 40 + 50, 0]
    assert points["split_point"].tolist() == ["fc1"] * 4 + ["output"]
    assert points["payload_bits"].tolist()[:4] == [8] * 4
    assert pd.isna(points["payload_bits"].iloc[-1])


def test_all_confidences_equal() -> None:
    points = sweep(one_split([0.5] * 3, [1, 0, 0], [1, 1, 0]), 0.0, 1.0)
    assert points["exited"].tolist() == [3, 0, 3]  # all or nothing, and the whole network on the edge
    assert points["correct"].tolist() == [1, 2, 2]


@pytest.mark.parametrize(
    ("low", "high", "exited"),
    [
        (0.0, 1.0, [3, 2, 1, 0]),
        (1.0, 1.0, [0]),  # only without exit classifier
        (0.6, 0.6, [2]),
        (0.75, 0.99, [1, 0]),  # 0: with an exit classifier that never answers, since it may not be left out
        (0.6, 0.65, [2]),
        (0.95, 1.0, [0]),
        (0.0, 0.0, [3]),
    ],
)
def test_range_of_thresholds(low: float, high: float, exited: list[int]) -> None:
    # the fewer exit, the more are right: nothing is beaten
    points = sweep(one_split([0.9, 0.7, 0.5], [0, 0, 0], [1, 1, 1]), low, high)
    assert points["exited"].tolist()[:-1] == exited


def test_sample_exits_at_its_own_confidence() -> None:
    evidence = one_split([0.5], [1], [0])
    assert outcome_at(evidence, RunPoint("fc1", 0.5, 8)) == Outcome({"correct": 1}, 1, 0)
    assert outcome_at(evidence, RunPoint("fc1", np.nextafter(0.5, 1), 8)) == Outcome({"correct": 0}, 0, 20)
    assert outcome_at(evidence, RunPoint("fc1", None, 8)) == Outcome({"correct": 0}, 0, 20)
    assert outcome_at(evidence, RunPoint.at_output()) == Outcome({"correct": 0}, 1, 0)
    row = point_row(evidence, RunPoint("fc1", None, 8)).iloc[0]
    assert (row["split_point"], row["correct"], row["exited"], row["sent_bytes"]) == ("fc1", 0, 0, 20)


@pytest.mark.parametrize(
    "form", [PayloadForm((32, 8)), PayloadForm((16, 6, 2), "channel", "zstd"), PayloadForm((4,), "tensor")]
)
def test_evidence_is_what_happens_to_each_sample(form: PayloadForm) -> None:
    network = Network(build(Chain), torch.zeros(1, *IMAGE), NUM_CLASSES, exit_features=8).train()
    random = torch.Generator().manual_seed(0)
    data = Subset(
        3 * torch.randn(530, *IMAGE, generator=random),  # more than one batch
        torch.randint(NUM_CLASSES, (530,), generator=random),
    )
    calibration = calibrate(network, data, data, InferenceConfig(form))
    evidence = collect_evidence(network, data, calibration)
    assert not network.training
    assert evidence.split_points == tuple(point.name for point in network.split_points[:-1])
    assert evidence.payload_bits == form.bits
    assert evidence.num_samples == 530
    for sample in [0, 1, 511, 512, 529]:
        x, label = data.inputs[sample : sample + 1], int(data.labels[sample])
        with torch.no_grad():
            *exits, logits = network(x)
            assert evidence.output_correct_N[sample] == (logits.argmax() == label)
            for split, point in enumerate(network.split_points[:-1]):
                probabilities = exits[split].softmax(-1)
                assert evidence.exit_confidence_SN[split, sample] == pytest.approx(
                    probabilities.max().item(), abs=1e-6
                )
                assert evidence.exit_correct_SN[split, sample] == (probabilities.argmax() == label)
                parts = network.parts(point)
                for index, bits in enumerate(form.bits):
                    codec = calibration.codecs[point.name, bits]
                    payload = encode(parts.edge(x)[0], codec)
                    assert evidence.encoded_bytes(split, index)[sample] == len(payload)
                    received = decode(payload, point.shape, codec)
                    answer = parts.server(received[None]).argmax()
                    assert evidence.server_correct_SBN[split, index, sample] == (answer == label)
