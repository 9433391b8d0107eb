"""Triangle surfaces to pixels without OpenGL: an orthographic camera, a z-buffer, smoothing for display."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.ndimage as ndi
import scipy.sparse as sp

from femtms.core import call
from femtms.mesh.node_sums import sums_at_nodes
from femtms.mesh.surface import triangle_normals

OVERSAMPLING = 2  # samples per pixel and direction; their mean gives smooth edges


@dataclass(frozen=True)
class Camera:
    """An orthographic view: parallel rays, so lengths can be measured in the picture.

    looking  (3,) the direction of sight; up (3,) any vector that shall point upwards in the picture
    centre   (3,) mm, what is in the middle of the picture
    pixel    mm, width of a pixel
    shape    (height, width) in pixels
    """

    looking: np.ndarray
    up: np.ndarray
    centre: np.ndarray
    pixel: float
    shape: tuple[int, int]

    @cached_property
    def axes(self) -> np.ndarray:
        """Rows: to the right, upwards, towards the viewer (3,3), orthonormal."""
        towards = -np.asarray(self.looking, float) / np.linalg.norm(self.looking)
        right = np.cross(self.up, towards)
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(towards, right), towards])

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of the picture in mm from `centre`."""
        height, width = self.shape
        return (
            -width * self.pixel / 2,
            width * self.pixel / 2,
            -height * self.pixel / 2,
            height * self.pixel / 2,
        )

    def project(self, points: np.ndarray) -> np.ndarray:
        """points (n,3) mm -> (n,3) mm: to the right, upwards, and towards the viewer, from `centre`."""
        projected: np.ndarray = (points - self.centre) @ self.axes.T
        return projected


@dataclass(frozen=True)
class Picture:
    """What a camera sees: value, shade 0…1 and depth (mm towards the viewer) at each sample.

    Arrays (rows, columns) = OVERSAMPLING times the (height, width) of the camera.
    Where there is no surface, depth is -inf and the others are 0.  Row 0 is the top.
    """

    camera: Camera
    value: np.ndarray
    shade: np.ndarray
    depth: np.ndarray

    @property
    def covered(self) -> np.ndarray:
        """True where there is surface."""
        return np.isfinite(self.depth)

    def hides(self, points: np.ndarray, tolerance: float = 0.5) -> np.ndarray:
        """True (n,) for points (n,3) mm that lie more than `tolerance` mm behind the surface."""
        u, v, depth = self.camera.project(points).T
        rows, columns = self.depth.shape
        fine = self.camera.pixel / OVERSAMPLING
        i, j = np.floor(rows / 2 - v / fine).astype(int), np.floor(columns / 2 + u / fine).astype(int)
        seen = (i >= 0) & (i < rows) & (j >= 0) & (j < columns)
        hidden = np.zeros(len(points), bool)
        hidden[seen] = depth[seen] < self.depth[i[seen], j[seen]] - tolerance
        return hidden

    def relief(self, width: float = 4.0, strength: float = 0.035) -> np.ndarray:
        """Factor ≤ 1 that darkens what lies deeper than its surroundings, as sulci do: Luft et al. 2006.

        width mm of the surroundings, strength per mm of depth below their mean.
        """
        sigma = width * OVERSAMPLING / self.camera.pixel
        step = max(1, int(sigma / 4))  # a mean over many pixels does not need all of them
        weight = self.covered[::step, ::step].astype(np.float32)
        depth = np.where(self.covered, self.depth, 0).astype(np.float32)[::step, ::step]
        mean = ndi.gaussian_filter(depth, sigma / step) / np.maximum(ndi.gaussian_filter(weight, sigma / step), 1e-3)
        rows, columns = self.depth.shape
        at = np.ix_(np.minimum(np.arange(rows) // step, len(mean) - 1), np.arange(columns) // step)
        mean = ndi.uniform_filter(mean[at], step)
        below = np.clip(mean - np.where(self.covered, self.depth, mean), 0, None)
        return np.exp(-strength * below)

    def coloured(self, rgb: np.ndarray) -> np.ndarray:
        """rgb (rows, columns, 3) -> picture (height, width, 4): colours times shade, smooth edges."""
        samples = np.zeros((*self.depth.shape, 4), np.float32)
        samples[..., :3] = rgb * (self.shade * self.covered)[..., None]
        samples[..., 3] = self.covered
        height, width = self.camera.shape
        rgba = samples.reshape(height, OVERSAMPLING, width, OVERSAMPLING, 4).mean(axis=(1, 3))
        rgba[..., :3] /= np.maximum(rgba[..., 3:], 1e-6)  # the mean is of covered samples only
        return np.clip(rgba, 0, 1)


def render(camera: Camera, nodes: np.ndarray, faces: np.ndarray, values: np.ndarray, normals: np.ndarray) -> Picture:
    """Draw a surface.  nodes (n,3) mm, faces (f,3), values (n,), normals (n,3) unit, outward.

    The lamp stands above the viewer's left shoulder, so that a slope and its opposite differ: Lambert's
    cosine plus a little light from everywhere.
    """
    return render_each(camera, nodes, faces, values[:, None], normals)[0]


def render_each(
    camera: Camera, nodes: np.ndarray, faces: np.ndarray, values: np.ndarray, normals: np.ndarray
) -> list[Picture]:
    """A Picture for each column of values (n,k), as `render` draws it: what hides what is found once for all."""
    lamp = camera.axes.T @ (np.array([-0.35, 0.45, 1.0]) / np.linalg.norm([-0.35, 0.45, 1.0]))
    shade = 0.3 + 0.7 * np.clip(normals @ lamp, 0, None)
    rows, columns = camera.shape[0] * OVERSAMPLING, camera.shape[1] * OVERSAMPLING
    xyz = camera.project(nodes)
    fine = camera.pixel / OVERSAMPLING
    xyz[:, 0], xyz[:, 1] = columns / 2 + xyz[:, 0] / fine, rows / 2 - xyz[:, 1] / fine
    depth = np.full((rows, columns), -np.inf)
    out = np.zeros((rows, columns, 1 + values.shape[1]), np.float32)
    inks = np.column_stack([shade, values]).astype(np.float64, copy=False)
    drawn = np.ascontiguousarray(faces, np.int32)
    call("draw_triangles", xyz, len(drawn), drawn, inks.shape[1], inks, rows, columns, depth, out)
    return [Picture(camera, out[..., 1 + i], out[..., 0], depth) for i in range(values.shape[1])]


def vertex_normals(nodes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals (n,3) at the nodes: the sum of the area vectors of the triangles that meet there."""
    normals = sums_at_nodes(faces, triangle_normals(nodes, faces)[:, None], len(nodes))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)


def smoothed(nodes: np.ndarray, faces: np.ndarray, rounds: int = 15) -> np.ndarray:
    """nodes (n,3) without stair-steps, for display only: Taubin 1995, SIGGRAPH, p. 351.

    Each round is a step towards the mean of the neighbours and a longer one away from it; the two cancel for
    what is smooth, so the surface does not shrink as it would with the first step alone.
    """
    n = len(nodes)
    edges = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    both = np.concatenate([edges, edges[:, ::-1]])
    mean = sp.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(n, n))
    mean.data[:] = 1.0  # an edge of two triangles counts once
    neighbours = np.maximum(np.diff(mean.indptr), 1)
    mean = sp.diags(1.0 / neighbours) @ mean
    for _ in range(rounds):
        for step in (0.5, -0.53):
            nodes = nodes + step * (mean @ nodes - nodes)
    return nodes
