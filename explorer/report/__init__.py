"""Turn a run into one self-contained, interactive HTML page."""

from explorer.report.front import FrontInfo, front_figure, front_info
from explorer.report.hypervolume import HypervolumeInfo, hypervolume_figure, hypervolume_info
from explorer.report.importances import ImportanceInfo, importance_figure, importance_info
from explorer.report.index import write_index
from explorer.report.page import write_report
from explorer.report.parallel import ParallelInfo, parallel_figure, parallel_info

__all__ = [
    "FrontInfo",
    "HypervolumeInfo",
    "ImportanceInfo",
    "ParallelInfo",
    "front_figure",
    "front_info",
    "hypervolume_figure",
    "hypervolume_info",
    "importance_figure",
    "importance_info",
    "parallel_figure",
    "parallel_info",
    "write_index",
    "write_report",
]
