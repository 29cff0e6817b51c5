"""Operating points of a trained network that the sampler is told of beyond the proposed one.

One training yields a whole sub-front of operating points; a plain loop would tell the sampler one of them.
Siblings are added to the study as finished trials, marked as such; they are no proposals. A search tells none
unless asked to: NSGA takes no added trials into its generations, and TPE gained less from them than varied
from seed to seed (``python -m benchmarks.samplers``).
"""

from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import create_trial

from explorer.candidate import Candidate
from explorer.engine.proposals import Proposer
from explorer.engine.study import SIBLING_OF


def add_siblings(
    study: optuna.Study,
    trial: optuna.Trial,
    candidate: Candidate,
    proposer: Proposer,
    on_front: pd.DataFrame,
    count: int,
) -> None:
    """Add up to ``count`` points of the candidate's network, spread evenly over its part of the front.

    Args:
        study: To add to.
        trial: The proposal, told already; siblings share its parameters but for how the network is run.
        candidate: What was proposed.
        proposer: Knows the parameters of an operating point.
        on_front: Operating points of the network that lie on the front of the search now.
        count: 0 adds nothing.
    """
    space = proposer.space
    for row in spread(on_front.sort_values(space.metrics[0].name), count).to_dict("records"):
        bits = None if pd.isna(row["payload_bits"]) else int(row["payload_bits"])
        threshold = None if pd.isna(row["confidence_threshold"]) else float(row["confidence_threshold"])
        point: dict[str, Any] = proposer.point_params(candidate.network, row["split_point"], threshold, bits)
        study.add_trial(
            create_trial(
                params=trial.params | point,
                distributions=trial.distributions,
                values=[float(row[metric.name]) for metric in space.metrics],
                user_attrs={SIBLING_OF: trial.number},
                constraints={
                    str(constraint): constraint.violation(float(row[constraint.column]))
                    for constraint in space.parsed_constraints
                },
            )
        )


def spread(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """At most ``count`` rows at even distances, both ends among them."""
    if len(rows) <= count:
        return rows
    return rows.iloc[np.linspace(0, len(rows) - 1, count).round().astype(int)]
