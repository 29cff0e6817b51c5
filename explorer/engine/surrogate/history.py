"""What became of the networks of a search so far, in the order in which their proposals were told."""

from collections import Counter
from collections.abc import Collection, Iterable

from explorer.engine.surrogate.architectures import Architecture
from explorer.engine.surrogate.observation import Observation


class History:
    """Observations and failures.

    An observation counts from when a proposal of its network is told: a search may have been killed in
    between, and shall propose it again. So neither what counts nor its order depends on when the search was
    interrupted, or on who trained what.

    Attributes:
        by_backbone: Observations that count, in their order.
        known: Networks that count or failed.
        told: Keys of networks that proposals were told of.
        passed_over: Networks that could not be run as proposed, which says nothing of other ways.

    Example:
        >>> history = History()
        >>> history.fail(Architecture(0, 0, (1,)))
        >>> history.success_rate(0), history.success_rate(1)
        (0.5, 1.0)
    """

    def __init__(self) -> None:
        self.by_backbone: dict[str, list[Observation]] = {}
        self.known: dict[Architecture, None] = {}
        self.told: dict[str, None] = {}
        self.passed_over: dict[Architecture, None] = {}
        self._observations: dict[str, tuple[str, Observation]] = {}  # with their backbones
        self._tried, self._failed = Counter[int](), Counter[int]()

    def observe(self, key: str, backbone: str, observation: Observation) -> None:
        """Note what a network is like."""
        self._observations[key] = backbone, observation
        if key in self.told:
            self._enter(key)

    def tell(self, key: str) -> None:
        """Note that a proposal of a network was told."""
        if key not in self.told:
            self.told[key] = None
            if key in self._observations:
                self._enter(key)

    def _enter(self, key: str) -> None:
        backbone, observation = self._observations[key]
        self._note(observation.architecture)
        self.by_backbone.setdefault(backbone, []).append(observation)

    def fail(self, architecture: Architecture) -> None:
        """Note that a network cannot be trained."""
        if architecture not in self.known:
            self._note(architecture)
            self._failed[architecture.variant] += 1

    def _note(self, architecture: Architecture) -> None:
        if architecture not in self.known:
            self.known[architecture] = None
            self._tried[architecture.variant] += 1

    def __contains__(self, key: str) -> bool:
        return key in self._observations

    def of(self, keys: Iterable[str]) -> list[Architecture]:
        """Networks by key, sorted; those that were not observed are left out."""
        return [self._observations[key][1].architecture for key in sorted(keys) if key in self]

    def tried(self, variant: int, pending: Collection[Architecture]) -> int:
        """Networks of a variant that are known or pending."""
        return self._tried[variant] + sum(one.variant == variant for one in pending)

    def success_rate(self, variant: int) -> float:
        """Share of a variant's trainings that worked, one imagined success added."""
        return (self._tried[variant] - self._failed[variant] + 1) / (self._tried[variant] + 1)
