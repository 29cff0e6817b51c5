"""A small search over pooled inputs: what its tables, page and commands say of them."""

from math import log
from pathlib import Path
from typing import Any

import pytest
import yaml

from explorer import run_search
from explorer.deploy.__main__ import main as deploy
from explorer.pick import main as pick
from explorer.report.embedded import embedded_run
from explorer.run import Run
from explorer.session.options import Options
from explorer.session.prepare import prepare
from explorer.session.summary import _notes
from explorer.space.files import load_space

NAME = "pooled"


def space(**backbone: Any) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(load_space("digits")[1])
    content["data"] |= {"train_samples": 200, "validation_samples": 100, "test_samples": 50}
    content["training"]["epochs"] = 1
    own = {"factory": "explorer.backbones:mlp", "arguments": {"hidden": [[6], [32]]}}
    return content | {"backbones": {"mlp": own | backbone}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    how: dict[str, Any] = {"trials": 6, "name": NAME, "reports": tmp_path_factory.mktemp("reports")}
    return run_search(space(input_pool=[1, 2]), **how, workers=1, energy=False, progress=False)


def test_the_rival_is_among_the_references(run: Run) -> None:
    points = run.points
    (rival,) = points[points["reference"].str.contains("small_dense_pooled")].to_dict("records")
    networks = run.results.networks
    (sparse,) = points[points["reference"].str.contains("large_sparse")]["network_key"]
    densities = dict(networks[sparse].spec.densities)
    kept = 64 * 32 * densities["fc1"] + 32 * 10 * densities["classifier"]
    dense = {6: 16 * 6 + 6 * 10, 32: 16 * 32 + 32 * 10}  # weights on a pooled input of 4 x 4, by hidden units
    nearest = min(dense, key=lambda hidden: abs(log(dense[hidden] / kept)))
    spec = networks[rival["network_key"]].spec
    assert (spec.argument_values, spec.input_pool, spec.is_sparse) == ({"hidden": [nearest]}, 2, False)
    assert not any("small_dense_pooled" in note for note in run.results.record.notes)


def test_the_page_has_a_column_of_pools(run: Run) -> None:
    arguments = embedded_run(run.results)["networks"]["arguments"]
    assert {own["input pool"] for own in arguments} == {1, 2}


def test_pick_names_the_pool_and_deploy_proves_it(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = run.points
    own = points[points["reference"].str.contains("small_dense_pooled")].iloc[0]
    where = ["--reports", str(run.path.parent)]
    assert pick([NAME, "--id", own["point_id"], "--no-picture", *where]) == 0
    assert " input pool 2 on the edge, dense" in capsys.readouterr().out
    assert deploy([NAME, "--point", own["point_id"], "--out", str(tmp_path / "bundle"), *where]) == 0


@pytest.mark.parametrize(("pools", "told"), [([1], True), ([1, 2], False)])
def test_a_space_without_pooling_is_told_that_the_rival_is_missing(
    pools: list[int], told: bool, tmp_path: Path
) -> None:
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(space(input_pool=pools)), encoding="utf-8")
    session = prepare(Options(space=str(tmp_path / "space.yaml"), reports=tmp_path))
    said = "mlp: no reference small_dense_pooled, since backbones.mlp.input_pool offers nothing above 1"
    assert (said in _notes(session)) == told
