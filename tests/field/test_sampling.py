"""A field at points, on surfaces and on grids: exact where the potential is linear, one-sided at interfaces."""

import dataclasses
import logging

import numpy as np
import pytest

from femtms import FemtmsError, Field, LayeredSphere, Simulator, Surface, mesh_head
from femtms.backend import cpu_backend
from femtms.field.places import Places, in_tissue
from femtms.field.recoveries import RAW, Recoveries

UNIFORM = np.array([3.0, -2.0, 5.0])  # V/m


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), 16.0)


@pytest.fixture(scope="module")
def uniform(mesh, dipole_coil, vertex_pose):
    """E is the same everywhere: φ = -E·x, and no current that changes."""
    sigma = np.ones((len(mesh.tets), 1))
    return Field(
        mesh=mesh,
        E=np.tile(UNIFORM, (len(mesh.tets), 1)),
        potential=-mesh.nodes @ UNIFORM,
        coil=dipole_coil,
        pose=vertex_pose,
        didt=0.0,
        iterations=0,
        residual=0.0,
        seconds={},
        device="paper",
        sigma=sigma,
        recoveries=Recoveries(mesh, RAW, 1, sigma, cpu_backend()),
    )


@pytest.fixture(scope="module")
def solved(mesh, dipole_coil, vertex_pose):
    return Simulator(mesh, device="cpu").solve(dipole_coil, vertex_pose, 1e6)


def in_ball(radius_mm, count, seed=0):
    points = np.random.default_rng(seed).normal(size=(count, 3))
    lengths = radius_mm * np.random.default_rng(seed + 1).uniform(size=count) ** (1 / 3)
    return points * (lengths / np.linalg.norm(points, axis=1))[:, None]


# --- at points --------------------------------------------------------------------------------------------------------


def test_a_linear_potential_gives_the_same_field_everywhere(uniform):
    for tissue in (None, "gm", "scalp"):
        points = in_ball(50 if tissue == "gm" else 85, 500)
        points *= 88 / np.linalg.norm(points, axis=1)[:, None] if tissue == "scalp" else 1
        np.testing.assert_allclose(uniform.at(points, tissue), np.tile(UNIFORM, (500, 1)), atol=1e-10)


def test_the_field_is_minus_dadt_there_minus_the_gradient_of_that_tetrahedron(solved):
    points = in_ball(85, 40)
    tets, _ = solved.mesh.locate(1e-3 * points)
    coil = solved.coil.moved(solved.pose)
    for point, t, E in zip(points, tets, solved.at(points)):
        corners = solved.mesh.nodes[solved.mesh.tets[t]]
        phi = solved.potential[solved.mesh.tets[t]]
        gradient = np.linalg.solve(corners[1:] - corners[0], phi[1:] - phi[0])
        dadt = 1e6 * coil.vector_potential(1e-3 * point[None])[0]
        np.testing.assert_allclose(E, -dadt - gradient, atol=1e-9 * np.linalg.norm(dadt))


def test_at_centroids_it_is_the_field_of_the_tetrahedra(solved):
    E = solved.at(1e3 * solved.mesh.centroids)
    np.testing.assert_allclose(E, solved.E, atol=1e-5 * solved.magnE.max())
    quarter = np.full((len(solved.mesh.tets), 4), 0.25)
    np.testing.assert_allclose(solved.E_in(np.arange(len(solved.mesh.tets)), quarter), solved.E, atol=1e-12)


def test_quadratic_elements_have_a_linear_field(mesh, dipole_coil, vertex_pose):
    """φ = x·Qx/2 - E·x is in their space: E is exact at every point; at centroids it is the solver's own."""
    Q = np.array([[2.0, 1, 0], [1, -3, 4], [0, 4, 1]])
    points = np.concatenate([mesh.nodes, mesh.nodes[mesh.edges].mean(axis=1)])
    phi = np.einsum("nd,de,ne->n", points, Q, points) / 2 - points @ UNIFORM
    field = Simulator(mesh, order=2, device="cpu").solve(dipole_coil, vertex_pose, 1e6)
    where = in_ball(85, 300)
    made_up = dataclasses.replace(field, potential=phi, didt=0.0)
    np.testing.assert_allclose(made_up.at(where), UNIFORM - 1e-3 * where @ Q, atol=1e-9)
    quarter = np.full((len(mesh.tets), 4), 0.25)
    np.testing.assert_allclose(field.E_in(np.arange(len(mesh.tets)), quarter), field.E, atol=1e-4 * field.magnE.max())
    assert field.order == 2


