"""The picture of a coil, and casings in the picture of a field."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from test_picture import drawn, head  # noqa: F401

from femtms import Coil, Currents, Dipoles, FemtmsError, Surface, load_coil
from femtms.coil.extent import wires
from femtms.coil.sampled import SampledField
from femtms.io.catalogue import catalogue
from femtms.report.coil_picture import coil_figure, draw_coil, near_elements
from femtms.report.figures import PRINT_DPI as DPI


def box(half, low, high):
    corners = np.array([[x, y, z] for x in (-half, half) for y in (-half, half) for z in (low, high)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Surface(corners, [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], "casing")


@pytest.fixture
def figures(monkeypatch):
    """The Figure of each picture that is drawn, to be asked what is in it."""
    from matplotlib.figure import Figure

    kept = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (kept.append(self), save(self, *a, **k)))
    return kept


def test_picture_shows_the_fields_of_the_plane_and_is_the_same_each_time(tmp_path, figures):
    coil = load_coil("figure8-70mm")
    draw_coil(coil, tmp_path / "a.png", z=0.02)
    draw_coil(coil, tmp_path / "b.png", z=0.02)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert imread(tmp_path / "a.png").shape[1] == 11 * DPI
    images = [ax.images[0] for ax in figures[0].axes if ax.images]
    assert len(images) == 2
    for image, values in zip(images, (coil.vector_potential, coil.magnetic_field)):
        left, right, bottom, top = image.get_extent()
        shown = image.get_array()
        rows, columns = np.linspace(bottom, top, shown.shape[0]), np.linspace(left, right, shown.shape[1])
        i, j = 37, 81
        expected = 1e6 * np.linalg.norm(values([[1e-3 * columns[j], 1e-3 * rows[i], 0.02]]))
        assert shown[i, j] == pytest.approx(expected, rel=1e-9)
    titles = " ".join(ax.get_title() for ax in figures[0].axes)
    assert "z = 20 mm: at most" in titles and "V/m per A/µs" in titles
    below = images[0].get_array()
    assert f"at most {below.max():.3g}" in titles


@pytest.mark.parametrize(
    ("name", "z_mm"), [*((name, 10.0) for name in catalogue()), ("double-cone", -40.0), ("double-cone", 120.0)]
)
def test_all_windings_and_the_plane_are_in_the_picture(name, z_mm):
    coil = load_coil(name)
    figure = coil_figure(coil, 1e-3 * z_mm, dpi=40)
    panels = {ax.get_title().split(":")[0]: ax for ax in figure.axes}
    shown = [(panels["seen from the head"], (0, 1)), (panels["from the side, along y"], (0, 2))]
    shown += [(panels["from the side, along x"], (1, 2))]
    shown += [(ax, (0, 1)) for ax in figure.axes if ax.images]
    assert len(shown) == 5
    for ax, axes in shown:
        for values, limits in zip(1e3 * wires(coil)[:, axes].T, (ax.get_xlim(), ax.get_ylim())):
            assert min(limits) <= values.min() and values.max() <= max(limits)
        if axes[1] == 2:
            assert min(ax.get_ylim()) < z_mm < max(ax.get_ylim())
    figure.draw_without_rendering()
    page = figure.bbox
    words = [text for ax in figure.axes for text in (ax.title, *ax.texts)] + figure.texts
    boxes = [text.get_window_extent() for text in words if text.get_text()]
    assert all(box.x0 >= page.x0 and box.x1 <= page.x1 and box.y0 >= page.y0 and box.y1 <= page.y1 for box in boxes)
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i]), [text.get_text() for text in words]


def test_b_at_the_wires_is_left_out_because_elements_are_no_wire_there():
    coil = load_coil("double-cone")
    for z, is_cut in ((0.01, True), (-0.04, False)):
        maps = [ax.images[0].get_array() for ax in coil_figure(coil, z, dpi=40).axes if ax.images]
        hidden = np.ma.getmaskarray(np.ma.masked_invalid(maps[1]))
        assert hidden.any() == is_cut and hidden.mean() < 0.1
        assert not np.ma.getmaskarray(np.ma.masked_invalid(maps[0])).any()


def test_b_of_a_row_of_elements_is_that_of_a_wire_where_it_is_shown():
    step = 1e-3
    along = step * np.arange(-2000, 2001)
    row = Coil("row", (Currents(np.outer(along, [0, 1, 0]), np.tile([0, step, 0], (len(along), 1))),))
    distance, shift = np.meshgrid(step * np.linspace(0.1, 3, 59), step * np.linspace(0, 0.5, 5))
    points = np.stack([distance, shift, 0 * distance], axis=-1)
    B = np.linalg.norm(row.magnetic_field(points.reshape(-1, 3)), axis=1).reshape(distance.shape)
    off = np.abs(B / (2e-7 / distance) - 1)
    near = near_elements(row, points)
    assert off[~near].max() < 0.023 and off[near].max() > 0.5


def test_arrows_point_along_y_below_a_figure_eight(tmp_path, figures):
    draw_coil(load_coil("figure8-70mm"), tmp_path / "a.png")
    arrows = next(c for ax in figures[0].axes for c in ax.collections if type(c).__name__ == "Quiver")
    middle = np.linalg.norm(arrows.XY, axis=1).argmin()
    assert arrows.V[middle] > 0.5 * np.hypot(arrows.U, arrows.V).max()
    assert abs(arrows.U[middle]) < 0.1 * arrows.V[middle]


@pytest.mark.parametrize("kind", ["dipoles", "bent", "sampled", "cased"])
@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_every_kind_of_coil_has_a_picture(kind, suffix, tmp_path):
    rng = np.random.default_rng(0)
    affine = np.diag([0.02, 0.02, 0.02, 1.0])
    affine[:3, 3] = -0.06
    dipoles = Dipoles(rng.normal(0, 0.02, (30, 3)) - [0, 0, 0.09], rng.normal(0, 1e-3, (30, 3)))
    coil = {
        "dipoles": Coil("dipoles", (dipoles,)),
        "bent": load_coil("double-cone"),  # the plane cuts it
        "sampled": Coil("sampled", (SampledField(rng.normal(size=(7, 7, 7, 3)), affine),)),
        "cased": Coil("cased", (dipoles, Currents([[0, 0, -0.05]], [[1e-3, 0, 0]])), casing=box(0.1, -0.1, 0)),
    }[kind]
    path = tmp_path / f"coil{suffix}"
    draw_coil(coil, path)
    assert path.stat().st_size > 10_000


def test_plane_without_any_a_and_other_suffixes_are_refused(tmp_path):
    affine = np.diag([0.02, 0.02, 0.02, 1.0])
    coil = Coil("sampled", (SampledField(np.zeros((4, 4, 4, 3)), affine),))
    with pytest.raises(FemtmsError, match="its grid has no z = 300 mm"):
        draw_coil(coil, tmp_path / "a.png", z=0.3)
    with pytest.raises(FemtmsError, match=r"\.png, \.pdf or \.svg"):
        draw_coil(coil, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_casing_is_outlined_in_the_picture_of_a_field(head, tmp_path):  # noqa: F811
    magnE = np.ones(len(head.tets))
    bare = drawn(tmp_path / "a.png", head, magnE)
    away = box(0.03, -0.03, 0.03)
    away = Surface(away.nodes + [-0.12, 0, 0], away.triangles, "casing")
    cased = drawn(tmp_path / "b.png", head, magnE, casing=replace(away, nodes=1e3 * away.nodes))
    changed = (bare != cased).any(axis=2)
    assert changed.mean() > 0.005
    upper = changed.shape[0] // 2 + 200
    assert not changed[upper:].any()  # only in the views from outside, not in the cuts
