"""Assembly and set-up on a GPU against the CPU: the same integers, and the same numbers but for rounding."""

import numpy as np
import pytest
from kernels.host_cuda import HostCupy, gpu, host_cuda, host_module
from scipy import sparse

from femtms import FemtmsError
from femtms.backend import Backend, cpu_backend, to_host
from femtms.head.sphere import LayeredSphere
from femtms.kernels import cpu, cuda
from femtms.kernels.cuda import CudaKernels
from femtms.mesh.generate import mesh_head
from femtms.mesh.order import morton_order
from femtms.solver import amg
from femtms.solver.potential import PotentialSolver, grounded


@pytest.fixture(scope="module", params=["cuda-host", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request, tmp_path_factory):
    return gpu() if request.param == "gpu" else host_cuda(tmp_path_factory.mktemp("cuda"))


def moved(matrix, device):
    """A scipy matrix on the device."""
    arrays = matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data.astype(np.float64)
    return device.kernels.csr(tuple(device.xp.asarray(a) for a in arrays), matrix.shape)


def same(got, expected, rtol=1e-13):
    """Arrays, or tuples of them: integers and types exactly, floating point to rounding on the scale of the array."""
    if isinstance(expected, tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected):
            same(one, other, rtol)
        return
    got = to_host(got)
    assert got.shape == expected.shape
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(got, expected, rtol=0, atol=rtol * np.abs(expected).max(initial=0))
    else:
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


def sorted_columns(triple, shape):
    matrix = sparse.csr_array((triple[2], triple[1], triple[0]), shape=shape)
    matrix.sort_indices()
    return matrix.indptr, matrix.indices, matrix.data


# --- the heads -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def head():
    """Nodes and tetrahedra of a head and a small ball beside it, numbered at random; no tetrahedron uses the last."""
    large = mesh_head(LayeredSphere((66.0, 78.0, 92.0), (2, 4, 5)), 12.0)
    small = mesh_head(LayeredSphere((20.0,), (2,)), 12.0)
    nodes = np.concatenate([large.nodes, small.nodes + 0.2, [[0.3, 0.0, 0.0]]])
    tets = np.concatenate([large.tets, small.tets + len(large.nodes)])
    number = np.random.default_rng(0).permutation(len(nodes) - 1).astype(np.int32)
    shuffled = nodes.copy()
    shuffled[number] = nodes[:-1]
    return shuffled, number[tets]


def sigma_of(components, m):
    """Conductivities (m,1), or tensors (m,6), that differ a hundredfold between tissues; S/m."""
    rng = np.random.default_rng(1)
    size = np.where(np.arange(m) % 3 == 0, 0.01, 1.0)
    if components == 1:
        return size[:, None].copy()
    roots = rng.standard_normal((m, 3, 3))
    tensors = size[:, None, None] * (roots @ roots.transpose(0, 2, 1) + np.eye(3))
    return np.ascontiguousarray(tensors[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]])


def stiffness_of(head, components):
    nodes, tets = head
    return cpu.stiffness(nodes, tets, sigma_of(components, len(tets)), *cpu.incidence(tets, len(nodes)))


@pytest.fixture(scope="module", params=[1, 6], ids=["isotropic", "tensor"])
def system(head, request):
    """S K S of the two balls with a unit diagonal, and S^-1 1."""
    used = len(head[0]) - 1
    stiffness = cpu.csr(stiffness_of(head, request.param), (used + 1, used + 1))[:used, :used]
    matrix = grounded(stiffness, 5)
    diagonal = matrix.diagonal()
    matrix.data = cpu.scaled_symmetrically(matrix, 1 / np.sqrt(diagonal))
    return matrix, np.sqrt(diagonal)


# --- assembly --------------------------------------------------------------------------------------------


def test_nodes_are_put_in_the_same_order(device, head):
    same(morton_order(device.xp.asarray(head[0]), device), morton_order(head[0], cpu_backend()))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_incidence_is_the_same(device, head, k):
    nodes, tets = head
    groups = tets[:, :k]
    got = device.kernels.incidence(device.xp.asarray(groups), len(nodes))
    same(got, cpu.incidence(groups, len(nodes)))


