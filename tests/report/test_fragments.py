"""Pictures of fields in what is no whole head."""

import numpy as np
import pytest

from femtms import LayeredSphere, Pose, Simulator, load_coil, mesh_head
from femtms.report.field_picture import figure_of
from femtms.tissue import Tissue


@pytest.mark.parametrize(
    ("tags", "coloured"),
    [((Tissue.WM, Tissue.BONE, Tissue.SCALP), (Tissue.WM,)), ((Tissue.CSF, Tissue.BONE), (Tissue.CSF, Tissue.BONE))],
)
def test_without_grey_matter_scale_and_peak_are_those_of_what_is_coloured_and_named(tags, coloured):
    mesh = mesh_head(LayeredSphere((60.0, 72.0, 84.0)[: len(tags)], tags), 14.0)
    above = mesh.nodes[:, 2].max() + 8e-3
    pose = np.diag([-1.0, 1.0, -1.0, 1.0])
    pose[2, 3] = 1e3 * above
    field = Simulator(mesh, device="cpu").solve(load_coil("figure8-70mm"), Pose(pose), 1e6)
    figure = figure_of(field, panels=["axial"], dpi=40)
    note = figure.texts[1].get_text()
    inside = np.isin(mesh.tags, coloured)
    strongest = np.flatnonzero(inside)[np.argmax(field.magnE[inside])]
    names = ", ".join(tissue.name.lower() for tissue in coloured)
    assert f"99.9th percentile of |E| in {names}: " in note and "estimated error" not in note
    assert f"largest: {field.magnE[strongest]:.3g} V/m" in note
    x, y, z = (f"{c:.1f}".replace("-", "\N{MINUS SIGN}") for c in 1e3 * mesh.centroids[strongest])
    assert f"({x}, {y}, {z}) mm" in note
    shown = next(ax for ax in figure.axes if ax.get_title().startswith("axial"))
    assert shown.get_title() == f"axial, z = {z} mm"
