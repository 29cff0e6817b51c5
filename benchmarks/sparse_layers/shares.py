"""Where a training step's time goes: products, copies, the optimiser, and all the rest."""

from collections.abc import Callable

from torch.autograd.profiler import profile

_STEPS = 10
_KINDS = {
    "products": ("mm", "bmm", "addmm", "baddbmm", "convolution"),
    "copies": ("copy", "clone", "index", "scatter", "gather", "cat", "fill", "zero_"),
    "optimiser": ("adamw", "optimizer"),
}
KINDS = (*_KINDS, "rest")


def kind_of(operator: str) -> str:
    """Which of :data:`KINDS` an operator of the profiler belongs to."""
    name = operator.lower().removeprefix("aten::").rstrip("_")
    if name in _KINDS["products"] or "convolution" in name:
        return "products"
    return next(
        (kind for kind in ("optimiser", "copies") if any(part in name for part in _KINDS[kind])), "rest"
    )


def shares_of(run: Callable[[], None]) -> dict[str, float]:
    """Share of the CPU's time by kind; they add up to 1."""
    run()
    with profile(use_kineto=False) as profiled:
        for _ in range(_STEPS):
            run()
    times = dict.fromkeys(KINDS, 0.0)
    for event in profiled.key_averages():
        times[kind_of(event.key)] += event.self_cpu_time_total
    total = sum(times.values())
    return {kind: time / total for kind, time in times.items()}
