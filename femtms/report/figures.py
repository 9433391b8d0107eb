"""Figures that notebooks show, and as files."""

import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from femtms.errors import FemtmsError

PRINT_DPI, SCREEN_DPI = 300, 110


class Shown(Figure):
    """A matplotlib Figure that needs no pyplot: a notebook shows it as the value of a cell.

    width and height in inches; dpi None for that of prints
    """

    def __init__(self, width: float, height: float, dpi: float | None = None) -> None:
        super().__init__(figsize=(width, height), dpi=PRINT_DPI if dpi is None else dpi, facecolor="white")
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi)
        return buffer.getvalue()


def check_picture_suffix(path: Path) -> None:
    """Raise FemtmsError unless the name says one of the formats that are written."""
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise FemtmsError(f"{path}: a picture must be written as .png, .pdf or .svg; got '{path.suffix}'")


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure; without the date and random names, so that the same content gives the same bytes."""
    kind = path.suffix.lower()[1:]
    with rc_context({"svg.hashsalt": "femtms", "svg.fonttype": "none"}):
        figure.savefig(path, format=kind, metadata={"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind))
