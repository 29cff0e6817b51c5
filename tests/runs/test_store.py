"""The store: what is written comes back, a network is there whole or not at all."""

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from stand_ins import fabricate, make_proposer

from explorer.core.calibration import Calibration, InferenceConfig
from explorer.core.evidence import Answers
from explorer.core.payload import PayloadForm
from explorer.core.payload_ranges import fitted_codec
from explorer.core.quality import Quality
from explorer.core.sweep import sweep
from explorer.costs.evaluate import EvaluatedNetwork
from explorer.errors import UserError
from explorer.runs.network_files import evidence_content, parse_evidence
from explorer.runs.record import SCHEMA_VERSION
from explorer.runs.sealed import DamagedError
from explorer.runs.store import Store


def network(variant: int = 0) -> EvaluatedNetwork:
    proposer = make_proposer()
    chosen = proposer.inventory.variants["mlp"][variant]
    densities = {path: choices[0] for path, choices in chosen.densities.items()}
    return fabricate(proposer.network(chosen, "block", densities))


def points(of: EvaluatedNetwork) -> pd.DataFrame:
    return sweep(of.evidence, 0.0, 1.0)


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Store, EvaluatedNetwork]:
    store, own = Store(tmp_path), network()
    store.write(own, points(own))
    return store, own


Stored = tuple[Store, EvaluatedNetwork]


def called(step: str) -> str:
    """Where a step of writing is called."""
    module = "store" if step in ("tensors_content", "evidence_content") else "network_folders"
    return f"explorer.runs.{module}.{step}"


def test_round_trip(stored: Stored) -> None:
    _, own = stored
    store = Store(stored[0].run)  # as another process would
    key = own.spec.key
    assert list(store) == [key]
    assert key in store
    back = store.read(key)
    assert back.spec == own.spec
    assert back.splits == own.splits
    assert back.training == own.training
    assert back.num_samples == 40
    assert back.placement_checksum == 123
    assert back.uncounted == {"aten::add": 2}
    pd.testing.assert_frame_equal(back.points, points(own))
    weights = store.read_weights(key)
    assert weights.keys() == own.weights.keys()
    assert all(torch.equal(weights[name], own.weights[name]) for name in weights)
    assert torch.equal(store.read_logits(key), own.logits)
    assert store.read_spec(key) == own.spec


def test_evidence_round_trip(stored: Stored) -> None:
    store, own = stored
    evidence = store.read_evidence(own.spec.key)
    for field in dataclasses.fields(evidence):
        expected, got = getattr(own.evidence, field.name), getattr(evidence, field.name)
        assert type(got) is type(expected)
        if isinstance(expected, np.ndarray):
            assert got.dtype == expected.dtype
            assert np.array_equal(got, expected)
        else:
            assert got == expected
    pd.testing.assert_frame_equal(sweep(evidence, 0.2, 0.9), sweep(own.evidence, 0.2, 0.9))


def test_evidence_keeps_what_was_answered_where_that_is_known(stored: Stored) -> None:
    _, own = stored
    answered, shapes = np.arange(24, dtype=np.uint8), ((2, 12), (1, 2, 12), (24,))
    answers = Answers(*(answered.reshape(shape) for shape in shapes))
    quality = Quality("balanced_accuracy")
    content = evidence_content(dataclasses.replace(own.evidence, answers=answers))
    evidence = parse_evidence(content, Path("evidence.safetensors"), own.splits, quality)
    assert evidence.quality == quality
    assert evidence.answers is not None
    for field in dataclasses.fields(answers):
        expected, got = getattr(answers, field.name), getattr(evidence.answers, field.name)
        assert got.dtype == np.uint8
        assert np.array_equal(got, expected)


@pytest.mark.parametrize("form", [PayloadForm((32, 8)), PayloadForm((32, 8, 2), "channel", "zstd")])
def test_calibration_round_trip(tmp_path: Path, form: PayloadForm) -> None:
    own, store = network(), Store(tmp_path)
    names, inference_config, temperatures = (
        own.evidence.split_points,
        InferenceConfig(form, "margin", "fitted"),
        {"relu1": 1.5},
    )
    codecs = {
        (name, b): fitted_codec(torch.rand(9, 5), b, form.ranges, form.entropy)
        for name in names
        for b in form.bits
    }
    own = dataclasses.replace(own, calibration=Calibration(inference_config, codecs, temperatures))
    store.write(own, points(own))
    other = Store(tmp_path / "other")  # ranges travel with the other files
    other.write_files(own.spec.key, store.read_files(own.spec.key))
    back = other.read_calibration(own.spec.key)
    assert (back.inference_config, back.temperatures) == (inference_config, temperatures)
    assert back.codecs.keys() == codecs.keys()
    for at, codec in codecs.items():
        for field in dataclasses.fields(codec):
            expected, got = getattr(codec, field.name), getattr(back.codecs[at], field.name)
            assert np.array_equal(expected, got)


