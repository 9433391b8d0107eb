"""Pose files: one or many 4×4 matrices in mm as text or .npy."""

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
    matrix = _npy(path, "a 4×4 matrix") if path.suffix.lower() == ".npy" else _words(path, "a 4×4 matrix")
    if matrix.dtype.kind not in "fiu" or matrix.size != 16:
        raise FemtmsError(f"{path}: a pose must be 4×4 = 16 numbers; got {matrix.size} of type {matrix.dtype}")
    try:
        return Pose(matrix.reshape(4, 4))
    except FemtmsError as error:
        raise FemtmsError(f"{path}: {error}") from error


def read_poses(path: str | Path) -> list[Pose]:
    """Poses in mm, head coordinates: .npy with (k,4,4), or text (CSV) with the 16 numbers of each in a row of its own.

    One matrix, (4,4) or four rows of four numbers, is a list of one pose.  The 16 numbers are row by row, those of the
    first row of the matrix first.  Raises FemtmsError when the file cannot be read, or with the index of the first
    matrix that is not a pose.
    """
    path = existing_file(path)
    matrices = _npy(path, "(k,4,4) numbers") if path.suffix.lower() == ".npy" else _rows(path)
    if matrices.dtype.kind not in "fiu" or matrices.shape[-2:] != (4, 4) or matrices.ndim not in (2, 3):
        raise FemtmsError(
            f"{path}: poses must be k matrices of 4×4 numbers; got shape {matrices.shape} of type {matrices.dtype}"
        )
    if matrices.size == 0:
        raise FemtmsError(f"{path}: there must be at least one pose; got none")
    poses = []
    for i, matrix in enumerate(matrices.reshape(-1, 4, 4)):
        try:
            poses.append(Pose(matrix))
        except FemtmsError as error:
            raise FemtmsError(f"{path}: pose {i}: {error}") from error
    return poses


def _npy(path: Path, what: str) -> np.ndarray:
    """The array of a .npy file; mapped, so that a damaged header cannot ask for more memory than the file has bytes."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # damaged files surface as many types, MemoryError among them
        raise _unreadable(path, what, error) from error
    if not isinstance(array, np.ndarray):
        raise FemtmsError(f"{path}: a pose file must hold one array (.npy); got an archive of several (.npz)")
    return np.array(array)


def _words(path: Path, what: str) -> np.ndarray:
    """All numbers of a text file."""
    try:
        return np.array([float(word) for _, row in _lines(path) for word in row])
    except Exception as error:
        raise _unreadable(path, what, error) from error


def _rows(path: Path) -> np.ndarray:
    """Matrices (k,4,4) from rows of 16 numbers, or one (4,4) from four rows of four."""
    numbers = []
    try:
        lines = _lines(path)
    except Exception as error:
        raise _unreadable(path, "rows of 16 numbers", error) from error
    one = [len(row) for _, row in lines] == [4] * 4
    for line, row in lines:
        if len(row) != 16 and not one:
            raise FemtmsError(f"{path}: line {line}: each row must have the 16 numbers of a pose; got {len(row)} words")
        try:
            numbers.append([float(word) for word in row])
        except ValueError as error:
            raise FemtmsError(f"{path}: line {line}: must be 16 numbers ({error!s:.60})") from error
    return np.array(numbers, dtype=np.float64).reshape((4, 4) if one else (-1, 4, 4))


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Number and words of each line that has any; words are separated by spaces, commas or semicolons."""
    text = path.read_text(encoding="utf-8-sig").replace(",", " ").replace(";", " ")
    lines = [(i, line.split("#")[0].split()) for i, line in enumerate(text.splitlines(), 1)]
    return [(i, words) for i, words in lines if words]


def _unreadable(path: Path, what: str, error: Exception) -> FemtmsError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return FemtmsError(f"{path}: cannot be read as {what}, text or .npy ({reason})")
