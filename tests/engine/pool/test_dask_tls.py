"""A cluster whose processes speak TLS, each with a certificate, set up by Dask's own variables alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import pytest
from certificates import write_certificate
from dask_cluster import cluster, free_port
from worker_tasks import Task, Work

from explorer.engine.pool.dask import DaskPool, Limits
from explorer.errors import UserError

pytestmark = pytest.mark.slow

ROLES = ("SCHEDULER", "WORKER", "CLIENT")


def tls_variables(certificate: Path, key: Path) -> dict[str, str]:
    """What docs/how-to/several-cores-and-machines.md exports."""
    tls = "DASK_DISTRIBUTED__COMM__TLS"
    variables = {f"{tls}__CA_FILE": str(certificate), "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}
    for role in ROLES:
        variables |= {f"{tls}__{role}__CERT": str(certificate), f"{tls}__{role}__KEY": str(key)}
    return variables


def configured(variables: dict[str, str]) -> dask.config.set:
    """What Dask makes of the variables when it is imported, as long as the context lasts."""
    return dask.config.set(dask.config.merge(dask.config.config, dask.config.collect_env(variables)))


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return tls_variables(*write_certificate(tmp_path_factory.mktemp("certificate")))


@pytest.fixture(scope="module")
def port(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with cluster(port, tmp_path_factory.mktemp("cluster"), "tls", variables):
        yield port


def connected(port: int, arrivals: Path, protocol: str = "tls") -> DaskPool[Task, Any]:
    address = f"{protocol}://127.0.0.1:{port}"
    return DaskPool(Work(arrivals), workers=1, threads=1, limits=Limits(), scheduler=address)


def test_a_search_that_has_the_certificate_trains_there(
    port: int, variables: dict[str, str], tmp_path: Path
) -> None:
    with configured(variables), connected(port, tmp_path / "arrivals") as pool:
        assert pool.address.startswith("tls://")
        assert pool.submit(("square", 3)).result(60) == 9


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_nobody_gets_in_without_a_certificate(
    port: int, protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.engine.pool.cluster.CONNECT_SECONDS", 2)
    with pytest.raises(UserError, match=f"^cannot reach the Dask scheduler {protocol}://127.0.0.1:{port}: "):
        connected(port, tmp_path / "arrivals", protocol)
    assert not (tmp_path / "arrivals").exists()


def test_nobody_gets_in_with_another_certificate(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.engine.pool.cluster.CONNECT_SECONDS", 2)
    with (
        configured(tls_variables(*write_certificate(tmp_path))),
        pytest.raises(UserError, match=f"^cannot reach the Dask scheduler tls://127.0.0.1:{port}: "),
    ):
        connected(port, tmp_path / "arrivals")
