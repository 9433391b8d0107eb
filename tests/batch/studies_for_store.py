"""Small studies and made-up results for the tests of the store."""

from dataclasses import replace

import numpy as np

from femtms.batch.columns import DONE, FAILED, columns_of
from femtms.study.design import (
    Design,
    StudyCoil,
    StudyConductivity,
    StudyHead,
    StudyOption,
    StudyPlace,
    StudyResults,
)
from femtms.study.plan import Block, Plan

PROVENANCE = {"femtms": "0.1.0", "inputs": {"places": {"sha256": "0"}}, "device_kind": "cpu", "versions": {}}


def design_of(places=5, angles=3, distances=2, heads=2, coils=2, **results):
    """A study whose last block along the places is smaller than the others."""
    return Design(
        "a small study",
        tuple(StudyHead(f"head {i}", "sphere", (60.0, 70.0, 81.0, 92.0)) for i in range(heads)),
        (StudyConductivity("built in"),),
        (StudyOption("usual", {"gm": 3.0, 3: 2.5}),),
        tuple(StudyCoil(f"coil {i}", "figure8-70mm") for i in range(coils)),
        [StudyPlace(f"place {i}", "C3", (0.0, 0.1 * i, 90.0), (0.3 * i, -2.0)) for i in range(places)],
        tuple(15.0 * i for i in range(angles)),
        tuple(4.0 + 2.5 * i for i in range(distances)),
        replace(StudyResults(targets={"hand": (1.0, 2.0, 3.0)}), **results),
    )


def values_of(design: Design, block: Block) -> np.ndarray:
    """Numbers that are another one for each case and column; the last case of every third block failed."""
    columns = columns_of(design.results)
    rng = np.random.default_rng(block.index)
    values = rng.normal(size=(len(block), len(columns)))
    values[:, 0] = DONE
    values[:, 1] = rng.integers(1, 40, len(block))
    if block.index % 3 == 0:
        values[-1] = np.nan
        values[-1, 0] = FAILED
    return values


def plan_of(design: Design, most: int = 12) -> Plan:
    """Blocks of up to 12 cases."""
    return Plan.of(design, most)
