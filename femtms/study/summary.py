"""What a study would compute, for people and for JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from femtms.study.design import DIMS, Design
from femtms.study.doubts import doubts_of
from femtms.study.estimate import estimate
from femtms.study.plan import Plan

_SHOWN = 10  # names of a dimension, from its beginning
_CASES = 3  # the first, and the last


def study_summary(design: Design, columns: int) -> dict[str, Any]:
    """Dimensions with their names, cases, blocks, files, doubts, and what it costs; columns of numbers of each case."""
    ends = dict.fromkeys([*range(min(_CASES, design.cases)), *range(max(design.cases - _CASES, 0), design.cases)])
    return {
        "name": design.name,
        "dimensions": {
            dim: {"length": len(labels), "first": [labels_of(labels, i) for i in range(min(_SHOWN, len(labels)))]}
            for dim, labels in zip(DIMS, dimensions(design))
        },
        "cases": design.cases,
        "blocks": len(Plan.of(design)),
        "columns": columns,
        "fields": list(design.results.fields),
        "examples": [case_names(design, i) for i in ends],
        "files": [{"path": str(path), "bytes": path.stat().st_size} for path in design.inputs()],
        "doubts": doubts_of(design),
        "estimate": estimate(design, columns).to_dict(),
    }


def dimensions(design: Design) -> tuple[Sequence[Any], ...]:
    """What each of DIMS has."""
    return (
        design.heads,
        design.conductivities,
        design.options,
        design.coils,
        design.places,
        design.angles,
        design.distances_mm,
    )


def labels_of(labels: Sequence[Any], i: int) -> str | float:
    """The name of the i-th, or the number that it is."""
    return labels[i] if isinstance(labels[i], float) else labels[i].name


def case_names(design: Design, case: int) -> dict[str, str | float]:
    """The names of a case by its number, the distance fastest."""
    at = np.unravel_index(case, design.shape)
    return {dim: labels_of(labels, int(i)) for dim, labels, i in zip(DIMS, dimensions(design), at)}
