"""A run made of formulas instead of trainings, with the shape a real one has; its costs are the model's."""

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.report_scale.evidence import CLASSES, SAMPLES, make_evidence, swept, write_evidence
from explorer.core.evidence import Evidence
from explorer.core.learning_curve import LearningCurve
from explorer.core.recipe import Recipe
from explorer.core.training_record import TrainingRecord
from explorer.costs.split_costs import SplitCosts
from explorer.devices import Setting, load_device, load_link
from explorer.devices.operators import Operator
from explorer.front.pareto import mark_front
from explorer.runs.point_table import points_of
from explorer.runs.record import RunRecord
from explorer.runs.results import RunResults
from explorer.runs.store import StoredNetwork
from explorer.runs.summaries import TRIAL_COLUMNS
from explorer.space.candidate import NetworkSpec
from explorer.space.metrics import CORRECTED_METRICS, MEASURED_METRICS

DENSITIES = tuple(Fraction(1, n) for n in (8, 4, 2, 1))
REFERENCE_POINT = {
    "accuracy": 0.5,
    "edge_macs": 3e7,
    "latency_model_s": 0.5,
    "energy_model_j": 0.1,
    "payload_bytes": 4000.0,
    "edge_memory_bytes": 4e5,
}
_RECIPE = Recipe(
    epochs=10,
    batch_size=64,
    learning_rate=0.01,
    weight_decay=0.0,
    exit_loss_weight=0.3,
    output_loss_weight=1.0,
    seed=0,
    precision="float32",
)
# per backbone: junctions as (name, values that leave it, MACs when dense), best accuracy
_BACKBONES: dict[str, tuple[tuple[tuple[str, int, int], ...], float]] = {
    "mlp": ((("fc1", 128, 100_352), ("fc2", 64, 8_192), ("classifier", 10, 640)), 0.952),
    "cnn": (
        (("conv1", 3136, 112_896), ("conv2", 1568, 3_612_672), ("fc", 64, 100_352), ("classifier", 10, 640)),
        0.978,
    ),
    "resnet8": (
        (
            *(("stem", 12_544, 112_896), ("stage1", 12_544, 7_225_344), ("stage2", 6272, 5_419_008)),
            *(("stage3", 3136, 5_419_008), ("classifier", 10, 640)),
        ),
        0.989,
    ),
}
_INPUT_VALUES = 784


def make_setting() -> Setting:
    """Profiles that know every number the model needs."""
    return Setting(load_device("rpi4"), load_device("xeon_8124m"), load_link("wifi_huang2012"))


def make_networks(
    num_points: int, seed: int = 0, rename: dict[str, str] | None = None
) -> Iterator[tuple[StoredNetwork, Evidence]]:
    """Networks whose sweeps have ``num_points`` rows together, and what they answered.

    Args:
        num_points: Operating points.
        seed: Of everything random.
        rename: New names for backbones and split points.
    """
    rng, names = np.random.default_rng(seed), rename or {}
    left, number = num_points, 0
    while left > 0:
        backbone = list(_BACKBONES)[number % len(_BACKBONES)]
        junctions, best = _BACKBONES[backbone]
        density = {name: DENSITIES[rng.integers(len(DENSITIES))] for name, _, _ in junctions[:-1]}
        splits = _splits(junctions, density, names)
        share = float(np.mean([float(value) for value in density.values()]))
        evidence = make_evidence(splits, best - 0.04 * (1 - share) ** 2 - 0.01 * rng.random(), rng)
        points = swept(evidence, rng).head(left)
        left -= len(points)
        spec = NetworkSpec(
            backbone=names.get(backbone, backbone),
            factory=f"explorer.backbones:{backbone}",
            arguments=json.dumps({"number": number}),
            pattern="block",
            densities=tuple(density.items()),
            exit_features=64,
            recipe=_RECIPE,
            data="{}",
        )
        training = TrainingRecord(10, 100, 1.0, 0.1, _curve([split.name for split in splits], best))
        yield StoredNetwork(spec, splits, training, SAMPLES, points, number, {}), evidence
        number += 1


