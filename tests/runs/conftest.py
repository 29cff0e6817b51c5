"""A run folder that tests read from and none changes."""

import pytest
from made_up_runs import write_run

from explorer.runs.results import RunResults, load_run


@pytest.fixture(scope="session")
def made_up_run(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    """Fourteen trials."""
    path = tmp_path_factory.mktemp("runs") / "made-up"
    write_run(path, 14)
    return load_run(path)
