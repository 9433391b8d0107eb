"""Local refinement of any mesh: the edges of chosen tetrahedra are halved, and what conformity takes around them."""

import numpy as np

from femtms.mesh.bisect import bisected


def halved(
    nodes: np.ndarray, tets: np.ndarray, edges: np.ndarray, tet_edges: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes and tetrahedra after bisection at all edges of the chosen (m,) ones, and how many (m,) each old one became.

    nodes (n,3) m, tets (m,4), edges (e,2) and tet_edges (m,6) of a mesh; new nodes come after the old, and children
    take their parent's place in the list.  No edge is cut before the longest one of each tetrahedron that it belongs
    to, so neighbours are cut, too: in the plane this bounds the angles however often a mesh is refined (Rivara 1984,
    Int J Numer Meth Eng 20:745), in space they have been seen to stay good.
    """
    length = np.linalg.norm(nodes[edges[:, 1]] - nodes[edges[:, 0]], axis=1)
    longest = np.take_along_axis(tet_edges, length[tet_edges].argmax(axis=1)[:, None], axis=1)[:, 0]
    cut = np.zeros(len(edges), bool)
    cut[tet_edges[chosen]] = True
    while True:
        due = longest[cut[tet_edges].any(axis=1)]
        due = due[~cut[due]]
        if not len(due):
            break
        cut[due] = True
    where = edges[cut]
    new_tets, counts = bisected(tets, len(nodes), where, length[cut])
    return np.concatenate([nodes, (nodes[where[:, 0]] + nodes[where[:, 1]]) / 2]), new_tets, counts
