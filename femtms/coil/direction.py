"""Where a coil points when nobody says: y at 45° to the sagittal plane."""

import numpy as np

from femtms.coil.pose import Pose

_MIDLINE = 3e-3  # m; as near to the sagittal plane, y points straight to the front
_LEAST = 0.3  # of the anterior direction that must be left on the scalp


def towards_the_midline(pose: Pose) -> Pose:
    """The pose turned about its z until y is at 45° to the sagittal plane, anterior and towards the midline.

    On the midline y is straight anterior.  On the forehead and on the back of the head, where the scalp faces the
    front or the back, anterior is the direction that it has when one goes there over the vertex: down and up.
    """
    outward = -pose.rotation[:, 2]
    y = y_at_45_degrees(pose.centre, outward)
    matrix = pose.matrix.copy()
    matrix[:3, :3] = np.column_stack([np.cross(y, -outward), y, -outward])
    return Pose(matrix)


def y_at_45_degrees(point: np.ndarray, outward: np.ndarray) -> np.ndarray:
    """That y (3,), a unit vector, at a point (3,) in m where the scalp has the unit normal `outward` (3,)."""
    anterior = np.array([0.0, 1.0, 0.0])
    anterior -= (anterior @ outward) * outward
    if np.linalg.norm(anterior) < _LEAST:
        anterior = np.cross(outward, [1.0, 0.0, 0.0])
    anterior /= np.linalg.norm(anterior)
    if abs(point[0]) <= _MIDLINE:
        return anterior
    medial = np.cross(outward, anterior)
    over_the_top = np.array([-np.sign(point[0]), 0.0, 1.0])
    medial *= np.sign(medial @ over_the_top) or 1.0
    y: np.ndarray = (anterior + medial) / np.sqrt(2)
    return y