def test_nothing_is_pickled(stored: Stored) -> None:
    store, own = stored
    files = {path.name for path in (store.networks / own.spec.key).iterdir()}
    arrays = {f"{name}.safetensors" for name in ("evidence", "weights", "logits")}
    assert files == {"network.json", "points.parquet", *arrays}


def test_keys_are_sorted_and_other_things_are_no_networks(stored: Stored) -> None:
    store, own = stored
    other = network(variant=1)
    store.write(other, points(other))
    (store.networks / ".hidden").mkdir()
    (store.networks / "notes.txt").write_text("a person's notes")
    assert list(store) == sorted([own.spec.key, other.spec.key])
    assert "notes.txt" not in store
    assert "mlp-000000000000" not in store


@pytest.mark.parametrize("step", ["tensors_content", "evidence_content", "write_sealed", "os.rename"])
def test_half_written_network_never_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def dying(*_: object) -> None:
        raise KeyboardInterrupt

    store, own = Store(tmp_path), network()
    with monkeypatch.context() as patch:
        patch.setattr(called(step), dying)
        with pytest.raises(KeyboardInterrupt):
            store.write(own, points(own))
    assert list(store) == []
    assert own.spec.key not in store
    begun = step in ("write_sealed", "os.rename")  # the others come before anything is written
    assert [path.name for path in store.networks.iterdir()] == [f".unfinished-{own.spec.key}"] * begun
    again = Store(tmp_path)  # the next writer clears the leftover away and writes the network
    again.remove_unfinished()
    assert list(again.networks.iterdir()) == []
    again.write(own, points(own))
    assert again.read(own.spec.key).spec == own.spec


def test_only_the_writer_removes_what_is_unfinished(stored: Stored) -> None:
    store, own = stored
    unfinished = store.networks / ".unfinished-mlp-1"
    unfinished.mkdir()
    (unfinished / "network.json").write_text("{")
    assert list(Store(store.run)) == [own.spec.key]
    assert unfinished.exists()  # a reader beside a running search leaves it alone
    store.remove_unfinished()
    assert not unfinished.exists()
    assert list(store) == [own.spec.key]


def test_dropped_weights(stored: Stored) -> None:
    store, own = stored
    key = own.spec.key
    assert store.has_weights(key)
    store.drop_weights(key)
    store.drop_weights(key)  # already gone
    assert not store.has_weights(key)
    assert store.read(key).spec == own.spec
    assert store.read_evidence(key).num_samples == 40
    with pytest.raises(UserError, match=r"weights\.safetensors: weights were dropped when .*--keep-weights"):
        store.read_weights(key)


def kill(action: Callable[[], None], patch: pytest.MonkeyPatch, step: str, calls: int = 0) -> None:
    """Run ``action``, in which ``step`` is called so many times; the next call kills."""
    original, made = resolve_name(called(step)), itertools.count()

    def dying(*arguments: Any, **options: Any) -> Any:
        if next(made) == calls:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    with patch.context() as patched:
        patched.setattr(called(step), dying)
        with pytest.raises(KeyboardInterrupt):
            action()


def trained_further(of: EvaluatedNetwork) -> EvaluatedNetwork:
    weights = {name: tensor + 1 for name, tensor in of.weights.items()}
    training = dataclasses.replace(of.training, epochs=of.epochs + 1)
    return dataclasses.replace(of, training=training, weights=weights, training_state=None)


@pytest.fixture
def partly(tmp_path: Path) -> tuple[Store, EvaluatedNetwork]:
    """A network that training can go on with."""
    state = {
        "epochs": torch.tensor(1),
        "seconds": torch.tensor(0.25, dtype=torch.float64),
        "generator.order": torch.arange(5, dtype=torch.uint8),
        "network.backbone.fc1.weight": torch.rand(2, 3),
    }
    store, own = Store(tmp_path), dataclasses.replace(network(), training_state=state)
    store.write(own, points(own))
    return store, own


def test_training_state_round_trip(partly: Stored) -> None:
    store, own = partly
    back = store.read_training_state(own.spec.key)
    assert back is not None
    assert own.training_state is not None
    assert back.keys() == own.training_state.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in own.training_state.items())
    assert all(back[name].dtype == tensor.dtype for name, tensor in own.training_state.items())
    corrupt("training_state.safetensors", b"x" * 20)(store.networks / own.spec.key)
    with pytest.raises(UserError, match=r"training_state\.safetensors: cannot be read: "):
        store.read_training_state(own.spec.key)


