"""Recipes of training for tests, which say what they ask about and no more."""

from typing import Any

from explorer.core.recipe import Recipe

_USUAL: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 0.01,
    "weight_decay": 0.0,
    "exit_loss_weight": 0.3,
    "output_loss_weight": 1.0,
    "seed": 0,
    "precision": "float32",
}


def recipe(**changes: Any) -> Recipe:
    """Two epochs with exits, but for what is said."""
    return Recipe(**(_USUAL | changes))
