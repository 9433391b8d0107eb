"""Pose files: one or many 4×4 matrices in mm as text or .npy."""

from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from femtms.arrays import sealed
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError, in_one_line
from femtms.io.files import check_not_utf16, existing_file

_PIECE = 16_384  # matrices that are looked at together


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
    matrices = _matrices(existing_file(path))
    poses = []
    for i, matrix in enumerate(matrices):
        try:
            poses.append(Pose(matrix))
        except FemtmsError as error:
            raise FemtmsError(f"{path}: pose {i}: {error}") from error
    return poses


def read_pose_matrices(path: str | Path) -> np.ndarray:
    """The matrices (k,4,4) of `read_poses` as they are in the file, for hundreds of thousands of them.

    `Pose` takes off what rounding left of each.  Raises FemtmsError like `read_poses`.
    """
    path = Path(path)
    matrices = _matrices(existing_file(path))
    for start in range(0, len(matrices), _PIECE):
        for i in start + np.flatnonzero(_is_doubtful(matrices[start : start + _PIECE])):
            try:
                Pose(matrices[i])
            except FemtmsError as error:
                raise FemtmsError(f"{path}: pose {i}: {error}") from error
    return sealed(matrices)


def _is_doubtful(matrices: np.ndarray) -> np.ndarray:
    """(k,): False where all that `Pose` asks of a matrix is there with room to spare."""
    axes = matrices[:, :3, :3]
    with np.errstate(all="ignore"):  # NaN and what overflows is doubtful
        turned_back = axes.transpose(0, 2, 1) @ axes
        is_rigid = np.abs(turned_back - np.eye(3)).max(axis=(1, 2)) < 1e-4
        is_right_handed = np.linalg.det(axes) > 0
        has_last_row = (matrices[:, 3] == [0, 0, 0, 1]).all(axis=1)
        is_sure: np.ndarray = is_rigid & is_right_handed & has_last_row & np.isfinite(matrices).all(axis=(1, 2))
    return ~is_sure


def _matrices(path: Path) -> np.ndarray:
    """(k,4,4) float64 of a file, k > 0.  Raises FemtmsError for other shapes."""
    matrices = _npy(path, "(k,4,4) numbers") if path.suffix.lower() == ".npy" else _rows(path)
    if matrices.dtype.kind not in "fiu" or matrices.shape[-2:] != (4, 4) or matrices.ndim not in (2, 3):
        raise FemtmsError(
            f"{path}: poses must be k matrices of 4×4 numbers; got shape {matrices.shape} of type {matrices.dtype}"
        )
    if matrices.size == 0:
        raise FemtmsError(f"{path}: there must be at least one pose; got none")
    return np.ascontiguousarray(matrices.reshape(-1, 4, 4), dtype=np.float64)


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
    except FemtmsError:
        raise
    except Exception as error:
        raise _unreadable(path, what, error) from error


def _rows(path: Path) -> np.ndarray:
    """Matrices (k,4,4) from rows of 16 numbers, or one (4,4) from four rows of four."""
    numbers, rows = array("d"), array("q")  # not lists: files may have millions of numbers
    try:
        for line, words in _lines(path):
            rows.extend((line, len(words)))
            numbers.extend(_floats(path, line, words))
    except FemtmsError:
        raise
    except Exception as error:
        raise _unreadable(path, "rows of 16 numbers", error) from error
    lines, lengths = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    one = lengths.tolist() == [4] * 4
    odd = np.flatnonzero(lengths != 16)
    if len(odd) and not one:
        line, count = lines[odd[0]], lengths[odd[0]]
        raise FemtmsError(f"{path}: line {line}: each row must have the 16 numbers of a pose; got {count} words")
    return np.array(numbers, dtype=np.float64).reshape((4, 4) if one else (-1, 4, 4))


def _floats(path: Path, line: int, words: list[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise FemtmsError(f"{path}: line {line}: must be 16 numbers ({error!s:.60})") from error


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number and words of each line that has any; words are separated by spaces, commas or semicolons."""
    check_not_utf16(path, "poses must be text")
    with open(path, encoding="utf-8-sig") as lines:
        for i, line in enumerate(lines, 1):
            words = line.replace(",", " ").replace(";", " ").split("#")[0].split()
            if words:
                yield i, words


def _unreadable(path: Path, what: str, error: Exception) -> FemtmsError:
    reason = in_one_line(error, 120)
    return FemtmsError(f"{path}: cannot be read as {what}, text or .npy ({reason})")
