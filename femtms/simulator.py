"""One head, many coil positions: settings and state; the results are Fields."""

import time
from collections.abc import Iterable, Iterator
from typing import overload

import numpy as np

from femtms.arrays import sealed
from femtms.backend import backend, to_host
from femtms.coil.coil import Coil
from femtms.coil.expansion import HarmonicBoxes
from femtms.coil.place import check_clear
from femtms.coil.pose import Pose
from femtms.conductivity.isotropic import Conductivity, conductivity_of
from femtms.errors import FemtmsError
from femtms.fem.p1 import P1
from femtms.field.field import Field
from femtms.mesh.tetmesh import TetMesh
from femtms.solver.amg import Multigrid
from femtms.solver.direct import Direct, Factorised
from femtms.solver.potential import PotentialSolver
from femtms.stage import Stage, silent

_BLOCK_BYTES = 2**31  # of ∂A/∂t, the largest array that grows with the number of right-hand sides
_LARGEST_BLOCK = 16


def check_rtol(rtol: float) -> None:
    """Raise FemtmsError for a tolerance that double precision cannot reach, or that asks for nothing."""
    if not 1e-13 <= rtol < 1:
        raise FemtmsError(f"rtol must be from 1e-13 to below 1; got {rtol}")


def check_didt(didt: float) -> None:
    """Raise FemtmsError for a rate of change that is not a number."""
    if not np.isfinite(didt):
        raise FemtmsError(f"didt must be finite, in A/s; got {didt}")