@pytest.mark.parametrize("components", [1, 6])
def test_stiffness_is_the_same(device, head, components):
    nodes, tets = head
    arrays = nodes, tets, sigma_of(components, len(tets)), *cpu.incidence(tets, len(nodes))
    same(device.kernels.stiffness(*(device.xp.asarray(a) for a in arrays)), cpu.stiffness(*arrays))


# --- ground ----------------------------------------------------------------------------------------------


def path(order):
    """The matrix of a path through the nodes in this order."""
    n = len(order)
    ends = np.stack([order[:-1], order[1:]])
    off = sparse.coo_array((np.ones(n - 1), ends), shape=(n, n))
    return sparse.csr_array(off + off.T + sparse.eye_array(n))


@pytest.mark.parametrize("order", ["ascending", "descending", "random", "odd ones first"])
def test_a_long_path_is_one_piece(device, order):
    n = 3000
    nodes = {
        "ascending": np.arange(n),
        "descending": np.arange(n)[::-1],
        "random": np.random.default_rng(2).permutation(n),
        "odd ones first": np.concatenate([np.arange(1, n, 2), np.arange(0, n, 2)]),
    }[order]
    same(device.kernels.pieces(moved(path(nodes), device)), np.zeros(n, np.int32))


def test_pieces_are_called_after_their_lowest_node(device, head):
    n = len(head[0])
    stiffness = cpu.csr(stiffness_of(head, 1), (n, n))
    expected = cpu.pieces(stiffness)
    assert len(np.unique(expected)) == 3  # two balls, and a node by itself
    np.testing.assert_array_equal(expected[np.unique(expected)], np.unique(expected))
    same(device.kernels.pieces(moved(stiffness, device)), expected)
    lonely = sparse.eye_array(50, format="csr")
    same(device.kernels.pieces(moved(lonely, device)), np.arange(50, dtype=np.int32))


@pytest.mark.parametrize("ground", [None, 17])
def test_the_same_nodes_are_grounded(device, head, ground):
    n = len(head[0])
    stiffness = cpu.csr(stiffness_of(head, 6), (n, n))
    expected = grounded(stiffness, ground)
    changed = (expected - stiffness).tocoo()
    changed.eliminate_zeros()
    assert len(changed.data) == 2 and (changed.row == changed.col).all() and (ground is None or ground in changed.row)
    got = grounded(moved(stiffness, device), ground, device.kernels)
    same((got.indptr, got.indices, got.data), (expected.indptr, expected.indices, expected.data))


# --- any sparse matrix -----------------------------------------------------------------------------------


def random_matrix(rows, columns, seed, density=0.05):
    matrix = sparse.random_array((rows, columns), density=density, rng=np.random.default_rng(seed), format="csr")
    matrix.data -= 0.5
    matrix.sort_indices()
    return matrix


