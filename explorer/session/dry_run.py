"""What a search space contains, printed before anything is trained."""

from typing import Any

from rich.console import Console

from explorer.core.graph.split_points import OUTPUT
from explorer.core.payload import encoded_bytes
from explorer.data.balance import data_notes
from explorer.data.dataset import DataSet
from explorer.errors import printable
from explorer.space.pretrained import origins
from explorer.space.training import TrainingSpec
from explorer.space.variants import Inventory, Variant
from explorer.utils.tables import make_table

_MACS = "edge MACs, dense"


def print_data(data: DataSet, console: Console, quality: str = "accuracy") -> None:
    """Print shape, classes and sizes of the subsets.

    Example:
        >>> from explorer.space.files import load_space, load_space_data
        >>> print_data(load_space_data(load_space("digits")[0], data_dir=None), Console(width=100))
        data: digits, 1 x 8 x 8, 10 classes; 1,037 train, 400 validation, 360 test
    """
    shape = " x ".join(map(str, data.input_shape))
    sizes = ", ".join(f"{len(getattr(data, name)):,} {name}" for name in ("train", "validation", "test"))
    classes = f"{data.num_classes} classes" + (
        f" ({', '.join(data.class_names)})" if data.class_names else ""
    )
    console.print(f"data: {printable(data.name)}, {shape}, {classes}; {sizes}", markup=False, highlight=False)
    for note in data_notes(data, quality):
        console.print(note, markup=False, highlight=False)


def print_inventory(inventory: Inventory, console: Console) -> None:
    """Print junctions with their densities, split points with payload and MACs, and how many networks.

    Example:
        >>> from explorer.space.files import load_space
        >>> from explorer.space.inventory import build_inventory
        >>> inventory = build_inventory(load_space("digits")[0], (1, 8, 8), 10)
        >>> print_inventory(inventory, Console(width=120))
        <BLANKLINE>
        mlp(hidden=[24, 16])
        junction  kind    inputs x outputs  weights  densities
        fc1       Linear  64 x 24             1,536  1/8 1/4 3/8 1/2 5/8 3/4 7/8 1  (of 8 legal)
        ...
        distinct networks: 624
    """
    for variants in inventory.variants.values():
        for variant in variants:
            _print_variant(variant, inventory, console)
    space = inventory.space
    if space.payload.entropy != "none":
        console.print(f"payloads are what {space.payload.entropy} makes of these, never longer")
    console.print(f"patterns: {', '.join(space.patterns)}")
    limits = "; ".join(space.all_constraints) or "none"
    fits = f"must fit the memory of {space.edge_device}" if space.fit == "device" else "need not fit"
    console.print(f"objectives: {', '.join(space.objectives)}; constraints: {limits}; {fits}")
    if space.training.dense_first:
        console.print(_dense_first(space.training), highlight=False)
    console.print(f"distinct networks: {inventory.num_networks:,}", highlight=False)


def _dense_first(training: TrainingSpec) -> str:
    epochs = training.epochs_from_dense if training.start == "dense" else training.epochs
    verbs = ["start"] * (training.start == "dense") + ["learn"] * (training.teacher == "dense")
    return (
        f"training: first the dense network of each variant, {training.epochs} epochs; sparse networks "
        f"{' and '.join(verbs)} from that of their variant, {epochs} epochs"
    )


