"""Recovered gradients: exact where they must be, one-sided, and with something to say where a patch is too small."""

import numpy as np
import pytest
from mesh.boxes import REGULAR, box, joined

from femtms import FemtmsError, TetMesh
from femtms.backend import backend, to_host
from femtms.core import set_threads, threads
from femtms.field.recovery import FIELDS, METHODS, TissueRecovery

SLOPE = np.array([0.3, -1.2, 0.7])  # V/m
# The second derivatives of φ in V/m²: symmetric; the trace of the first is zero.
HARMONIC = np.array([[1.0, 0.4, -0.8], [0.4, 0.5, 0.9], [-0.8, 0.9, -1.5]])
QUADRATIC = HARMONIC + np.diag([2.0, 0.5, 1.0])


def unknowns(mesh, order):
    """Where the unknowns of elements of that order are (N,3)."""
    if order == 1:
        return mesh.nodes
    return np.concatenate([mesh.nodes, mesh.nodes[mesh.edges].mean(axis=1)])


def quadratic_potential(points, second):
    return points @ SLOPE + 0.5 * np.einsum("pi,ij,pj->p", points, second, points) + 7.0


def distorted(cells, tags=2, amount=0.12):
    """A box of tetrahedra whose nodes are off their places."""
    nodes, tets = box(cells)
    nodes += np.random.default_rng(1).uniform(-amount, amount, nodes.shape)
    return TetMesh(1e-2 * nodes, tets, np.broadcast_to(tags, len(tets)))


@pytest.fixture(scope="module")
def block():
    return distorted((4, 4, 4))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_a_uniform_field_is_recovered_everywhere(block, method, order):
    recovery = TissueRecovery.build(block, order, method, 2)
    gradients = recovery.gradients(unknowns(block, order) @ SLOPE + 3.0)
    np.testing.assert_allclose(gradients[:, :3], np.tile(SLOPE, (len(block.nodes), 1)), rtol=0, atol=1e-11)
    np.testing.assert_allclose(gradients[:, 3:], 0, atol=1e-8)
    np.testing.assert_allclose(recovery.at_centroids(gradients), np.tile(SLOPE, (len(block.tets), 1)), atol=1e-11)


@pytest.mark.parametrize("method, second", [("harmonic", HARMONIC), ("spr", QUADRATIC), ("spr", HARMONIC)])
def test_a_linear_gradient_of_quadratic_elements_is_recovered_everywhere(block, method, second):
    recovery = TissueRecovery.build(block, 2, method, 2)
    assert recovery.fitted.all()
    gradients = recovery.gradients(quadratic_potential(unknowns(block, 2), second))
    np.testing.assert_allclose(gradients[:, :3], SLOPE + block.nodes @ second, rtol=0, atol=1e-10)
    slopes = np.einsum("qk,kij->qij", gradients[:, 3:], recovery.slopes)
    np.testing.assert_allclose(slopes, np.broadcast_to(second, slopes.shape), rtol=0, atol=1e-7)
    np.testing.assert_allclose(recovery.at_centroids(gradients), SLOPE + block.centroids @ second, rtol=0, atol=1e-10)


def test_harmonic_fits_admit_no_divergence(block):
    """What is not harmonic is not fitted: that is what tensors need "spr" for, and `isotropic` gives them."""
    potential = quadratic_potential(unknowns(block, 2), QUADRATIC)
    exact = SLOPE + block.nodes @ QUADRATIC
    wrong = TissueRecovery.build(block, 2, "harmonic", 2).gradients(potential)[:, :3] - exact
    assert np.abs(wrong).max() > 1e-3
    tensors = TissueRecovery.build(block, 2, "harmonic", 2, isotropic=False)
    assert tensors.method == "spr"
    np.testing.assert_allclose(tensors.gradients(potential)[:, :3], exact, rtol=0, atol=1e-10)


