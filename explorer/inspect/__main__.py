"""``python -m explorer.inspect FACTORY|SPACE``: split points, junctions and costs of a backbone, drawn."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.errors import EXIT_USER_ERROR, UserError, naming, run_command
from explorer.runs.folder import REPORTS
from explorer.utils.arguments import add_data_options, make_parser, whole_number

if TYPE_CHECKING:
    from explorer.inspect.describe import Backbone

EXAMPLES = """examples:
  explorer inspect my_package.nets:make_net --input-shape 3,32,32
  explorer inspect torchvision.models:resnet18 --input-shape 3,224,224 --num-classes 1000 --json
  explorer inspect digits
"""

_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def main(arguments: Sequence[str] | None = None) -> int:
    """Describe one backbone, or all of a space; 2 if one is refused."""
    return run(make_parser("explorer.inspect", __doc__, EXAMPLES, add_arguments).parse_args(arguments))


def run(parsed: argparse.Namespace) -> int:
    """Describe as parsed arguments say."""
    from rich.console import Console

    from explorer.inspect.page import render_page
    from explorer.inspect.tables import print_backbone

    is_factory = _FACTORY.fullmatch(parsed.what) is not None
    found = _of_factory(parsed) if is_factory else _of_space(parsed)
    if parsed.json:
        content = found[0].to_json() if is_factory else {"backbones": [b.to_json() for b in found]}
        print(json.dumps(content, indent=2))
    else:
        console = Console()
        for backbone in found:
            print_backbone(backbone, console)
        name = parsed.what if is_factory else Path(parsed.what).stem
        path = parsed.html or parsed.reports / "inspect" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_page(found), encoding="utf-8")
        console.print(f"\ndrawing: {path}", markup=False, highlight=False, soft_wrap=True)
    refused = [r["reason"] for b in found for r in b.refusals if r["what"] == "backbone"]
    for reason in refused:
        print(f"error: {reason}", file=sys.stderr)
    return EXIT_USER_ERROR if refused else 0


def _of_factory(parsed: argparse.Namespace) -> list["Backbone"]:
    if parsed.input_shape is None:
        raise UserError(
            f"--input-shape: needed for a factory, such as --input-shape 3,32,32, got {parsed.what!r} alone"
        )
    from explorer.inspect.describe import describe

    classes, tensors = parsed.num_classes or 10, parsed.max_crossing_tensors or 1
    arguments = dict(parsed.argument)
    pool, how = parsed.input_pool or 1, (parsed.what, arguments, parsed.input_shape, classes)
    return [describe(*how, max_crossing_tensors=tensors, input_pool=pool)]


def _of_space(parsed: argparse.Namespace) -> list["Backbone"]:
    from explorer.inspect.describe import describe
    from explorer.space.files import load_space, load_space_data
    from explorer.space.inventory import argument_choices

    for option in ("argument", "input_pool", "max_crossing_tensors"):
        if getattr(parsed, option):
            name = option.replace("_", "-")
            raise UserError(f"--{name}: goes with a factory; a space says it by itself")
    space, _, _ = load_space(parsed.what)
    shape, classes = parsed.input_shape, parsed.num_classes
    if shape is None or classes is None:
        with naming(parsed.what):
            data = load_space_data(space, parsed.data_dir, parsed.max_data_bytes)
        shape, classes = shape or data.input_shape, classes or data.num_classes
    start = space.training.start
    return [
        describe(
            *(spec.factory, chosen, shape, classes, space.patterns[0], spec.max_crossing_tensors),
            *(spec, start, input_pool),
        )
        for spec in space.backbones.values()
        for chosen in argument_choices(spec)
        for input_pool in spec.input_pool
    ]


def _shape(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise argparse.ArgumentTypeError(f"must be whole numbers such as 3,32,32, got {text!r}")
    return tuple(int(extent) for extent in text.split(","))


def _argument(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        raise argparse.ArgumentTypeError(f"must be NAME=JSON such as hidden=[64,32], got {text!r}") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``explorer inspect``."""
    add = parser.add_argument
    add(
        "what",
        metavar="FACTORY|SPACE",
        help="my_package.nets:make_net, a space file, or a shipped space's name",
    )
    add(
        "--input-shape",
        type=_shape,
        metavar="C,H,W",
        help="shape of a sample (a space takes that of its data)",
    )
    add(
        "--num-classes",
        type=whole_number(1),
        metavar="N",
        help="logits (default: 10; a space takes those of its data)",
    )
    add("--argument", type=_argument, action="append", default=[], metavar="NAME=JSON", help="of the factory")
    add("--input-pool", type=whole_number(1), metavar="N", help="average the input over N x N values before")
    add(
        "--max-crossing-tensors", type=whole_number(1), metavar="N", help="tensors sent together (default: 1)"
    )
    add(
        "--json",
        action="store_true",
        help="print split points, junctions and refusals for machines; draw nothing",
    )
    add(
        "--html",
        type=Path,
        metavar="FILE",
        help="where the drawing goes (default: reports/inspect/NAME.html)",
    )
    add_data_options(parser)
    add("--reports", type=Path, default=REPORTS, metavar="DIR", help="where runs and drawings go")


if __name__ == "__main__":
    sys.exit(run_command(main))
