"""In which form a scattered Linear layer runs fastest: measured once per machine, then remembered.

Both forms compute the same product from the same stored values: ``dense`` (kept values placed in a dense
weight) and ``csr`` (compressed rows). Which wins depends on shape, density, batch and machine: on one x86
core a 4096 x 4096 layer at density 1/16 ran 7 times faster as ``csr`` at batch 1, 3 times at batch 256, but
half as fast at density 1/4. Gathering each output's fan-in was never the fastest. Training uses ``dense``.
"""

import json
import os
import time
import warnings
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from explorer.utils.environment import cpu_name

_REPEATS = 5
_FILE = "linear_forms.json"


class LinearForms:
    """The product ``x @ weight.T + bias`` of a sparse weight in each form.

    Args:
        weight: Dense (outputs, inputs), zero where no connection is kept.
        bias: (outputs,), or None.
        shape: Describes layer and density, for remembering the choice.

    Example:
        >>> forms = LinearForms(torch.tensor([[0.0, 2.0], [1.0, 0.0]]), bias=None, shape="2 x 2")
        >>> forms.dense(torch.tensor([[3.0, 4.0]]))
        tensor([[8., 3.]])
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, shape: str) -> None:
        self.weight, self.bias, self.shape = weight, bias, shape

    @cached_property
    def _compressed(self) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
            return self.weight.to_sparse_csr()

    def dense(self, x_BI: Tensor) -> Tensor:
        """One dense product."""
        return F.linear(x_BI, self.weight, self.bias)

    def csr(self, x_BI: Tensor) -> Tensor:
        """Compressed sparse rows."""
        product: Tensor = (self._compressed @ x_BI.T).T
        return product if self.bias is None else product + self.bias

    def __call__(self, x: Tensor) -> Tensor:
        """The product in the fastest form; ``x`` is (..., inputs)."""
        x_BI = x.reshape(-1, x.shape[-1])
        form = self.dense
        if x.device.type == "cpu" and torch.backends.mkl.is_available():
            forms = {"dense": self.dense, "csr": self.csr}
            form = forms[fastest(self.shape, x_BI, forms)]
        return form(x_BI).reshape(*x.shape[:-1], -1)


def cache_file() -> Path:
    """Where measured choices are kept: the user's cache folder.

    Example:
        >>> cache_file().name
        'linear_forms.json'
    """
    import pooch  # type: ignore[import-untyped]  # slow to import

    return Path(pooch.os_cache("split-sparsity-explorer")) / _FILE


def fastest(shape: str, x_BI: Tensor, forms: Mapping[str, Callable[[Tensor], Tensor]]) -> str:
    """Name of the fastest of ``forms``; measured when this machine first meets shape and batch.

    Args:
        shape: Describes layer and density.
        x_BI: Input rows; powers of two of them share a choice.
        forms: Each computes the product, by name.

    Example:
        >>> slow, fast = (lambda x: time.sleep(0.001) or x), (lambda x: x)
        >>> fastest("2 x 2, for show", torch.zeros(1, 2), {"slow": slow, "fast": fast})
        'fast'
    """
    rows = _bucket(len(x_BI))
    conditions = (
        cpu_name(),
        f"{torch.get_num_threads()} threads",
        f"torch {torch.__version__}",
        shape,
        f"{rows} rows",
    )
    key, choices = "; ".join(conditions), _remembered(cache_file())
    if choices.get(key) not in forms:
        choices[key] = _measure(x_BI, forms)
        _remember(cache_file(), choices)
    return choices[key]


def _bucket(batch: int) -> int:
    """The smallest power of two that is not below ``batch``."""
    return 1 << max(0, batch - 1).bit_length()


def _measure(x_BI: Tensor, forms: Mapping[str, Callable[[Tensor], Tensor]]) -> str:
    """Median seconds of each form, run in turn after one warm-up each."""
    for run in forms.values():
        run(x_BI)
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(_REPEATS):
        for name, run in forms.items():
            start = time.perf_counter()
            run(x_BI)
            seconds[name].append(time.perf_counter() - start)
    return min(seconds, key=lambda name: median(seconds[name]))


@cache
def _remembered(path: Path) -> dict[str, str]:
    """Choices of earlier processes; an unreadable file is the same as none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remember(path: Path, choices: Mapping[str, str]) -> None:
    """Write all choices whole; a read-only cache folder only costs measuring again."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(choices, indent=1), encoding="utf-8")
        os.replace(temporary, path)
    except OSError:
        return
