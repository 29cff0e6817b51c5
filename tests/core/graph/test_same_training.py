"""The graph that is trained is the network that was written: losses, gradients, buffers, in both layouts."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from recipes import recipe
from torch import Tensor, nn
from training_zoo import CLASSES, SHAPE, TRAINING_ZOO, Base, Kind, build

from explorer.core.calibration import InferenceConfig, calibrate
from explorer.core.evidence import collect_evidence
from explorer.core.graph.same_training import Steps
from explorer.core.network import Network
from explorer.core.payload import PayloadForm
from explorer.core.training import train
from explorer.data.dataset import Subset
from explorer.errors import UserError
from explorer.space.rebuilt import sample_logits

SAMPLE = torch.zeros(1, *SHAPE)
RECIPE = recipe(epochs=1, batch_size=4)


def network(module: nn.Module) -> Network:
    return Network(module, SAMPLE, CLASSES, exit_features=8)


def images(samples: int, seed: int = 1) -> Tensor:
    return torch.randn(samples, *SHAPE, generator=torch.Generator().manual_seed(seed))


def logits(module: nn.Module, x: Tensor) -> Tensor:
    result = module(x)
    return result["logits"] if isinstance(result, dict) else result


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", TRAINING_ZOO, ids=lambda kind: kind.name)
def test_steps_are_those_of_the_module(kind: Kind) -> None:
    """Three steps of plain gradient descent on twins; after each all parameters and buffers are equal."""
    module, found = build(kind).train(), network(build(kind)).train()
    for step in range(3):
        steps = []
        for net, backbone in ((module, module), (found, found.backbone)):
            torch.manual_seed(step)
            own = logits(net, images(5, step)) if net is module else found.features(images(5, step))[-1]
            loss = F.cross_entropy(own, torch.arange(5) % CLASSES)
            backbone.zero_grad()
            loss.backward()
            steps.append((loss.detach(), gradients(backbone)))
            with torch.no_grad():
                for parameter in backbone.parameters():
                    if parameter.grad is not None:
                        parameter -= 0.1 * parameter.grad
        (expected, expected_grads), (loss, grads) = steps
        torch.testing.assert_close(loss, expected, rtol=0, atol=1e-6)
        assert grads.keys() == expected_grads.keys()
        for name, grad in expected_grads.items():
            torch.testing.assert_close(grads[name], grad, rtol=0, atol=1e-6)
    stored = found.weights()
    for name, tensor in module.state_dict().items():
        if f"backbone.{name}" in stored:  # tied ones are stored once
            torch.testing.assert_close(stored[f"backbone.{name}"], tensor, rtol=0, atol=1e-6)
    module.eval(), found.eval()
    with torch.no_grad():
        torch.testing.assert_close(found.features(images(3))[-1], logits(module, images(3)))


class Traced:
    """A module, its network, and what was seen of the module before it was traced and right after."""

    def __init__(self, kind: Kind) -> None:
        self.kind, module = kind, build(kind)
        self.before = self._look(module)
        self.network = network(module)
        self.after = self._look(module)
        self.kept_training = module.training
        self.without_gradients = all(parameter.grad is None for parameter in module.parameters())

    @staticmethod
    def _look(module: nn.Module) -> tuple[dict[str, set[str]], dict[str, int], dict[str, Tensor]]:
        """Attributes of every layer, and identity and values of every tensor."""
        attributes = {path: set(vars(layer)) for path, layer in module.named_modules()}
        objects = {name: id(tensor) for name, tensor in module.state_dict(keep_vars=True).items()}
        return attributes, objects, {name: tensor.clone() for name, tensor in module.state_dict().items()}


@pytest.fixture(scope="module", params=TRAINING_ZOO, ids=lambda kind: kind.name)
def traced(request: pytest.FixtureRequest) -> Traced:
    return Traced(request.param)


def test_what_is_left_whole_and_which_layout_fits(traced: Traced) -> None:
    found, kind = traced.network, traced.kind
    assert found.opaque == kind.opaque
    assert found.channels_last == kind.channels_last
    assert not found.left_out


def test_tracing_leaves_the_module_as_it_was(traced: Traced) -> None:
    assert traced.kept_training
    assert traced.without_gradients
    assert traced.after[:2] == traced.before[:2]
    for name, tensor in traced.after[2].items():
        assert torch.equal(tensor, traced.before[2][name]), name


def test_every_kind_is_trained(traced: Traced) -> None:
    """The loop that users run, in the layout that was chosen."""
    found = traced.network
    record = train(found, Subset(images(12), torch.arange(12) % CLASSES), RECIPE).record
    assert record.steps == 3
    assert all(tensor.isfinite().all() for tensor in found.weights().values())


@pytest.mark.parametrize("name", ["EEGNet", "MaxNormInForward", "MovingAverage"])
def test_weights_that_a_forward_writes_stay_ordinary_ones(name: str) -> None:
    """Evidence runs in inference mode; what was written there is trained, laid out and compared later."""
    kind = next(kind for kind in TRAINING_ZOO if kind.name == name)
    found, data = network(build(kind)), Subset(images(12), torch.arange(12) % CLASSES)
    train(found, data, RECIPE)
    calibration = calibrate(found, data, data, InferenceConfig(PayloadForm((32, 8))))
    evidence = collect_evidence(found, data, calibration)
    assert not any(tensor.is_inference() for tensor in (*found.parameters(), *found.buffers()))
    assert max(found.probe(data.inputs).values()) <= 1e-5
    again = collect_evidence(found, data, calibration)
    assert (again.server_correct_SBN == evidence.server_correct_SBN).all()
    assert sample_logits(found, data.inputs).isfinite().all()
    train(found, data, RECIPE)


def test_exits_do_not_reach_a_trunk_without_gradients() -> None:
    """``torch.no_grad`` holds for the exits' losses, too."""
    kind = next(kind for kind in TRAINING_ZOO if kind.name == "FrozenTrunk")
    found = network(build(kind))
    before = found.weights()
    train(found, Subset(images(12), torch.arange(12) % CLASSES), RECIPE)
    after = found.weights()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(name.startswith("backbone.conv.") for name in changed)
    assert {"backbone.conv2.weight", "backbone.fc.weight"} <= changed
    assert torch.is_grad_enabled()


