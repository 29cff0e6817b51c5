"""Looking at a module leaves it as it was: values, objects, attributes, hooks, modes."""

import torch
from torch import Tensor, nn

from explorer.core.graph.module_state import evaluating, inference, keeping_state


class Wild(nn.Module):
    """Changes of itself whatever it can."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.frozen = nn.Linear(2, 2), nn.Parameter(torch.ones(2), requires_grad=False)
        self.register_buffer("mean", torch.zeros(2))
        self.table, self.seen, self.named = torch.ones(3), [1], {"a": 1}
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.mean = 0.5 * self.mean + x.mean(0)
        self.fc.weight.data = self.fc.weight.data * 2
        self.fc.bias.data.add_(1)
        self.table.mul_(3)
        self.seen.append(2)
        self.named["b"] = 2
        self.cache = x
        self.frozen.requires_grad_(True)
        self.eval()
        self.register_forward_hook(lambda *_: None)
        return self.fc(x) + self.mean


def test_everything_is_put_back() -> None:
    module = Wild()
    weight, mean, table = module.fc.weight, module.mean, module.table
    values = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    memory = weight.data_ptr()
    module.fc.weight.grad = own = torch.ones(2, 2)
    with keeping_state(module):
        module(torch.randn(3, 2)).sum().backward()
        assert module.calls == 1
    assert module.fc.weight is weight
    assert module.mean is mean
    assert module.table is table
    assert weight.data_ptr() == memory
    assert weight.grad is own
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, values[name]), name
    assert torch.equal(table, torch.ones(3))
    assert (module.calls, module.seen, module.named) == (0, [1], {"a": 1})
    assert not hasattr(module, "cache")
    assert module.training
    assert module.fc.training
    assert not module.frozen.requires_grad
    assert not module._forward_hooks


def test_after_an_exception_too() -> None:
    module = Wild()
    try:
        with keeping_state(module):
            module.calls = 5
            raise RuntimeError
    except RuntimeError:
        assert module.calls == 0


def test_evaluating_asks_no_train_of_its_own() -> None:
    class Asked(nn.Linear):
        def train(self, mode: bool = True) -> "Asked":
            raise AssertionError

    module = nn.Sequential(Asked(2, 2), nn.Dropout())
    with evaluating(module):
        assert not any(layer.training for layer in module.modules())
        assert not torch.is_grad_enabled()
    assert all(layer.training for layer in module.modules())


def test_what_is_written_in_inference_mode_can_be_trained() -> None:
    module = nn.Linear(2, 2)
    with inference(module):
        module.weight.data = module.weight.data * 2
    assert not module.weight.is_inference()
    module(torch.randn(3, 2)).sum().backward()
    with torch.no_grad():
        module.weight.add_(module.weight.grad)
