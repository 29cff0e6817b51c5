"""``python -m benchmarks.paper``: the papers' networks on MNIST, dense and with every pattern.

Accuracy is that of the test subset, because the papers report it; no choice is made from it: the recipe was
chosen on the validation subset and is one for all networks. Trained are 55,000 samples (the papers' code adds
the 5,000 of validation). Seconds and joules are measured afterwards, one network at a time, each in turn. The
second part trains every network once more with an exit after each hidden layer and sweeps the confidence
thresholds on the validation subset.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.paper.check import shortfalls
from benchmarks.paper.measure import RECIPE
from benchmarks.paper.run import run
from explorer.errors import UserError, run_command
from explorer.utils.files import write_json

COLUMNS = ["network", "pattern", "weights", "macs", "accuracy_mean", "accuracy_std", "seeds", "stored_bytes"]
COLUMNS += ["training_state_bytes", "saved_for_backward_bytes", "epoch_s", "epoch_ratio", "epoch_energy_j"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; ``--check`` fails where a figure falls short."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where MNIST lies, or is downloaded to")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings of each (default: 3)")
    parser.add_argument("--epochs", type=int, default=RECIPE.epochs, metavar="N", help="default: 20")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="trainings at a time (default: 2)")
    parser.add_argument("--quick", action="store_true", help="a subset, one seed, two epochs, one job")
    parser.add_argument("--check", action="store_true", help="exit 1 naming every figure that falls short")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write everything as JSON")
    parsed = parser.parse_args(arguments)
    for option in ("seeds", "epochs", "jobs"):
        if getattr(parsed, option) < 1:
            raise UserError(f"--{option}: must be at least 1, got {getattr(parsed, option)}")
    seeds, epochs, jobs = (1, 2, 1) if parsed.quick else (parsed.seeds, parsed.epochs, parsed.jobs)
    results = run(parsed.data_dir, seeds, epochs, jobs, parsed.quick)
    results["falls_short"] = short = shortfalls(results["rows"])
    print(pd.DataFrame(results["rows"])[COLUMNS].to_string(index=False, float_format="%.4g"))
    print("accuracy: test subset, mean and standard deviation over seeds; bytes, seconds, joules")
    if parsed.out:
        write_json(parsed.out, results)
    for line in short:
        print(f"falls short: {line}")
    return 1 if parsed.check and short else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
