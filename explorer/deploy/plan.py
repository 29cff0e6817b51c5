"""What goes into a bundle: operating points of one network, and the files that they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explorer.core.chain import confidence_name, crossing_name, exit_name
from explorer.core.graph.split_points import OUTPUT, SplitPoint
from explorer.core.network import Network
from explorer.core.run_point import RunPoint
from explorer.deploy.policy_points import network_points, useful_points
from explorer.devices import PROTOCOLS
from explorer.errors import UserError
from explorer.front.select import Pick
from explorer.runs.front_files import records
from explorer.runs.point_table import front_columns
from explorer.runs.results import RunResults
from explorer.runtime.stages import CONFIDENCE, CROSSING, INPUT, LOGITS

SLOWER, FASTER = 100.0, 10.0  # than the link of the run, that a policy has points for


@dataclass(frozen=True)
class Stage:
    """One ONNX file: which values of the chain come in and out, see :mod:`explorer.core.chain`.

    Attributes:
        path: In the bundle.
        start: Name in the chain.
        outputs: Names in the file by names in the chain.

    Example:
        >>> Stage("edge/stage-0.onnx", "input", {"crossing.0": "crossing"}).path
        'edge/stage-0.onnx'
    """

    path: str
    start: str
    outputs: Mapping[str, str]


@dataclass(frozen=True)
class StagePlan:
    """The files of a bundle, and which of them each operating point runs.

    Attributes:
        cuts: Split points of the chain, without ``output``.
        edge, server: Files of either half.
        points: Places of edge and of server files, for each operating point.

    Example:
        >>> whole = Stage("edge/stage-0.onnx", "input", {"logits": "crossing"})
        >>> StagePlan(cuts=(), edge=(whole,), server=(), points=(((0,), ()),)).edge[0].path
        'edge/stage-0.onnx'
    """

    cuts: tuple[SplitPoint, ...]
    edge: tuple[Stage, ...]
    server: tuple[Stage, ...]
    points: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]


def plan_stages(network: Network, points: Sequence[RunPoint]) -> StagePlan:
    """Share files among operating points: each file leads from one split point to the next.

    Example:
        >>> from torch import nn, zeros
        >>> backbone = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> network = Network(backbone, zeros(1, 4), num_classes=2, exit_features=4)
        >>> ways = [RunPoint("input", None, 8), RunPoint("1", 0.9, 8), RunPoint.at_output()]
        >>> plan = plan_stages(network, ways)
        >>> [stage.path for stage in plan.server], plan.points[0], plan.points[2]
        (['server/stage-0.onnx', 'server/stage-1.onnx'], ((0,), (0, 1)), ((0, 1, 2), ()))
    """
    used = {point.split_point for point in points}
    cuts = tuple(cut for cut in network.split_points[:-1] if cut.name in used)
    exits = {point.split_point for point in points if point.confidence_threshold is not None}
    edge, server = list[Stage](), list[Stage]()
    for place, cut in enumerate(cuts):
        outputs = {crossing_name(place): CROSSING}
        if cut.name in exits:
            outputs |= {exit_name(place): LOGITS, confidence_name(place): CONFIDENCE}
        edge.append(Stage(f"edge/stage-{place}.onnx", _start(place), outputs))
        after = crossing_name(place + 1) if place + 1 < len(cuts) else LOGITS
        server.append(Stage(f"server/stage-{place}.onnx", crossing_name(place), {after: CROSSING}))
    if OUTPUT in used:
        edge.append(Stage(f"edge/stage-{len(cuts)}.onnx", _start(len(cuts)), {LOGITS: CROSSING}))
    names = [cut.name for cut in cuts]
    ways = []
    for point in points:
        at = len(cuts) if point.split_point == OUTPUT else names.index(point.split_point)
        ways.append((tuple(range(at + 1)), tuple(range(at, len(cuts)))))
    return StagePlan(cuts, tuple(edge), tuple(server), tuple(ways))


def _start(place: int) -> str:
    return crossing_name(place - 1) if place else INPUT


def policy_rows(results: RunResults, pick: Pick, floor: float) -> list[dict[str, Any]]:
    """The picked point, and points of the same network that are faster on a slower or faster link.

    Args:
        results: The run.
        pick: What was picked.
        floor: Accuracy, or other quality of the run, that no point may fall short of, on validation data.

    Raises:
        UserError: The link of the run's setting is not known well enough, or no point keeps the floor.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="policy", workers=1, energy=False, progress=False)
        >>> rows = policy_rows(run.results, run.select(), floor=0.0)
        >>> rows[0]["point_id"] == run.select().point["point_id"], len(rows) >= 1
        (True, True)
    """
    link, found = results.setting.link, row_of(pick)
    if link.uplink_bits_per_s is None or link.rtt_s is None:
        raise UserError(f"--policy: needs a link with a rate and a round-trip time, {link.name} lacks one")
    points, costs = network_points(results, pick.network_key)
    protocol = PROTOCOLS[results.setting.protocol]
    useful = useful_points(
        costs,
        accuracy_floor=floor,
        rtt_s=link.rtt_s,
        slowest_bits_per_s=link.uplink_bits_per_s / SLOWER,
        fastest_bits_per_s=link.uplink_bits_per_s * FASTER,
        protocol_bytes=protocol.overhead_bytes + protocol.answer_bytes,
    )
    others = records(points.iloc[useful][front_columns(points)])
    return [found, *(row for row in others if row["point_id"] != found["point_id"])]


def row_of(pick: Pick) -> dict[str, Any]:
    """The columns of a picked point as plain data.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="row", workers=1, energy=False, progress=False)
        >>> row_of(run.select(minimize="edge_macs"))["split_point"]
        'input'
    """
    (row,) = records(pick.point[front_columns(pick.point.index)].to_frame().T)
    return row
