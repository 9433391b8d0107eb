"""Maps of a comparison: one scale, the coil where it is, the strongest place dark."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from femtms import LayeredSphere, load_coil, mesh_head, place
from femtms.analysis.envelope import BRAIN
from femtms.report.compare_maps import SHAPE, MapView, colour_stops, nice_ticks
from femtms.report.tissue_surface import TissueSurface


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((70, 85)), size_mm=8.0)


@pytest.fixture(scope="module")
def pose(mesh):
    return place(mesh, "Cz", "Fz", gap_mm=5)


@pytest.fixture(scope="module")
def view(mesh, pose):
    return MapView(TissueSurface.of(mesh, BRAIN), 1e3 * mesh.nodes, pose)


def drawn(view, values, limit, coil, pose):
    return view.maps([values], limit, [(coil, pose)])[0]


def pixels(png):
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


def test_a_map_has_the_size_that_the_page_says_and_few_bytes(view, pose):
    png = drawn(view, np.ones(len(view.surface.nodes)), 1.0, load_coil("figure8-70mm"), pose)
    assert pixels(png).shape == (*SHAPE, 3)
    assert len(png) < 120_000


def test_colours_depend_on_the_common_limit_only(view, pose):
    coil = load_coil("circular-70mm")
    values = np.linspace(0, 1, len(view.surface.nodes))
    assert drawn(view, values, 1.0, coil, pose) == drawn(view, 2 * values, 2.0, coil, pose)
    strong, weak = (pixels(drawn(view, values, limit, coil, pose)).sum() for limit in (1.0, 4.0))
    assert strong < weak  # the colours fall from light to dark


def test_the_strong_side_is_where_it_is_seen_from_above(view, pose):
    """Looking down with the nose up, the right side of the head is on the right."""
    values = np.where(view.surface.nodes[:, 0] > 0, 1.0, 0.0)
    image = pixels(drawn(view, values, 1.0, load_coil("figure8-25mm"), pose)).sum(axis=2)
    height, width = SHAPE
    middle = slice(height // 2 + 60, height // 2 + 90)  # below the coil
    left, right = image[middle, width // 2 - 90 : width // 2 - 60], image[middle, width // 2 + 60 : width // 2 + 90]
    assert right.mean() < left.mean() - 150


def test_maps_drawn_together_are_those_drawn_alone(view, pose):
    coil, values = load_coil("circular-70mm"), np.linspace(0, 1, len(view.surface.nodes))
    together = view.maps([values, 0.5 * values], 1.0, [(coil, pose)] * 2)
    assert together[0] == drawn(view, values, 1.0, coil, pose)
    assert together[1] == drawn(view, 0.5 * values, 1.0, coil, pose)


def test_weak_field_has_its_colours_beside_one_that_is_strong_everywhere(view, pose):
    coil, ones = load_coil("figure8-25mm"), np.ones(len(view.surface.nodes))
    weak = pixels(view.maps([ones, 0.02 * ones], 1.0, [(coil, pose)] * 2)[1])
    height, width = SHAPE
    patch = weak[height // 2 + 60 : height // 2 + 90, width // 2 - 90 : width // 2 - 60]  # of the brain, below the coil
    wanted = np.array([int(colour_stops(101)[2][i : i + 2], 16) for i in (1, 3, 5)])
    shade = patch.sum() / (patch.shape[0] * patch.shape[1] * wanted.sum())  # the lamp
    assert abs(patch.reshape(-1, 3).mean(axis=0) - shade * wanted).max() < 8


def test_the_coil_is_drawn(view, pose, mesh):
    values = np.zeros(len(view.surface.nodes))
    one, other = (pixels(drawn(view, values, 1.0, load_coil(name), pose)) for name in ("figure8-25mm", "circular-90mm"))
    assert (abs(one - other).max(axis=2) > 60).sum() > 300


def test_the_scale_is_that_of_the_pictures():
    stops = colour_stops(5)
    assert len(stops) == 5 and all(len(stop) == 7 and stop.startswith("#") for stop in stops)
    lightness = [sum(int(stop[i : i + 2], 16) for i in (1, 3, 5)) for stop in stops]
    assert lightness == sorted(lightness, reverse=True)


@pytest.mark.parametrize("limit", [1e-3, 0.37, 1.0, 1.57, 9.99, 250.0])
def test_ticks_are_round_and_within_the_scale(limit):
    ticks = nice_ticks(limit)
    assert 3 <= len(ticks) <= 8 and ticks[0] == 0 and ticks[-1] <= limit * (1 + 1e-9)
    step = ticks[1]
    mantissa = step / 10 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(mantissa - m) for m in (1, 2, 5)) < 1e-6
