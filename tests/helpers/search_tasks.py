"""Trainings that misbehave once each, for searches with worker processes."""

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from stand_ins import fabricate

from explorer.core.training_record import TrainingRecord
from explorer.costs.evaluate import EvaluatedNetwork, TrainingTask

COMPLETE = 9  # epochs


@dataclass(frozen=True)
class Trainings:
    """Makes networks up; the first tasks to come do each of ``deeds`` once. Notes every task that ends."""

    folder: Path
    deeds: tuple[str, ...] = ()

    def __call__(self, task: TrainingTask) -> EvaluatedNetwork:
        for deed in self.deeds:
            if self._first(deed):
                getattr(self, deed)()
        time.sleep(0.05)
        if task.state is not None:
            assert int(task.state["epochs"]) < task.until_epoch
        state = {"epochs": torch.tensor(task.until_epoch)} if task.until_epoch < COMPLETE else None
        record = TrainingRecord(task.until_epoch, 7, 0.1, 1.0)
        with (self.folder / "ended").open("a") as file:
            file.write(f"{task.spec.key} {task.until_epoch}\n")
        return replace(fabricate(task.spec), training=record, training_state=state)

    def _first(self, deed: str) -> bool:
        try:
            (self.folder / deed).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def hang(self) -> None:
        time.sleep(60)

    def take_too_much(self) -> None:
        block = bytearray(16 * 10**8)
        block[::4096] = b"y" * len(block[::4096])
        time.sleep(10)
