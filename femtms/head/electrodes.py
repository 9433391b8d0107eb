"""The 10-10 electrode positions of a head, found as a technician finds them: a tape and four landmarks.

Oostenveld & Praamstra 2001, Clin Neurophysiol 112:713, name the positions; Jurcak, Tsuzuki & Dan 2007,
NeuroImage 34:1600, fix which curve carries which one ("UI 10/10", 81 positions). All lengths here are mm.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from femtms.errors import FemtmsError
from femtms.head.scalp import VolumeScalp

Surface = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Positions in steps of 10 % of their curve, the ends left out.
_MIDLINE = "Fpz AFz Fz FCz Cz CPz Pz POz Oz".split()  # Nz to Iz
_CORONAL = "T7 C5 C3 C1 Cz C2 C4 C6 T8".split()  # LPA to RPA
_RINGS = {  # between two midline points, through the one on the side
    ("Fpz", "T7", "Oz"): "Fp1 AF7 F7 FT7 T7 TP7 P7 PO7 O1".split(),
    ("Fpz", "T8", "Oz"): "Fp2 AF8 F8 FT8 T8 TP8 P8 PO8 O2".split(),
    ("Nz", "T9", "Iz"): "N1 AF9 F9 FT9 T9 TP9 P9 PO9 I1".split(),
    ("Nz", "T10", "Iz"): "N2 AF10 F10 FT10 T10 TP10 P10 PO10 I2".split(),
}
# Positions that divide each half of a transverse curve evenly: in two for AF and PO, in four otherwise.
_TRANSVERSE = {
    ("AF7", "AFz", "AF8"): ("AF3".split(), "AF4".split()),
    ("F7", "Fz", "F8"): ("F5 F3 F1".split(), "F2 F4 F6".split()),
    ("FT7", "FCz", "FT8"): ("FC5 FC3 FC1".split(), "FC2 FC4 FC6".split()),
    ("TP7", "CPz", "TP8"): ("CP5 CP3 CP1".split(), "CP2 CP4 CP6".split()),
    ("P7", "Pz", "P8"): ("P5 P3 P1".split(), "P2 P4 P6".split()),
    ("PO7", "POz", "PO8"): ("PO3".split(), "PO4".split()),
}

_RAYS = 721  # per curve: a quarter of a degree, 0.4 mm on a head


def ten_ten(surface: Surface, fiducials: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The 81 positions of the 10-10 system, name -> (3,) mm, and LPA and RPA, which are also T9 and T10.

    surface(origin (3,), directions (r,3) unit) -> (r,3) mm: outermost scalp point along each ray.
    fiducials: Nz, Iz, LPA and RPA, each (3,) mm on the scalp; they are taken as they are given.

    Every curve is the cut of the scalp with the plane through three points. Its length is what a taut tape
    shows: it bridges dents, noise and the groove around an ear. Cz halves both Nz-Iz and LPA-RPA. The rings
    are marked in tenths from front to back; T7 and T8 stay where the coronal curve puts them, T9 and T10 at
    LPA and RPA. Each half of a transverse curve, such as F7-Fz, is divided evenly.

    Raises FemtmsError if a landmark is missing, if they lie on a line, or if a ray misses the scalp.
    """
    points = _landmarks(fiducials)
    nz, iz, lpa, rpa = (points[name] for name in ("Nz", "Iz", "LPA", "RPA"))
    points |= {"T9": lpa, "T10": rpa, "Cz": _vertex(surface, nz, iz, lpa, rpa)}

    def mark(names: list[str], positions: np.ndarray) -> None:
        for name, position in zip(names, positions, strict=True):
            points.setdefault(name, position)  # a point that an earlier curve fixed stays there

    tenths = np.arange(1, 10) / 10
    mark(_MIDLINE, _Tape.through(surface, nz, points["Cz"], iz).at(tenths))
    mark(_CORONAL, _Tape.through(surface, lpa, points["Cz"], rpa).at(tenths))
    for (front, side, back), names in _RINGS.items():
        mark(names, _Tape.through(surface, points[front], points[side], points[back]).at(tenths))
    for (left, middle, right), (names_left, names_right) in _TRANSVERSE.items():
        tape = _Tape.through(surface, points[left], points[middle], points[right])
        steps = np.arange(1, len(names_left) + 1) / (len(names_left) + 1)
        half = tape.fraction_of(points[middle])
        mark(names_left, tape.at(half * steps))
        mark(names_right, tape.at(half + (1 - half) * steps))
    return points


def sphere_surface(radius_mm: float) -> Surface:
    """The surface of a sphere about the origin, for `ten_ten`; rays must start inside it."""

    def surface(origin: np.ndarray, directions: np.ndarray) -> np.ndarray:
        along = directions @ origin
        inside = radius_mm**2 - origin @ origin
        if inside <= 0:
            raise FemtmsError(f"rays must start inside the sphere of {radius_mm:g} mm; got {_text(origin)}")
        points: np.ndarray = origin + (np.sqrt(along**2 + inside) - along)[:, None] * directions
        return points

    return surface


