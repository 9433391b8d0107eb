"""Maps of A and B on planes."""

import numpy as np
import pytest
from rings import ring

from femtms import Coil, FemtmsError, load_coil
from femtms.coil.plane import plane_map
from femtms.coil.sampled import SampledField
from femtms.reference.loop import loop_potential


def test_map_of_a_loop_is_its_closed_form():
    radius = 0.04
    found = plane_map(Coil("loop", (ring(0, radius),)), origin=(0, 0, 0.015), half=(0.05, 0.03), step=2e-3)
    assert found.A.shape == (31, 51, 3)
    np.testing.assert_allclose(found.points[3, 4], [-0.05 + 4 * 0.002, -0.03 + 3 * 0.002, 0.015])
    exact = loop_potential(found.points.reshape(-1, 3), radius).reshape(found.A.shape)
    np.testing.assert_allclose(found.A, exact, atol=1e-5 * np.abs(exact).max())
    np.testing.assert_allclose(found.magE, 1e6 * np.linalg.norm(exact, axis=-1), atol=1e-5 * found.magE.max())
    # through the middle of the plane: the closed form on the axis
    b = 2e-7 * np.pi * radius**2 / (radius**2 + 0.015**2) ** 1.5
    np.testing.assert_allclose(found.B[15, 25], [0, 0, b], atol=1e-9 * b)


def test_flux_through_a_rectangle_is_the_circulation_of_a_around_it():
    coil = load_coil("figure8-70mm")
    found = plane_map(coil, origin=(0.03, 0, 0.03), u=(1, 0, 0), v=(0, 1, 1), half=(0.03, 0.025), step=5e-4)
    x, y = found.x, found.y
    B, A = found.components(found.B), found.components(found.A)
    flux = np.trapezoid(np.trapezoid(B[..., 2], x, axis=1), y)
    edges = np.trapezoid(A[0, :, 0] - A[-1, :, 0], x) + np.trapezoid(A[:, -1, 1] - A[:, 0, 1], y)
    assert flux == pytest.approx(edges, rel=1e-4)
    assert abs(flux) > 1e-9


def test_any_axes_make_an_orthogonal_plane():
    coil = load_coil("figure8-70mm")
    found = plane_map(coil, origin=(0, 0, 0.03), u=(2, 0, 0), v=(1, 3, 0), half=0.02, step=5e-3)
    same = plane_map(coil, origin=(0, 0, 0.03), half=0.02, step=5e-3)
    np.testing.assert_allclose(found.points, same.points, atol=1e-15)
    np.testing.assert_allclose(found.B, same.B)
    across = plane_map(coil, origin=(0, 0, 0.03), u=(0, 0, 1), v=(0, 1, 0), half=0.02, step=5e-3)
    np.testing.assert_allclose(across.components(across.B)[4, 4], found.B[4, 4] @ np.diag([-1.0, 1, 1])[:, [2, 1, 0]])


def test_points_outside_a_grid_are_not_known():
    affine = np.diag([0.01, 0.01, 0.01, 1.0])
    affine[:3, 3] = -0.03
    values = np.random.default_rng(0).normal(size=(7, 7, 7, 3))
    found = plane_map(Coil("grid", (SampledField(values, affine),)), half=0.05, step=0.01)
    known = (np.abs(found.points) <= 0.03 + 1e-9).all(axis=-1)
    np.testing.assert_array_equal(np.isfinite(found.magA), known)
    np.testing.assert_array_equal(np.isfinite(found.magB), known)
    assert 0 < known.sum() < known.size


@pytest.mark.parametrize(
    "changes,words",
    [
        ({"v": (2, 0, 0)}, "not parallel"),
        ({"u": (0, 0, 0)}, "not parallel"),
        ({"origin": (0, np.nan, 0)}, "three finite numbers"),
        ({"half": 0}, "lengths > 0"),
        ({"step": -1e-3}, "lengths > 0"),
    ],
)
def test_what_is_no_plane_is_refused(changes, words):
    with pytest.raises(FemtmsError, match=words):
        plane_map(load_coil("figure8-70mm"), **changes)
