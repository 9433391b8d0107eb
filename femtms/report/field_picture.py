"""The picture of a Field: what is drawn, and where the cuts go."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from femtms.coil.coil import Coil
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.pose import Pose
from femtms.field.field import Field
from femtms.field.statistics import RAW_FIELD
from femtms.mesh.volumes import volume_changes
from femtms.report.marks import dipole_marks, rim, wires
from femtms.report.picture import BRAIN, COIL_COLOURS, DrawnCoil, field_figure
from femtms.tissue import Tissue, name_of


def draw_field_picture(path: Path, field: Field, title: str, coils: Sequence[tuple[Coil, Pose]] | None = None) -> None:
    """Write `figure_of` as PNG."""
    figure_of(field, title, coils).savefig(path, format="png")


def figure_of(
    field: Field,
    title: str = "",
    coils: Sequence[tuple[Coil, Pose]] | None = None,
    panels: Sequence[str] | None = None,
    dpi: float | None = None,
) -> Figure:
    """The brain with the coil, and cuts through the peak in grey matter (without it, in white matter or any tissue).

    coils   those that made the field together, with their poses, where there are several; the first is looked along
    panels  see `field_figure`
    """
    mesh = field.mesh
    drawn = [(field.coil, field.pose)] if coils is None else coils
    if Tissue.GM in field.mesh.tissues:
        target = field.summary(Tissue.GM)
    else:
        coloured = [tag for tag in BRAIN if tag in mesh.tissues] or [int(tag) for tag in mesh.tissues]
        summaries = field.summary()  # without errors: there is none of several tissues together
        target = max((summaries[name_of(tag)] for tag in coloured), key=lambda summary: summary.peak)
    return field_figure(
        mesh,
        field.magnE,
        peak=1e-3 * np.array(target.peak_mm),
        coils=[_as_drawn(coil, pose, number, len(drawn) > 1) for number, (coil, pose) in enumerate(drawn)],
        title=title or f"{field.coil.name}, dI/dt = {1e-6 * field.didt:g} A/µs",
        panels=panels,
        error=target.error,
        changes=volume_changes(mesh.labels_ml, mesh.tags, mesh.volumes),
        error_of="raw E" if target.error_of == RAW_FIELD else "E",
        dpi=dpi,
    )


def _as_drawn(coil: Coil, pose: Pose, number: int, of_several: bool) -> DrawnCoil:
    """A coil in mm; of several each has a colour and a letter."""
    lines, points, strength = drawn_coil(coil, pose)
    casing = coil.moved(pose).casing
    return DrawnCoil(
        pose.matrix,
        [1e3 * line for line in lines],
        1e3 * points,
        strength,
        None if casing is None else replace(casing, nodes=1e3 * casing.nodes),
        COIL_COLOURS[number % len(COIL_COLOURS)],
        letter_of(number) if of_several else "",
    )


def letter_of(number: int) -> str:
    """What the coils of a picture are called: A, B, … in the order in which they are given."""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def drawn_coil(coil: Coil, pose: Pose) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Windings and rims as lines (p,3) m, and stacks of dipoles as points (c,3) m with their strength (c,)."""
    lines = list(coil.outlines)
    if not lines:
        runs = [wires(group.positions, group.vectors) for group in coil.elements if isinstance(group, Currents)]
        lines = [line for run in runs for line in run]
    marks = [dipole_marks(group.positions, group.vectors) for group in coil.elements if isinstance(group, Dipoles)]
    lines += [rim(points) for points, _ in marks]
    points = np.concatenate([np.empty((0, 3)), *(points for points, _ in marks)])
    strength = np.concatenate([np.empty(0), *(strength for _, strength in marks)])
    return [pose.in_head(line) for line in lines if len(line)], pose.in_head(points), strength
