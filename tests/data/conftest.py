"""No test of data sees the data files that this machine may have, but those that ask for them."""

import pytest

from explorer.data.archives import DATA_DIR_VARIABLE


@pytest.fixture(autouse=True)
def _no_data_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_DIR_VARIABLE, raising=False)
