"""From a spec to its network: costs before training, and what is refused when it is restored."""

from dataclasses import replace

import pytest
import torch
from blobs import DATA, READOUT, SPEC, complete

from explorer.core.evidence import collect_evidence
from explorer.core.network import Network
from explorer.core.sparsity.sparsify import placement_checksum
from explorer.costs.build import build_network, costs_before_training, restore_network
from explorer.costs.evaluate import EvaluatedNetwork, evaluate_network
from explorer.errors import UserError
from explorer.space.rebuilt import sample_logits


@pytest.fixture(scope="module")
def evaluated() -> EvaluatedNetwork:
    return evaluate_network(complete(SPEC), DATA, READOUT)


def test_costs_are_known_before_training(evaluated: EvaluatedNetwork) -> None:
    assert costs_before_training(SPEC, (8,), 4, READOUT.payload.ranges) == evaluated.splits


def test_seeds_do_not_leak() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    build_network(SPEC, (8,), 4)
    assert torch.equal(torch.rand(3), expected)


def restored(network: EvaluatedNetwork) -> Network:
    stored = (network.spec, network.weights, network.placement_checksum, network.logits)
    return restore_network(*stored, DATA.validation.inputs, 4)


def test_other_logits_are_refused(evaluated: EvaluatedNetwork) -> None:
    scale = max(1.0, evaluated.logits.abs().max().item())
    restored(replace(evaluated, logits=evaluated.logits + 5e-6 * scale))
    wanted = (
        r"^the factory `explorer\.backbones:mlp` builds another network .* \(logits differ by 2e-05\): was it"
    )
    with pytest.raises(UserError, match=wanted):
        restored(replace(evaluated, logits=evaluated.logits + 2e-5 * scale))
    with pytest.raises(UserError, match="logits differ by inf"):
        restored(replace(evaluated, logits=evaluated.logits[1:]))


def test_restored_network_answers_the_same(evaluated: EvaluatedNetwork) -> None:
    network = restored(evaluated)
    assert not network.training
    assert torch.equal(sample_logits(network, DATA.validation.inputs), evaluated.logits)
    evidence = collect_evidence(network, DATA.validation, evaluated.calibration)
    assert (evidence.exit_confidence_SN == evaluated.evidence.exit_confidence_SN).all()
    assert (evidence.server_correct_SBN == evaluated.evidence.server_correct_SBN).all()
    assert (evidence.output_correct_N == evaluated.evidence.output_correct_N).all()


def test_moved_connections_are_noticed(evaluated: EvaluatedNetwork) -> None:
    with pytest.raises(UserError, match="kept connections differ from the stored ones"):
        restored(replace(evaluated, placement_checksum=evaluated.placement_checksum + 1))


def test_weights_of_another_spec_are_refused(evaluated: EvaluatedNetwork) -> None:
    dense = replace(SPEC, densities=())
    checksum = placement_checksum(build_network(dense, (8,), 4))
    wanted = r"`explorer\.backbones:mlp` builds another network .* not those of this network: names or shapes"
    with pytest.raises(UserError, match=wanted):
        restored(replace(evaluated, spec=dense, placement_checksum=checksum))
