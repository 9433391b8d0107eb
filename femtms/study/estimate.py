"""How long a study takes, how much memory and how much disk: a rough estimate from a stated model."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from femtms.costs import CASE_SECONDS, MEMORY_BYTES, MESH_SECONDS, MODEL, PROCESS_BYTES, SET_UP_SECONDS
from femtms.study.design import Design
from femtms.study.head_size import tets_of

_LEAST_CASE_SECONDS = 0.012  # however small the head
_START_SECONDS = 5.0  # of the workers
_GM_NODES = 0.105  # nodes of grey matter for each tetrahedron
_FILE_BYTES_PER_NODE = 40  # of a surface
_E_BYTES = 12  # three float32 for each point
_NUMBER_BYTES = 8


@dataclass(frozen=True)
class Estimate:
    """What a study costs, about.

    tets      millions of tetrahedra of the smallest and the largest head
    set_up_s, cases_s   seconds, for one worker: meshing and what is done once for a head; and all cases
    memory_bytes        of a worker with the largest head
    disk_bytes          of the results: numbers, and fields where they are kept
    unknown   names of heads whose files do not say how large they are; nothing is counted for them
    """

    tets: tuple[float, float]
    set_up_s: float
    cases_s: float
    memory_bytes: float
    disk_bytes: float
    unknown: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """All of them."""
        return self.set_up_s + self.cases_s

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"seconds": self.seconds, "model": MODEL}


def estimate(design: Design, columns: int) -> Estimate:
    """What a design costs, about; columns is how many numbers are kept of each case.

    set-up  s + (a + b) M   s: start of the workers; for each head, conductivity and option, with M million tetrahedra,
                            a: meshing, b: set-up
    case    f + c M
    memory  d + e M     of a worker
    disk    8 bytes × columns × cases, and 12 bytes for each point and case where E is kept
    """
    conductivities = len(design.conductivities)
    cases_of_one = design.cases // (len(design.heads) * conductivities * len(design.options))
    millions, unknown = [], []
    set_up_s, cases_s, memory = _START_SECONDS, 0.0, 0.0
    disk = float(_NUMBER_BYTES * columns * design.cases)
    surface_nodes = sum(Path(file).stat().st_size for file in design.results.surfaces.values()) / _FILE_BYTES_PER_NODE
    for head in design.heads:
        for option in design.options:
            tets = tets_of(head, option.size_mm)
            if tets is None:
                unknown.append(head.name)
                continue
            million = 1e-6 * tets
            millions.append(million)
            set_up_s += million * (MESH_SECONDS + SET_UP_SECONDS[option.order]) * conductivities
            case_s = _LEAST_CASE_SECONDS + million * CASE_SECONDS[option.order]
            cases_s += case_s * cases_of_one * conductivities
            memory = max(memory, PROCESS_BYTES + million * MEMORY_BYTES[option.order])
            points = {"whole": tets, "gm-nodes": _GM_NODES * tets, "surfaces": surface_nodes}
            kept = sum(points[name] for name in design.results.fields)
            disk += _E_BYTES * kept * cases_of_one * conductivities
    tets_range = (min(millions), max(millions)) if millions else (0.0, 0.0)
    return Estimate(tets_range, set_up_s, cases_s, memory, disk, tuple(dict.fromkeys(unknown)))
