"""Files of a run folder that each session writes anew, read and written with their checksums."""

from pathlib import Path
from typing import Any

from explorer.runs.folder import resume_command
from explorer.runs.sealed import read_sealed, write_sealed

TRIALS_FILE, MEASUREMENTS_FILE = "trials.json", "measurements.json"
BASELINES_FILE = "baselines.json"  # rows of explorer.measure.jpeg
SUMMARIES = (TRIALS_FILE, MEASUREMENTS_FILE, BASELINES_FILE)  # each session writes them anew
TRIAL_COLUMNS = [
    *("number", "state", "outcome", "reason", "network_key", "reference", "split_point"),
    *("confidence_threshold", "payload_bits", "elapsed_s", "hypervolume", "front_size", "params", "values"),
]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write ``trials.json`` or ``baselines.json``, with a checksum.

    Example:
        >>> write_rows(Path("trials.json"), [{"number": 0}])
        >>> read_rows(Path("trials.json"))
        [{'number': 0}]
    """
    write_sealed(path, {"rows": rows})


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Inverse of :func:`write_rows`.

    Raises:
        UserError: Missing, unreadable or changed.

    Example:
        >>> read_rows(Path("baselines.json"))
        Traceback (most recent call last):
            ...
        explorer.runs.sealed.DamagedError: baselines.json: no such file; ...
    """
    rows: list[dict[str, Any]] = read_summary(path)["rows"]
    return rows


def read_summary(path: Path) -> dict[str, Any]:
    """One of :data:`SUMMARIES`, or ``front.json``, without its checksum.

    Raises:
        UserError: Missing, unreadable or changed.

    Example:
        >>> write_sealed(Path("measurements.json"), {"parts": []})
        >>> read_summary(Path("measurements.json"))
        {'parts': []}
    """
    return read_sealed(path, f"`{resume_command(path.parent)}` writes it anew")
