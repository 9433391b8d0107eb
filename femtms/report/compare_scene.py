"""What the rotatable view shows: brain, scalp and coils with few triangles, and the field as one byte for each node."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fast_simplification
import numpy as np
from scipy.spatial import cKDTree

from femtms.coil.coil import Coil
from femtms.coil.pose import IDENTITY, Pose
from femtms.mesh.surface import pieces
from femtms.mesh.tetmesh import TetMesh
from femtms.report.field_picture import drawn_coil
from femtms.report.render import smoothed
from femtms.report.tissue_surface import TissueSurface

_BRAIN_FACES, _SCALP_FACES, _CASING_FACES = 26_000, 5_000, 1_500
_MOST_POINTS = 3_000  # of the lines of a coil


@dataclass(frozen=True, eq=False)
class SceneSurface:
    """Few triangles in place of many: nodes (s,3) mm, faces (f,3), and the node of the original nearest to each."""

    nodes: np.ndarray
    faces: np.ndarray
    nearest: np.ndarray

    @classmethod
    def of(cls, nodes: np.ndarray, faces: np.ndarray, most_faces: int) -> "SceneSurface":
        """Of the largest connected piece of a surface: nodes (n,3) mm, faces (f,3)."""
        own_nodes, own_faces = _largest_piece(nodes, faces)
        if len(own_faces) > most_faces:
            own_nodes, own_faces = fast_simplification.simplify(
                own_nodes.astype(np.float32), own_faces.astype(np.int32), target_count=most_faces
            )
        return cls(own_nodes, own_faces, cKDTree(nodes).query(own_nodes)[1])

    def packed(self) -> dict[str, Any]:
        """For the page: coordinates as 16-bit steps, indices as 32 bits, both little-endian base64."""
        step = float(np.abs(self.nodes).max()) / 32767
        return {
            "step_mm": step,
            "nodes": _base64(np.round(self.nodes / step).astype("<i2")),
            "faces": _base64(self.faces.astype("<u4")),
        }


def brain_surface(surface: TissueSurface) -> SceneSurface:
    """That of the brain, without the ventricles."""
    return SceneSurface.of(surface.smooth_nodes, surface.faces, _BRAIN_FACES)


def scalp_surface(mesh: TetMesh) -> SceneSurface:
    """The outside of the head."""
    used, faces = np.unique(mesh.outer_faces, return_inverse=True)
    faces = faces.reshape(-1, 3)
    return SceneSurface.of(smoothed(1e3 * mesh.nodes[used], faces, 5), faces, _SCALP_FACES)


def packed_values(values: np.ndarray) -> dict[str, Any]:
    """|E| (s,) in V/m as shares of its maximum in steps of 1/255."""
    most = float(values.max()) or 1.0
    return {"max": float(f"{most:.6g}"), "values": _base64(np.round(255 * values / most).astype(np.uint8))}


def packed_coil(coil: Coil) -> dict[str, Any]:
    """Lines, dots and casing of a coil in its own frame, in mm; NaN-free: lines are separate lists."""
    lines, points, _ = drawn_coil(coil, IDENTITY)
    every = max(1, -(-sum(map(len, lines)) // _MOST_POINTS))
    return {
        "lines": [_rounded(np.concatenate([line[:-1:every], line[-1:]])) for line in lines],
        "dots": _rounded(points[:: max(1, -(-len(points) // _MOST_POINTS))]),
        "casing": None
        if coil.casing is None
        else SceneSurface.of(1e3 * coil.casing.nodes, coil.casing.triangles, _CASING_FACES).packed(),
    }


def packed_pose(pose: Pose) -> list[list[float]]:
    """The upper three rows, mm."""
    return [[round(float(c), 5) for c in row] for row in pose.matrix[:3]]


def _rounded(points: np.ndarray) -> list[list[float]]:
    """Points (p,3) m in mm to a tenth."""
    return [[round(float(c), 1) for c in point] for point in 1e3 * points]


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def _largest_piece(nodes: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The connected piece that reaches farthest, renumbered: cavities are smaller than what is around them."""
    _, piece = pieces(faces)
    diagonals = {p: np.ptp(nodes[faces[piece == p]].reshape(-1, 3), axis=0).sum() for p in _common(piece)}
    largest = max(diagonals, key=lambda p: diagonals[p])
    kept, own = np.unique(faces[piece == largest], return_inverse=True)
    return nodes[kept], own.reshape(-1, 3)


def _common(numbered: np.ndarray, most: int = 10) -> Sequence[int]:
    """The most frequent numbers: crumbs need not be measured."""
    numbers, counts = np.unique(numbered, return_counts=True)
    return [int(p) for p in numbers[np.argsort(-counts, kind="stable")][:most]]
