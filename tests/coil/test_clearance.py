"""The distance of casings from the scalp, against closed forms."""

import numpy as np
import pytest

from femtms import Coil, FemtmsError, LabelVolume, LayeredSphere, Pose, Surface, mesh_head, place
from femtms.coil.clearance import clearance, is_apart, raised
from femtms.coil.elements import Dipoles
from femtms.coil.place import check_clear
from femtms.coil.sampled import SampledField
from femtms.coil.solid import coils_meet

RADIUS = 0.09
ELEMENTS = (Dipoles([[0, 0, -0.03]], [[0, 0, 1e-3]]),)


@pytest.fixture(scope="module")
def ball():
    return mesh_head(LayeredSphere((60, 70, 80, 90)), size_mm=5.0)


def above(degrees=0.0, height=0.0, tilt=0.0):
    """A pose whose origin is `height` m above a sphere at an angle from the top, z tilted away from the centre."""

    def turn(angle):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])

    matrix = np.eye(4)
    matrix[:3, :3] = turn(degrees) @ turn(tilt) @ np.diag([1, -1, -1])
    matrix[:3, 3] = 1e3 * (RADIUS + height) * turn(degrees)[:, 2]
    return Pose(matrix)


def plate(half=0.1, z=0.0, steps=1):
    """A square of two triangles for each step, in the plane z, seen from the head."""
    line = np.linspace(-half, half, steps + 1)
    x, y = np.meshgrid(line, line, indexing="ij")
    i = np.arange(x.size).reshape(x.shape)
    a, b, c, d = (corner.ravel() for corner in (i[:-1, :-1], i[1:, :-1], i[1:, 1:], i[:-1, 1:]))
    triangles = np.concatenate([np.column_stack([a, b, c]), np.column_stack([a, c, d])])
    return Surface(np.column_stack([x.ravel(), y.ravel(), np.full(x.size, z)]), triangles, "casing")


def box(low, high):
    """A closed box with two triangles on each side."""
    nodes = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Surface(nodes, [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], "casing")


def icosphere(centre, radius):
    mesh = mesh_head(LayeredSphere((1e3 * radius,)), size_mm=300 * radius)
    used, triangles = np.unique(mesh.outer_faces, return_inverse=True)
    return Surface(mesh.nodes[used] + centre, triangles.reshape(-1, 3), "casing")


def cased(casing):
    return Coil("cased", ELEMENTS, casing=casing)


@pytest.mark.parametrize("degrees", [0.0, 33.0, 141.0])
@pytest.mark.parametrize("height", [0.0005, 0.004, 0.03, 0.4])
def test_large_plate_is_as_far_from_a_sphere_as_its_plane(ball, degrees, height):
    found = clearance(ball, cased(plate()), above(degrees, height))
    assert found.distance == pytest.approx(height, abs=1e-4)  # facets of the sphere lie up to 0.07 mm below it
    normal = above(degrees).matrix[:3, 3] / 90
    assert np.degrees(np.arccos(found.at @ normal / np.linalg.norm(found.at))) < 4
    assert not found.is_cut


@pytest.mark.parametrize("steps", [1, 7])
@pytest.mark.parametrize("depth", [0.0005, 0.004, 0.02])
def test_plate_that_cuts_a_sphere_through_the_middle_of_a_triangle_cuts_as_deep_as_its_plane(ball, steps, depth):
    # off centre: no corner of the two triangles, nor the middle of one, is near the deepest place
    shifted = plate(steps=steps)
    shifted = Surface(shifted.nodes + [0.013, 0.041, 0], shifted.triangles, "casing")
    found = clearance(ball, cased(shifted), above(33, -depth))
    assert found.distance == pytest.approx(-depth, abs=2e-4)
    assert found.is_cut
    np.testing.assert_allclose(found.at, above(33, -depth).centre, atol=5e-3)


def test_ball_beside_the_sphere(ball):
    casing = icosphere([0, 0, -0.05], 0.05)  # its lowest point is the coil's origin
    found = clearance(ball, cased(casing), above(20, 0.007))
    assert found.distance == pytest.approx(0.007, abs=3e-4)
    np.testing.assert_allclose(found.at, above(20).centre, atol=4e-3)


