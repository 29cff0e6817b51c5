"""What a training leaves when it stops, and goes on from: weights, optimiser, generators and its curve."""

import torch
from torch import Tensor

from explorer.core.device import FUSED, generator_states, set_generator_states
from explorer.core.learning_curve import LearningCurve
from explorer.core.network import Network
from explorer.core.training_record import TrainingRecord


def training_state(
    record: TrainingRecord, network: Network, optimiser: torch.optim.Optimizer, order: torch.Generator
) -> dict[str, Tensor]:
    """All that :func:`restore` needs, as contiguous tensors on the CPU that share no memory.

    Args:
        record: What the training took so far.
        network: As it is now.
        optimiser: Of its parameters, in their order.
        order: Draws the order of samples.

    Example:
        >>> network = Network(torch.nn.Linear(4, 2), torch.zeros(1, 4), num_classes=2, exit_features=4)
        >>> optimiser = torch.optim.AdamW(network.parameters())
        >>> record = TrainingRecord(epochs=1, steps=4, seconds=0.5, final_loss=0.7)
        >>> int(training_state(record, network, optimiser, torch.Generator())["steps"])
        4
    """
    moments = {
        f"optimiser.{index}.{name}": tensor
        for index, parameter in enumerate(network.parameters())
        for name, tensor in optimiser.state[parameter].items()
        if tensor is not None
    }
    weights = {f"network.{name}": tensor.detach() for name, tensor in _own_tensors(network).items()}
    curve = {f"curve.{name}": tensor for name, tensor in record.curve.tensors().items()}
    return {
        "epochs": torch.tensor(record.epochs),
        "steps": torch.tensor(record.steps),
        "seconds": torch.tensor(record.seconds, dtype=torch.float64),
        "generator.order": order.get_state(),
        **{f"generator.{name}": state for name, state in generator_states(network.device).items()},
        **curve,
        **{
            name: tensor.clone(memory_format=torch.contiguous_format).cpu()
            for name, tensor in (weights | moments).items()
        },
    }


def restore(
    state: dict[str, Tensor], network: Network, optimiser: torch.optim.Optimizer, order: torch.Generator
) -> TrainingRecord:
    """Go on from a :func:`training_state`; returns what the training took so far.

    Raises:
        ValueError: ``state`` is of another network.

    Example:
        >>> network = Network(torch.nn.Linear(4, 2), torch.zeros(1, 4), num_classes=2, exit_features=4)
        >>> how = (network, torch.optim.AdamW(network.parameters()), torch.Generator())
        >>> state = training_state(TrainingRecord(epochs=1, steps=4, seconds=0.5, final_loss=0.7), *how)
        >>> restore(state, *how).steps
        4
    """
    load_trained_weights(network, state)
    device = network.device
    for index, parameter in enumerate(network.parameters()):
        for name, tensor in _under(state, f"optimiser.{index}.").items():
            # the fused step walks through memory: moments must lie there as their parameter does
            like = parameter if tensor.shape == parameter.shape else tensor
            there = torch.empty_like(like, device=device if device.type in FUSED else like.device)
            optimiser.state[parameter][name] = there.copy_(tensor)
    order.set_state(state["generator.order"])
    set_generator_states(_under(state, "generator."), device)
    curve = LearningCurve.of_tensors(_under(state, "curve."), network.exit_names)
    final_loss = curve.losses[-1] if curve.losses else 0.0
    return TrainingRecord(
        int(state["epochs"]), int(state["steps"]), float(state["seconds"]), final_loss, curve
    )


def load_trained_weights(network: Network, state: dict[str, Tensor]) -> None:
    """Give ``network`` the weights of a state that training left.

    Raises:
        ValueError: ``state`` is of another network.

    Example:
        >>> one, other = (Network(torch.nn.Linear(4, 2), torch.zeros(1, 4), 2, exit_features=4) for _ in "ab")
        >>> how = (one, torch.optim.AdamW(one.parameters()), torch.Generator())
        >>> state = training_state(TrainingRecord(epochs=1, steps=4, seconds=0.5, final_loss=0.7), *how)
        >>> load_trained_weights(other, state)
        >>> torch.equal(one(torch.ones(1, 4))[-1], other(torch.ones(1, 4))[-1])
        True
    """
    own, stored = _own_tensors(network), _under(state, "network.")
    if {name: tensor.shape for name, tensor in own.items()} != {n: t.shape for n, t in stored.items()}:
        raise ValueError("training state is not of this network: names or shapes differ")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(stored[name])


def _own_tensors(network: Network) -> dict[str, Tensor]:
    """Parameters and persistent buffers by their first name; parts and taps of a network share them."""
    named: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in network.state_dict(keep_vars=True).items():
        named.setdefault(id(tensor), (name, tensor))
    return dict(named.values())


def _under(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
