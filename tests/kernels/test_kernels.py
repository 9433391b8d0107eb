"""The kernels of either device against NumPy, and that their bits depend on nothing else than their input."""

import inspect

import numpy as np
import pytest
from kernels.host_cuda import HostCupy, host_module
from scipy import sparse

from femtms import core
from femtms.backend import Backend, cpu_backend, to_host
from femtms.coil.coil import Coil
from femtms.coil.elements import Dipoles
from femtms.coil.expansion import solid_harmonics
from femtms.core.signatures import signatures
from femtms.head.sphere import LayeredSphere
from femtms.kernels import cpu
from femtms.kernels.cuda import CudaKernels
from femtms.mesh.generate import mesh_head
from femtms.solver.csr import Csr


@pytest.fixture(scope="module")
def kernels(backend):
    """The kernels of one device, taking and giving NumPy arrays; everything is copied there and back."""

    class OnHost:
        def __getattr__(self, name):
            function = getattr(backend.kernels, name)

            def call(*arguments):
                moved = [backend.xp.asarray(a) if isinstance(a, np.ndarray) else a for a in arguments]
                result = function(*moved)
                if "out" in inspect.signature(function).parameters:
                    for given, now in zip(arguments[:-1], moved[:-1]):
                        if isinstance(given, np.ndarray) and given is not arguments[-1]:
                            np.testing.assert_array_equal(to_host(now), given)  # inputs are left alone
                    out = to_host(moved[-1])
                    return out if result is None else (out, to_host(result))
                assert isinstance(result, backend.xp.ndarray)
                return to_host(result)

            return call

    return OnHost()


def fresh(n, k, dtype=np.float64):
    """Memory that must be written to."""
    return np.full((n, k), np.nan, dtype)


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((30.0, 40.0), (2, 5)), 8.0)


@pytest.fixture(scope="module")
def stars(mesh):
    """starts and meeting: which tetrahedra meet at each node."""
    return cpu.incidence(mesh.tets, len(mesh.nodes))