@pytest.mark.parametrize("method, second", [("harmonic", HARMONIC), ("spr", QUADRATIC)])
def test_linear_elements_recover_a_linear_gradient_where_patches_are_symmetric(method, second):
    nodes, tets = box((6, 6, 6))
    mesh = TetMesh(1e-2 * nodes, tets, np.full(len(tets), 2))
    recovery = TissueRecovery.build(mesh, 1, method, 2)
    gradients = recovery.gradients(quadratic_potential(mesh.nodes, second))
    exact = SLOPE + mesh.nodes @ second
    inside = ((nodes > 0) & (nodes < 6)).all(axis=1)
    np.testing.assert_allclose(gradients[inside], exact[inside], rtol=0, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_values_at_an_interface_are_one_sided(method, order):
    """φ with a kink at x = 2 cm, as between conductors: either side has its own gradient up to the interface."""
    nodes, tets = box((4, 4, 4))
    mesh = TetMesh(1e-2 * nodes, tets, np.where(nodes[tets].mean(axis=1)[:, 0] < 2, 2, 3))
    x = unknowns(mesh, order)
    potential = x @ SLOPE + 5.0 * np.maximum(x[:, 0] - 0.02, 0)
    shared = None
    for tag, jump in ((2, 0.0), (3, 5.0)):
        recovery = TissueRecovery.build(mesh, order, method, tag)
        gradients = recovery.gradients(potential)[:, :3]
        np.testing.assert_allclose(gradients, np.tile(SLOPE + [jump, 0, 0], (len(gradients), 1)), atol=1e-11)
        np.testing.assert_array_equal(mesh.nodes[recovery.nodes], recovery.points)
        np.testing.assert_array_equal(recovery.nodes[recovery.corners], mesh.tets[recovery.rows])
        shared = set(recovery.nodes) if shared is None else shared & set(recovery.nodes)
    assert len(shared) == 25


@pytest.mark.parametrize("method, second", [("harmonic", HARMONIC), ("spr", QUADRATIC)])
def test_layers_one_tetrahedron_thick_are_recovered(method, second):
    nodes, tets = box((6, 6, 1))
    thin = TetMesh(1e-2 * nodes * [1, 1, 0.3], tets, np.full(len(tets), 3))
    linear = TissueRecovery.build(thin, 1, method, 3)
    np.testing.assert_allclose(
        linear.gradients(thin.nodes @ SLOPE), np.tile(SLOPE, (len(thin.nodes), 1)), rtol=0, atol=1e-11
    )
    quadratic = TissueRecovery.build(thin, 2, method, 3)
    assert quadratic.fitted.all()
    gradients = quadratic.gradients(quadratic_potential(unknowns(thin, 2), second))
    np.testing.assert_allclose(gradients[:, :3], SLOPE + thin.nodes @ second, rtol=0, atol=1e-9)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_crumbs_have_the_mean_of_what_they_have(method, order):
    """A lone tetrahedron, two that share a face, and two that touch in one node."""
    pair = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1.0]]), np.array([[0, 1, 2, 3], [1, 2, 3, 4]])
    at_a_node = np.concatenate([REGULAR, 2 * REGULAR[3] - REGULAR[:3]]), np.array([[0, 1, 2, 3], [4, 6, 5, 3]])
    nodes, tets = joined((REGULAR, np.array([[0, 1, 2, 3]])), pair, at_a_node)
    flipped = np.linalg.det(nodes[tets][:, 1:] - nodes[tets][:, :1]) < 0
    tets[flipped] = tets[flipped][:, [0, 1, 3, 2]]
    mesh = TetMesh(1e-2 * nodes, tets, np.full(len(tets), 2))
    recovery = TissueRecovery.build(mesh, order, method, 2)
    gradients = recovery.gradients(unknowns(mesh, order) @ SLOPE)[:, :3]
    np.testing.assert_allclose(gradients, np.tile(SLOPE, (len(nodes), 1)), atol=1e-11)
    if order == 1:  # one ∇φ_h at hand: that is the value, at all of its corners
        assert not recovery.fitted[:4].any()
        potential = np.zeros(len(nodes))
        potential[0] = 1.0
        raw = np.linalg.inv(np.column_stack([np.ones(4), mesh.nodes[tets[0]]]))[1:, list(tets[0]).index(0)]
        np.testing.assert_allclose(recovery.gradients(potential)[:4], np.tile(raw, (4, 1)), rtol=1e-12)


def test_harmonic_fields_have_neither_curl_nor_divergence():
    """Their derivatives at random points, exact for polynomials of second degree by central differences."""
    points, step = np.random.default_rng(4).normal(size=(20, 3)), 0.5
    derivatives = np.empty((15, 20, 3, 3))
    for d, e in enumerate(step * np.eye(3)):
        ahead, behind = (np.einsum("kiz,pz->kpi", FIELDS["harmonic"], monomials(p)) for p in (points + e, points - e))
        derivatives[:, :, :, d] = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(np.trace(derivatives, axis1=2, axis2=3), 0, atol=1e-12)
    np.testing.assert_allclose(derivatives, derivatives.swapaxes(2, 3), atol=1e-12)
    at_points = np.einsum("kiz,pz->kpi", FIELDS["harmonic"], monomials(points)).reshape(15, -1)
    assert np.linalg.matrix_rank(at_points) == 15


