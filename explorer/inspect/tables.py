"""A described backbone as tables for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from explorer.inspect.describe import PAYLOAD_BITS, Backbone
from explorer.utils.tables import make_table


def title(backbone: Backbone) -> str:
    """Factory, arguments, pooling and input.

    Example:
        >>> from explorer.inspect.describe import describe
        >>> title(describe("explorer.backbones:mlp", {"hidden": [8]}, (1, 8, 8), num_classes=10))
        'explorer.backbones:mlp(hidden=[8]), input 1 x 8 x 8, 10 classes'
    """
    arguments = ", ".join(f"{name}={value}" for name, value in backbone.arguments.items())
    shape = " x ".join(map(str, backbone.input_shape))
    pooled = f", input pool {backbone.input_pool}" if backbone.input_pool > 1 else ""
    return f"{backbone.factory}({arguments}){pooled}, input {shape}, {backbone.num_classes} classes"


def notes(backbone: Backbone) -> list[str]:
    """What a reader must know of what is not counted, not cut, or refused.

    Example:
        >>> from explorer.inspect.describe import describe
        >>> for note in notes(describe("explorer.backbones:mlp", {"hidden": [8]}, (1, 8, 8), num_classes=10)):
        ...     print(note)
        initial weights of all junctions: drawn by seed
        arithmetic that no MAC count contains: none
        operators that cost no MACs: none
    """
    lines = [
        f"refused: {refusal['what']} {refusal['name']}: {refusal['reason']}" for refusal in backbone.refusals
    ]
    if backbone.traced_by == "torch.export":
        lines.append("traced by torch.export: torch.fx could not")
    lines += [f"left whole, never cut inside: {path}" for path in backbone.opaque]
    if len(origins := _origins(backbone)) == 1:
        lines.append(f"initial weights of all junctions: {origins.pop()}")
    if backbone.split_points:
        lines.append(f"arithmetic that no MAC count contains: {_operators(backbone.uncounted)}")
        lines.append(f"operators that cost no MACs: {_operators(backbone.without_macs)}")
    return lines


def _operators(calls: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({times})" for name, times in calls.items()) or "none"


def tables(backbone: Backbone) -> list[tuple[tuple[str, ...], list[list[str]]]]:
    """Headings and rows of split points, of the stages between them, and of junctions.

    Example:
        >>> from explorer.inspect.describe import describe
        >>> mlp = describe("explorer.backbones:mlp", {"hidden": [8]}, (1, 8, 8), num_classes=10)
        >>> points, stages, junctions = tables(mlp)
        >>> points[0], points[1][1]
        (('split point', 'tensor', 'bytes at 32 bits', 'bytes at 8 bits', 'edge MACs', 'server MACs'),
         ['relu1', '8', '42', '18', '512', '80'])
    """
    sizes = tuple(f"bytes at {bits} bits" for bits in PAYLOAD_BITS)
    points = [
        [point["name"], " x ".join(map(str, point["shape"])), *_payloads(point)]
        + [f"{point[side]:,}" for side in ("edge_macs", "server_macs")]
        for point in backbone.split_points
    ]
    headings: tuple[str, ...] = ("junction", "kind", "inputs x outputs", "weights", "legal densities")
    if len(_origins(backbone)) > 1:
        headings += ("initial weights",)
    stages = [
        [f"{stage['start']} -> {stage['end']}"]
        + [f"{stage[key]:,}" for key in ("macs", "param_bytes", "peak_activation_bytes")]
        for stage in backbone.stages
    ]
    return [
        (("split point", "tensor", *sizes, "edge MACs", "server MACs"), points),
        (("stage", "MACs", "parameter bytes", "peak activation bytes"), stages),
        (headings, _junction_rows(backbone)),
    ]


def attributes(value: Mapping[str, Any], values: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What is known of one value and of the layer that computes it; what is not known is left out.

    Args:
        value: One of ``values``.
        values: All of the backbone, in order.

    Example:
        >>> from explorer.inspect.describe import describe
        >>> mlp = describe("explorer.backbones:mlp", {"hidden": [8]}, (1, 8, 8), num_classes=10)
        >>> for name, text in attributes(mlp.values[2], mlp.values):
        ...     print(f"{name}: {text}")
        Path: fc1
        Layer: Linear(in_features=64, out_features=8, bias=True)
        Parameters: 520
        Computed from: flatten
        Output: 8
        Output bytes: 32
        MACs: 512
    """
    paths = {own["name"]: own["path"] for own in values}
    known = [
        ("Path", value["path"]),
        ("Layer", value["layer"]),
        ("Parameters", f"{value['parameters']:,}" if value["parameters"] else ""),
        ("Computed from", ", ".join(paths[name] for name in value["inputs"])),
        ("Output", " x ".join(map(str, value["shape"])) or "several tensors"),
        ("Output bytes", f"{value['size_bytes']:,}"),
        ("MACs", f"{value['macs']:,}" if value["macs"] else ""),
        ("Shares the memory of", paths.get(value["view_of"], "")),
        ("Split point", value["split_point"]),
    ]
    return [(name, text) for name, text in known if text]


