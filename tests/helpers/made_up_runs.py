"""Run folders with made-up networks, as a search leaves them."""

from pathlib import Path

from optuna import create_study
from stand_ins import SETTING, fabricate, make_proposer

from benchmarks.report_scale.synthetic import make_record
from explorer.costs.model import CostModel
from explorer.engine.loop import SearchLoop
from explorer.engine.pool.base import SerialPool
from explorer.runs.store import Store
from explorer.runs.summaries import write_rows
from explorer.session.summary import trial_rows

LIMIT = "edge_memory_bytes <= 1200"
OBJECTIVES = {"accuracy": 0.1, "edge_macs": 400.0}


def write_run(folder: Path, trials: int) -> None:
    """Search for so many trials in the folder."""
    study = create_study(directions=["maximize", "minimize"])
    proposer = make_proposer(constraints=[LIMIT])
    loop = SearchLoop(
        study=study,
        proposer=proposer,
        store=Store(folder),
        costs=CostModel(SETTING),
        pool=SerialPool(lambda task: fabricate(task.spec)),
        rung_epochs=(1,),
        sampler="random",
        seed=0,
    )
    loop.run(trials, None, lambda progress: None)
    make_record(folder.name, OBJECTIVES, [LIMIT], SETTING).write(folder)
    write_rows(folder / "trials.json", trial_rows(study))
