"""The multigrid hierarchy: aggregates, prolongators, coarse matrices and the V-cycle, each by what defines it."""

import numpy as np
import pyamg
import pytest
from scipy import sparse

from femtms import FemtmsError, LayeredSphere, core, mesh_head
from femtms.backend import cpu_backend
from femtms.fem.p1 import P1
from femtms.kernels import cpu
from femtms.solver import amg
from femtms.solver.amg import Multigrid
from femtms.solver.potential import grounded


def as_csr(triple, shape):
    return sparse.csr_array((triple[2], triple[1], triple[0]), shape=shape)


def scaled_stiffness(size_mm, contrast=1.0):
    """S K S with a unit diagonal, and S^-1 1."""
    mesh = mesh_head(LayeredSphere((60.0, 75.0, 92.0), (2, 4, 5)), size_mm)
    sigma = np.where(mesh.tags == 4, 1 / contrast, 1.0)[:, None]
    _, stiffness = P1.build(mesh, sigma, cpu_backend())
    matrix = grounded(stiffness, None)
    diagonal = matrix.diagonal()
    matrix.data = cpu.scaled_symmetrically(matrix, 1 / np.sqrt(diagonal))
    return matrix, np.sqrt(diagonal)


@pytest.fixture(scope="module")
def system():
    return scaled_stiffness(9.0, contrast=40.0)


@pytest.fixture(scope="module")
def strong(system):
    matrix, _ = system
    return as_csr(cpu.strong_connections(matrix, 0.02), matrix.shape)


@pytest.fixture(scope="module")
def multigrid(system):
    return Multigrid.build(*system, cpu_backend())


def test_scaling_gives_a_unit_diagonal(system):
    matrix, near_null = system
    np.testing.assert_allclose(matrix.diagonal(), 1, rtol=1e-14)
    assert np.abs(matrix @ near_null).max() < 1e-6 * near_null.max() + 1.01 * near_null[0]  # but for the ground


def test_strong_connections_are_the_large_entries(system, strong):
    matrix, _ = system
    coo = matrix.tocoo()
    kept = (np.abs(coo.data) >= 0.02) | (coo.row == coo.col)
    np.testing.assert_array_equal(strong.data, coo.data[kept])
    np.testing.assert_array_equal(strong.tocoo().coords, np.stack([coo.row, coo.col])[:, kept])
    assert strong.nnz < matrix.nnz


def test_roots_are_a_maximal_set_more_than_two_steps_apart(strong):
    aggregate, count = cpu.aggregates(strong)
    assert np.array_equal(np.unique(aggregate), np.arange(count))
    two_steps = (abs(strong) @ abs(strong)).tocsr()
    graph = abs(strong)
    # a root is a node whose whole neighbourhood is in its aggregate, and there is one in every aggregate
    whole = np.array([(aggregate[graph.indices[a:b]] == aggregate[i]).all() for i, (a, b) in enumerate(rows(graph))])
    assert np.array_equal(np.unique(aggregate[whole]), np.arange(count))
    # nobody is more than two steps from the root: all of an aggregate is near one of its whole nodes
    for c in range(count):
        members = np.flatnonzero(aggregate == c)
        reach = two_steps[members][:, members[whole[members]]].toarray() > 0
        assert reach.all(axis=0).any()


def rows(matrix):
    return zip(matrix.indptr[:-1], matrix.indptr[1:])


def test_prolongator_reproduces_the_near_null_vector_with_less_energy(system, strong):
    matrix, near_null = system
    aggregate, count = cpu.aggregates(strong)
    energies = []
    for steps in (0, 1, 2):
        triple, coarse_null = cpu.prolongator(matrix, strong, aggregate, near_null, steps)
        p = as_csr(triple, (matrix.shape[0], count))
        np.testing.assert_allclose(p @ coarse_null, near_null, rtol=1e-12)
        energies.append(float((p.multiply(matrix @ p)).sum()))
    assert energies[0] > 1.5 * energies[1] > 1.5 * energies[2]


