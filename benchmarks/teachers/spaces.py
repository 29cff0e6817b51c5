"""The three search spaces, and the ways in which their networks learn."""

from typing import Any

from benchmarks.search_efficiency.spaces import make_space
from explorer.space.files import load_space
from explorer.space.schema import SearchSpace

SPACES = ("digits", "fashion_mnist", "cifar10")
WAYS: dict[str, dict[str, Any]] = {
    "labels": {},
    "own output": {"self_distillation": {"weight": 0.5, "temperature": 2.0}},
    "dense teacher": {"teacher": "dense", "distillation": {"weight": 0.5, "temperature": 2.0}},
}
_CIFAR10: dict[str, Any] = {
    "data": {"source": "npz:cifar10_subset.npz", "train_samples": 2400, "validation_samples": 600},
    "backbones": {
        "resnet": {
            "factory": "explorer.backbones:resnet",
            "arguments": {"depth": [8], "width": [8, 16]},
            "densities": {"low": 0.1, "high": 1.0, "limit": 6},
            "density_groups": "stage",
        }
    },
    "payload_bits": [8, 32],
    "training": {"epochs": 6, "learning_rate": 5e-3, "weight_decay": 5e-4, "exit_features": 256},
    "objectives": {"accuracy": 0.1, "edge_macs": 30_000_000, "payload_bytes": 12_298},
    "edge_device": "rpi4",
    "server_device": "nvidia_t4",
    "link": "wifi_huang2012",
}


def teacher_space(name: str, way: str, seed: int) -> SearchSpace:
    """One of :data:`SPACES`, learning in one of :data:`WAYS`; ``seed`` is that of the trainings."""
    if name == "digits":
        space = load_space(name)[0]
    elif name == "fashion_mnist":
        space = make_space("cnn", seed)
    else:
        space = SearchSpace.model_validate(_CIFAR10)
    content = space.model_dump(mode="json")
    if name == "fashion_mnist":
        content["data"] |= {"train_samples": 4000, "validation_samples": 1000}
    content["training"] |= {"seed": seed, **WAYS[way]}
    return SearchSpace.model_validate(content)
