"""Trained networks: found out, cut as they are, sparsified from what they know."""

import json
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import prune

from explorer import search
from explorer.core.sparsity.layers import InitialWeights
from explorer.core.sparsity.sparsify import Junction, find_junctions
from explorer.data.dataset import DataSet, load_data
from explorer.runs.results import load_run
from explorer.runs.store import Store
from explorer.space.inventory import build_inventory
from explorer.space.pretrained import origins, trained_parameters
from explorer.space.schema import SearchSpace

NET = """
from pathlib import Path

from safetensors.torch import load_file
from torch import nn


def net(trained=True, frozen=False, num_classes=10):
    module = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, num_classes),
    )
    if trained:
        module.load_state_dict(load_file(Path(__file__).parent / "trained.safetensors"))
    for parameter in module.parameters():
        parameter.requires_grad = not frozen
    return module
"""
SIZES: dict[str, Any] = {"train_samples": 600, "validation_samples": 300, "test_samples": 60}
SPACE: dict[str, Any] = {
    "data": {"source": "digits", "normalise": "none", **SIZES},
    "backbones": {"net": {"factory": "trained_net:net", "densities": [1.0]}},
    "training": {"epochs": 0, "batch_size": 32},
    "exits": {"epochs": 2},
    "payload_bits": [32],
    "objectives": {"accuracy": 0.05, "edge_macs": 1_000_000},
    "edge_device": "stm32h7a3",
    "server_device": "xeon_8124m",
    "link": "ble_2m_dle",
}


@pytest.fixture(scope="module")
def digits() -> DataSet:
    return load_data("digits", **SIZES, seed=0, normalise="none")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, digits: DataSet) -> Path:
    """A folder with a factory and the weights it loads, trained by a plain loop on inputs as they come."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "trained_net.py").write_text(NET, encoding="utf-8")
    namespace: dict[str, Any] = {"__file__": str(folder / "trained_net.py")}
    exec(compile(NET, "trained_net.py", "exec"), namespace)
    torch.manual_seed(0)
    module: nn.Module = namespace["net"](trained=False)
    optimiser = torch.optim.AdamW(module.parameters(), lr=5e-3)
    for _ in range(12):
        for batch in torch.randperm(len(digits.train)).split(32):
            loss = nn.functional.cross_entropy(module(digits.train.inputs[batch]), digits.train.labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    save_file(module.state_dict(), folder / "trained.safetensors")
    return folder


@pytest.fixture(autouse=True)
def in_folder(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("trained_net.py", "trained.safetensors"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "trained_net", raising=False)
    return tmp_path


def searched(folder: Path, name: str, trials: int, **changes: Any) -> Store:
    (folder / "space.yaml").write_text(yaml.safe_dump(SPACE | changes), encoding="utf-8")
    arguments = ["--space", "space.yaml", "--run", name, "--trials", str(trials), "--workers", "1"]
    assert search.main([*arguments, "--no-energy", "--keep-weights"]) == 0
    return Store(folder / "reports" / name)


def own_accuracy(folder: Path, data: DataSet) -> float:
    from trained_net import net  # type: ignore[import-not-found]

    with torch.inference_mode():
        answers = net().eval()(data.validation.inputs).argmax(1)
    return float((answers == data.validation.labels).double().mean())


@pytest.mark.parametrize("frozen", [False, True])
def test_epochs_0_leave_a_network_as_it_is(in_folder: Path, digits: DataSet, frozen: bool) -> None:
    """Bit for bit, and its accuracy at ``output`` is its own; exits are trained."""
    backbones = {"net": SPACE["backbones"]["net"] | {"arguments": {"frozen": [frozen]}}}
    store = searched(in_folder, "run", 3, backbones=backbones)
    (key,) = store
    weights, own = store.read_weights(key), load_file("trained.safetensors")
    assert all(torch.equal(weights[f"backbone.{name}"], tensor) for name, tensor in own.items())
    points = load_run(in_folder / "reports" / "run").points
    at_output = points.loc[points["split_point"] == "output", "accuracy"].item()
    assert at_output == pytest.approx(own_accuracy(in_folder, digits), abs=1e-12)
    assert at_output > 0.9
    exits = points[points["confidence_threshold"].notna() & (points["split_point"] != "output")]
    assert exits["accuracy"].max() > 0.8
    assert store.read(key).training.epochs == 2


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_keeping_beats_drawing(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Density 1/4, three epochs, three seeds."""
    accuracies: dict[str, list[float]] = {"keep": [], "draw": []}
    for seed in range(3):
        for source, found in accuracies.items():
            backbone = {"factory": "trained_net:net", "initial_weights": source, "split_points": ["output"]}
            backbone |= {"densities": {"4": [0.25], "9": [0.25]}}
            training = {"epochs": 3, "batch_size": 32, "learning_rate": 1e-3, "seed": seed}
            store = searched(
                in_folder, f"{source}{seed}", 1, backbones={"net": backbone}, training=training, exits={}
            )
            points = load_run(store.run).points
            found.append(points.loc[points["split_point"] == "output", "accuracy"].item())
            (key,) = store
            assert store.read(key).spec.initial.source == source
    with capsys.disabled():
        print(f"\n{accuracies}")
    assert fmean(accuracies["keep"]) > fmean(accuracies["draw"]) + 0.02


