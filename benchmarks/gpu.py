"""What a GPU gains, beside the CPU of the same machine; where torch sees no GPU it says so and is done.

* networks per second of the digits space and of CIFAR-10-sized images, beside two CPU workers: at least 5
  times;
* a training step of one ``block`` layer in bfloat16 beside the dense one's, linear 4096 (batch 4096) and
  convolution 256 (16 x 16, batch 512): at least half of 1 / density, at 1/4 and 1/8;
* the same seed twice: the same weights; out of memory: one failure, and the next network is trained;
* with ``--data-dir``, CIFAR-10 at full size: 40 trials, the dense ResNet-20 right on at least 91 % of the
  validation subset.

``--check`` exits 1 where a claim does not hold. All of it takes at most eight minutes.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

import explorer
from explorer.core.calibration import InferenceConfig
from explorer.core.device import computing_on, described
from explorer.core.payload import PayloadForm
from explorer.core.sparsity.layers import sparse_layer
from explorer.core.training import TrainingFailedError
from explorer.costs.evaluate import TrainingTask, evaluate_network
from explorer.data.dataset import load_data
from explorer.space.candidate import NetworkSpec
from explorer.space.files import load_space
from explorer.utils.imports import name_of

GAIN, OF_LIMIT, ACCURACY, SECONDS = 5.0, 0.5, 0.91, 480.0
DENSITIES = (Fraction(1, 4), Fraction(1, 8))
_STEPS, _ROUNDS = 20, 5
_TRIALS = {"cpu": 16, "cuda": 60}
_CIFAR_TRIALS, _CIFAR_EPOCHS, _CIFAR_BATCH = 40, 30, 512


def layers() -> dict[str, tuple[nn.Linear | nn.Conv2d, tuple[int, ...]]]:
    """Dense layers and the shape of what they get."""
    return {
        "linear 4096, batch 4096": (nn.Linear(4096, 4096), (4096, 4096)),
        "conv 256, 16x16, batch 512": (nn.Conv2d(256, 256, 3, padding=1), (512, 256, 16, 16)),
    }


def training_step(layer: nn.Module, x: Tensor) -> Callable[[], None]:
    """Forward and backward in bfloat16, then AdamW; the input needs a gradient, too, as inside a network."""
    optimiser = torch.optim.AdamW(layer.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(x.device.type, torch.bfloat16):
            loss = layer(x).square().mean()
        loss.backward()
        optimiser.step()

    return step


def seconds_of(steps: dict[str, Callable[[], None]], device: torch.device) -> dict[str, float]:
    """Median seconds of a step, the contestants in turn."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(_ROUNDS + 1):
        for name, step in steps.items():
            torch.cuda.synchronize(device)
            start = time.perf_counter()
            for _ in range(_STEPS):
                step()
            torch.cuda.synchronize(device)
            if round_:  # the first warms up
                times[name].append((time.perf_counter() - start) / _STEPS)
    return {name: median(own) for name, own in times.items()}


def layer_rows(device: torch.device) -> list[dict[str, Any]]:
    """Speed-up of ``block`` beside dense, and its share of 1 / density."""
    rows = []
    for name, (dense, shape) in layers().items():
        x = torch.randn(shape, device=device, requires_grad=True)
        contestants = {"dense": dense} | {
            str(density): sparse_layer(dense, "block", density, seed=0) for density in DENSITIES
        }
        moved = {key: layer.to(device).train() for key, layer in contestants.items()}
        seconds = seconds_of({key: training_step(layer, x) for key, layer in moved.items()}, device)
        for density in DENSITIES:
            gain = seconds["dense"] / seconds[str(density)]
            of_limit = gain * float(density)
            rows.append({"layer": name, "density": str(density), "speedup": gain, "of_limit": of_limit})
    return rows


def small_images(folder: Path) -> Path:
    """A data set of CIFAR-10's shape."""
    random, labels = np.random.default_rng(0), np.arange(6000) % 10
    x = random.integers(0, 200, (6000, 32, 32, 3), dtype=np.uint8)
    x += (5 * labels).astype(np.uint8)[:, None, None, None]
    np.savez(folder / "images.npz", x_train=x, y_train=labels, x_test=x[:100], y_test=labels[:100])
    return folder / "images.npz"


def spaces(folder: Path) -> dict[str, dict[str, Any]]:
    """The spaces whose networks are counted, by name."""
    digits, cifar = (yaml.safe_load(load_space(name)[1]) for name in ("digits", "cifar10_resnet"))
    cifar["data"] |= {"source": f"npz:{small_images(folder)}", "train_samples": None}
    cifar["training"]["epochs"] = 2
    return {"digits": digits, "images": cifar}


def networks_per_second(space: dict[str, Any], folder: Path, device: str, workers: int, name: str) -> float:
    """Between the first quarter of the trainings and the last one, so that no start of workers counts."""
    run = explorer.run_search(
        space,
        trials=_TRIALS[device] if "hidden" in str(space) else _TRIALS[device] // 4,
        name=name,
        sampler="random",
        workers=workers,
        device=device,
        reports=folder,
        energy=False,
        progress=False,
    )
    ends = sorted(run.trials.loc[run.trials["outcome"] == "trained", "elapsed_s"])
    first = len(ends) // 4
    return float((len(ends) - 1 - first) / (ends[-1] - ends[first]))


