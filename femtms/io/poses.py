"""Pose files: a 4×4 matrix in mm as text or .npy."""

from pathlib import Path

import numpy as np

from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.io.files import existing_file


def read_pose(path: str | Path) -> Pose:
    """A pose from text (16 numbers, separated by spaces or commas) or .npy; mm, head coordinates.

    Raises FemtmsError when the file cannot be read or the matrix is not a pose.
    """
    path = existing_file(path)
    try:
        if path.suffix.lower() == ".npy":
            matrix = np.load(path, allow_pickle=False)
        else:
            text = path.read_text(encoding="utf-8-sig").replace(",", " ").replace(";", " ")
            rows = [line.split("#")[0].split() for line in text.splitlines()]
            matrix = np.array([float(word) for row in rows for word in row])
    except Exception as error:  # damaged .npy files surface as many types, MemoryError among them
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise FemtmsError(f"{path}: cannot be read as a 4×4 matrix of numbers, text or .npy ({reason})") from error
    if not isinstance(matrix, np.ndarray):
        raise FemtmsError(f"{path}: a pose must be one array (.npy); got an archive of several (.npz)")
    if matrix.dtype.kind not in "fiu" or matrix.size != 16:
        raise FemtmsError(f"{path}: a pose must be 4×4 = 16 numbers; got {matrix.size} of type {matrix.dtype}")
    try:
        return Pose(matrix.reshape(4, 4))
    except FemtmsError as error:
        raise FemtmsError(f"{path}: {error}") from error