def volume_surface(labels: np.ndarray, affine: np.ndarray) -> Surface:
    """The scalp of a label volume, for `ten_ten`: last crossing from tissue to air on each ray, sub-voxel.

    labels (nx,ny,nz), 0 for air; affine (4,4) from voxel indices to mm; see `VolumeScalp`. Where the volume cuts the
    head off, the cut counts as scalp: landmarks belong above it.
    """
    return VolumeScalp.of(labels, affine).along


@dataclass(frozen=True)
class _Tape:
    """A taut tape over the scalp from a to c, in the plane of a, b and c, on the side of b.

    origin (3,): midpoint of a and c, inside the head. axes (2,3): unit vectors towards a and to b's side.
    angle (s,), length (s,): where the tape is, seen from the origin, and how much of it lies behind, in mm.
    """

    surface: Surface
    origin: np.ndarray
    axes: np.ndarray
    angle: np.ndarray
    length: np.ndarray

    @classmethod
    def through(cls, surface: Surface, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> "_Tape":
        origin = 0.5 * (a + c)
        first = (a - origin) / np.linalg.norm(a - origin)
        second = (b - origin) - ((b - origin) @ first) * first
        if np.linalg.norm(second) < 1e-3 * np.linalg.norm(b - origin):
            raise FemtmsError(f"three points must span a plane; got {_text(a)}, {_text(b)}, {_text(c)} mm")
        axes = np.stack([first, second / np.linalg.norm(second)])

        rays = np.linspace(0.0, np.pi, _RAYS)
        scalp = surface(origin, np.stack([np.cos(rays), np.sin(rays)], axis=1) @ axes)
        flat = (scalp - origin) @ axes.T  # (_RAYS,2) in the plane
        flat[0], flat[-1] = (a - origin) @ axes.T, (c - origin) @ axes.T
        # The chord from a to c bounds all samples, so both ends are corners of the hull, and the hull's
        # corners in the order of their angle are the tape.
        corners = flat[np.sort(ConvexHull(flat).vertices)]
        behind = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1)))
        length = np.linspace(0.0, behind[-1], 4 * _RAYS)  # dense: on a straight piece angle is not linear in length
        x, y = (np.interp(length, behind, corners[:, i]) for i in range(2))
        return cls(surface, origin, axes, np.arctan2(np.maximum(y, 0.0), x), length)

    def at(self, fractions: np.ndarray) -> np.ndarray:
        """Scalp points (r,3) under the given fractions (r,) of the tape's length."""
        angle = np.interp(fractions * self.length[-1], self.length, self.angle)
        return self.surface(self.origin, np.stack([np.cos(angle), np.sin(angle)], axis=1) @ self.axes)

    def fraction_of(self, point: np.ndarray) -> float:
        """Fraction of the tape's length at which it passes a point of its plane."""
        x, y = self.axes @ (point - self.origin)
        return float(np.interp(np.arctan2(y, x), self.angle, self.length) / self.length[-1])


def _vertex(surface: Surface, nz: np.ndarray, iz: np.ndarray, lpa: np.ndarray, rpa: np.ndarray) -> np.ndarray:
    """Cz (3,): the point that halves both tapes through it, Nz-Iz and LPA-RPA; by turns until it stays."""
    up = np.cross(rpa - lpa, nz - iz)
    if np.linalg.norm(up) < 1e-3 * np.linalg.norm(rpa - lpa) * np.linalg.norm(nz - iz):
        raise FemtmsError("Nz-Iz must cross LPA-RPA; got parallel lines: check the fiducials")
    cz = surface(0.25 * (nz + iz + lpa + rpa), up[None] / np.linalg.norm(up))[0]
    half = np.array([0.5])
    for _ in range(100):
        previous = cz
        cz = _Tape.through(surface, nz, cz, iz).at(half)[0]
        cz = _Tape.through(surface, lpa, cz, rpa).at(half)[0]
        if np.linalg.norm(cz - previous) < 1e-4:
            return cz
    raise FemtmsError(
        f"Cz must settle within 1e-4 mm; after 100 rounds it still moves at {_text(cz)} mm: "
        "check the fiducials and the scalp there"
    )


def _landmarks(fiducials: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The four landmarks as float arrays (3,), or an error that names the one that is wrong."""
    points = {}
    for name in ("Nz", "Iz", "LPA", "RPA"):
        if name not in fiducials:
            raise FemtmsError(f"fiducials must hold Nz, Iz, LPA and RPA; {name} is missing")
        points[name] = np.array(fiducials[name], dtype=float)
        if points[name].shape != (3,) or not np.isfinite(points[name]).all():
            raise FemtmsError(f"a fiducial must be three finite numbers in mm; got {points[name]} for {name}")
    return points


def _text(point: np.ndarray) -> str:
    return "(" + ", ".join(f"{x:.1f}" for x in point) + ")"
