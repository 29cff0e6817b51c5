"""Where networks are trained and measured: chosen in one place, then handed on as a parameter.

On a GPU float32 stays float32: no TensorFloat-32, whose products have 10 bits of mantissa. torch's
deterministic algorithms are taken where there are some, so the same seed gives the same weights on the same
GPU; operators that have none are named by torch in a warning. On the CPU nothing is changed.
"""

import os
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from explorer.errors import UserError

CPU = torch.device("cpu")
FUSED = ("cpu", "cuda")  # devices whose AdamW has a fused step
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"  # without it, products may differ from run to run


def chosen_device(name: str) -> torch.device:
    """The device that a name asks for.

    Args:
        name: ``auto`` (a GPU if torch sees one), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: No such device, or none that torch sees.

    Example:
        >>> chosen_device("cpu")
        device(type='cpu')
        >>> chosen_device("tpu")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: --device must be auto, cpu, cuda or cuda:N, got 'tpu'
    """
    kind, _, number = name.partition(":")
    if name not in ("auto", "cpu", "cuda") and not (kind == "cuda" and number.isdecimal()):
        raise UserError(f"--device must be auto, cpu, cuda or cuda:N, got {name!r}")
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not seen):
        return CPU
    if int(number or 0) >= seen:
        raise UserError(f"--device: torch must see this GPU, but it sees {seen}, got {name!r}")
    return torch.device("cuda", int(number or 0))


def gpus_of(name: str) -> tuple[str, ...]:
    """The GPUs that processes of this machine may share, as ``CUDA_VISIBLE_DEVICES`` names them.

    Args:
        name: As of :func:`chosen_device`; ``auto`` and ``cuda`` mean all that torch sees, ``cuda:N`` one.

    Example:
        >>> gpus_of("cpu")
        ()
    """
    device = chosen_device(name)
    if device.type != "cuda":
        return ()
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    seen = said.split(",") if said else [str(number) for number in range(torch.cuda.device_count())]
    return (seen[device.index],) if ":" in name else tuple(seen)


def described(device: torch.device) -> str:
    """A device as a run's record names it.

    Example:
        >>> described(torch.device("cpu"))
        'cpu'
    """
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@contextmanager
def computing_on(device: torch.device) -> Iterator[None]:
    """Conditions of training and measuring on a device; afterwards they are as before.

    What an error leaves on a GPU is freed, so that a network that needs too much memory fails alone.

    Example:
        >>> with computing_on(torch.device("cpu")):
        ...     torch.are_deterministic_algorithms_enabled()
        False
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault(_CUBLAS, ":4096:8")
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (products.allow_tf32, convolutions.allow_tf32, convolutions.benchmark)
    memory: Any = torch.utils.deterministic
    filled, memory.fill_uninitialized_memory = memory.fill_uninitialized_memory, False  # filling takes time
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    products.allow_tf32 = convolutions.allow_tf32 = convolutions.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.cuda.device(device):
            yield
    except Exception as error:
        _free(error)
        raise
    finally:
        products.allow_tf32, convolutions.allow_tf32, convolutions.benchmark = before
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)


def _free(error: BaseException) -> None:
    """Give back what frames of an error still hold."""
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.cuda.empty_cache()


@contextmanager
def drawing_from(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's generators of the CPU and of a device, seeded; afterwards they are as before.

    Example:
        >>> with drawing_from(0, torch.device("cpu")):
        ...     first = torch.rand(1)
        >>> with drawing_from(0, torch.device("cpu")):
        ...     bool(first == torch.rand(1))
        True
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def generator_states(device: torch.device) -> dict[str, Tensor]:
    """States of the generators that a training on a device draws from, by name.

    Example:
        >>> list(generator_states(torch.device("cpu")))
        ['dropout']
    """
    states = {"dropout": torch.get_rng_state()}
    return states | ({"dropout.cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_generator_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Go on drawing from where :func:`generator_states` stood; of another kind of device there is no state.

    Example:
        >>> states = generator_states(torch.device("cpu"))
        >>> first = torch.rand(1)
        >>> set_generator_states(states, torch.device("cpu"))
        >>> bool(first == torch.rand(1))
        True
    """
    torch.set_rng_state(states["dropout"])
    if device.type == "cuda" and "dropout.cuda" in states:
        torch.cuda.set_rng_state(states["dropout.cuda"], device)
