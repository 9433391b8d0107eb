"""One head, many coil positions: settings and state; the results are Fields."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar, overload

import numpy as np

from femtms.arguments import checks_kinds
from femtms.arrays import sealed
from femtms.backend import backend, to_host
from femtms.coil.array import Didt, driven_at
from femtms.coil.coil import Coil
from femtms.coil.expansion import HarmonicBoxes
from femtms.coil.place import axes_doubt, check_clear, distance_doubt
from femtms.coil.pose import Pose
from femtms.coil.strength import check_strength
from femtms.conductivity.isotropic import Conductivity, conductivity_of
from femtms.errors import FemtmsError, OutOfMemory
from femtms.fem.p1 import P1
from femtms.fem.p2 import P2
from femtms.field.error_estimate import relative_to
from femtms.field.field import Field
from femtms.field.pose_result import PoseResult
from femtms.field.recoveries import RAW, Recoveries, check_recovery
from femtms.field.statistics import NUMBERS, Region, TissueTets, magnitude, statistics
from femtms.memory import available_memory
from femtms.mesh.tetmesh import TetMesh
from femtms.plausible import DIDT
from femtms.solver.amg import Multigrid
from femtms.solver.direct import Direct, Factorised
from femtms.solver.potential import Linear, PotentialSolver
from femtms.solver.solution import Solution
from femtms.stage import Stage, silent, told
from femtms.tissue import Tissue, name_of

log = logging.getLogger("femtms")

_LARGEST_BLOCK = 32  # more gain nothing: the matrices are then read seldom enough
_BLOCK_BYTES = 5 * 2**30  # of what grows with the number of poses in a block, below
_VECTORS = 10  # (n,) of each pose while it is solved, in float64; beside them ∂A/∂t (m,3)
ERROR_TISSUE = int(Tissue.GM)  # where sweeps estimate the error
_TOGETHER = 8  # columns whose |E| is kept at a time
_QUADRATURE_BYTES = 2**28  # of ∂A/∂t at quadrature points, for as many poses at a time

_LARGEST_MESH = 10.0  # m

Result = TypeVar("Result")


def check_order(order: int) -> None:
    """Raise FemtmsError for elements that there are none of."""
    if order not in (1, 2):
        raise FemtmsError(f"order must be 1 (linear elements) or 2 (quadratic); got {order}")


def check_rtol(rtol: float) -> None:
    """Raise FemtmsError for a tolerance that double precision cannot reach, or that asks for nothing."""
    if not 1e-13 <= rtol < 1:
        raise FemtmsError(f"rtol must be from 1e-13 to below 1; got {rtol}")


@dataclass(frozen=True, eq=False)
class _Block:
    """Poses that were solved together: ∂A/∂t (k,m,3) in V/m and φ of all, on the device.

    recovered is ∇φ at the nodes (q,c,k) of the tissues whose recovered field or error is asked for, by their number;
    potential is the φ (N,k) it was made of, in the order of the mesh, or None.
    """

    coil: Coil
    poses: list[Pose]
    didt: float
    dadt: Any
    solution: Solution
    recovered: dict[int, Any]
    potential: Any
    seconds: dict[str, float]


class _Memory:
    """Arrays of one sweep, kept from block to block: fresh ones cost as much as the work, as the system clears them."""

    def __init__(self, xp: Any) -> None:
        self._xp, self._kept = xp, dict[str, Any]()

    def of(self, name: str, *shape: int) -> Any:
        """An array (k,...) of this name, with whatever was in it."""
        kept = self._kept.get(name)
        if kept is None or len(kept) < shape[0] or kept.shape[1:] != shape[1:]:
            self._kept.pop(name, None)  # before more is taken
            kept = self._kept[name] = self._xp.empty(shape)
        return kept[: shape[0]]


class Simulator:
    """Everything that depends on the head alone, done once: K, its multigrid hierarchy, the arrays on the device.

    mesh          the head
    conductivity  None for the values of femtms.tissue, {tissue: S/m} to override some, (m,) or (m,3,3) in S/m
    order         of the elements: 1 (linear), or 2 (quadratic), which takes several times as long on the same mesh
                  and is far more accurate for its time: see docs/accuracy.md
    device        "auto", "cpu" or "cuda"
    rtol          relative residual of the linear system at which a solve has converged
    solver        None for multigrid, or a Direct() method: see docs/performance.md for when that pays
    recovery      "raw": E is that of the elements; "spr" or "harmonic": ∇φ is made continuous within each tissue, by
                  fits over patches of tetrahedra, see `Field.recovered`
    reuse         how many earlier solutions give first guesses for the next block: saves iterations where poses are
                  close to each other, and lets results depend, within rtol, on the poses solved before
    ground        node of the mesh whose potential is tied to zero; the field does not depend on it
    stage         called with the name of each long stage, returns a context manager: for progress displays

    Raises FemtmsError for bad conductivities, another order or recovery, or a device that is not there.
    """

    @checks_kinds
    def __init__(
        self,
        mesh: TetMesh,
        conductivity: Conductivity = None,
        order: int = 1,
        device: str = "auto",
        rtol: float = 1e-6,
        solver: Direct | None = None,
        recovery: str = RAW,
        reuse: int = 0,
        ground: int | None = None,
        stage: Stage = told,
    ) -> None:
        check_order(order)
        check_recovery(recovery)
        check_rtol(rtol)
        if not isinstance(solver, Direct | None):
            raise FemtmsError(f"solver must be None (multigrid) or a femtms.Direct; got {solver!r}")
        if reuse < 0 or (reuse and solver is not None):
            raise FemtmsError(f"reuse must be 0 or more earlier solutions, and is for multigrid; got {reuse}, {solver}")
        # meshes are in m; one of unit cubes is as good as any
        if mesh.extent > _LARGEST_MESH:
            raise FemtmsError(f"a mesh must be in m; this one is {mesh.extent:.4g} m across (are its nodes in mm?)")
        self.mesh = mesh
        self.order = int(order)
        self.rtol = rtol
        self.backend = backend(device)
        self.seconds: dict[str, float] = {}
        self._stage = stage
        self._doubts: set[str] = set()  # kinds that were logged; a sweep may have thousands of one
        self.conductivity = conductivity
        self.sigma = conductivity_of(mesh, conductivity)
        self._recoveries = Recoveries(mesh, recovery, self.order, self.sigma, self.backend)

        with stage("assembling"):
            start = time.perf_counter()
            p1, stiffness = P1.build(mesh, self.sigma, self.backend)
            self._element: P1 | P2 = p1
            linear = None
            if order == 2:
                p2, linear_stiffness = P2.build(mesh, self.sigma, self.backend), stiffness
                self._element, stiffness = p2
                interpolation = self._element.interpolation(mesh, p1.permutation)
                linear = Linear(linear_stiffness, interpolation, self._element.of_nodes[p1.permutation])
            self.backend.synchronise()
            self.seconds["assemble"] = time.perf_counter() - start
            start = time.perf_counter()
            self._boxes = HarmonicBoxes.build(self._element.quadrature_points(mesh), self.backend)
            self.backend.synchronise()
            self.seconds["boxes"] = time.perf_counter() - start
        with stage("setting up the solver"):
            start = time.perf_counter()
            if ground is not None:
                if not isinstance(ground, int | np.integer) or not 0 <= ground < len(mesh.nodes):
                    raise FemtmsError(f"ground must be a node, 0 to {len(mesh.nodes) - 1}; got {ground}")
                ground = int(self.backend.xp.flatnonzero(p1.permutation == ground)[0])
            self._solver = PotentialSolver.build(stiffness, ground, self.backend, solver, reuse, linear)
            self.backend.synchronise()
            self.seconds["setup"] = time.perf_counter() - start

    @property
    def unknowns(self) -> int:
        """Of the linear system: the nodes of the mesh; for order 2 its edges as well."""
        return self._element.unknowns

    @property
    def recovery(self) -> str:
        """How E is made of φ: "raw", "spr" or "harmonic"."""
        return self._recoveries.method

    @property
    def hierarchy(self) -> Multigrid | Factorised:
        """What the solver made of K: printed, a table of its levels."""
        return self._solver.hierarchy

    @overload
    def solve(self, coil: Coil, poses: Pose, didt: Didt = 1e6, allow_intersection: bool = False) -> Field: ...

    @overload
    def solve(
        self, coil: Coil, poses: Iterable[Pose], didt: Didt = 1e6, allow_intersection: bool = False
    ) -> list[Field]: ...

    @checks_kinds
    def solve(
        self, coil: Coil, poses: Pose | Iterable[Pose], didt: Didt = 1e6, allow_intersection: bool = False
    ) -> Field | list[Field]:
        """The Field of a coil in one pose, or the list of Fields for many.

        didt                rate of change of the coil's current in A/s; the field is proportional to it.  One for each
                            stimulator of a coil with several, or one for all; see `femtms.coil.array.driven_at`
        allow_intersection  do not refuse a coil whose casing cuts the scalp

        Raises FemtmsError when the coil is inside the head, its casing cuts the scalp, or didt is not finite,
        NotConverged when the solver fails.
        """
        if isinstance(poses, Pose):
            return next(self.solve_each(coil, [poses], didt, allow_intersection))
        return list(self.solve_each(coil, poses, didt, allow_intersection))

    @checks_kinds
    def solve_each(
        self,
        coil: Coil,
        poses: Iterable[Pose],
        didt: Didt = 1e6,
        allow_intersection: bool = False,
        stage: Stage | None = None,
    ) -> Iterator[Field]:
        """The Fields one after the other, solved in blocks: for more poses than there is memory for Fields.

        stage  for the stages of each block, if not that of the Simulator

        Other arguments and errors are those of `solve`.
        """
        announce = self._stage if stage is None else stage

        def fields(poses: list[Pose], memory: _Memory) -> Iterator[Field]:
            block = self._solve_block(driven, poses, reference, announce, tags, memory)
            return (self._field(block, i) for i in range(len(poses)))

        driven, reference = driven_at(coil, didt)
        self._warn_once(f"didt {reference}", partial(DIDT.doubt, abs(reference)))
        tags = [] if self.recovery == RAW else [int(tag) for tag in self.mesh.tissues]
        return self._in_blocks(coil, poses, fields, allow_intersection)

    @checks_kinds
    def sweep(
        self,
        coil: Coil,
        poses: Iterable[Pose],
        didt: Didt = 1e6,
        tissues: Sequence[int | str] | None = None,
        fields: bool = False,
        allow_intersection: bool = False,
        regions: Mapping[str, np.ndarray] | None = None,
        block: int | None = None,
    ) -> Iterator[PoseResult]:
        """Statistics of |E| for thousands of poses, one PoseResult after the other, in constant memory.

        tissues  numbers or names of those to look at; None for all
        fields   also bring the whole Field of each pose back from the device
        regions  name -> tetrahedra (r,) of the mesh: the mean of |E| in them goes to `PoseResult.regions`
        block    how many poses are solved together at most, where the memory would have room for more; the results are
                 the same to the last bit

        The statistics are those of `Field.summary`, made where the field is: from a GPU only these numbers come back.
        The error is estimated in grey matter alone.
        Other arguments and errors are those of `solve`, and FemtmsError when the mesh has no such tissue or tetrahedra.
        """

        def results(poses: list[Pose], memory: _Memory) -> Iterator[PoseResult]:
            # what is announced is results, not stages
            solved = self._solve_block(driven, poses, reference, silent, wanted, memory)
            return self._results(solved, looked_at, places, fields, memory)

        if block is not None and block < 1:
            raise FemtmsError(f"block must be at least one pose; got {block}")

        driven, reference = driven_at(coil, didt)
        self._warn_once(f"didt {reference}", partial(DIDT.doubt, abs(reference)))
        tags = self.mesh.tissues if tissues is None else sorted({self.mesh.present_tag(t) for t in tissues})
        looked_at = [TissueTets.of(self.mesh, tag, self.backend.xp) for tag in tags]
        places = {name: Region.of(self.mesh, rows, self.backend.xp, name) for name, rows in (regions or {}).items()}
        judged = [tag for tag in tags if tag == ERROR_TISSUE]
        wanted = judged if self.recovery == RAW else [int(tag) for tag in self.mesh.tissues]
        return self._in_blocks(coil, poses, results, allow_intersection, block)

    def _in_blocks(
        self,
        coil: Coil,
        poses: Iterable[Pose],
        solved: Callable[[list[Pose], _Memory], Iterator[Result]],
        allow_intersection: bool,
        most: int | None = None,
    ) -> Iterator[Result]:
        """What `solved` gives for each pose, called with as many poses at a time as the memory has room for.

        most  how many that may be, whatever the memory; None for any number
        """
        if not isinstance(poses, Iterable):
            raise FemtmsError(f"poses must be several femtms.Pose; got {type(poses).__name__}")
        to_come = self._checked(coil, poses, allow_intersection)
        size = self._largest_block() if most is None else min(most, self._largest_block())
        waiting, memory = list[Pose](), _Memory(self.backend.xp)
        while True:
            waiting += islice(to_come, max(size - len(waiting), 0))
            if not waiting:
                return
            done, lacking = 0, ""
            block = waiting[:size]
            try:
                for result in solved(block, memory):
                    done += 1
                    yield result
            except MemoryError as error:
                if len(block) == 1:
                    raise OutOfMemory(
                        f"there must be memory for at least one pose on {self.backend.description}, for "
                        f"{len(self.mesh.tets):,} tetrahedra; it ran out ({error or 'no details'}): use a coarser mesh"
                    ) from error
                lacking = str(error) or "no details"
            # out of the handler: the error no longer holds on to the arrays of the block
            waiting = waiting[done:] if lacking else waiting[len(block) :]
            if lacking:
                self._solver.release()
                memory = _Memory(self.backend.xp)
                size = len(block) // 2
                log.warning("out of memory with %d poses in a block (%s): going on with %d", len(block), lacking, size)

    def _largest_block(self) -> int:
        """How many poses one block may have."""
        column = 24 * len(self.mesh.tets) + _VECTORS * 8 * self.unknowns
        bound = _BLOCK_BYTES
        if self.backend.name == "cpu":
            # beyond the memory there is, a computer swaps or ends the process, rather than to say so
            bound = min(bound, (available_memory() or bound) // 2)
        return int(np.clip(bound // column, 1, _LARGEST_BLOCK))

    def _checked(self, coil: Coil, poses: Iterable[Pose], allow_intersection: bool) -> Iterator[Pose]:
        """The poses, each looked at before it is solved; the first that is odd is logged.  Raises FemtmsError."""
        for quantity, value in check_strength(coil):
            if value:
                self._warn_once(f"{quantity.what} of {coil.name}", partial(quantity.doubt, value))
        for pose in poses:
            if not isinstance(pose, Pose):
                raise FemtmsError(f"a pose must be a femtms.Pose, such as Pose(matrix); got {type(pose).__name__}")
            check_clear(self.mesh, coil, pose, allow_intersection)
            more = "; other such poses are not mentioned"
            self._warn_once(f"distance of {coil.name}", partial(distance_doubt, self.mesh, coil, pose), more)
            self._warn_once(f"axes of {coil.name}", partial(axes_doubt, self.mesh, pose), more)
            yield pose

    def _warn_once(self, kind: str, doubt_of: Callable[[], str | None], more: str = "") -> None:
        """Log a doubt, which is not looked for once one of its kind was logged."""
        if kind not in self._doubts and (doubt := doubt_of()) is not None:
            self._doubts.add(kind)
            log.warning("%s%s", doubt, more)

    def _solve_block(
        self, coil: Coil, poses: list[Pose], didt: float, stage: Stage, recovered: Sequence[int], memory: _Memory
    ) -> _Block:
        """Solve some poses, and recover ∇φ in the given tissues."""
        element, xp = self._element, self.backend.xp
        clock = [time.perf_counter()]

        def tick() -> None:
            self.backend.synchronise()
            clock.append(time.perf_counter())

        with stage("∂A/∂t of the coil"):
            driven = coil.driven([didt] * len(coil.stimulators))  # its A is ∂A/∂t
            dadt = memory.of("dadt", len(poses), len(self.mesh.tets), 3)
            if self.order == 1:
                self._boxes.vector_potentials(driven, poses, out=dadt)
                b = element.loads(dadt)
            else:
                b = xp.empty((element.unknowns, len(poses)))
                at_a_time = max(1, _QUADRATURE_BYTES // self._boxes.points.nbytes)
                for first in range(0, len(poses), at_a_time):
                    some = slice(first, first + at_a_time)
                    at_points = self._boxes.vector_potentials(driven, poses[some])
                    b[:, some], dadt[some] = element.loads(at_points), element.at_centroids(at_points)
            tick()
        with stage("solving"):
            solution = self._solver.solve(b, self.rtol)
            tick()
        names = ["dadt", "solve"]
        gradients, potential = {}, None
        if recovered:
            with stage("recovering"):
                potential = element.in_mesh_order(solution.phi)
                gradients = self._recoveries.in_block(recovered, potential)
                tick()
            names.append("recover")
        seconds = {name: (t1 - t0) / len(poses) for name, t0, t1 in zip(names, clock, clock[1:])}
        return _Block(coil, poses, didt, dadt, solution, gradients, potential, seconds)

    def _raw(self, block: _Block, i: int) -> tuple[Any, Any]:
        """E (m,3) of the elements and φ (n,) of one column, on the device."""
        phi = self.backend.xp.ascontiguousarray(block.solution.phi[:, i])
        return self._element.field(block.dadt[i], phi), phi

    def _recovered(self, block: _Block, i: int, tag: int) -> tuple[Any, Any]:
        """Tetrahedra (r,) of a tissue and recovered E (r,3) at their centroids, of one column."""
        recovery = self._recoveries.of(tag)
        gradients = self.backend.xp.ascontiguousarray(block.recovered[tag][:, :, i])
        return recovery.rows, -block.dadt[i][recovery.rows] - recovery.at_centroids(gradients)

    def _squares(self, block: _Block, some: range, memory: _Memory) -> Any:
        """Mean (g,r) of |ΔE|² in V²/m² over each tetrahedron of ERROR_TISSUE, of some columns."""
        recovery, part = self._recoveries.of(ERROR_TISSUE), slice(some.start, some.stop)
        contiguous = self.backend.xp.ascontiguousarray
        gradients, potential = block.recovered[ERROR_TISSUE][:, :, part], block.potential[:, part]
        out = memory.of("squares", len(some), len(recovery.rows))
        return recovery.squared_changes(contiguous(gradients), contiguous(potential), out)

    def _strengths(self, block: _Block, some: range, memory: _Memory) -> Any:
        """|E| (g,m) in V/m of some columns."""
        xp, part = self.backend.xp, slice(some.start, some.stop)
        magnE = memory.of("magnE", len(some), len(self.mesh.tets))
        if self.recovery == RAW and isinstance(self._element, P1):
            self._element.strengths(block.dadt[part], xp.ascontiguousarray(block.solution.phi[:, part]), magnE)
        else:
            for g, i in enumerate(some):
                magnE[g] = magnitude(self._electric_field(block, i)[0], xp)
        return magnE

    def _electric_field(self, block: _Block, i: int) -> tuple[Any, Any]:
        """E (m,3) and φ (n,) of one column, on the device."""
        E, phi = self._raw(block, i)
        if self.recovery != RAW:
            for tag in block.recovered:
                rows, better = self._recovered(block, i, tag)
                E[rows] = better
        return E, phi

    def _field(self, block: _Block, i: int) -> Field:
        """The Field of one column; off the device at once: thousands of fields would not fit there."""
        start = time.perf_counter()
        E, phi = self._electric_field(block, i)
        E = to_host(E)
        potential = to_host(self._element.in_mesh_order(phi))
        potential -= potential[: len(self.mesh.nodes)].mean()
        return Field(
            mesh=self.mesh,
            E=sealed(E),
            potential=sealed(potential),
            coil=block.coil,
            pose=block.poses[i],
            didt=block.didt,
            iterations=int(block.solution.iterations[i]),
            residual=float(block.solution.residuals[i]),
            seconds=block.seconds | {"gradient": time.perf_counter() - start},
            device=self.backend.description,
            sigma=self.sigma,
            recoveries=self._recoveries,
        )

    def _results(
        self, block: _Block, tissues: list[TissueTets], regions: Mapping[str, Region], fields: bool, memory: _Memory
    ) -> Iterator[PoseResult]:
        """The numbers of a block come to the host at once, the Fields one by one."""
        xp, start = self.backend.xp, time.perf_counter()
        numbers = xp.zeros((len(block.poses), len(tissues), NUMBERS + 1))
        means = xp.zeros((len(block.poses), len(regions)))
        has_error = any(tets.tag == ERROR_TISSUE for tets in tissues)
        for first in range(0, len(block.poses), _TOGETHER):
            some = range(first, min(first + _TOGETHER, len(block.poses)))
            squares = self._squares(block, some, memory) if has_error else ()
            for g, (i, magnE) in enumerate(zip(some, self._strengths(block, some, memory))):
                for j, tets in enumerate(tissues):
                    numbers[i, j, :NUMBERS] = statistics(magnE, tets, xp)
                    if tets.tag == ERROR_TISSUE:
                        numbers[i, j, NUMBERS] = relative_to(magnE[tets.rows], squares[g], tets, xp)
                for j, region in enumerate(regions.values()):
                    means[i, j] = region.mean(magnE)
        on_host = to_host(numbers)
        means = to_host(means) if regions else np.empty(means.shape)
        seconds = block.seconds | {"statistics": (time.perf_counter() - start) / len(block.poses)}
        for i, pose in enumerate(block.poses):
            yield PoseResult(
                pose=pose,
                tissues={
                    name_of(t.tag): t.summary(
                        row[:NUMBERS], float(row[NUMBERS]) if t.tag == ERROR_TISSUE else None, self.recovery == RAW
                    )
                    for t, row in zip(tissues, on_host[i])
                },
                iterations=int(block.solution.iterations[i]),
                residual=float(block.solution.residuals[i]),
                seconds=seconds,
                field=self._field(block, i) if fields else None,
                regions=dict(zip(regions, means[i].tolist())),
            )

    def __repr__(self) -> str:
        seconds = ", ".join(f"{name} {value:.2f} s" for name, value in self.seconds.items())
        return (
            f"Simulator({self.mesh!r}, order {self.order}, rtol {self.rtol:g}; {seconds}; {self.backend.description})"
        )