def test_prolongator_is_that_of_pyamg(system, strong):
    matrix, near_null = system
    aggregate, count = cpu.aggregates(strong)
    triple, coarse_null = cpu.prolongator(matrix, strong, aggregate, near_null, 2)
    n = matrix.shape[0]
    tentative = sparse.csr_matrix((near_null / coarse_null[aggregate], aggregate, np.arange(n + 1)), shape=(n, count))
    theirs = pyamg.aggregation.smooth.energy_prolongation_smoother(
        sparse.csr_matrix(matrix),
        tentative.tobsr((1, 1)),
        sparse.csr_matrix(abs(strong)),
        coarse_null[:, None],
        near_null[:, None],
        (False, {}),
        krylov="cg",
        maxiter=2,
        degree=1,
        weighting="diagonal",
    )
    ours = as_csr(triple, (n, count))
    assert abs(ours - sparse.csr_array(theirs)).max() < 1e-10


def test_coarse_matrix_is_the_galerkin_product(system, strong):
    matrix, near_null = system
    aggregate, count = cpu.aggregates(strong)
    p = as_csr(cpu.prolongator(matrix, strong, aggregate, near_null, 2)[0], (matrix.shape[0], count))
    r = p.T.tocsr()
    ap = as_csr(cpu.product(matrix, p), p.shape)
    assert abs(ap - matrix @ p).max() < 1e-13
    coarse = as_csr(cpu.product(r, ap), (count, count))
    assert abs(coarse - r @ matrix @ p).max() < 1e-13
    assert coarse.has_canonical_format or len(np.unique(coarse.tocoo().coords, axis=1).T) == coarse.nnz


def test_hierarchy_does_not_depend_on_the_number_of_threads(system, multigrid):
    before = core.threads()
    try:
        core.set_threads(1)
        alone = Multigrid.build(*system, cpu_backend())
    finally:
        core.set_threads(before)
    for one, other in zip(alone.levels, multigrid.levels, strict=True):
        np.testing.assert_array_equal(one.matrix.data, other.matrix.data)
        assert one.largest == other.largest


def test_eigenvalues_are_bounded(system):
    matrix, _ = system
    largest = sparse.linalg.eigsh(matrix, 1, which="LA", return_eigenvectors=False)[0]
    assert largest <= amg._largest_eigenvalue(matrix, cpu_backend()) <= 1.2 * largest


def cycled(multigrid, b):
    buffers = multigrid.buffers(b.shape[1])
    buffers[0].b[:] = b
    return multigrid.cycle(buffers).copy()


def test_v_cycle_is_symmetric_and_positive(system, multigrid):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((system[0].shape[0], 4)).astype(np.float32)
    mx = cycled(multigrid, x)
    products = x.T.astype(np.float64) @ mx
    assert np.abs(products - products.T).max() < 1e-5 * np.abs(products).max()
    assert np.linalg.eigvalsh(0.5 * (products + products.T)).min() > 0


def test_v_cycle_reduces_every_error(system, multigrid):
    matrix, near_null = system
    rng = np.random.default_rng(1)
    smooth = near_null * np.sin(np.linspace(0, 3, len(near_null)))
    errors = np.column_stack([rng.standard_normal(len(near_null)), smooth, near_null])
    left = errors - cycled(multigrid, (matrix @ errors).astype(np.float32))
    energy = [np.einsum("nk,nk->k", e, matrix @ e) for e in (errors, left)]
    assert (energy[1] < [0.2, 0.2, 0.6] * energy[0]).all()  # the constant feels the tie to ground alone


def test_the_hierarchy_prints_as_a_table(multigrid):
    lines = str(multigrid).splitlines()
    assert lines[0].split()[:4] == ["level", "unknowns", "entries", "per"]
    assert len(lines) == len(multigrid.levels) + 2
    entries = [int(line.split()[2].replace(",", "")) for line in lines[1:-1]]
    assert multigrid.operator_complexity == pytest.approx(sum(entries) / entries[0])
    assert f"operator complexity {multigrid.operator_complexity:.2f}" in lines[-1]
    arrays = [m for level in multigrid.levels for m in (level.matrix, level.prolongation, level.restriction) if m]
    total = sum(a.nbytes for m in [*arrays, multigrid.coarse_inverse] for a in (m.indptr, m.indices, m.data))
    assert multigrid.bytes == total


def test_thousands_of_loose_pieces_are_refused():
    n = amg._LARGEST_INVERSE + 1
    with pytest.raises(FemtmsError, match="must hang together"):
        Multigrid.build(sparse.eye_array(n, format="csr"), np.ones(n), cpu_backend())
