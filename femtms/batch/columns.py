"""The numbers that a study keeps of each case, in the order in which its store has them."""

from dataclasses import dataclass

import numpy as np

from femtms.simulator import ERROR_TISSUE
from femtms.study.design import StudyResults
from femtms.tissue import name_of, tag_of

NOT_DONE, DONE, FAILED = 0, 1, 2  # state of a case

_OF_TISSUE = (  # attribute of TissueSummary, unit, meaning
    ("mean", "V/m", "mean |E|, weighted by volume"),
    ("median", "V/m", "median |E|, weighted by volume"),
    ("p95", "V/m", "95th percentile of |E|, weighted by volume"),
    ("p99", "V/m", "99th percentile of |E|, weighted by volume"),
    ("p99_9", "V/m", "99.9th percentile of |E|, weighted by volume"),
    ("peak", "V/m", "largest |E|"),
    ("focality_50_ml", "mL", "volume with at least 50 % of the 99.9th percentile of |E|"),
    ("focality_75_ml", "mL", "volume with at least 75 % of the 99.9th percentile of |E|"),
)
_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Column:
    """One number of each case.

    name      in tables: that of sweep.csv where it has one
    variable  of the xarray Dataset that the column is a part of; tissue, target, axis and entry say which part
    """

    name: str
    variable: str
    unit: str
    meaning: str
    tissue: str | None = None
    target: str | None = None
    axis: str | None = None
    entry: tuple[int, int] | None = None


def columns_of(results: StudyResults) -> tuple[Column, ...]:
    """The columns of a study: state, solver, pose, statistics of each tissue, targets."""
    columns = [
        Column("state", "state", "1", "0 not done, 1 done, 2 failed"),
        Column("iterations", "iterations", "1", "of the linear solver"),
        Column("residual", "residual", "1", "relative residual of the linear system"),
    ]
    columns += [
        Column(
            f"pose_{i}{j}",
            "pose_mm",
            "mm",
            "matrix of the coil in head coordinates; the axes have no unit",
            entry=(i, j),
        )
        for i, j in np.ndindex(3, 4)
    ]
    for tissue in results.tissues:
        tag = tag_of(tissue)
        name = name_of(tag)
        prefix = name.replace(" ", "_")
        columns += [
            Column(f"{prefix}_{key if key.endswith('_ml') else key + '_V_per_m'}", key, unit, meaning, tissue=name)
            for key, unit, meaning in _OF_TISSUE
        ]
        columns += [
            Column(f"{prefix}_peak_{axis}_mm", "peak_mm", "mm", "where |E| is largest", tissue=name, axis=axis)
            for axis in _AXES
        ]
        if tag == ERROR_TISSUE:
            error = "estimated relative error of E, a share"
            columns.append(
                Column(f"{prefix}_estimated_relative_error", "estimated_relative_error", "1", error, tissue=name)
            )
    columns += [
        Column(
            f"target_{target}_V_per_m",
            "target_field",
            "V/m",
            "mean |E| in grey matter around the target",
            target=target,
        )
        for target in results.targets
    ]
    return tuple(columns)
