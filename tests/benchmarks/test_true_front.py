"""The benchmark of samplers against tables: its scores by hand, a small table filled, searched, resumed."""

from dataclasses import replace
from math import inf, isnan
from pathlib import Path

import numpy as np
import pytest

from benchmarks.search_efficiency.curves import log_hypervolume
from benchmarks.true_front import __main__ as true_front
from benchmarks.true_front.curves import RANDOM_ORDER, TWO_WORKERS, Curve, Judge
from benchmarks.true_front.noise import share_of_luck
from benchmarks.true_front.scores import figure, regret_table, saved, shortfalls, target_count
from benchmarks.true_front.spaces import EXHAUSTED, SPACES, make_space
from benchmarks.true_front.tables import Table
from explorer.errors import UserError
from explorer.space.inventory import build_inventory
from explorer.space.schema import SearchSpace


def tiny() -> SearchSpace:
    content = make_space("digits").model_dump(mode="json")
    content["backbones"] = {
        "mlp": {
            "factory": "explorer.backbones:mlp",
            "arguments": {"hidden": [[8], [16]]},
            "densities": {"low": 0.2, "high": 1.0, "limit": 3},
        }
    }
    content["training"]["epochs"] = 1
    return SearchSpace.model_validate(content)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    found = Table(tiny(), tmp_path_factory.mktemp("table"), None)
    found.fill(1, lambda done, total: None)
    return found


def test_a_filled_table_holds_every_network_once(table: Table) -> None:
    specs = list(table.networks())
    assert len({spec.key for spec in specs}) == len(specs) == table.inventory.num_networks
    assert table.missing() == []
    assert {network.spec.key for network in table.read_all()} == {spec.key for spec in specs}


def test_a_table_goes_on_where_it_was_left(table: Table, tmp_path: Path) -> None:
    again = Table(tiny(), tmp_path, None)
    some = list(again.networks())[:2]
    for spec in some:
        again.store.write_files(spec.key, table.store.read_files(spec.key))
    reported: list[tuple[int, int]] = []
    again.fill(1, lambda done, total: reported.append((done, total)))
    total = table.inventory.num_networks
    assert reported[0] == (3, total)
    assert reported[-1] == (total, total)


def test_any_search_ends_at_the_front_of_the_table(table: Table) -> None:
    judge = Judge("digits", table)
    every = np.vstack([judge.front(spec)[0] for spec in table.networks()])
    assert judge.best == pytest.approx(log_hypervolume(every, table.space))
    count = table.inventory.num_networks
    curves = [
        judge.random_order(0, count),
        judge.oracle(count),
        judge.search("front", 0, count, 60, "conditional"),
    ]
    for curve in curves:
        assert len(curve.hypervolume) == count
        assert curve.hypervolume[-1] == pytest.approx(judge.best)
        assert list(curve.hypervolume) == sorted(curve.hypervolume)
    assert curves[1].hypervolume[0] == max(
        judge.in_order("one", 0, [spec]).hypervolume[0] for spec in table.networks()
    )
    seconds = sum(judge.front(spec)[1] for spec in table.networks())
    assert curves[0].training_s[-1] == pytest.approx(seconds)


def test_two_workers_try_every_network_once(table: Table) -> None:
    count = table.inventory.num_networks
    curve = Judge("digits", table).search(TWO_WORKERS, 0, count, 60, "conditional")
    assert len(curve.hypervolume) == count
    assert curve.hypervolume[-1] == pytest.approx(Judge("digits", table).best)


def test_luck_is_a_share(table: Table) -> None:
    assert 0 <= share_of_luck(Judge("digits", table)) < 1


def curve(sampler: str, hypervolume: list[float], seed: int = 0, seconds: float = 1.0) -> Curve:
    steps = range(1, len(hypervolume) + 1)
    return Curve(
        "digits",
        sampler,
        seed,
        tuple(hypervolume),
        tuple(seconds * n for n in steps),
        (0.0,) * len(hypervolume),
    )


def rising(first: float, count: int = 200) -> list[float]:
    """0.5 in the end, ``first`` at once."""
    return np.linspace(first, 0.5, count).tolist()


def test_a_curve_is_read_at_networks_and_seconds() -> None:
    own = curve("front", [0.1, 0.3, 0.4], seconds=2.0)
    assert (own.after(2), own.networks_to(0.3), own.networks_to(0.5)) == (0.3, 2.0, inf)
    assert (own.at(1.9), own.at(2.0), own.at(5.9), own.at(6.0)) == (0.0, 0.1, 0.3, 0.4)
    assert isnan(own.at(6.1))
    assert isnan(own.after(4))


def test_the_check_passes_what_keeps_the_promise_and_names_what_does_not() -> None:
    good = [curve("front", rising(0.498)), curve(RANDOM_ORDER, rising(0.3)), curve("tpe", rising(0.4))]
    best, counts = {"digits": 0.5}, {"digits": 100}
    assert saved(good, "digits", 100) == 0.01
    assert shortfalls(good, best, counts) == []
    bad = [replace(good[0], hypervolume=tuple(rising(0.3))), *good[1:]]
    short = shortfalls(bad, best, counts)
    assert any("regret" in line and "after 50 networks" in line for line in short)
    assert any("tpe has" in line and "networks" in line for line in short)
    assert any("random order's networks needed" in line for line in short)


def test_regret_is_what_is_missing_of_the_best() -> None:
    curves = [curve("front", [0.25] * 25, seed) for seed in range(3)]
    (row,) = regret_table(curves, {"digits": 0.5})
    assert row["10"] == {"median": 0.5, "low": 0.5, "high": 0.5}
    assert "50" not in row
    assert len(figure(curves, {"digits": 0.5}).data) == 3


def test_the_target_is_half_of_a_small_space() -> None:
    assert [target_count(count) for count in (216, 624, 10_000)] == [108, 200, 200]


def test_spaces_are_as_large_as_said() -> None:
    shapes = {"digits": (1, 8, 8), "wide": (1, 8, 8)}
    sizes = {
        name: build_inventory(make_space(name), shapes.get(name, (1, 28, 28)), 10).num_networks
        for name in SPACES
    }
    assert sizes["digits"] == 624
    assert sizes["fashion_mlp"] >= 300
    assert sizes["fashion_cnn"] >= 200
    assert sizes["wide"] >= 10_000
    assert set(EXHAUSTED) == set(SPACES) - {"wide"}


def test_seeds_are_checked() -> None:
    with pytest.raises(UserError, match="--seeds: must be at least 1, got 0"):
        true_front.main(["--seeds", "0"])
