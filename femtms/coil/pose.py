"""Where the coil is: a rigid 4×4 matrix in mm, and how to find one for a place on the scalp."""

from dataclasses import dataclass

import numpy as np

from femtms.arrays import sealed
from femtms.errors import FemtmsError

# Matrices in files are rounded; beyond this (sine of an angle, or relative length) they are wrong.
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class Pose:
    """Position and orientation of a coil in the head.

    matrix  (4,4), coil frame -> head coordinates (right, anterior, superior), in mm.  Its columns are the coil's
            x, y and z axes and its centre; z points into the head, y along the prolongation of the handle away from it,
            x = y × z.

    Raises FemtmsError, with which rule is broken and by how much, unless the matrix is rigid and right-handed.
    """

    matrix: np.ndarray

    def __post_init__(self) -> None:
        try:
            matrix = np.array(self.matrix, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise FemtmsError(f"a pose must be a 4×4 matrix of numbers; got {self.matrix!r:.60}") from error
        if matrix.shape != (4, 4):
            raise FemtmsError(f"a pose must be a 4×4 matrix; got shape {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise FemtmsError("a pose must be finite; the matrix has NaN or infinite entries")
        if np.array_equal(matrix[:3, 3], np.zeros(3)) and matrix[3, 3] == 1 and matrix[3, :3].any():
            raise FemtmsError(
                f"the pose is transposed: its last row must be 0 0 0 1 and its last column the centre; the last row is "
                f"{matrix[3].tolist()}: transpose it"
            )
        if np.abs(matrix[3] - [0, 0, 0, 1]).max() > 1e-6:
            raise FemtmsError(f"the last row of a pose must be 0 0 0 1; got {matrix[3].tolist()}")
        axes = matrix[:3, :3]
        lengths = np.linalg.norm(axes, axis=0)
        if lengths.min() == 0:
            raise FemtmsError(f"the axes of a pose must have length 1; axis {'xyz'[int(lengths.argmin())]} has 0")
        # angles first: shearing a matrix changes lengths too
        cosines = (axes / lengths).T @ (axes / lengths)
        for a, b in ((0, 1), (0, 2), (1, 2)):
            if abs(cosines[a, b]) > _TOLERANCE:
                angle = np.degrees(np.arccos(np.clip(cosines[a, b], -1, 1)))
                raise FemtmsError(
                    f"the pose is sheared: its axes must be at 90°; {'xyz'[a]} and {'xyz'[b]} are at {angle:.2f}°"
                )
        worst = int(np.abs(lengths - 1).argmax())
        if abs(lengths[worst] - 1) > _TOLERANCE:
            raise FemtmsError(
                f"the pose is scaled: its axes must have length 1; axis {'xyz'[worst]} has {lengths[worst]:.4g}"
            )
        if np.linalg.det(axes) < 0:
            raise FemtmsError("the pose is left-handed: x must be y × z; got x = -(y × z), determinant -1")
        # the nearest rotation takes off what the rounding in the file left
        u, _, vt = np.linalg.svd(axes)
        matrix[:3, :3] = u @ vt
        object.__setattr__(self, "matrix", sealed(matrix))

    @property
    def matrix_mm(self) -> np.ndarray:
        """The same as matrix."""
        return self.matrix

    @property
    def centre_mm(self) -> np.ndarray:
        """The coil's origin (3,) in mm."""
        return self.matrix[:3, 3]

    @property
    def rotation(self) -> np.ndarray:
        """(3,3), coil -> head."""
        return self.matrix[:3, :3]

    @property
    def centre(self) -> np.ndarray:
        """The coil's origin (3,) in m."""
        return 1e-3 * self.matrix[:3, 3]

    @property
    def inverse(self) -> "Pose":
        """The pose of the head in the frame of the coil."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation.T
        matrix[:3, 3] = -self.rotation.T @ self.matrix[:3, 3]
        return Pose(matrix)

    def in_head(self, points: np.ndarray) -> np.ndarray:
        """Points (n,3) in m from the coil's frame to head coordinates."""
        moved: np.ndarray = points @ self.rotation.T + self.centre
        return moved

    def __repr__(self) -> str:
        x, y, z = self.matrix[:3, 3]
        into = ", ".join(f"{d:.3f}" for d in self.matrix[:3, 2])
        towards = ", ".join(f"{d:.3f}" for d in self.matrix[:3, 1])
        return f"Pose(centre ({x:.1f}, {y:.1f}, {z:.1f}) mm, into the head ({into}), y ({towards}))"


IDENTITY = Pose(np.eye(4))  # where the coil's frame is that of the head
