import numpy as np
import pytest

from femtms.mesh.tetmesh import TetMesh
from femtms.report.figures import PRINT_DPI as DPI
from femtms.report.picture import (
    HEIGHT,
    WIDTH,
    DrawnCoil,
    cut_tets,
    draw_field,
    letters,
    surface_field,
)
from femtms.report.render import Camera, render, smoothed, vertex_normals

FROM_ABOVE = Camera(np.array([0.0, 0, -1]), np.array([0.0, 1, 0]), np.zeros(3), 0.25, (80, 100))

# a cube of six tetrahedra around its diagonal 0-7; bits of the corner number are x, y, z
KUHN = np.array([[0, 1, 3, 7], [0, 3, 2, 7], [0, 2, 6, 7], [0, 6, 4, 7], [0, 4, 5, 7], [0, 5, 1, 7]])


def lattice(cells: int, width: float, tag) -> TetMesh:
    """Cube of `cells`³ cubes and `width` m around the origin; tag(centroids (m,3)) gives tissues, 0 none."""
    grid = np.arange(cells + 1)
    k, j, i = (g.ravel() for g in np.meshgrid(grid, grid, grid, indexing="ij"))
    nodes = (np.stack([i, j, k], axis=1) / cells - 0.5) * width
    corner = np.flatnonzero((i < cells) & (j < cells) & (k < cells))
    bits = np.array([(b & 1) + (b >> 1 & 1) * (cells + 1) + (b >> 2) * (cells + 1) ** 2 for b in range(8)])
    tets = (corner[:, None, None] + bits[KUHN]).reshape(-1, 4)
    tags = tag(nodes[tets].mean(axis=1))
    return TetMesh(nodes, tets[tags > 0], tags[tags > 0])


def layered_ball(x: np.ndarray) -> np.ndarray:
    """White matter, grey matter, CSF and bone within 40, 60, 65 and 75 mm, scalp to 80 mm."""
    r = np.linalg.norm(x, axis=1)
    return np.select([r < 0.04, r < 0.06, r < 0.065, r < 0.075, r < 0.08], [1, 2, 3, 4, 5], 0)


@pytest.fixture(scope="module")
def head() -> TetMesh:
    return lattice(20, 0.16, layered_ball)


def triangle(z: float) -> np.ndarray:
    return np.array([[-5.0, -5, z], [5, -5, z], [-5, 5, z]])


def test_nearer_triangle_hides_the_farther_one_in_any_order():
    up = np.tile([0.0, 0, 1], (6, 1))
    for first, second in ((0.0, 3.0), (3.0, 0.0)):
        nodes = np.concatenate([triangle(first), triangle(second)])
        values = np.repeat([first, second], 3)
        picture = render(FROM_ABOVE, nodes, np.arange(6).reshape(2, 3), values, up)
        assert picture.covered.any()
        assert (picture.value[picture.covered] == 3).all()
        np.testing.assert_allclose(picture.depth[picture.covered], 3)
        under, over, beside = np.array([[-2.0, -2, 1]]), np.array([[-2.0, -2, 4]]), np.array([[4.0, 4, 1]])
        assert picture.hides(under)[0]
        assert not picture.hides(over)[0]
        assert not picture.hides(beside)[0]


def test_values_are_interpolated_linearly():
    nodes = triangle(0.0)
    values = 2 * nodes[:, 0] - 3 * nodes[:, 1] + 1
    picture = render(FROM_ABOVE, nodes, np.array([[0, 1, 2]]), values, np.tile([0.0, 0, 1], (3, 1)))
    i, j = np.nonzero(picture.covered)
    # row 0 is the top: y falls with the row, x rises with the column; samples are half a pixel wide
    x, y = (j + 0.5) * 0.125 - 12.5, 10 - (i + 0.5) * 0.125
    np.testing.assert_allclose(picture.value[i, j], 2 * x - 3 * y + 1, atol=1e-4)
    assert picture.covered.sum() * 0.125**2 == pytest.approx(50, rel=0.02)


