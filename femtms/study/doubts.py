"""What may go wrong in a study although its file is in order: the cases that it concerns would be marked as failed."""

from femtms.errors import FemtmsError
from femtms.io.coils import load_coil
from femtms.study.design import Design
from femtms.study.electrodes import electrodes_of
from femtms.study.places import Disc, Places, Single

_MOST_COILS = 100  # that are read


def doubts_of(design: Design) -> list[str]:
    """One sentence each: coils that cannot be read, electrodes that a head does not have."""
    doubts = []
    for coil in design.coils[:_MOST_COILS]:
        try:
            load_coil(coil.source)
        except FemtmsError as error:
            doubts.append(f"coil '{coil.name}' cannot be used: {error}")
    without = [head.name for head in design.heads if not electrodes_of(head)]
    named = _electrodes(design)
    if without and named:
        lacking = f"'{without[0]}' has" if len(without) == 1 else f"'{without[0]}' and {len(without) - 1} more have"
        doubts.append(f"{lacking} no electrodes, but places or targets name {', '.join(named[:5])}")
    return doubts


def _electrodes(design: Design) -> list[str]:
    """Those that places and the targets of all heads name."""
    points = list(design.results.targets.values())
    if isinstance(design.places, Places):
        for run in design.places.runs:
            if isinstance(run, Single):
                points += [point for point in (run.only.at, run.only.towards) if point is not None]
            elif isinstance(run, Disc):
                points += [point for point in (run.at, run.towards) if point is not None]
    return list(dict.fromkeys(point for point in points if isinstance(point, str)))
