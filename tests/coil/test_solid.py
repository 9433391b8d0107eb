"""Coils go through each other where their casings do or, without casings, what their windings and dipoles span."""

import numpy as np
import pytest

from femtms import Coil, Pose, load_coil
from femtms.coil.elements import Dipoles
from femtms.coil.solid import coils_meet

FIGURE8 = load_coil("figure8-70mm")
ROUND = load_coil("circular-90mm")


def at(x=0.0, y=0.0, z=0.0, tilt=0.0):
    """A pose in mm, tilted about y by degrees."""
    matrix, a = np.eye(4), np.radians(tilt)
    matrix[:3, :3] = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
    matrix[:3, 3] = [x, y, z]
    return Pose(matrix)


@pytest.mark.parametrize(
    "name", ["figure8-70mm", "C-B60", "MC-B70", "circular-70mm", "double-cone", "twin", "figure8-3-layer"]
)
def test_built_in_coils_in_one_place_meet_and_side_by_side_do_not(name):
    coil = load_coil(name)
    assert coils_meet((coil, at()), (coil, at())) is not None
    assert coils_meet((coil, at()), (coil, at(y=10))) is not None
    assert coils_meet((coil, at()), (coil, at(x=400))) is None


def test_a_coil_through_the_middle_of_another_meets_it():
    where = coils_meet((ROUND, at()), (ROUND, at(tilt=90)))
    assert where is not None and np.linalg.norm(where) < 0.1


def test_coils_on_each_other_touch():
    for coil in (ROUND, FIGURE8, load_coil("C-B60")):
        z = [path.outline()[0, 2] for winding in coil.windings for path in winding.paths]
        height = 1e3 * (coil.windings[0].wire_height + max(z) - min(z))
        assert coils_meet((coil, at()), (coil, at(z=height + 0.1))) is None
        assert coils_meet((coil, at()), (coil, at(z=height - 1.0))) is not None


def test_flat_lists_of_dipoles_are_plates():
    x, y = (grid.ravel() for grid in np.meshgrid(np.linspace(-0.05, 0.05, 9), np.linspace(-0.05, 0.05, 9)))
    positions = np.stack([x, y, np.full(x.shape, -0.005)], axis=1)
    flat = Coil("flat", (Dipoles(positions, np.tile([0, 0, 1e-4], (81, 1))),))
    assert coils_meet((flat, at()), (flat, at(x=20, tilt=60))) is not None
    assert coils_meet((flat, at()), (flat, at(z=5))) is None
    assert coils_meet((flat, at()), (ROUND, at(z=-40, tilt=45))) is not None


def test_thick_flat_lists_of_dipoles_are_solid():
    rng = np.random.default_rng(1)
    cloud = rng.uniform([-0.05, -0.05, -0.015], [0.05, 0.05, 0], (400, 3))
    thick = Coil("thick", (Dipoles(cloud, np.full((400, 3), 1e-5)),))
    assert coils_meet((thick, at()), (thick, at())) is not None
    assert coils_meet((thick, at()), (thick, at(z=8))) is not None
    assert coils_meet((thick, at()), (thick, at(z=16))) is None


def test_what_a_helmet_encloses_is_free():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(300, 3))
    directions[:, 2] = -np.abs(directions[:, 2])
    shell = 0.15 * directions / np.linalg.norm(directions, axis=1)[:, None]
    helmet = Coil("helmet", (Dipoles(shell, np.full((300, 3), 1e-5)),))
    assert coils_meet((helmet, at()), (FIGURE8, at(z=-30))) is None