@pytest.mark.parametrize("degrees", [0.0, 52.0])
def test_edge_of_a_tilted_plate_comes_nearest(ball, degrees):
    half, tilt = 0.03, 50.0
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    height = 0.04
    # the edge x = ±half of the plate, in the plane through the centre
    edge = np.array([half * c, RADIUS + height - half * s])
    found = clearance(ball, cased(plate(half)), above(degrees, height, tilt))
    assert found.distance == pytest.approx(np.linalg.norm(edge) - RADIUS, abs=1e-4)


def test_casing_below_the_scalp_is_a_cut_though_no_triangles_meet(ball):
    found = clearance(ball, cased(box([-0.005] * 3, [0.005] * 3)), above(0, -0.03))
    assert found.distance == pytest.approx(-0.035, abs=3e-4)


def test_second_piece_of_a_casing_is_seen(ball):
    far, inside = box([-0.01, -0.01, -0.05], [0.01, 0.01, -0.04]), box([-0.005] * 3, [0.005] * 3)
    both = Surface(np.concatenate([far.nodes, inside.nodes]), np.concatenate([far.triangles, inside.triangles + 8]), "")
    assert clearance(ball, cased(both), above(0, -0.03)).distance == pytest.approx(-0.035, abs=3e-4)


def test_outlines_and_elements_stand_in_for_a_casing(ball):
    bare = Coil("bare", ELEMENTS)
    assert clearance(ball, bare, above(0, 0.004)).distance == pytest.approx(0.034, abs=1e-4)
    wired = Coil("wired", ELEMENTS, (np.array([[-0.1, 0, -0.002], [0.1, 0, -0.002]]),))  # passes over in the middle
    assert clearance(ball, wired, above(0, 0.004)).distance == pytest.approx(0.006, abs=1e-4)
    assert clearance(ball, wired, above(0, -0.006)).distance == pytest.approx(-0.004, abs=2e-4)
    assert clearance(ball, bare, above(0, -0.05)).distance == pytest.approx(-0.02, abs=2e-4)


def test_sampled_coil_without_casing_has_no_clearance(ball):
    affine = np.diag([0.1, 0.1, 0.1, 1.0])
    affine[:3, 3] = -0.15
    coil = Coil("grid", (SampledField(np.zeros((4, 4, 4, 3)), affine),))
    with pytest.raises(FemtmsError, match="'grid' must have a casing, outlines or elements"):
        clearance(ball, coil, above())


def test_depth_is_from_the_scalp_and_not_from_a_cavity():
    data = np.zeros((24, 24, 24), np.uint8)
    data[2:22, 2:22, 2:22] = 5
    data[6:18, 6:18, 13:19] = 0  # 3 voxels below the upper side
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    head = mesh_head(LabelVolume(data, affine), size_mm=3.0)
    top = head.nodes[:, 2].max()
    matrix = np.diag([1.0, -1.0, -1.0, 1.0])
    matrix[:3, 3] = [34.5, 34.5, 1e3 * (top - 0.006)]
    found = clearance(head, cased(plate(0.01)), Pose(matrix))
    assert found.distance == pytest.approx(-0.006, abs=3e-4)


@pytest.mark.parametrize("start", [-0.2, -0.03, 0.0, 0.004, 0.3])
@pytest.mark.parametrize("gap_mm", [0.0, 0.5, 4.0])
def test_raised_coil_has_the_gap_wherever_it_started(ball, start, gap_mm):
    coil = cased(plate(z=0.012))  # 12 mm nearer to the head than the origin
    pose = raised(ball, coil, above(33, start), gap_mm)
    found = clearance(ball, coil, pose)
    assert found.mm == pytest.approx(gap_mm, abs=0.01)
    np.testing.assert_allclose(pose.centre, above(33, 0.012 + 1e-3 * gap_mm).centre, atol=1e-4)
    np.testing.assert_array_equal(pose.rotation, above(33, start).rotation)


def test_raised_bent_coil_rests_on_its_wings(ball):
    # two lines at 40° like the wings of a double cone: they touch a sphere at 40° from the axis
    slope, r = np.radians(40), 0.1
    wing = [[side * r * np.cos(slope), 0, r * np.sin(slope)] for side in (-1, 1)]
    coil = Coil("bent", ELEMENTS, (np.array([wing[0], [0, 0, 0], wing[1]]),))
    pose = raised(ball, coil, above(0, 0.004), 2.0)
    # the distance of a line at 40° through (0, h) from the centre is h cos 40°
    assert pose.centre[2] == pytest.approx((RADIUS + 0.002) / np.cos(slope), abs=2e-4)
    assert clearance(ball, coil, pose).mm == pytest.approx(2, abs=0.01)


