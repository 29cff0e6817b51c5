"""A run made of formulas instead of trainings, with the shape a real one has."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd

from explorer.objectives import METRICS, parse_constraint
from explorer.results import TRIAL_COLUMNS, RunResults, mark_front

DEPTHS = {
    "mlp": ["input", "layers.0", "layers.2", "output"],
    "cnn": ["input", "features.2", "features.5", "features.8", "classifier.0", "output"],
    "resnet8": ["input", "stage1", "stage2", "stage3", "pool", "output"],
}
FULL_MACS = {"mlp": 4e5, "cnn": 6e6, "resnet8": 2.4e7}
BEST_ACCURACY = {"mlp": 0.952, "cnn": 0.978, "resnet8": 0.989}
REFERENCE_POINT = {
    "accuracy": 0.5,
    "edge_macs": 3e7,
    "latency_model_s": 0.5,
    "payload_bytes": 4000.0,
    "edge_memory_bytes": 4e5,
}


def make_points(num_points: int, seed: int = 0) -> pd.DataFrame:
    """Operating points of many networks; the columns of a run without what ``mark_front`` adds."""
    rng = np.random.default_rng(seed)
    num_networks = max(1, num_points // 60)
    backbones = rng.choice(list(DEPTHS), num_networks)
    density = rng.choice([0.125, 0.25, 0.5, 0.75, 1.0], (num_networks, 2))
    network = np.sort(rng.integers(0, num_networks, num_points))
    backbone, kept = backbones[network], density[network].mean(axis=1)
    depth = np.array([rng.integers(len(DEPTHS[name])) for name in backbone])
    split = np.array([DEPTHS[name][place] for name, place in zip(backbone, depth, strict=True)])
    share = depth / np.array([len(DEPTHS[name]) - 1 for name in backbone])
    has_exit = (split != "output") & (rng.random(num_points) < 0.9)
    threshold = np.where(has_exit, rng.random(num_points).round(4), np.nan)
    exit_rate = np.where(has_exit, np.clip(1.3 - threshold + 0.3 * share - 0.3, 0, 1), split == "output")
    bits = rng.choice([8, 16, 32], num_points)
    best = np.array([BEST_ACCURACY[name] for name in backbone]) - 0.04 * (1 - kept) ** 2
    accuracy = best - 0.35 * exit_rate**3 * (1 - share) ** 1.5 - rng.random(num_points) * 0.03
    full = np.array([FULL_MACS[name] for name in backbone])
    payload = np.where(split == "output", 0.0, (1 - exit_rate) * (24 + 784 * (1 - 0.8 * share) * bits / 8))
    edge_macs = np.round(full * share**1.5 * kept)
    memory = np.round(2e3 + full / 100 * kept * (0.1 + share))
    latency = edge_macs / 3e8 + (1 - exit_rate) * 0.012 + payload * 8 / 1e6
    keys = [f"{name}-{number:08x}" for name, number in zip(backbone, network, strict=True)]
    return pd.DataFrame(
        {
            "point_id": [f"{keys[row]}.{depth[row]}.{row}" for row in range(num_points)],
            "network_key": keys,
            "epochs": np.full(num_points, 10),
            "backbone": backbone,
            "pattern": np.where(kept == 1, "dense", "block"),
            "densities": [json.dumps({"layers.0": a, "layers.2": b}) for a, b in density[network]],
            "split_point": split,
            "confidence_threshold": threshold,
            "payload_bits": pd.array(np.where(split == "output", None, bits), dtype="Int64"),
            "accuracy": accuracy,
            "accuracy_ci95_low": accuracy - 0.011,
            "accuracy_ci95_high": np.minimum(accuracy + 0.009, 1.0),
            "exit_rate": exit_rate,
            "edge_macs": edge_macs,
            "edge_macs_dense": edge_macs / kept,
            "server_macs": (1 - exit_rate) * full * kept * (1 - share**1.5),
            "edge_param_bytes": np.round(memory * 0.8),
            "edge_memory_bytes": memory,
            "payload_bytes": payload,
            "latency_model_s": latency,
            "energy_model_j": latency * 0.12 + payload * 2e-7,
            "edge_latency_host_s": np.where(rng.random(num_points) < 0.3, edge_macs / 4e9 + 1e-5, np.nan),
            "server_latency_host_s": np.nan,
            "encode_latency_host_s": np.nan,
            "decode_latency_host_s": np.nan,
            "edge_energy_host_j": np.nan,
            "reference": "",
        }
    )  # fmt: skip


def make_trials(num_trials: int, num_objectives: int, seed: int = 0) -> pd.DataFrame:
    """Proposals of a search that fails now and then."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for number in range(num_trials):
        failed = number % 17 == 5
        rows.append(
            {
                "number": number,
                "state": "FAIL" if failed else "COMPLETE",
                "outcome": "failed" if failed else rng.choice(["trained", "cached"]),
                "reason": "training diverged: loss is nan" if failed else "",
                "network_key": f"mlp-{number:08x}",
                "reference": "",
                "elapsed_s": 2.5 * (number + 1),
                "hypervolume": 0.93 - 0.6 / (1 + number / 4),
                "front_size": min(number + 1, 200),
                "params": {},
                "values": None if failed else rng.random(num_objectives).tolist(),
            }
        )
    return pd.DataFrame(rows, columns=TRIAL_COLUMNS)


