"""What cannot be a backbone is refused with what to do instead; what merely looks odd is taken."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explorer.core.graph.refusals import looks_like_probabilities, picked_logits
from explorer.core.network import Network
from explorer.errors import NetworkError


class Forward(nn.Module):
    """A Linear(4, classes) and what a forward makes of it."""

    def __init__(self, function: Callable[[Any, Tensor], Any], classes: int = 3) -> None:
        super().__init__()
        self.fc, self.function = nn.Linear(4, classes), function

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.fc = nn.Embedding(10, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.embedding(x).mean(1))


def network(module: nn.Module, classes: int = 3) -> Network:
    return Network(module, torch.zeros(1, 4), classes, exit_features=8)


def compiled() -> nn.Module:
    return torch.compile(nn.Sequential(nn.Linear(4, 3)))  # type: ignore[return-value]


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(nn.Sequential(nn.Linear(4, 3)))


def exported() -> nn.Module:
    return torch.export.export(nn.Sequential(nn.Linear(4, 3)), (torch.zeros(2, 4),)).module()


def filled(value: float) -> nn.Module:
    net = nn.Sequential(nn.Linear(4, 3))
    nn.init.constant_(net[0].bias, value)
    return net


@pytest.mark.parametrize(
    ("make", "classes", "message"),
    [
        (compiled, 3, "compiled by torch.compile; return the original"),
        (scripted, 3, "scripted .* return the Python module"),
        (exported, 3, "exported .* return the Python module"),
        (lambda: nn.Sequential(nn.LazyLinear(3)), 3, "'0.weight' has no shape yet .* run one sample through"),
        (Embedded, 3, "whole numbers such as token ids, .* search the network behind its embedding"),
        (lambda: Forward(lambda m, x: {"out": m.fc(x)}), 3, r"a mapping with out; wrap it: .*\(x\)\['out'\]"),
        (lambda: Forward(lambda m, x: (m.fc(x), x)), 3, r"several values; wrap it: .*\(x\)\[0\]"),
        (lambda: Forward(lambda m, x: m.fc(x)[:, None].squeeze()), 3, "the batch axis of a single sample is"),
        (lambda: Forward(lambda m, x: m.fc(x), 1), 2, r"one logit for two classes; .*torch.cat"),
        (lambda: Forward(lambda m, x: m.fc(x), 5), 3, r"must give 3 logits, gives shape \(5,\)"),
        (lambda: nn.Sequential(nn.Linear(4, 3)).half(), 3, r"trained in float32: end .* in `.float\(\)`"),
        (lambda: nn.DataParallel(nn.Linear(4, 3)), 3, r"for several devices; return its `.module`"),
        (lambda: filled(float("nan")), 3, r"logits are not finite for normalised inputs: '0.bias' holds nan"),
        (lambda: filled(float("-inf")), 3, r"'0.bias' holds -inf"),
        (lambda: nn.Linear(5, 3), 3, r"of shape \(1, 4\) does not run through: mat1 and mat2 shapes"),
    ],
)  # fmt: skip
def test_refusals_say_what_to_do(
    make: Callable[[], nn.Module], classes: int, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NetworkError, match=message):
        network(make(), classes)
    assert capfd.readouterr().err == ""


class Flattening(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).view(x.size(0), -1)


def test_a_view_that_only_one_memory_format_allows_is_no_trouble(capfd: pytest.CaptureFixture[str]) -> None:
    made = Network(Flattening(3, 2, 2), torch.zeros(1, 3, 2, 4), num_classes=6, exit_features=16)
    assert not made.channels_last
    assert capfd.readouterr().err == ""


def test_two_classes_by_the_advice_train_as_one_logit() -> None:
    """Cross-entropy of (0, z) is the binary one of z."""
    z, labels = torch.randn(6), torch.tensor([0, 1, 1, 0, 1, 0])
    two = torch.stack([torch.zeros_like(z), z], 1)
    expected = F.binary_cross_entropy_with_logits(z, labels.float())
    torch.testing.assert_close(F.cross_entropy(two, labels), expected)


def test_a_softmax_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="its outputs sum to 1, as behind a softmax"):
        network(Forward(lambda m, x: m.fc(x).softmax(1)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(Forward(lambda m, x: m.fc(x).log_softmax(1)))  # a softmax of it is that of the logits


def test_probabilities() -> None:
    assert looks_like_probabilities(torch.tensor([[0.25, 0.75], [1.0, 0.0]]))
    assert not looks_like_probabilities(torch.tensor([[-0.5, 1.5]]))
    assert not looks_like_probabilities(torch.tensor([[0.5, 0.6]]))


class Output(NamedTuple):
    logits: Tensor
    hidden: Tensor


def test_logits_are_picked() -> None:
    logits = torch.zeros(1, 3)
    assert picked_logits(logits) is logits
    assert picked_logits({"hidden": 1, "logits": logits}) is logits
    assert picked_logits(Output(logits, logits[0])) is logits
    assert picked_logits((logits, logits)) is None
