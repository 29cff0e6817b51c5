"""Every tensor of a network's way lies on the device asked for; and what a device is called."""

import json
import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from elsewhere import ELSEWHERE, Elsewhere, MisplacedError, elsewhere
from recipes import recipe
from torch import Tensor, nn

import explorer
from explorer.core.calibration import InferenceConfig
from explorer.core.device import chosen_device, computing_on, gpus_of
from explorer.core.losses import Distillation
from explorer.core.payload import PayloadForm
from explorer.core.quality import Quality
from explorer.core.training import TrainingFailedError
from explorer.costs import evaluate
from explorer.costs.evaluate import TrainingTask, evaluate_network
from explorer.data.dataset import DataSet, Subset
from explorer.data.normalisation import Normalisation
from explorer.errors import UserError
from explorer.space.candidate import NetworkSpec
from explorer.space.files import load_space
from explorer.utils.imports import name_of

__all__ = ["elsewhere"]

RECIPE = recipe(weight_decay=1e-4)
CONFIGS = [
    InferenceConfig(PayloadForm((32, 16, 8), "sample")),
    InferenceConfig(PayloadForm((8, 4), "channel", "zstd"), temperature="fitted"),
    InferenceConfig(PayloadForm((8,), "tensor"), score="margin"),
]


class Tables(nn.Module):
    """Reads a buffer by itself, and makes tensors in its forward, so that only ``torch.export`` traces it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.drop, self.last = nn.Conv2d(3, 8, 3), nn.Dropout(0.3), nn.Linear(8, 2)
        self.register_buffer("scale", torch.full((8, 1, 1), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x) * self.scale
        x = x + torch.arange(int(x.shape[3]), device=x.device)  # a shape as a number: not symbolic
        return self.last(self.drop(x).mean((2, 3)))


def tables(input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    return Tables()


def images(samples: int) -> Subset:
    generator = torch.Generator().manual_seed(samples)
    pixels = torch.randint(256, (samples, 3, 8, 8), generator=generator, dtype=torch.uint8)
    rows, labels = torch.arange(samples).flip(0), torch.arange(samples) % 2
    return Subset(
        pixels, labels, rows, Normalisation.of(255.0, np.zeros((1, 1, 1, 1)), np.ones((1, 1, 1, 1)))
    )


IMAGES = DataSet("pixels", images(20), images(12), images(4), 2, (3, 8, 8))


def spec(pattern: str, factory: str = "explorer.backbones:cnn", **changes: object) -> NetworkSpec:
    cnn = factory.endswith(":cnn")
    arguments = json.dumps({"channels": [8, 16], "hidden": 16} if cnn else {})
    junctions = ("conv2", "fc") if cnn and pattern != "periodic" else ("conv2",) if cnn else ()
    density = Fraction(4, 9) if pattern == "periodic" else Fraction(3, 4)
    densities = tuple((name, density) for name in junctions)
    own = NetworkSpec("own", factory, arguments, pattern, densities, 16, RECIPE, "{}")  # type: ignore[arg-type]
    return replace(own, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("pattern", ["block", "structured", "random", "clash_free", "periodic"])
def test_every_pattern(elsewhere: list[Elsewhere], pattern: str) -> None:
    trained = evaluate_network(TrainingTask(spec(pattern), 2), IMAGES, CONFIGS[0])
    assert all(weight.device.type == "cpu" for weight in trained.weights.values())
    assert {"convolution_backward", "to", "index"} <= elsewhere[-1].seen | {"to"}


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_every_way_of_running(elsewhere: list[Elsewhere], config: InferenceConfig) -> None:
    trained = evaluate_network(TrainingTask(spec("block", exit_kind="conv"), 2), IMAGES, config)
    assert trained.evidence.num_samples == len(IMAGES.validation)
    assert elsewhere[-1].seen


def test_frozen_exits_and_some_split_points(elsewhere: list[Elsewhere]) -> None:
    recipe = replace(RECIPE, exit_training="frozen", exit_epochs=1)
    own = spec("block", recipe=recipe, exits_at=("input",))
    trained = evaluate_network(TrainingTask(own, 3), IMAGES, CONFIGS[0])
    assert trained.epochs == 3
    assert elsewhere[-1].seen


def test_all_that_a_recipe_may_ask(elsewhere: list[Elsewhere]) -> None:
    recipe = replace(
        RECIPE,
        optimizer="sgd",
        gradient_clip=1.0,
        label_smoothing=0.1,
        self_distillation=Distillation(),
        quality=Quality("balanced_accuracy"),
    )
    trained = evaluate_network(TrainingTask(spec("block", recipe=recipe), 2), IMAGES, CONFIGS[0])
    assert trained.epochs == 2
    assert elsewhere[-1].seen


def test_a_training_that_goes_on(elsewhere: list[Elsewhere]) -> None:
    half = evaluate_network(TrainingTask(spec("structured"), 1), IMAGES, CONFIGS[0])
    assert half.training_state is not None
    assert {tensor.device.type for tensor in half.training_state.values()} == {"cpu"}
    assert evaluate_network(
        TrainingTask(spec("structured"), 2, half.training_state), IMAGES, CONFIGS[0]
    ).epochs
    assert len(elsewhere) == 2


def test_tensors_that_a_forward_makes(elsewhere: list[Elsewhere]) -> None:
    own = spec("block", name_of(tables))
    assert evaluate_network(TrainingTask(own, 2), IMAGES, CONFIGS[0]).epochs == 2
    assert elsewhere[-1].seen


@pytest.mark.usefixtures("elsewhere")
def test_whole_search(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    space = yaml.safe_load(load_space("digits")[1])
    space["data"]["train_samples"], space["training"]["epochs"] = 100, 1
    space["backbones"] = {"mlp": space["backbones"]["mlp"]}
    run = explorer.run_search(space, trials=2, name="there", workers=1, energy=False, progress=False)
    assert run.trials["state"].tolist() == ["COMPLETE", "COMPLETE"]
    assert run.record.sessions[0].device == "cpu"  # what was asked for, not what stands for it here
    pick = run.select(minimize="edge_macs")
    assert run.load_network(pick)(run.load_data().test.first(2))[0].shape == (2, 10)


def test_misplaced_tensors_are_found() -> None:
    mode = Elsewhere()
    mode.strict = True
    there = torch.ones(3, device=ELSEWHERE)
    with mode:
        assert (there * 2.0 + torch.tensor(1.0)).device == ELSEWHERE  # a number may come along
        with pytest.raises(MisplacedError, match="zeros made"):
            torch.zeros(3)
        with pytest.raises(MisplacedError, match="here and there"):
            torch.zeros(()).add_(there.sum())


def test_without_a_gpu() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert chosen_device("auto") == torch.device("cpu")
    assert gpus_of("auto") == ()
    with pytest.raises(UserError, match="sees 0, got 'cuda:1'"):
        chosen_device("cuda:1")


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "meta"])
def test_no_device(name: str) -> None:
    with pytest.raises(UserError, match=f"auto, cpu, cuda or cuda:N, got '{name}'"):
        chosen_device(name)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.usefixtures("two_gpus")
def test_two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [chosen_device(name).index for name in ("auto", "cuda", "cuda:1")] == [0, 0, 1]
    assert [gpus_of(name) for name in ("auto", "cuda:1", "cpu")] == [("0", "1"), ("1",), ()]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert [gpus_of(name) for name in ("cuda", "cuda:1")] == [("5", "7"), ("7",)]
    with pytest.raises(UserError, match="sees 2, got 'cuda:2'"):
        chosen_device("cuda:2")


def test_out_of_memory_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("tried to allocate 900 GiB")

    with monkeypatch.context() as patched:
        patched.setattr(evaluate, "train", greedy)
        with pytest.raises(TrainingFailedError, match="out of memory: tried to allocate 900 GiB"):
            evaluate_network(TrainingTask(spec("block"), 1), IMAGES, CONFIGS[2])
    assert evaluate_network(TrainingTask(spec("block"), 1), IMAGES, CONFIGS[2]).epochs == 1


def test_conditions_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    emptied, given = list[str](), list[int]()
    monkeypatch.setattr(torch.cuda, "device", lambda device: given.append(device.index) or computing_on(cpu))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append("once"))
    monkeypatch.setattr(os, "environ", dict(os.environ))
    cpu, gpu = torch.device("cpu"), torch.device("cuda", 1)
    held = SimpleNamespace()

    def fail() -> None:
        held.tensor = tensor = torch.ones(3)
        assert tensor is held.tensor
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.allow_tf32
        raise torch.OutOfMemoryError("too much")

    before = torch.backends.cudnn.allow_tf32
    with pytest.raises(torch.OutOfMemoryError), computing_on(gpu):
        fail()
    assert (emptied, given) == (["once"], [1])
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.allow_tf32 == before
