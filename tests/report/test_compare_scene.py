"""Few triangles stand for many, and a byte for a value, without showing anything else."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from femtms import Coil, LayeredSphere, Pose, mesh_head
from femtms.analysis.envelope import BRAIN
from femtms.io.coils import load_coil
from femtms.mesh.surface import Surface
from femtms.report.compare_scene import SceneSurface, brain_surface, packed_coil, packed_values, scalp_surface
from femtms.report.tissue_surface import TissueSurface


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((70, 85)), size_mm=5.0)


@pytest.fixture(scope="module")
def surface(mesh):
    return TissueSurface.of(mesh, BRAIN)


def decoded(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_fewer_triangles_make_the_same_ball(surface):
    few = SceneSurface.of(surface.smooth_nodes, surface.faces, 2000)
    assert len(few.faces) <= 2000 < len(surface.faces)
    np.testing.assert_allclose(np.linalg.norm(few.nodes, axis=1), 70, atol=1)
    assert Surface(1e-3 * few.nodes, few.faces, "gm").volume == pytest.approx(4 / 3 * np.pi * 0.07**3, rel=0.03)
    # each node takes its value from a neighbour
    assert np.linalg.norm(surface.smooth_nodes[few.nearest] - few.nodes, axis=1).max() < 5


def test_packed_coordinates_are_exact_to_a_hundredth_of_a_mm(mesh):
    scalp = scalp_surface(mesh)
    packed = scalp.packed()
    nodes = packed["step_mm"] * decoded(packed["nodes"], "<i2").reshape(-1, 3)
    np.testing.assert_allclose(nodes, scalp.nodes, atol=0.01)
    np.testing.assert_array_equal(decoded(packed["faces"], "<u4").reshape(-1, 3), scalp.faces)


def test_packed_values_are_exact_to_half_a_step():
    values = np.random.default_rng(0).uniform(0, 1.7, 1000)
    packed = packed_values(values)
    np.testing.assert_allclose(decoded(packed["values"], np.uint8) / 255 * packed["max"], values, atol=1.7 / 500)
    assert set(decoded(packed_values(np.zeros(3))["values"], np.uint8)) == {0}


def test_a_ventricle_is_not_shown(mesh):
    hollow = TissueSurface.of(replace(mesh, tags=np.where((mesh.centroids**2).sum(1) < 0.03**2, 3, mesh.tags)), BRAIN)
    assert np.linalg.norm(hollow.nodes, axis=1).min() < 40
    assert np.linalg.norm(brain_surface(hollow).nodes, axis=1).min() > 60


def test_coils_are_packed_with_what_is_known_of_them():
    wound = packed_coil(load_coil("figure8-70mm"))
    assert sum(map(len, wound["lines"])) > 100 and wound["casing"] is None
    x, y, _ = np.concatenate(wound["lines"]).T
    assert (np.ptp(x), np.ptp(y)) == pytest.approx((174, 87), abs=4)  # mm
    ball = mesh_head(LayeredSphere((20,)), size_mm=5.0).surface("gm")
    cased = Coil("c", load_coil("figure8-70mm").elements, casing=ball)
    assert decoded(packed_coil(cased)["casing"]["faces"], "<u4").max() < len(ball.nodes)
    json.dumps(packed_coil(cased), allow_nan=False)


def test_a_long_outline_is_thinned_and_keeps_its_ends():
    line = np.column_stack([np.linspace(0, 0.1, 50_000), np.zeros(50_000), np.zeros(50_000)])
    packed = packed_coil(Coil("c", load_coil("figure8-70mm").elements, outlines=(line,)))
    assert len(packed["lines"][0]) < 5000
    assert (packed["lines"][0][0], packed["lines"][0][-1]) == ([0, 0, 0], [100, 0, 0])


def test_values_of_a_surface_are_means_of_its_tetrahedra(mesh, surface):
    np.testing.assert_allclose(surface.values(np.full(len(mesh.tets), 3.0)), 3.0)
    # the mean of a linear function over the tetrahedra of a node lies inside of the node
    along = surface.values(mesh.centroids[:, 2]) - 1e-3 * surface.nodes[:, 2]
    top = surface.nodes[:, 2] > 65
    assert (along[top] < 0).all() and (along[top] > -5e-3).all()


def test_pose_rows_are_those_of_the_matrix():
    from femtms.report.compare_scene import packed_pose

    matrix = np.eye(4)
    matrix[:3, 3] = 1, 2, 3
    assert packed_pose(Pose(matrix)) == [[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3]]
