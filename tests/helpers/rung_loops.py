"""Loops that train made-up networks in rungs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from loops import in_memory
from stand_ins import SETTING, fabricate, make_proposer

from explorer.core.training_record import TrainingRecord
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask
from explorer.costs.model import CostModel
from explorer.engine.loop import SearchLoop
from explorer.engine.pool.base import SerialPool
from explorer.runs.store import Store

RUNGS = (1, 3, 9)
Train = Callable[[TrainingTask], EvaluatedNetwork]


def trained(task: TrainingTask) -> EvaluatedNetwork:
    """A made-up network that answers more samples right the longer it was trained."""
    whole = fabricate(task.spec)
    begun_at = 0 if task.state is None else int(task.state["epochs"])
    assert begun_at < task.until_epoch
    learned = np.arange(whole.evidence.num_samples) % 9 < task.until_epoch
    evidence = replace(
        whole.evidence,
        exit_correct_SN=whole.evidence.exit_correct_SN & learned,
        server_correct_SBN=whole.evidence.server_correct_SBN & learned,
        output_correct_N=whole.evidence.output_correct_N & learned,
    )
    state = {"epochs": torch.tensor(task.until_epoch)} if task.until_epoch < RUNGS[-1] else None
    record = TrainingRecord(task.until_epoch, 7 * task.until_epoch, 0.1, 1.0)
    return replace(whole, evidence=evidence, training=record, training_state=state)


class Log:
    """Remembers what was trained from where to where."""

    def __init__(self, train: Train = trained) -> None:
        self.train, self.pieces = train, list[tuple[str, int, int]]()

    def __call__(self, task: TrainingTask) -> EvaluatedNetwork:
        begun_at = 0 if task.state is None else int(task.state["epochs"])
        network = self.train(task)
        self.pieces.append((task.spec.key, begun_at, task.until_epoch))
        return network


def make_loop(folder: Path, train: Train, rungs: tuple[int, ...] = RUNGS, **options: Any) -> SearchLoop:
    proposer = make_proposer(training={"epochs": RUNGS[-1]}, **options.pop("space", {}))
    return SearchLoop(
        study=options.pop("study", None) or in_memory(),
        proposer=proposer,
        store=Store(folder),
        costs=CostModel(SETTING),
        pool=SerialPool(train),
        rung_epochs=rungs,
        sampler=options.pop("sampler", "random"),
        seed=0,
        **options,
    )
