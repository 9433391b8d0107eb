"""Where a coil points when nobody says: y at 45° to the sagittal plane."""

import numpy as np

from femtms.coil.pose import Pose

_MIDLINE_MM = 3.0  # as near to the sagittal plane, y points straight to the front
_LEAST = 0.3  # of the anterior direction that must be left on the scalp


def towards_the_midline(pose: Pose) -> Pose:
    """The pose turned about its z until y is at 45° to the sagittal plane, anterior and towards the midline.

    On the midline y is straight anterior.  On the forehead and on the back of the head, where the scalp faces the
    front or the back, anterior is the direction that it has when one goes there over the vertex: down and up.
    """
    outward = -pose.rotation[:, 2]
    anterior = np.array([0.0, 1.0, 0.0])
    anterior -= (anterior @ outward) * outward
    if np.linalg.norm(anterior) < _LEAST:
        anterior = np.cross(outward, [1.0, 0.0, 0.0])
    anterior /= np.linalg.norm(anterior)
    y, x_mm = anterior, pose.matrix[0, 3]
    if abs(x_mm) > _MIDLINE_MM:
        medial = np.cross(outward, anterior)
        over_the_top = np.array([-np.sign(x_mm), 0.0, 1.0])
        medial *= np.sign(medial @ over_the_top) or 1.0
        y = (anterior + medial) / np.sqrt(2)
    matrix = pose.matrix.copy()
    matrix[:3, :3] = np.column_stack([np.cross(y, -outward), y, -outward])
    return Pose(matrix)
