"""The inverse of dense matrices."""

import numpy as np
import pytest

from femtms.kernels.dense import symmetric_inverse

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("n", [1, 2, 7, 150])
def test_a_definite_matrix_times_its_inverse_is_one(n):
    root = RANDOM.normal(size=(n, n))
    matrix = root @ root.T + 1e-3 * np.eye(n)
    inverse = symmetric_inverse(matrix)
    np.testing.assert_allclose(matrix @ inverse, np.eye(n), atol=1e-15 * np.linalg.cond(matrix) * n)
    assert (inverse == inverse.T).all()


def test_a_semidefinite_matrix_has_a_generalised_inverse():
    root = RANDOM.normal(size=(9, 4))
    matrix = root @ root.T  # rank 4
    inverse = symmetric_inverse(matrix)
    np.testing.assert_allclose(matrix @ inverse @ matrix, matrix, atol=1e-10 * np.abs(matrix).max())
    assert np.linalg.eigvalsh(inverse).min() > -1e-10
    assert np.count_nonzero(inverse.any(axis=0)) == 4
    assert (symmetric_inverse(np.zeros((3, 3))) == 0).all()
