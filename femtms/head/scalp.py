"""The scalp of a label volume: where rays leave the head, and the point of it that is nearest to another."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from femtms.arrays import sealed, transformed
from femtms.errors import FemtmsError

_PAD = 6  # voxels of air, so that smoothing and interpolation see a surface where the volume cuts the head


@dataclass(frozen=True, eq=False)
class VolumeScalp:
    """Where the mask of the largest piece of tissue, smoothed by one voxel (Gaussian standard deviation), is 1/2.

    Where the volume cuts the head off, the cut counts as scalp.

    inside  (nx,ny,nz) float32, the smoothed mask
    affine  (4,4) from its indices to mm
    """

    inside: np.ndarray
    affine: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, affine: np.ndarray) -> "VolumeScalp":
        """That of labels (nx,ny,nz), 0 for air, whose indices affine (4,4) takes to mm.  Raises FemtmsError."""
        if labels.ndim != 3 or np.shape(affine) != (4, 4):
            raise FemtmsError(f"labels must be (nx,ny,nz) and affine (4,4); got {labels.shape} and {np.shape(affine)}")
        pieces, count = ndimage.label(labels != 0)
        if count == 0:
            raise FemtmsError(f"labels must hold tissue (not 0); got {labels.shape} of air alone")
        # specks of noise outside the head would otherwise stop a ray
        head = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
        padded = np.array(affine, dtype=np.float64)
        padded[:3, 3] = transformed(np.full(3, -float(_PAD)), padded)
        return cls(ndimage.gaussian_filter(np.pad(head, _PAD).astype(np.float32), sigma=1.0), padded)

    def along(self, origin: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Last crossing (r,3) mm from tissue to air on rays from origin (3,) mm along directions (r,3), sub-voxel.

        Raises FemtmsError where a ray misses the head.
        """
        to_voxel = np.linalg.inv(self.affine)
        step = 0.5 * np.linalg.norm(self.affine[:3, :3], axis=0).min()
        corners = np.stack(np.meshgrid(*([0, n] for n in self.inside.shape)), axis=-1).reshape(-1, 3)
        reach = np.linalg.norm(transformed(corners, self.affine) - origin, axis=1).max()
        t = np.arange(0.0, reach + 2 * step, step)  # (s,) mm along the ray
        samples = origin + t[:, None] * directions[:, None]  # (r,s,3) mm
        voxels = transformed(samples, to_voxel)
        value = ndimage.map_coordinates(self.inside, np.moveaxis(voxels, -1, 0), order=1)  # (r,s), 0 outside
        tissue = value >= 0.5
        missed = ~tissue.any(axis=1)
        if missed.any():
            x, y, z = origin
            raise FemtmsError(
                f"each ray must cross the scalp; {missed.sum()} of {len(missed)} from "
                f"({x:.1f}, {y:.1f}, {z:.1f}) mm miss"
            )
        last = len(t) - 1 - tissue[:, ::-1].argmax(axis=1)
        rows = np.arange(len(value))
        before, after = value[rows, last], value[rows, last + 1]
        crossing = t[last] + step * (before - 0.5) / (before - after)
        points: np.ndarray = origin + crossing[:, None] * directions
        return points

    @cached_property
    def points(self) -> np.ndarray:
        """Points (s,3) mm of the scalp, about one for each voxel's face, without the walls of closed cavities."""
        filled = np.where(ndimage.binary_fill_holes(self.inside >= 0.5), np.maximum(self.inside, 0.5), self.inside)
        found = []
        for axis in range(3):
            values = np.moveaxis(filled, axis, 0)
            i, *across = np.nonzero((values[:-1] >= 0.5) != (values[1:] >= 0.5))
            before, after = values[(i, *across)], values[(i + 1, *across)]
            index = np.array([i + (before - 0.5) / (before - after), *across]).T
            found.append(index[:, np.argsort([axis, *({0, 1, 2} - {axis})])])
        return sealed(transformed(np.concatenate(found), self.affine))

    @property
    def uncut_points(self) -> np.ndarray:
        """The same (s,3) without those where the volume cuts the head off."""
        index = transformed(self.points, np.linalg.inv(self.affine)) - _PAD
        last = np.array(self.inside.shape) - 2 * _PAD - 1
        return self.points[((index > 0.5) & (index < last - 0.5)).all(axis=1)]

    @cached_property
    def normals(self) -> np.ndarray:
        """Unit normals (s,3), outward, at the points."""
        to_voxel = np.linalg.inv(self.affine)
        gradient = np.gradient(ndimage.gaussian_filter(self.inside, sigma=1.0))
        at = transformed(self.points, to_voxel).T
        outward = -np.stack([ndimage.map_coordinates(part, at, order=1) for part in gradient], axis=1)
        outward = outward @ to_voxel[:3, :3]
        return sealed(outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-12))

    @cached_property
    def tree(self) -> cKDTree:
        """Of the points."""
        return cKDTree(self.points)

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The points of the scalp (p,3) mm that are nearest to points (p,3) mm, and the distances (p,) in mm."""
        _, index = self.tree.query(points)
        apart, normals = points - self.points[index], self.normals[index]
        along = apart - (apart * normals).sum(axis=1, keepdims=True) * normals
        # between the points the scalp is flat; at edges, where normals say little, the point is taken
        is_near = np.linalg.norm(along, axis=1) < np.linalg.norm(self.affine[:3, :3], axis=0).max()
        feet = self.points[index] + is_near[:, None] * along
        return feet, np.linalg.norm(points - feet, axis=1)
