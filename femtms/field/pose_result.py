"""What a sweep over many poses keeps of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from femtms.coil.pose import Pose
from femtms.field.field import Field
from femtms.field.statistics import TissueSummary


@dataclass(frozen=True, eq=False)
class PoseResult:
    """The numbers of one pose.

    pose        of the coil
    tissues     name -> statistics of |E|
    iterations  of the linear solver, and its relative residual
    seconds     stage -> seconds of this pose; a block's time is shared equally among its poses
    field       the whole Field where it was asked for, otherwise None
    regions     name -> mean |E| in V/m of each region that was asked for, weighted by volume
    """

    pose: Pose
    tissues: Mapping[str, TissueSummary]
    iterations: int
    residual: float
    seconds: Mapping[str, float]
    field: Field | None = None
    regions: Mapping[str, float] = dataclass_field(default_factory=dict)
