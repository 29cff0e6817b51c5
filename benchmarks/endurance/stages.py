"""Networks that fail at every stage of their making: each is a failed trial with its reason, and alone.

The module is also the factory of these networks. Where it is called, in worker processes too, it has each
stage of their making raise for the networks that are meant to fail there.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor, nn

from benchmarks.endurance.forked import Ended, run_forked
from benchmarks.endurance.surroundings import without_export
from benchmarks.private_postgres import MissingPostgresError, running_server
from explorer.core.network import Network
from explorer.costs import evaluate
from explorer.measure import parts
from explorer.runs import store
from explorer.runs.results import load_run
from explorer.space.candidate import NetworkSpec

FINE, KNOWN_BEFORE = "fine", ("factory", "trace")  # these are known of variants, before the search
# where each other stage begins: whose function is called, and its name
BEGINS: dict[str, tuple[Any, str]] = {
    "build": (evaluate, "build_network"),
    "split": (Network, "check_split_points"),
    "train": (evaluate, "train"),
    "calibrate": (evaluate, "calibrate"),
    "evidence": (evaluate, "collect_evidence"),
    "costs": (evaluate, "split_costs"),
    "store": (store, "_contents"),
    "measure": (parts, "_measured_network"),
}
STAGES = (*KNOWN_BEFORE, *BEGINS)
SPACE: dict[str, Any] = {
    "data": {"source": "digits", "train_samples": 800, "validation_samples": 60, "test_samples": 60},
    "backbones": {
        "net": {
            "factory": f"{__name__}:net",
            "arguments": {"stage": [FINE, *STAGES]},
            "densities": [1.0],
        }
    },
    "training": {"epochs": 3, "batch_size": 8},
    "objectives": {"accuracy": 0.05, "edge_macs": 10_000},
    "edge_device": "stm32h7a3",
    "server_device": "xeon_8124m",
    "link": "ble_2m_dle",
}
WORKERS, RUNGS, MANY = ("1", "2"), ("off", "on"), "40"  # more trials than networks
_making = ""  # the stage that the network which is being made is meant to fail at


class Untraceable(nn.Sequential):
    """A network that raises."""

    def forward(self, x: Tensor) -> Tensor:
        """Raise."""
        raise ArithmeticError(_said("trace"))


def net(stage: str, num_classes: int) -> nn.Module:
    """A network that fails at a stage, or is fine."""
    if not hasattr(evaluate, "stages_raise"):
        _have_stages_raise()
    if stage == "factory":
        raise OSError(_said(stage))
    hidden = 4 if stage == "measure" else 8  # which is on the front by its MACs, and so is measured
    kind = Untraceable if stage == "trace" else nn.Sequential
    return kind(nn.Flatten(), nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, num_classes))


def run(folder: Path, quick: bool, jobs: int) -> tuple[list[Ended], list[str]]:
    """Search such networks in every kind of search; how the commands ended, and what was wrong."""
    with ExitStack() as stack:
        storage = None
        try:
            storage = None if quick else stack.enter_context(running_server()).url()
        except MissingPostgresError as error:
            print(f"a shared study is left out: {error}")
        return _searched(folder, storage, quick, jobs)


def _searched(folder: Path, storage: str | None, quick: bool, jobs: int) -> tuple[list[Ended], list[str]]:
    (folder / "stages.yaml").write_text(yaml.safe_dump(SPACE), encoding="utf-8")
    first, then = list[list[str]](), list[list[str]]()
    for workers, rungs, resumed in product(WORKERS[: 1 if quick else 2], RUNGS, (False, True)):
        name = f"{workers}-workers-rungs-{rungs}{'-resumed' * resumed}"
        first.append(_search(name, workers, "4" if resumed else MANY, "--rungs", rungs))
        if resumed:
            then.append(
                ["search", "--resume", "--run", name, "--trials", MANY, "--workers", workers, "--no-energy"]
            )
    if storage is not None:
        shared = ["--storage", storage, "--study", f"stages-{uuid.uuid4().hex[:8]}"]
        first += [_search(name, "1", MANY, *shared) for name in ("shared-one", "shared-two")]

    def fast(_: Sequence[str]) -> None:
        without_export()

    ended = [*run_forked(first, folder, max(2, jobs), fast), *run_forked(then, folder, jobs, fast)]
    problems = [
        f"{' '.join(one.arguments)}: {one.problem or one.code}: {one.printed[-600:]}"
        for one in ended
        if one.problem or one.code
    ]
    for run_folder in sorted((folder / "reports").glob("*/run.json")):
        problems += [f"{run_folder.parent.name}: {wrong}" for wrong in _wrong_with(run_folder.parent)]
    return ended, problems


def _search(name: str, workers: str, trials: str, *more: str) -> list[str]:
    line = ["search", "--space", "stages.yaml", "--run", name, "--workers", workers, "--trials", trials]
    return [*line, "--no-energy", *more]


def _wrong_with(run_folder: Path) -> Iterator[str]:
    """Stages whose networks did not fail, or not for their own reason, and others that failed."""
    found = load_run(run_folder)
    seen = set()
    for trial in found.trials.to_dict("records"):
        stage = json.loads(trial["params"]["net.stage"])
        seen.add(stage)
        fails = stage in STAGES and stage != "measure"
        if fails != (trial["outcome"] == "failed") or (fails and _said(stage) not in trial["reason"]):
            yield f"{stage}: {trial['outcome']}, {trial['reason']!r}"
    if missing := {FINE, *BEGINS} - seen:
        yield f"never proposed: {', '.join(sorted(missing))}"
    known = " ".join(found.record.failed_variants.values())
    yield from (f"{stage}: not told before the search" for stage in KNOWN_BEFORE if _said(stage) not in known)
    if not any(_said("measure") in note for note in found.record.notes):
        yield f"that one could not be measured is not told: {found.record.notes}"
    if len(found.trials) != found.record.counts["trials"] or found.front.empty:
        yield f"{len(found.trials)} trials, {found.record.counts}"


def _said(stage: str) -> str:
    return f"no {stage} today"


def _have_stages_raise() -> None:
    """Replace the functions at which stages begin."""
    evaluate.stages_raise = True  # type: ignore[attr-defined]
    evaluated = evaluate._evaluated

    def noting(task: evaluate.TrainingTask, *arguments: Any) -> evaluate.EvaluatedNetwork:
        global _making
        _making = _stage_of(task.spec)
        try:
            return evaluated(task, *arguments)
        finally:
            _making = ""

    evaluate._evaluated = noting
    for stage, (owner, name) in BEGINS.items():
        setattr(owner, name, _raising(stage, getattr(owner, name)))


def _raising(stage: str, begins: Callable[..., Any]) -> Callable[..., Any]:
    def begin(*arguments: Any, **named: Any) -> Any:
        making = _making
        if stage == "store":
            making = _stage_of(arguments[0].spec)
        elif stage == "measure":
            key, _, stored, *_ = arguments
            making = _stage_of(stored.read_spec(key))
        if making == stage:
            raise ArithmeticError(_said(stage))
        return begins(*arguments, **named)

    return begin


def _stage_of(spec: NetworkSpec) -> str:
    return str(spec.argument_values["stage"])
