"""Functions that a user names in a file, ``package.module:function``, or gives as objects in Python."""

import copy
import hashlib
import importlib
import random
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explorer.errors import UserError, sys_exit

_IMPORT_SEED = 0  # a module is imported once per process, for networks of any seed
_GIVEN = "python"  # in place of a module, in names of objects that have no name of their own
_given: dict[str, Callable[..., Any]] = {}  # functions that only this process has, by name


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Whatever a user's code draws from global generators while this lasts follows from ``seed``.

    These are those of ``random``, ``numpy.random`` and torch (CPU); their states are put back afterwards, as
    are torch's default type of floats and whether it records gradients.

    Example:
        >>> with seeded(3):
        ...     first = np.random.rand(), torch.rand(1).item()
        >>> with seeded(3):
        ...     print(first == (np.random.rand(), torch.rand(1).item()))
        True
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    floats, records = torch.get_default_dtype(), torch.is_grad_enabled()
    with torch.random.fork_rng(devices=[]):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # the seeds it takes
        torch.default_generator.manual_seed(seed)  # torch.manual_seed looks for GPUs, which takes its time
        try:
            yield
        finally:
            random.setstate(of_python)
            np.random.set_state(of_numpy)
            torch.set_default_dtype(floats)
            torch.set_grad_enabled(records)


def said(error: BaseException) -> str:
    """Type and words of what a user's code raised; ``sys.exit()`` has no words of its own.

    Example:
        >>> said(ValueError("no such layer")), said(SystemExit(2))
        ('ValueError: no such layer', 'it called sys.exit(2)')
    """
    if isinstance(error, SystemExit):
        return f"it called {sys_exit(error)}"
    return f"{type(error).__name__}: {error}"


@contextmanager
def user_code(
    what: str, refusal: type[UserError] = UserError, told: tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Whatever a user's code raises meanwhile, ``sys.exit`` included, is refused in one sentence.

    All calls of user code go through here, or through :func:`explorer.core.failures.failing_alone` where what
    fails is one network of many, or are told by ``explorer.core.graph`` as the reason of a refusal.

    Args:
        what: Names what was called, in the message.
        refusal: Type of the error.
        told: Errors that say by themselves what is wrong, and pass as they are.

    Raises:
        UserError: Anything was raised. An interrupt stays an interrupt.

    Example:
        >>> with user_code("data source 'mine:load'"):
        ...     sys.exit("run prepare.py first")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: data source 'mine:load': it called sys.exit('run prepare.py first')
    """
    try:
        yield
    except told:
        raise
    except (Exception, SystemExit) as error:
        raise refusal(f"{what}: {said(error)}") from error


def name_of(value: Any) -> str:
    """The name, ``module:function``, under which :func:`import_function` finds an object.

    Args:
        value: A function or class; one that cannot be imported by its name, or is defined in a script or a
            notebook, is found in this process alone. Or a ``torch.nn.Module``, which stands for a function
            that returns copies of it.

    Raises:
        UserError: It is neither.

    Example:
        >>> name_of(torch.nn.Linear)
        'torch.nn.modules.linear:Linear'
        >>> name_of(torch.nn.Linear(4, 2))
        'python:Linear_...'
    """
    if isinstance(value, torch.nn.Module):
        return give(f"{type(value).__name__}_{_digest(value)}", lambda: copy.deepcopy(value))
    if not callable(value):
        raise UserError(f"a factory must be a function, a class or a module, got {type(value).__name__}")
    module, qualified = str(value.__module__), str(getattr(value, "__qualname__", type(value).__name__))
    name = f"{module}:{qualified}"
    if module != "__main__" and getattr(sys.modules.get(module), qualified, None) is value:
        return name
    identifier = re.sub(r"\W+", "_", qualified).strip("_")
    name = f"{module}:{identifier}"
    _given[name] = value
    return name


def give(name: str, function: Callable[..., Any]) -> str:
    """Have this process find ``function`` under a name, which is returned as a whole.

    Example:
        >>> give("two_by_two", lambda: torch.nn.Linear(2, 2))
        'python:two_by_two'
        >>> import_function("python:two_by_two", "factory")()
        Linear(in_features=2, out_features=2, bias=True)
    """
    _given[f"{_GIVEN}:{name}"] = function
    return f"{_GIVEN}:{name}"


def is_given(target: str) -> bool:
    """Whether a name stands for an object that no other process can find.

    Example:
        >>> is_given(give("identity", torch.nn.Identity)), is_given("torch.nn:Identity")
        (True, False)
    """
    return target in _given


def _digest(module: torch.nn.Module) -> str:
    """Tells modules with other weights apart."""
    digest = hashlib.blake2b(digest_size=6)
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + np.asarray(tensor.detach().cpu()).tobytes())
    return digest.hexdigest()


def import_function(target: str, what: str) -> Any:
    """Import a function, found on the path or from the working directory.

    What its module draws when it is first imported, a constant say, is the same in every process.

    Args:
        target: ``package.module:function``.
        what: What it stands for, in messages.

    Raises:
        UserError: There is no such module or function, or the module cannot be read.

    Example:
        >>> import_function("torch.nn:Linear", "factory")(4, 2)
        Linear(in_features=4, out_features=2, bias=True)
        >>> import_function("torch.nn:Liner", "factory")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: factory 'torch.nn:Liner': module 'torch.nn' has no function 'Liner'
    """
    if target in _given:
        return _given[target]
    module_name, _, function_name = target.partition(":")
    if module_name in (_GIVEN, "__main__"):
        raise UserError(
            f"{what} {target!r}: was given as an object in Python, which this process does not have; run the "
            "script that made it, or put it into a module"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    with user_code(f"{what} {target!r}: cannot import {module_name!r}"), seeded(_IMPORT_SEED):
        module = importlib.import_module(module_name)
        function = getattr(module, function_name, None)  # which a module may answer by a function of its own
    if not callable(function):
        raise UserError(f"{what} {target!r}: module {module_name!r} has no function {function_name!r}")
    return function
