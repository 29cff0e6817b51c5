"""How networks learned, as the page draws it: losses by epoch, right answers at a few epochs."""

from collections.abc import Iterable
from typing import Any

from explorer.runs.store import StoredNetwork

_DIGITS = 3  # of a loss; the chart is 200 pixels high


def learning_curves(networks: Iterable[StoredNetwork]) -> list[dict[str, Any] | None]:
    """One entry per network; None where nothing is known.

    An accuracy is a whole number of right answers of ``samples``, one per exit in order and one of the
    output. ``places`` are those of the exits and of the output among the network's split points.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="curves", workers=1, energy=False, progress=False)
        >>> curve, *others = learning_curves(run.results.networks.values())
        >>> len(curve["losses"]), curve["epochs"]
        (10, [3, 5, 8, 10])
    """
    return [_curve(network) for network in networks]


def _curve(network: StoredNetwork) -> dict[str, Any] | None:
    curve = network.training.curve
    if not curve.losses:
        return None
    names = [split.name for split in network.splits]
    places = [names.index(name) for name in curve.names]
    return {
        "losses": [float(f"{loss:.{_DIGITS}g}") for loss in curve.losses],
        "samples": curve.samples,
        "places": places,
        "epochs": list(curve.epochs),
        "right": [[round(share * curve.samples) for share in row] for row in curve.accuracies],
    }
