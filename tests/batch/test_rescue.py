"""Of a block that ends its workers the guilty cases are found, and nothing else is lost."""

import numpy as np
import pytest

from femtms.batch.columns import FAILED
from femtms.batch.rescue import Rescue


def run(rescue, guilty, most=10**9):
    """Computes what is asked for; ends with the worker where a guilty case is in it, or too many are."""
    tries = 0
    failed = []
    while not rescue.complete:
        for piece in rescue.take():
            tries += 1
            if guilty & set(piece.cases) or len(piece.cases) > most:
                if rescue.ended_its_worker(piece):
                    failed += piece.cases
            else:
                rescue.solved(piece, np.array([[1.0, case] for case in piece.cases]))
    return tries, failed


@pytest.mark.parametrize("cases", [1, 2, 3, 64])
@pytest.mark.parametrize("guilty", [set(), {0}, {0, 2}])
def test_only_the_guilty_cases_fail(cases, guilty):
    guilty = {case for case in guilty if case < cases}
    rescue = Rescue(5, cases, 2)
    tries, failed = run(rescue, guilty)
    assert set(failed) == guilty
    for case in range(cases):
        if case in guilty:
            assert rescue.values[case, 0] == FAILED and np.isnan(rescue.values[case, 1])
        else:
            assert rescue.values[case].tolist() == [1.0, case]
    assert tries <= 2 + 2 * len(guilty) * max(cases.bit_length(), 1)


def test_a_block_too_large_for_memory_is_solved_in_parts():
    rescue = Rescue(0, 64, 2)
    _, failed = run(rescue, set(), most=10)
    assert not failed and (rescue.values[:, 0] == 1).all()
