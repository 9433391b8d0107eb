"""Windings of the usual shapes.  All lengths in m; z points into the head, and no wire is at z > 0 of its plane."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from femtms.coil.coil import Coil
from femtms.coil.path import Circle, Path, Polyline
from femtms.coil.pose import Pose
from femtms.coil.stimulator import Stimulator
from femtms.coil.winding import ACCURACY, DISTANCE, Winding
from femtms.errors import FemtmsError

_STEPS = 72  # segments in a turn of a spiral
_ROUNDING = 0.05  # of the room for a wire: published measures are rounded


@dataclass(frozen=True)
class Wing:
    """A flat coil of round turns: what all the usual shapes are made of.

    inner_diameter, outer_diameter  of the winding with its wire, m
    turns                           of each layer
    wire_width, wire_height         of the wire: along the radius, and along the axis, m
    layers                          one upon the other, the first at the head
    spiral                          turns that run into each other, in place of concentric circles

    Raises FemtmsError when the wire does not fit between the diameters.
    """

    inner_diameter: float
    outer_diameter: float
    turns: int
    wire_width: float
    wire_height: float
    layers: int = 1
    spiral: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.inner_diameter < self.outer_diameter < 1:
            raise FemtmsError(
                f"diameters must be 0 ≤ inner < outer, below 1 m; got {1e3 * self.inner_diameter:g} and "
                f"{1e3 * self.outer_diameter:g} mm"
            )
        if self.turns < 1 or self.layers < 1:
            raise FemtmsError(f"turns and layers must be at least 1; got {self.turns} and {self.layers}")
        room = (self.outer_diameter - self.inner_diameter) / 2
        if self.turns * self.wire_width > room * (1 + _ROUNDING):
            raise FemtmsError(
                f"{self.turns} turns of wire {1e3 * self.wire_width:g} mm wide must fit between the diameters; they "
                f"need {1e3 * self.turns * self.wire_width:g} mm and have {1e3 * room:g}"
            )

    @property
    def radii(self) -> np.ndarray:
        """Radii (turns,) in m of the middle of each turn."""
        return turn_radii(self.inner_diameter, self.outer_diameter, self.turns, self.wire_width)

    @property
    def height(self) -> float:
        """Of all layers, m."""
        return self.layers * self.wire_height

    def paths(self, turns: float) -> list[Path]:
        """About the z axis, the face towards the head in z = 0; turns is 1 for anticlockwise from +z, or -1."""
        levels = -self.wire_height * (np.arange(self.layers) + 0.5)
        if self.spiral:
            return [_spiral(self.radii, level, turns) for level in levels]
        axis = np.array([0.0, 0, 1])
        return [Circle(np.array([0, 0, level]), axis, r, turns) for level in levels for r in self.radii]

    def rims(self) -> list[np.ndarray]:
        """The inner and the outer edge of the face, (p,3) m."""
        axis, radii = np.array([0.0, 0, 1]), (self.inner_diameter / 2, self.outer_diameter / 2)
        return [Circle(np.zeros(3), axis, radius).outline() for radius in radii if radius > 0]


def turn_radii(inner_diameter: float, outer_diameter: float, turns: int, wire_width: float) -> np.ndarray:
    """Radii (turns,) in m of the middle of each turn of a flat winding between two diameters (m)."""
    first, last = 0.5 * (inner_diameter + wire_width), 0.5 * (outer_diameter - wire_width)
    return np.linspace(first, last, turns) if turns > 1 else np.array([(first + last) / 2])


def wound_coil(
    name: str,
    winding: Winding | Sequence[Winding],
    *,
    outlines: Sequence[np.ndarray] | None = None,
    distance: float = DISTANCE,
    accuracy: float = ACCURACY,
    max_didt: float | None = None,
    source: str = "",
    brand: str = "",
    stimulators: tuple[Stimulator, ...] = (),
) -> Coil:
    """The Coil of one winding or several, as current elements.

    outlines             polylines (p,3) m for pictures; the paths if none are given
    distance, accuracy   see Winding.currents
    The other arguments are those of Coil.
    """
    windings = (winding,) if isinstance(winding, Winding) else tuple(winding)
    lines = [path.outline() for w in windings for path in w.paths] if outlines is None else outlines
    return Coil(
        name=name,
        elements=tuple(w.currents(distance, accuracy) for w in windings),
        outlines=tuple(lines),
        max_didt=max_didt,
        source=source,
        brand=brand,
        stimulators=stimulators,
        windings=windings,
    )


def placed(wing: Wing, places: Sequence[tuple[Pose, float]]) -> tuple[Winding, list[np.ndarray]]:
    """A winding of equal wings in series, each in its pose and with its sense of current, and their rims."""
    paths = [path.moved(pose) for pose, turns in places for path in wing.paths(turns)]
    rims = [pose.in_head(rim) for pose, _ in places for rim in wing.rims()]
    return Winding(tuple(paths), wing.wire_width, wing.wire_height), rims


def circular(wing: Wing) -> tuple[Winding, list[np.ndarray]]:
    """One wing, the current anticlockwise seen from the head."""
    return placed(wing, [(_shift(0, 0, 0), 1.0)])


def figure_eight(wing: Wing, angle: float = 180.0, separation: float | None = None) -> tuple[Winding, list[np.ndarray]]:
    """Two wings beside each other with opposite currents: planar, bent, overlapping; a double cone.

    angle       between the faces of the wings, degrees: 180 is flat, below that they embrace the head
    separation  distance of their centres along the wings, m; the outer diameter if None, so that the wings touch.
                Where it is less they overlap, and the second lies on the back of the first

    A rising current induces a field along +y below the middle: the current there runs along -y.
    Raises FemtmsError for an angle that is not above 0 and up to 180.
    """
    if not 0 < angle <= 180:
        raise FemtmsError(f"the angle between wings must be above 0 and up to 180 degrees; got {angle}")
    separation = wing.outer_diameter if separation is None else separation
    if not separation > 0:
        raise FemtmsError(f"the separation of the wings must be > 0 m; got {separation}")
    lift = wing.height if separation < (1 - 1e-9) * wing.outer_diameter else 0.0
    bend = np.radians((180 - angle) / 2)
    places = []
    for side, behind in ((-1, 0.0), (1, lift)):
        # about the y axis, so that the outer end of the wing goes towards the head
        turn = _rotation(1, -side * bend)
        matrix = turn @ _shift(side * separation / 2, 0, -behind).matrix
        places.append((Pose(matrix), float(side)))
    return placed(wing, places)


def cloverleaf(wing: Wing) -> tuple[Winding, list[np.ndarray]]:
    """Four wings that touch, neighbours with opposite currents: Roth, Maccabee, Eberle, Amassian et al. 1994.

    The field is a saddle: no field at the middle, and the steepest gradients along x and y.
    """
    half = wing.outer_diameter / 2
    return placed(wing, [(_shift(i * half, j * half, 0), float(i * j)) for i in (-1, 1) for j in (-1, 1)])


def solenoid(
    diameter: float, length: float, turns: int, wire_width: float, wire_height: float
) -> tuple[Winding, list[np.ndarray]]:
    """Turns of one mean diameter along z from 0 to -length (m), with the wire; anticlockwise seen from the head.

    Raises FemtmsError when the wires do not fit into the length, or about the axis.
    """
    if not diameter > wire_width:
        raise FemtmsError(
            f"the mean diameter of a solenoid must be above the width of its wire, {1e3 * wire_width:g} mm; "
            f"got {1e3 * diameter:g} mm"
        )
    if turns < 1 or turns * wire_height > length * (1 + _ROUNDING):
        raise FemtmsError(
            f"at least one turn is needed, and {turns} turns of wire {1e3 * wire_height:g} mm high must fit into "
            f"{1e3 * length:g} mm"
        )
    levels = -np.linspace(wire_height / 2, length - wire_height / 2, turns) if turns > 1 else [-length / 2]
    axis = np.array([0.0, 0, 1])
    paths = tuple(Circle(np.array([0, 0, z]), axis, diameter / 2) for z in levels)
    ends = [Circle(np.array([0.0, 0, z]), axis, diameter / 2 + wire_width / 2).outline() for z in (0.0, -length)]
    return Winding(paths, wire_width, wire_height), ends


def _spiral(radii: np.ndarray, level: float, turns: float) -> Path:
    """A flat spiral whose middle leaves from the first radius and arrives at the last, and comes back straight."""
    count = len(radii)
    along = np.linspace(0, 1, _STEPS * count + 1)[:: 1 if turns > 0 else -1]
    angle = 2 * np.pi * count * along
    # a polygon of the same area as the circle that it stands for
    step = 2 * np.pi / _STEPS
    radius = (radii[0] + (radii[-1] - radii[0]) * along) * np.sqrt(step / np.sin(step))
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.full_like(angle, level)])
    return Polyline(points, np.array([0.0, 0, np.sign(turns)]), abs(turns))


def _shift(x: float, y: float, z: float) -> Pose:
    matrix = np.eye(4)
    matrix[:3, 3] = 1e3 * np.array([x, y, z])
    return Pose(matrix)


def _rotation(axis: int, angle: float) -> np.ndarray:
    """(4,4) about x, y or z by an angle in radians."""
    matrix = np.eye(4)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[j, i] = np.sin(angle)
    matrix[i, j] = -np.sin(angle)
    return matrix
