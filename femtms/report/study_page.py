"""The page of a study: one file with all that it needs, for a browser without a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from femtms.report.table import Table

_BOXES = ("head", "conductivity", "option", "coil", "place")  # dimensions that are compared by boxes
_PLACES = 24  # more of them are for the map


@dataclass(frozen=True)
class Progress:
    """How many cases are in which state."""

    done: int
    failed: int
    not_done: int

    @property
    def cases(self) -> int:
        """All."""
        return self.done + self.failed + self.not_done


@dataclass(frozen=True, eq=False)
class StudyContent:
    """What the page of a study says; any text may hold anything.

    sentences   what the study is
    plots       what the script draws, see batch.report_plots; None where there is nothing to draw
    left_out    what of the study the plots do not have
    summary     of each head, conductivity, option and coil
    comparisons, accuracy, failures, times   further tables, where there are any
    study_file  its text, empty where there is none
    design      (heading, (term, text) …) of each part of the design, and how the results came about
    files       (relative address, name, what it is)
    """

    title: str
    sentences: Sequence[str]
    progress: Progress
    plots: Mapping[str, Any] | None
    left_out: str
    summary: Table
    comparisons: Sequence[Table]
    accuracy: Table
    failures: Sequence[Table]
    times: Sequence[Table]
    design: Sequence[tuple[str, Sequence[tuple[str, str]]]]
    study_file: str
    files: Sequence[tuple[str, str, str]]


def study_page(content: StudyContent) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("femtms.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    plots = content.plots
    several: dict[str, bool] = {}
    boxes: list[str] = []
    if plots is not None:
        names = plots["names"]
        several = {dim: len(names[dim]) > 1 for dim in names}
        boxes = [dim for dim in _BOXES if several[dim] and (dim != "place" or len(names[dim]) <= _PLACES)]
    return environment.get_template("study.html.j2").render(
        content=content,
        plots=plots,
        several=several,
        boxes=boxes,
        plotly="" if plots is None else get_plotlyjs().replace("</script", "<\\/script"),
    )