def ball_surface(cells: int, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """The stair-stepped surface (nodes mm, faces) of a ball cut out of a lattice."""
    mesh = lattice(cells, 2.2e-3 * radius, lambda x: np.where(np.linalg.norm(x, axis=1) < 1e-3 * radius, 2, 0))
    nodes, faces, _ = surface_field(mesh, np.ones(len(mesh.tets)))
    return nodes, faces


def enclosed(nodes: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (nodes[faces[:, i]] for i in range(3))
    return float(np.einsum("fd,fd->f", a, np.cross(b, c)).sum() / 6)


def test_silhouette_of_a_sphere_is_a_disc_from_any_side():
    nodes, faces = ball_surface(24, 30.0)
    nodes *= 30 / np.linalg.norm(nodes, axis=1, keepdims=True)
    normals = vertex_normals(nodes, faces)
    np.testing.assert_allclose(np.einsum("nd,nd->n", normals, nodes / 30), 1, atol=0.05)
    for looking in ([0.0, 0, -1], [1.0, 0.4, -0.7]):
        camera = Camera(np.array(looking), np.array([0.0, 1, 0]), np.zeros(3), 0.5, (140, 140))
        picture = render(camera, nodes, faces, np.ones(len(nodes)), normals)
        area = picture.coloured(np.ones((280, 280, 3)))[..., 3].sum() * 0.5**2
        assert area == pytest.approx(np.pi * 30**2, rel=0.02)
        assert picture.depth.max() == pytest.approx(30, rel=0.02)
        assert (picture.relief() <= 1).all()


def test_camera_axes_are_right_handed_and_left_is_left():
    np.testing.assert_allclose(FROM_ABOVE.axes, np.eye(3), atol=1e-15)
    from_left = Camera(np.array([1.0, 0, 0]), np.array([0.0, 0, 1]), np.zeros(3), 1.0, (10, 10))
    assert [letters(d) for d in from_left.axes] == ["P", "S", "L"]  # the nose points to the left


def test_taubin_smoothing_removes_stairs_and_keeps_the_volume():
    nodes, faces = ball_surface(20, 30.0)
    smooth = smoothed(nodes, faces)
    assert np.linalg.norm(smooth, axis=1).std() < 0.5 * np.linalg.norm(nodes, axis=1).std()
    assert enclosed(smooth, faces) == pytest.approx(enclosed(nodes, faces), rel=0.03)


def cut(mesh, values, axis, at):
    """values (m,) in the plane of a cut, NaN outside the mesh, and its extent in mm."""
    owner, extent = cut_tets(mesh, axis, at)
    return np.where(owner >= 0, values[owner], np.nan), extent


def test_cuts_show_a_field_on_the_side_where_it_is(head):
    x, y, z = (head.centroids < 0).T
    for axis, (columns, rows) in {2: (x, y), 1: (x, z), 0: (y, z)}.items():
        image, extent = cut(head, columns.astype(float), axis, 0.0013)
        half = image.shape[1] // 2
        low, high = np.nanmean(image[:, : half - 9]), np.nanmean(image[:, half + 9 :])
        assert (low, high) == (1, 0)  # x < 0, the subject's left, comes first: on the left of the picture
        image, _ = cut(head, rows.astype(float), axis, 0.0013)
        half = image.shape[0] // 2
        assert (np.nanmean(image[: half - 9]), np.nanmean(image[half + 9 :])) == (1, 0)
        left, right, bottom, top = extent
        assert (left, bottom) == pytest.approx((-80, -80), abs=1)
        assert (right, top) == pytest.approx((80, 80), abs=1)


def test_cut_hits_the_tetrahedra_in_its_plane(head):
    owner, (left, right, bottom, top) = cut_tets(head, 2, 0.0213, pixel=1e-3)
    rows, columns = owner.shape
    x = left + (np.arange(columns) + 0.5) * (right - left) / columns
    y = bottom + (np.arange(rows) + 0.5) * (top - bottom) / rows
    i, j = np.nonzero(owner >= 0)
    points = np.stack([x[j], y[i], np.full(len(i), 21.3)], axis=1) * 1e-3
    corners = head.nodes[head.tets[owner[i, j]]]
    assert (points >= corners.min(axis=1) - 1e-9).all()
    assert (points <= corners.max(axis=1) + 1e-9).all()
    assert (owner >= 0).sum() == pytest.approx(np.pi * (80**2 - 21.3**2), rel=0.05)
    assert (cut_tets(head, 2, 0.5)[0] == -1).all()  # a plane beside the head


def test_surface_carries_the_field_of_grey_matter_only(head):
    nodes, faces, values = surface_field(head, np.where(head.tags == 2, 7.0, 1000.0))
    np.testing.assert_allclose(values, 7)
    assert enclosed(nodes, faces) == pytest.approx(1e9 * head.volumes[head.tags <= 2].sum())
    nodes, faces, _ = surface_field(head, np.ones(len(head.tets)), surface_tags=(42,))
    assert enclosed(nodes, faces) == pytest.approx(1e9 * head.volumes.sum())  # no such tissue: the whole mesh


def drawn(path, mesh, magnE, casing=None, **changes) -> np.ndarray:
    """The picture (rows, columns, 4) that draw_field writes."""
    from matplotlib.image import imread

    angle = np.linspace(0, 2 * np.pi, 60)
    pose = np.eye(4)
    pose[:3] = [[0, 0, 1, -90], [0, 1, 0, 0], [-1, 0, 0, 0]]  # left of the head, z to the right
    ring = pose[:3, 3] + 30 * np.cos(angle)[:, None] * pose[:3, 0] + 30 * np.sin(angle)[:, None] * pose[:3, 1]
    options = {
        "peak": np.array([-0.0551, 0.0011, 0.0013]),
        "coils": [DrawnCoil(pose, [ring], casing=casing)],
        "title": "a ring",
    }
    draw_field(path, mesh, magnE, **{**options, **changes})
    return imread(path)


def test_picture_has_its_size_and_is_the_same_each_time(head, tmp_path):
    magnE = 80 * np.exp(-np.linalg.norm(head.centroids - [-0.06, 0, 0], axis=1) / 0.03)
    image = drawn(tmp_path / "a.png", head, magnE)
    assert image.shape[:2] == (round(HEIGHT * DPI), round(WIDTH * DPI))
    drawn(tmp_path / "b.png", head, magnE)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

    # the coil and the field are on the left: coloured pixels (purple) are in the left half of the axial cut
    axial = image[int(0.6 * HEIGHT * DPI) :, int(0.07 * WIDTH * DPI) : int(0.3 * WIDTH * DPI), :3]
    purple = (axial[..., 1] < 0.3) & (axial[..., 2] > axial[..., 1] + 0.15) & (axial[..., 0] > 0.15)
    middle = axial.shape[1] // 2
    assert purple[:, :middle].sum() > 10 * max(1, purple[:, middle:].sum())


def test_picture_of_dipoles_without_brain_and_without_field(tmp_path):
    block = lattice(6, 0.1, lambda x: np.full(len(x), 5))
    dots = np.random.default_rng(0).normal([-0.08, 0, 0], 0.01, (50, 3))
    image = drawn(
        tmp_path / "a.png", block, np.zeros(len(block.tets)),
        coils=[DrawnCoil(np.eye(4), [], 1e3 * dots, np.ones(len(dots)))],
        title="t" * 200, peak=np.zeros(3),
    )  # fmt: skip
    assert image.shape[:2] == (round(HEIGHT * DPI), round(WIDTH * DPI))
    margin = image[:, -30:, :3]
    assert (margin == 1).all()  # a long title is not cut off
