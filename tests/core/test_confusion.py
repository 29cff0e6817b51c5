"""Per-class figures against scikit-learn, and against what a network answers."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score, recall_score
from tiny_nets import IMAGE, NUM_CLASSES, Chain, build

from explorer.core.calibration import InferenceConfig, calibrate
from explorer.core.confusion import LARGEST_MATRIX, ByClass, by_class
from explorer.core.evidence import collect_evidence
from explorer.core.network import Network
from explorer.core.payload import PayloadForm
from explorer.core.run_point import RunPoint
from explorer.core.sweep import outcome_at
from explorer.data.dataset import Subset

PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20)


@given(PAIRS)
def test_figures_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    labels, answers = np.array(pairs).T
    own = ByClass.of(labels, answers.astype(np.uint8), num_classes=4)
    assert own.confusion_CC is not None
    assert own.confusion_CC.tolist() == confusion_matrix(labels, answers, labels=range(4)).tolist()
    assert own.macro_f1 == pytest.approx(f1_score(labels, answers, average="macro"))
    there = own.samples_C > 0
    recalls = recall_score(labels, answers, labels=np.flatnonzero(there), average=None)
    assert own.recalls[there].tolist() == pytest.approx(recalls.tolist())
    assert np.isnan(own.recalls[~there]).all()


def test_what_a_network_answers_at_a_point_adds_up_to_its_outcome() -> None:
    torch.manual_seed(0)
    network = Network(build(Chain), torch.zeros(1, *IMAGE), NUM_CLASSES, exit_features=8)
    data = Subset(torch.randn(24, *IMAGE), torch.arange(24) % NUM_CLASSES)
    calibration = calibrate(network, data, data, InferenceConfig(PayloadForm((32, 4))))
    evidence = collect_evidence(network, data, calibration)
    sure = float(np.median(evidence.exit_confidence_SN[1]))
    name = evidence.split_points[1]
    for point in (RunPoint(name, sure, 4), RunPoint(name, None, 4), RunPoint.at_output()):
        own = by_class(evidence, point, NUM_CLASSES)
        assert own.right_C.sum() == outcome_at(evidence, point).correct
        assert own.samples_C.tolist() == np.bincount(evidence.label_N, minlength=NUM_CLASSES).tolist()


def test_a_large_matrix_stays_out_of_files() -> None:
    labels = np.arange(LARGEST_MATRIX + 1)
    content = ByClass.of(labels, labels, num_classes=len(labels)).to_json()
    assert content["confusion"] is None
    assert content["macro_f1"] == 1


def test_what_is_not_known_is_none() -> None:
    content = ByClass(np.array([2, 0]), np.array([1, 0])).to_json()
    assert content["recall"] == [0.5, None]
    assert content["macro_f1"] is None
