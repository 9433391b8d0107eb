"""Names out of files, as they may be shown in a terminal, a table or a page."""

LONGEST = 200  # characters of a name


def printable(text: str, most: int | None = LONGEST) -> str:
    """The text in one line without characters that a terminal would obey, and with at most so many.

    Blanks of any kind become spaces and other unprintable characters go, so nothing changes in what people type.  A
    longer text ends with "…"; None leaves the length as it is.
    """
    kept = "".join(c if c.isprintable() else " " if c.isspace() else "" for c in text)
    return kept if most is None or len(kept) <= most else kept[: most - 1] + "…"
