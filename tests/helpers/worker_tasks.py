"""What the tests of pools let workers do; imports no torch, so that processes start quickly."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Task = tuple[Any, ...]


class OddError(Exception):
    """Cannot be pickled: its constructor takes what its arguments do not hold."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


@dataclass(frozen=True)
class Work:
    """Does what the task says; notes in a file every time that it arrives in a process."""

    arrivals: Path
    data: bytes = b"x" * 10**6

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        with self.arrivals.open("a") as file:
            file.write(f"{os.getpid()}\n")

    def __call__(self, task: Task) -> Any:
        name, *arguments = task
        return getattr(self, name)(*arguments)

    def square(self, number: int) -> int:
        return number * number

    def pid(self) -> int:
        return os.getpid()

    def threads(self) -> str:
        return os.environ["OMP_NUM_THREADS"]

    def span(self, seconds: float) -> tuple[float, float]:
        start = time.time()
        time.sleep(seconds)
        return start, time.time()

    def note_and_sleep(self, path: str, seconds: float) -> int:
        with open(path, "a") as file:
            file.write(f"{os.getppid()}\n")
        time.sleep(seconds)
        return 7

    def take(self, count: int) -> int:
        block = bytearray(count)
        block[::4096] = b"y" * len(block[::4096])
        time.sleep(10)
        return len(block)

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self) -> None:
        sys.exit(3)

    def torch_threads(self) -> int:
        import torch

        return torch.get_num_threads()

    def diverge(self) -> None:
        from explorer.core.training import TrainingFailedError

        raise TrainingFailedError("diverged: loss nan")

    def stumble(self) -> None:
        raise KeyError("no such key")

    def fail_oddly(self) -> None:
        raise OddError("this", "that")

    def open_file(self) -> Any:
        return open(os.devnull)


def main(folder: Path, scheduler: str | None = None) -> None:
    """A command that waits for its workers, or those of a cluster; started and ended by a test."""
    import worker_tasks

    from explorer.engine.pool.dask import DaskPool, Limits

    with (folder / "mains").open("a") as file:
        file.write(f"{os.getpid()}\n")
    work = worker_tasks.Work(folder / "arrivals")  # a class of __main__ would be unknown to the workers
    with DaskPool[Task, Any](work, workers=1, threads=1, limits=Limits(), scheduler=scheduler) as pool:
        pool.submit(("note_and_sleep", str(folder / "runs"), 60)).result()


if __name__ in {"__main__", "__mp_main__"}:  # the second is its name where a process imports it again
    main(Path(sys.argv[1]), *sys.argv[2:])
