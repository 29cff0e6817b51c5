"""Train one network of the papers, and weigh it: accuracy, bytes on disk, MACs, memory of training."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from benchmarks.paper.networks import NUM_CLASSES, PaperNetwork, build
from explorer.core.graph.trace import trace
from explorer.core.recipe import Recipe
from explorer.core.training import train
from explorer.core.training_record import TrainingRecord
from explorer.data.dataset import DataSet, Subset, load_data

# One recipe for every network; exit losses count in the split part only. Chosen on the validation subset with
# one seed and 20 epochs. 800-40-40-10 `block` / `structured` by learning rate (weight decay 1e-4): 2e-3
# 94.3 / 93.3 %, 5e-3 95.3 / 93.8 %, 1e-2 95.9 / 94.3 %, 2e-2 95.7 / 95.0 %; 1e-2 with decay 0.1
# 95.6 / 94.2 %. 800-240-240-10 dense / `block` at densities 1/10, 1/10, 1: 5e-3 with 1e-4 98.5 / 98.2 %, 1e-2
# with 0.1 98.5 / 98.4 %. The small dense 800-3-3-10 loses units at high rates: at 2e-3 it reaches
# 71, 79, 76 % with three seeds, at 5e-3 73, 69, 58 %.
RECIPE = Recipe(
    epochs=20,
    batch_size=256,
    learning_rate=1e-2,
    weight_decay=0.1,
    exit_loss_weight=0.3,
    output_loss_weight=1.0,
    seed=0,
    precision="float32",
)


class WithoutExits(nn.Module):
    """A backbone as :func:`explorer.core.training.train` wants it: giving a list, here of one."""

    exit_names: tuple[str, ...] = ()

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.backbone(x)]


@dataclass(frozen=True)
class Sizes:
    """What a network weighs, counted and not estimated.

    Attributes:
        weights: Stored weights, biases apart.
        macs: Multiply-accumulates of one inference, from the traced graph.
        stored_bytes: Length of its safetensors file.
        training_state_bytes: Parameters, gradients, both moments of AdamW, and index buffers.
        saved_for_backward_bytes: What autograd keeps of one training batch beside parameters and inputs.
    """

    weights: int
    macs: int
    stored_bytes: int
    training_state_bytes: int
    saved_for_backward_bytes: int


def load_mnist(data_dir: Path | None, quick: bool) -> DataSet:
    """55,000 training, 5,000 validation and 10,000 test samples; a tenth of that at most when ``quick``."""
    sizes = (3000, 500, 1000) if quick else (None, 5000, None)
    train_samples, validation_samples, test_samples = sizes
    return load_data(
        "mnist",
        train_samples=train_samples,
        validation_samples=int(validation_samples or 0),
        test_samples=test_samples,
        seed=0,
        data_dir=data_dir,
    )


def fitted(data: Subset, width: int) -> Subset:
    """Images flattened and padded with zeros at the end to ``width`` features."""
    flat = data.inputs.flatten(1)
    return Subset(F.pad(flat, (0, width - flat.shape[1])), data.labels)


def train_plain(backbone: nn.Module, data: Subset, recipe: Recipe) -> TrainingRecord:
    """Train ``backbone`` alone, without exits."""
    plain = WithoutExits(backbone)
    return train(plain, data, replace(recipe, exit_loss_weight=0.0)).record  # type: ignore[arg-type]


@torch.inference_mode()
def accuracy(backbone: nn.Module, data: Subset) -> float:
    """Share of ``data`` answered right."""
    backbone.eval()
    pairs = zip(data.inputs.split(512), data.labels.split(512), strict=True)
    return sum(int((backbone(inputs).argmax(-1) == labels).sum()) for inputs, labels in pairs) / len(data)


def sizes(network: PaperNetwork, pattern: str, batch_size: int) -> Sizes:
    """Weigh ``network`` with one training step on a batch of noise."""
    backbone = build(network, pattern, seed=0)
    costs = trace(backbone, torch.zeros(1, network.widths[0])).dataflow.values
    optimiser = torch.optim.AdamW(backbone.parameters(), fused=True)
    inputs = torch.randn(batch_size, network.widths[0])
    known = {tensor.untyped_storage().data_ptr() for tensor in (*backbone.parameters(), inputs)}
    saved: dict[int, int] = {}

    def remember(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        loss = F.cross_entropy(backbone(inputs), torch.randint(NUM_CLASSES, (batch_size,)))
    loss.backward()
    optimiser.step()
    state = [tensor for slots in optimiser.state.values() for tensor in slots.values()]
    gradients = [parameter.grad for parameter in backbone.parameters() if parameter.grad is not None]
    return Sizes(
        weights=sum(tensor.numel() for name, tensor in backbone.named_parameters() if "bias" not in name),
        macs=sum(cost.macs for cost in costs.values()),
        stored_bytes=len(save({name: tensor.contiguous() for name, tensor in backbone.state_dict().items()})),
        training_state_bytes=sum(
            tensor.nbytes for tensor in (*backbone.parameters(), *gradients, *state, *backbone.buffers())
        ),
        saved_for_backward_bytes=sum(saved.values()),
    )
