"""What a worker makes of a head, a conductivity and an option before it solves any case."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from femtms.anisotropy import Anisotropy
from femtms.batch.columns import Column, columns_of
from femtms.batch.kept_fields import KeptField, kept_fields
from femtms.batch.memory import positions_at_a_time
from femtms.batch.poses import Poses
from femtms.batch.targets import target_tets
from femtms.coil.array import driven_at
from femtms.coil.coil import Coil
from femtms.conductivity.anisotropic import DEFAULT_RATIO, DEFAULT_SIGMA
from femtms.conductivity.isotropic import Conductivity, conductivity_of
from femtms.errors import FemtmsError
from femtms.io.coils import load_coil
from femtms.mesh.generate import mesh_head
from femtms.mesh.tetmesh import TetMesh
from femtms.simulator import Simulator
from femtms.study.design import Design, StudyConductivity, StudyHead, StudyOption
from femtms.tissue import tag_of

log = logging.getLogger("femtms")

_COILS = 8  # that are kept; blocks of one coil follow each other


class SetupFailed(FemtmsError):
    """A head that nothing can be computed on.

    head   its name in the study
    stage  of setting up: "head", "mesh", "fields", "targets", "conductivity" or "solver"
    """

    def __init__(self, head: str, stage: str, reason: str) -> None:
        super().__init__(f"head '{head}', {stage}: {reason}")
        self.head, self.stage = head, stage


@dataclass(frozen=True, eq=False)
class MeshedHead:
    """What does not depend on conductivity: the mesh, its scalp, where fields are kept, and the targets.

    source, size_mm  what it was made of: another group with the same can use it
    tissues          names of those with statistics that the head has
    targets          name -> tetrahedra (r,)
    """

    source: StudyHead
    size_mm: float | Mapping[int | str, float]
    mesh: TetMesh
    poses: Poses
    kept: tuple[KeptField, ...]
    tissues: tuple[str, ...]
    targets: Mapping[str, np.ndarray]


@dataclass(eq=False)
class Setup:
    """All that the cases of a group have in common; state of a worker.

    group      head, conductivity and option, by their numbers
    columns    of the rows that cases have
    at_a_time  how many positions are solved together at most; None for what the Simulator makes of the memory
    device     what it computes on, in words
    coils      that were loaded, by source and what A is outside a grid
    """

    group: tuple[int, int, int]
    head: MeshedHead
    conductivity: StudyConductivity
    option: StudyOption
    columns: tuple[Column, ...]
    at_a_time: int | None
    device: str
    simulator: Simulator
    coils: dict[tuple[str, str], Coil]

    @property
    def mesh(self) -> TetMesh:
        """That of the head."""
        return self.head.mesh

    @property
    def geometry(self) -> dict[str, Mapping[str, np.ndarray]]:
        """Name of each field that is kept -> where it is, see KeptField."""
        return {kept.name: kept.geometry for kept in self.head.kept}

    def coil(self, source: str) -> Coil:
        """A coil, loaded once.  Raises FemtmsError when it cannot be, or its stimulators are not driven."""
        key = source, self.option.outside
        if key not in self.coils:
            if len(self.coils) == _COILS:
                self.coils.clear()
            self.coils[key] = load_coil(*key)
        driven_at(self.coils[key], self.option.didt)
        return self.coils[key]

    def release(self) -> None:
        """Give up what takes memory, whoever still holds this: nothing can be solved with it any more."""
        del self.head, self.simulator


def set_up(
    design: Design,
    group: tuple[int, int, int],
    device: str = "auto",
    memory_bytes: int | None = None,
    previous: Setup | None = None,
) -> Setup:
    """Everything for the cases of a group: head, conductivity and option, by their numbers in the design.

    memory_bytes  that the process may take: bounds how many positions are solved together, see `worker_bytes`
    previous      of another group of this design: its mesh is used again where the head and the size are the same, and
                  it is released, since there may be no memory for two

    Raises SetupFailed with the head and the stage.
    """
    head, conductivity, option = design.heads[group[0]], design.conductivities[group[1]], design.options[group[2]]
    meshed, coils = None, {}
    if previous is not None:
        coils = previous.coils
        if previous.head.source == head and previous.head.size_mm == option.size_mm:
            meshed = previous.head
        previous.release()
    if meshed is None:
        meshed = _meshed(head, option, design)
    with _stage(head, "conductivity"):
        sigma = _conductivity(meshed.mesh, head, conductivity)
        conductivity_of(meshed.mesh, sigma)  # what is wrong with it is said here
    with _stage(head, "solver"):
        simulator = Simulator(
            meshed.mesh, sigma, option.order, device=device, rtol=option.rtol, recovery=option.recovery
        )
    at_a_time = None
    if memory_bytes is not None:
        size = len(meshed.mesh.nodes), len(meshed.mesh.tets), option.order
        points = sum(len(kept.geometry["points_mm"]) for kept in meshed.kept)
        at_a_time = positions_at_a_time(memory_bytes, *size, points)
        if at_a_time == 0:
            log.warning(
                "head '%s': %s tetrahedra of order %d are likely to take more than the %.1f GiB that a worker may: "
                "positions are solved one by one",
                *(head.name, f"{len(meshed.mesh.tets):,}", option.order, memory_bytes / 2**30),
            )
            at_a_time = 1
    return Setup(
        group,
        meshed,
        conductivity,
        option,
        columns_of(design.results),
        at_a_time,
        simulator.backend.description,
        simulator,
        coils,
    )


@contextmanager
def _stage(head: StudyHead, stage: str) -> Iterator[None]:
    """Errors say which head it is, and at which stage."""
    try:
        yield
    except FemtmsError as error:
        raise SetupFailed(head.name, stage, str(error)) from error
    except MemoryError as error:
        reason = f"there must be enough memory; it ran out ({str(error) or 'no details'}): use larger tetrahedra"
        raise SetupFailed(head.name, stage, reason) from error


def _meshed(head: StudyHead, option: StudyOption, design: Design) -> MeshedHead:
    results = design.results
    with _stage(head, "head"):
        source = head.loaded()
    with _stage(head, "mesh"):
        mesh = source if isinstance(source, TetMesh) else mesh_head(source, option.size_mm)
        del source
        poses = Poses(mesh)
    with _stage(head, "fields"):
        kept = kept_fields(mesh, results)
    with _stage(head, "targets"):
        points = {name: head.targets.get(name, point) for name, point in results.targets.items()}
        targets = target_tets(mesh, points, results.target_radius_mm)
    tissues = tuple(tissue for tissue in results.tissues if tag_of(tissue) in mesh.tissues)
    return MeshedHead(head, option.size_mm, mesh, poses, kept, tissues, targets)


def _conductivity(mesh: TetMesh, head: StudyHead, wanted: StudyConductivity) -> Conductivity:
    """What a Simulator takes.  Raises FemtmsError."""
    if wanted.anisotropy is None:
        return wanted.sigma
    if head.tensors is None:
        raise FemtmsError(f"conductivity '{wanted.name}' is made of diffusion tensors, which the head must have")
    anisotropy = Anisotropy(
        head.tensors,
        wanted.anisotropy,
        DEFAULT_RATIO if wanted.max_ratio is None else wanted.max_ratio,
        DEFAULT_SIGMA if wanted.max_sigma is None else wanted.max_sigma,
        frame=head.tensor_frame,
    )
    return anisotropy.loaded().conductivity(mesh, wanted.sigma)
