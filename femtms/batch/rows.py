"""From the result of a case to its row in the store."""

from collections.abc import Iterable, Sequence

import numpy as np

from femtms.batch.columns import DONE, FAILED, Column
from femtms.coil.pose import Pose
from femtms.field.pose_result import PoseResult

_AXES = {"x": 0, "y": 1, "z": 2}


def row_of(columns: Sequence[Column], result: PoseResult) -> np.ndarray:
    """The numbers (columns,) of a case that is done; NaN for tissues that its head does not have."""
    return np.array([_value(column, result) for column in columns])


def failed_row(columns: Sequence[Column], pose: Pose | None) -> np.ndarray:
    """The same of a case that failed: state and, where it is known, the pose; NaN for all else."""
    row = np.full(len(columns), np.nan)
    for i, column in enumerate(columns):
        if column.variable == "state":
            row[i] = FAILED
        elif column.entry is not None and pose is not None:
            row[i] = pose.matrix[column.entry]
    return row


def is_finite(columns: Sequence[Column], row: np.ndarray, tissues: Iterable[str]) -> bool:
    """Whether all numbers are finite that a head with these tissues must have."""
    present = set(tissues)
    known = [column.tissue is None or column.tissue in present for column in columns]
    return bool(np.isfinite(row[known]).all())


def _value(column: Column, result: PoseResult) -> float:
    if column.variable == "state":
        return DONE
    if column.entry is not None:
        return float(result.pose.matrix[column.entry])
    if column.target is not None:
        return result.regions[column.target]
    if column.tissue is None:
        return float(getattr(result, column.variable))  # iterations, residual
    summary = result.tissues.get(column.tissue)
    if summary is None:
        return np.nan
    if column.axis is not None:
        return summary.peak_mm[_AXES[column.axis]]
    if column.variable == "estimated_relative_error":
        return np.nan if summary.error is None else summary.error
    return float(getattr(summary, column.variable))
