"""The same comparison with bytes on sockets: a bundle, its server, its edge, and a paced link between."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

import explorer
from benchmarks.link_policy.compare import MOST_OVER_ORACLE, accuracy_slack
from benchmarks.link_policy.scenarios import HTTP, Scenario, of_run
from explorer.deploy.bundle import Source, build_bundle
from explorer.deploy.link_proxy import LinkProxy
from explorer.runs.front_files import records
from explorer.runs.point_table import FRONT_COLUMNS
from explorer.runs.store import Store
from explorer.runtime.edge.client import Client
from explorer.runtime.edge.edge_runtime import EdgeRuntime
from explorer.runtime.edge.offload import Chooser
from explorer.runtime.manifest import Bundle, load_bundle
from explorer.runtime.policy.policy import Change, Policy
from explorer.runtime.stages import EdgeParts, EdgeResult

DEVICE, LINK = "stm32l4r5", "ble_2m_dle"
_COMPARED, _TIMEOUT_S = 200, 5.0
_AWAKE_S = 2e-4  # timers are late by half of this


@dataclass(frozen=True)
class Live:
    """Mean seconds until an answer, of samples that all ran on the same changing link.

    Attributes:
        name: Network, device and link.
        samples: In all phases together.
        fixed_s: At each point for all samples, by its label.
        oracle_s: At the best point for each rate.
        policy_s: As the policy chose, its probes included.
        accuracy, floor: Share of right answers with the policy, and what it may not fall short of.
        changes: Of the policy.
        probes: Of the policy.
        rounds: Of which these are the medians.
    """

    name: str
    samples: int
    fixed_s: dict[str, float]
    oracle_s: float
    policy_s: float
    accuracy: float
    floor: float
    changes: tuple[Change, ...]
    probes: int
    rounds: int

    def shortfalls(self) -> list[str]:
        """One line per figure that falls short; one round is too noisy to be held beside the oracle."""
        short = []
        if self.rounds > 1 and not self.policy_s <= MOST_OVER_ORACLE * self.oracle_s:
            short.append(f"live: policy takes {self.policy_s / self.oracle_s:.3f} of the oracle's latency")
        short += [
            f"live: policy takes {self.policy_s / seconds:.3f} of the latency of {label}"
            for label, seconds in self.fixed_s.items()
            if not self.policy_s < seconds
        ]
        if self.accuracy < self.floor - accuracy_slack(self.floor, self.samples):
            short.append(f"live: accuracy {self.accuracy:.4f} is below {self.floor:.4f}")
        return short

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"changes": [vars(change) for change in self.changes]}


class SlowParts(EdgeParts):
    """Edge parts that take as long as they would on another device.

    Args:
        bundle: Loaded with its half ``edge``.
        seconds: Of each point's edge part, exit included.
    """

    def __init__(self, bundle: Bundle, seconds: Sequence[float]) -> None:
        super().__init__(bundle)
        self._seconds = seconds

    def run(self, sample: NDArray[np.float32], point: int = 0) -> EdgeResult:
        done = time.perf_counter() + self._seconds[point]
        result = super().run(sample, point)
        time.sleep(max(0.0, done - time.perf_counter() - _AWAKE_S))
        while time.perf_counter() < done:
            pass
        return result


class Told:
    """Chooses what it is told; never probes."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.changes: Sequence[Any] = ()

    def choose(self) -> int:
        return self.place

    def observe(self, sent_bytes: float, seconds: float) -> None: ...

    def failed(self, seconds: float, *, probe: bool = False) -> None: ...

    def probe_bytes(self) -> int:
        return 0

    def observe_probe(self, carried_bytes: float, seconds: float) -> None: ...


def live(run: explorer.Run, samples: int, rounds: int = 1) -> Live:
    """Build a bundle of the network that has most to gain, and run it.

    Args:
        run: Whose networks.
        samples: In each phase.
        rounds: How often everything is run, an odd number; what is told is the median of them.
    """
    results, data = run.results, run.load_data()
    keys = [key for key in results.networks if Store(results.path).has_weights(key)]
    scenario = of_run(results, DEVICE, LINK, 1.0, HTTP, keys)
    key = next(key for key in keys if scenario.name.startswith(key))
    table = results.points.set_index("point_id", drop=False).loc[list(scenario.point_ids)]
    samples_of = (data.raw(data.validation.inputs), data.validation.labels.numpy())
    with tempfile.TemporaryDirectory(prefix="live-") as name:
        folder = Path(name) / "bundle"
        build_bundle(Source.of_run(results, key, data), records(table[FRONT_COLUMNS]), folder, _COMPARED)
        with _server(folder) as port:
            return _Trial(scenario, load_bundle(folder, "edge"), port, samples_of, samples).run(rounds)