def test_frozen_statistics_stay_in_the_training_loop() -> None:
    kind = next(kind for kind in TRAINING_ZOO if kind.name == "KeptInEval")
    found = network(build(kind))
    train(found, Subset(images(12), torch.arange(12) % CLASSES), RECIPE)
    assert torch.equal(found.weights()["backbone.norm.running_mean"], torch.zeros(4))
    assert found.weights()["backbone.norm.num_batches_tracked"] == 0


class NumpyNoise(Base):
    def forward(self, x: Tensor) -> Tensor:
        import numpy as np

        return self.head(self.conv2(self.stem(x)) * float(np.random.rand()))


class AuxiliaryHeads(Base):
    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.stem(x)
        main = self.head(self.conv2(x))
        return (main, self.head(x)) if self.training else main


class RaisesInTraining(Base):
    class Raises(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if self.training and x.sum() != 0:
                raise RuntimeError("only for inference")
            return x

    def __init__(self) -> None:
        super().__init__()
        self.last = RaisesInTraining.Raises()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.last(self.stem(x)))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (NumpyNoise, "may not use randomness or state in eval mode"),
        (AuxiliaryHeads, "several values in training, as auxiliary heads do; switch these off"),
        (
            RaisesInTraining,
            r"a training step raises RuntimeError: only for inference \(test_same_",
        ),
    ],
)
def test_refusals(net: type[nn.Module], message: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(UserError, match=message):
        network(net())


def values(**named: float) -> Steps:
    return Steps({name: torch.tensor([value]) for name, value in named.items()})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (values(loss=1.0), values(loss=1.0 + 5e-6), ""),
        (values(loss=1.0), values(loss=1.1), "loss"),
        (values(loss=1e6), values(loss=1e6 + 1), ""),  # relative above 1
        (values(loss=1.0, grad=2.0), values(loss=1.0), "grad"),
        (values(loss=1.0), values(loss=1.0, grad=2.0), "grad"),
        (values(loss=float("nan")), values(loss=float("nan")), ""),
        (values(loss=1.0), values(loss=float("nan")), "loss"),
    ],
)
def test_what_differs(one: Steps, other: Steps, expected: str) -> None:
    assert one.difference(other, 1e-5) == expected


@pytest.fixture(autouse=True)
def grad_mode_is_restored() -> Iterator[None]:
    yield
    assert torch.is_grad_enabled()