def test_across_an_interface_the_tangential_field_goes_on_and_the_normal_one_jumps(solved):
    """At points of faces that a tetrahedron of grey matter shares with one of CSF, from both sides."""
    mesh = solved.mesh
    faces = {}
    for t in np.flatnonzero(np.isin(mesh.tags, (2, 3))):
        for a in range(4):
            faces.setdefault(tuple(sorted(np.delete(mesh.tets[t], a).tolist())), []).append(t)
    shared = [(f, ts) for f, ts in faces.items() if len(ts) == 2 and mesh.tags[ts[0]] != mesh.tags[ts[1]]]
    assert len(shared) > 100
    corners = mesh.nodes[[f for f, _ in shared]]
    middles = corners.mean(axis=1)
    sides = [solved.at(1e3 * middles, tissue) for tissue in ("gm", "csf")]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    jump = sides[1] - sides[0]
    across = np.einsum("fd,fd->f", jump, normals)
    np.testing.assert_allclose(jump - across[:, None] * normals, 0, atol=1e-9 * solved.magnE.max())
    assert np.abs(across).max() > 1e-3 * solved.magnE.max()


def test_points_beside_the_tissue_have_the_field_of_its_nearest_point(solved):
    direction = in_ball(1, 300, seed=5)
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    points = 60.4 * direction  # outside the sphere of grey matter, all around
    places = Places.of(solved.mesh, 1e-3 * points, "gm")
    assert places.counts()["moved"] > 200
    assert set(in_tissue(solved.mesh, places)) <= {"gm", None}
    near = ~places.outside
    weights, tets = places.weights[near], places.tets[near]
    foot = np.einsum("pa,pad->pd", weights, solved.mesh.nodes[solved.mesh.tets[tets]])
    assert (np.linalg.norm(foot - 1e-3 * points[near], axis=1) < 1e-3).all()
    E = solved.at(points, "gm")
    np.testing.assert_array_equal(np.isnan(E).any(axis=1), places.outside)
    np.testing.assert_allclose(E[near], solved.at(1e3 * foot, "gm"), rtol=1e-6, atol=1e-9)


def test_points_in_air_are_nan_and_one_warning_says_how_many(uniform, caplog):
    points = np.array([[0, 0, 50.0], [0, 0, 150], [np.nan, 0, 0], [0, 40, 0], [np.inf, 0, 0]])
    with caplog.at_level(logging.WARNING, logger="femtms"):
        E = uniform.at(points)
    np.testing.assert_array_equal(np.isnan(E).all(axis=1), [False, True, True, False, True])
    np.testing.assert_allclose(E[[0, 3]], [UNIFORM] * 2, atol=1e-10)
    assert len(caplog.messages) == 1
    assert "3 of 5 points are not in the head" in caplog.text
    assert "the first is number 1, at (0.0, 0.0, 150.0) mm" in caplog.text


def test_points_far_from_the_tissue_are_nan_and_their_reach_is_said(uniform, caplog):
    with caplog.at_level(logging.WARNING, logger="femtms"):
        E = uniform.at([[0, 0, 50.0], [0, 0, 65.0]], "gm")
    assert np.isnan(E[1]).all() and np.isfinite(E[0]).all()
    assert "1 of 2 points are not in gm, or within 1 mm of it" in caplog.text
    np.testing.assert_allclose(uniform.at([[0, 0, 65.0]], "gm", reach_mm=8), [UNIFORM], atol=1e-10)


def test_nothing_but_air_is_an_error(uniform):
    with pytest.raises(
        FemtmsError, match=r"at least one of the 2 points must be in the head; none is, the first is at"
    ):
        uniform.at([[0, 0, 150.0], [np.nan, 0, 0]])
    with pytest.raises(FemtmsError, match="in gm, or within 1 mm of it"):
        uniform.at([[0, 0, 88.0]], "gm")
    assert uniform.at(np.zeros((0, 3))).shape == (0, 3)


