"""What goes into a bundle: operating points of one network, and the files that they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explorer.core.graph.split_points import OUTPUT, SplitPoint
from explorer.core.network import Network
from explorer.core.run_point import RunPoint
from explorer.core.sweep import is_deployable
from explorer.deploy.chain import confidence_name, crossing_name, exit_name
from explorer.front.select import Pick
from explorer.runs.results import FRONT_COLUMNS, RunResults, records
from explorer.runtime.stages import CONFIDENCE, CROSSING, INPUT, LOGITS

RATES = (1.0, 0.3, 0.1, 0.03, 0.01, 3.0, 10.0)  # of the link, for whose sake a policy has points


@dataclass(frozen=True)
class Stage:
    """One ONNX file: which values of the chain come in and out, see :mod:`explorer.deploy.chain`.

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
        floor: Accuracy that no point may fall short of, on the validation subset.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="policy", workers=1, energy=False, progress=False)
        >>> rows = policy_rows(run.results, run.select(), floor=0.0)
        >>> rows[0]["point_id"] == run.select().point["point_id"], len(rows) >= 1
        (True, True)
    """
    found = row_of(pick)
    rows, rate = {found["point_id"]: found}, results.setting.link.uplink_bits_per_s
    for factor in RATES if rate is not None else ():
        assert rate is not None
        setting = results.setting.with_changes([f"link.uplink_bits_per_s={rate * factor!r}"])
        points = results.with_setting(setting).points
        own = points[(points["network_key"] == pick.network_key) & (points["accuracy"] >= floor)]
        own = own[is_deployable(own)].dropna(subset="latency_model_s")
        if not own.empty:
            best = str(own["point_id"].iloc[int(own["latency_model_s"].argmin())])
            (known,) = records(results.points.loc[results.points["point_id"] == best, FRONT_COLUMNS])
            rows.setdefault(best, known)
    return list(rows.values())


def row_of(pick: Pick) -> dict[str, Any]:
    """The columns of a picked point as plain data.

    Example:
        >>> from explorer import run_search
        >>> run = run_search("digits", trials=1, name="row", workers=1, energy=False, progress=False)
        >>> row_of(run.select(minimize="edge_macs"))["split_point"]
        'input'
    """
    (row,) = records(pick.point[FRONT_COLUMNS].to_frame().T)
    return row