def monomials(p):
    x, y, z = p.T
    return np.column_stack([1 + 0 * x, x, y, z, x**2, y**2, z**2, x * y, x * z, y * z])


def test_evaluation_is_exact_for_quadratic_gradients(block):
    """theory.md (39), for ∇(x³ - 3xy²), all of whose values and slopes at the nodes are given."""
    recovery = TissueRecovery.build(block, 2, "harmonic", 2)

    def gradient(p):
        x, y = p[:, 0], p[:, 1]
        return np.column_stack([3 * (x**2 - y**2), -6 * x * y, 0 * x])

    gradients = np.zeros((len(block.nodes), 8))
    gradients[:, :3] = gradient(block.nodes)
    gradients[:, 3] = -6 * block.nodes[:, 1]  # ∂²φ/∂x∂y
    gradients[:, 6] = 6 * block.nodes[:, 0]  # ∂²φ/∂x² = -∂²φ/∂y²
    weights = np.random.default_rng(2).dirichlet(np.ones(4), 50)
    tets = np.random.default_rng(3).integers(0, len(block.tets), 50)
    points = np.einsum("pa,pad->pd", weights, block.nodes[block.tets[tets]])
    np.testing.assert_allclose(recovery.at(gradients, tets, weights), gradient(points), rtol=0, atol=1e-15)
    at_corner = recovery.at(gradients, tets, np.tile([0.0, 0, 1, 0], (50, 1)))
    np.testing.assert_allclose(at_corner, gradients[recovery.corners[tets, 2], :3], rtol=1e-14)


@pytest.mark.parametrize("order", [1, 2])
def test_a_block_has_the_bits_of_single_potentials(block, order, device):
    on = backend(device)
    recovery = TissueRecovery.build(block, order, "harmonic", 2, backend=on)
    potentials = on.xp.asarray(np.random.default_rng(0).normal(size=(recovery.matrix.shape[1], 5)))
    together = recovery.gradients(potentials)
    at_centroids = to_host(recovery.at_centroids(together))
    assert together.shape[2] == 5 and at_centroids.shape == (len(block.tets), 3, 5)
    for i in range(5):
        alone = recovery.gradients(potentials[:, i])
        np.testing.assert_array_equal(to_host(together[:, :, i]), to_host(alone))
        np.testing.assert_array_equal(at_centroids[:, :, i], to_host(recovery.at_centroids(alone)))


def test_every_device_recovers_the_same(block, device):
    potential = np.random.default_rng(0).normal(size=len(block.nodes) + len(block.edges))
    on = backend(device)
    recovery = TissueRecovery.build(block, 2, "harmonic", 2, backend=on)
    there = recovery.at_centroids(recovery.gradients(on.xp.asarray(potential)))
    here = TissueRecovery.build(block, 2, "harmonic", 2)
    np.testing.assert_allclose(
        to_host(there),
        here.at_centroids(here.gradients(potential)),
        rtol=1e-9,
        atol=1e-9 * np.abs(to_host(there)).max(),
    )


def test_it_does_not_depend_on_the_number_of_threads(block):
    before = threads()
    many = TissueRecovery.build(block, 1, "harmonic", 2).matrix
    try:
        set_threads(1)
        one = TissueRecovery.build(block, 1, "harmonic", 2).matrix
    finally:
        set_threads(before)
    np.testing.assert_array_equal(many.data, one.data)
    np.testing.assert_array_equal(many.indices, one.indices)


def test_bad_requests_are_refused(block):
    with pytest.raises(FemtmsError, match="order must be 1 or 2; got 3"):
        TissueRecovery.build(block, 3, "spr", 2)
    with pytest.raises(FemtmsError, match="must be one of harmonic, spr; got 'best'"):
        TissueRecovery.build(block, 1, "best", 2)
    with pytest.raises(FemtmsError, match="has gm, not"):
        TissueRecovery.build(block, 1, "spr", 5)
    recovery = TissueRecovery.build(block, 2, "spr", 2)
    with pytest.raises(FemtmsError, match="of elements of order 2; got an array of"):
        recovery.gradients(np.zeros(len(block.nodes)))
    assert "gm, spr, order 2: 125 nodes, 0 without a fit" in repr(recovery)