def random(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def sources(d=37):
    """Positions (d,3) in m of coil elements above points() and a vector at each."""
    return random(d, 3, seed=1) * [0.04, 0.04, 0.002] + [0, 0, 0.06], random(d, 3, seed=2)


def points(n=101):
    return random(n, 3, seed=3) * 0.01


def series(n=3000, degrees=(5, 2, 5, 3)):
    """All arguments of harmonic_series: two poses with ranges of unlike length, some without a series."""
    rng = np.random.default_rng(12)
    starts = np.array([0, 1, 40, 41, 1000, 1100, 2900, n, n + 2000, 2 * n])
    owner = np.array([2, 0, -1, 1, 0, -1, 3, 1, -1], np.int32)
    order = rng.permutation(n).astype(np.int32)
    terms = [(degree + 1) * (degree + 2) // 2 for degree in degrees]
    return (
        points(n),
        order,
        starts,
        owner,
        random(4, 3, seed=13) * 0.01,
        rng.uniform(0.01, 0.02, 4),
        np.array(degrees, np.int32),
        np.cumsum([0, *terms[:-1]]),
        rng.standard_normal((sum(terms), 2, 3)),
        np.full((2, n, 3), np.nan),
    )


def placed(rows=300, each=4):
    """All arguments of turned, random ones for three poses."""
    which = np.random.default_rng(21).integers(0, 3, rows)
    return random(rows, each, 3, seed=18), random(3, 3, seed=19), random(3, 3, 3, seed=20), which


def samples(boxes=5, n=40, terms=12):
    """All arguments of fit_series, random ones."""
    return random(boxes, n, 3, seed=15), random(n, terms, seed=16), random(terms, n, seed=17)


def random_sigma(m, components):
    """(m,1), or (m,6) of symmetric positive-definite tensors, and the same as (m,3,3); S/m."""
    if components == 1:
        sigma = np.random.default_rng(4).uniform(0.01, 2, m)
        return sigma[:, None].copy(), sigma[:, None, None] * np.eye(3)
    roots = random(m, 3, 3, seed=5)
    tensors = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(3)
    return np.ascontiguousarray(tensors[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]), tensors


def hat_gradients(mesh):
    """∇λ_a (m,4,3) in 1/m: rows of the inverse of the edge matrix."""
    edges = mesh.nodes[mesh.tets[:, 1:]] - mesh.nodes[mesh.tets[:, :1]]  # (m, edge, 3)
    gradients = np.linalg.inv(edges).transpose(0, 2, 1)
    return np.concatenate([-gradients.sum(axis=1, keepdims=True), gradients], axis=1)


def random_matrix(backend, rows, columns, dtype):
    """A matrix with rows of unlike length: on the device, and on the host in float64 with the same values."""
    matrix = sparse.random_array((rows, columns), density=0.02, rng=np.random.default_rng(6), format="csr")
    matrix.data[:] = random(matrix.nnz, seed=7)
    matrix.data[:] = matrix.data.astype(dtype)
    return Csr.on(backend, matrix, dtype), matrix


def close(got, expected, rtol=1e-12):
    """Equal but for rounding, measured on the scale of the whole array."""
    assert got.shape == expected.shape
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, expected, rtol=0, atol=rtol * np.abs(expected).max())


# --- against NumPy ---------------------------------------------------------------------------------------


def test_dipoles_follow_their_formula(kernels):
    x, (s, m) = points(), sources()
    r = x[:, None] - s
    expected = 1e-7 * (np.cross(m, r) / np.linalg.norm(r, axis=2)[..., None] ** 3).sum(axis=1)
    close(kernels.dipole_potential(x, s, m), expected)


def test_currents_follow_their_formula(kernels):
    x, (s, dl) = points(), sources()
    expected = 1e-7 * (dl / np.linalg.norm(x[:, None] - s, axis=2)[..., None]).sum(axis=1)
    close(kernels.current_potential(x, s, dl), expected)


@pytest.mark.parametrize("name", ["dipole_potential", "current_potential"])
def test_potential_at_an_element_is_not_finite(kernels, name):
    s, vectors = sources()
    a = getattr(kernels, name)(np.concatenate([points(), s[:1]]), s, vectors)
    assert np.isfinite(a[:-1]).all() and not np.isfinite(a[-1]).any()


def test_float32_points_are_points(backend):
    s, m = sources()
    x = points().astype(np.float32)
    coil = Coil("dipoles", (Dipoles(s, m),))
    got = coil.vector_potential(backend.xp.asarray(x), backend.kernels)
    close(to_host(got), cpu.dipole_potential(x.astype(np.float64), s, m))


def grid():
    """Points around and in a turned grid of samples, and what cubic_potential wants."""
    rng = np.random.default_rng(7)
    values = rng.normal(size=(5, 6, 9, 3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    matrix, offset = rotation.T @ np.diag([40.0, 35.0, 50.0]), np.array([1.5, 2.0, 3.5])
    index = rng.uniform(-1, [5, 6, 9], (2000, 3))
    index[:4] = [[0, 0, 0], [4, 5, 8], [2, 3, 4], [4, 2.5, 0]]  # corners, a sample, an edge
    x = (index - offset) @ np.linalg.inv(matrix).T
    return x, matrix, offset, values, rotation


def lagrange(x, n):
    """Weights (4,) and the first of the four samples."""
    first = min(max(int(np.floor(x)) - 1, 0), n - 4)
    at = first + np.arange(4)
    return first, [np.prod([(x - b) / (a - b) for b in at if b != a]) for a in at]


def test_cubics_are_those_of_lagrange_and_zero_outside(backend):
    x, matrix, offset, values, rotation = grid()
    expected = np.zeros_like(x)
    for p, index in enumerate(x @ matrix.T + offset):
        near = np.clip(index, 0, np.array(values.shape[:3]) - 1)
        if np.abs(near - index).max() < 1e-6:
            (i, wx), (j, wy), (k, wz) = (lagrange(c, n) for c, n in zip(near, values.shape))
            expected[p] = rotation @ np.einsum("i,j,k,ijkc->c", wx, wy, wz, values[i : i + 4, j : j + 4, k : k + 4])
    assert (expected[:4] != 0).any(axis=1).all() and (expected == 0).all(axis=1).any()
    close(to_host(backend.kernels.cubic_potential(*map(backend.xp.asarray, grid()))), expected)


@pytest.mark.parametrize("degrees", [(0, 1, 0, 8), (5, 2, 5, 3)])
def test_series_is_the_sum_of_its_solid_harmonics(kernels, degrees):
    x, order, starts, owner, centres, radii, _, firsts, coefficients, a = series(degrees=degrees)
    expected = np.zeros(a.shape)
    for begin, end, b in zip(starts, starts[1:], owner):
        if b >= 0:
            pose, rows = begin // len(x), order[np.arange(begin, end) % len(x)]
            harmonics = solid_harmonics((x[rows] - centres[b]) / radii[b], degrees[b])
            own = coefficients[firsts[b] : firsts[b] + harmonics.shape[1]]
            expected[pose, rows] = np.einsum("njc,jcd->nd", harmonics, own)
    close(kernels.harmonic_series(*series(degrees=degrees)), expected)


def test_rows_are_turned_about_their_origins(kernels):
    vectors, origins, matrices, which = placed()
    expected = (vectors - origins[which][:, None]) @ matrices[which]
    close(kernels.turned(vectors, origins, matrices, which), expected)


def test_nearest_is_the_least_distance(kernels):
    x, s = points(), sources()[0]
    expected = np.linalg.norm(x[:, None] - s, axis=2).min(axis=1)
    close(kernels.nearest(x, s), expected)
    np.testing.assert_array_equal(to_host(kernels.nearest(s, s)), 0)


def test_fit_and_its_residual_are_products(backend):
    a, inverse, harmonics = samples()
    coefficients, error = backend.kernels.fit_series(*map(backend.xp.asarray, samples()))
    close(to_host(coefficients), inverse.T @ a)
    close(to_host(error), ((a - harmonics.T @ (inverse.T @ a)) ** 2).sum(axis=2))


def test_morton_codes_interleave_the_bits_of_cells(backend):
    x = np.random.default_rng(14).random((500, 3)) * [1, 2, 4]
    x[0], x[1] = 0, [1, 2, 4]  # the last cells go up to the end
    low, size = np.zeros(3), np.array([1.0, 2.0, 4.0])
    for bits in (1, 7, 20, 21):
        move = backend.xp.asarray
        got = to_host(backend.kernels.morton_codes(move(x), move(low), move(size), bits))
        for code, cell in zip(got, np.minimum((x / size * 2**bits).astype(int), 2**bits - 1)):
            digits = zip(*(format(int(c), f"0{bits}b") for c in cell[::-1]))
            assert int(code) == int("".join("".join(d) for d in digits), 2)


def test_corners_of_ranges(backend, mesh, stars):
    order, starts = meeting_nodes(mesh, stars), stars[0]
    low, high = backend.kernels.corners(*(backend.xp.asarray(a) for a in (mesh.nodes, order, starts)))
    np.testing.assert_array_equal(to_host(low), np.minimum.reduceat(mesh.nodes[order], starts[:-1], axis=0))
    np.testing.assert_array_equal(to_host(high), np.maximum.reduceat(mesh.nodes[order], starts[:-1], axis=0))


@pytest.mark.parametrize("components", [1, 6])
def test_load_is_the_integral_of_the_weak_form(kernels, mesh, stars, components):
    sigma, tensors = random_sigma(len(mesh.tets), components)
    dadt = random(len(mesh.tets), 3, seed=8)
    terms = np.einsum("mad,mde,me->ma", hat_gradients(mesh), tensors, dadt) * mesh.volumes[:, None]
    expected = np.zeros(len(mesh.nodes))
    np.add.at(expected, mesh.tets, -terms)
    close(kernels.loads(mesh.nodes, mesh.tets, sigma, dadt[None], *stars)[:, 0], expected)


def test_field_of_each_tetrahedron(kernels, mesh):
    phi = random(len(mesh.nodes), seed=9)
    dadt = random(len(mesh.tets), 3, seed=10)
    expected = -dadt - np.einsum("mad,ma->md", hat_gradients(mesh), phi[mesh.tets])
    close(kernels.electric_field(mesh.nodes, mesh.tets, dadt, phi), expected)


def test_columns_have_the_bits_of_each_alone(backend, kernels, mesh, stars):
    """More columns than share a tetrahedron, and a rest."""
    k, sigma = 19, random_sigma(len(mesh.tets), 6)[0]
    dadt, phi = random(k, len(mesh.tets), 3, seed=31), random(len(mesh.nodes), k, seed=32)
    b = kernels.loads(mesh.nodes, mesh.tets, sigma, dadt, *stars)
    magnE = kernels.field_strengths(mesh.nodes, mesh.tets, dadt, phi, np.empty((k, len(mesh.tets))))
    for i in range(k):
        alone = kernels.loads(mesh.nodes, mesh.tets, sigma, dadt[i : i + 1], *stars)
        np.testing.assert_array_equal(to_host(b[:, i]), to_host(alone[:, 0]))
        x, y, z = to_host(kernels.electric_field(mesh.nodes, mesh.tets, dadt[i], np.ascontiguousarray(phi[:, i]))).T
        expected = np.sqrt(x * x + y * y + z * z)
        if backend.name == "cpu":
            np.testing.assert_array_equal(magnE[i], expected)
        else:
            close(magnE[i], expected)


def test_squared_change_is_the_mean_over_the_tetrahedron(kernels, mesh):
    """By the rule of four points, which is exact for squares of linear functions."""
    k, n = 3, len(mesh.nodes)
    potential, recovered = random(n, k, seed=33), random(n, 3, k, seed=34)
    raw = np.einsum("mad,mak->mdk", hat_gradients(mesh), potential[mesh.tets])
    near, far = (5 + 3 * np.sqrt(5)) / 20, (5 - np.sqrt(5)) / 20
    expected = np.zeros((k, len(mesh.tets)))
    for weights in far + (near - far) * np.eye(4):
        change = raw - np.einsum("a,madk->mdk", weights, recovered[mesh.tets])
        expected += (change**2).sum(axis=1).T / 4
    out = np.empty(expected.shape)
    close(kernels.linear_changes(mesh.nodes, mesh.tets, mesh.tets, potential, recovered, out), expected)


PRECISION = {np.float32: 1e-6, np.float64: 1e-14}


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("k", [1, 3, 16])
def test_spmm_is_the_sparse_product(backend, kernels, k, dtype):
    matrix, on_host = random_matrix(backend, 2500, 1300, dtype)
    x = random(1300, k, dtype=dtype)
    y = kernels.spmm(matrix, x, fresh(2500, k, dtype))
    assert y.dtype == dtype
    close(y, on_host @ x.astype(np.float64), PRECISION[dtype])


@pytest.mark.parametrize("k", [1, 3, 16])
def test_spmm_add_adds_the_product(backend, kernels, k):
    matrix, on_host = random_matrix(backend, 2500, 1300, np.float32)
    x, y = random(1300, k, dtype=np.float32), random(2500, k, seed=3, dtype=np.float32)
    expected = y + on_host @ x.astype(np.float64)
    close(kernels.spmm_add(matrix, x, y), expected, 1e-6)


@pytest.mark.parametrize("k", [1, 3, 16])
def test_spmm_dots_is_the_product_and_its_energy(backend, kernels, k):
    matrix, on_host = random_matrix(backend, 2500, 2500, np.float64)
    x = random(2500, k)
    y, dots = kernels.spmm_dots(matrix, x, fresh(2500, k))
    close(y, on_host @ x, 1e-14)
    close(dots, (x * (on_host @ x)).sum(axis=0), 1e-13)


@pytest.mark.parametrize("dtype", PRECISION)
def test_rows_padded_to_a_multiple_of_four_are_the_same_matrix(dtype):
    rng = np.random.default_rng(0)
    matrix = sparse.random_array((2500, 40), density=0.15, format="csr", dtype=dtype, rng=rng)
    matrix[7] = 0
    matrix.eliminate_zeros()
    indptr, indices, values = cpu.padded(matrix.indptr, matrix.indices, matrix.data)
    assert indptr.dtype == indices.dtype == np.int32 and values.dtype == dtype
    lengths, before = np.diff(indptr), np.diff(matrix.indptr)
    assert (lengths % 4 == 0).all() and (0 <= lengths - before).all() and (lengths - before < 4).all()
    assert before[7] == lengths[7] == 0 and (before % 4 != 0).any()
    again = sparse.csr_array((values, indices, indptr), shape=matrix.shape)
    np.testing.assert_array_equal(again.toarray(), matrix.toarray())  # duplicates are added up


def test_padding_spreads_no_nan(backend):
    matrix, on_host = random_matrix(backend, 2500, 1300, np.float64)
    x = random(1300, 2)
    x[5, 0] = np.nan
    out = backend.xp.asarray(fresh(2500, 2))
    backend.kernels.spmm(matrix, backend.xp.asarray(x), out)
    touched = (on_host != 0)[:, [5]].toarray()[:, 0]
    np.testing.assert_array_equal(np.isnan(to_host(out)), np.column_stack([touched, np.zeros(2500, bool)]))
    assert 0 < matrix.entries <= len(matrix.data)


@pytest.mark.parametrize("into", ["a fresh array", "b", "z"])
@pytest.mark.parametrize("k", [1, 3, 16])
def test_relax_combines_four_terms(backend, kernels, k, into):
    matrix, on_host = random_matrix(backend, 2500, 2500, np.float32)
    x, b, z = (random(2500, k, seed=s, dtype=np.float32) for s in (1, 2, 3))
    w = (0.5, -1.25, 2.0, 0.75)
    expected = w[0] * x + w[1] * b + w[2] * (on_host @ x.astype(np.float64)) + w[3] * z
    move = backend.xp.asarray
    x, b, z = move(x), move(b), move(z)
    out = {"a fresh array": move(fresh(2500, k, np.float32)), "b": b, "z": z}[into]
    backend.kernels.relax(matrix, w, x, b, z, out)
    close(to_host(out), expected, 1e-6)


@pytest.mark.parametrize("k", [1, 3, 16])
def test_a_step_of_conjugate_gradients(backend, k):
    move = backend.xp.asarray
    alpha, scale, beta = (random(k, seed=s) for s in (1, 2, 3))
    p, ap, x, r = (random(5000, k, seed=s) for s in (4, 5, 6, 7))
    z = random(5000, k, seed=8, dtype=np.float32)
    p_, ap_, x_, r_ = (move(a.copy()) for a in (p, ap, x, r))
    rr = backend.kernels.advance(move(alpha), p_, ap_, x_, r_)
    close(to_host(x_), x + alpha * p, 1e-15)
    close(to_host(r_), r - alpha * ap, 1e-15)
    close(to_host(rr), ((r - alpha * ap) ** 2).sum(axis=0), 1e-13)
    backend.kernels.turn(move(scale), move(beta), move(z), p_)
    close(to_host(p_), scale * z + beta * p, 1e-15)
    out = move(fresh(5000, k, np.float32))
    backend.kernels.narrow(move(scale), r_, out)
    close(to_host(out), scale * (r - alpha * ap), 1e-7)


def test_kernels_refuse_what_they_would_read_as_garbage(backend):
    k, x, y = backend.kernels, backend.xp.asarray(random(8, 4)), backend.xp.asarray(random(8, 2))
    with pytest.raises(TypeError, match=r"'x' of .* must be a C-contiguous array of float64; got one .* \(8, 2\) and"):
        k.column_dots(x[:, ::2], y)
    with pytest.raises(ValueError, match=r"'x' of .* must be \(n,k\) with n = 8, k = 2.*; got \(8, 4\)"):
        k.column_dots(x, y)
    with pytest.raises(TypeError, match=r"'scale' of narrow must be a C-contiguous array of float64; got one of int64"):
        k.narrow(backend.xp.arange(2), y, backend.xp.empty((8, 2), np.float32))
    with pytest.raises(TypeError, match="takes 5 arguments; got 1"):
        k.launch("narrow", 8)


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 1024, 1025, 5000, 70_000])
@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("dtype", PRECISION)
def test_column_dots_are_scalar_products(kernels, n, k, dtype):
    x, y = random(n, k, seed=10), random(n, k, seed=11, dtype=dtype)
    dots = kernels.column_dots(x, y)
    assert dots.shape == (k,)
    exact = (x.astype(np.longdouble) * y).sum(axis=0)
    assert (np.abs(dots - exact) <= 1e-14 * np.abs(x * y).sum(axis=0)).all()


# --- what the bits may depend on -------------------------------------------------------------------------


def block_results(on, n, k, columns=slice(None)):
    """Every operation on blocks, for some columns of the same random block of k."""
    move, kernels = on.xp.asarray, on.kernels
    results = {}

    def block(seed, dtype=np.float64):
        return move(np.ascontiguousarray(random(n, k, seed=seed, dtype=dtype)[:, columns]))

    def numbers(seed):
        return move(np.ascontiguousarray(random(k, seed=seed)[columns]))

    for dtype in PRECISION:
        matrix, x = random_matrix(on, n, n, dtype)[0], block(1, dtype)
        results[f"spmm {dtype}"] = out = on.xp.zeros_like(x)
        kernels.spmm(matrix, x, out)
        results[f"column_dots {dtype}"] = kernels.column_dots(block(2), x)
    results["spmm_dots Ax"] = out = on.xp.zeros_like(x)
    results["spmm_dots"] = kernels.spmm_dots(matrix, x, out)
    single = [block(s, np.float32) for s in (1, 2, 3, 4)]
    matrix = random_matrix(on, n, n, np.float32)[0]
    kernels.relax(matrix, (0.3, -1.7, 0.9, 0.1), *single)
    kernels.spmm_add(matrix, single[0], single[1])
    results["relax"], results["spmm_add"] = single[3], single[1]
    p, ap, x, r = (block(s) for s in (5, 6, 7, 8))
    results["advance"] = kernels.advance(numbers(1), p, ap, x, r)
    kernels.turn(numbers(2), numbers(3), single[0], p)
    results["narrow"] = out = on.xp.zeros_like(single[0])
    kernels.narrow(numbers(4), r, out)
    return {name: to_host(a) for name, a in (results | {"x": x, "r": r, "turn": p}).items()}


@pytest.mark.parametrize("n", [100, 5000])
def test_a_column_does_not_know_its_neighbours(backend, n):
    together = block_results(backend, n, 6)
    assert all(np.isfinite(a).all() for a in together.values())
    for columns in ([0], [3], [5, 1], [4, 3, 2, 0]):
        for name, apart in block_results(backend, n, 6, columns).items():
            np.testing.assert_array_equal(apart, together[name][..., columns], err_msg=f"{name}, columns {columns}")


def meeting_nodes(mesh, stars):
    """A node of each tetrahedron that meets at each node: rows in no order, in ranges of unlike length."""
    return np.ascontiguousarray(mesh.tets[stars[1], 2])


def all_results(on, mesh, stars):
    """One result of every kernel that both devices have, but for those of set-up: see test_coarsen.py."""
    move, k = on.xp.asarray, on.kernels
    nodes, tets, starts, meeting = (move(a) for a in (mesh.nodes, mesh.tets, *stars))
    s, vectors = sources()
    results = {
        "dipole_potential": k.dipole_potential(move(points(3000)), s, vectors),
        "current_potential": k.current_potential(move(points(3000)), s, vectors),
        "harmonic_series": k.harmonic_series(*(move(a) if isinstance(a, np.ndarray) else a for a in series())),
        "cubic_potential": k.cubic_potential(*map(move, grid())),
        "turned": k.turned(*map(move, placed())),
        "nearest": k.nearest(move(points(3000)), move(s)),
        "electric_field": k.electric_field(
            nodes, tets, move(random(len(mesh.tets), 3, seed=1)), move(random(len(mesh.nodes)))
        ),
    }
    dadt, phi, out = random(3, len(mesh.tets), 3, seed=1), random(len(mesh.nodes), 3), np.empty((3, len(mesh.tets)))
    results["field_strengths"], results["linear_changes"] = move(out), move(out + 0)
    k.field_strengths(nodes, tets, move(dadt), move(phi), results["field_strengths"])
    recovered = random(len(mesh.nodes), 3, 3)
    k.linear_changes(nodes, tets, tets, move(phi), move(recovered), results["linear_changes"])
    for components in (1, 6):
        sigma, dadt = move(random_sigma(len(mesh.tets), components)[0]), move(random(len(mesh.tets), 3))
        results[f"load {components}"] = k.loads(nodes, tets, sigma, dadt[None], starts, meeting)
        for name, a in zip(("indptr", "indices", "values"), k.stiffness(nodes, tets, sigma, starts, meeting)):
            results[f"stiffness {components} {name}"] = a
    results["coefficients"], results["residuals"] = k.fit_series(*map(move, samples()))
    results["starts"], results["meeting"] = k.incidence(tets, len(nodes))
    results["morton_codes"] = k.morton_codes(nodes, nodes.min(axis=0), move(np.array([0.2, 0.3, 0.4])), 20)
    results["lowest"], results["highest"] = k.corners(nodes, move(meeting_nodes(mesh, stars)), starts)
    for k in (1, 3):
        results |= {f"{name} {k}": a for name, a in block_results(on, 2500, k).items()}
    return {name: to_host(a) for name, a in results.items()}


def test_results_do_not_depend_on_the_number_of_threads(mesh, stars):
    def results(threads):
        core.set_threads(threads)
        return all_results(cpu_backend(), mesh, stars)

    before = core.threads()
    try:
        one, two = results(1), results(2)
    finally:
        core.set_threads(before)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_results_do_not_depend_on_the_launch_geometry(mesh, stars, tmp_path):
    xp = HostCupy()
    first = None
    for blocks, threads in ((1, 1), (2, 3), (7, 32)):
        kernels = CudaKernels(xp, host_module(tmp_path, blocks=blocks, threads=threads))
        results = all_results(Backend("cuda", xp, kernels, ""), mesh, stars)
        first = first or results
        for name in first:
            np.testing.assert_array_equal(results[name], first[name], err_msg=name)


# --- the two files belong together, and the host launches kernels ------------------------------------------


def test_both_devices_have_the_same_functions():
    names = [name for name in dir(CudaKernels) if not name.startswith("_") and name != "xp"]
    assert names
    for name in names:
        parameters = inspect.signature(getattr(cpu.CpuKernels, name)).parameters
        assert list(inspect.signature(getattr(CudaKernels, name)).parameters) == list(parameters), name


def test_kernels_that_both_devices_have_take_the_same():
    on_cpu, on_gpu = core.cpu_signatures(), core.gpu_signatures()
    both = set(on_cpu) & set(on_gpu)
    assert len(both) > 35
    for name in both:
        assert on_cpu[name] == on_gpu[name]


def test_signatures_are_read_from_the_source():
    field = core.gpu_signatures()["electric_field"].parameters
    assert [p.name for p in field] == ["m", "nodes", "tets", "dadt", "phi", "E"]
    assert [p.dtype for p in field] == [np.int64, np.float64, np.int32, *[np.float64] * 3]
    assert [p.const for p in field] == [True] * 5 + [False]
    assert [p.array for p in field] == [False] + [True] * 5
    with pytest.raises(ValueError, match="cannot read the parameter 'short n'"):
        signatures("KERNEL f(short n) {}")


def test_a_wrong_argument_is_an_error_on_the_host(mesh, tmp_path):
    launch = host_module(tmp_path).get_function("electric_field")
    xp = HostCupy()
    m, n = len(mesh.tets), len(mesh.nodes)
    good = [
        np.int64(m),
        xp.asarray(mesh.nodes),
        xp.asarray(mesh.tets),
        xp.asarray(np.zeros((m, 3))),
        xp.asarray(np.zeros(n)),
        xp.empty((m, 3)),
    ]
    launch((1,), (128,), good)
    assert (to_host(good[5]) == 0).all()
    frozen = xp.empty((m, 3))
    frozen.flags.writeable = False
    wrong = {
        "'m' must be a NumPy int64": (0, np.int32(m)),
        "'m' must be a NumPy int64; got 7": (0, 7),
        "'nodes' must be C-contiguous float64; got strided": (1, xp.asarray(mesh.nodes)[:, ::-1]),
        "'tets' must be C-contiguous int32; got C-contiguous int64": (2, xp.asarray(mesh.tets, np.int64)),
        "'phi' must be a device array; got ndarray": (4, np.zeros(n)),
        "'E' must be a device array; got uint64": (5, np.uint64(0)),
        "'E' is written to": (5, frozen),
    }
    for message, (place, value) in wrong.items():
        with pytest.raises(TypeError, match=message):
            launch((1,), (128,), [*good[:place], value, *good[place + 1 :]])
    with pytest.raises(TypeError, match="'nodes' must be C-contiguous float64"):
        launch((1,), (128,), [good[i] for i in (0, 2, 1, 3, 4, 5)])
    with pytest.raises(TypeError, match="takes 6 arguments; got 5"):
        launch((1,), (128,), good[:5])
    with pytest.raises(ValueError, match="no GPU launches"):
        launch((1,), (2048,), good)
    with pytest.raises(KeyError):
        host_module(tmp_path).get_function("divergence")
