import numpy as np
import pytest
import skfem
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from femtms import FemtmsError, LayeredSphere, TetMesh, mesh_head
from femtms.io.pictures import write_mesh_picture
from femtms.report.figures import PRINT_DPI as DPI
from femtms.report.mesh_picture import HEIGHT, WIDTH, _beside_nodes, _colours, cut_polygons, draw_mesh
from femtms.tissue import PROPERTIES


@pytest.fixture(scope="module")
def ball():
    return mesh_head(LayeredSphere((40, 50, 60), (2, 3, 5)), 14.0)


def signed_areas(corners):
    x, y = corners[..., 0], corners[..., 1]
    return (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1) / 2


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_of_the_tetrahedra_add_up_to_their_volumes(axis, ball):
    edges = np.linspace(-0.06, 0.06, 301)
    middles = (edges[1:] + edges[:-1]) / 2
    volume = np.zeros(6)
    for at in middles:
        corners, cut = cut_polygons(ball, axis, at)
        volume += np.bincount(ball.tags[cut], np.abs(signed_areas(corners)), minlength=6) * 1e-6 * np.diff(edges)[0]
    np.testing.assert_allclose(volume, np.bincount(ball.tags, ball.volumes), rtol=3e-3)


def test_polygons_are_simple_and_lie_in_their_tetrahedra(ball):
    corners, cut = cut_polygons(ball, 1, 0.0071)
    assert len(np.unique(cut)) == len(cut) > 100
    low, high = (1e3 * f(ball.nodes[ball.tets[cut]], axis=1)[:, [0, 2]] for f in (np.min, np.max))
    assert (corners >= low[:, None] - 1e-9).all() and (corners <= high[:, None] + 1e-9).all()
    # convex: all turns of a polygon go the same way
    side = np.roll(corners, -1, axis=1) - corners
    turn = side[..., 0] * np.roll(side, -1, axis=1)[..., 1] - side[..., 1] * np.roll(side, -1, axis=1)[..., 0]
    assert ((turn >= -1e-9).all(axis=1) | (turn <= 1e-9).all(axis=1)).all()
    assert len(cut_polygons(ball, 2, 0.5)[0]) == 0


def test_cuts_avoid_planes_of_nodes():
    cube = skfem.MeshTet().refined(3)
    tets = cube.t.T.copy()
    a, b, c = (cube.p.T[tets[:, i]] - cube.p.T[tets[:, 0]] for i in (1, 2, 3))
    inverted = np.einsum("md,md->m", a, np.cross(b, c)) < 0
    tets[inverted] = tets[inverted][:, [0, 2, 1, 3]]
    cube = TetMesh(0.1 * cube.p.T, tets, np.ones(len(tets), int))
    at = _beside_nodes(cube, 0, 0.05)
    assert 0 < at - 0.05 < 0.0125
    assert (np.abs(cube.nodes[:, 0] - at) < 1e-6).sum() == 0
    assert _beside_nodes(cube, 0, at) == at


def test_picture_shows_the_tissues_and_is_the_same_each_time(ball, tmp_path):
    for name in ("a.png", "b.png"):
        draw_mesh(ball, tmp_path / name, "ball")
    image = imread(tmp_path / "a.png")[..., :3]
    assert image.shape[:2] == (round(HEIGHT * DPI), round(WIDTH * DPI))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    left = image[: image.shape[0] // 2, : image.shape[1] // 3]
    share = {t: (np.abs(left - to_rgb(PROPERTIES[t].colour)).max(axis=2) < 0.02).mean() for t in (1, 2, 3, 5)}
    assert share[1] < 1e-3 < 0.02 < min(share[2], share[3], share[5])
    assert share[2] / share[5] == pytest.approx(40**2 / (60**2 - 50**2), rel=0.3)


@pytest.mark.parametrize("suffix,begin", [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_picture_is_of_the_kind_that_its_name_says(suffix, begin, ball, tmp_path):
    write_mesh_picture(ball, tmp_path / f"mesh{suffix}")
    assert (tmp_path / f"mesh{suffix}").read_bytes().startswith(begin)
    assert [path.name for path in tmp_path.iterdir()] == [f"mesh{suffix}"]
    with pytest.raises(FemtmsError, match="exists already"):
        write_mesh_picture(ball, tmp_path / f"mesh{suffix}")


def test_another_kind_of_picture_is_refused(ball, tmp_path):
    for write in (write_mesh_picture, draw_mesh):
        with pytest.raises(FemtmsError, match=r"\.png, \.pdf or \.svg; got '\.jpg'"):
            write(ball, tmp_path / "mesh.jpg")
    assert list(tmp_path.iterdir()) == []


def test_unknown_tissues_have_colours_of_their_own(ball):
    foreign = TetMesh(ball.nodes, ball.tets, np.arange(len(ball.tets)) % 12 + 100)
    colours = np.array(list(_colours(foreign).values()))
    apart = np.abs(colours[:, None] - colours).max(axis=2) + np.eye(12)
    assert apart.min() > 0.05


@pytest.mark.parametrize("tags", [77, 2])
def test_one_tetrahedron_has_a_picture(tags, tmp_path):
    nodes = 0.1 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    draw_mesh(TetMesh(nodes, np.array([[0, 1, 2, 3]]), np.array([tags])), tmp_path / "a.png", "t" * 300)
    draw_mesh(TetMesh(0.1 * nodes, np.array([[0, 1, 2, 3]]), np.array([tags])), tmp_path / "b.png")
