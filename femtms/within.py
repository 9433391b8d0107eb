"""As accurate as asked for: order and refinement are chosen by the estimated error, and what it took is told."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from femtms.arguments import checks_kinds
from femtms.backend import backend
from femtms.coil.array import Didt
from femtms.coil.coil import Coil
from femtms.coil.pose import Pose
from femtms.conductivity.isotropic import Conductivity
from femtms.errors import FemtmsError, OutOfMemory
from femtms.field.field import Field
from femtms.field.recoveries import RAW
from femtms.memory import available_memory
from femtms.mesh.tetmesh import TetMesh
from femtms.simulator import Simulator, check_order
from femtms.stage import Stage, told
from femtms.tissue import name_of

log = logging.getLogger("femtms")

FIRST_SIZE_MM = 6.0  # of tetrahedra to begin with, where nobody says another
_ROUNDS = 8  # of local refinement
_BYTES_PER_TET = 3500  # of a solve with quadratic elements, its mesh included
_AIM = 0.8  # of the tolerance: the estimate of what refinement leaves is none too good
# Of the squared error that one round takes on.  More would refine what is smooth along with the corners of interfaces,
# where refinement gains least and is needed most.
_SHARES = 0.3, 0.7


@dataclass(frozen=True)
class Attempt:
    """One solution on the way: order and numbers of the elements, estimated relative error, seconds for all of it."""

    order: int
    tets: int
    unknowns: int
    error: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Within:
    """What came out.

    field, simulator  of the last attempt; the field's mesh is the refined one
    attempts          in their order
    tolerance         that was asked for, relative, in `tissue`
    reached           whether the last estimate is below it
    hierarchical      relative error of the linear field as quadratic elements on the same mesh tell it, theory.md (42);
                      None where not both were computed
    """

    field: Field
    simulator: Simulator
    attempts: tuple[Attempt, ...]
    tolerance: float
    tissue: str
    reached: bool
    hierarchical: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "tolerance": self.tolerance,
            "tissue": self.tissue,
            "reached": self.reached,
            "linear_error_by_quadratic": self.hierarchical,
            "attempts": [asdict(attempt) for attempt in self.attempts],
        }


def check_tolerance(tolerance: float, recovery: str = RAW) -> None:
    """Raise FemtmsError for a tolerance that means nothing, or with a recovery, whose own error is not known."""
    is_number = isinstance(tolerance, int | float | np.number) and not isinstance(tolerance, bool)
    if not (is_number and 0 < tolerance < 1):
        raise FemtmsError(f"the tolerance must be a share between 0 and 1, such as 0.02; got {tolerance!r}")
    if recovery != RAW:
        raise FemtmsError(
            f"the tolerance is for raw fields, whose error is estimated by recovery; got recovery '{recovery}'"
        )


@checks_kinds
def solve_within(
    tolerance: float,
    mesh: TetMesh,
    coil: Coil,
    pose: Pose,
    didt: Didt = 1e6,
    conductivity: Mapping[int | str, float] | Callable[[TetMesh], Conductivity] | None = None,
    tissue: int | str = "gm",
    order: int = 1,
    device: str = "auto",
    rtol: float = 1e-6,
    allow_intersection: bool = False,
    stage: Stage = told,
) -> Within:
    """The field of a coil with an estimated relative error of at most `tolerance` in a tissue, at the least cost found.

    tolerance     a share: 0.02 for 2 %; of √(∫|ΔE|²) / √(∫|E|²), see `Field.relative_error`
    mesh          to begin with, rather a coarse one
    conductivity  as for Simulator, but nothing that belongs to one mesh alone; or a function that makes it for a mesh
    order         of the elements to begin with

    Linear elements are tried first, then quadratic ones, and then quadratic ones in smaller tetrahedra where the error
    is (`TetMesh.refined`), round by round.  Surfaces stay as the mesh has them: what is lost by meshing itself is not
    part of the estimate.  Where memory or patience end first, the best field is returned, with a warning.

    Other arguments are those of Simulator and its `solve`.  Raises FemtmsError.
    """
    check_tolerance(tolerance)
    check_order(order)
    if not (conductivity is None or callable(conductivity) or isinstance(conductivity, Mapping)):
        raise FemtmsError(
            "conductivity must be for any mesh: {tissue: S/m}, or a function that makes it for a mesh; one value for "
            "each tetrahedron is for one mesh alone"
        )
    tag = mesh.present_tag(tissue)
    name = name_of(tag)
    device = backend(device).name  # says once why it is not the GPU
    attempts: list[Attempt] = []

    def attempt(mesh: TetMesh, order: int) -> tuple[Simulator, Field]:
        start = time.perf_counter()
        sigma = conductivity(mesh) if callable(conductivity) else conductivity
        simulator = Simulator(mesh, sigma, order, device, rtol, stage=stage)
        field = simulator.solve(coil, pose, didt, allow_intersection)
        with stage("estimating the error"):
            error = field.relative_error(tag)
        seconds = round(time.perf_counter() - start, 3)
        attempts.append(Attempt(order, len(mesh.tets), simulator.unknowns, error, seconds))
        said = order, f"{len(mesh.tets):,}", 100 * error, name
        log.info("order %d, %s tetrahedra: estimated error %.2g %% in %s", *said)
        return simulator, field

    simulator, field = attempt(mesh, order)
    hierarchical = None
    for _ in range(1 + _ROUNDS):
        error = attempts[-1].error
        if error <= tolerance:
            break
        finer = mesh
        if order == 2:
            with stage("refining the mesh"):
                finer = mesh.refined(_where(field, tag, error, tolerance))
        if _BYTES_PER_TET * len(finer.tets) > (available_memory() or np.inf):
            log.warning("%s tetrahedra are more than the memory is likely to have room for", f"{len(finer.tets):,}")
            break
        linear = field if order == 1 else None
        try:
            simulator, field = attempt(finer, 2)
        except (MemoryError, OutOfMemory) as failure:
            log.warning("%s tetrahedra were more than there was memory for (%s)", f"{len(finer.tets):,}", failure)
            break
        mesh, order = finer, 2
        if linear is not None:
            hierarchical = linear.relative_difference(field, tag)
    error = attempts[-1].error
    if error > tolerance:
        log.warning(
            "the tolerance of %.2g %% in %s is not reached: %.2g %% are estimated for %s tetrahedra of order %d",
            *(100 * tolerance, name, 100 * error, f"{len(mesh.tets):,}", order),
        )
    return Within(field, simulator, tuple(attempts), tolerance, name, error <= tolerance, hierarchical)


def _where(field: Field, tag: int, error: float, tolerance: float) -> np.ndarray:
    """Tetrahedra (t,) of a tissue that have so much of the error that halving their edges should be enough.

    Dörfler 1996, SIAM J Numer Anal 33:1106: the fewest that have a given share of its square.  Quadratic elements of
    half the size have a quarter of the error.
    """
    own = np.flatnonzero(field.mesh.tags == tag)
    squares = field.mesh.volumes[own] * field.tissue_error(tag) ** 2
    left = (_AIM * tolerance / error) ** 2
    share = np.clip((1 - left) / (1 - 1 / 16), *_SHARES)
    largest_first = np.argsort(-squares, kind="stable")
    covered = np.cumsum(squares[largest_first])
    count = int(np.searchsorted(covered, share * covered[-1])) + 1
    return own[largest_first[:count]]