def test_trained_weights_are_found_out() -> None:
    space = SearchSpace.model_validate(
        SPACE | {"backbones": {"net": SPACE["backbones"]["net"] | {"arguments": {"trained": [True, False]}}}}
    )
    known, drawn = build_inventory(space, (1, 8, 8), 10).variants["net"]
    assert all(junction.trained for junction in known.junctions)
    assert not any(junction.trained for junction in drawn.junctions)
    assert (known.initial.source, drawn.initial.source) == ("keep", "draw")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"pretrained": False}, InitialWeights("draw")),
        ({"pretrained": True}, InitialWeights("keep")),
        ({"initial_weights": "draw"}, InitialWeights("draw")),
        ({"rescale": "none"}, InitialWeights("keep", rescale="none")),
        ({"placement": "magnitude"}, InitialWeights("keep", placement="magnitude")),
    ],
)
def test_what_the_space_says_goes_before(said: dict[str, Any], expected: InitialWeights) -> None:
    backbones = {"net": SPACE["backbones"]["net"] | said}
    inventory = build_inventory(SearchSpace.model_validate(SPACE | {"backbones": backbones}), (1, 8, 8), 10)
    assert inventory.variants["net"][0].initial == expected


def test_a_start_from_dense_networks_goes_before_trained_weights() -> None:
    training = SPACE["training"] | {"epochs": 3, "start": "dense"}
    space = SearchSpace.model_validate(SPACE | {"training": training})
    (variant,) = build_inventory(space, (1, 8, 8), 10).variants["net"]
    assert all(junction.trained for junction in variant.junctions)
    assert variant.initial == InitialWeights("dense", "all")
    assert (space.recipe_of("net").epochs, space.sparse_recipe_of("net").epochs) == (3, 2)


def test_parameters_of_one_value_tell_nothing() -> None:
    """Batch norms start with ones and zeros, whatever the seed."""
    from trained_net import net

    how = ("trained_net:net", {"trained": False}, (1, 8, 8), 10, 0)
    assert trained_parameters(net(trained=False), *how) == frozenset()


@pytest.mark.parametrize(
    ("junction", "initial", "expected"),
    [
        ({}, InitialWeights(), "drawn by seed"),
        (
            {"trained": True},
            InitialWeights("keep"),
            "trained; below 1: trained, kept and scaled by density^-1/2",
        ),
        ({"trained": True}, InitialWeights("keep", "none"), "trained; below 1: trained, kept"),
        (
            {},
            InitialWeights("dense", "all"),
            "drawn by seed; below 1: those of the trained dense network, kept and scaled by density^-1/2",
        ),
        (
            {"trained": True, "frozen": True},
            InitialWeights("draw"),
            "trained, frozen; below 1: drawn anew, though trained ones exist, frozen",
        ),
    ],
)
def test_origins_in_words(junction: dict[str, bool], initial: InitialWeights, expected: str) -> None:
    found = Junction("fc", "Linear", 4, 4, 1, 16, (), **junction)
    assert origins(found, (Fraction(1, 4), Fraction(1)), initial) == expected


def test_the_dry_run_and_the_run_say_it(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backbones = {"net": {"factory": "trained_net:net", "densities": {"9": [0.25, 1.0]}}}
    (in_folder / "space.yaml").write_text(yaml.safe_dump(SPACE | {"backbones": backbones}), encoding="utf-8")
    assert search.main(["--space", "space.yaml", "--dry-run"]) == 0
    assert "trained, kept and scaled" in " ".join(capsys.readouterr().out.split())
    store = searched(in_folder, "run", 2, backbones=backbones)
    notes = json.loads((store.run / "run.json").read_text())["notes"]
    assert any("initial weights of 9: trained; below 1: trained, kept and scaled" in note for note in notes)


def test_pruned_weights_stay_dense() -> None:
    module = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4))
    prune.random_unstructured(module[0], "weight", 0.5)
    first, second = find_junctions(module)
    assert "pruned by torch.nn.utils.prune" in first.stays_dense
    assert not second.stays_dense


def test_normalisation_as_trained(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    labels = np.arange(40) % 2
    np.savez(tmp_path / "own.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    sizes: dict[str, Any] = {"train_samples": 20, "validation_samples": 10, "test_samples": 10, "seed": 0}
    source = f"npz:{tmp_path / 'own.npz'}"
    plain = load_data(source, **sizes, normalise="none")
    given = load_data(source, **sizes, normalise=([0.5, 0.25, 0.0], [0.5, 1.0, 2.0]))
    single = load_data(source, **sizes, normalise=([0.5], [0.25]))
    assert 0 <= plain.train.inputs.min() < plain.train.inputs.max() <= 1
    assert (plain.mean, plain.std) == ((0.0,) * 3, (1.0,) * 3)
    shift, scale = torch.tensor([0.5, 0.25, 0.0]), torch.tensor([0.5, 1.0, 2.0])
    expected = (plain.train.inputs - shift.view(1, 3, 1, 1)) / scale.view(1, 3, 1, 1)
    torch.testing.assert_close(given.train.inputs, expected)
    torch.testing.assert_close(single.test.inputs, (plain.test.inputs - 0.5) / 0.25)
    assert plain.fingerprint == given.fingerprint == single.fingerprint
