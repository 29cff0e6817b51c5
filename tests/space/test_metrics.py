"""Names that carry their units, and directions folded into losses."""

import numpy as np
import pandas as pd

from explorer.space.metrics import ALL_METRICS, MEASURED_METRICS, METRICS, loss_values

SUFFIXES = {"s": "_s", "B": "_bytes", "J": "_j", "MAC": "_macs"}


def test_losses_are_to_be_minimised() -> None:
    points = pd.DataFrame({"edge_macs": [3, 4], "accuracy": [0.5, 0.75], "payload_bytes": [1.0, np.nan]})
    losses = loss_values(points, [METRICS["accuracy"], METRICS["edge_macs"]])
    assert losses.columns.tolist() == ["accuracy", "edge_macs"]  # in the order of the objectives
    assert losses.to_numpy().tolist() == [[-0.5, 3.0], [-0.75, 4.0]]
    assert {dtype.kind for dtype in losses.dtypes} == {"f"}


def test_names_carry_their_units() -> None:
    for metric in ALL_METRICS.values():
        assert SUFFIXES.get(metric.unit, "") in metric.name
    assert not set(METRICS) & set(MEASURED_METRICS)  # modelled and measured have different names
