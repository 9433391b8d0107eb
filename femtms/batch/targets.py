"""Targets of a study: which tetrahedra of grey matter a target is."""

from collections.abc import Mapping

import numpy as np

from femtms.coil.place import position_of
from femtms.errors import FemtmsError
from femtms.mesh.tetmesh import TetMesh
from femtms.mesh.triangle_tree import TriangleTree
from femtms.study.design import Point
from femtms.tissue import Tissue, check_present


def target_tets(mesh: TetMesh, targets: Mapping[str, Point], radius_mm: float) -> dict[str, np.ndarray]:
    """Name -> tetrahedra (r,) of grey matter whose centroids are within radius_mm of the target.

    targets  name -> x, y, z in mm, or the name of an electrode: then the point of grey matter that is nearest to it

    Raises FemtmsError for a head without grey matter, an electrode that it does not have, and a target without grey
    matter around it.
    """
    if not targets:
        return {}
    check_present(mesh.tissues, Tissue.GM, "targets are in grey matter, which the head must have")
    grey = np.flatnonzero(mesh.tags == Tissue.GM)
    surface = TriangleTree.build(mesh.nodes[mesh.faces_around(mesh.tags == Tissue.GM)])
    found = {}
    for name, point in targets.items():
        centre = position_of(mesh, point, f"target {name}")
        if isinstance(point, str):
            centre = surface.nearest(centre[None])[0][0]
        distance = np.linalg.norm(mesh.centroids[grey] - centre, axis=1)
        found[name] = grey[distance <= 1e-3 * radius_mm]
        if len(found[name]) == 0:
            x, y, z = 1e3 * centre
            raise FemtmsError(
                f"target '{name}' must have grey matter within {radius_mm:g} mm; at ({x:.1f}, {y:.1f}, {z:.1f}) mm the "
                f"centroid of the nearest tetrahedron is {1e3 * distance.min():.1f} mm away: move the target, or "
                f"choose a larger target_radius_mm or smaller tetrahedra"
            )
    return found
