"""What a search space contains, printed before anything is trained."""

from rich.console import Console
from rich.table import Column, Table

from explorer.core.split_points import OUTPUT
from explorer.data import DataSet
from explorer.pretrained import origins
from explorer.profile.payload import encoded_bytes
from explorer.variants import Inventory, Variant

IMBALANCE_NOTED = 1.5  # largest by smallest class
IMBALANCED = "classes are imbalanced"


def print_data(data: DataSet, console: Console) -> None:
    """Print shape, classes and sizes of the subsets."""
    shape = " x ".join(map(str, data.input_shape))
    sizes = ", ".join(f"{len(getattr(data, name)):,} {name}" for name in ("train", "validation", "test"))
    classes = f"{data.num_classes} classes" + (
        f" ({', '.join(data.class_names)})" if data.class_names else ""
    )
    console.print(f"data: {data.name}, {shape}, {classes}; {sizes}", markup=False, highlight=False)
    if note := imbalance_note(data):
        console.print(note, markup=False, highlight=False)


def imbalance_note(data: DataSet) -> str:
    """What a reader should know when classes differ in size by a third or more; else empty."""
    counts = data.class_counts()["train"]
    smallest, largest = min(counts), max(counts)
    if smallest * IMBALANCE_NOTED > largest:
        return ""
    majority = max(data.class_counts()["validation"]) / len(data.validation)
    return (
        f"{IMBALANCED}: {smallest} to {largest} training samples per class; always answering one"
        f" class is right on {majority:.1%} of the validation subset"
    )


def print_inventory(inventory: Inventory, console: Console) -> None:
    """Print junctions with their densities, split points with payload and MACs, and how many networks."""
    for variants in inventory.variants.values():
        for variant in variants:
            _print_variant(variant, inventory, console)
    space = inventory.space
    if space.payload.entropy != "none":
        console.print(f"payloads are what {space.payload.entropy} makes of these, never longer")
    console.print(f"patterns: {', '.join(space.patterns)}")
    console.print(
        f"objectives: {', '.join(space.objectives)}; constraints: {'; '.join(space.constraints) or 'none'}"
    )
    console.print(f"distinct networks: {inventory.num_networks:,}", highlight=False)


def _print_variant(variant: Variant, inventory: Inventory, console: Console) -> None:
    console.print(f"\n{variant.name}", markup=False, style="bold")
    if variant.failure:
        console.print(f"cannot be used: {variant.failure}", markup=False, highlight=False)
        return
    weights = {j.path: origins(j, variant.densities[j.path], variant.initial) for j in variant.junctions}
    differ = len(set(weights.values())) > 1
    headings = ["kind", "inputs x outputs", "weights", "densities", *["initial weights"] * differ]
    junctions = Table(Column("junction", no_wrap=True), *headings, box=None, title_justify="left")
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
    points = Table(
        Column("split point", no_wrap=True),
        "tensor",
        *(f"payload {b} bits" for b in bits),
        "edge MACs, dense",
        box=None,
    )
    for point, macs in zip(variant.split_points, variant.macs, strict=True):
        sizes = [
            "-" if point.name == OUTPUT else f"{encoded_bytes(point.payload_elements, b, ranges):,} B"
            for b in bits
        ]
        points.add_row(point.name, " x ".join(map(str, point.shape)), *sizes, f"{macs:,}")
    console.print(points)