def make_run(name: str, constraints: list[str]) -> dict[str, Any]:
    """What ``run.json`` says."""
    return {
        "schema_version": 1,
        "name": name,
        "created": "2030-01-02T03:04:05+00:00",
        "seed": 7,
        "sampler": "tpe",
        "encoding": "conditional",
        "trials_asked": 120,
        "space_name": "synthetic",
        "space_file": "# a space\nbackbones:\n  mlp: {}\n",
        "space": {},
        "constraints": constraints,
        "versions": {"torch": "2.13.0", "optuna": "5.0.0"},
        "machine": {"cpu": "Example CPU", "cores": 8, "memory_bytes": 16_000_000_000, "os": "Linux"},
        "devices": {
            "edge": "stm32h7a3",
            "server": "xeon_8124m",
            "link": "ble_2m_dle",
            "missing": {"edge": ["idle_w"], "server": [], "link": []},
        },
        "counts": {"trials": 120, "trainings": 80, "cached": 33, "failed": 7},
        "search": {
            "seconds": 754.0,
            "suggest_seconds": 2.4,
            "suggest_median_s": 0.0125,
            "energy_j": 5400.0,
            "energy_method": "codecarbon",
            "energy_reason": "",
        },
        "uncounted_operators": {"cnn": {"aten::max_pool2d": 2}, "mlp": {}},
        "notes": ["cnn: junction stays dense, conv1"],
    }


def make_results(
    path: Path,
    *,
    num_points: int = 400,
    num_trials: int = 40,
    objectives: tuple[str, ...] = ("accuracy", "edge_macs"),
    constraints: tuple[str, ...] = ("edge_memory_bytes <= 180 kB",),
    references: bool = True,
    **columns: Any,
) -> RunResults:
    """A whole run in ``path``; ``columns`` replace columns of its points before the front is found."""
    metrics = tuple(METRICS[name] for name in objectives)
    points = make_points(num_points).assign(**columns)
    if references and num_points >= 5:
        points.loc[points["accuracy"].idxmax(), "reference"] = "all_server"
        points.loc[points["edge_macs"].idxmax(), "reference"] = "dense,all_edge"
        points.loc[points["accuracy"].idxmin(), "reference"] = "small_dense"
    points = mark_front(points, metrics, [parse_constraint(text, "test") for text in constraints])
    return RunResults(
        path=path,
        run=make_run(path.name, list(constraints)),
        objectives=metrics,
        reference_point={name: REFERENCE_POINT[name] for name in objectives},
        points=points,
        trials=make_trials(num_trials, len(objectives)),
    )


def make_study(
    num_trials: int = 40, num_objectives: int = 2, seed: int = 0, storage: str | None = None
) -> optuna.Study:
    """A study over two backbones whose first objective depends on one parameter of each only."""
    rng = np.random.default_rng(seed)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = ["maximize", "minimize", "minimize", "minimize"][:num_objectives]
    study = optuna.create_study(study_name="synthetic", directions=directions, storage=storage)
    unit = optuna.distributions.FloatDistribution(0.0, 1.0)
    for number in range(num_trials):
        backbone = ("mlp", "cnn")[number % 2]
        names = ["confidence_threshold", f"{backbone}.density.layers.0", f"{backbone}.density.layers.2"]
        params: dict[str, Any] = {name: float(rng.random()) for name in names} | {"backbone": backbone}
        distributions = {name: unit for name in names} | {
            "backbone": optuna.distributions.CategoricalDistribution(("mlp", "cnn"))
        }
        values = [params[names[1]], *(params["confidence_threshold"] for _ in range(num_objectives - 1))]
        trial = optuna.trial.create_trial(params=params, distributions=distributions, values=values)
        study.add_trial(trial)
    return study
