"""Kinds of battery cells: what they lose by themselves, how long they may lie, and who says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Cell:
    """A kind of battery cell.

    Attributes:
        name: As command lines and pages name it.
        description: One line for a person.
        self_discharge_per_year: Share of the capacity of a new cell that a year takes at room temperature.
        shelf_life_years: After so long nobody promises anything, however little was drawn; the lower end of
            what sources say.
        sources: Where both numbers come from.

    Example:
        >>> cell = CELLS["li-mno2"]
        >>> cell.self_discharge_per_year, cell.shelf_life_years
        (0.015, 10.0)
    """

    name: str
    description: str
    self_discharge_per_year: float
    shelf_life_years: float
    sources: Mapping[str, str] = field(hash=False)


CELLS: Mapping[str, Cell] = MappingProxyType(
    {
        cell.name: cell
        for cell in (
            Cell(
                *("li-ion", "lithium-ion, rechargeable, used until its first charge is gone", 0.3, 3.0),
                {
                    "self_discharge_per_year": "derived: 2.5 % a month, the middle of 2 to 3 %, x 12",
                    "shelf_life_years": "lower end of 3 to 6 years (survivalfreedom.com)",
                },
            ),
            Cell(
                *("li-mno2", "lithium manganese dioxide, primary, such as coin cells", 0.015, 10.0),
                {
                    "self_discharge_per_year": "about 1.5 % a year, in storage and in use (rayovac.com, FAQ)",
                    "shelf_life_years": "lower end of `10+ years` (cnsbattery.com)",
                },
            ),
            Cell(
                *("li-socl2", "lithium thionyl chloride, primary, bobbin type", 0.01, 10.0),
                {
                    "self_discharge_per_year": "upper end of `less than 1 %` a year (cnsbattery.com)",
                    "shelf_life_years": "lower end of 10 to 20 years (cnsbattery.com)",
                },
            ),
        )
    }
)