def _curve(names: Sequence[str], best: float) -> LearningCurve:
    """Ten epochs; later split points have better exits."""
    epochs = (2, 4, 6, 8, 10)
    rows = [
        [
            round(200 * best * (1 - 0.5 / epoch) * (place + 1) / len(names)) / 200
            for place in range(len(names))
        ]
        for epoch in epochs
    ]
    losses = tuple(2.3 / epoch for epoch in range(1, 11))
    return LearningCurve(losses, epochs, 200, tuple(names), tuple(map(tuple, rows)))


def _splits(
    junctions: Sequence[tuple[str, int, int]], density: dict[str, Fraction], names: dict[str, str]
) -> tuple[SplitCosts, ...]:
    stages = [("input", _INPUT_VALUES, 0, 0)]
    stages += [(name, values, int(macs * density.get(name, 1)), macs) for name, values, macs in junctions]
    total, total_dense = sum(stage[2] for stage in stages), sum(stage[3] for stage in stages)
    costs, edge, edge_dense = [], 0, 0
    for place, (name, values, macs, dense) in enumerate(stages):
        edge, edge_dense, last = edge + macs, edge_dense + dense, place == len(stages) - 1
        features = min(values, 64)
        name = "output" if last else name
        costs.append(
            SplitCosts(
                name=name if last else names.get(name, name),
                shape=(values,),
                payload_elements=values,
                edge_macs=edge,
                edge_macs_dense=edge_dense,
                server_macs=total - edge,
                server_macs_dense=total_dense - edge_dense,
                exit_macs=0 if last else 10 * features,
                edge_param_bytes=edge // 25,
                server_param_bytes=(total - edge) // 25,
                exit_param_bytes=0 if last else 40 * features,
                peak_activation_bytes=4 * (values + _INPUT_VALUES),
                exit_peak_bytes=0 if last else 4 * (values + features),
                edge_index_bytes=edge // 50,
                edge_ram_bytes=4 * max(values, _INPUT_VALUES),
                exit_ram_bytes=0 if last else 4 * (values + features),
                range_bytes=8 if not last else 0,
                operators=_operators(macs, values) if macs else (),
                exit_operators=() if last else (Operator(10 * features, 40 * features, "linear"),),
            )
        )
    return tuple(costs)