def rate_rows(folder: Path) -> list[dict[str, Any]]:
    """Networks per second on the CPU's two workers, and on the GPU with one to eight processes."""
    rows = []
    for name, space in spaces(folder).items():
        cpu = networks_per_second(space, folder, "cpu", 2, f"{name}-cpu")
        for workers in (1, 4, 8):
            gpu = networks_per_second(space, folder, "cuda", workers, f"{name}-{workers}")
            rows.append({"space": name, "workers": workers, "cpu": cpu, "gpu": gpu, "gain": gpu / cpu})
    return rows


def greedy(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """A network that takes 256 MiB for each sample: a few can be probed, a large batch fits no GPU."""
    values = prod(input_shape)

    class Greedy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2**26 // values))
            self.last = nn.Linear(values, num_classes)

        def forward(self, x: Tensor) -> Tensor:
            wide = x.flatten(1).unsqueeze(-1) * self.scale
            return self.last(wide.mean(-1))

    return Greedy()


def repeated() -> dict[str, bool]:
    """Same seed, same weights; and out of memory fails alone."""
    space = load_space("digits")[0]
    sizes: dict[str, Any] = {"train_samples": None, "validation_samples": 400, "test_samples": None}
    data = load_data("digits", **sizes, seed=0)
    densities = (("conv2", Fraction(1, 4)), ("fc", Fraction(1, 4)))
    spec = NetworkSpec(
        *("cnn", "explorer.backbones:cnn", '{"channels": [16, 32], "hidden": 32}', "structured"),
        *(densities, 64, space.recipe, "{}"),
    )
    config = InferenceConfig(PayloadForm((8,)))

    def weights(device: str) -> dict[str, Tensor]:
        return evaluate_network(TrainingTask(spec, 2), data, config, device=device).weights

    one, again, on_cpu = weights("cuda"), weights("cuda"), weights("cpu")
    whole = replace(space.recipe, batch_size=len(data.train))
    wide = NetworkSpec("wide", name_of(greedy), "{}", "block", (), 64, whole, "{}")
    try:
        evaluate_network(TrainingTask(wide, 1), data, config, device="cuda")
        failed = False
    except TrainingFailedError as error:
        failed = "out of memory" in str(error)
    after = weights("cuda")
    return {
        "same seed, same weights": all(torch.equal(one[name], again[name]) for name in one),
        "as on the CPU, to 1 %": all(torch.allclose(one[n], on_cpu[n], rtol=0.01, atol=0.01) for n in one),
        "out of memory fails alone": failed and all(torch.equal(one[n], after[n]) for n in one),
    }


def cifar(folder: Path, data_dir: Path, left_s: float) -> dict[str, Any]:
    """A search at full size; the accuracy of the large dense reference, the time and the front."""
    space = yaml.safe_load(load_space("cifar10_resnet")[1])
    space["data"] |= {"train_samples": None, "validation_samples": 5000}
    space["backbones"]["resnet"]["arguments"] = {"depth": [8, 14, 20], "width": [16]}
    space["training"] |= {"epochs": _CIFAR_EPOCHS, "batch_size": _CIFAR_BATCH, "precision": "bfloat16"}
    start = time.perf_counter()
    run = explorer.run_search(
        space,
        trials=_CIFAR_TRIALS,
        name="cifar10",
        workers=8,
        device="cuda",
        timeout_s=max(1.0, left_s),
        data_dir=data_dir,
        reports=folder,
        energy=False,
        progress=False,
    )
    dense = run.points[run.points["reference"].str.contains("large_dense")]
    best = float(dense["accuracy"].max()) if len(dense) else float(run.points["accuracy"].max())
    took = time.perf_counter() - start
    return {"trials": len(run.trials), "seconds": took, "dense_accuracy": best, "front": len(run.front)}


def main() -> int:
    """Print the figures, write JSON where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="where CIFAR-10 lies; without, it is left out"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU")
        return 0
    start, device = time.perf_counter(), torch.device("cuda", 0)
    with tempfile.TemporaryDirectory(prefix="gpu-") as name:
        with computing_on(device):
            found: dict[str, Any] = {"gpu": described(device), "layers": layer_rows(device)}
        found |= {"repeated": repeated(), "rates": rate_rows(Path(name))}
        if arguments.data_dir is not None:
            left_s = SECONDS - 60 - (time.perf_counter() - start)
            found["cifar10"] = cifar(Path(name), arguments.data_dir, left_s)
    found["seconds"] = time.perf_counter() - start
    print(yaml.safe_dump(found, sort_keys=False))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    missed = short_of(found)
    for claim in missed:
        print(f"does not hold: {claim}", file=sys.stderr)
    return int(arguments.check and bool(missed))


def short_of(found: dict[str, Any]) -> list[str]:
    """Claims that the figures do not bear out."""
    best: dict[str, float] = {}
    for row in found["rates"]:
        best[row["space"]] = max(best.get(row["space"], 0.0), row["gain"])
    missed = [f"{space}: {gain:.1f} times the CPU's networks" for space, gain in best.items() if gain < GAIN]
    missed += [
        f"{row['layer']} at {row['density']}: {row['of_limit']:.2f} of the limit"
        for row in found["layers"]
        if row["of_limit"] < OF_LIMIT
    ]
    missed += [claim for claim, holds in found["repeated"].items() if not holds]
    if (own := found.get("cifar10")) is not None and own["dense_accuracy"] < ACCURACY:
        missed.append(f"CIFAR-10: {own['dense_accuracy']:.3f} of the validation subset")
    return missed + ([f"it took {found['seconds']:.0f} s"] if found["seconds"] > SECONDS else [])


if __name__ == "__main__":
    sys.exit(main())
