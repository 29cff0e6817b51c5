"""Tables as CSV files that a spreadsheet may open: no text in them is run as a formula."""

import re
from typing import Any

import pandas as pd

_RUN_BY_SPREADSHEETS = re.compile(r"[=+\-@\t\r]")  # OWASP, "CSV Injection"; as csvField in assets/format.js


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV; texts that a spreadsheet would run as a formula begin with an apostrophe.

    Numbers stay as they are, negative ones, too; what is not known is empty.

    Example:
        >>> print(csv_text(pd.DataFrame({"backbone": ["mlp", "=1+1"], "margin": [-0.5, None]})), end="")
        backbone,margin
        mlp,-0.5
        '=1+1,
    """
    return table.rename(columns=_disarmed).map(_disarmed).to_csv(index=False)


def _disarmed(value: Any) -> Any:
    is_run = isinstance(value, str) and _RUN_BY_SPREADSHEETS.match(value)
    return f"'{value}" if is_run else value
