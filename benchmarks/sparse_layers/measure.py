"""Interleaved timings: every round runs all contestants once, and speed-ups are medians of paired ratios."""

import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import onnxruntime
import torch
from torch import Tensor, nn

from benchmarks.sparse_layers.cases import Shape, contestants, onnx_bytes, stored_bytes, training_bytes
from benchmarks.sparse_layers.shares import shares_of

SAMPLE_S = 2e-3  # shorter calls are repeated within one sample
INFERENCE_ONLY = ("csr",)
NOT_IN_ONNX = ("masked", "csr")  # a constant mask folds into the dense weight; CSR has no operator
Run = Callable[[], None]
Row = dict[str, Any]


def paired_speedups(
    runs: dict[str, Run], budget_s: float, least_rounds: int, device: str
) -> dict[str, tuple[float, float]]:
    """{name: (median seconds, median of dense seconds / own seconds of the same round)}.

    Args:
        runs: Contestants, "dense" among them.
        budget_s: No round begins after this time.
        least_rounds: Run in any case.
        device: GPU work is waited for.
    """

    alone = device == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter

    def seconds(run: Run, times: int) -> float:
        run()  # the contestant before has filled the processor's caches with its own data
        start = clock()
        for _ in range(times):
            run()
        if device == "cuda":
            torch.cuda.synchronize()
        return (clock() - start) / times

    times = {}
    for name, run in runs.items():
        times[name] = max(1, min(100, int(SAMPLE_S / seconds(run, 1))))
    samples: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + budget_s
    while len(samples["dense"]) < least_rounds or time.perf_counter() < end:
        for name, run in runs.items():
            samples[name].append(seconds(run, times[name]))
    return {
        name: (
            statistics.median(own),
            statistics.median(dense / mine for dense, mine in zip(samples["dense"], own, strict=True)),
        )
        for name, own in samples.items()
    }


def _training_step(
    layer: nn.Module, x: Tensor, target: Tensor, bfloat16: bool
) -> tuple[Run, torch.optim.Optimizer]:
    """Forward, backward to weights and input, fused AdamW; the layer stands in the middle of a network."""
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)

    def run() -> None:
        x.grad = None
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16):
            y = layer(x)
        y.backward(target.to(y.dtype))
        optimizer.step()

    return run, optimizer


def _inference(layer: nn.Module, x: Tensor) -> Run:
    def run() -> None:
        with torch.inference_mode():
            layer(x)

    return run


def _onnx_inference(file: bytes, x: Tensor) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input(session.get_inputs()[0].name, x.numpy())
    binding.bind_output(session.get_outputs()[0].name)
    return lambda: session.run_with_iobinding(binding)


def measure(
    shape: Shape,
    density: Fraction,
    device: str,
    budget_s: float,
    least_rounds: int,
    with_onnx: bool,
    bfloat16: bool,
) -> Iterator[Row]:
    """One row per case and contestant.

    Args:
        shape, density: What to build; contestants that this shape does not allow are skipped.
        device: ``cpu`` or ``cuda``.
        budget_s, least_rounds: For each of the four cases.
        with_onnx: Whether to export and to run in ONNX Runtime (always on the CPU).
        bfloat16: Train all but the dense layer, which stays the yardstick, with bfloat16 products.
    """
    threads = torch.get_num_threads()
    layers = {name: build().to(device) for name, build in contestants(shape, density)}
    bytes_of = {name: stored_bytes(layer) for name, layer in layers.items()}

    def rows(case: str, runs: dict[str, Run]) -> Iterator[Row]:
        for name, (seconds, speedup) in paired_speedups(runs, budget_s, least_rounds, device).items():
            yield {
                "shape": shape.name,
                "density": str(density),
                "case": case,
                "contestant": name,
                "seconds": seconds,
                "speedup": speedup,
                "of_limit": speedup * float(density),
                "bytes_ratio": bytes_of[name] / bytes_of["dense"],
            }

    torch.set_num_threads(1)
    for layer in layers.values():
        layer.eval()
    x = shape.sample(1).to(device)
    yield from rows("inference 1", {name: _inference(layer, x) for name, layer in layers.items()})
    if with_onnx:
        yield from _onnx_rows(layers, x.cpu(), rows)
    torch.set_num_threads(threads)
    batch = shape.sample(shape.batch_size).to(device)
    yield from rows("inference batch", {name: _inference(layer, batch) for name, layer in layers.items()})
    x, runs, memory = batch.requires_grad_(), {}, {}
    target = torch.randn(shape.batch_size, shape.outputs, *x.shape[2:], device=device)
    for name, layer in layers.items():
        if name not in INFERENCE_ONLY:
            run, optimizer = _training_step(layer.train(), x, target, bfloat16 and name != "dense")
            runs[name], memory[name] = run, training_bytes(layer, run, optimizer)
    for row in rows("training step", runs):
        name, profiled = (
            row["contestant"],
            device == "cpu" and row["contestant"].startswith(("dense", "block")),
        )
        shares = {"shares": shares_of(runs[name])} if profiled else {}
        yield row | {"training_bytes_ratio": memory[name] / memory["dense"]} | shares


def _onnx_rows(
    layers: dict[str, nn.Module], x: Tensor, rows: Callable[[str, dict[str, Run]], Iterator[Row]]
) -> Iterator[Row]:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = {
            name: onnx_bytes(layer.cpu(), x) for name, layer in layers.items() if name not in NOT_IN_ONNX
        }
    for row in rows("onnx 1", {name: _onnx_inference(file, x) for name, file in files.items()}):
        yield row | {"onnx_bytes_ratio": len(files[row["contestant"]]) / len(files["dense"])}
