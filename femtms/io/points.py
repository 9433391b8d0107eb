"""Points in text files in mm, and fields at them."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from femtms.errors import FemtmsError
from femtms.field.statistics import magnitude
from femtms.io.files import existing_file, is_number, text_lines
from femtms.io.units import in_m, in_mm

_COLUMNS = ("x", "y", "z", "Ex", "Ey", "Ez", "magnE", "tissue")


def read_points(path: str | Path) -> np.ndarray:
    """Points (p,3) in m from text: x, y, z in mm in each line, separated by commas, semicolons or blanks.

    The first line may be a header; what follows a # is a comment.  Raises FemtmsError for anything else, with its line.
    """
    path = existing_file(path)
    points, is_first = [], True
    for number, line in enumerate(text_lines(path, "points must be text (CSV)"), 1):
        words = line.partition("#")[0].replace(",", " ").replace(";", " ").split()
        if not words:
            continue
        is_header, is_first = is_first and not any(map(is_number, words)), False
        if is_header:
            continue
        if len(words) != 3 or not all(map(is_number, words)):
            raise FemtmsError(f"{path}: line {number}: must be x, y, z in mm, three numbers; got '{line.strip()[:60]}'")
        points.append([float(word) for word in words])
    if not points:
        raise FemtmsError(f"{path}: there must be at least one point; got none")
    numbers = np.array(points)
    if not np.isfinite(numbers).all():
        first = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
        raise FemtmsError(f"{path}: points must be finite; point {first} is {numbers[first]}")
    return in_m(numbers)


def write_points(path: Path, points: np.ndarray, E: np.ndarray, tissues: Sequence[str | None]) -> None:
    """A row for each point (p,3) m with E (p,3) in V/m: x,y,z in mm, Ex,Ey,Ez,magnE, and the tissue that it is of.

    Outside the head the field is nan and the tissue is empty.
    """
    magnE = magnitude(E)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for point, e, size, tissue in zip(in_mm(points).tolist(), E.tolist(), magnE.tolist(), tissues):
            writer.writerow([*point, *(f"{value:.9g}" for value in (*e, size)), tissue or ""])
