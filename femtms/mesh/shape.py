"""The shape of each tetrahedron, by the usual measures."""

from typing import NamedTuple

import numpy as np

_CHUNK = 20_000  # tetrahedra at a time: what is in work stays in the processor's cache


class TetShapes(NamedTuple):
    """Arrays (m,) of float64, one value for each tetrahedron.

    volume          signed, in the cube of the nodes' unit
    smallest_angle  smallest of the six dihedral angles, degrees; 70.53 for a regular tetrahedron, 0 for a flat one
    largest_angle   largest of them, degrees; 70.53 for a regular tetrahedron, 180 for a flat one
    radius_ratio    3 × radius of the inscribed sphere / radius of the circumscribed sphere; 1 for a regular
                    tetrahedron, 0 for a flat one, negative for an inverted one
    mean_ratio      12 (3V)^(2/3) / sum of the squared edges, with the sign of V; 1 for a regular tetrahedron
                    (Liu and Joe 1994, BIT 34:268)
    longest_edge    in the nodes' unit
    """

    volume: np.ndarray
    smallest_angle: np.ndarray
    largest_angle: np.ndarray
    radius_ratio: np.ndarray
    mean_ratio: np.ndarray
    longest_edge: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """Where (m,) the volume is lost in the rounding of the nodes."""
        result: np.ndarray = np.abs(self.volume) <= 1e-12 * self.longest_edge**3
        return result

    @property
    def inverted(self) -> np.ndarray:
        """Where (m,) the volume is negative by more than rounding."""
        result: np.ndarray = (self.volume < 0) & ~self.flat
        return result


def tet_shapes(nodes: np.ndarray, tets: np.ndarray) -> TetShapes:
    """Shapes of tets (m,4) with nodes (n,3)."""
    values = np.empty((len(TetShapes._fields), len(tets)))
    for begin in range(0, len(tets), _CHUNK):
        corners = nodes[tets[begin : begin + _CHUNK]].transpose(1, 2, 0)  # (4,3,chunk)
        values[:, begin : begin + _CHUNK] = _shapes(np.ascontiguousarray(corners, dtype=np.float64))
    return TetShapes(*values)


def _shapes(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """The fields of TetShapes for corners (4,3,chunk)."""
    a, b, c = x[1] - x[0], x[2] - x[0], x[3] - x[0]
    normals = [_cross(b, c), _cross(c, a), _cross(a, b)]  # twice the area of the face opposite node 1, 2, 3, inward
    normals.append(-(normals[0] + normals[1] + normals[2]))
    volume = _dot(a, normals[0]) / 6

    doubled_areas = [_positive(np.sqrt(_dot(normal, normal))) for normal in normals]
    cosines = [
        -_dot(normals[i], normals[j]) / (doubled_areas[i] * doubled_areas[j]) for i in range(4) for j in range(i)
    ]
    smallest, largest = (
        np.degrees(np.arccos(np.clip(extreme.reduce(cosines), -1, 1))) for extreme in (np.maximum, np.minimum)
    )

    squares = [_dot(edge, edge) for edge in (a, b, c, b - c, c - a, a - b)]  # opposite edges three places apart
    p, q, r = (np.sqrt(squares[i] * squares[i + 3]) for i in range(3))
    # circumradius = sqrt(…)/(24 V): Crelle's formula
    crelle = _positive(np.sqrt(np.maximum((p + q + r) * (p + q - r) * (q + r - p) * (r + p - q), 0)))
    area = 0.5 * np.add.reduce(doubled_areas)
    radius_ratio = 216 * volume * np.abs(volume) / (area * crelle)
    mean_ratio = 12 * np.cbrt(9 * volume**2) * np.sign(volume) / _positive(np.add.reduce(squares))
    return volume, smallest, largest, radius_ratio, mean_ratio, np.sqrt(np.maximum.reduce(squares))


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a × b for vectors (3,chunk)."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a · b for vectors (3,chunk)."""
    result: np.ndarray = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return result


def _positive(x: np.ndarray) -> np.ndarray:
    """A divisor that is never zero."""
    result: np.ndarray = np.maximum(x, 1e-300)
    return result
