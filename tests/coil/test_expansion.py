"""A by series in boxes against direct sums."""

from math import factorial

import numpy as np
import pytest
from kernels.host_cuda import gpu, host_cuda
from scipy.special import factorial2, sph_harm_y

from femtms import Coil, Pose, core, load_coil
from femtms.backend import cpu_backend, to_host
from femtms.coil import expansion
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.expansion import DEGREE, HarmonicBoxes, solid_harmonics
from femtms.mesh.order import codes_and_order

TOLERANCE = 3e-4


@pytest.fixture(scope="module", params=["cpu", "cuda-host", pytest.param("gpu", marks=pytest.mark.gpu)])
def backend(request, tmp_path_factory):
    if request.param == "cpu":
        return cpu_backend()
    return gpu() if request.param == "gpu" else host_cuda(tmp_path_factory.mktemp("cuda"))


def ball(n, radius=0.085, seed=0):
    """Points (n,3) in m, evenly spread in a ball around the origin."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(n, 3))
    return radius * directions * (rng.random(n) ** (1 / 3) / np.linalg.norm(directions, axis=1))[:, None]


HEAD = ball(40_000)


@pytest.fixture(scope="module")
def boxes(backend):
    return HarmonicBoxes.build(HEAD, backend)


class Counted(Coil):
    """A coil that knows at how many points it has been summed directly."""

    def vector_potential(self, points, *kernels):
        object.__setattr__(self, "summed", getattr(self, "summed", 0) + len(points))
        return super().vector_potential(points, *kernels)


def counted(coil):
    return Counted(coil.name, coil.elements)


def random_pose(rng, distance):
    """A coil that faces the centre of the head from `distance` m, in a random place."""
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    axes *= np.sign(np.linalg.det(axes))
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, -1e3 * distance * axes[:, 2]
    return Pose(matrix)


def many_dipoles(seed=1):
    """500 dipoles of random directions in a flat box that touches z = 0."""
    rng = np.random.default_rng(seed)
    return Coil("dipoles", (Dipoles(rng.uniform([-0.06, -0.03, -0.01], [0.06, 0.03, 0], (500, 3)),
                                    1e-6 * rng.normal(size=(500, 3))),))  # fmt: skip


def both_kinds():
    return Coil("both", (*load_coil("figure8-70mm").elements, *many_dipoles().elements))


def errors(a, exact):
    """The largest error relative to the median of |A|, and the relative error in L2."""
    error, size = np.linalg.norm(a - exact, axis=1), np.linalg.norm(exact, axis=1)
    return error.max() / np.median(size), np.sqrt((error**2).sum() / (size**2).sum())


# --- the functions ---------------------------------------------------------------------------------------


def test_solid_harmonics_are_those_of_scipy():
    x = np.random.default_rng(0).normal(size=(50, 3))
    r = np.linalg.norm(x, axis=1)
    columns = iter(np.moveaxis(solid_harmonics(x, 10), 1, 0))
    for m in range(11):
        for l in range(m, 11):
            norm = np.sqrt((2 * l + 1) / (4 * np.pi) * factorial(l - m) / factorial(l + m))
            ours = (
                (-1) ** m * factorial(l - m) / (factorial2(2 * m - 1) if m else 1) / norm
            )  # theory.md (19) against theirs
            expected = ours * r**l * sph_harm_y(l, m, np.arccos(x[:, 2] / r), np.arctan2(x[:, 1], x[:, 0]))
            got = next(columns)
            scale = np.abs(expected).max()
            np.testing.assert_allclose(got[:, 0], expected.real, atol=1e-13 * scale)
            np.testing.assert_allclose(got[:, 1], expected.imag, atol=1e-13 * scale)
    assert next(columns, None) is None


class Polynomial:
    """Stands in for a coil: A is Re (n·x)^l with n·n = 0, which is harmonic; elements are far away."""

    positions = np.array([[0, 0, 9.0]] * 500)
    sampled = ()

    def __init__(self, degree, xp):
        rng = np.random.default_rng(degree)
        real, imag = np.linalg.qr(rng.normal(size=(3, 3)))[0][:2]
        self.n = xp.asarray(real + 1j * imag)
        self.shift = xp.asarray(np.array([[0.03, -0.02, 0.01]]))
        self.degree = degree

    def vector_potential(self, points, kernels=None):
        values = ((10 * (points + self.shift)) @ self.n) ** self.degree
        return (values.real + 0)[:, None] * (points * 0 + 1)


@pytest.mark.parametrize("degree", range(DEGREE + 1))
def test_harmonic_polynomials_are_exact(boxes, backend, degree):
    polynomial = Polynomial(degree, backend.xp)
    exact = to_host(polynomial.vector_potential(boxes.points))
    a = to_host(boxes.vector_potential(polynomial, tolerance=1e-10))
    np.testing.assert_allclose(a, exact, rtol=0, atol=1e-13 * np.abs(exact).max())


def test_polynomial_beyond_the_degree_is_not_exact_and_the_samples_tell(boxes, backend):
    polynomial = Polynomial(DEGREE + 1, backend.xp)
    exact = to_host(polynomial.vector_potential(boxes.points))
    largest, _ = errors(to_host(boxes.vector_potential(polynomial, tolerance=1e9)), exact)
    assert largest > 0.1
    assert errors(to_host(boxes.vector_potential(polynomial, tolerance=1e-6)), exact)[0] < 2e-6


# --- coils -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: load_coil("figure8-70mm"), many_dipoles, both_kinds],
                         ids=["figure-8", "dipoles", "both"])  # fmt: skip
@pytest.mark.parametrize("gap_mm", [0.5, 5, 40])
def test_error_is_within_the_tolerance(boxes, backend, make, gap_mm):
    rng = np.random.default_rng(int(10 * gap_mm))
    for _ in range(2):
        coil = counted(make().moved(random_pose(rng, 0.085 + 1e-3 * gap_mm)))
        exact = coil.vector_potential(HEAD)
        direct, coil = coil.summed, counted(coil)
        largest, mean = errors(to_host(boxes.vector_potential(coil)), exact)
        assert largest < 2 * TOLERANCE  # samples do not see all of it
        assert mean < 1e-5
        assert coil.summed < 0.8 * direct


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
def test_tolerance_bounds_the_error(boxes, tolerance):
    coil = load_coil("figure8-70mm").moved(random_pose(np.random.default_rng(3), 0.09))
    largest, _ = errors(to_host(boxes.vector_potential(coil, tolerance)), coil.vector_potential(HEAD))
    assert largest < 2 * tolerance


def test_series_of_low_degree_add_their_share_of_the_error_at_most(monkeypatch):
    points = ball(200_000)
    boxes = HarmonicBoxes.build(points, cpu_backend())
    coil = load_coil("figure8-70mm").moved(random_pose(np.random.default_rng(4), 0.09))
    for tolerance, share in ((1e-2, 0.2), (1e-3, 0.1), (1e-4, 0.02)):
        a = boxes.vector_potential(coil, tolerance)
        with monkeypatch.context() as patch:
            patch.setattr(expansion, "_SHRUNK", 0.0)  # none is tried
            whole = boxes.vector_potential(coil, tolerance)
        assert (a != whole).any(axis=1).mean() > share  # of the points are in parts with such a series
        assert errors(a, whole)[0] < 2 * expansion._LOW_SHARE * tolerance


def test_elements_in_the_head_are_seen(boxes):
    """Far fewer than the points, so most boxes have series; those around an element must not."""
    rng = np.random.default_rng(5)
    inside = rng.choice(len(HEAD), 300, replace=False)
    positions = HEAD[inside] + 2e-5 * rng.normal(size=(300, 3)) * [[1, 1, 1]]
    positions[:100] = 0.3 * positions[0] + 1e-3 * rng.normal(size=(100, 3))
    coil = Coil("implant", (Currents(positions[:100], 1e-2 * rng.normal(size=(100, 3))),))
    exact = coil.vector_potential(HEAD)
    assert errors(to_host(boxes.vector_potential(coil)), exact)[0] < 2 * TOLERANCE
    everywhere = Coil("everywhere", (Currents(positions, 1e-2 * rng.normal(size=(300, 3))),))
    exact = everywhere.vector_potential(HEAD)
    assert errors(to_host(boxes.vector_potential(everywhere)), exact)[0] < 2 * TOLERANCE


@pytest.mark.parametrize("kind", [Dipoles, Currents])
def test_a_point_at_an_element_is_not_finite_and_all_others_are_right(boxes, kind):
    rng = np.random.default_rng(6)
    here = 1234
    positions = np.concatenate([HEAD[here : here + 1], rng.normal(size=(400, 3)) * 0.02 + [0, 0, 0.12]])
    coil = Coil("at a point", (kind(positions, 1e-6 * rng.normal(size=(401, 3))),))
    a = to_host(boxes.vector_potential(coil))
    assert not np.isfinite(a[here]).any()
    others = np.arange(len(HEAD)) != here
    largest, _ = errors(a[others], coil.vector_potential(HEAD[others]))
    assert largest < 2 * TOLERANCE


class NotANumber(Polynomial):
    """An A that is NaN in one half of the head."""

    def vector_potential(self, points, kernels=None):
        a = super().vector_potential(points)
        a[points[:, 0] > 0.01] = np.nan
        return a


def test_nan_stays_where_it_is(boxes, backend):
    bad = NotANumber(3, backend.xp)
    exact = to_host(bad.vector_potential(boxes.points))
    a = to_host(boxes.vector_potential(bad))
    np.testing.assert_array_equal(np.isnan(a), np.isnan(exact))
    there = np.isfinite(exact[:, 0])
    assert errors(a[there], exact[there])[0] < 2 * TOLERANCE


def test_a_coil_without_current_has_no_field(boxes):
    assert not to_host(
        boxes.vector_potential(Coil("off", (Currents(np.full((300, 3), 0.2), np.zeros((300, 3))),)))
    ).any()


# --- many poses ---------------------------------------------------------------------------------------------


def some_poses(k):
    """k random ones, 0.5 to 200 mm from the head."""
    rng = np.random.default_rng(10)
    return [random_pose(rng, 0.085 + gap) for gap in np.geomspace(5e-4, 0.2, k)]


@pytest.mark.parametrize("make", [lambda: load_coil("figure8-70mm"), both_kinds], ids=["figure-8", "both"])
def test_poses_far_and_near_are_within_the_tolerance(boxes, make):
    poses = some_poses(5)
    for a, pose in zip(boxes.vector_potentials(make(), poses), poses, strict=True):
        largest, mean = errors(to_host(a), make().moved(pose).vector_potential(HEAD))
        assert largest < 2 * TOLERANCE
        assert mean < 1e-5


@pytest.mark.parametrize("k", [1, 3, 32])
def test_bits_do_not_depend_on_the_other_poses(boxes, k):
    coil, poses = both_kinds(), some_poses(32)[::-1][:k]
    together = boxes.vector_potentials(coil, poses)
    for i in range(0, k, max(1, k // 4)):
        (alone,) = boxes.vector_potentials(coil, poses[i : i + 1])
        np.testing.assert_array_equal(to_host(together[i]), to_host(alone))


def test_bits_do_not_depend_on_how_many_boxes_are_sampled_together(boxes, monkeypatch):
    coil, poses = load_coil("figure8-70mm"), some_poses(4)
    expected = boxes.vector_potentials(coil, poses)
    monkeypatch.setattr(expansion, "_BOXES", 7)
    monkeypatch.setattr(expansion, "_POINTS", 1000)
    for a, b in zip(boxes.vector_potentials(coil, poses), expected):
        np.testing.assert_array_equal(to_host(a), to_host(b))


def test_a_pose_is_a_moved_coil(boxes):
    coil, (pose,) = both_kinds(), some_poses(1)
    a, moved = boxes.vector_potentials(coil, [pose])[0], boxes.vector_potential(coil.moved(pose))
    assert errors(to_host(a), to_host(moved))[0] < 1e-9


def test_a_pose_with_an_element_on_a_point_leaves_the_others_alone(boxes):
    coil = Coil("implant", (Currents(HEAD[:300] * [[1, 1, 0.01]], np.full((300, 3), 1e-3)),))
    far, near = Pose(np.eye(4) + [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 200], [0, 0, 0, 0]]), Pose(np.eye(4))
    on_points = Coil("on points", (Currents(HEAD[:300], np.full((300, 3), 1e-3)),))
    for some in (coil, on_points):
        alone = [boxes.vector_potentials(some, [pose])[0] for pose in (far, near, far)]
        for a, b in zip(alone, boxes.vector_potentials(some, [far, near, far])):
            np.testing.assert_array_equal(to_host(a), to_host(b))
    assert not np.isfinite(to_host(alone[1])[:300]).any() and np.isfinite(to_host(alone[1])[300:]).all()
    assert np.isfinite(to_host(alone[0])).all()


def test_neither_calls_nor_transfers_grow_with_the_number_of_poses(tmp_path):
    played = host_cuda(tmp_path)
    boxes, gpu = HarmonicBoxes.build(HEAD, played), played.xp.gpu
    coil, (pose,) = load_coil("figure8-70mm"), some_poses(1)
    counts = []
    for k in (1, 2, 8):
        gpu.counts.clear(), gpu.calls.clear()
        boxes.vector_potentials(coil, [pose] * k)
        counts.append((dict(gpu.counts), dict(gpu.calls)))
    assert counts[0] == counts[1] == counts[2]
    work, calls = counts[0]
    assert 1 < calls["harmonic_series"] < 10 and calls["nearest"] > 3  # for the samples of parts, too
    assert calls["flatnonzero"] < 50  # the device must say how many
    assert work["downloads"] <= 1  # and how many points are left


# --- when it does not pay, and odd heads --------------------------------------------------------------------


def test_few_elements_are_summed_directly(boxes, dipole_coil, vertex_pose):
    direct = dipole_coil.moved(vertex_pose).vector_potential(boxes.points, boxes.backend.kernels)
    for a in boxes.vector_potentials(dipole_coil, [vertex_pose] * 2):
        np.testing.assert_array_equal(to_host(a), to_host(direct))


@pytest.mark.parametrize("n", [1, 100, 1000])
def test_small_heads(backend, n):
    points = ball(n, seed=n)
    coil = counted(load_coil("figure8-70mm").moved(random_pose(np.random.default_rng(n), 0.09)))
    a = to_host(HarmonicBoxes.build(points, backend).vector_potential(coil))
    assert (
        errors(
            a, load_coil("figure8-70mm").moved(random_pose(np.random.default_rng(n), 0.09)).vector_potential(points)
        )[0]
        < 2 * TOLERANCE
    )


def test_points_in_one_place(backend):
    points = np.concatenate(
        [np.tile([[0.01, 0.02, 0.03]], (500, 1)), np.tile([[0.01, 0.02, -0.03]], (500, 1)), ball(50)]
    )
    coil = load_coil("figure8-70mm").moved(random_pose(np.random.default_rng(8), 0.09))
    for some in (points, points[:500], points[::-1]):
        a = to_host(HarmonicBoxes.build(some, backend).vector_potential(coil))
        assert errors(a, coil.vector_potential(some))[0] < 2 * TOLERANCE


def test_every_point_is_in_one_leaf(boxes):
    tables = (boxes.order, boxes.starts, boxes.ends, boxes.halves, boxes.centres, boxes.radii)
    order, starts, ends, halves, centres, radii = map(to_host, tables)
    assert (ends - starts)[halves < 0].sum() == len(HEAD)
    np.testing.assert_array_equal(np.sort(order), np.arange(len(HEAD)))
    for b in range(0, len(starts), 7):
        own = HEAD[order[starts[b] : ends[b]]]
        assert np.linalg.norm(own - centres[b], axis=1).max() <= radii[b] * (1 + 1e-12)


def test_boxes_of_one_size_have_one_shape(backend):
    """And the longest side is no longer than 2^(2/3) times the shortest."""
    points = np.random.default_rng(0).random((100_000, 3)) * 2 ** (np.arange(3) / 3)
    boxes = HarmonicBoxes.build(points, backend)
    count, radii = to_host(boxes.ends - boxes.starts), to_host(boxes.radii)
    for smallest, largest in ((3000, 6000), (10_000, 14_000), (20_000, 28_000)):
        some = (count > smallest) & (count < largest)
        assert some.any()
        # half the diagonal of sides a, a 2^(1/3), a 2^(2/3), and n = 100,000 a^3
        expected = 0.5 * np.sqrt(1 + 2 ** (2 / 3) + 2 ** (4 / 3)) * (count[some] / 1e5) ** (1 / 3)
        np.testing.assert_allclose(radii[some], expected, rtol=0.05)


def test_order_is_ascending_and_stable(backend):
    points = np.repeat(ball(300), 3, axis=0)
    codes, order = (to_host(a) for a in codes_and_order(backend.xp.asarray(points), backend))
    assert (codes[1:] >= codes[:-1]).all()
    np.testing.assert_array_equal(np.sort(order), np.arange(len(points)))
    assert (np.diff(order.astype(int))[codes[1:] == codes[:-1]] > 0).all()


# --- bits ------------------------------------------------------------------------------------------------


def test_bits_depend_neither_on_threads_nor_on_what_was_computed_before():
    boxes = HarmonicBoxes.build(HEAD, cpu_backend())
    rng = np.random.default_rng(9)
    coils = [load_coil("figure8-70mm").moved(random_pose(rng, 0.09)) for _ in range(3)]
    before = core.threads()
    try:
        core.set_threads(1)
        one = [boxes.vector_potential(coil) for coil in coils]
        core.set_threads(2)
        two = [boxes.vector_potential(coil) for coil in coils[::-1]][::-1]
    finally:
        core.set_threads(before)
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)
