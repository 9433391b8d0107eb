"""Where a head ends, without meshing it: how far a point is from its surface, and which points are inside."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from femtms.coil.scalp import Scalp
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.mesh.tetmesh import TetMesh
from femtms.study.design import StudyHead

_VOXELS = 2  # that a mesh of a label volume may be smaller by


@dataclass(frozen=True, eq=False)
class Outline:
    """The surface of a head.

    tissues    (t,) numbers
    landmarks  name -> (3,) m
    distance   of points (p,3) in mm from the surface, inside or outside, in mm
    holds      which of points (p,3) in mm are certainly inside, a little below the surface
    """

    tissues: np.ndarray
    landmarks: Mapping[str, np.ndarray]
    distance: Callable[[np.ndarray], np.ndarray]
    holds: Callable[[np.ndarray], np.ndarray]

    @classmethod
    def of(cls, head: StudyHead) -> "Outline":
        """That of a head of a study, which is read.  Raises FemtmsError when it cannot be."""
        found = head.loaded()
        if isinstance(found, LayeredSphere):
            return _of_sphere(found)
        return _of_mesh(found) if isinstance(found, TetMesh) else _of_labels(found)


def _of_sphere(sphere: LayeredSphere) -> Outline:
    radius = sphere.radii_mm[-1]
    coarse = 0.97 * radius  # the facets of a coarse mesh are that much nearer to the middle
    return Outline(
        np.array(sphere.tags),
        sphere.landmarks,
        lambda points: np.abs(np.linalg.norm(points, axis=1) - radius),
        lambda points: np.linalg.norm(points, axis=1) < coarse,
    )


def _of_mesh(mesh: TetMesh) -> Outline:
    scalp = Scalp.of(mesh)
    return Outline(
        mesh.tissues,
        mesh.landmarks,
        lambda points: 1e3 * scalp.tree.nearest(1e-3 * points)[1],
        lambda points: mesh.cells.hold(1e-3 * points),
    )


def _of_labels(labels: LabelVolume) -> Outline:
    filled = ndimage.binary_fill_holes(np.pad(labels.data > 0, 1))[1:-1, 1:-1, 1:-1]
    rim = np.argwhere(filled & ~ndimage.binary_erosion(filled))
    nearest = cKDTree(rim @ labels.affine[:3, :3].T + labels.affine[:3, 3])
    deep = ndimage.binary_erosion(filled, iterations=_VOXELS)
    to_voxels = np.linalg.inv(labels.affine)

    def holds(points: np.ndarray) -> np.ndarray:
        at = np.rint(points @ to_voxels[:3, :3].T + to_voxels[:3, 3])
        within = ((at >= 0) & (at < deep.shape)).all(axis=1)
        inside = np.zeros(len(points), dtype=bool)
        inside[within] = deep[tuple(at[within].astype(np.int64).T)]
        return inside

    return Outline(labels.tissues, labels.landmarks, lambda points: nearest.query(points)[0], holds)
