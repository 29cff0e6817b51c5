"""A finished search that tests read from and none disturbs."""

import pytest
from loops import Finished, Spy, in_memory, make_loop

from explorer.engine.outcomes import Progress


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One search of 30 trials that nothing disturbs."""
    spy, shown = Spy(), list[Progress]()
    loop = make_loop(tmp_path_factory.mktemp("finished"), spy, study=in_memory())
    loop.run(30, None, shown.append)
    return loop, spy, shown
