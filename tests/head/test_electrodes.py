"""10-10 positions: against angles on a sphere, under symmetry and rotation, and on the built-in head."""

import csv
import runpy
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, map_coordinates

from femtms.errors import FemtmsError
from femtms.head.electrodes import sphere_surface, ten_ten, volume_surface

RADIUS = 90.0
AXES = {
    "Nz": np.array([0.0, RADIUS, 0.0]),
    "Iz": np.array([0.0, -RADIUS, 0.0]),
    "LPA": np.array([-RADIUS, 0.0, 0.0]),
    "RPA": np.array([RADIUS, 0.0, 0.0]),
}
COLIN = Path(__file__).parents[2] / "meshes" / "colin27"


def on_sphere(from_vertex, azimuth):
    """Point at an angle from Cz, azimuth from the front towards the left, both in degrees."""
    t, p = np.radians([from_vertex, azimuth])
    return RADIUS * np.array([-np.sin(t) * np.sin(p), np.sin(t) * np.cos(p), np.cos(t)])


def arc_point(a, b, fraction):
    """Point on the circle through a, b and the mirror image of a (x -> -x), a fraction of the way to b."""
    normal = np.cross(a - b, a * [-1, 1, 1] - b)
    normal /= np.linalg.norm(normal)
    centre = (a @ normal) * normal  # the sphere's centre, projected onto the plane of the circle
    u, v = a - centre, b - centre
    angle = np.arccos(u @ v / (u @ u))
    return centre + (np.sin((1 - fraction) * angle) * u + np.sin(fraction * angle) * v) / np.sin(angle)


@pytest.fixture(scope="module")
def sphere_points():
    return ten_ten(sphere_surface(RADIUS), AXES)


@pytest.fixture(scope="module")
def colin():
    """Stored positions, name -> (3,) mm, and the label image."""
    with open(COLIN / "electrodes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    stored = {row["name"]: np.array([float(row[k]) for k in ("x_mm", "y_mm", "z_mm")]) for row in rows}
    return stored, nibabel.load(COLIN / "labels.nii.gz")


@pytest.mark.parametrize(
    "name, from_vertex, azimuth",
    [
        ("Cz", 0, 0),
        ("Fpz", 72, 0),
        ("AFz", 54, 0),
        ("FCz", 18, 0),
        ("Pz", 36, 180),
        ("Oz", 72, 180),
        ("C1", 18, 90),
        ("C3", 36, 90),
        ("T7", 72, 90),
        ("C4", 36, -90),
        ("Fp1", 72, 18),
        ("F7", 72, 54),
        ("FT8", 72, -72),
        ("P7", 72, 126),
        ("O2", 72, -162),
        ("F9", 90, 54),
        ("T9", 90, 90),
        ("TP10", 90, -108),
    ],
)
def test_curves_and_rings_of_a_sphere_are_marked_in_tenths(sphere_points, name, from_vertex, azimuth):
    np.testing.assert_allclose(sphere_points[name], on_sphere(from_vertex, azimuth), atol=2e-3)


@pytest.mark.parametrize(
    "name, end, middle, fraction",
    [
        ("F3", "F7", "Fz", 1 / 2),
        ("F5", "F7", "Fz", 1 / 4),
        ("FC1", "FT7", "FCz", 3 / 4),
        ("CP3", "TP7", "CPz", 1 / 2),
        ("P6", "P8", "Pz", 1 / 4),
        ("AF3", "AF7", "AFz", 1 / 2),
        ("PO4", "PO8", "POz", 1 / 2),
    ],
)
def test_transverse_curves_of_a_sphere_are_divided_evenly(sphere_points, name, end, middle, fraction):
    expected = arc_point(sphere_points[end], sphere_points[middle], fraction)
    np.testing.assert_allclose(sphere_points[name], expected, atol=5e-3)


def test_the_system_has_81_positions_and_names_both_ears_twice(sphere_points):
    assert len(sphere_points) == 81 + 2
    np.testing.assert_array_equal(sphere_points["T9"], sphere_points["LPA"])
    np.testing.assert_array_equal(sphere_points["T10"], sphere_points["RPA"])


def test_left_and_right_mirror_each_other(sphere_points):
    for name, point in sphere_points.items():
        digits = name.lstrip("ACFINOPTpRLz")
        if digits and int(digits) % 2:
            twin = sphere_points[name.removesuffix(digits) + str(int(digits) + 1)]
            np.testing.assert_allclose(twin, point * [-1, 1, 1], atol=1e-3, err_msg=name)
            assert point[0] < -1, f"{name} must be on the left"


def ellipsoid_surface(radii, axes):
    """Surface of an ellipsoid about the origin: radii (3,) mm along the columns of axes (3,3)."""

    def surface(origin, directions):
        o, d = origin @ axes / radii, directions @ axes / radii
        a, b, c = (d * d).sum(axis=1), d @ o, o @ o - 1
        return origin + ((np.sqrt(b * b - a * c) - b) / a)[:, None] * directions

    return surface


def test_positions_turn_with_the_head():
    radii = np.array([78.0, 98.0, 88.0])
    marks = {"Nz": [0, 98, 0], "Iz": [0, -90, -35], "LPA": [-75, -10, -24], "RPA": [77, -6, -13]}
    on_scalp = {k: np.array(v) / np.linalg.norm(np.array(v) / radii) for k, v in marks.items()}
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))  # a rotation, not a reflection: left must stay left
    upright = ten_ten(ellipsoid_surface(radii, np.eye(3)), on_scalp)
    turned = ten_ten(ellipsoid_surface(radii, turn), {k: turn @ v for k, v in on_scalp.items()})
    for name, point in upright.items():
        np.testing.assert_allclose(turned[name], turn @ point, atol=2e-3, err_msg=name)


