"""The dihedral angles of tetrahedra: what says how well shaped a mesh is for finite elements."""

import numpy as np

from femtms.core import call


def dihedral_angles(nodes: np.ndarray, tets: np.ndarray) -> np.ndarray:
    """Angles (m,6) in degrees, 0 to 180, between the two faces at the edges 01, 02, 03, 12, 13, 23 of each tetrahedron.

    nodes (n,3) in any unit of length, tets (m,4) of positive orientation.  A regular tetrahedron has 70.53° six times.
    """
    angles = np.empty((len(tets), 6))
    nodes, tets = np.ascontiguousarray(nodes, np.float64), np.ascontiguousarray(tets, np.int32)
    call("dihedral_angles", len(tets), nodes, tets, angles)
    return angles
