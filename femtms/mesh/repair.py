"""Meshes of other programs are untidy: what can be put right without a doubt is, and it is said."""

import numpy as np

from femtms.errors import FemtmsError
from femtms.kernels.faces import OVERFULL, face_neighbours, folded_pairs
from femtms.mesh.shape import tet_shapes
from femtms.mesh.topology import first_alike, first_in_place


def repaired(
    nodes_mm: np.ndarray, tets: np.ndarray, tags: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Nodes (n,3) in mm, tets (m,4) and tags (m,) in their order without these faults, and a note if there were any.

    - Nodes that no tetrahedron uses are dropped: K would have empty rows for them.
    - Nodes in one place, to 1e-9 of the mesh's extent, become one, unless they are two corners of a tetrahedron.
    - Tetrahedra whose nodes are listed the wrong way round (negative volume) are turned.
    - A tetrahedron with the same nodes and the same tissue as an earlier one is dropped.

    Raises FemtmsError when a tetrahedron is flat, and when tetrahedra overlap: two tissues in the same four nodes,
    more than two tetrahedra at a face, or both on the same side of it, as where a node was pushed through the
    opposite face.
    """
    if not len(tets):
        return nodes_mm, tets, tags, ()
    tets = np.ascontiguousarray(tets, dtype=np.int32)
    shapes = tet_shapes(nodes_mm, tets)
    flat = np.flatnonzero(shapes.flat)
    if len(flat):
        raise FemtmsError(
            f"every tetrahedron must have a positive volume; {len(flat):,} of {len(tets):,} have not: "
            f"tet {flat[0]} at {_place(nodes_mm, tets[flat[0]])} is flat (zero volume)"
        )

    inverted = shapes.inverted
    tets = np.where(inverted[:, None], tets[:, [0, 1, 3, 2]], tets)
    given = len(nodes_mm)
    nodes_mm, tets = _only(np.bincount(tets.ravel(), minlength=given) > 0, nodes_mm, tets)
    used = len(nodes_mm)
    nodes_mm, tets = _merged(nodes_mm, tets)
    tets, tags, duplicates = _without_duplicates(nodes_mm, tets, tags)

    done = [
        _said("turned", int(inverted.sum()), "tetrahedron", " the right way round"),
        _said("merged", used - len(nodes_mm), "duplicate node"),
        _said("dropped", duplicates, "duplicate tetrahedron"),
        _said("dropped", given - used, "unused node"),
    ]
    note = ", ".join(part for part in done if part)
    return nodes_mm, tets, tags, (note,) if note else ()


def _only(keep: np.ndarray, nodes: np.ndarray, tets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nodes to keep (n,), and the tetrahedra renumbered to them."""
    if keep.all():
        return nodes, tets
    new_id = np.cumsum(keep, dtype=np.int32) - np.int32(1)
    return nodes[keep], new_id[tets]


def _merged(nodes: np.ndarray, tets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in one place as one node, the first of them."""
    first = first_in_place(nodes)
    corners = np.sort(first[tets], axis=1)
    collapsing = corners[:, 1:][np.diff(corners, axis=1) == 0]
    alone = np.isin(first, collapsing)
    first[alone] = np.flatnonzero(alone)
    return _only(first == np.arange(len(nodes)), nodes, first.astype(np.int32)[tets])


def _without_duplicates(nodes_mm: np.ndarray, tets: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Each tetrahedron once, and the number of those dropped; refuses tetrahedra that overlap."""
    neighbour, overfull = face_neighbours(tets, len(nodes_mm))
    first = first_alike(tets, neighbour)
    again = first != np.arange(len(tets))
    differ = np.flatnonzero(tags != tags[first])
    if len(differ):
        t = int(differ[0])
        has = "has" if len(differ) == 1 else "have"
        raise FemtmsError(
            f"tetrahedra must not overlap; {len(differ):,} {has} the same nodes as one of another tissue: "
            f"tet {first[t]} of tissue {tags[first[t]]} and tet {t} of tissue {tags[t]} at {_place(nodes_mm, tets[t])}"
        )
    if again.any():
        tets, tags = tets[~again], tags[~again]
        neighbour, overfull = face_neighbours(tets, len(nodes_mm))
    if overfull:
        t, face = np.argwhere(neighbour == OVERFULL)[0]
        raise FemtmsError(
            f"a face must belong to at most two tetrahedra; {overfull:,} {'belongs' if overfull == 1 else 'belong'} "
            f"to more: the first at {_place(nodes_mm, np.delete(tets[t], face))}"
        )
    folded, t = folded_pairs(tets, neighbour)
    if folded:
        raise FemtmsError(
            f"tetrahedra must not overlap; {folded:,} pair{'s' * (folded != 1)} with a common face "
            f"lie{'s' * (folded == 1)} on the same side of it: the first at {_place(nodes_mm, tets[t])}"
        )
    return tets, tags, int(again.sum())


def _place(nodes_mm: np.ndarray, corners: np.ndarray) -> str:
    x, y, z = nodes_mm[corners].mean(axis=0)
    return f"({x:.1f}, {y:.1f}, {z:.1f}) mm"


def _said(verb: str, count: int, what: str, how: str = "") -> str:
    """`turned 2 tetrahedra the right way round`; nothing for none."""
    if not count:
        return ""
    several = what.replace("tetrahedron", "tetrahedra") if what.endswith("tetrahedron") else f"{what}s"
    return f"{verb} {count:,} {what if count == 1 else several}{how}"
