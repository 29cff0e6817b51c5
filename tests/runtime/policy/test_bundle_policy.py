"""The policy of a bundle: what its points cost here, and that the edge follows it."""

import logging
from pathlib import Path

import pytest
from bundles import TinyPoint, tiny_bundle, tiny_samples

from explorer import edge
from explorer.runtime.edge.client import Client
from explorer.runtime.edge.edge_runtime import EdgeRuntime, open_edge
from explorer.runtime.errors import UserError
from explorer.runtime.manifest import load_bundle
from explorer.runtime.policy.bundle_policy import bundle_policy
from explorer.runtime.policy.point_costs import PointCosts
from explorer.runtime.policy.policy import Policy
from explorer.runtime.stages import EdgeParts

EARLY = TinyPoint("input", threshold=None, bits=16, accuracy=0.95)
EXITS = TinyPoint(threshold=0.5, accuracy=0.9)
ALONE = TinyPoint("output", threshold=None, accuracy=0.6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("policy") / "b", EARLY, EXITS, ALONE)


def test_costs_are_timed_here_and_the_rest_is_what_the_bundle_says(folder: Path) -> None:
    bundle = load_bundle(folder, "edge")
    policy = bundle_policy(EdgeParts(bundle))
    early, exits, alone = policy.points
    assert all(0 < point.edge_s < 0.01 for point in policy.points)
    assert 0 < early.encode_s < 0.01
    assert (alone.encode_s, alone.offload_rate, alone.message_bytes, alone.server_s) == (0, 0, 0, 0)
    assert [point.accuracy for point in policy.points] == [0.95, 0.9, 0.6]
    assert (early.offload_rate, early.message_bytes) == (1.0, 10 + 16 * 16 / 8)
    assert exits.offload_rate == pytest.approx(1 - bundle.points[1].exit_rate)
    assert 0 < exits.offload_rate < 1
    assert exits.server_s == pytest.approx(8 * 3 / 1e9)  # MAC of the server part at a rate of 1e9 a second
    assert (policy.link.bits_per_s, policy.link.rtt_s) == pytest.approx((2e6, 0.01))


@pytest.mark.parametrize(("floor", "expected"), [(0.0, 2), (0.8, 1), (0.92, 0)])
def test_the_best_point_that_keeps_the_floor_is_chosen(folder: Path, floor: float, expected: int) -> None:
    parts = EdgeParts(load_bundle(folder, "edge"))
    assert bundle_policy(parts, accuracy_floor=floor).choose() == expected


def test_one_point_is_no_choice(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "b", EXITS)
    with pytest.raises(UserError, match="--policy needs several operating points, this bundle has one"):
        bundle_policy(EdgeParts(load_bundle(folder, "edge")))


def test_command_and_class_take_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = f"npz:{folder / 'check' / 'samples.npz'}"
    assert edge.main([str(folder), "--data", data, "--policy", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all('"point": "tiny-2"' in line for line in lines[:-1])
    assert open_edge(folder, policy=True).answer(tiny_samples(1)[0]).point == 2


def test_changes_are_logged_with_their_reason(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bundle = load_bundle(folder, "edge")
    times = {"exit_s": 0.0, "encode_s": 0.0, "server_s": 0.0, "accuracy": 0.9, "message_bytes": 42.0}
    costs = [
        PointCosts(edge_s=0.001, offload_rate=1.0, **times),
        PointCosts(edge_s=9.0, offload_rate=0.1, **times),
    ]
    policy = Policy(costs, bits_per_s=1e6, rtt_s=0.01)  # sends all, until nobody answers
    running = EdgeRuntime(bundle, Client("http://127.0.0.1:1", bundle), policy)
    answers = [running.answer(sample) for sample in tiny_samples(40)]
    assert [answer.point for answer in answers[2:]] == [1] * 38  # which has an exit
    assert {answer.source for answer in answers} == {"exit", "edge_fallback"}
    told = [record.message for record in caplog.records if record.message.startswith("from sample")]
    assert told == ["from sample 3 on tiny-1 instead of tiny-0: the link failed (1e+06 bit/s, 0.01 s)"]
