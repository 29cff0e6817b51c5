"""Fresh processes, which have nothing open and can be killed."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["benchmarks.study_storage.storages"])
_Result = TypeVar("_Result")


def in_own_process(function: Callable[..., _Result], *arguments: Any) -> _Result:
    """Call a function of a module in a process that ends with it."""
    with ProcessPoolExecutor(1, _CONTEXT) as pool:
        return pool.submit(function, *arguments).result()


def started(function: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process that calls a function of a module, and ends with this one at the latest."""
    process = _CONTEXT.Process(target=function, args=arguments, daemon=True)
    process.start()
    return process
