"""A body-centred-cubic lattice of tetrahedra, each labelled by the tissue at its centroid.

Interfaces are staircases of the lattice; what this costs is in docs/theory.md, "What limits the accuracy".
"""

import numpy as np
from scipy import ndimage, sparse

from femtms.arrays import transformed
from femtms.errors import FemtmsError
from femtms.head.labels import LabelVolume
from femtms.kernels import cpu

SMOOTHING_MM = 0.5  # width of the Gaussian that turns voxel labels into smooth indicators
MAX_TETS = 100_000_000
_TETS_PER_CELL = 12


def lattice_tets(labels: LabelVolume, size_mm: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
    """Nodes (n,3) in mm, tets (m,4), tags (m,) and notes.

    size_mm is the lattice constant: edges are size_mm and 0.87 size_mm long, and there are 12 tetrahedra in
    size_mm³.  The mesh is the largest connected piece of the tetrahedra whose centroid is in a tissue.
    Raises FemtmsError when the size is out of range or no tetrahedron is in any tissue.
    """
    _check_size(labels, size_mm)
    cropped, affine = _cropped(labels)
    low, cells = _bounding_cells(cropped, affine, size_mm)
    to_voxel = np.linalg.inv(affine)

    tets = _tets_near_tissue(cropped, to_voxel, low, cells, size_mm)
    nodes = _lattice_nodes(low, cells, size_mm)
    centroids = sum(nodes[tets[:, i]] for i in range(4)) / 4.0
    tags = _labels_at(transformed(centroids, to_voxel), cropped, labels.voxel_mm)
    tets, tags = tets[tags > 0], tags[tags > 0]
    if not len(tets):
        raise FemtmsError(
            f"{labels.name}: no tetrahedron of {size_mm:g} mm has its centroid in a tissue; use a smaller size"
        )

    tets, tags, notes = _largest_piece(tets, tags, len(nodes), size_mm)
    missing = sorted(set(labels.tissues.tolist()) - set(np.unique(tags).tolist()))
    if missing:
        notes += (f"tissue {', '.join(map(str, missing))} is too thin or small for tetrahedra of {size_mm:g} mm",)
    nodes, tets = compacted(nodes, tets)
    return nodes, tets, tags, notes


def _check_size(labels: LabelVolume, size_mm: float) -> None:
    if not (np.isfinite(size_mm) and size_mm > 0):
        raise FemtmsError(f"size_mm must be > 0; got {size_mm}")
    volume_mm3 = float((labels.data > 0).sum()) * labels.voxel_ml * 1e3
    smallest = (_TETS_PER_CELL * volume_mm3 / MAX_TETS) ** (1 / 3)
    if size_mm < smallest:
        raise FemtmsError(
            f"size_mm={size_mm:g} would make more than {MAX_TETS:,} tetrahedra of '{labels.name}', which is "
            f"{1e-3 * volume_mm3:,.4g} mL; use at least {1.02 * smallest:.2g} mm"
        )


def _cropped(labels: LabelVolume) -> tuple[np.ndarray, np.ndarray]:
    """The tissue's bounding box with two voxels of air around it, and the affine of that box."""
    box = ndimage.find_objects((labels.data > 0).astype(np.uint8))[0]
    pad = 2
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ np.array([s.start - pad for s in box])
    return np.pad(labels.data[box], pad), affine


def _bounding_cells(data: np.ndarray, affine: np.ndarray, size_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower corner (3,) mm and number of lattice cells (3,) of an upright box around all voxels."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (np.array(data.shape) - 1)
    corners = transformed(corners, affine)
    low, high = corners.min(axis=0), corners.max(axis=0)
    boxes = np.ceil((high - low) / size_mm) + 2
    if not np.prod(boxes) <= MAX_TETS:
        raise FemtmsError(
            f"size_mm={size_mm:g} would need a lattice of {np.prod(boxes):,.0f} cells around the head, which is "
            f"{' × '.join(f'{d:.0f}' for d in high - low)} mm; at most {MAX_TETS:,} are supported: use a larger size"
        )
    cells = boxes.astype(np.int64)
    # centred: a symmetric head gets a symmetric lattice
    return 0.5 * (low + high - cells * size_mm), cells


def _lattice_nodes(low: np.ndarray, cells: np.ndarray, size_mm: float) -> np.ndarray:
    """The cell corners, then the cell centres, each in C order of their indices."""
    corners = np.stack(np.meshgrid(*[np.arange(c + 1) for c in cells], indexing="ij"), axis=-1)
    centres = np.stack(np.meshgrid(*[np.arange(c) + 0.5 for c in cells], indexing="ij"), axis=-1)
    return low + size_mm * np.concatenate([corners.reshape(-1, 3), centres.reshape(-1, 3)])


def _tets_near_tissue(
    data: np.ndarray, to_voxel: np.ndarray, low: np.ndarray, cells: np.ndarray, size_mm: float
) -> np.ndarray:
    """Around each face between two cells that are near tissue: four tetrahedra of its edges and the two centres."""
    reach = np.ceil(1.5 * size_mm * np.abs(to_voxel[:3, :3]).sum(axis=1))
    reach = np.minimum(reach, data.shape).astype(int)
    near_tissue = ndimage.maximum_filter((data > 0).astype(np.float32), size=2 * reach + 1)
    centres = low + size_mm * (np.stack(np.meshgrid(*[np.arange(c) for c in cells], indexing="ij"), -1) + 0.5)
    x = transformed(centres.reshape(-1, 3), to_voxel)
    near = (cpu.trilinear(x, near_tissue, np.float32(0)) > 0).reshape(cells)

    corner_id = np.arange(np.prod(cells + 1), dtype=np.int32).reshape(cells + 1)
    centre_id = corner_id.size + np.arange(np.prod(cells), dtype=np.int32).reshape(cells)
    groups = []
    for axis in range(3):
        below = np.roll(np.arange(3), -axis)  # this axis first, then the other two in cyclic order
        near_a, centre_a = near.transpose(below), centre_id.transpose(below)
        i, j, k = np.nonzero(near_a[:-1] | near_a[1:])
        corners_a = corner_id.transpose(below)
        ring = [corners_a[i + 1, j + u, k + v] for u, v in ((0, 0), (1, 0), (1, 1), (0, 1))]
        for a in range(4):
            tet = (centre_a[i, j, k], centre_a[i + 1, j, k], ring[a], ring[(a + 1) % 4])
            groups.append(np.stack(tet, axis=1))
    return np.concatenate(groups)


def _labels_at(x: np.ndarray, data: np.ndarray, voxel_mm: np.ndarray) -> np.ndarray:
    """Label (m,) at x (m,3) in voxel indices: the one whose smoothed indicator is largest; air is a label too."""
    tags = np.zeros(len(x), np.int32)
    best = np.full(len(x), -1.0, np.float32)
    for label in np.unique(data):
        indicator = ndimage.gaussian_filter((data == label).astype(np.float32), SMOOTHING_MM / voxel_mm, truncate=3)
        value = cpu.trilinear(x, indicator, np.float32(label == 0))
        larger = value > best
        tags[larger] = label
        best[larger] = value[larger]
    return tags


def _largest_piece(
    tets: np.ndarray, tags: np.ndarray, n: int, size_mm: float
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The tetrahedra of the largest piece that is connected through nodes, and a note on what was dropped."""
    edges = (np.repeat(tets[:, 0], 3), tets[:, 1:].ravel())
    graph = sparse.coo_array((np.ones(len(edges[0]), np.int8), edges), shape=(n, n))
    piece = sparse.csgraph.connected_components(graph, directed=False)[1][tets[:, 0]]
    sizes = np.bincount(piece)
    keep = piece == sizes.argmax()
    if keep.all():
        return tets, tags, ()
    dropped = int((~keep).sum())
    volume_ml = dropped * 1e-3 * size_mm**3 / _TETS_PER_CELL
    pieces = int((sizes > 0).sum()) - 1
    return tets[keep], tags[keep], (f"dropped {dropped:,} tetrahedra ({volume_ml:.3g} mL) in {pieces:,} loose pieces",)


def compacted(nodes: np.ndarray, tets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Only the nodes that a tetrahedron uses, in their order, and the tetrahedra renumbered to them."""
    used = np.zeros(len(nodes), bool)
    used[tets] = True
    new_id = np.cumsum(used, dtype=np.int32) - np.int32(1)
    return nodes[used], new_id[tets]
