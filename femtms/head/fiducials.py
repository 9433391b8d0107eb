"""Fiducials and electrodes that people measured on a head: whether they can be right, and 10-10 positions from them.

All lengths here are mm.
"""

import logging
import re
from collections.abc import Mapping

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.electrodes import ten_ten
from femtms.head.scalp import VolumeScalp
from femtms.plausible import FARTHEST_MM

log = logging.getLogger("femtms")

FIDUCIALS = ("Nz", "Iz", "LPA", "RPA")
_SPELLINGS = {
    "Nz": ("nz", "nas", "nasion"),
    "Iz": ("iz", "ini", "inion"),
    "LPA": ("lpa", "left preauricular", "left preauricular point"),
    "RPA": ("rpa", "right preauricular", "right preauricular point"),
}
_NAME_OF = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings}
_OFF_MM = 10.0  # worth a word: a fiducial is on the skin
_FEWEST_PAIRS = 3  # of electrodes that must agree on what is left
_UNITS = (("m", 1e3), ("cm", 10.0), ("µm", 1e-3))  # in mm


def known_as(name: str) -> str:
    """Nz, Iz, LPA or RPA for their usual spellings; any other name as it is.

    >>> known_as("NAS"), known_as("left_preauricular"), known_as("C3")
    ('Nz', 'LPA', 'C3')
    """
    return _NAME_OF.get(re.sub(r"[\s_-]+", " ", name).strip().lower(), name)


def electrodes_from(points: Mapping[str, np.ndarray], scalp: VolumeScalp, where: str) -> dict[str, np.ndarray]:
    """Name -> (3,) mm on the scalp: the given points, and from four fiducials the other positions of the 10-10 system.

    points  name -> (3,) mm in head coordinates, fiducials, electrodes or both; `where` they are from begins messages

    Raises FemtmsError for points that cannot be on this head: in another unit or frame, with left and right or front
    and back exchanged, in one place; and for too few fiducials where there is nothing else.
    """
    names = list(points)
    feet, distances = scalp.nearest(np.array([points[name] for name in names]))
    _check_sides(points, where)
    _check_near(names, np.array([points[name] for name in names]), distances, scalp, where)
    on_scalp = dict(zip(names, feet))
    lacking = [name for name in FIDUCIALS if name not in points]
    if not lacking:
        _check_apart(points, where)
        given = {name.lower() for name in names}
        computed = ten_ten(scalp.along, on_scalp)
        return {name: at for name, at in computed.items() if name.lower() not in given} | on_scalp
    if len(points) + len(lacking) == len(FIDUCIALS):
        raise FemtmsError(
            f"{where}: positions of the 10-10 system need Nz, Iz, LPA and RPA; {' and '.join(lacking)} "
            f"{'is' if len(lacking) == 1 else 'are'} missing"
        )
    log.warning("%s: without %s only the positions that are given are known", where, " and ".join(lacking))
    return on_scalp


def _check_sides(points: Mapping[str, np.ndarray], where: str) -> None:
    """Raise FemtmsError where the left is not at lower x than the right, or the front not at higher y than the back."""
    pairs = _left_and_right(points)
    mirrored = [(left, right) for left, right in pairs if points[left][0] >= points[right][0]]
    is_mirrored = ("LPA", "RPA") in mirrored or (len(pairs) >= _FEWEST_PAIRS and 2 * len(mirrored) > len(pairs))
    is_reversed = {"Nz", "Iz"} <= set(points) and points["Nz"][1] <= points["Iz"][1]
    if is_mirrored and is_reversed:
        raise FemtmsError(
            f"{where}: x must point to the right and y forward (RAS); both are reversed (are the coordinates in LPS?)"
        )
    if is_mirrored:
        left, right = mirrored[0]
        raise FemtmsError(
            f"{where}: {left} must be on the left of {right}, at lower x (RAS: x points to the right); it is at "
            f"x = {points[left][0]:.1f} and {right} at {points[right][0]:.1f} mm (are left and right exchanged?)"
        )
    if is_reversed:
        raise FemtmsError(
            f"{where}: Nz must be in front of Iz, at higher y (RAS: y points forward); it is at "
            f"y = {points['Nz'][1]:.1f} and Iz at {points['Iz'][1]:.1f} mm (are they exchanged?)"
        )


def _left_and_right(points: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    """Pairs of names: LPA and RPA, and electrodes with an odd number and the next one, as C3 and C4."""
    pairs = [("LPA", "RPA")]
    for name in points:
        odd = re.fullmatch(r"(Fp|AF|F|FT|FC|C|T|TP|CP|P|PO|O|I|N)(\d*[13579])", name, re.IGNORECASE)
        if odd:
            pairs.append((name, f"{odd[1]}{int(odd[2]) + 1}"))
    return [(left, right) for left, right in pairs if left in points and right in points]


def _check_near(names: list[str], points: np.ndarray, distances: np.ndarray, scalp: VolumeScalp, where: str) -> None:
    """Raise FemtmsError where a fiducial, or most of the electrodes, are away from the scalp; warn of what is odd."""
    is_fiducial = np.isin(names, FIDUCIALS)
    is_far = distances > FARTHEST_MM
    if (is_far & is_fiducial).any() or 2 * is_far.sum() > len(names):
        worst = int(np.where(is_fiducial | ~is_fiducial.any(), distances, -1).argmax())
        meant = [unit for unit, mm in _UNITS if np.median(scalp.nearest(mm * points)[1]) < FARTHEST_MM]
        x, y, z = points[worst]
        raise FemtmsError(
            f"{where}: points must be on the scalp, within {FARTHEST_MM:g} mm, in mm in the frame of the head; "
            f"{names[worst]} at ({x:.4g}, {y:.4g}, {z:.4g}) is {distances[worst]:.0f} mm away "
            + (f"(is it in {meant[0]}?)" if meant else "(are they in another frame?)")
        )
    for i in np.flatnonzero((is_fiducial & (distances > _OFF_MM)) | is_far):
        log.warning("%s: %s is %.0f mm from the scalp; the nearest point is taken", where, names[i], distances[i])


def _check_apart(points: Mapping[str, np.ndarray], where: str) -> None:
    """Raise FemtmsError for two fiducials in one place."""
    for i, first in enumerate(FIDUCIALS):
        for second in FIDUCIALS[i + 1 :]:
            if np.linalg.norm(points[first] - points[second]) < _OFF_MM:
                raise FemtmsError(f"{where}: {first} and {second} must be different places; they are in the same")
