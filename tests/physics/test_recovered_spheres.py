"""Recovered fields and estimates of the error in spheres, against the closed form."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from lagrange import quadrature

from femtms import Coil, LayeredSphere, Pose, Simulator, mesh_head
from femtms.coil.elements import Dipoles
from femtms.field.error_estimate import relative_error
from femtms.field.field import Field
from femtms.field.recovery import TissueRecovery
from femtms.field.statistics import TissueTets
from femtms.reference.sphere import dipoles_field_in_sphere
from femtms.tissue import PROPERTIES

_DIDT = 1e6
_SIDES = np.array([[x, y, 0.104] for x in (-0.045, -0.035, -0.025) for y in (-0.01, 0, 0.01)])
_POSITIONS = np.concatenate([_SIDES, _SIDES * [-1, 1, 1]])
_MOMENTS = np.repeat([[0, 0, -1e-4], [0, 0, 1e-4]], 9, axis=0)
COIL = Coil("two patches", (Dipoles(_POSITIONS, _MOMENTS),))
RADII = {1: (92.0,), 3: (80.0, 86.0, 92.0), 4: (78.0, 80.0, 86.0, 92.0)}


def exact_field(points):
    return dipoles_field_in_sphere(points, _POSITIONS, _DIDT * _MOMENTS)


def coil_field(points):
    return _DIDT * COIL.vector_potential(points)


@dataclass(frozen=True, eq=False)
class Solved:
    """One sphere: the raw field of elements of an order, and the exact E at the centroids."""

    field: Field
    exact: np.ndarray

    @property
    def mesh(self):
        return self.field.mesh

    @property
    def size(self):
        """Mean size of a tetrahedron in m: what came out, not what was asked for."""
        return (self.mesh.volumes.sum() / len(self.mesh.tets)) ** (1 / 3)

    def cortex(self):
        """Away from interfaces, on the coil's side."""
        radius = np.linalg.norm(self.mesh.centroids, axis=1)
        return (radius > 0.060) & (radius < 0.072) & (self.mesh.centroids[:, 2] > 0.02)

    def places(self):
        """Where errors are looked at: the cortex, and each layer."""
        return {"cortex": self.cortex()} | {int(tag): self.mesh.tags == tag for tag in self.mesh.tissues}

    def relative(self, difference, where):
        """√(Σ V |ΔE|²) / √(Σ V |E|²)."""
        volumes = self.mesh.volumes[where, None]
        return np.sqrt((volumes * difference[where] ** 2).sum() / (volumes * self.exact[where] ** 2).sum())


def solve(mesh, order=1):
    return Simulator(mesh, order=order, device="cpu", rtol=1e-9).solve(COIL, Pose(np.eye(4)), _DIDT)


@cache
def solved(shells, size_mm, order=1):
    mesh = mesh_head(LayeredSphere(RADII[shells]), size_mm) if order == 1 else solved(shells, size_mm).mesh
    return Solved(solve(mesh, order), exact_field(mesh.centroids))


@cache
def recovered(shells, size_mm, order=1, method="harmonic"):
    """E (m,3) of the recovered ∇φ at all centroids."""
    return solved(shells, size_mm, order).field.recovered(method).E


def order_of(shells, sizes):
    """Order of convergence in the cortex, from the coarsest to the finest mesh."""
    errors = [
        solved(shells, h).relative(recovered(shells, h) - solved(shells, h).exact, solved(shells, h).cortex())
        for h in sizes
    ]
    return np.polyfit(np.log([solved(shells, h).size for h in sizes]), np.log(errors), 1)[0], errors


def gain(shells, size_mm, place):
    """How many times the recovered field is better than the raw one."""
    case = solved(shells, size_mm)
    where = case.places()[place]
    return case.relative(case.field.E - case.exact, where) / case.relative(
        recovered(shells, size_mm) - case.exact, where
    )


FOUR, _ = quadrature(2)


@cache
def squared_errors(shells, size_mm, order):
    """Mean (m,) of |E - exact|² over each tetrahedron, of the raw field."""
    mesh, field = solved(shells, size_mm, order).mesh, solved(shells, size_mm, order).field
    tets, squares = np.arange(len(mesh.tets)), np.zeros(len(mesh.tets))
    for weights in FOUR:
        points = np.einsum("a,mad->md", weights, mesh.nodes[mesh.tets])
        E = field.E_in(tets, np.tile(weights, (len(tets), 1)))
        squares += ((E - exact_field(points)) ** 2).sum(axis=1) / 4
    return squares


def effectivities(shells, size_mm, order):
    """Estimated over true error, both in the L2 norm, at all places."""
    case = solved(shells, size_mm, order)
    estimate, true = case.mesh.volumes * case.field.error**2, case.mesh.volumes * squared_errors(shells, size_mm, order)
    return {place: np.sqrt(estimate[where].sum() / true[where].sum()) for place, where in case.places().items()}


def test_harmonic_recovery_of_linear_elements_is_of_higher_order_and_three_times_better():
    order, errors = order_of(1, (14.0, 11.0, 8.0))
    assert order > 1.4, (order, errors)
    assert gain(1, 8.0, "cortex") > 8 and gain(1, 8.0, 2) > 3
    assert gain(3, 8.0, "cortex") > 8 and gain(3, 8.0, 2) > 3  # up to an interface with bone


