"""The two search spaces of the benchmark, on a subset of Fashion-MNIST."""

from typing import Any

from explorer.space.schema import SearchSpace

SPACES = ("mlp", "cnn")

_DATA = {
    "source": "fashion_mnist",
    "train_samples": 12_000,
    "validation_samples": 3_000,
    "test_samples": 1_000,  # never read; a small one loads faster
}
_TRAINING = {"batch_size": 128, "learning_rate": 3e-3, "exit_features": 64}
_BACKBONES: dict[str, dict[str, Any]] = {
    "mlp": {
        "factory": "explorer.backbones:mlp",
        "arguments": {"hidden": [[100, 100], [240, 240], [400, 400]]},
        "densities": {"low": 0.05, "high": 1.0, "limit": 8},
    },
    "cnn": {
        "factory": "explorer.backbones:cnn",
        "arguments": {"channels": [[8, 16, 32], [12, 24, 32]], "hidden": [64]},
        "densities": {"low": 0.1, "high": 1.0, "limit": 6},
    },
}
_EPOCHS = {"mlp": 10, "cnn": 4}
# a little worse than the largest variant on the edge, and than the input sent as float32
_REFERENCES = {
    "mlp": {"accuracy": 0.5, "edge_macs": 500_000, "payload_bytes": 3_200},
    "cnn": {"accuracy": 0.5, "edge_macs": 1_000_000, "payload_bytes": 3_200},
}


def make_space(name: str, seed: int) -> SearchSpace:
    """One of :data:`SPACES`; ``seed`` is that of its trainings, the data are the same for all.

    Its objectives are accuracy, edge MACs and payload bytes, in this order.
    """
    return SearchSpace.model_validate(
        {
            "data": _DATA,
            "backbones": {name: _BACKBONES[name]},
            "payload_bits": [8, 32],
            "training": _TRAINING | {"epochs": _EPOCHS[name], "seed": seed},
            "objectives": _REFERENCES[name],
            "edge_device": "stm32h7a3",
            "server_device": "xeon_8124m",
            "link": "ble_2m_dle",
        }
    )
