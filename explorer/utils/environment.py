"""Where numbers come from: the machine and the versions of what ran."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import torch

_PACKAGES = (
    "torch",
    "optuna",
    "numpy",
    "pandas",
    "plotly",
    "fvcore",
    "codecarbon",
    "moocore",
    "scikit-learn",
)


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of the libraries whose numbers are shown.

    Example:
        >>> sorted(versions())[:5]
        ['codecarbon', 'explorer', 'fvcore', 'moocore', 'numpy']
    """
    own = {
        "python": platform.python_version(),
        "explorer": importlib.metadata.version("split-sparsity-explorer"),
    }
    return own | package_versions(_PACKAGES)


def package_versions(names: Sequence[str]) -> dict[str, str]:
    """Versions of installed packages.

    Example:
        >>> list(package_versions(["numpy"]))
        ['numpy']
    """
    return {name: importlib.metadata.version(name) for name in names}


def machine() -> dict[str, Any]:
    """What ran the search.

    Example:
        >>> list(machine())
        ['cpu', 'cores', 'memory_bytes', 'os', 'python', 'threads']
    """
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "os": platform.platform(),
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
    }


@cache
def cpu_name() -> str:
    """The processor's own name where the system tells it, else the architecture.

    Example:
        >>> cpu_name() == machine()["cpu"]
        True
    """
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
