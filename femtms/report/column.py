"""A number of a comparison: what it is, and how it is shown wherever it is shown."""

from collections.abc import Callable
from dataclasses import dataclass

from femtms.analysis.case import Case


@dataclass(frozen=True)
class Column:
    """A number of each coil and place, and how it is shown.

    key        of the row, with the unit in it
    heading    for people, with `unit` and `digits` after the point
    meaning    in a few words
    value      what a case is worth, for the wanted field in V/m and the period in s; None where it is not known
    tex        heading in the LaTeX table; empty where it is not in it
    terminal   heading on the terminal; empty where it is not printed there
    on_page    whether the page shows it
    """

    key: str
    heading: str
    unit: str
    digits: int
    meaning: str
    value: Callable[[Case, float, float], float | None]
    tex: str = ""
    terminal: str = ""
    on_page: bool = True
