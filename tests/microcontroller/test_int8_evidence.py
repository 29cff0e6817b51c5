"""Evidence of int8 edge parts against the very integers, and the very C, that a bundle gets."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from deployable import row_of, source_of
from edge_parts import CNN, CNN1D, DS_CNN, MLP, RESNET
from torch import nn
from trainings import RECIPE

from explorer import backbones
from explorer.core.calibration import InferenceConfig, calibrate
from explorer.core.evidence import Evidence, collect_evidence
from explorer.core.network import Network
from explorer.core.payload import PayloadForm, Ranges, roundtrip
from explorer.core.run_point import RunPoint
from explorer.core.training import train
from explorer.data.dataset import DataSet
from explorer.data.subset import Subset
from explorer.deploy.bundle import Source
from explorer.deploy.edge_part import edge_part
from explorer.microcontroller.edge_sizes import Weights
from explorer.microcontroller.int8_evidence import collect_int8_evidence, with_c_edges
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.integer_reference import Array, integer_results, run_integers
from explorer.microcontroller.sizes import largest

ZOO = {"mlp": MLP, "cnn": CNN, "resnet": RESNET, "ds_cnn": DS_CNN, "cnn1d": CNN1D}
DIGEST = "0" * 64


def made(name: str, ranges: Ranges = "sample", bits: tuple[int, ...] = (8, 4)) -> Source:
    config = InferenceConfig(PayloadForm(bits, ranges))
    return source_of(*ZOO[name], config=config, pattern="block")


def both(source: Source) -> tuple[Evidence, Evidence]:
    network, data = source.restore(), source.data
    float32 = collect_evidence(network, data.validation, source.calibration)
    float32, int8 = with_c_edges(network, data, float32, source.calibration)
    assert int8 is not None
    return float32, int8


def row(point: RunPoint) -> dict[str, object]:
    return row_of(replace(point, edge_weight_bits=32))


@pytest.mark.parametrize("ranges", ["sample", "tensor"])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_evidence_is_that_of_the_deployed_integers(name: str, ranges: Ranges) -> None:
    source = made(name, ranges)
    _, int8 = both(source)
    data, network = source.data, source.restore()
    raw = data.raw(data.validation.inputs)
    assert int8.has_output
    for place, split in enumerate(int8.split_points):
        for index, bits in enumerate(int8.payload_bits):
            part = edge_part(source, row(RunPoint(split, 0.5, bits)), "int8")
            assert isinstance(part.numbers, Int8Numbers)
            results = integer_results(part.numbers.integers, raw)
            assert results.logits is not None
            right = results.logits.argmax(1) == int8.label_N
            assert (int8.exit_correct_SN[place] == right).all()
            real = torch.from_numpy(results.real_logits)
            sure = torch.softmax(real / source.calibration.temperatures.get(split, 1.0), -1).amax(-1)
            np.testing.assert_array_equal(int8.exit_confidence_SN[place], sure.numpy())
            crossing = torch.from_numpy(results.crossing).view(-1, *network.split_point(split).shape)
            sent = roundtrip(crossing, source.calibration.codecs[split, bits])
            with torch.inference_mode():
                answers = network.parts(network.split_point(split)).server(sent).argmax(1).numpy()
            assert (int8.server_correct_SBN[place, index] == (answers == int8.label_N)).all()
            without = edge_part(source, row(RunPoint(split, None, bits)), "int8")
            assert isinstance(without.numbers, Int8Numbers)
            alone = integer_results(without.numbers.integers, raw)
            np.testing.assert_array_equal(alone.codes, results.codes)  # the exit changes nothing before it


@pytest.mark.parametrize("weights", ["float", "int8"])
@pytest.mark.parametrize("name", sorted(ZOO))
def test_sizes_are_those_of_the_c_that_is_written(name: str, weights: Weights) -> None:
    source = made(name)
    evidence = both(source)[weights == "int8"]
    assert evidence.edge_weight_bits == (8 if weights == "int8" else 32)
    points = [RunPoint.at_output(evidence.edge_weight_bits)]
    for split in evidence.split_points[::2]:
        points += [RunPoint(split, sure, 4, evidence.edge_weight_bits) for sure in (None, 0.5)]
    for point in points:
        if not evidence.has(point):
            continue
        code = edge_part(source, row(point), weights).code(DIGEST)
        flash, ram = largest(code, weights)
        columns = evidence.code_columns(point)
        assert columns["edge_weight_bits"] == point.edge_weight_bits
        assert columns["code_constant_bytes"] == code.constant_bytes
        assert (columns["code_flash_bytes"], columns["code_ram_bytes"]) == (flash, ram)


def test_the_codes_of_a_calibrated_payload_are_the_integers() -> None:
    source = made("mlp", "tensor", (8,))
    part = edge_part(source, row(RunPoint("relu1", None, 8)), "int8")
    assert "encode_integers" in part.code(DIGEST).functions
    assert isinstance(part.numbers, Int8Numbers)
    results = integer_results(part.numbers.integers, source.data.raw(source.data.validation.inputs))
    sent = roundtrip(torch.from_numpy(results.crossing), source.calibration.codecs["relu1", 8])
    np.testing.assert_array_equal(sent.numpy(), results.crossing)


@pytest.mark.parametrize("name", ["resnet", "ds_cnn"])
def test_shared_tensors_are_the_same(name: str) -> None:
    source, known = made(name), dict[str, Array]()
    raw = source.data.raw(source.data.validation.first(20))
    for split in [point.name for point in source.restore().split_points[:-1]]:
        part = edge_part(source, row(RunPoint(split, 0.5, 8)), "int8")
        assert isinstance(part.numbers, Int8Numbers)
        integers = part.numbers.integers
        alone, shared = run_integers(integers, raw), run_integers(integers, raw, known)
        for tensor, values in alone.items():
            np.testing.assert_array_equal(shared[tensor], values)
    assert len(known) > 0


def test_edge_parts_without_c_are_left_out() -> None:
    config = InferenceConfig(PayloadForm((8,)))
    source = source_of(backbones.transformer, {}, (4, 16), config=config)
    float32, int8 = both(source)
    assert len(int8.split_points) < len(float32.split_points)
    assert not int8.has_output
    assert not int8.has(RunPoint.at_output(8))
    assert float32.has(RunPoint.at_output())  # it runs, if not in C
    assert np.isnan(list(float32.code_columns(RunPoint.at_output()).values())[1:]).all()


def test_samples_that_are_answered_without_an_exit() -> None:
    source = made("mlp")
    network = source.restore()
    network._exit_index = {}  # as of a space that has no exits there
    evidence = collect_int8_evidence(network, source.data, source.data.validation, source.calibration)
    assert evidence is not None
    assert np.isnan(evidence.exit_confidence_SN).all()
    assert not evidence.exit_correct_SN.any()


def test_the_network_stays_as_it_is() -> None:
    source = made("ds_cnn")
    network = source.restore()
    before, inputs = network.weights(), source.data.validation.first(4)
    with torch.inference_mode():
        logits = network(inputs)[-1]
    collect_int8_evidence(network, source.data, source.data.validation, source.calibration)
    with torch.inference_mode():
        assert torch.equal(network(inputs)[-1], logits)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.weights().items())


def outlying(seed: int, samples: int) -> Subset:
    """Classes say whether two features have one sign; the first feature is always zero."""
    inputs = torch.randn(samples, 6, generator=torch.Generator().manual_seed(seed))
    inputs[:, 0] = 0
    return Subset(inputs, (inputs[:, 1] * inputs[:, 2] > 0).long())


def accuracy_in_int8(quantised_epochs: int) -> tuple[float, float]:
    """At the output in float32 and int8, of a network whose weights for that feature dwarf all others."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    with torch.no_grad():
        backbone[0].weight[:, 0] = 200.0  # so steps are 200 / 127
    trained = Network(backbone, torch.zeros(1, 6), 2, exit_features=8)
    subsets = (outlying(0, 400), outlying(1, 2000), outlying(2, 8))
    own = DataSet("outliers", *subsets, 2, (6,), mean=(0.0,), std=(1.0,))
    how = {"epochs": 10, "batch_size": 16, "weight_decay": 0.0, "exit_loss_weight": 0.3, "seed": 0}
    train(trained, own.train, replace(RECIPE, **how, quantised_epochs=quantised_epochs))
    calibration = calibrate(trained, own.train, own.validation, InferenceConfig(PayloadForm((8,), "tensor")))
    evidence = collect_evidence(trained, own.validation, calibration)
    int8 = collect_int8_evidence(trained, own, own.validation, calibration)
    assert int8 is not None
    return float(evidence.output_correct_N.mean()), float(int8.output_correct_N.mean())


def test_quantised_training_gains_where_rounding_loses() -> None:
    float32, rounded = accuracy_in_int8(0)
    assert rounded < float32 - 0.1
    assert accuracy_in_int8(3)[1] > rounded + 0.05