def test_raised_from_under_the_chin_of_a_hook_comes_from_outside(ball):
    # a casing with a plate on either side of the head: the lower one keeps it out
    low = plate(0.02, z=0.25)
    high = plate(0.02)
    casing = Surface(np.concatenate([high.nodes, low.nodes]), np.concatenate([high.triangles, low.triangles + 4]), "")
    pose = raised(ball, cased(casing), above(0, 0.004), 3.0)
    assert pose.centre[2] == pytest.approx(RADIUS + 0.25 + 0.003, abs=1e-4)


def test_coil_that_passes_the_head_is_refused(ball):
    aside = above(0, 0.01).matrix.copy()
    aside[0, 3] = 300
    with pytest.raises(FemtmsError, match=r"coil 'cased' must come within 4 mm of the scalp"):
        raised(ball, cased(plate(0.05)), Pose(aside), 4.0)
    with pytest.raises(FemtmsError, match="gap_mm must be finite and ≥ 0; got -1"):
        raised(ball, cased(plate()), above(), -1)


def test_clearance_of_a_place_on_the_head_is_its_gap(ball):
    found = clearance(ball, cased(plate()), place(ball, "C3", "CP3", gap_mm=4))
    assert found.mm == pytest.approx(4, abs=0.3)  # the plate touches a facet beside the foot of the origin
    assert "mm at (" in repr(found)


def test_casing_in_the_scalp_is_refused_with_its_depth_unless_it_may(ball):
    coil = cased(plate())
    check_clear(ball, coil, above(33, 0.001))
    check_clear(ball, coil, above(33, -0.00005))  # rounding
    with pytest.raises(FemtmsError, match=r"'cased' is up to 3\.[01] mm below it, at \(\d\d\.\d, .*allow-intersection"):
        check_clear(ball, coil, above(33, -0.003))
    check_clear(ball, coil, above(33, -0.003), allow_intersection=True)


@pytest.mark.parametrize("height,apart", [(0.001, True), (-0.0005, False), (-0.03, False), (0.5, True)])
def test_coil_is_apart_where_its_clearance_is_positive(ball, height, apart):
    for casing in (plate(), box([-0.005, -0.005, -0.01], [0.005, 0.005, 0])):
        assert is_apart(ball, cased(casing), above(20, height)) is apart
        assert (clearance(ball, cased(casing), above(20, height)).distance > 0) is apart


def test_casings_meet_where_their_surfaces_cut():
    plates = cased(plate(0.05, z=-0.002))
    lying, standing = above(0, 0.004), np.eye(4)
    standing[:3, :3] = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]  # across the first, through the middle of its triangles
    standing[:3, 3] = [11, 7, 1e3 * (RADIUS + 0.03)]
    at = coils_meet((plates, lying), (plates, Pose(standing)))
    np.testing.assert_allclose(at[[0, 2]], [0.009, RADIUS + 0.006], atol=1e-9)
    standing[2, 3] = 1e3 * (RADIUS + 0.0561)  # its edge is 0.1 mm above the first
    assert coils_meet((plates, lying), (plates, Pose(standing))) is None
    assert coils_meet((plates, lying), (Coil("bare", ELEMENTS), lying)) is None


def test_elements_in_the_head_are_refused_even_if_the_casing_may_cut(ball):
    with pytest.raises(FemtmsError, match="inside the head: 1 of 1 elements"):
        check_clear(ball, cased(plate()), above(33, -0.04), allow_intersection=True)


def test_casing_inside_another_meets_it():
    def box(half, name):
        x = half * np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], float)
        quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
        faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
        return Coil(name, (Dipoles([[0, 0, 0]], [[0, 0, 1e-4]]),), casing=Surface(x, faces, "casing"))

    small, large, here = box(0.02, "small"), box(0.1, "large"), Pose(np.eye(4))
    beside = Pose(np.array([[1, 0, 0, 300], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    assert coils_meet((small, here), (large, here)) is not None
    assert coils_meet((large, here), (small, here)) is not None
    assert coils_meet((small, beside), (large, here)) is None