def test_bad_arguments_are_refused(uniform):
    with pytest.raises(FemtmsError, match=r"points must be \(p,3\) in mm, one row for each; got shape \(3,\)"):
        uniform.at([0, 0, 50])
    with pytest.raises(FemtmsError, match="must have the tissue that is asked for"):
        uniform.at([[0, 0, 50]], "wm")
    with pytest.raises(FemtmsError, match="reach must be"):
        uniform.at([[0, 0, 50]], "gm", reach_mm=-1)
    with pytest.raises(FemtmsError, match=r"from -1 \(outside\) to"):
        uniform.E_in(np.array([len(uniform.mesh.tets)]), np.full((1, 4), 0.25))
    with pytest.raises(FemtmsError, match=r"barycentric coordinates \(p,4\)"):
        uniform.E_in(np.array([0, 1]), np.full((1, 4), 0.25))
    with pytest.raises(FemtmsError, match="whole numbers"):
        uniform.E_in(np.array([0.5]), np.full((1, 4), 0.25))
    assert np.isnan(uniform.E_in(np.array([-1]), np.full((1, 4), np.nan))).all()


# --- on surfaces ------------------------------------------------------------------------------------------------------


def midlayer(mesh, radius_mm):
    """The surface of grey matter, drawn in or blown up to a sphere."""
    surface = mesh.surface("gm")
    lengths = np.linalg.norm(surface.nodes, axis=1, keepdims=True)
    return dataclasses.replace(surface, nodes=1e-3 * radius_mm * surface.nodes / lengths, tissue="mid")


def test_components_on_a_sphere_in_a_uniform_field_are_those_of_geometry(uniform):
    surface = midlayer(uniform.mesh, 55)
    on = uniform.on_surface(surface)
    outward = surface.node_normals
    np.testing.assert_allclose(np.einsum("nd,nd->n", outward, surface.nodes) / 0.055, 1, atol=0.01)
    np.testing.assert_allclose(on.magnE, np.linalg.norm(UNIFORM), rtol=1e-10)
    np.testing.assert_allclose(on.normal, -outward @ UNIFORM, atol=1e-10)
    np.testing.assert_allclose(on.tangential, np.linalg.norm(np.cross(outward, UNIFORM), axis=1), atol=1e-9)
    np.testing.assert_allclose(np.cos(np.radians(on.angle)), on.normal / on.magnE, atol=1e-9)
    assert on.places.counts() == {"points": len(surface.nodes), "inside": len(surface.nodes), "moved": 0, "outside": 0}


def test_the_normal_component_is_positive_where_the_field_enters(uniform):
    surface = midlayer(uniform.mesh, 55)
    on = uniform.on_surface(surface)
    upstream = surface.nodes @ UNIFORM
    assert on.normal[upstream.argmin()] > 0.98 * np.linalg.norm(UNIFORM)
    assert on.angle[upstream.argmin()] < 12
    assert on.normal[upstream.argmax()] < -0.98 * np.linalg.norm(UNIFORM)
    assert on.angle[upstream.argmax()] > 168
    inside_out = dataclasses.replace(surface, triangles=surface.triangles[:, ::-1])
    np.testing.assert_allclose(uniform.on_surface(inside_out).normal, -on.normal, atol=1e-10)


def test_a_magnetic_dipole_makes_no_field_across_a_sphere(solved):
    """The radial component of the exact field is zero: theory.md (15)."""
    on = solved.on_surface(midlayer(solved.mesh, 50))
    areas = on.surface.node_areas
    assert np.sqrt((on.normal**2 @ areas) / (on.magnE**2 @ areas)) < 0.1


