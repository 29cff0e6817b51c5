"""Constraints that a candidate violates whatever its training gives: costs are known before it."""

from collections.abc import Sequence

import pandas as pd

from explorer.candidate import Candidate, NetworkSpec
from explorer.core.split_points import OUTPUT
from explorer.cost import Setting, operating_points
from explorer.evaluate import costs_before_training
from explorer.objectives import Constraint
from explorer.profile.payload import PayloadForm, least_encoded_bytes
from explorer.split_costs import SplitCosts
from explorer.variants import Inventory

LEARNED = ("accuracy", "exit_rate")  # columns that say nothing before training


class CostCheck:
    """Looks up what candidates of one inventory cost at least.

    Args:
        inventory: Gives the shapes to build networks with.
        constraints: Those on accuracy or exit rate are passed over.
        setting: Devices and link of the modelled costs.
    """

    def __init__(self, inventory: Inventory, constraints: Sequence[Constraint], setting: Setting) -> None:
        self.inventory, self.setting = inventory, setting
        self.constraints = [constraint for constraint in constraints if constraint.column not in LEARNED]
        self._splits: dict[str, tuple[SplitCosts, ...]] = {}

    def violations(self, candidate: Candidate) -> dict[str, float]:
        """Relative violation of each constraint that the candidate violates at every offload rate."""
        if not self.constraints:
            return {}
        form = self.inventory.space.readout.payload
        bounds = extreme_points(candidate, self._costs(candidate.network), form, self.setting)
        least = {
            str(constraint): min(constraint.violation(float(cost)) for cost in bounds[constraint.column])
            for constraint in self.constraints
        }
        return {constraint: violation for constraint, violation in least.items() if violation > 0}

    def _costs(self, spec: NetworkSpec) -> tuple[SplitCosts, ...]:
        if spec.key not in self._splits:
            shape, num_classes = self.inventory.input_shape, self.inventory.num_classes
            ranges = self.inventory.space.payload.ranges
            self._splits[spec.key] = costs_before_training(spec, shape, num_classes, ranges)
        return self._splits[spec.key]


def extreme_points(
    candidate: Candidate, splits: Sequence[SplitCosts], form: PayloadForm, setting: Setting
) -> pd.DataFrame:
    """The candidate as operating points at the offload rates 0 and 1, between which every cost is monotone.

    At ``output``, and without exit classifier, the rate is known and there is one point. Columns that follow
    from training mean nothing.
    """
    always = candidate.split_point == OUTPUT
    exited = [1] if always else [0] if candidate.confidence_threshold is None else [0, 1]
    rows = pd.DataFrame({"exited": exited, "correct": 0, "split_point": candidate.split_point})
    rows["payload_bits"] = pd.array([candidate.payload_bits] * len(rows), dtype="Int64")
    rows["confidence_threshold"] = pd.array([candidate.confidence_threshold] * len(rows), dtype="float64")
    elements = next(split.payload_elements for split in splits if split.name == candidate.split_point)
    bits = candidate.payload_bits
    message_bytes = 0 if bits is None else least_encoded_bytes(elements, bits, form)
    rows["sent_bytes"] = (1 - rows["exited"]) * message_bytes
    return operating_points(rows, splits, 1, setting)
