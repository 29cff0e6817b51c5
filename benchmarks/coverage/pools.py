"""Networks that are trained once, and a large pool of samples that none of them was trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from benchmarks.subsamples import only
from explorer import load_run, run_search
from explorer.core.evidence import Evidence
from explorer.core.run_point import RunPoint
from explorer.core.sweep import right_and_exits
from explorer.costs.model import CostModel
from explorer.costs.split_costs import SplitCosts
from explorer.front.resampled import Resampler
from explorer.runs.results import RunResults
from explorer.runs.store import Store
from explorer.space.files import load_space

TRIALS, QUICK_TRIALS = 60, 15
EPOCHS = {"digits": 10, "mnist_mlp": 6}  # by space; few, since more samples validate than train


@dataclass(frozen=True)
class Source:
    """A data set, and how many of its samples train, form the pool, and are drawn for validation.

    Example:
        >>> Source("digits", "digits", train=500, pool=900, drawn=400).drawn
        400
    """

    name: str
    space: str
    train: int
    pool: int
    drawn: int


SOURCES = (
    Source("digits", "digits", train=500, pool=900, drawn=400),
    Source("mnist", "mnist_mlp", train=3000, pool=8000, drawn=1000),
    Source("fashion_mnist", "mnist_mlp", train=3000, pool=8000, drawn=1000),
)


@dataclass(frozen=True, eq=False)
class Pool:
    """Trained networks, and what they do on every sample of the pool, which is taken for the truth.

    Attributes:
        results: The search that trained them; its validation subset is the pool.
        networks: Evidence on the pool, and costs of the split points.
    """

    results: RunResults
    networks: list[tuple[Evidence, tuple[SplitCosts, ...]]]

    @property
    def num_samples(self) -> int:
        """Samples of the pool."""
        return self.networks[0][0].num_samples

    def resampler(self, samples: NDArray[np.int64]) -> Resampler:
        """What a search with these samples for validation would see of the same networks."""
        networks = [(only(evidence, samples), splits) for evidence, splits in self.networks]
        return Resampler(networks, CostModel(self.results.setting), self.results.objectives, [], 0.0, 1.0)

    def accuracy(self, network: int, point: RunPoint) -> float:
        """True accuracy of an operating point."""
        return float(right_and_exits(self.networks[network][0], point)[0].mean())


def load_pool(source: Source, trials: int, runs: Path, data_dir: Path | None) -> Pool:
    """Train the networks of a source, or read them where ``runs`` has them."""
    if not (runs / source.name / "front.csv").exists():
        content: dict[str, Any] = yaml.safe_load(load_space(source.space)[1])
        sizes = {"train_samples": source.train, "validation_samples": source.pool}
        content["data"] |= {"source": source.name} | sizes
        content["training"]["epochs"] = EPOCHS[source.space]
        for backbone in content["backbones"].values():
            backbone["input_pool"] = [1]  # as when the figures were kept
        how: dict[str, Any] = {"trials": trials, "name": source.name, "data_dir": data_dir, "reports": runs}
        run_search(content, **how, workers=1, energy=False, progress=False)
    results = load_run(source.name, runs).results
    store = Store(results.path)
    networks = [(store.read_evidence(key), stored.splits) for key, stored in results.networks.items()]
    return Pool(results, networks)