def test_a_surface_that_pokes_out_is_moved_or_nan_and_counted(uniform, caplog):
    near = midlayer(uniform.mesh, 60.3)
    on = uniform.on_surface(near)
    counts = on.places.counts()
    assert counts["moved"] > 0 and counts["outside"] == 0
    np.testing.assert_allclose(on.magnE, np.linalg.norm(UNIFORM), rtol=1e-9)
    half = dataclasses.replace(near, nodes=near.nodes + [0.03, 0, 0])
    with caplog.at_level(logging.WARNING, logger="femtms"):
        on = uniform.on_surface(half)
    counts = on.places.counts()
    assert 0 < counts["outside"] < counts["points"]
    assert f"{counts['outside']:,} of {counts['points']:,} nodes of the surface are not in gm" in caplog.text
    assert np.isnan(on.magnE).sum() == np.isnan(on.angle).sum() == counts["outside"]
    summary = on.summary()
    assert summary["outside"] == counts["outside"] and summary["nodes"] == counts["points"]
    assert summary["area_cm2"] < 1e4 * half.area
    assert summary["mean"] == pytest.approx(np.linalg.norm(UNIFORM))
    assert f"{counts['outside']:,} outside" in repr(on)
    with pytest.raises(FemtmsError, match="none is"):
        uniform.on_surface(dataclasses.replace(near, nodes=near.nodes + [0.3, 0, 0]))


def test_numbers_of_a_surface_are_weighted_by_area(solved):
    on = solved.on_surface(midlayer(solved.mesh, 55))
    summary, areas = on.summary(), on.surface.node_areas
    assert areas.sum() == pytest.approx(on.surface.area)
    assert summary["area_cm2"] == pytest.approx(1e4 * on.surface.area)
    assert summary["mean"] == pytest.approx(on.magnE @ areas / areas.sum())
    assert 0 < summary["median"] <= summary["p95"] <= summary["p99"] <= summary["p99_9"] <= summary["peak"]
    assert summary["peak_mm"] == pytest.approx(1e3 * on.surface.nodes[on.magnE.argmax()])
    assert summary["normal_lowest"] == on.normal.min() and summary["tangential_highest"] == on.tangential.max()


def test_nodes_without_a_normal_have_a_magnitude_and_no_components(uniform):
    nodes = 1e-3 * np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 30]])
    sheet = Surface(nodes, [[0, 1, 2]], "sheet")  # node 3 is of no triangle
    on = uniform.on_surface(sheet)
    np.testing.assert_allclose(sheet.node_normals[:3], [[0, 0, 1]] * 3)
    assert np.isnan(sheet.node_normals[3]).all() and sheet.node_areas[3] == 0
    np.testing.assert_allclose(on.normal[:3], -UNIFORM[2])
    assert np.isnan([on.normal[3], on.tangential[3], on.angle[3]]).all()
    assert on.magnE[3] == pytest.approx(np.linalg.norm(UNIFORM))
    both_sides = Surface(nodes, [[0, 1, 2], [0, 2, 1]], "leaf")
    on = uniform.on_surface(both_sides)
    assert np.isnan(on.normal).all()
    assert on.summary()["normal_lowest"] is None and on.summary()["mean"] == pytest.approx(np.linalg.norm(UNIFORM))


def test_normals_are_weighted_by_the_areas_of_triangles():
    """At a corner of a box with sides 1, 2, 3 the normal is that of the area vector, however faces are cut."""
    nodes = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    corner = Surface(nodes, [[0, 2, 1], [0, 1, 3], [0, 3, 2]], "corner")
    area = -np.array([2 * 3, 1 * 3, 1 * 2]) / 2
    np.testing.assert_allclose(corner.node_normals[0], area / np.linalg.norm(area))
    cut = Surface([*nodes, [0.5, 1, 0]], [[0, 2, 4], [0, 4, 1], [0, 1, 3], [0, 3, 2]], "corner")
    np.testing.assert_allclose(cut.node_normals[0], corner.node_normals[0])


# --- on grids ---------------------------------------------------------------------------------------------------------


def test_a_grid_has_what_its_points_have(solved, monkeypatch):
    rotation = np.linalg.qr(np.random.default_rng(7).normal(size=(3, 3)))[0]
    affine = np.eye(4)
    affine[:3, :3] = 14 * rotation
    affine[:3, 3] = -rotation.sum(axis=1) * 14 * 6.5
    shape = (14, 13, 15)
    monkeypatch.setattr("femtms.field.grid._TOGETHER", 100)  # several parts
    E = solved.on_grid(affine, shape)
    assert E.shape == (*shape, 3)
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) @ affine[:3, :3].T + affine[:3, 3]
    expected = solved.at(points.reshape(-1, 3)).reshape(*shape, 3)
    np.testing.assert_array_equal(np.isnan(E), np.isnan(expected))
    assert 0.1 < np.isnan(E).mean() < 0.9
    np.testing.assert_allclose(E, expected, atol=1e-6 * solved.magnE.max())


