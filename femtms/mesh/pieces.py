"""Meshes of other programs may be several meshes: copies that overlap, and pieces that share no node."""

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.clean import LARGEST_ISLAND
from femtms.kernels.cpu import signed_volumes
from femtms.kernels.faces import OUTSIDE, piece_of
from femtms.mesh.locate import located
from femtms.tissue import name_of

# Barycentric coordinates of points in a tetrahedron at the surface: its middle, and near its corners.
_PROBES = np.concatenate([np.full((1, 4), 0.25), 0.01 + 0.96 * np.eye(4)])
# Of the volume, and ten times as many of the tetrahedra at the surface: where that touches itself, meshers leave a few.
_MOST_OVERLAP = 1e-4
_SLIVER = 1e-4  # of its longest edge cubed: in tetrahedra of less volume rounding decides where a point is


def check_pieces(nodes_mm: np.ndarray, tets: np.ndarray, tags: np.ndarray, neighbour: np.ndarray) -> tuple[str, ...]:
    """Notes on a mesh with nodes (n,3) mm, tets (m,4) and tags (m,): slight overlap, and pieces that hang on nothing.

    neighbour  (m,4) the tetrahedron beyond each face, as from `face_neighbours`

    Raises FemtmsError when tetrahedra overlap, as the surface shows, by more than rounding leaves, and when the mesh
    falls into pieces, of which all but the largest have LARGEST_ISLAND of it or more: several heads, or tissues whose
    nodes were never joined, between which no current flows.
    """
    if not len(tets):
        return ()
    volumes = signed_volumes(nodes_mm, tets)
    notes = _check_overlap(nodes_mm, tets, tags, np.flatnonzero((neighbour == OUTSIDE).any(axis=1)), volumes)
    _, piece = np.unique(piece_of(neighbour), return_inverse=True)
    sizes = np.bincount(piece, volumes)
    if len(sizes) == 1:
        return notes
    order = np.argsort(-sizes, kind="stable")
    first, second = order[:2]
    ml = 1e-3 * sizes
    if sizes.sum() - sizes[first] < LARGEST_ISLAND * sizes[first]:
        what = f"{len(sizes) - 1:,} pieces share" if len(sizes) > 2 else "1 piece shares"
        lost = _volume(ml.sum() - ml[first])
        return (*notes, f"{what} no face with the rest of the mesh ({lost}): no current flows between them")
    boxes = [_box(nodes_mm[tets[piece == p]]) for p in (first, second)]
    meet = (boxes[0][0] < boxes[1][1]).all() and (boxes[1][0] < boxes[0][1]).all()
    middles = [" ({:.0f}, {:.0f}, {:.0f}) mm".format(*box.mean(axis=0)) for box in boxes]
    raise FemtmsError(
        f"the tetrahedra must hang together; they fall into {len(sizes):,} pieces that share no face, the largest two "
        f"of {_volume(ml[first])} around{middles[0]} and {_volume(ml[second])} around{middles[1]}: "
        + (
            "join the nodes of tissues where they touch, or no current flows between them"
            if meet
            else "a mesh must be of one head"
        )
    )


def _volume(ml: float) -> str:
    return f"{ml:.3g} mL" if ml < 999.5 else f"{1e-3 * ml:.3g} L"


def _box(points: np.ndarray) -> np.ndarray:
    return np.array([points.min(axis=(0, 1)), points.max(axis=(0, 1))])


def _check_overlap(
    nodes_mm: np.ndarray, tets: np.ndarray, tags: np.ndarray, outer: np.ndarray, volumes: np.ndarray
) -> tuple[str, ...]:
    """A note when points in a few of the tetrahedra `outer` at the surface are in others, too; FemtmsError for many."""
    edges = np.linalg.norm(nodes_mm[tets[outer, 1:]] - nodes_mm[tets[outer, :1]], axis=2).max(axis=1)
    outer = outer[volumes[outer] > _SLIVER * edges**3]
    points = np.einsum("pc,tcd->tpd", _PROBES, nodes_mm[tets[outer]]).reshape(-1, 3)
    own = np.repeat(outer, len(_PROBES))
    lowest, _ = located(nodes_mm, tets, tags, points, None, 0.0)
    highest, _ = located(nodes_mm, tets[::-1].copy(), tags, points, None, 0.0)
    highest = len(tets) - 1 - highest
    other = np.where(lowest != own, lowest, highest)
    wrong = np.flatnonzero(other != own)
    if not len(wrong):
        return ()
    first, which = wrong[0], np.unique(own[wrong])
    x, y, z = points[first]
    said = (
        f"{len(which):,} of {len(outer):,} at the surface overlap with others: tet {own[first]} of "
        f"{name_of(tags[own[first]])} and tet {other[first]} of {name_of(tags[other[first]])} share the point "
        f"({x:.1f}, {y:.1f}, {z:.1f}) mm"
    )
    if volumes[which].sum() <= _MOST_OVERLAP * volumes.sum() and len(which) <= 10 * _MOST_OVERLAP * len(outer):
        return (f"tetrahedra overlap a little; {said}",)
    raise FemtmsError(f"tetrahedra must not overlap; {said}: is there a second copy of the mesh, or a moved part?")