def _print_variant(variant: Variant, inventory: Inventory, console: Console) -> None:
    console.print(f"\n{printable(variant.name)}", markup=False, style="bold")
    if variant.failure:
        console.print(printable(f"cannot be used: {variant.failure}"), markup=False, highlight=False)
        return
    weights = {j.path: origins(j, variant.densities[j.path], variant.initial) for j in variant.junctions}
    differ = len(set(weights.values())) > 1
    headings = ["kind", "inputs x outputs", "weights", "densities", *["initial weights"] * differ]
    junctions = make_table("junction", *headings, right=["weights"])
    for junction in variant.junctions:
        choices = " ".join(str(density) for density in variant.densities[junction.path])
        junctions.add_row(
            junction.path,
            junction.kind,
            f"{junction.inputs} x {junction.outputs}",
            f"{junction.num_weights:,}",
            junction.stays_dense or f"{choices}  (of {len(junction.legal)} legal)",
            *[weights[junction.path]] * differ,
        )
    console.print(junctions)
    if weights and not differ:
        console.print(f"initial weights of all junctions: {next(iter(weights.values()))}", highlight=False)
    for group, members in variant.groups.items():
        if len(members) > 1:
            console.print(f"one density for {group}: {', '.join(members)}", markup=False, highlight=False)
    bits, ranges = inventory.space.payload_bits, inventory.space.payload.ranges
    sizes_at = [f"payload {b} bits" for b in bits]
    points = make_table("split point", "tensor", *sizes_at, _MACS, right=[*sizes_at, _MACS])
    for point, macs in zip(variant.split_points, variant.macs, strict=True):
        sizes = [
            "-" if point.name == OUTPUT else f"{encoded_bytes(point.payload_elements, b, ranges):,} B"
            for b in bits
        ]
        points.add_row(point.name, " x ".join(map(str, point.shape)), *sizes, f"{macs:,}")
    console.print(points)


def inventory_content(inventory: Inventory, data: DataSet) -> dict[str, Any]:
    """What :func:`print_data` and :func:`print_inventory` print, as plain data.

    Example:
        >>> from explorer.session.options import Options
        >>> from explorer.session.prepare import prepare
        >>> session = prepare(Options(space="digits"))
        >>> content = inventory_content(session.inventory, session.data)
        >>> [variant["name"] for variant in content["variants"]], content["networks"]
        (['mlp(hidden=[24, 16])', 'mlp(hidden=[64, 32])', 'mlp(hidden=[128, 64])',
          'cnn(channels=[8, 16], hidden=32)', 'cnn(channels=[16, 32], hidden=32)'], 624)
    """
    space = inventory.space
    variants = [own for variants in inventory.variants.values() for own in variants]
    return {
        "data": {
            "name": data.name,
            "input_shape": list(data.input_shape),
            "num_classes": data.num_classes,
            "samples": {name: len(getattr(data, name)) for name in ("train", "validation", "test")},
        },
        "variants": [_variant_content(variant, inventory) for variant in variants],
        "patterns": list(space.patterns),
        "objectives": dict(space.objectives),
        "constraints": space.all_constraints,
        "fit": space.fit,
        "training": {
            "start": space.training.start,
            "epochs": space.recipe.epochs,
            "warm_epochs": space.training.epochs_from_dense if space.training.start == "dense" else None,
            "teacher": space.training.teacher,
        },
        "networks": inventory.num_networks,
    }


def _variant_content(variant: Variant, inventory: Inventory) -> dict[str, Any]:
    if variant.failure:
        return {"name": variant.name, "backbone": variant.backbone, "failure": variant.failure}
    bits, ranges = inventory.space.payload_bits, inventory.space.payload.ranges
    return {
        "name": variant.name,
        "backbone": variant.backbone,
        "arguments": variant.arguments,
        "input_pool": variant.input_pool,
        "junctions": [
            {
                "path": junction.path,
                "kind": junction.kind,
                "inputs": junction.inputs,
                "outputs": junction.outputs,
                "weights": junction.num_weights,
                "densities": [str(density) for density in variant.densities[junction.path]],
                "initial_weights": origins(junction, variant.densities[junction.path], variant.initial),
                "stays_dense": junction.stays_dense,
            }
            for junction in variant.junctions
        ],
        "split_points": [
            {
                "name": point.name,
                "shape": list(point.shape),
                "edge_macs_dense": macs,
                "payload_bytes": {}
                if point.name == OUTPUT
                else {str(b): encoded_bytes(point.payload_elements, b, ranges) for b in bits},
            }
            for point, macs in zip(variant.split_points, variant.macs, strict=True)
        ],
    }
