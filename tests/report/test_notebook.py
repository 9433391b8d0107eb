"""What notebooks show: figures of the panels that are asked for, and tables; names in them are text."""

from dataclasses import replace

import numpy as np
import pytest

from femtms import FemtmsError, Simulator, load_coil, place


@pytest.fixture(scope="module")
def field(sphere_mesh):
    coil = load_coil("figure8-70mm")
    return Simulator(sphere_mesh, device="cpu").solve(coil, place(sphere_mesh, "C3", "Cz", 4, coil))


@pytest.mark.parametrize(
    "panels, titles",
    [
        (None, ["along the coil axis", "from the left", "from above", "axial", "coronal", "sagittal"]),
        (("front",), ["from behind"]),
        ("sagittal", ["sagittal"]),
        (("coronal", "coil"), ["along the coil axis", "coronal"]),
    ],
)
def test_a_figure_has_the_panels_that_are_asked_for(field, panels, titles):
    figure = field.plot(panels)
    found = [ax.get_title().split(",")[0] for ax in figure.axes if ax.get_title()]
    if panels == ("front",):
        assert found in (["from behind"], ["from the front"])
    else:
        assert found == titles
    assert figure._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("panels", ["top", (), ("axial", "top"), 3])
def test_other_panels_are_refused(field, panels):
    with pytest.raises(FemtmsError, match="panels must be some of coil, side, above, front, axial, coronal, sagittal"):
        field.plot(panels)


def test_meshes_and_coils_have_figures(field):
    assert len(field.mesh.plot("a head").axes) == 4
    assert field.coil.plot(z_mm=20)._repr_png_().startswith(b"\x89PNG")


def test_tables_have_the_numbers_and_names_are_text(field):
    html = field._repr_html_()
    gm = field.summary("gm")
    assert f"<td>{gm.peak:.3g}</td>" in html and f"Estimated error of E in gm: {100 * gm.error:.2g} %" in html
    html = field.mesh._repr_html_()
    assert f"{len(field.mesh.tets):,} tetrahedra" in html and html.count("<tr>") == 1 + len(field.mesh.tissues)
    coil = replace(field.coil, name="<script>alert(1)</script>", source="a & b")
    html = coil._repr_html_()
    assert "<script>" not in html and "&lt;script&gt;" in html and "a &amp; b" in html


def test_several_coils_have_letters_and_colours(field):
    from femtms.report.field_picture import figure_of

    other = place(field.mesh, "Fz", "Cz", 4, field.coil)
    figure = figure_of(field, "two", [(field.coil, field.pose), (field.coil, other)], ["above"], dpi=60)
    texts = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert {"A", "B"} <= set(texts) and texts["A"] != texts["B"] and "y" not in texts
    assert any("letters: y of each coil" in text.get_text() for text in figure.texts)


def test_greys_of_cuts_are_explained(field):
    names = [text.get_text() for legend in field.plot("axial").legends for text in legend.get_texts()]
    assert names == ["csf", "bone", "scalp"]


def test_without_grey_matter_the_scale_is_that_of_what_is_shown(field):
    bare = replace(field.mesh, tags=np.where(field.mesh.tags == 2, 3, field.mesh.tags))
    figure = Simulator(bare, device="cpu").solve(field.coil, field.pose).plot("axial")
    assert any("99.9th percentile of |E| in csf, bone, scalp" in text.get_text() for text in figure.texts)


def test_show_needs_pyvista(field, monkeypatch):
    monkeypatch.setattr("femtms.extras.find_spec", lambda name: None)
    with pytest.raises(FemtmsError, match=r"needs pyvista: pip install 'femtms\[view\]'"):
        field.show()


def test_show_draws_the_surface_the_scalp_and_the_coil(field, monkeypatch):
    pyvista = pytest.importorskip("pyvista")
    from femtms.report.view import plotter_of

    plotter = plotter_of(field, 2)
    surface = next(mesh for mesh in plotter.meshes if mesh.n_cells > 500)
    assert isinstance(plotter, pyvista.Plotter) and len(plotter.meshes) >= 3
    assert np.linalg.norm(surface.points, axis=1).max() == pytest.approx(60, rel=0.05) or surface.n_points > 0