def test_complete_network_has_no_training_state(stored: Stored) -> None:
    store, own = stored
    assert store.read_training_state(own.spec.key) is None


def test_training_state_goes_with_the_weights(partly: Stored) -> None:
    store, own = partly
    store.drop_weights(own.spec.key)
    assert store.read_training_state(own.spec.key) is None
    assert not store.has_weights(own.spec.key)


def assert_holds(store: Store, expected: EvaluatedNetwork) -> None:
    """``expected`` is there whole and nothing else is."""
    key = expected.spec.key
    assert [path.name for path in store.networks.iterdir()] == [key]
    assert store.read(key).training == expected.training
    assert all(torch.equal(t, expected.weights[name]) for name, t in store.read_weights(key).items())
    assert (store.read_training_state(key) is None) == (expected.training_state is None)
    assert store.read_evidence(key).num_samples == 40
    pd.testing.assert_frame_equal(store.read(key).points, points(expected))


def test_replaced_by_itself_trained_further(partly: Stored) -> None:
    store, own = partly
    further = trained_further(own)
    store.write(further, points(further))
    assert store.read(own.spec.key).training.epochs == 2
    assert_holds(store, further)


def test_what_a_network_was_at_earlier_epochs_stays(partly: Stored) -> None:
    store, own = partly
    key = own.spec.key
    assert store.earlier_epochs(key) == []
    further = trained_further(own)
    store.write(further, points(own).iloc[:1])
    store.write(trained_further(further), points(further))
    assert store.earlier_epochs(key) == [1, 2]
    pd.testing.assert_frame_equal(store.read_earlier_points(key, 1), points(own))
    pd.testing.assert_frame_equal(store.read_earlier_points(key, 2), points(own).iloc[:1])
    assert (store.read_evidence(key, 1).exit_correct_SN == own.evidence.exit_correct_SN).all()
    store.drop_weights(key)
    assert store.earlier_epochs(key) == [1, 2]


def test_what_appears_here_was_published_before(partly: Stored) -> None:
    store, own = partly
    published = []

    def publish(files: dict[str, bytes]) -> None:
        assert store.read(own.spec.key).training.epochs == 1
        published.append(files)

    further = trained_further(own)
    store.write(further, points(further), publish)
    assert published == [store.read_files(own.spec.key)]

    def fail(files: dict[str, bytes]) -> None:
        raise ConnectionError

    further = trained_further(further)
    with pytest.raises(ConnectionError):
        store.write(further, points(further), fail)
    store.remove_unfinished()
    assert store.read(own.spec.key).training.epochs == 2


def test_files_carried_to_another_run_folder(partly: Stored, tmp_path: Path) -> None:
    store, own = partly
    key, other = own.spec.key, Store(tmp_path / "other")
    other.write_files(key, store.read_files(key))
    assert_holds(other, own)
    further = trained_further(own)
    store.write(further, points(further))
    other.write_files(key, store.read_files(key))
    assert_holds(other, further)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "notes.txt", "", "earlier/../x", "earlier/1/x"])
def test_only_files_of_a_network_are_carried(partly: Stored, tmp_path: Path, name: str) -> None:
    store, own = partly
    other = Store(tmp_path / "other")
    with pytest.raises(UserError, match=f"no file of a network is called '{name}'"):
        other.write_files(own.spec.key, store.read_files(own.spec.key) | {name: b""})
    assert list(other.networks.iterdir()) == []


@pytest.mark.parametrize("key", ["../x", "/etc/x", "mlp-0123456789ab", "", ".hidden"])
def test_a_network_is_carried_under_its_own_key(partly: Stored, tmp_path: Path, key: str) -> None:
    store, own = partly
    other = Store(tmp_path / "other")
    with pytest.raises(UserError, match=r"network\.json is missing or says another key"):
        other.write_files(key, store.read_files(own.spec.key))
    assert list(other.networks.iterdir()) == []


@pytest.mark.parametrize(
    ("step", "calls", "new_is_there"),
    [
        ("tensors_content", 0, False),
        ("evidence_content", 0, False),
        ("write_sealed", 0, False),
        ("os.rename", 0, False),  # the new one is written
        ("os.rename", 1, False),  # the old one is away
        ("shutil.rmtree", 0, True),  # the new one is in its place
    ],
)
def test_killed_while_replacing(
    partly: Stored, monkeypatch: pytest.MonkeyPatch, step: str, calls: int, new_is_there: bool
) -> None:
    store, own = partly
    further = trained_further(own)
    kill(lambda: store.write(further, points(further)), monkeypatch, step, calls)
    again = Store(store.run)
    assert set(again) <= {own.spec.key}  # a leftover is never taken for a network
    again.remove_unfinished()
    assert_holds(again, further if new_is_there else own)
    again.remove_unfinished()
    assert_holds(again, further if new_is_there else own)
    again.drop_weights(own.spec.key)
    again.write(further, points(further))
    assert_holds(again, further)


