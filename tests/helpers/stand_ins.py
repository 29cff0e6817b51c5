"""Networks made up without training, and the space, devices and link they pretend to live in."""

import zlib
from fractions import Fraction
from functools import cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch

from explorer.core.calibration import uncalibrated
from explorer.core.evidence import Evidence
from explorer.core.payload import encoded_bytes
from explorer.core.training_record import TrainingRecord
from explorer.costs.evaluate import EvaluatedNetwork
from explorer.costs.split_costs import SplitCosts
from explorer.devices import DeviceProfile, LinkProfile, Setting
from explorer.devices.operators import Operator
from explorer.engine.proposals import Proposer
from explorer.space.candidate import NetworkSpec
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace
from explorer.space.variants import Inventory

INPUTS, NUM_CLASSES, SAMPLES = 8, 4, 40
SETTING = Setting(
    DeviceProfile(name="edge", kind="device", description="", macs_per_s=1e6, active_w=1.0, idle_w=0.1),
    DeviceProfile(name="server", kind="device", description="", macs_per_s=1e9),
    LinkProfile(
        name="link",
        kind="link",
        description="",
        uplink_bits_per_s=1e5,
        rtt_s=0.01,
        tx_joules_per_bit=1e-6,
        message_energy_j=0.0,
    ),
)
SPACE: dict[str, Any] = {
    "data": {"source": "digits", "validation_samples": SAMPLES},
    "backbones": {
        "mlp": {
            "factory": "explorer.backbones:mlp",
            "arguments": {"hidden": [[4], [16, 8]]},
            "densities": {"low": 0.25, "high": 1.0, "limit": 3},
        }
    },
    "payload_bits": [32, 8],
    "confidence_thresholds": {"low": 0.0, "high": 1.0, "step": 0.05},
    "training": {"epochs": 1},
    "objectives": {"accuracy": 0.1, "edge_macs": 400.0},
    "edge_device": "rpi4",
    "server_device": "rpi4",
    "link": "ble_2m_dle",
}


@cache
def _inventory(text: str) -> Inventory:
    return build_inventory(SearchSpace.model_validate_json(text), (INPUTS,), NUM_CLASSES)


def make_inventory(**changes: Any) -> Inventory:
    """The inventory of :data:`SPACE` with some keys changed."""
    return _inventory(SearchSpace.model_validate(SPACE | changes).model_dump_json())


def make_proposer(encoding: str = "conditional", **changes: Any) -> Proposer:
    return Proposer(make_inventory(**changes), {"source": "digits", "fingerprint": "f" * 32}, encoding)


def fabricate(spec: NetworkSpec) -> EvaluatedNetwork:
    """What training might have given for an MLP, following from the spec alone."""
    sizes = [INPUTS, *spec.argument_values["hidden"], NUM_CLASSES]
    densities = dict(spec.densities)
    paths = [f"fc{number}" for number in range(1, len(sizes) - 1)] + ["classifier"]
    macs = [
        int(inputs * outputs * densities.get(path, Fraction(1)))
        for path, (inputs, outputs) in zip(paths, pairwise(sizes), strict=True)
    ]
    names = ["input", *(f"relu{number}" for number in range(1, len(sizes) - 1)), "output"]
    splits = tuple(
        _split_costs(name, size, edge, sum(macs), stage)
        for name, size, edge, stage in zip(names, sizes, accumulate([0, *macs]), [0, *macs], strict=True)
    )
    rng = np.random.default_rng(zlib.crc32(spec.key.encode()))
    weights = {"backbone.fc1.weight": torch.from_numpy(rng.random((2, 3), dtype=np.float32))}
    return EvaluatedNetwork(
        spec,
        splits,
        _evidence(names[:-1], sizes, sum(macs), rng),
        TrainingRecord(1, 7, 0.25, 1.5),
        weights,
        123,
        {"aten::add": 2},
        uncalibrated(names[:-1], (32, 8)),
        torch.from_numpy(rng.random((len(names), 8, NUM_CLASSES), dtype=np.float32)),
    )


def _split_costs(name: str, size: int, edge: int, total: int, stage: int) -> SplitCosts:
    is_output = name == "output"
    return SplitCosts(
        name=name,
        shape=(size,),
        payload_elements=size,
        edge_macs=edge,
        edge_macs_dense=2 * edge,
        server_macs=total - edge,
        server_macs_dense=2 * (total - edge),
        exit_macs=0 if is_output else size * NUM_CLASSES,
        edge_param_bytes=4 * edge,
        server_param_bytes=4 * (total - edge),
        exit_param_bytes=0 if is_output else 4 * size * NUM_CLASSES,
        peak_activation_bytes=4 * (size + INPUTS),
        exit_peak_bytes=0 if is_output else 4 * (size + NUM_CLASSES),
        edge_ram_bytes=4 * (size + INPUTS),
        exit_ram_bytes=0 if is_output else 4 * (size + NUM_CLASSES),
        operators=(Operator(stage, 4 * stage),) if stage else (),
        exit_operators=() if is_output else (Operator(size * NUM_CLASSES, 4 * size),),
    )


def _evidence(names: list[str], sizes: list[int], weights: int, rng: np.random.Generator) -> Evidence:
    """The server is right with a share that grows with the weights; exits are right when they are sure."""
    share = 0.4 + 0.5 * weights / (weights + 100)
    confidence = rng.uniform(1 / NUM_CLASSES, 1, (len(names), SAMPLES)).astype(np.float32)
    return Evidence(
        tuple(names),
        (32, 8),
        confidence,
        rng.random(confidence.shape) < confidence,
        rng.random((len(names), 2, SAMPLES)) < share,
        rng.random(SAMPLES) < share,
        np.array([[[encoded_bytes(size, b)] for b in (32, 8)] for size in sizes[:-1]], dtype=np.int32),
        np.arange(SAMPLES) % NUM_CLASSES,
    )