def _payloads(point: Mapping[str, Any]) -> list[str]:
    sizes = point["payload_bytes"]
    return [f"{sizes[str(bits)]:,}" if sizes else "-" for bits in PAYLOAD_BITS]


def _junction_rows(backbone: Backbone) -> list[list[str]]:
    return [
        [
            junction["path"],
            junction["kind"],
            f"{junction['inputs']} x {junction['outputs']}",
            f"{junction['num_weights']:,}",
            (junction["stays_dense"] and f"stays dense: {junction['stays_dense']}")
            or _shortened(junction["legal_densities"]),
            *([junction["initial_weights"]] if len(_origins(backbone)) > 1 else []),
        ]
        for junction in backbone.junctions
    ]


def _origins(backbone: Backbone) -> set[str]:
    """Where initial weights come from, each answer once."""
    return {junction["initial_weights"] for junction in backbone.junctions}


def _shortened(densities: list[str]) -> str:
    if len(densities) <= 6:
        return " ".join(densities)
    return f"{' '.join(densities[:3])} .. {densities[-1]} ({len(densities)})"


def print_backbone(backbone: Backbone, console: Console) -> None:
    """Print split points with the stages before them, junctions, and notes.

    Example:
        >>> from explorer.inspect.describe import describe
        >>> mlp = describe("explorer.backbones:mlp", {"hidden": [8]}, (1, 8, 8), num_classes=10)
        >>> print_backbone(mlp, Console(width=100))
        <BLANKLINE>
        explorer.backbones:mlp(hidden=[8]), input 1 x 8 x 8, 10 classes
        split point  tensor     bytes at 32 bits  bytes at 8 bits  edge MACs  server MACs
        input        1 x 8 x 8  266               74               0          592
        relu1        8          42                18               512        80
        output       10         -                 -                592        0
        stage            MACs  parameter bytes  peak activation bytes
        input -> relu1   512   2,080            288
        relu1 -> output  80    360              72
        junction    kind    inputs x outputs  weights  legal densities
        fc1         Linear  64 x 8            512      1/8 1/4 3/8 .. 1 (8)
        classifier  Linear  8 x 10            80       1/2 1
        initial weights of all junctions: drawn by seed
        arithmetic that no MAC count contains: none
        operators that cost no MACs: none
    """
    console.print(f"\n{title(backbone)}", markup=False, style="bold", highlight=False)
    for headings, rows in tables(backbone):
        table = make_table(*headings)
        for row in rows:
            table.add_row(*map(Text, row))
        if rows:
            console.print(table)
    for note in notes(backbone):
        console.print(note, markup=False, highlight=False)
