"""Points of a network that the sampler is told of beyond the proposed one."""

from pathlib import Path

import optuna
import pytest
from loops import in_memory, make_loop, proposals, silent
from optuna.samplers import BaseGASampler
from stand_ins import SETTING, fabricate, make_proposer

from explorer.cost import operating_points
from explorer.engine.outcomes import Progress
from explorer.engine.study import RESULT, SIBLING_OF, finished_trials, make_sampler, open_study

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def test_siblings_are_told_but_are_no_proposals(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    loop = make_loop(
        tmp_path, fabricate, study=open_study(url, "run", make_proposer().space.metrics), siblings=3
    )
    shown: list[Progress] = []
    loop.run(8, None, shown.append)
    added = [trial for trial in loop.study.trials if SIBLING_OF in trial.user_attrs]
    assert len(finished_trials(loop.study)) == shown[-1].trials == 8
    assert len(added) > 3
    assert len(optuna.load_study(study_name="run", storage=url).trials) == 8 + len(added)
    for sibling in added:
        proposed = loop.study.trials[sibling.user_attrs[SIBLING_OF]]
        network = {name for name in proposed.params if ".density." in name or name.endswith("hidden")}
        assert {name: sibling.params[name] for name in network} == {
            name: proposed.params[name] for name in network
        }
        stored = loop.networks.store.read(proposed.user_attrs[RESULT]["network_key"])
        points = operating_points(stored.points, stored.splits, stored.num_samples, SETTING)
        told = points[["accuracy", "edge_macs"]].to_numpy().tolist()
        assert sibling.values in told


def test_resumed_search_with_siblings_proposes_the_same(tmp_path: Path) -> None:
    whole = make_loop(tmp_path / "whole", fabricate, "tpe", study=in_memory(), siblings=2)
    whole.run(14, None, silent)
    (tmp_path / "parts").mkdir()
    for trials in (2, 4, 9, 14):
        make_loop(tmp_path / "parts", fabricate, "tpe", siblings=2).run(trials, None, silent)
    again = make_loop(tmp_path / "parts", fabricate, "tpe").study
    assert [trial.params for trial in again.trials] == proposals(whole)


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_nsga_takes_no_added_trial_into_its_generations(name: str) -> None:
    """Why siblings are told to TPE and GP only, or in vain."""
    sampler = make_sampler(name, 0, 0)
    study = optuna.create_study(directions=["maximize"], sampler=sampler)
    asked = study.ask()
    asked.suggest_float("x", 0, 1)
    study.tell(asked, 0.5)
    added = optuna.trial.create_trial(
        params={"x": 0.25}, distributions={"x": optuna.distributions.FloatDistribution(0, 1)}, value=0.9
    )
    study.add_trial(added)
    assert isinstance(sampler, BaseGASampler)
    assert [trial.number for trial in sampler.get_population(study, 0)] == [asked.number]
