"""The cases of a block: from positions to numbers, and no case at the cost of another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from femtms.batch.rows import failed_row, is_finite, row_of
from femtms.batch.setup import Setup, SetupFailed, set_up
from femtms.coil.coil import Coil
from femtms.coil.place import check_clear
from femtms.coil.pose import Pose
from femtms.errors import FemtmsError
from femtms.field.field import Field
from femtms.study.design import Design
from femtms.study.plan import Block
from femtms.tissue import name_of, tag_of

__all__ = ["Setup", "SetupFailed", "Solved", "set_up", "solve_cases"]

Failure = tuple[int, str, str]  # number of the case in its block, stage, reason in one sentence


@dataclass(frozen=True, eq=False)
class Solved:
    """Cases of a block.

    values    (k, columns), a row for each case, see femtms.batch.columns; of a case that failed state and, where it is
              known, pose, and NaN for all else
    failures  stage is "coil", "pose" or "solve"
    fields    name -> (k, points, 3) float32 in V/m of what the study keeps; NaN of cases that failed
    """

    values: np.ndarray
    failures: list[Failure]
    fields: dict[str, np.ndarray]


def solve_cases(
    setup: Setup, design: Design, block: Block, cases: Sequence[int] | None = None, at_a_time: int | None = None
) -> Solved:
    """Solve cases of a block of the set-up's group.

    cases      their numbers in the block; None for all
    at_a_time  how many are solved together at most; None for what the set-up says

    The numbers of a case are the same to the last bit whatever other cases there are, and however many at a time.  A
    case that cannot be computed is in `failures`; nothing is raised for it.
    """
    run = _Run(setup, design, block, range(len(block)) if cases is None else cases, at_a_time or setup.at_a_time)
    run.solve()
    return Solved(run.values, sorted(run.failures), run.fields)


class _Run:
    """The cases as they are solved: what is known of them so far is state."""

    def __init__(self, setup: Setup, design: Design, block: Block, cases: Sequence[int], at_a_time: int | None) -> None:
        assert setup.group == block.group, "a block is solved by its own set-up"
        self.setup, self.simulator, self.design, self.block = setup, setup.simulator, design, block
        self.cases, self.at_a_time = cases, at_a_time
        self.values = np.stack([failed_row(setup.columns, None) for _ in cases])
        self.failures: list[Failure] = []
        self.fields = {
            kept.name: np.full((len(cases), len(kept.geometry["points_mm"]), 3), np.nan, np.float32)
            for kept in setup.head.kept
        }
        self.names = [name_of(tag_of(tissue)) for tissue in setup.head.tissues]

    def solve(self) -> None:
        """Coil, poses, and then the cases that are left."""
        try:
            coil = self.setup.coil(self.design.coils[self.block.key[3]].source)
        except (FemtmsError, MemoryError) as error:
            for row in range(len(self.cases)):
                self._fail(row, "coil", _said(error))
            return
        posed = [(row, pose) for row in range(len(self.cases)) if (pose := self._pose(row, coil)) is not None]
        self._solve(coil, posed)

    def _pose(self, row: int, coil: Coil) -> Pose | None:
        """The pose of a case, with which the coil keeps clear of the head; None where the case has failed."""
        design, setup = self.design, self.setup
        place, angle, distance = self.block.positions[self.cases[row]]
        pose = None
        try:
            where = design.places[place], design.angles[angle], design.distances_mm[distance]
            free = setup.option.allow_intersection
            pose = setup.head.poses.of(*where, coil, free)
            check_clear(setup.mesh, coil, pose, free, "choose another place")
        except (FemtmsError, MemoryError) as error:
            self._fail(row, "pose", _said(error), pose)
            return None
        return pose

    def _solve(self, coil: Coil, posed: list[tuple[int, Pose]]) -> None:
        """Solve cases; where something fails, in halves, until the culprit is alone."""
        done = 0
        try:
            results = self.simulator.sweep(
                coil,
                [pose for _, pose in posed],
                self.setup.option.didt,
                self.setup.head.tissues,
                bool(self.setup.head.kept),
                allow_intersection=True,  # each has been looked at
                regions=self.setup.head.targets,
                block=self.at_a_time,
            )
            for (row, pose), result in zip(posed, results):
                numbers = row_of(self.setup.columns, result)
                if is_finite(self.setup.columns, numbers, self.names):
                    self._keep(row, result.field)
                    self.values[row] = numbers
                else:
                    self._fail(row, "solve", "the field must be finite; it is not", pose)
                done += 1
        except (FemtmsError, MemoryError) as error:
            reason = _said(error)  # and not the error, which holds on to the arrays of its block
        else:
            return
        left = posed[done:]
        if len(left) == 1:
            self._fail(left[0][0], "solve", reason, left[0][1])
            return
        self._solve(coil, left[: len(left) // 2])
        self._solve(coil, left[len(left) // 2 :])

    def _keep(self, row: int, field: Field | None) -> None:
        for kept in self.setup.head.kept:
            assert field is not None
            self.fields[kept.name][row] = kept.values(field)

    def _fail(self, row: int, stage: str, reason: str, pose: Pose | None = None) -> None:
        self.values[row] = failed_row(self.setup.columns, pose)
        for field in self.fields.values():
            field[row] = np.nan
        self.failures.append((self.cases[row], stage, reason))


def _said(error: FemtmsError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return f"there must be enough memory; it ran out ({str(error) or 'no details'})"
    return str(error)
