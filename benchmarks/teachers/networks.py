"""One sparse network of each space, trained in every way: accuracies of exits and output, and seconds."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.search_efficiency.starts import on_cpu
from benchmarks.teachers.spaces import WAYS, teacher_space
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask, evaluate_network
from explorer.engine.proposals import Proposer
from explorer.space.candidate import NetworkSpec
from explorer.space.files import load_space_data
from explorer.space.inventory import build_inventory

DENSITY = 0.25  # the nearest legal one at each junction but the last


@dataclass(frozen=True)
class NetworkTask:
    """The trainings of one space with one seed."""

    space: str
    seed: int
    threads: int
    data_dir: Path | None


@dataclass(frozen=True)
class Row:
    """What came of one training, on the validation subset.

    Attributes:
        space, way, seed: Which training.
        exits: Mean accuracy over all exits.
        output: Accuracy of the output.
        seconds: Of this training.
        teacher_seconds: Of the dense network that it needed, which a search trains once.
    """

    space: str
    way: str
    seed: int
    exits: float
    output: float
    seconds: float
    teacher_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain data, rounded to what a figure can show."""
        return {name: round(v, 4) if isinstance(v, float) else v for name, v in asdict(self).items()}


def trained(task: NetworkTask) -> list[Row]:
    """Train the first variant of the space's last backbone, sparse, in every way."""
    torch.set_num_threads(task.threads)
    rows, dense = [], dict[str, EvaluatedNetwork]()
    for way in WAYS:
        space = teacher_space(task.space, way, task.seed)
        data = load_space_data(space, task.data_dir)
        proposer = Proposer(build_inventory(space, data.input_shape, data.num_classes), {"way": "any"})

        def run(
            spec: NetworkSpec, teacher: EvaluatedNetwork | None, data=data, space=space
        ) -> EvaluatedNetwork:
            weights = None if teacher is None else teacher.weights
            how = TrainingTask(spec, spec.recipe.total_epochs, dense=weights)
            return on_cpu(evaluate_network)(how, data, space.inference_config)

        spec = sparse_network(proposer)
        teacher = None
        if spec.dense is not None:
            teacher = dense.get(spec.dense.key) or run(spec.dense, None)
            dense[spec.dense.key] = teacher
        network = run(spec, teacher)
        rows.append(_row(task, way, network, 0.0 if teacher is None else teacher.training.seconds))
    return rows


def sparse_network(proposer: Proposer) -> NetworkSpec:
    """The network that is compared: about a quarter of all connections."""
    variant = proposer.inventory.usable(list(proposer.space.backbones)[-1])[0]
    densities = {
        path: min(choices, key=lambda density: abs(float(density) - DENSITY))
        for path, choices in variant.densities.items()
    }
    return proposer.network(variant, proposer.space.patterns[0], densities)


def _row(task: NetworkTask, way: str, network: EvaluatedNetwork, teacher_seconds: float) -> Row:
    evidence = network.evidence
    return Row(
        task.space,
        way,
        task.seed,
        float(evidence.exit_correct_SN.mean()),
        float(evidence.output_correct_N.mean()),
        network.training.seconds,
        teacher_seconds,
    )
