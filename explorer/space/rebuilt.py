"""Whether a network that is built again is the one that was: compared by logits.

A network is stored as weights and the name of its factory. Its structure comes from the factory's code,
which may have been edited since, or be another on another machine; and a factory may draw constants from a
generator that no seed reaches. Weights of the right names and shapes do not show that.
"""

import json
from functools import lru_cache
from math import inf

import torch
from torch import Tensor

from explorer.backbones import build_backbone
from explorer.core.graph.module_state import evaluating, keeping_state
from explorer.core.graph.refusals import logits_of
from explorer.core.graph.trace_checks import difference
from explorer.core.network import Network
from explorer.errors import UserError

SAMPLES = 8  # validation samples whose logits are stored with a network
TOLERANCE = 1e-5  # relative to the largest logit where that exceeds 1
SIGNATURE_TOLERANCE = 1e-4  # another machine may compute, and draw, in another order
_SIGNATURE_SAMPLES = 2

Signature = tuple[float, ...]
Built = tuple[str, str, tuple[int, ...]]  # factory, arguments as JSON text, input shape without batch


def sample_logits(network: Network, inputs: Tensor) -> Tensor:
    """Logits of all exits and of the output, float32, on the CPU.

    Args:
        network: Run in eval mode.
        inputs: Validation inputs (N, ...), of which the first :data:`SAMPLES` are run.

    Returns:
        Shape (exits + 1, samples, classes).

    Example:
        >>> network = Network(torch.nn.Linear(4, 3), torch.zeros(1, 4), num_classes=3, exit_features=8)
        >>> sample_logits(network, torch.zeros(20, 4)).shape
        torch.Size([2, 8, 3])
    """
    with keeping_state(network), evaluating(network):
        return torch.stack(network(inputs[:SAMPLES].contiguous())).cpu()


def check_logits(network: Network, factory: str, inputs: Tensor, expected: Tensor) -> None:
    """Compare a rebuilt network with what :func:`sample_logits` gave when it had been trained.

    Raises:
        UserError: They differ by more than :data:`TOLERANCE`.

    Example:
        >>> network = Network(torch.nn.Linear(4, 3), torch.zeros(1, 4), num_classes=3, exit_features=8)
        >>> check_logits(network, "mine:net", torch.ones(8, 4), 1 + sample_logits(network, torch.ones(8, 4)))
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: the factory `mine:net` builds another network than ...
    """
    gap = _gap(sample_logits(network, inputs), expected)
    if not gap <= TOLERANCE:
        raise another_network(factory, f"logits differ by {gap:.2g}")


def another_network(factory: str, what: str) -> UserError:
    """Says in what a rebuilt network differs.

    Example:
        >>> print(another_network("mine:net", "logits differ by 0.5"))
        the factory `mine:net` builds another network than the one that was trained (logits differ by 0.5):
        was it edited?
    """
    than = "than the one that was trained"
    return UserError(f"the factory `{factory}` builds another network {than} ({what}): was it edited?")


def _gap(logits: Tensor, expected: Tensor) -> float:
    return difference(logits, expected) if logits.shape == expected.shape else inf


def signature(
    factory: str, arguments: str, input_shape: tuple[int, ...], num_classes: int, seed: int
) -> Signature:
    """What tells a dense variant, untrained, from what other code would build: its logits of seeded noise.

    Parameters that are zero throughout (often the last scale of a residual branch) are drawn first: they
    would hide what lies before them.

    Args:
        factory: ``package.module:function``.
        arguments: Chosen arguments as JSON text.
        input_shape: Without batch.
        num_classes: Logits.
        seed: Of the recipe.

    Example:
        >>> len(signature("explorer.backbones:mlp", '{"hidden": [8]}', (64,), num_classes=10, seed=0))
        20
    """
    module = build_backbone(factory, json.loads(arguments), input_shape, num_classes, seed)
    generator = torch.Generator().manual_seed(seed)
    with evaluating(module):
        for parameter in module.parameters():
            if not parameter.any():
                parameter.uniform_(-0.5, 0.5, generator=generator)
        noise = torch.randn(_SIGNATURE_SAMPLES, *input_shape, generator=generator)
        logits = logits_of(module(noise)).nan_to_num()  # NaN, from what was drawn, equals NaN
        return tuple(logits.flatten().tolist())


@lru_cache(maxsize=256)
def check_factory(
    factory: str,
    arguments: str,
    input_shape: tuple[int, ...],
    num_classes: int,
    seed: int,
    expected: Signature,
) -> None:
    """Compare what a factory builds here with its :func:`signature`; once per variant and process.

    Raises:
        UserError: They differ, or the factory cannot be called here.

    Example:
        >>> how = ("explorer.backbones:mlp", '{"hidden": [8]}', (64,), 10, 0)
        >>> check_factory(*how, signature(*how))
        >>> check_factory(*how, (0.0,) * 20)
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: the factory `explorer.backbones:mlp` builds another network ...
    """
    own = signature(factory, arguments, input_shape, num_classes, seed)
    gap = _gap(torch.tensor(own), torch.tensor(expected))
    if not gap <= SIGNATURE_TOLERANCE:
        raise UserError(
            f"the factory `{factory}` builds another network here than where the search began (logits differ "
            f"by {gap:.2g}): is its code another, or does it draw from a generator of its own?"
        )
