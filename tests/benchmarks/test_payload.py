"""benchmarks.payload on noise: every row is there and its bytes follow the formula."""

import pandas as pd
import pytest
import torch

from benchmarks.payload import measured, shown, trained_network
from explorer.core.payload import PAYLOAD_BITS, encoded_bytes
from explorer.data.dataset import DataSet, Subset


@pytest.mark.parametrize("ranges", ["sample", "channel"])
def test_rows_follow_from_the_network(ranges: str) -> None:
    inputs = torch.randn(40, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    subset = Subset(inputs, torch.arange(40) % 10)
    data = DataSet("noise", subset, subset, subset, 10, (1, 28, 28))
    network = trained_network(data, epochs=1, seed=0)
    rows = measured(network, data, ranges)  # type: ignore[arg-type]
    points = network.split_points[:-1]
    assert len(rows) == len(points) * len(PAYLOAD_BITS)
    for row in rows:
        elements = network.split_point(row["split_point"]).payload_elements
        assert row["bytes"] == encoded_bytes(elements, row["bits"], ranges)  # type: ignore[arg-type]
        assert row["bytes_zstd"] <= row["bytes"]
        assert row["bits"] != 32 or row["lost"] == 0
    table = shown(pd.DataFrame([{"seed": 0} | row for row in rows] + [{"seed": 1} | row for row in rows]))
    assert len(table) == len(rows)
    assert table["worst_lost"].tolist() == pytest.approx([row["lost"] for row in rows])