class Simulator:
    """Everything that depends on the head alone, done once: K, its multigrid hierarchy, the arrays on the device.

    mesh          the head
    conductivity  None for the values of femtms.tissue, {tissue: S/m} to override some, (m,) or (m,3,3) in S/m
    order         of the elements; 1 (linear)
    device        "auto", "cpu" or "cuda"
    rtol          relative residual of the linear system at which a solve has converged
    solver        None for multigrid, or a Direct() method: see docs/performance.md for when that pays
    reuse         how many earlier solutions give first guesses for the next block: saves iterations where poses are
                  close to each other, and lets results depend, within rtol, on the poses solved before
    ground        node of the mesh whose potential is tied to zero; the field does not depend on it
    stage         called with the name of each long stage, returns a context manager: for progress displays

    Raises FemtmsError for bad conductivities, another order, or a device that is not there.
    """

    def __init__(
        self,
        mesh: TetMesh,
        conductivity: Conductivity = None,
        order: int = 1,
        device: str = "auto",
        rtol: float = 1e-6,
        solver: Direct | None = None,
        reuse: int = 0,
        ground: int | None = None,
        stage: Stage = silent,
    ) -> None:
        if order != 1:
            raise FemtmsError(f"order must be 1 (linear elements); got {order}")
        check_rtol(rtol)
        if not isinstance(solver, Direct | None):
            raise FemtmsError(f"solver must be None (multigrid) or a femtms.Direct; got {solver!r}")
        if reuse < 0 or (reuse and solver is not None):
            raise FemtmsError(f"reuse must be 0 or more earlier solutions, and is for multigrid; got {reuse}, {solver}")
        self.mesh = mesh
        self.rtol = rtol
        self.backend = backend(device)
        self.seconds: dict[str, float] = {}
        self._stage = stage
        self.sigma = conductivity_of(mesh, conductivity)

        with stage("assembling"):
            start = time.perf_counter()
            self._p1, stiffness = P1.build(mesh, self.sigma, self.backend)
            self.seconds["assemble"] = time.perf_counter() - start
            start = time.perf_counter()
            self._boxes = HarmonicBoxes.build(mesh.centroids, self.backend)
            self.seconds["boxes"] = time.perf_counter() - start
        with stage("setting up the solver"):
            start = time.perf_counter()
            if ground is not None:
                if not isinstance(ground, int | np.integer) or not 0 <= ground < len(mesh.nodes):
                    raise FemtmsError(f"ground must be a node, 0 to {len(mesh.nodes) - 1}; got {ground}")
                ground = int(np.flatnonzero(self._p1.permutation == ground)[0])
            self._solver = PotentialSolver.build(stiffness, ground, self.backend, solver, reuse)
            self.backend.synchronise()
            self.seconds["setup"] = time.perf_counter() - start

    @property
    def hierarchy(self) -> Multigrid | Factorised:
        """What the solver made of K: printed, a table of its levels."""
        return self._solver.hierarchy

    @overload
    def solve(self, coil: Coil, poses: Pose, didt: float = 1e6) -> Field: ...

    @overload
    def solve(self, coil: Coil, poses: Iterable[Pose], didt: float = 1e6) -> list[Field]: ...

    def solve(self, coil: Coil, poses: Pose | Iterable[Pose], didt: float = 1e6) -> Field | list[Field]:
        """The Field of a coil in one pose, or the list of Fields for many.

        didt  rate of change of the coil's current in A/s; the field is proportional to it

        Raises FemtmsError when the coil is inside the head or didt is not finite, NotConverged when the solver fails.
        """
        if isinstance(poses, Pose):
            return next(self.solve_each(coil, [poses], didt))
        return list(self.solve_each(coil, poses, didt))

    def solve_each(self, coil: Coil, poses: Iterable[Pose], didt: float = 1e6) -> Iterator[Field]:
        """The Fields one after the other, solved in blocks: for more poses than there is memory for Fields.

        Arguments and errors are those of `solve`.
        """
        check_didt(didt)
        block: list[Pose] = []
        largest = int(np.clip(_BLOCK_BYTES // (24 * len(self.mesh.tets)), 1, _LARGEST_BLOCK))
        for pose in poses:
            if not isinstance(pose, Pose):
                raise FemtmsError(f"a pose must be a femtms.Pose, such as Pose(matrix); got {type(pose).__name__}")
            check_clear(self.mesh, coil, pose)
            block.append(pose)
            if len(block) == largest:
                yield from self._solve_block(coil, block, didt)
                block = []
        if block:
            yield from self._solve_block(coil, block, didt)

    def _solve_block(self, coil: Coil, poses: list[Pose], didt: float) -> Iterator[Field]:
        p1, xp = self._p1, self.backend.xp
        clock = [time.perf_counter()]

        def tick() -> None:
            self.backend.synchronise()
            clock.append(time.perf_counter())

        with self._stage("∂A/∂t of the coil"):
            dadt = [self._boxes.vector_potential(coil.moved(pose)) for pose in poses]
            for a in dadt:
                a *= didt
            tick()
        with self._stage("solving"):
            b = xp.stack([p1.load(a) for a in dadt], axis=1)
            solution = self._solver.solve(b, self.rtol)
            tick()
        seconds = {name: (t1 - t0) / len(poses) for name, t0, t1 in zip(("dadt", "solve"), clock, clock[1:])}
        for i, pose in enumerate(poses):
            start = time.perf_counter()
            # off the device at once: thousands of fields would not fit there
            phi = xp.ascontiguousarray(solution.phi[:, i])
            E = to_host(p1.field(dadt[i], phi))
            potential = p1.in_mesh_order(phi)
            yield Field(
                mesh=self.mesh,
                E=sealed(E),
                potential=sealed(potential - potential.mean()),
                coil=coil,
                pose=pose,
                didt=didt,
                iterations=int(solution.iterations[i]),
                residual=float(solution.residuals[i]),
                seconds=seconds | {"gradient": time.perf_counter() - start},
                device=self.backend.description,
                sigma=self.sigma,
            )

    def __repr__(self) -> str:
        seconds = ", ".join(f"{name} {value:.2f} s" for name, value in self.seconds.items())
        return f"Simulator({self.mesh!r}, rtol {self.rtol:g}; {seconds}; {self.backend.description})"