def test_a_grid_away_from_the_head_is_empty_and_bad_grids_are_refused(uniform):
    affine = np.eye(4)
    affine[:3, 3] = 500
    assert np.isnan(uniform.on_grid(affine, (3, 3, 3))).all()
    for bad, words in (
        ((np.eye(3), (3, 3, 3)), "finite 4×4 matrix"),
        ((np.full((4, 4), np.nan), (3, 3, 3)), "finite 4×4 matrix"),
        ((np.diag([1.0, 1, 0, 1]), (3, 3, 3)), "invertible"),
        ((np.eye(4), (3, 3)), "three whole numbers"),
        ((np.eye(4), (3, 3, 0)), "three whole numbers"),
        ((np.eye(4), (3, 3, 1.5)), "three whole numbers"),
        (("affine", (3, 3, 3)), "4×4 matrix in mm"),
    ):
        with pytest.raises(FemtmsError, match=words):
            uniform.on_grid(*bad)


# --- at nodes ----------------------------------------------------------------------------------------------


def test_at_nodes_a_linear_potential_has_one_field(uniform, mesh):
    for recovered in (uniform, uniform.recovered("harmonic"), uniform.recovered("spr")):
        nodes, E = recovered.at_nodes("bone")
        assert np.array_equal(nodes, np.unique(mesh.tets[mesh.tags == 4]))
        np.testing.assert_allclose(E, np.tile(UNIFORM, (len(nodes), 1)), atol=1e-9)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("recovery", ["raw", "harmonic"])
def test_at_nodes_an_interface_has_one_field_for_each_side(mesh, dipole_coil, vertex_pose, order, recovery):
    """σ₁E₁·n = σ₂E₂·n and the same E×n, as far as coarse elements go: between CSF and bone the normal part jumps."""
    field = Simulator(mesh, order=order, device="cpu", recovery=recovery).solve(dipole_coil, vertex_pose)
    (inner, E_csf), (outer, E_bone) = field.at_nodes("csf"), field.at_nodes("bone")
    both, i, o = np.intersect1d(inner, outer, return_indices=True)
    n = mesh.nodes[both] / np.linalg.norm(mesh.nodes[both], axis=1, keepdims=True)
    assert np.allclose(np.linalg.norm(mesh.nodes[both], axis=1), 0.070, atol=1e-6)
    normal = [np.einsum("nd,nd->n", E, n) for E in (E_csf[i], E_bone[o])]
    tangential = [E - e[:, None] * n for E, e in zip((E_csf[i], E_bone[o]), normal)]
    scale = np.linalg.norm(tangential[0])
    assert np.linalg.norm(tangential[0] - tangential[1]) < (0.2 if order == 1 else 0.05) * scale
    assert np.linalg.norm(E_csf[i] - E_bone[o]) > 1e-6 * scale  # two values, not one


def test_at_nodes_of_linear_elements_is_a_mean_weighted_by_volume(mesh, dipole_coil, vertex_pose):
    field = Simulator(mesh, device="cpu").solve(dipole_coil, vertex_pose)
    in_tets = field.E + field.dadt_at(mesh.centroids)  # -∇φ
    nodes, E = field.at_nodes("bone")
    at_nodes = E + field.dadt_at(mesh.nodes[nodes])
    for i in range(0, len(nodes), 50):
        own = (mesh.tets == nodes[i]).any(axis=1) & (mesh.tags == 4)
        mean = np.average(in_tets[own], axis=0, weights=mesh.volumes[own])
        np.testing.assert_allclose(at_nodes[i], mean, atol=1e-6 * np.abs(in_tets).max())


def test_at_nodes_of_what_is_not_there_is_an_error(uniform):
    with pytest.raises(FemtmsError, match="not 'wm'"):
        uniform.at_nodes("wm")
