"""Which edge parts of a space there is C in int8 for: said before anything is trained."""

from collections.abc import Iterator

from explorer.core.calibration import uncalibrated
from explorer.core.failures import failing_alone
from explorer.core.run_point import INT8
from explorer.core.training import TrainingFailedError
from explorer.costs.build import build_network
from explorer.data.dataset import DataSet
from explorer.engine.proposals import Proposer
from explorer.errors import UserError
from explorer.microcontroller.int8_edge import refusals
from explorer.space.variants import Inventory, Variant


def without_code(inventory: Inventory, data: DataSet) -> tuple[str, ...]:
    """One sentence for each variant of whose edge parts some have no C in int8; none where none is asked for.

    Args:
        inventory: Variants of the space.
        data: Some of its training samples are run.

    Raises:
        UserError: No layer of any variant may run in int8.

    Example:
        >>> from explorer.space.files import load_space, load_space_data
        >>> from explorer.space.inventory import build_inventory
        >>> space = load_space("digits_stm32")[0]
        >>> data = load_space_data(space, data_dir=None)
        >>> without_code(build_inventory(space, (1, 8, 8), 10), data)
        ()
    """
    if INT8 not in inventory.space.edge_weight_bits:
        return ()
    proposer, found = Proposer(inventory, {}), dict[str, tuple[Variant, dict[str, str]]]()
    for variant in _usable(inventory):
        spec = proposer.network(variant, inventory.space.patterns[0], variant.densest)
        try:
            with failing_alone():
                network = build_network(spec, data.input_shape, data.num_classes, probe=False).eval()
                names = [point.name for point in network.split_points]
                why = refusals(network, data, uncalibrated(names, inventory.space.payload_bits))
        except TrainingFailedError:
            continue  # its training says so, and why
        own = {point.name: why[point.name] for point in variant.split_points if point.name in why}
        found[variant.name] = variant, own
    if found and all(len(own) >= len(variant.split_points) - 1 for variant, own in found.values()):
        reason = next(iter(next(iter(found.values()))[1].values()))
        raise UserError(f"edge_weight_bits: 8 needs an edge part that there is C for: {reason}")
    return tuple(_sentence(variant, own) for variant, own in found.values() if own)


def _usable(inventory: Inventory) -> Iterator[Variant]:
    for backbone in inventory.variants:
        yield from inventory.usable(backbone)


def _sentence(variant: Variant, why: dict[str, str]) -> str:
    (_, reason), *_ = why.items()
    return f"{variant.name} has no edge part in int8 at {', '.join(why)}: {reason}"
