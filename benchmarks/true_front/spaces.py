"""The four search spaces of the benchmark: three trained whole, and one too wide for that."""

from typing import Any

from explorer.space.files import load_space
from explorer.space.schema import SearchSpace

SPACES = ("digits", "fashion_mlp", "fashion_cnn", "wide")
EXHAUSTED = ("digits", "fashion_mlp", "fashion_cnn")  # their tables hold every network

_LINE = {"edge_device": "stm32h7a3", "server_device": "xeon_8124m", "link": "ble_2m_dle"}
_FASHION = {
    "data": {
        "source": "fashion_mnist",
        "train_samples": 6_000,
        "validation_samples": 2_000,
        "test_samples": 1_000,  # never read; a small one loads faster
    },
    "payload_bits": [8, 32],
    **_LINE,
}
_TRAINING = {"batch_size": 128, "learning_rate": 3e-3, "exit_features": 64}
_FASHION_MLP = {
    "backbones": {
        "mlp": {
            "factory": "explorer.backbones:mlp",
            "arguments": {"hidden": [[120, 120], [240, 240], [400, 400]]},
            "densities": {
                "fc*": {"low": 0.05, "high": 1.0, "limit": 6},
                "classifier": {"low": 0.1, "high": 1.0, "limit": 3},
            },
        }
    },
    "training": _TRAINING | {"epochs": 4},
    "objectives": {"accuracy": 0.5, "edge_macs": 500_000, "payload_bytes": 3_200},
}
_FASHION_CNN = {
    "backbones": {
        "cnn": {
            "factory": "explorer.backbones:cnn",
            "arguments": {"channels": [[8, 16, 32], [12, 24, 32]], "hidden": [64]},
            "densities": {
                "conv*": {"low": 0.1, "high": 1.0, "limit": 3},
                "fc": {"low": 0.05, "high": 1.0, "limit": 6},
                "classifier": {"low": 0.2, "high": 1.0, "limit": 2},
            },
        }
    },
    "training": _TRAINING | {"epochs": 3, "batch_size": 64},
    "objectives": {"accuracy": 0.5, "edge_macs": 1_000_000, "payload_bytes": 3_200},
}
_WIDE_DENSITIES = {"low": 0.05, "high": 1.0, "limit": 8}
_WIDE = {
    "backbones": {
        "mlp": {
            "factory": "explorer.backbones:mlp",
            "arguments": {"hidden": [[32, 32, 32], [64, 32, 32], [64, 64, 64], [128, 64, 32]]},
            "densities": _WIDE_DENSITIES,
        },
        "cnn": {
            "factory": "explorer.backbones:cnn",
            "arguments": {"channels": [[8, 16], [16, 32]], "hidden": [32, 64]},
            "densities": _WIDE_DENSITIES,
            "bottleneck": [None, {"at": "pool2", "channels": 4}],
        },
    },
    "patterns": ["block", "random"],
}


def make_space(name: str) -> SearchSpace:
    """One of :data:`SPACES`.

    ``digits`` is the shipped space with 3 epochs instead of 10, ``wide`` the same data and objectives with
    deeper MLPs, bottlenecks and two patterns; ``fashion_mlp`` and ``fashion_cnn`` are trained on 6,000 images
    of Fashion-MNIST.
    """
    if name == "fashion_mlp":
        return SearchSpace.model_validate(_FASHION | _FASHION_MLP)
    if name == "fashion_cnn":
        return SearchSpace.model_validate(_FASHION | _FASHION_CNN)
    content: dict[str, Any] = load_space("digits")[0].model_dump(mode="json")
    content["training"]["epochs"] = 3
    if name == "wide":
        content |= _WIDE
    return SearchSpace.model_validate(content)
