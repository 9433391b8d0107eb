"""Surfaces from .stl files in mm, binary or text."""

import codecs
from itertools import pairwise
from pathlib import Path

import numpy as np

from femtms.errors import FemtmsError
from femtms.io.files import existing_file
from femtms.io.units import in_m
from femtms.mesh.surface import Surface

# Bytes before the triangles of a binary file, and what there is of each.
HEADER, ROW = 84, np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_LARGEST_MM = 2000.0


def read_stl(path: str | Path, name: str, what: str = "a surface") -> Surface:
    """The surface in an .stl file in mm; corners at the same place become one node, in the order of their first use.

    name  of the surface, its `tissue`; `what` is how messages call it

    Raises FemtmsError when the file is damaged: a binary file must have as many bytes as its number of triangles says.
    """
    path = existing_file(path)
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    # some binary files begin with the word that announces text, so their length decides
    count = int.from_bytes(content[80:HEADER], "little")
    binary = len(content) >= HEADER and len(content) == HEADER + ROW.itemsize * count
    if binary:
        corners = np.frombuffer(content, ROW, offset=HEADER)["corners"].astype(np.float64)
    elif content.lstrip()[:5].lower() == b"solid":
        corners = _corners_in_text(content, path)
    else:
        raise FemtmsError(
            f"{path}: {what} must be an .stl file, text that begins with 'solid' or binary with "
            f"{HEADER} + {ROW.itemsize} × {count:,} bytes as its header announces; it has {len(content):,}"
        )
    if len(corners) == 0:
        raise FemtmsError(f"{path}: {what} must have at least one triangle; got none")
    if not np.isfinite(corners).all():
        raise FemtmsError(f"{path}: {what} must be finite; it has NaN or infinite coordinates")
    if np.abs(corners).max() > _LARGEST_MM:
        raise FemtmsError(f"{path}: {what} must be in mm; its farthest corner is at {np.abs(corners).max():.4g}")
    places, first, corner_of = np.unique(corners.reshape(-1, 3), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    return Surface(in_m(places[order]), number[corner_of.ravel()].reshape(-1, 3), name)


def _corners_in_text(content: bytes, path: Path) -> np.ndarray:
    """Corners (f,3,3) in mm of `vertex x y z`, three for each `facet`."""
    words = content.split()
    at = [i for i, word in enumerate(words) if word.lower() == b"vertex"]
    facets = sum((a.lower(), b.lower()) == (b"facet", b"normal") for a, b in pairwise(words))
    if len(at) != 3 * facets or not any(word.lower() == b"endsolid" for word in words):
        raise FemtmsError(
            f"{path}: an .stl text must have three vertices for each facet and an 'endsolid'; "
            f"got {len(at):,} for {facets:,}: it is damaged"
        )
    try:
        return np.array([[float(word) for word in words[i + 1 : i + 4]] for i in at]).reshape(-1, 3, 3)
    except ValueError as error:
        raise FemtmsError(f"{path}: each vertex of an .stl text must be three numbers ({error!s:.60})") from error
