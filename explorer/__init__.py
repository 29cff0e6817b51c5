"""Find out how to run a neural network across an edge device and a server.

Split computing with early exits and predefined sparsity: search backbones, split points, densities and exit
thresholds together, look at the Pareto front, pick::

    import explorer

    run = explorer.run_search("digits", trials=25, name="quickstart")
    pick = run.select(where=["accuracy >= 0.95"], minimize="payload_bytes")
    network = run.load_network(pick)

Importing the package imports none of its dependencies: each name brings them when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explorer.api import describe, load_run, load_space, run_search
    from explorer.devices import DeviceProfile, LinkProfile
    from explorer.errors import UserError
    from explorer.run import Run
    from explorer.space.schema import SearchSpace

__version__ = "0.1.0"

_HOME = {
    "DeviceProfile": "explorer.devices",
    "LinkProfile": "explorer.devices",
    "Run": "explorer.run",
    "SearchSpace": "explorer.space.schema",
    "UserError": "explorer.errors",
    "describe": "explorer.api",
    "load_run": "explorer.api",
    "load_space": "explorer.api",
    "run_search": "explorer.api",
}

__all__ = [
    "DeviceProfile",
    "LinkProfile",
    "Run",
    "SearchSpace",
    "UserError",
    "describe",
    "load_run",
    "load_space",
    "run_search",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
