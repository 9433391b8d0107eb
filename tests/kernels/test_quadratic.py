"""Quadratic elements on either device against scikit-fem, and what their bits may depend on."""

import numpy as np
import pytest
import skfem
from kernels.host_cuda import HostCupy, host_module
from scipy import sparse
from skfem.helpers import dot, grad

from femtms import core
from femtms.backend import Backend, cpu_backend, to_host
from femtms.fem.lagrange import POINTS, WEIGHTS, quadrature_points
from femtms.fem.p1 import P1
from femtms.fem.p2 import P2
from femtms.head.sphere import LayeredSphere
from femtms.kernels.cuda import CudaKernels
from femtms.mesh.generate import mesh_head


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((30.0, 40.0), (2, 5)), 12.0)


def random(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def random_sigma(m, components):
    """(m,1), or (m,6) of symmetric positive-definite tensors, and the same as (3,3,m) for scikit-fem; S/m."""
    if components == 1:
        sigma = np.random.default_rng(4).uniform(0.01, 2, (m, 1))
        return sigma, np.einsum("m,de->dem", sigma[:, 0], np.eye(3))
    roots = random(m, 3, 3, seed=5)
    tensors = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(3)
    row, column = np.triu_indices(3)
    return np.ascontiguousarray(tensors[:, row, column]), tensors.transpose(1, 2, 0)


def basis(mesh, points=POINTS, weights=WEIGHTS):
    grid = skfem.MeshTet(mesh.nodes.T.copy(), mesh.tets.T.astype(np.int64).copy())
    return skfem.Basis(grid, skfem.ElementTetP2(), quadrature=(points[:, 1:].T.copy(), weights / 6))


def on_host(matrix):
    """A matrix of either device as one of SciPy's."""
    return sparse.csr_array(tuple(to_host(a) for a in (matrix.data, matrix.indices, matrix.indptr)), shape=matrix.shape)


def close(got, expected, rtol=1e-12):
    """Equal but for rounding, measured on the scale of the whole array."""
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, expected, rtol=0, atol=rtol * np.abs(expected).max())


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_the_quadrature_is_exact_for_cubic_polynomials(degree):
    """∫ λ_1^i λ_2^j λ_3^k over a tetrahedron of volume 1 is 6 i! j! k! / (i+j+k+3)!"""
    from math import factorial as f

    for i in range(degree + 1):
        for j in range(degree + 1 - i):
            k = degree - i - j
            exact = 6 * f(i) * f(j) * f(k) / f(i + j + k + 3)
            assert WEIGHTS @ (POINTS[:, 1] ** i * POINTS[:, 2] ** j * POINTS[:, 3] ** k) == pytest.approx(
                exact, rel=1e-13
            )


@pytest.mark.parametrize("components", [1, 6])
def test_stiffness_is_that_of_scikit_fem(backend, mesh, components):
    sigma, tensors = random_sigma(len(mesh.tets), components)
    p2, stiffness = P2.build(mesh, sigma, backend)
    form = skfem.BilinearForm(lambda u, v, w: dot(np.einsum("de...,e...->d...", w.sigma, grad(u)), grad(v)))
    points = len(POINTS)
    expected = form.assemble(basis(mesh), sigma=np.repeat(tensors[..., None], points, axis=-1))
    order = to_host(p2.permutation)
    close(on_host(stiffness).toarray(), expected[order][:, order].toarray())


@pytest.mark.parametrize("components", [1, 6])
def test_load_is_that_of_scikit_fem(backend, mesh, components):
    sigma, tensors = random_sigma(len(mesh.tets), components)
    p2, _ = P2.build(mesh, sigma, backend)
    dadt = random(len(POINTS) * len(mesh.tets), 3, seed=8)
    at_points = dadt.reshape(len(mesh.tets), len(POINTS), 3)
    flux = np.einsum("dem,mqe->dmq", tensors, at_points)
    expected = skfem.LinearForm(lambda v, w: -dot(w.flux, grad(v))).assemble(basis(mesh), flux=flux)
    close(to_host(p2.in_mesh_order(p2.load(backend.xp.asarray(dadt)))), expected)


def test_quadrature_points_are_those_of_scikit_fem(mesh):
    expected = np.asarray(basis(mesh).global_coordinates()).transpose(1, 2, 0).reshape(-1, 3)
    close(quadrature_points(mesh), expected, 1e-14)
    close(P2.quadrature_points(mesh)[:: len(POINTS)], mesh.centroids, 1e-14)


def test_field_at_centroids_is_that_of_scikit_fem(backend, mesh):
    p2, _ = P2.build(mesh, np.ones((len(mesh.tets), 1)), backend)
    potential, dadt = random(p2.unknowns, seed=9), random(len(mesh.tets), 3, seed=10)
    at_centroids = basis(mesh, np.full((1, 4), 0.25), np.ones(1))
    expected = -dadt - np.asarray(at_centroids.interpolate(potential).grad)[:, :, 0].T
    ours = backend.xp.asarray(potential)[p2.permutation]
    close(to_host(p2.field(backend.xp.asarray(dadt), ours)), expected)
    assert np.array_equal(to_host(p2.in_mesh_order(ours)), potential)


def test_linear_functions_are_quadratic_ones(backend, mesh):
    """Galerkin: Pᵀ K P is the stiffness matrix of the linear elements, so these are the next level of multigrid."""
    sigma, _ = random_sigma(len(mesh.tets), 6)
    p1, linear = P1.build(mesh, sigma, backend)
    p2, quadratic = P2.build(mesh, sigma, backend)
    interpolation, linear, quadratic = map(on_host, (p2.interpolation(mesh, p1.permutation), linear, quadratic))
    phi = random(len(mesh.nodes), seed=11)
    fine = interpolation @ phi[to_host(p1.permutation)]
    expected = np.concatenate([phi, phi[mesh.edges].mean(axis=1)])
    close(to_host(p2.in_mesh_order(backend.xp.asarray(fine))), expected, 1e-15)
    close(interpolation.T @ (quadratic @ fine), linear @ phi[to_host(p1.permutation)])
    of_nodes = to_host(p2.of_nodes)
    assert np.array_equal(to_host(p2.permutation)[of_nodes], np.arange(len(mesh.nodes)))


def results(on, mesh):
    """Everything that has a kernel of its own."""
    found = {}
    for components in (1, 6):
        p2, stiffness = P2.build(mesh, random_sigma(len(mesh.tets), components)[0], on)
        found |= {f"{name} {components}": getattr(stiffness, name) for name in ("indptr", "indices", "data")}
        found[f"load {components}"] = p2.load(on.xp.asarray(random(len(POINTS) * len(mesh.tets), 3)))
    found["field"] = p2.field(on.xp.asarray(random(len(mesh.tets), 3)), on.xp.asarray(random(p2.unknowns)))
    return {name: to_host(a) for name, a in found.items()}


def test_results_do_not_depend_on_the_number_of_threads(mesh):
    before = core.threads()
    try:
        core.set_threads(1)
        one = results(cpu_backend(), mesh)
        core.set_threads(2)
        two = results(cpu_backend(), mesh)
    finally:
        core.set_threads(before)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_results_do_not_depend_on_the_launch_geometry(mesh, tmp_path):
    xp, first = HostCupy(), None
    for blocks, threads in ((1, 1), (7, 32)):
        kernels = CudaKernels(xp, host_module(tmp_path, blocks=blocks, threads=threads))
        found = results(Backend("cuda", xp, kernels, ""), mesh)
        first = first or found
        for name in first:
            np.testing.assert_array_equal(found[name], first[name], err_msg=name)
