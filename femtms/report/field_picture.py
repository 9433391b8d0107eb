"""The picture of a Field: what is drawn, and where the cuts go."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from femtms.coil.coil import Coil
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.pose import Pose
from femtms.field.field import Field
from femtms.field.statistics import RAW_FIELD
from femtms.mesh.volumes import volume_changes
from femtms.report.marks import dipole_marks, rim, wires
from femtms.report.picture import draw_field
from femtms.tissue import Tissue


def draw_field_picture(path: Path, field: Field, title: str, coils: Sequence[tuple[Coil, Pose]] | None = None) -> None:
    """The brain with the coil, and cuts through the peak in grey matter (in any tissue without it), as PNG.

    coils  those that made the field together, with their poses, where there are several; the first is looked along
    """
    mesh = field.mesh
    drawn = [(field.coil, field.pose)] if coils is None else coils
    if Tissue.GM in field.mesh.tissues:
        target = field.summary(Tissue.GM)
    else:
        target = max(field.summary().values(), key=lambda summary: summary.peak)
    lines, points, strengths = zip(*(drawn_coil(coil, pose) for coil, pose in drawn))
    draw_field(
        path,
        mesh,
        field.magnE,
        peak=1e-3 * np.array(target.peak_mm),
        coil_lines=[line for some in lines for line in some],
        coil_points=np.concatenate(points),
        coil_strength=np.concatenate(strengths),
        poses=[pose.matrix for _, pose in drawn],
        casings=[moved.casing for moved in (coil.moved(pose) for coil, pose in drawn) if moved.casing is not None],
        title=title,
        error=target.error,
        changes=volume_changes(mesh.labels_ml, mesh.tags, mesh.volumes),
        error_of="raw E" if target.error_of == RAW_FIELD else "E",
    )


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
