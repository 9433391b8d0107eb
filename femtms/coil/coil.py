"""A coil: the sources of A in the coil's own frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from femtms.arrays import frozen
from femtms.coil.elements import CoilElements
from femtms.coil.pose import Pose
from femtms.coil.sampled import SampledField
from femtms.coil.stimulator import Stimulator
from femtms.coil.winding import ACCURACY, DISTANCE, Winding
from femtms.errors import FemtmsError
from femtms.kernels import cpu
from femtms.mesh.surface import Surface

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Coil:
    """A stimulation coil for 1 A.

    name         for messages and reports
    elements     Dipoles, Currents and SampledFields; in the coil's frame z points into the head and z = 0 faces it
    outlines     polylines (p,3) m of the windings: for pictures, and for distances where nothing better is known
    max_didt     largest rate of change of the current its stimulator gives, A/s; None where not known
    source       where the model is from
    brand        who makes it
    casing       outer surface of its housing (m, coil's frame), or None
    stimulators  what drives it: elements say by `stimulator` which one; a single one of `max_didt` if none are given
    limits       (3,2) m, the box around the coil for which the model is meant, or None
    resolution   (3,) m, how finely A should be sampled there, or None
    windings     the wires that the elements stand for, where these are known; not of a coil that was moved or driven

    Raises FemtmsError for a coil without elements and for elements of a stimulator that it does not have.
    """

    name: str
    elements: tuple[CoilElements | SampledField, ...]
    outlines: tuple[np.ndarray, ...] = ()
    max_didt: float | None = None
    source: str = ""
    brand: str = ""
    casing: Surface | None = None
    stimulators: tuple[Stimulator, ...] = ()
    limits: np.ndarray | None = None
    resolution: np.ndarray | None = None
    windings: tuple[Winding, ...] = ()

    def __post_init__(self) -> None:
        if not self.elements:
            raise FemtmsError(f"coil '{self.name}' must have at least one element; got none")
        if not self.stimulators:
            object.__setattr__(self, "stimulators", (Stimulator(max_didt=self.max_didt),))
        if self.max_didt is None:
            known = [s.max_didt for s in self.stimulators if s.max_didt is not None]
            object.__setattr__(self, "max_didt", min(known, default=None))
        for group in self.elements:
            if not 0 <= group.stimulator < len(self.stimulators):
                raise FemtmsError(
                    f"elements of coil '{self.name}' must name one of its {len(self.stimulators)} stimulators, "
                    f"from 0; got {group.stimulator}"
                )
        for name, shape in (("limits", (3, 2)), ("resolution", (3,))):
            value = getattr(self, name)
            if value is not None:
                if np.shape(value) != shape:
                    raise FemtmsError(f"{name} of coil '{self.name}' must be {shape}; got {np.shape(value)}")
                object.__setattr__(self, name, frozen(value, np.float64))

    @property
    def positions(self) -> np.ndarray:
        """Positions (d,3) in m of all dipoles and current elements; a sampled A has none."""
        discrete = [group.positions for group in self.elements if isinstance(group, CoilElements)]
        return np.concatenate([np.empty((0, 3)), *discrete])

    @property
    def sampled(self) -> tuple[SampledField, ...]:
        """The parts whose A is known on a grid."""
        return tuple(group for group in self.elements if isinstance(group, SampledField))

    @cached_property
    def inductance(self) -> float | None:
        """Self-inductance in H of its windings in series.

        None where the wires are not known, are of several kinds or of too many pieces, or where several stimulators
        drive them.
        """
        kinds = {(w.wire_width, w.wire_height, w.stimulator) for w in self.windings}
        if len(kinds) != 1:
            return None
        together = replace(self.windings[0], paths=tuple(path for w in self.windings for path in w.paths))
        return together.inductance

    def moved(self, pose: Pose) -> "Coil":
        """The same coil in head coordinates."""
        casing = self.casing
        return replace(
            self,
            elements=tuple(group.moved(pose) for group in self.elements),
            outlines=tuple(pose.in_head(line) for line in self.outlines),
            casing=None if casing is None else replace(casing, nodes=pose.in_head(casing.nodes)),
            limits=None,  # a box along the axes of the coil
            resolution=None,
            windings=(),
        )

    def driven(self, shares: Sequence[float]) -> "Coil":
        """The coil with shares[i] amperes from stimulator i: what several channels make together.

        Its max_didt is that of the reference current at which the first stimulator is at its limit.
        Raises FemtmsError unless there is one finite number for each stimulator.
        """
        if len(shares) != len(self.stimulators) or not np.isfinite(shares).all():
            raise FemtmsError(
                f"coil '{self.name}' needs one finite number for each of its {len(self.stimulators)} stimulators; "
                f"got {list(shares)}"
            )
        elements = tuple(group.scaled(shares[group.stimulator]) for group in self.elements)
        limits = [s.max_didt / abs(share) for s, share in zip(self.stimulators, shares) if s.max_didt and share]
        return replace(self, elements=elements, max_didt=min(limits, default=None), windings=())

    def with_dipoles(self, distance: float = DISTANCE, accuracy: float = ACCURACY) -> tuple["Coil", float]:
        """The coil with magnetic dipoles in place of its wires, and the error of A: see Winding.dipoles.

        Raises FemtmsError when the wires are not known.
        """
        if not self.windings or len(self.windings) != len(self.elements):
            raise FemtmsError(f"all wires of coil '{self.name}' must be known to stand dipoles for them; they are not")
        made = [winding.dipoles(distance, accuracy) for winding in self.windings]
        return replace(self, elements=tuple(dipoles for dipoles, _ in made)), max(error for _, error in made)

    def vector_potential(self, points: Any, kernels: Any = cpu) -> Any:
        """A (n,3) in T·m for a current of 1 A, at points (n,3) m in the frame of the coil: theory.md (2, 3).

        -∂A/∂t in V/m is this times -dI/dt in A/s.  Infinite at an element.  Raises FemtmsError for points outside the
        grid of a sampled A, unless that is zero there.
        """
        if kernels.xp is np:
            points = self._checked(points)
        return sum(group.potential(points, kernels) for group in self.elements)

    def magnetic_field(self, points: Any) -> np.ndarray:
        """B (n,3) in T for a current of 1 A, at points (n,3) m in the frame of the coil: the curl of A.

        Infinite at an element.  Raises FemtmsError for points outside the grid of a sampled A, unless that is zero
        there.
        """
        points = self._checked(points)
        return np.sum([group.flux_density(points) for group in self.elements], axis=0)

    def _checked(self, points: Any) -> np.ndarray:
        """Points (n,3) m where the coil's field is known.  Raises FemtmsError."""
        points = np.ascontiguousarray(points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3:
            raise FemtmsError(f"points must be (n,3) in m; got {points.shape}")
        for field in self.sampled:
            field.check_covers(points)
        return points

    def plot(self, z_mm: float = 10.0) -> "Figure":
        """Windings from three sides, and |A| and |B| on the plane z = z_mm, as a matplotlib Figure: notebooks show it.

        Raises FemtmsError when nothing of a sampled A is known on the plane.
        """
        from femtms.report.coil_picture import coil_figure
        from femtms.report.figures import SCREEN_DPI

        return coil_figure(self, 1e-3 * z_mm, dpi=SCREEN_DPI)

    def _repr_html_(self) -> str:
        from femtms.report.notebook import html_of_coil

        return html_of_coil(self)

    def __repr__(self) -> str:
        kinds = ", ".join(
            f"{len(group):,} {'samples of A' if isinstance(group, SampledField) else type(group).__name__.lower()}"
            for group in self.elements
        )
        size = ""
        if len(self.positions):
            low, high = 1e3 * self.positions.min(axis=0), 1e3 * self.positions.max(axis=0)
            size = "; " + "×".join(f"{d:.0f}" for d in high - low) + " mm"
        limit = "" if self.max_didt is None else f"; at most {1e-6 * self.max_didt:.4g} A/µs"
        return f"Coil({self.name}: {kinds}{size}{limit})"
