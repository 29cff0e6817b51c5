"""benchmarks.gpu without a GPU: what it says then, and which claims figures bear out."""

import subprocess
import sys
from typing import Any

import pytest
import torch

from benchmarks.gpu import greedy, short_of, spaces

GOOD: dict[str, Any] = {
    "layers": [{"layer": "linear", "density": "1/4", "of_limit": 0.6}],
    "repeated": {"same seed, same weights": True},
    "rates": [{"space": "digits", "gain": gain} for gain in (2.0, 6.0, 4.0)],
    "cifar10": {"dense_accuracy": 0.92},
    "seconds": 400.0,
}


@pytest.mark.slow
def test_no_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    command = [sys.executable, "-m", "benchmarks.gpu", "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, "no GPU")


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({}, []),
        ({"cifar10": None}, []),
        ({"rates": GOOD["rates"][:1]}, ["digits: 2.0 times the CPU's networks"]),
        (
            {"layers": [{"layer": "conv", "density": "1/8", "of_limit": 0.4}]},
            ["conv at 1/8: 0.40 of the limit"],
        ),
        ({"repeated": {"same seed, same weights": False}}, ["same seed, same weights"]),
        ({"cifar10": {"dense_accuracy": 0.9}}, ["CIFAR-10: 0.900 of the validation subset"]),
        ({"seconds": 500.0}, ["it took 500 s"]),
    ],
    ids=["all hold", "no data", "rates", "layers", "repeated", "accuracy", "time"],
)
def test_claims(changed: dict[str, Any], missed: list[str]) -> None:
    assert short_of(GOOD | changed) == missed


def test_what_fits_no_gpu_can_be_traced(tmp_path: Any) -> None:
    assert greedy((1, 8, 8), 10)(torch.zeros(1, 1, 8, 8)).shape == (1, 10)
    assert set(spaces(tmp_path)) == {"digits", "images"}
