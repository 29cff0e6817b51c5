"""Trainings that fail, and processes that die in the midst of a search."""

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
import torch
from loops import Evaluate, Finished, Killed, Spy, make_loop, proposals, results, silent
from optuna.trial import FrozenTrial, TrialState
from stand_ins import fabricate

from explorer.core.training import TrainingFailedError
from explorer.costs.evaluate import EvaluatedNetwork
from explorer.engine.loop import SearchLoop
from explorer.runs.store import Store
from explorer.space.candidate import NetworkSpec

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")


def dense_fails(spec: NetworkSpec) -> EvaluatedNetwork:
    if not spec.is_sparse:
        raise TrainingFailedError("diverged: loss nan in epoch 1 of 1")
    return fabricate(spec)


def test_failure_is_told_with_its_reason_and_never_repeated(tmp_path: Path) -> None:
    spy = Spy(dense_fails)
    make_loop(tmp_path, spy).run(1, None, silent)
    loop = make_loop(tmp_path, spy)  # another session remembers: two references are the same network
    loop.run(12, None, silent)
    assert set(spy.calls.values()) == {1}
    own = results(loop)
    failed = [trial.state == TrialState.FAIL for trial in loop.study.optuna_study.trials]
    assert failed == [result.outcome == "failed" for result in own]
    assert failed[:5] == [True, False, True, True, True]
    assert {result.reason for result in own if result.outcome == "failed"} == {
        "diverged: loss nan in epoch 1 of 1"
    }
    assert {result.reason for result in own if result.outcome != "failed"} == {""}
    assert len(loop.study.optuna_study.trials) == 12  # failures count
    assert not [key for key in loop.networks.store if not loop.networks.store.read(key).spec.is_sparse]


def has_no_form_as_a_file(spec: NetworkSpec) -> EvaluatedNetwork:
    own = fabricate(spec)
    return replace(own, weights={"weight": torch.eye(3).to_sparse()}) if spec.is_sparse else own


def has_no_points(spec: NetworkSpec) -> EvaluatedNetwork:
    whole = fabricate(spec)
    own = replace(whole.evidence, server_correct_SBN=whole.evidence.server_correct_SBN[:, :, 1:])
    return replace(whole, evidence=own) if spec.is_sparse else whole


@pytest.mark.parametrize("evaluate", [has_no_form_as_a_file, has_no_points])
def test_a_network_that_cannot_be_swept_or_stored_fails_alone(tmp_path: Path, evaluate: Evaluate) -> None:
    loop = make_loop(tmp_path, evaluate)
    loop.run(12, None, silent)
    assert len(loop.study.optuna_study.trials) == 12
    stored = {key: loop.networks.store.read_spec(key) for key in loop.networks.store}
    assert stored
    assert not any(spec.is_sparse for spec in stored.values())
    failed = [result for result in results(loop) if result.outcome == "failed"]
    assert {result.network_key for result in results(loop)} - set(stored) == {
        one.network_key for one in failed
    }
    assert failed
    assert all(one.reason for one in failed)
    assert not list(loop.networks.store.networks.glob(".*"))


def test_a_disk_that_is_full_is_no_failed_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    spy = Spy()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space left on device"):
            make_loop(tmp_path, spy).run(3, None, silent)
    loop = make_loop(tmp_path, spy)
    loop.run(3, None, silent)
    assert {result.outcome for result in results(loop)} <= {"trained", "cached"}


def test_a_defect_is_no_failed_training(tmp_path: Path) -> None:
    def defect(spec: NetworkSpec) -> EvaluatedNetwork:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        make_loop(tmp_path, defect).run(3, None, silent)
    assert not list(Store(tmp_path))


# crashes: in training, while storing, and between storing and telling


def die_in_training(spy: Spy, loop: SearchLoop, patch: pytest.MonkeyPatch, at: int) -> None:
    def dying(spec: NetworkSpec) -> EvaluatedNetwork:
        if len(spy.calls) == at:
            spy.calls[spec.key] -= 1  # was begun, not done
            raise Killed
        return fabricate(spec)

    patch.setattr(spy, "evaluate", dying)


def die_while_storing(spy: Spy, loop: SearchLoop, patch: pytest.MonkeyPatch, at: int) -> None:
    def dying(self: pd.DataFrame, *arguments: Any, **options: Any) -> Any:
        if len(spy.calls) == at:
            (key,) = (key for key in spy.calls if key not in loop.networks.store)
            spy.calls[key] -= 1  # nothing of it was kept
            raise Killed
        return original(self, *arguments, **options)

    original = pd.DataFrame.to_parquet
    patch.setattr(pd.DataFrame, "to_parquet", dying)


def die_before_telling(spy: Spy, loop: SearchLoop, patch: pytest.MonkeyPatch, at: int) -> None:
    def dying(*arguments: Any) -> None:
        original(*arguments)
        if len(spy.calls) == at:
            raise Killed

    original = loop.networks.store.write
    patch.setattr(loop.networks.store, "write", dying)


def die_while_telling(spy: Spy, loop: SearchLoop, patch: pytest.MonkeyPatch, at: int) -> None:
    def dying(trial: optuna.Trial, *arguments: Any, **options: Any) -> FrozenTrial:
        if len(spy.calls) == at:
            raise Killed
        return original(trial, *arguments, **options)

    original = loop.study.optuna_study.tell
    patch.setattr(loop.study.optuna_study, "tell", dying)


@pytest.mark.parametrize("at", [1, 6])  # a reference; a proposal of the sampler
@pytest.mark.parametrize("die", [die_in_training, die_while_storing, die_before_telling, die_while_telling])
def test_resuming_after_a_crash(
    finished: Finished,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    die: Callable[[Spy, SearchLoop, pytest.MonkeyPatch, int], None],
    at: int,
) -> None:
    spy = Spy()
    crashing = make_loop(tmp_path, spy)
    with monkeypatch.context() as patch:
        die(spy, crashing, patch, at)
        with pytest.raises(Killed):
            crashing.run(11, None, silent)
    told = [trial for trial in crashing.study.optuna_study.trials if trial.state == TrialState.COMPLETE]
    assert len(told) < 11

    resumed = make_loop(tmp_path, spy)
    resumed.run(11, None, silent)
    assert [trial.state for trial in resumed.study.optuna_study.trials] == [TrialState.COMPLETE] * 11
    assert set(spy.calls.values()) == {1}
    assert set(spy.calls) == set(resumed.networks.store)
    # the very proposals and values of a search that was never interrupted
    undisturbed = finished[0].study.optuna_study.trials[:11]
    assert proposals(resumed) == [trial.params for trial in undisturbed]
    assert [trial.values for trial in resumed.study.optuna_study.trials] == [
        trial.values for trial in undisturbed
    ]
    assert resumed.networks.archive.hypervolume == pytest.approx(results(finished[0])[10].hypervolume)