def make_trials(
    num_trials: int, num_objectives: int, keys: Sequence[str] = (), seed: int = 0
) -> pd.DataFrame:
    """Proposals of a search that fails now and then; ``keys``: of its networks, in order."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    own = iter(keys)
    for number in range(num_trials):
        failed = number % 17 == 5
        failing = f"mlp-{number:08x}"
        rows.append(
            {
                "number": number,
                "state": "FAIL" if failed else "COMPLETE",
                "outcome": "failed" if failed else rng.choice(["trained", "cached"]),
                "reason": "training diverged: loss is nan" if failed else "",
                "network_key": failing if failed else next(own, failing),
                "reference": "",
                "elapsed_s": 2.5 * (number + 1),
                "hypervolume": 0.93 - 0.6 / (1 + number / 4),
                "front_size": min(number + 1, 200),
                "params": {},
                "values": None if failed else rng.random(num_objectives).tolist(),
            }
        )
    return pd.DataFrame(rows, columns=TRIAL_COLUMNS)


def make_record(
    name: str, objectives: Mapping[str, float], constraints: Sequence[str], setting: Setting, **changes: Any
) -> RunRecord:
    """What ``run.json`` says of a run that trained nothing.

    Args:
        name: Of the run.
        objectives: With their reference point.
        constraints: Of the run.
        setting: Devices and link.
        changes: Other fields of the record, and other values.
    """
    content: dict[str, Any] = {
        "name": name,
        "created": "2030-01-02T03:04:05+00:00",
        "seed": 7,
        "sampler": "tpe",
        "rungs": "off",
        "encoding": "conditional",
        "trials_asked": 120,
        "space_name": "synthetic",
        "space_file": "# a space\nbackbones:\n  mlp: {}\n",
        "space": {"objectives": dict(objectives)},
        "constraints": list(constraints),
        "data_fingerprint": "none",
        "data": {
            "input_shape": [784],
            "num_classes": CLASSES,
            "mean": [0.0],
            "std": [1.0],
            "class_counts": {},
            "samples": {"train": 0, "validation": SAMPLES, "test": 0},
        },
        "profiles": setting.to_json(),
        "protocol": setting.protocol,
        "study": name,
    }
    return RunRecord.model_validate(content | changes)


SEARCHED: dict[str, Any] = {
    "versions": {"torch": "2.13.0", "optuna": "5.0.0"},
    "machine": {"cpu": "Example CPU", "cores": 8, "memory_bytes": 16_000_000_000, "os": "Linux"},
    "missing": {"edge": ["flash_bytes"], "server": [], "link": []},
    "counts": {"trials": 120, "trainings": 80, "cached": 33, "failed": 7},
    "search": {
        "seconds": 754.0,
        "suggest_seconds": 2.4,
        "suggest_median_s": 0.0125,
        "energy_j": 5400.0,
        "energy_method": "codecarbon",
    },
    "uncounted_arithmetic": {"cnn": {"aten::mul": 1}, "mlp": {}},
    "operators_without_macs": {"cnn": {"aten::max_pool2d": 2}, "mlp": {}},
    "notes": ["cnn: junction stays dense, conv1"],
    "hypervolume": 0.9,
}


def make_results(
    path: Path,
    *,
    num_points: int = 400,
    num_trials: int = 40,
    objectives: Sequence[str] = ("accuracy", "edge_macs"),
    constraints: Sequence[str] = ("edge_memory_bytes <= 180 kB",),
    references: bool = True,
    setting: Setting | None = None,
    rename: dict[str, str] | None = None,
    answers: bool = False,
) -> RunResults:
    """A whole run that would lie in ``path``.

    With ``answers``, those of networks on the front and of references really do.
    """
    setting = setting or make_setting()
    made = {stored.spec.key: (stored, own) for stored, own in make_networks(num_points, rename=rename)}
    networks = {key: stored for key, (stored, _) in made.items()}
    frames = [stored.points.assign(reference="") for stored in networks.values()]
    points = points_of(networks, frames, setting).assign(
        **dict.fromkeys([*CORRECTED_METRICS, *MEASURED_METRICS], np.nan)
    )
    if len(points):
        measured = points["split_point"].eq("output")
        points.loc[measured, "edge_latency_host_s"] = points.loc[measured, "edge_macs"] / 4e9 + 1e-5
    if references and num_points >= 5:
        points.loc[points["accuracy"].idxmax(), "reference"] = "all_server"
        points.loc[points["edge_macs"].idxmax(), "reference"] = "dense,all_edge"
        points.loc[points["accuracy"].idxmin(), "reference"] = "small_dense"
    reference_point = {name: REFERENCE_POINT[name] for name in objectives}
    record = make_record(path.name, reference_point, constraints, setting, **SEARCHED)
    points = mark_front(points, record.objectives, record.parsed_constraints)
    compared = points[points["on_front"] | (points["reference"] != "")] if answers else points[:0]
    for key in compared["network_key"].unique():
        write_evidence(path, *made[key])
    return RunResults(
        path=path,
        record=record,
        setting=setting,
        points=points,
        trials=make_trials(num_trials, len(objectives), list(networks)),
        networks=networks,
    )


def _operators(macs: int, values: int) -> tuple[Operator, ...]:
    """A convolution in groups behind a gather, and an activation that stands alone."""
    gathered = {"groups": 4, "added_macs": macs // 7, "added_bytes": 8 * values}
    return (
        Operator(macs, 4 * values + macs // 10, "gathered_conv", **gathered),
        Operator(0, 8 * values, "elementwise"),
    )