@pytest.mark.parametrize("step", ["os.rename", "shutil.rmtree"])
def test_killed_while_putting_back(partly: Stored, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    store, own = partly
    further = trained_further(own)
    kill(lambda: store.write(further, points(further)), monkeypatch, "os.rename", calls=1)
    kill(store.remove_unfinished, monkeypatch, step)
    store.remove_unfinished()
    assert_holds(store, own)


def test_half_removed_old_network_is_removed(partly: Stored) -> None:
    store, own = partly
    old = store.networks / f".replaced-{own.spec.key}"
    old.mkdir()
    (old / "points.parquet").write_text("left over")
    store.remove_unfinished()
    assert_holds(store, own)


def corrupt(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def remove(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def older(folder: Path) -> None:
    record = json.loads((folder / "network.json").read_text())
    (folder / "network.json").write_text(json.dumps(record | {"schema_version": 0}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (older, rf"network\.json: schema_version must be {SCHEMA_VERSION}, got 0"),
        (corrupt("network.json", b"{}"), rf"schema_version must be {SCHEMA_VERSION}, got None"),
        (corrupt("network.json", b'{"key": '), r"network\.json: not valid JSON: "),
        (corrupt("network.json", b"\xff\xfe"), r"network\.json: not valid JSON: "),
        (remove("network.json"), r"network\.json: no such file; is this a run folder\?"),
        (corrupt("points.parquet", b"no parquet"), r"points\.parquet: cannot be read: "),
        (remove("points.parquet"), r"points\.parquet: cannot be read: "),
    ],
)
def test_damaged_network_names_the_file(
    stored: Stored, damage: Callable[[Path], object], message: str
) -> None:
    store, own = stored
    damage(store.networks / own.spec.key)
    with pytest.raises(UserError, match=message):
        store.read(own.spec.key)


def test_damaged_arrays_name_the_file(stored: Stored) -> None:
    store, own = stored
    key = own.spec.key
    corrupt("evidence.safetensors", b"x" * 20)(store.networks / key)
    with pytest.raises(UserError, match=r"evidence\.safetensors: cannot be read: "):
        store.read_evidence(key)
    remove("evidence.safetensors")(store.networks / key)
    with pytest.raises(UserError, match=r"evidence\.safetensors: cannot be read: "):
        store.read_evidence(key)
    corrupt("weights.safetensors", b"x" * 20)(store.networks / key)
    with pytest.raises(UserError, match=r"weights\.safetensors: cannot be read: "):
        store.read_weights(key)
    remove("logits.safetensors")(store.networks / key)
    with pytest.raises(UserError, match=r"logits\.safetensors: cannot be read: "):
        store.read_logits(key)


@pytest.mark.parametrize(
    "name", ["points.parquet", "evidence.safetensors", "weights.safetensors", "logits.safetensors"]
)
def test_a_flipped_bit_is_told_when_the_file_is_read(stored: Stored, name: str) -> None:
    store, own = stored
    key, path = own.spec.key, store.networks / own.spec.key / name
    store.check(key)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    readers = (store.check, store.read, store.read_evidence, store.read_weights, store.read_logits)
    told = 0
    for read in readers:
        try:
            read(key)
        except DamagedError as error:
            told += name in str(error) and "trains the network anew" in str(error)
    assert told == 2  # by the check, and by its own reader


def test_dropped_weights_are_no_damage(partly: Stored) -> None:
    store, own = partly
    store.drop_weights(own.spec.key)
    store.check(own.spec.key)


def test_a_removed_network_is_gone(partly: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    store, own = partly
    kill(lambda: store.remove(own.spec.key), monkeypatch, "shutil.rmtree")
    assert list(store) == []
    store.remove_unfinished()
    assert list(store.networks.iterdir()) == []


def test_damaged_files_are_not_carried(partly: Stored, tmp_path: Path) -> None:
    store, own = partly
    other, key = Store(tmp_path / "other"), own.spec.key
    with pytest.raises(UserError, match=r"its points\.parquet is not what was written"):
        other.write_files(key, store.read_files(key) | {"points.parquet": b"PAR1"})
    assert list(other.networks.iterdir()) == []


def test_more_right_answers_than_samples_are_refused(tmp_path: Path) -> None:
    store, own = Store(tmp_path), network()
    store.write(own, points(own).assign(correct=41.0))
    with pytest.raises(UserError, match=r"points\.parquet: correct must be from 0 to 40, got 41\.0"):
        store.read(own.spec.key)
