"""What is trained beside new proposals: dense networks that some wait for, and networks that were lost."""

from collections.abc import Callable, Sequence

import optuna

from explorer.costs.evaluate import TrainingTask
from explorer.engine.networks import NetworkRegistry
from explorer.space.candidate import Candidate, NetworkSpec

Waiting = list[tuple[optuna.Trial, Candidate]]


class Backlog:
    """Proposals whose networks start or learn from dense ones, and networks that are stored no longer.

    Args:
        networks: Says what is trained, what has failed, and what another process holds.
        lost: Networks to train anew, dense ones first.
        sync: Enters what other processes have trained meanwhile.

    Example:
        >>> from pathlib import Path
        >>> from explorer.costs.model import CostModel
        >>> from explorer.devices import Setting
        >>> from explorer.engine.proposals import Proposer
        >>> from explorer.engine.storage.locks import LocalLocks
        >>> from explorer.engine.storage.network_sync import NoSync
        >>> from explorer.runs.store import Store
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> space, costs = load_space("digits")[0], CostModel(Setting.load("rpi4", "nvidia_t4", "lte_2021"))
        >>> inventory = build_inventory(space, (1, 8, 8), 10)
        >>> small = inventory.variants["mlp"][0]
        >>> lost = Proposer(inventory, {}).network(small, "block", small.densest)
        >>> networks = NetworkRegistry(Store(Path()), space, costs, (1, 10), LocalLocks(), NoSync())
        >>> task = Backlog(networks, [lost], sync=lambda: None).lost_task()
        >>> task.spec == lost, task.until_epoch
        (True, 1)
    """

    def __init__(
        self, networks: NetworkRegistry, lost: Sequence[NetworkSpec], sync: Callable[[], object]
    ) -> None:
        self._networks, self._lost, self._sync = networks, list(lost), sync
        self._waiting: Waiting = []

    def __len__(self) -> int:
        """Proposals that wait for dense networks."""
        return len(self._waiting)

    def add(self, trial: optuna.Trial, candidate: Candidate) -> None:
        """Let a proposal wait for the dense network that its own needs."""
        self._waiting.append((trial, candidate))

    def pop_ready(self) -> tuple[optuna.Trial, Candidate] | None:
        """A proposal that waited for a dense network which is trained now, or has failed."""
        for place, (_, candidate) in enumerate(self._waiting):
            if self._networks.awaited(candidate.network) is None:
                return self._waiting.pop(place)
        return None

    def dense_task(self) -> TrainingTask | None:
        """Training of a dense network that proposals wait for, unless it is under way, here or elsewhere."""
        for _, candidate in self._waiting:
            dense = self._networks.awaited(candidate.network)
            if dense is not None and self._networks.lock(dense.key):
                self._sync()  # it may have been trained since the last look
                if self._networks.awaited(candidate.network) is not None:
                    return self._networks.task(dense)
                self._networks.unlock(dense.key)
        return None

    def lost_task(self) -> TrainingTask | None:
        """Training of a network that was lost; one that needs a dense network waits for it."""
        while self._lost and self._networks.awaited(self._lost[0]) is None:
            spec = self._lost.pop(0)
            if self._networks.start_failure(spec) or not self._networks.lock(spec.key):
                continue  # it cannot be trained, or is being trained
            self._sync()
            if spec.key not in self._networks:
                return self._networks.task(spec)
            self._networks.unlock(spec.key)
        return None
