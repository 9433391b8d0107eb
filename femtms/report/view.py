"""A field to turn around, where pyvista is installed."""

from typing import Any

import numpy as np

from femtms.extras import need_view
from femtms.field.field import Field
from femtms.report.field_picture import drawn_coil
from femtms.report.picture import INK, field_colours
from femtms.report.tissue_surface import TissueSurface
from femtms.tissue import is_within, name_of


def plotter_of(field: Field, tag: int) -> Any:
    """A pyvista Plotter with |E| on the surface of a tissue and what is inside it, the coil, and a pale scalp."""
    need_view("Field.show")
    import pyvista

    mesh = field.mesh
    inside = [int(t) for t in mesh.tissues if t == tag or is_within(int(t), tag)]
    surface = TissueSurface.of(mesh, inside)
    values = surface.values(field.magnE)
    scalp, corners = np.unique(mesh.outer_faces, return_inverse=True)
    plotter = pyvista.Plotter()
    plotter.add_mesh(
        _poly_data(pyvista, surface.smooth_nodes, surface.faces),
        scalars=values,
        clim=[0, float(np.percentile(values, 99.9)) or 1.0],
        cmap=field_colours(),
        scalar_bar_args={"title": f"|E| (V/m), {name_of(tag)}"},
    )
    plotter.add_mesh(_poly_data(pyvista, 1e3 * mesh.nodes[scalp], corners.reshape(-1, 3)), color="white", opacity=0.15)
    lines, points, _ = drawn_coil(field.coil, field.pose)
    for line in lines:
        plotter.add_mesh(pyvista.lines_from_points(1e3 * line), color=INK, line_width=3)
    if len(points):
        plotter.add_points(1e3 * points, color=INK, point_size=4)
    plotter.add_axes(xlabel="R", ylabel="A", zlabel="S")
    return plotter


def _poly_data(pyvista: Any, nodes: np.ndarray, faces: np.ndarray) -> Any:
    """Triangles (f,3) of nodes (n,3) in mm as pyvista has them."""
    return pyvista.PolyData(nodes, np.column_stack([np.full(len(faces), 3), faces]).ravel())
