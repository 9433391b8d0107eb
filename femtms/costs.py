"""What a job takes, about: seconds, memory and files, for so many tetrahedra; for people who wait."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.memory import available_memory
from femtms.mesh.expected import expected_tets
from femtms.mesh.sizes import SizeMM, sizes_of
from femtms.mesh.tetmesh import TetMesh

log = logging.getLogger("femtms")

MODEL = "for one worker with two cores of an AMD EPYC; right within a factor of two or so, GPUs not measured"

# Seconds and bytes for a million tetrahedra, by the order of the elements: docs/performance.md, two cores, positions in
# blocks, statistics and the estimated error of grey matter included.
MESH_SECONDS = 4.0
SET_UP_SECONDS = {1: 1.3, 2: 6.3}
CASE_SECONDS = {1: 0.25, 2: 1.2}
RESULT_SECONDS = 2.0  # to write and draw one field
MEMORY_BYTES = {1: 0.7e9, 2: 3.3e9}
PROCESS_BYTES = 0.35e9  # Python with its libraries, whatever the head
VTU_BYTES, MSH_BYTES = 26e6, 76e6  # of a mesh with its field; other files of a field are small beside it


@dataclass(frozen=True)
class Costs:
    """What one job on one head takes, about: tetrahedra, seconds of two cores, bytes of memory and of files."""

    tets: float
    seconds: float
    memory_bytes: float
    file_bytes: float

    def __str__(self) -> str:
        tets = f"{_two_digits(1e-6 * self.tets)} million" if self.tets >= 1e5 else _two_digits(self.tets)
        minutes = self.seconds / 60
        time = f"{_two_digits(self.seconds)} s" if minutes < 3 else f"{_two_digits(minutes)} min"
        return (
            f"about {tets} tetrahedra, {_two_digits(1e-9 * self.memory_bytes)} GB of memory, {time} on two cores, "
            f"{_two_digits(1e-6 * self.file_bytes)} MB of files"
        )


def announce(
    head: LabelVolume | LayeredSphere | TetMesh,
    given: str | Path | LayeredSphere,
    size_mm: SizeMM,
    order: int,
    cases: int = 1,
    file_bytes_per_million: float = 0.0,
    file_bytes: float = 0.0,
) -> None:
    """Log what a job takes, before it begins, and whether there is the memory.  Raises FemtmsError for bad sizes.

    given  the head as the user has it, whose name is told
    cases  positions of coils; file_bytes_per_million and file_bytes  what is written, by size of the mesh and besides
    """
    if isinstance(head, TetMesh):
        tets = float(len(head.tets))
    else:
        tags = head.tags if isinstance(head, LayeredSphere) else head.tissues
        if len(tags) == 0:
            return  # the mesher says what is wrong with such a head
        sizes_of(size_mm, head, np.array([0, *tags]))
        tets = expected_tets(head, size_mm)
    million = 1e-6 * tets
    seconds = million * (SET_UP_SECONDS[order] + cases * CASE_SECONDS[order])
    seconds += 0 if isinstance(head, TetMesh) else million * MESH_SECONDS
    seconds += million * RESULT_SECONDS if file_bytes_per_million else 0
    memory = PROCESS_BYTES + million * MEMORY_BYTES[order]
    costs = Costs(tets, 2 + seconds, memory, file_bytes + million * file_bytes_per_million)
    name = given.name if isinstance(given, LayeredSphere) else Path(given).name
    log.info("%s: %s", name, costs)
    there = available_memory()
    if there is not None and memory > there:
        log.warning(
            "that is more memory than the %s GB that are there: use a larger --size if the job ends without a word",
            _two_digits(1e-9 * there),
        )


def _two_digits(x: float) -> str:
    """A number as an estimate is told: two digits, no exponent.

    >>> _two_digits(3.918), _two_digits(116.7), _two_digits(0.0321)
    ('3.9', '120', '0.032')
    """
    if x <= 0:
        return "0"
    digits = max(0, 1 - int(np.floor(np.log10(x))))
    return f"{round(x, 1 - int(np.floor(np.log10(x)))):,.{digits}f}"