def test_a_dent_does_not_lengthen_the_tape(sphere_points):
    smooth = sphere_surface(RADIUS)
    bottom = on_sphere(60, -90) / RADIUS  # on the right half of the coronal curve

    def dented(origin, directions):
        points = smooth(origin, directions)
        angle = np.degrees(np.arccos(np.clip(points @ bottom / RADIUS, -1, 1)))
        # a tape laid into this dent of 10 mm would be about 7 mm longer and move Cz to the right
        return points * (1 - 10 / RADIUS * np.exp(-((angle / 4) ** 2)))[:, None]

    points = ten_ten(dented, AXES)
    for name in ("Cz", "C3", "Fz"):
        assert np.linalg.norm(points[name] - sphere_points[name]) < 0.2


@pytest.fixture(scope="module")
def ball():
    """A sphere of 60 mm in voxels of 2 mm, on a turned grid: labels and affine."""
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = 2.0 * turn
    affine[:3, 3] = affine[:3, :3] @ [-32.3, -31.8, -32.1]  # the centre is not at a voxel
    ijk = np.moveaxis(np.indices((65, 65, 65)), 0, -1)
    mm = ijk @ affine[:3, :3].T + affine[:3, 3]
    return np.where(np.linalg.norm(mm, axis=-1) < 60.0, 5, 0), affine


def rays(count=400):
    directions = np.random.default_rng(2).normal(size=(count, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def test_scalp_of_a_voxelised_sphere_is_found_within_half_a_voxel(ball):
    origin = np.array([10.0, -20.0, 5.0])
    difference = volume_surface(*ball)(origin, rays()) - sphere_surface(60.0)(origin, rays())
    distance = np.linalg.norm(difference, axis=1)
    assert distance.max() < 1.0
    assert distance.mean() < 0.3


def test_air_inside_and_specks_outside_do_not_move_the_scalp(ball):
    labels, affine = ball
    disturbed = labels.copy()
    disturbed[20:40, 20:40, 20:40] = 0
    disturbed[:4, :4, :4] = 5  # large enough to survive the smoothing
    towards_speck = np.append(rays(), (affine[:3, :3] @ [1.5, 1.5, 1.5] + affine[:3, 3])[None], axis=0)
    towards_speck /= np.linalg.norm(towards_speck, axis=1, keepdims=True)
    clean, noisy = (volume_surface(each, affine)(np.zeros(3), towards_speck) for each in (labels, disturbed))
    np.testing.assert_allclose(noisy, clean, atol=1e-3)


def test_the_cut_of_a_volume_closes_the_scalp(ball):
    labels, affine = ball
    cut = labels[:, :, 20:]
    shifted = affine.copy()
    shifted[:3, 3] += affine[:3, 2] * 20
    down = -affine[:3, 2] / 2.0
    (point,) = volume_surface(cut, shifted)(np.zeros(3), down[None])
    assert point @ down == pytest.approx(2.0 * (32.1 - 20 + 0.5), abs=0.1)  # the outer face of the last voxels


@pytest.mark.parametrize(
    "fiducials, message",
    [
        ({k: v for k, v in AXES.items() if k != "Iz"}, "Iz is missing"),
        (AXES | {"LPA": np.array([np.nan, 0, 0])}, "LPA"),
        (AXES | {"LPA": AXES["Iz"], "RPA": AXES["Nz"]}, "must cross"),
    ],
)
def test_bad_landmarks_are_refused_by_name(fiducials, message):
    with pytest.raises(FemtmsError, match=message):
        ten_ten(sphere_surface(RADIUS), fiducials)


def test_a_volume_or_ray_without_scalp_is_refused(ball):
    with pytest.raises(FemtmsError, match="air alone"):
        volume_surface(np.zeros((4, 4, 4), dtype=int), np.eye(4))
    with pytest.raises(FemtmsError, match="1 of 1 from"):
        volume_surface(*ball)(np.array([0.0, 0.0, 80.0]), np.array([[0.0, 0.0, 1.0]]))
    with pytest.raises(FemtmsError, match="start inside"):
        sphere_surface(60.0)(np.array([0.0, 0.0, 80.0]), np.array([[0.0, 0.0, 1.0]]))


def test_stored_colin27_positions_are_what_the_recipe_makes(colin):
    stored, _ = colin
    made = runpy.run_path(str(COLIN / "make_electrodes.py"))["make_rows"]()
    assert [row["name"] for row in made] == list(stored)
    for row in made:
        position = [float(row[k]) for k in ("x_mm", "y_mm", "z_mm")]
        np.testing.assert_allclose(stored[row["name"]], position, atol=0.02, err_msg=row["name"])


def test_colin27_electrodes_lie_on_the_scalp(colin):
    stored, image = colin
    # measured without volume_surface: signed distance to the faces of the voxels, half a voxel off
    tissue = np.pad(np.asarray(image.dataobj) > 0, 3)
    depth = np.where(tissue, distance_transform_edt(tissue) - 0.5, 0.5 - distance_transform_edt(~tissue))
    voxels = (np.array(list(stored.values())) - image.affine[:3, 3]) @ np.linalg.inv(image.affine[:3, :3]).T
    distance = np.abs(map_coordinates(depth, voxels.T + 3, order=1))  # mm: this image has voxels of 1 mm
    assert dict(zip(stored, distance)) == {name: pytest.approx(0, abs=1.0) for name in stored}