SHAPES = [(300, 300, 300), (1, 1, 1), (1, 40, 3), (40, 1, 40), (200, 7, 500)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("scratch", [1, 50, 2**24])
def test_product_is_the_same(device, shape, density, scratch, monkeypatch):
    """However little room there is; with empty rows, and with none but empty ones."""
    monkeypatch.setattr(cuda, "_SCRATCH", scratch)
    l, m, n = shape
    a, b = random_matrix(l, m, 3, density), random_matrix(m, n, 4, density)
    got = device.kernels.product(moved(a, device), moved(b, device))
    same(got, sorted_columns(cpu.product(a, b), (l, n)))
    assert (
        abs(sparse.csr_array(tuple(to_host(x) for x in (got[2], got[1], got[0])), shape=(l, n)) - a @ b).max() < 1e-13
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_are_treated_the_same(device, shape):
    l, _, n = shape
    a = random_matrix(l, n, 5)
    square = random_matrix(n, n, 6) + random_matrix(n, n, 7, density=0.3)
    s = np.random.default_rng(8).standard_normal(max(l, n))
    there, square_there = moved(a, device), moved(square, device)
    move, kernels = device.xp.asarray, device.kernels
    same(kernels.transposed(there), cpu.transposed(a))
    same(kernels.scaled_rows(there, move(s[:l])), cpu.scaled_rows(a, s[:l]))
    same(kernels.diagonal(square_there), square.diagonal())
    same(cpu.diagonal(square), square.diagonal())
    same(kernels.scaled_symmetrically(square_there, move(s[:n])), cpu.scaled_symmetrically(square, s[:n]))
    assert kernels.gershgorin(there) == pytest.approx(cpu.gershgorin(a), rel=1e-14)


def test_a_matrix_with_too_many_entries_is_refused(device):
    with pytest.raises(FemtmsError, match="fewer than 2\\^31 entries; this one has 2,147,483,648"):
        device.kernels.row_starts(device.xp.asarray(np.array([0, 2**30, 2**30])))


# --- the hierarchy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("theta", [0.0, 0.02, 2.0])
def test_the_same_aggregates(device, system, theta):
    matrix, _ = system
    strong = cpu.strong_connections(matrix, theta)
    got = device.kernels.strong_connections(moved(matrix, device), theta)
    same(got, strong)
    aggregate, count = device.kernels.aggregates(device.kernels.csr(got, matrix.shape))
    expected, expected_count = cpu.aggregates(cpu.csr(strong, matrix.shape))
    assert count == expected_count
    same(aggregate, expected)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_the_same_prolongator_and_coarse_matrix(device, system, steps):
    matrix, near_null = system
    kernels, there = device.kernels, moved(matrix, device)
    strong = cpu.csr(cpu.strong_connections(matrix, 0.02), matrix.shape)
    aggregate, count = cpu.aggregates(strong)
    move = device.xp.asarray
    got = kernels.prolongator(there, moved(strong, device), move(aggregate), move(near_null), steps)
    expected = cpu.prolongator(matrix, strong, aggregate, near_null, steps)
    same(got, expected)
    p, p_there = cpu.csr(expected[0], (len(near_null), count)), kernels.csr(got[0], (len(near_null), count))
    r, r_there = cpu.csr(cpu.transposed(p), p.shape[::-1]), kernels.csr(kernels.transposed(p_there), p.shape[::-1])
    same(kernels.galerkin(r_there, there, p_there), cpu.galerkin(r, matrix, p))


def without_padding(matrix):
    on_host = sparse.csr_array(tuple(to_host(a) for a in (matrix.data, matrix.indices, matrix.indptr)), matrix.shape)
    on_host.sum_duplicates()
    assert on_host.nnz == matrix.entries
    return on_host.indptr, on_host.indices, on_host.data


def hierarchy_arrays(on, matrix, near_null):
    multigrid = amg.Multigrid.build(matrix, near_null, on)
    matrices = [m for level in multigrid.levels for m in (level.matrix, level.prolongation, level.restriction) if m]
    arrays = [a for m in matrices for a in without_padding(m)]
    return [*arrays, np.array([level.largest for level in multigrid.levels])]


def test_the_same_hierarchy(device, system):
    matrix, near_null = system
    got = hierarchy_arrays(device, moved(matrix, device), device.xp.asarray(near_null))
    expected = hierarchy_arrays(cpu_backend(), matrix, near_null)
    assert len(expected) > 3 + 9  # three levels or more
    same(tuple(got), tuple(expected), rtol=3e-7)  # float32


def test_the_hierarchy_does_not_depend_on_the_launch_geometry(system, tmp_path):
    xp, first = HostCupy(), None
    for blocks, threads in ((1, 1), (2, 3), (7, 32)):
        on = Backend("cuda", xp, CudaKernels(xp, host_module(tmp_path, blocks=blocks, threads=threads)), "")
        arrays = hierarchy_arrays(on, moved(system[0], on), xp.asarray(system[1]))
        first = first or arrays
        for one, other in zip(arrays, first, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_same_solution(device, head):
    used = len(head[0]) - 1
    stiffness = cpu.csr(stiffness_of(head, 6), (used + 1, used + 1))[:used, :used]
    x = np.random.default_rng(9).standard_normal((used, 3))
    b = stiffness @ x  # adds up to zero on each piece
    expected = PotentialSolver.build(stiffness, 3, cpu_backend()).solve(b, 1e-10)
    got = PotentialSolver.build(moved(stiffness, device), 3, device).solve(device.xp.asarray(b), 1e-10)
    np.testing.assert_array_equal(got.iterations, expected.iterations)
    same(got.phi, expected.phi, rtol=1e-8)
