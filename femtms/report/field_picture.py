"""The picture of a Field: what is drawn, and where the cuts go."""

from pathlib import Path

import numpy as np

from femtms.coil.coil import Coil
from femtms.coil.elements import Dipoles
from femtms.coil.pose import Pose
from femtms.field.field import Field
from femtms.report.marks import dipole_marks, rim
from femtms.report.picture import draw_field
from femtms.tissue import Tissue


def draw_field_picture(path: Path, field: Field, title: str) -> None:
    """The brain with the coil, and cuts through the peak in grey matter (in any tissue without it), as PNG."""
    if Tissue.GM in field.mesh.tissues:
        target = field.summary(Tissue.GM)
    else:
        target = max(field.summary().values(), key=lambda summary: summary.peak)
    lines, points, strength = drawn_coil(field.coil, field.pose)
    draw_field(
        path,
        field.mesh,
        field.magnE,
        peak=1e-3 * np.array(target.peak_mm),
        coil_lines=lines,
        coil_points=points,
        coil_strength=strength,
        pose=field.pose.matrix,
        title=title,
    )


def drawn_coil(coil: Coil, pose: Pose) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Windings and rims as lines (p,3) m, and stacks of dipoles as points (c,3) m with their strength (c,)."""
    lines = list(coil.outlines)
    marks = [dipole_marks(group.positions, group.vectors) for group in coil.elements if isinstance(group, Dipoles)]
    lines += [rim(points) for points, _ in marks]
    points = np.concatenate([np.empty((0, 3)), *(points for points, _ in marks)])
    strength = np.concatenate([np.empty(0), *(strength for _, strength in marks)])
    return [pose.in_head(line) for line in lines if len(line)], pose.in_head(points), strength
