"""A table of a page: what its columns are called, and how their numbers are shown."""

from collections.abc import Sequence
from dataclasses import dataclass

Cell = str | float | int | None  # None is not known


@dataclass(frozen=True)
class Heading:
    """Of a column.

    form     printf's, for numbers: "%.3g"; empty for a column of texts
    meaning  in a few words, where the text does not say it all
    """

    text: str
    unit: str = ""
    form: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells; a page sorts them by any column.

    key      of the element in the page
    title    in a few words
    note     what is left out, or how to read it
    headings one for each cell of a row; the first is that of the row's name
    """

    key: str
    title: str
    headings: tuple[Heading, ...]
    rows: Sequence[Sequence[Cell]]
    note: str = ""

    @classmethod
    def cut(
        cls,
        key: str,
        title: str,
        headings: tuple[Heading, ...],
        rows: Sequence[Sequence[Cell]],
        most: int,
        note: str = "",
    ) -> "Table":
        """A table of the first `most` rows, with a note that says so where there are more."""
        if len(rows) > most:
            note = f"The first {most:,} of {len(rows):,} rows. {note}".strip()
        return cls(key, title, headings, rows[:most], note)
