"""The dihedral angles of tetrahedra: what says how well shaped a mesh is for finite elements."""

import numpy as np

from femtms.kernels.jit import njit


def dihedral_angles(nodes: np.ndarray, tets: np.ndarray) -> np.ndarray:
    """Angles (m,6) in degrees, 0 to 180, between the two faces at the edges 01, 02, 03, 12, 13, 23 of each tetrahedron.

    nodes (n,3) in any unit of length, tets (m,4) of positive orientation.  A regular tetrahedron has 70.53° six times.
    """
    angles = np.empty((len(tets), 6))
    _fill(nodes, tets, angles)
    return angles


@njit
def _fill(nodes: np.ndarray, tets: np.ndarray, angles: np.ndarray) -> None:
    normals = np.empty((4, 3))  # of the faces opposite each node, outward, of any length
    faces = ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1))
    at_edge = ((2, 3), (1, 3), (1, 2), (0, 3), (0, 2), (0, 1))  # the faces that have the edge are opposite the others
    for t in range(tets.shape[0]):
        for i in range(4):
            a, b, c = tets[t, faces[i][0]], tets[t, faces[i][1]], tets[t, faces[i][2]]
            ux, uy, uz = nodes[b, 0] - nodes[a, 0], nodes[b, 1] - nodes[a, 1], nodes[b, 2] - nodes[a, 2]
            vx, vy, vz = nodes[c, 0] - nodes[a, 0], nodes[c, 1] - nodes[a, 1], nodes[c, 2] - nodes[a, 2]
            normals[i, 0], normals[i, 1], normals[i, 2] = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for e in range(6):
            p, q = normals[at_edge[e][0]], normals[at_edge[e][1]]
            x, y, z = p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]
            # exact also where the arc cosine is not: near 0 and 180 degrees
            sine, cosine = np.sqrt(x * x + y * y + z * z), -(p[0] * q[0] + p[1] * q[1] + p[2] * q[2])
            angles[t, e] = np.degrees(np.arctan2(sine, cosine))
