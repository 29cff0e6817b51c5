"""How soon answers must be there, and for how many samples: ``0.1 s for 95 %``."""

import re
from dataclasses import dataclass
from typing import Self

from explorer.errors import UserError
from explorer.utils.units import scale_of

_NUMBER = r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_DEADLINE = re.compile(
    rf"^\s*(?P<time>{_NUMBER})\s*(?P<unit>[A-Za-zµ]+)(\s+for\s+(?P<share>{_NUMBER})\s*(?P<percent>%)?)?\s*$"
)


@dataclass(frozen=True)
class Deadline:
    """A time, and the share of samples that must be answered within it.

    Attributes:
        seconds: From a sample to its answer; above 0.
        share: Of the samples, in (0, 1]; None where nothing is asked and late samples are only counted.

    Example:
        >>> Deadline.parse("100 ms for 95 %", "--deadline")
        Deadline(seconds=0.1, share=0.95)
        >>> Deadline.parse("100 ms for 95 %", "--deadline").rules, Deadline.parse("0.1 s", "--deadline").rules
        (['deadline_missed <= 0.05'], [])
        >>> Deadline.parse("100 ms for 0.95", "--deadline").share
        0.95
    """

    seconds: float
    share: float | None = None

    @classmethod
    def parse(cls, text: str, where: str) -> Self:
        """Read ``TIME UNIT for SHARE %``, with a fraction instead of percent, or ``TIME UNIT``.

        Args:
            text: Units of time are s, ms and us.
            where: File and key or option, for the message.

        Raises:
            UserError: Another form, an unknown unit, no time, or a share outside (0, 100] percent.
        """
        match = _DEADLINE.match(text)
        scale = scale_of(match["unit"], "s") if match else None
        if match is None or scale is None:
            raise UserError(f"{where}: must read like `0.1 s for 95 %` (units: s ms us), got {text!r}")
        seconds = float(match["time"]) * scale
        share = None if match["share"] is None else float(match["share"]) / (100 if match["percent"] else 1)
        if not 0 < seconds < float("inf"):
            raise UserError(f"{where}: the time must be above 0 and finite, got {text!r}")
        if share is not None and not 0 < share <= 1:
            raise UserError(f"{where}: the share must be above 0 and at most 100 %, got {text!r}")
        return cls(seconds, share)

    @property
    def rules(self) -> list[str]:
        """The constraint on the share of late samples; none where nothing is asked."""
        return [] if self.share is None else [f"deadline_missed <= {1.0 - self.share:.12g}"]