@pytest.mark.slow
@pytest.mark.parametrize("shells", [1, 3, 4])
def test_harmonic_recovery_on_fine_spheres(shells):
    order, errors = order_of(shells, (8.0, 5.0, 3.0))
    assert order > 1.4, (order, errors)
    assert gain(shells, 3.0, "cortex") > 6 and gain(shells, 3.0, 2) > 3


@pytest.mark.parametrize("shells", [1, 3])
def test_harmonic_fits_are_better_than_any_linear_field_up_to_interfaces(shells):
    case = solved(shells, 8.0)
    for tag in case.mesh.tissues:
        where = case.mesh.tags == tag
        harmonic, spr, raw = (
            case.relative(E - case.exact, where)
            for E in (recovered(shells, 8.0), recovered(shells, 8.0, method="spr"), case.field.E)
        )
        assert harmonic < 0.7 * spr < 0.7 * raw, (tag, harmonic, spr, raw)


def check_interfaces(shells, size_mm, normal_jump, tangential_jump):
    """σE·n and E × n on both sides of each interface, from recovered values alone."""
    case = solved(shells, size_mm)
    sides = {}
    for tag in case.mesh.tissues:
        recovery = TissueRecovery.build(case.mesh, 1, "harmonic", int(tag))
        E = np.full((len(case.mesh.nodes), 3), np.nan)
        E[recovery.nodes] = -coil_field(recovery.points) - recovery.gradients(case.field.potential)
        sides[int(tag)] = E
    tags = [int(tag) for tag in case.mesh.tissues]
    for inner, outer in pairwise(tags):
        near = np.isfinite(sides[inner][:, 0]) & np.isfinite(sides[outer][:, 0]) & (case.mesh.nodes[:, 2] > 0.02)
        assert near.sum() > 100
        normal = case.mesh.nodes[near] / np.linalg.norm(case.mesh.nodes[near], axis=1)[:, None]
        inside, outside = sides[inner][near], sides[outer][near]
        # the coil alone pushes this much through: charges at the interface must make σ₁E₁·n = σ₂E₂·n of it
        pushed = np.abs((coil_field(case.mesh.nodes[near]) * normal).sum(axis=1)).mean()
        through = [PROPERTIES[t].sigma * (E * normal).sum(axis=1) for t, E in ((inner, inside), (outer, outside))]
        size = max(PROPERTIES[inner].sigma, PROPERTIES[outer].sigma) * pushed
        assert np.abs(through[0] - through[1]).mean() < normal_jump * size, (inner, outer)
        jump = np.linalg.norm(np.cross(inside - outside, normal), axis=1).mean()
        assert jump < tangential_jump * np.linalg.norm(inside, axis=1).mean(), (inner, outer)


def test_recovered_fields_meet_at_interfaces():
    check_interfaces(3, 8.0, 0.05, 0.05)


@pytest.mark.slow
def test_recovered_fields_meet_at_interfaces_with_csf():
    check_interfaces(4, 5.0, 0.03, 0.03)


@pytest.mark.parametrize("shells", [1, 3])
def test_the_estimate_for_linear_elements_is_the_error(shells):
    assert all(0.8 < share < 1.2 for share in effectivities(shells, 8.0, 1).values()), effectivities(shells, 8.0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("shells, size_mm", [(1, 5.0), (1, 3.0), (3, 5.0), (3, 3.0), (4, 8.0), (4, 5.0), (4, 3.0)])
def test_the_estimate_for_linear_elements_is_the_error_on_fine_spheres(shells, size_mm):
    shares = effectivities(shells, size_mm, 1)
    assert all(0.7 < share < 1.5 for share in shares.values()), shares


def test_quadratic_elements_tell_the_error_of_linear_ones():
    """At centroids, where both are known."""
    case, better = solved(3, 8.0, 1), solved(3, 8.0, 2).field.E
    for place, where in case.places().items():
        share = case.relative(better - case.field.E, where) / case.relative(case.field.E - case.exact, where)
        assert 0.9 < share < 1.1, (place, share)


@pytest.mark.parametrize("shells", [1, 3])
def test_the_estimate_for_quadratic_elements_is_the_error_in_grey_matter(shells):
    shares = effectivities(shells, 8.0, 2)
    assert all(0.7 < shares[place] < 1.5 for place in ("cortex", 2)), shares


def test_estimates_are_those_of_the_formulas():
    case = solved(1, 14.0)
    tets = TissueTets.of(case.mesh, 2)
    squares = case.field.tissue_error("gm") ** 2
    share = np.sqrt((tets.volumes * squares).sum() / (tets.volumes * case.field.magnE**2).sum())
    assert relative_error(case.field.E, squares, tets) == pytest.approx(share, rel=1e-12)
    assert case.field.relative_error("gm") == pytest.approx(share, rel=1e-12)
    assert relative_error(0 * case.field.E, 0 * squares, tets) == 0
    assert relative_error(0 * case.field.E, squares, tets) > 1e100
