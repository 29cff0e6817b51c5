"""Dask clusters: starting one on this machine, connecting, and what its workers offer."""

import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

import dask
from distributed import Client, LocalCluster, Scheduler, SchedulerPlugin

from explorer.errors import UserError

CONNECT_SECONDS = 15.0
POLL_SECONDS = 0.2
SILENT = logging.CRITICAL + 1
_LOCAL = {
    # workers watch what they run a hundred times a second; they only wait for their child processes
    "distributed.worker.profile.enabled": False,
    # and nobody asks how busy their event loops are, fifty times a second by default
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    # what waits may go to any worker, and is not blamed when one dies
    "distributed.scheduler.worker-saturation": 1.0,
}


@contextmanager
def local_cluster(workers: int, folder: Path) -> Iterator[LocalCluster]:
    """Worker processes of one thread each, reachable from this machine only; ended with the context.

    Args:
        workers: How many.
        folder: For their files.

    Example:
        >>> with local_cluster(2, Path("scratch")) as cluster:  # doctest: +SKIP
        ...     cluster.scheduler_address
        'tcp://127.0.0.1:34567'
    """
    own = _LOCAL | {"temporary-directory": str(folder)}  # of the scheduler, which has files, too
    with _no_main_module(), dask.config.set(own):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # Dask opens an HTTP port all the same; by default a fixed one, which others may want
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=SILENT,
            local_directory=str(folder),
            memory_limit=0,  # tasks take their memory in child processes, which have a limit of their own
        )
    try:
        yield cluster
    finally:
        with suppress(Exception):
            cluster.close(timeout=10)


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Hide the command from processes started meanwhile: they would import it, and torch with it."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def connecting(address: str, seconds: float) -> Iterator[Client]:
    """A client that is closed again if the context fails.

    Raises:
        UserError: There is no scheduler at the address, or it left meanwhile.

    Example:
        >>> with connecting("no address", 1.0) as client:
        ...     offers(client)
        Traceback (most recent call last):
        explorer.runtime.errors.UserError: cannot reach the Dask scheduler no address: ...
    """
    try:
        client = Client(address, timeout=max(1.0, min(CONNECT_SECONDS, seconds)), set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # TypeError: TLS without certificates
        raise UserError(f"cannot reach the Dask scheduler {address}: {error}") from error
    try:
        yield client
    except OSError as error:
        close_client(client)
        raise UserError(f"lost the Dask scheduler {address}: {error}") from error
    except BaseException:
        close_client(client)
        raise


def close_client(client: Client) -> None:
    """Close a client whose scheduler may be gone.

    Example:
        >>> from unittest.mock import Mock
        >>> close_client(Mock(close=Mock(side_effect=OSError)))  # its scheduler is gone: nothing is raised
    """
    with suppress(Exception):
        client.close(timeout=5)


def end_with_client(client: Client, plugin: str) -> None:
    """Have the scheduler remove a worker plugin once the client is gone, however it went.

    The class is local so that it is pickled whole: a scheduler need not have this package. One that unpickles
    nothing refuses it; then only a client that leaves in order takes its plugin along.

    Args:
        client: Connected; whose plugin it is.
        plugin: Its name, as registered.

    Example:
        >>> from unittest.mock import Mock
        >>> client, scheduler = Mock(id="Client-1"), Mock(worker_plugins={"explorer-1": b""})
        >>> end_with_client(client, "explorer-1")
        >>> watch = client.register_plugin.call_args.args[0]  # the scheduler has it now
        >>> watch.remove_client(scheduler, "Client-2")
        >>> scheduler.loop.add_callback.called
        False
        >>> watch.remove_client(scheduler, "Client-1")
        >>> scheduler.loop.add_callback.called
        True
    """

    class Watch(SchedulerPlugin):
        """Knows whose plugin it is."""

        def __init__(self, owner: str, worker_plugin: str, name: str) -> None:
            self.owner, self.plugin, self.name = owner, worker_plugin, name

        def remove_client(self, scheduler: Scheduler, client: str) -> None:
            """Called by Dask for every client that leaves, or is lost."""
            if client == self.owner:
                scheduler.remove_plugin(self.name)
                if self.plugin in scheduler.worker_plugins:
                    scheduler.loop.add_callback(scheduler.unregister_worker_plugin, None, self.plugin)

    name = f"{plugin}-{client.id}"
    with suppress(ValueError):
        client.register_plugin(Watch(client.id, plugin, name), name)


def offers(client: Client) -> list[dict[str, float]]:
    """Resources of every worker now present.

    Example:
        >>> from unittest.mock import Mock
        >>> workers = {"tcp://a:1": {"resources": {"GPU": 1.0}}, "tcp://b:1": {"resources": {}}}
        >>> offers(Mock(scheduler_info=lambda n_workers: {"workers": workers}))
        [{'GPU': 1.0}, {}]
    """
    return [dict(worker["resources"]) for worker in client.scheduler_info(n_workers=-1)["workers"].values()]


def suits(offer: Mapping[str, float], resources: Mapping[str, float]) -> bool:
    """Whether a worker can ever run a task that needs the resources.

    Example:
        >>> suits({"GPU": 1.0}, {"GPU": 1.0}), suits({}, {"GPU": 1.0}), suits({}, {})
        (True, False, True)
    """
    return all(offer.get(name, 0) >= amount for name, amount in resources.items())


def count_workers(
    client: Client, resources: Mapping[str, float], seconds: float, stop: threading.Event
) -> int:
    """Number of workers that offer the resources; waits for a first worker of any kind.

    Raises:
        UserError: No worker came, or none offers the resources. Dask itself would wait for ever.

    Example:
        >>> from unittest.mock import Mock
        >>> workers = {"tcp://a:1": {"resources": {"GPU": 1.0}}, "tcp://b:1": {"resources": {}}}
        >>> client = Mock(scheduler_info=lambda n_workers: {"address": "tcp://c:1", "workers": workers})
        >>> count_workers(client, {"GPU": 1.0}, seconds=1.0, stop=threading.Event())
        1
    """
    address, deadline = client.scheduler_info(n_workers=0)["address"], time.monotonic() + seconds
    while not (offered := offers(client)):
        if stop.wait(POLL_SECONDS) or time.monotonic() > deadline:
            raise UserError(f"the Dask scheduler {address} has no workers")
    if count := sum(suits(offer, resources) for offer in offered):
        return count
    found = "; ".join(sorted({_text(offer) for offer in offered}))
    raise UserError(f"no worker of {address} offers the resources {_text(resources)} (offered: {found})")


def _text(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={amount:g}" for name, amount in resources.items()) or "none"
