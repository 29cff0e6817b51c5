"""``python -m benchmarks.samplers``: which sampler and encoding finds the better front with 200 proposals.

On the digits space (3 epochs per network instead of 10), every sampler with both encodings of Optuna's
parameters; TPE also told of three further points of each trained network (NSGA takes no added trials into
its generations, random looks at none, GP is too slow already). Training is deterministic, so a network that
any search asked for is trained once and shared by all: a search's seconds mean nothing here, its proposals
do, and the networks it would have trained are counted. Figures are medians over the seeds, with lowest and
highest.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.search_efficiency.curves import DEFINITION, log_hypervolume
from explorer.core.sweep import POINT_COLUMNS
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.costs.model import CostModel
from explorer.data.dataset import DataSet
from explorer.devices import Setting
from explorer.engine.defaults import SAMPLERS
from explorer.engine.encodings import ENCODINGS
from explorer.engine.loop import SearchLoop
from explorer.engine.outcomes import Progress
from explorer.engine.pool.base import SerialPool
from explorer.engine.proposals import Proposer
from explorer.engine.storage.open import open_study
from explorer.errors import UserError, run_command
from explorer.runs.store import Store
from explorer.space.files import load_space, load_space_data
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace
from explorer.utils.environment import machine, versions
from explorer.utils.files import write_json

MARKS, QUICK_MARKS = (50, 100, 200), (10, 20)  # proposals after which the front is scored
SEEDS, QUICK_SEEDS = 3, 1
EPOCHS = 3  # the shipped space has 10
Train = Callable[[TrainingTask], EvaluatedNetwork]
LIMIT_S = 120.0  # of one search; only gp needs more
LINE = (
    "{sampler} {encoding}, seed {seed}, {proposals} proposals: log hv "
    "{log_hypervolume:.4f}, own hv {hypervolume:.4f}, {trained} networks, {suggest_ms:.1f} ms"
)


@dataclass(frozen=True)
class Variant:
    """A way to propose.

    Attributes:
        sampler: One of :data:`explorer.engine.defaults.SAMPLERS`.
        encoding: One of :data:`explorer.engine.encodings.ENCODINGS`.
    """

    sampler: str
    encoding: str


VARIANTS = tuple(Variant(sampler, encoding) for sampler in SAMPLERS for encoding in ENCODINGS)


@dataclass(frozen=True)
class Score:
    """What one search had found.

    Attributes:
        proposals: So far.
        hypervolume: As the space has it, costs counted linearly.
        log_hypervolume: With logarithmic costs.
        trained: Networks the search had asked for, all of which it would have trained by itself.
        suggest_ms: Median milliseconds the sampler took for each of the last 20 proposals.
    """

    proposals: int
    hypervolume: float
    log_hypervolume: float
    trained: int
    suggest_ms: float


class SharedTrainings:
    """Trains each network once and to the end, whoever asks for it; weights are forgotten.

    Args:
        folder: Networks trained before are taken from here.
        train: Trains a network.
    """

    def __init__(self, folder: Path, train: Train) -> None:
        self._store, self._train = Store(folder), train
        self._store.remove_unfinished()

    def __call__(self, task: TrainingTask) -> EvaluatedNetwork:
        """The trained network."""
        spec = task.spec
        if spec.key not in self._store:
            trained = self._train(task)
            network = EvaluatedNetwork(**(vars(trained) | {"weights": {}}))
            self._store.write(network, pd.DataFrame(columns=POINT_COLUMNS))
        stored, evidence = self._store.read(spec.key), self._store.read_evidence(spec.key)
        rest = (stored.training, {}, stored.placement_checksum, stored.uncounted)
        read = (self._store.read_calibration(spec.key), self._store.read_logits(spec.key))
        return EvaluatedNetwork(spec, stored.splits, evidence, *rest, *read)

    def __len__(self) -> int:
        return len(list(self._store))


def make_space() -> SearchSpace:
    """The shipped digits space, its networks trained for a third of their epochs: thousands are."""
    content = load_space("digits")[0].model_dump(mode="json")
    content["training"]["epochs"] = EPOCHS
    return SearchSpace.model_validate(content)


def search(
    space: SearchSpace,
    data: DataSet,
    work: Train,
    variant: Variant,
    seed: int,
    marks: Sequence[int],
) -> list[Score]:
    """Propose as often as the last of ``marks`` says; returns where the search stood at those it reached."""
    inventory = build_inventory(space, data.input_shape, data.num_classes)
    identity = {"source": space.data.source, "fingerprint": data.fingerprint}
    scores: list[Score] = []
    with tempfile.TemporaryDirectory(prefix="samplers-") as folder:
        loop = SearchLoop(
            study=open_study("sqlite://", "search", space.metrics),
            proposer=Proposer(inventory, identity, variant.encoding),
            store=Store(Path(folder)),
            costs=CostModel(Setting.load(space.edge_device, space.server_device, space.link)),
            pool=SerialPool(work),
            rung_epochs=(space.training.epochs,),
            sampler=variant.sampler,
            seed=seed,
        )

        def score(progress: Progress) -> None:
            if progress.trials in marks:
                scores.append(
                    Score(
                        progress.trials,
                        progress.hypervolume,
                        log_hypervolume(loop.networks.archive.front, space),
                        progress.counts["trained"],
                        loop.study.suggest_times.recent_s * 1e3,
                    )
                )

        loop.run(marks[-1], LIMIT_S, score)
    return scores


def compare(
    variants: Sequence[Variant], seeds: int, one_search: Callable[[Variant, int], list[Score]]
) -> Iterator[dict[str, Any]]:
    """One row per search and mark, seeds in the outer loop so that an early end leaves all variants."""
    for seed in range(seeds):
        for variant in variants:
            for score in one_search(variant, seed):
                yield asdict(variant) | {"seed": seed} | asdict(score)


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line per variant, best first: medians over its seeds, with the range of what they had last."""
    frame = pd.DataFrame(rows)
    marks = sorted(frame["proposals"].unique())
    lines = []
    for keys, own in frame.groupby(["sampler", "encoding"], sort=False):
        line: dict[str, Any] = dict(zip(("sampler", "encoding"), keys, strict=True))
        for mark in marks:
            line[f"log hv {mark}"] = own.loc[own["proposals"] == mark, "log_hypervolume"].median()
        last = own[own["proposals"] == own["proposals"].max()]
        for name, column in (("log hv range", "log_hypervolume"), ("own hv range", "hypervolume")):
            line[name] = f"{last[column].min():.4f} .. {last[column].max():.4f}"
        line["networks"] = last["trained"].median()
        line["suggest ms"] = round(last["suggest_ms"].median(), 1)
        lines.append(line)
    best_first = [f"log hv {mark}" for mark in reversed(marks)]
    return pd.DataFrame(lines).sort_values(best_first, ascending=False, kind="stable", ignore_index=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Search with every variant and print the table."""
    parsed = _parser().parse_args(arguments)
    seeds = parsed.seeds if parsed.seeds is not None else (QUICK_SEEDS if parsed.quick else SEEDS)
    if seeds < 1:
        raise UserError(f"--seeds: must be at least 1, got {seeds}")
    torch.set_num_threads(1)
    marks = QUICK_MARKS if parsed.quick else MARKS
    space = make_space()
    data = load_space_data(space, None)
    train = partial(evaluate_network, data=data, inference_config=space.inference_config)
    print(f"digits, {EPOCHS} epochs per network, {marks[-1]} proposals per search, seeds 0 .. {seeds - 1}")
    print(f"log hv: {DEFINITION}\nown hv: the space's own, costs counted linearly", flush=True)
    variants = [variant for variant in VARIANTS if variant.sampler in parsed.samplers]
    rows = []
    with tempfile.TemporaryDirectory(prefix="samplers-") as folder:
        shared = SharedTrainings(parsed.networks or Path(folder), train)
        for row in compare(
            variants, seeds, lambda variant, seed: search(space, data, shared, variant, seed, marks)
        ):
            rows.append(row)
            print(LINE.format(**row), flush=True)
        count = len(shared)
    print(table(rows).to_string(index=False, float_format="%.4f"))
    asked = pd.DataFrame(rows).groupby(["sampler", "encoding", "seed"])["trained"].max().sum()
    print(f"trained once and shared: {count} networks; the searches would have trained {asked}")
    if parsed.out:
        content = {"quick": parsed.quick, "definition": DEFINITION, "rows": rows, "shared_trainings": count}
        write_json(parsed.out, content | {"machine": machine(), "versions": versions()})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.samplers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 proposals, one seed")
    parser.add_argument(
        "--samplers", nargs="+", choices=SAMPLERS, default=SAMPLERS, metavar="NAME", help="only these"
    )
    parser.add_argument("--seeds", type=int, metavar="N", help=f"searches of each kind (default: {SEEDS})")
    parser.add_argument(
        "--networks", type=Path, metavar="DIR", help="keep trained networks here, and use them"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write every score as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
