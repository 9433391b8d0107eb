"""A of a coil on a grid: what interpolation loses, and where there is none."""

import numpy as np
import pytest

from femtms import Coil, FemtmsError, LayeredSphere, Pose, Simulator, load_coil, mesh_head
from femtms.coil.sampled import SampledField

LOW, SIZE = np.array([-0.1, -0.08, 0.02]), np.array([0.2, 0.16, 0.18])


def sampled(coil, step, **options):
    """A of a coil on a grid in front of it."""
    shape = tuple(np.round(SIZE / step).astype(int) + 1)
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = LOW
    points = np.argwhere(np.ones(shape)) * step + LOW
    return SampledField(coil.vector_potential(points).reshape(*shape, 3), affine, **options)


@pytest.fixture(scope="module")
def coil():
    return load_coil("figure8-25mm")


def test_error_falls_with_the_fourth_power_of_the_voxel_also_at_the_rim(coil):
    rng = np.random.default_rng(0)
    points = LOW + SIZE * rng.uniform(size=(3000, 3))
    points[:1000, 2] = LOW[2] + 1e-3 * rng.uniform(size=1000)  # in the first layer of voxels, next to the coil
    exact = coil.vector_potential(points)
    errors = [
        np.abs(Coil("s", (sampled(coil, step),)).vector_potential(points) - exact).max()
        for step in (0.01, 0.005, 0.0025)
    ]
    assert errors[2] < 5e-4 * np.abs(exact).max()
    assert errors[0] > 8 * errors[1] > 8 * 8 * errors[2]


def test_coil_inside_the_grid_spoils_only_what_is_next_to_it(coil):
    step, low = 3e-3, np.array([-0.0601, -0.0402, -0.0203])
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = low
    values = coil.vector_potential(np.argwhere(np.ones((41, 27, 35))) * step + low).reshape(41, 27, 35, 3)
    assert np.abs(values).max() > 1.5 * np.abs(coil.vector_potential([[0, 0, 0.005]])).max()  # next to a wire
    grid = Coil("s", (SampledField(values, affine),))
    points = np.random.default_rng(5).uniform([-0.05, -0.03, 0.01], [0.05, 0.03, 0.07], (3000, 3))
    exact = coil.vector_potential(points)
    assert np.abs(grid.vector_potential(points) - exact).max() < 2e-3 * np.abs(exact).max()


def test_samples_are_met_and_cubic_fields_are_exact():
    rng = np.random.default_rng(1)
    powers = [(i, j, k) for i in range(4) for j in range(4) for k in range(4)]
    c = rng.normal(size=(len(powers), 3))

    def field(x):
        return np.stack([np.prod((10 * x) ** p, axis=-1) for p in powers], axis=-1) @ c

    affine = np.array([[0.012, 0, 0, -0.05], [0, 0, -0.01, 0.05], [0, 0.011, 0, -0.04], [0, 0, 0, 1]])
    index = np.stack(np.meshgrid(np.arange(8), np.arange(9), np.arange(10), indexing="ij"), axis=-1)
    grid = SampledField(field(index @ affine[:3, :3].T + affine[:3, 3]), affine)
    inside = rng.uniform(0, [7, 8, 9], (500, 3)) @ affine[:3, :3].T + affine[:3, 3]
    np.testing.assert_allclose(Coil("cubic", (grid,)).vector_potential(inside), field(inside), rtol=1e-9, atol=1e-9)


def test_moved_field_is_the_field_of_the_moved_coil(coil):
    matrix = np.array([[0, 1, 0, 10], [0, 0, 1, 20], [1, 0, 0, 30], [0, 0, 0, 1.0]])
    pose, grid = Pose(matrix), Coil("s", (sampled(coil, 0.01),))
    points = LOW + SIZE * np.random.default_rng(2).uniform(size=(100, 3))
    expected = grid.vector_potential(points) @ pose.rotation.T
    np.testing.assert_allclose(grid.moved(pose).vector_potential(pose.in_head(points)), expected, rtol=1e-9, atol=1e-20)
    # once more about itself
    twice = grid.moved(pose).moved(pose).vector_potential(pose.in_head(pose.in_head(points)))
    np.testing.assert_allclose(twice, expected @ pose.rotation.T, rtol=1e-9, atol=1e-20)


def test_outside_is_an_error_or_zero_as_asked(coil):
    points = np.array([[0, 0, 0.1], [0, 0, 0.19], [0, 0, 0.205], [0.101, 0, 0.1]])
    with pytest.raises(FemtmsError, match=r"2 of 4 points are outside, up to 5\.0 mm: .*--outside zero"):
        Coil("s", (sampled(coil, 0.01),)).vector_potential(points)
    a = Coil("s", (sampled(coil, 0.01, outside="zero"),)).vector_potential(points)
    assert (a[2:] == 0).all() and (np.abs(a[:2]).max(axis=1) > 0).all()


@pytest.mark.parametrize(
    ("values", "affine", "words"),
    [
        (np.zeros((5, 5, 5)), np.eye(4), r"must be \(nx,ny,nz,3\)"),
        (np.zeros((5, 5, 3, 3)), np.eye(4), "at least 4 samples"),
        (np.full((5, 5, 5, 3), np.nan), np.eye(4), r"at voxel \[0, 0, 0\] it is not"),
        (np.zeros((5, 5, 5, 3)), np.zeros((4, 4)), "invertible"),
    ],
)
def test_wrong_samples_are_refused_in_words(values, affine, words):
    with pytest.raises(FemtmsError, match=words):
        SampledField(values, affine)


def test_head_gets_the_field_of_the_wires(coil, device):
    mesh = mesh_head(LayeredSphere((30, 38, 44, 50)), size_mm=8.0)
    pose = Pose(np.array([[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 75.0], [0, 0, 0, 1]]))
    sim = Simulator(mesh, device=device)
    exact = sim.solve(coil, pose)
    field = sim.solve(Coil("s", (sampled(coil, 0.004),)), pose)
    assert np.abs(field.E - exact.E).max() < 1e-3 * exact.magnE.max()
    # and together with wires: twice the field
    both = sim.solve(Coil("both", (*coil.elements, sampled(coil, 0.004))), pose)
    assert np.abs(both.E - 2 * exact.E).max() < 1e-3 * exact.magnE.max()
    near = Pose(np.array([[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -1, 60.0], [0, 0, 0, 1]]))
    with pytest.raises(FemtmsError, match="must hold all of the head"):
        sim.solve(Coil("s", (sampled(coil, 0.01),)), near)
    # a part of the head without a field is still a head
    assert np.isfinite(sim.solve(Coil("s", (sampled(coil, 0.01, outside="zero"),)), near).E).all()


def test_gpu_and_cpu_interpolate_alike(device, coil):
    from femtms.backend import backend, to_host

    chosen = backend(device)
    grid = sampled(coil, 0.01).moved(Pose(np.array([[0, 1, 0, 10], [0, 0, 1, 20], [1, 0, 0, 30], [0, 0, 0, 1.0]])))
    points = np.random.default_rng(3).uniform(-0.2, 0.3, (500, 3))
    a = to_host(grid.potential(chosen.xp.asarray(points), chosen.kernels))
    from femtms.kernels import cpu

    np.testing.assert_allclose(a, grid.potential(points, cpu), rtol=1e-12, atol=1e-22)
    assert (a == 0).all(axis=1).any() and (a != 0).any()