class _Trial:
    """The same samples on the same changing link, once for each way to choose the operating point."""

    def __init__(
        self,
        scenario: Scenario,
        bundle: Bundle,
        port: int,
        known: tuple[NDArray[np.float32], NDArray[np.int64]],
        samples: int,
    ) -> None:
        self.scenario, self.bundle, self.port = scenario, bundle, port
        self.phases, self.samples = scenario.phases(samples), samples
        inputs, labels = known
        picked = np.random.default_rng(0).integers(len(labels), size=samples * len(self.phases))
        self.inputs, self.labels = inputs[picked], labels[picked]

    def run(self, rounds: int) -> Live:
        """Every way in turn, ``rounds`` times; what is told of each is its median round."""
        scenario, labels = self.scenario, self.scenario.labels
        fixed_s: dict[str, list[float]] = {label: [] for label in labels}
        oracle_s, policies = list[float](), list[tuple[float, float, Policy]]()
        for _ in range(rounds):
            for place, label in enumerate(labels):
                fixed_s[label].append(self._replay(Told(place))[0])
            oracle_s.append(self._oracle_s())
            policy = Policy(
                scenario.costs,
                accuracy_floor=scenario.floor,
                bits_per_s=scenario.bits_per_s,
                rtt_s=scenario.rtt_s,
            )
            policies.append((*self._replay(policy), policy))
        policy_s, accuracy, policy = sorted(policies, key=lambda told: told[0])[rounds // 2]
        return Live(
            scenario.name,
            len(self.inputs),
            {label: median(seconds) for label, seconds in fixed_s.items()},
            median(oracle_s),
            policy_s,
            accuracy,
            scenario.floor,
            tuple(policy.changes),
            policy.probes,
            rounds,
        )

    def _oracle_s(self) -> float:
        best = []
        for phase in self.phases:
            way = (phase.rtt_s, 8 / phase.bits_per_s, sum(HTTP))
            best.append(int(np.argmin([own.latency_s(*way) for own in self.scenario.costs])))
        oracle = Told(best[0])
        return self._replay(oracle, lambda phase: setattr(oracle, "place", best[phase]))[0]

    def _replay(
        self, chooser: Chooser, enter: Callable[[int], object] = lambda phase: None
    ) -> tuple[float, float]:
        """Mean seconds until an answer, and the share that is right; a probe delays the sample after it."""
        parts = SlowParts(self.bundle, [own.edge_s + own.exit_s for own in self.scenario.costs])
        rate, right = self.phases[0].bits_per_s, 0
        with LinkProxy(self.port, uplink_bits_per_s=rate, rtt_s=self.scenario.rtt_s) as proxy:
            client = Client(f"http://127.0.0.1:{proxy.port}", self.bundle, timeout_s=_TIMEOUT_S)
            edge = EdgeRuntime(self.bundle, client, chooser, parts=parts)
            client.is_ready()  # connected
            begun = time.perf_counter()
            for number, (sample, label) in enumerate(zip(self.inputs, self.labels, strict=True)):
                phase, into = divmod(number, self.samples)
                if into == 0:
                    rate = self.phases[phase].bits_per_s
                    proxy.set_rate(uplink_bits_per_s=rate, downlink_bits_per_s=rate)
                    enter(phase)
                edge.look_at_link()
                right += edge.answer(sample).label == label
            took = time.perf_counter() - begun
            edge.close()
        return took / len(self.inputs), right / len(self.inputs)


@contextmanager
def _server(folder: Path) -> Iterator[int]:
    """``explorer serve`` in a process of its own, ready; gives its port."""
    command = [sys.executable, "-m", "explorer.serve", str(folder), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(Path(explorer.__file__).parent.parent)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    try:
        port = 0
        for line in process.stderr:
            told = json.loads(line)
            port = int(told.get("port", port))
            if told.get("event") == "ready":
                break
        else:
            raise RuntimeError(f"the server ended with exit code {process.wait()}")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield port
    finally:
        process.terminate()
        process.wait()
