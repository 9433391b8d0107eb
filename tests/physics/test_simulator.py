"""Settings are checked, many poses are as good as one, and failure is loud."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from femtms import FemtmsError, NotConverged, Simulator, TetMesh, place
from femtms.solver import potential


@pytest.mark.parametrize(
    "conductivity,words",
    [
        ({"bone": -0.3}, "sigma must be > 0.*-0.3 for tissue 'bone'"),
        ({4: 0.0}, "sigma must be > 0"),
        ({"bone": np.nan}, "sigma must be > 0"),
        ({"marrow": 0.1}, "got 'marrow'"),
        (np.ones(3), "this mesh; got shape"),
        ("ones", "a mapping or numbers in S/m; got 'ones'"),
    ],
)
def test_bad_conductivity_is_refused(sphere_mesh, conductivity, words):
    with pytest.raises(FemtmsError, match=words):
        Simulator(sphere_mesh, conductivity, device="cpu")


def test_bad_values_are_refused_with_tissue_and_tetrahedron(sphere_mesh):
    sigma = np.ones(len(sphere_mesh.tets))
    sigma[17] = -0.33
    with pytest.raises(FemtmsError, match=r"got -0.33 for tissue '.*' \(1 tets, first 17\)"):
        Simulator(sphere_mesh, sigma, device="cpu")
    tensors = np.tile(np.eye(3), (len(sphere_mesh.tets), 1, 1))
    tensors[5, 0, 0] = -1
    with pytest.raises(FemtmsError, match="positive definite; 1 are not, the first is of tet 5"):
        Simulator(sphere_mesh, tensors, device="cpu")
    tensors[5] = [[1, 0.5, 0], [0, 1, 0], [0, 0, 1]]
    with pytest.raises(FemtmsError, match="symmetric"):
        Simulator(sphere_mesh, tensors, device="cpu")
    tensors[5], tensors[[7, 9], 1, 1] = np.eye(3), np.nan
    with pytest.raises(FemtmsError, match="finite; 2 are not, the first is of tet 7"):
        Simulator(sphere_mesh, tensors, device="cpu")


def test_tissue_without_conductivity_is_refused(sphere_mesh):
    strange = TetMesh(sphere_mesh.nodes, sphere_mesh.tets, np.where(sphere_mesh.tags == 3, 42, sphere_mesh.tags))
    with pytest.raises(FemtmsError, match="none is known for tag 42"):
        Simulator(strange, device="cpu")
    assert Simulator(strange, {42: 1.654}, device="cpu").sigma.max() == 1.654


@pytest.mark.parametrize("setting", [{"order": 3}, {"rtol": 0}, {"rtol": 2}, {"ground": -1}, {"ground": 10**9}])
def test_bad_setting_is_refused(sphere_mesh, setting):
    with pytest.raises(FemtmsError, match=next(iter(setting))):
        Simulator(sphere_mesh, device="cpu", **setting)


def test_names_and_numbers_of_tissues_mean_the_same(sphere_mesh):
    by_name = Simulator(sphere_mesh, {"Bone": 0.008, "grey matter": 0.3}, device="cpu")
    by_number = Simulator(sphere_mesh, {4: 0.008, 2: 0.3}, device="cpu")
    np.testing.assert_array_equal(by_name.sigma, by_number.sigma)
    assert by_name.sigma[sphere_mesh.tags == 4][0, 0] == 0.008


def test_a_block_of_poses_has_the_bits_of_each_alone(sphere_mesh, dipole_coil):
    poses = [place(sphere_mesh, at, "Oz", gap_mm=8) for at in ("C3", "Fz", "T8")]
    sim = Simulator(sphere_mesh, device="cpu")
    together = sim.solve(dipole_coil, poses, 1e6)
    backwards = sim.solve(dipole_coil, poses[::-1], 1e6)[::-1]
    for pose, a, b in zip(poses, together, backwards):
        alone = sim.solve(dipole_coil, pose, 1e6)
        np.testing.assert_array_equal(a.E, alone.E)
        np.testing.assert_array_equal(b.E, alone.E)
        assert a.iterations == alone.iterations and a.pose is pose


def test_many_poses_are_solved_in_several_blocks(sphere_mesh, dipole_coil, monkeypatch):
    poses = [place(sphere_mesh, at, "Oz", gap_mm=8) for at in ("C3", "Fz", "T8", "Cz", "P4")]
    sim = Simulator(sphere_mesh, device="cpu")
    expected = sim.solve(dipole_coil, poses)
    monkeypatch.setattr("femtms.simulator._LARGEST_BLOCK", 2)
    for a, b in zip(sim.solve_each(dipole_coil, iter(poses)), expected, strict=True):
        np.testing.assert_array_equal(a.E, b.E)


PLACES = ("C3", "Fz", "T8", "Cz", "P4", "Oz", "C4")


@pytest.fixture(scope="module")
def around(sphere_mesh):
    """Poses all over the head."""
    return [place(sphere_mesh, at, "O2", gap_mm=8) for at in PLACES]


@pytest.fixture(scope="module")
def sim(sphere_mesh):
    return Simulator(sphere_mesh, device="cpu")


def assert_same_numbers(got, expected):
    """The same bits, but for the error, which a sweep computes from E and a field from φ."""
    assert list(got) == list(expected)
    for name, summary in got.items():
        assert replace(summary, error=None) == replace(expected[name], error=None)
        assert (summary.error is None) == (expected[name].error is None)
        if summary.error is not None:
            assert summary.error == pytest.approx(expected[name].error, rel=1e-9)


@pytest.mark.parametrize("block", [1, 3, 32])
def test_a_sweep_has_the_numbers_of_the_fields_whatever_the_block(sim, dipole_coil, around, monkeypatch, block):
    monkeypatch.setattr("femtms.simulator._LARGEST_BLOCK", block)
    results = list(sim.sweep(dipole_coil, iter(around)))
    assert [r.pose for r in results] == around
    for result, field in zip(results, sim.solve(dipole_coil, around), strict=True):
        assert_same_numbers(result.tissues, field.summary())
        assert (result.iterations, result.residual) == (field.iterations, field.residual)
        assert set(result.seconds) == {"dadt", "solve", "recover", "statistics"} and result.field is None


def test_a_sweep_gives_chosen_tissues_and_whole_fields_when_asked(sim, dipole_coil, around):
    for result in sim.sweep(dipole_coil, around[:2], 2e6, tissues=["bone", 2, "gm"], fields=True):
        assert list(result.tissues) == ["gm", "bone"]
        assert_same_numbers(
            {"bone": result.tissues["bone"]}, {"bone": replace(result.field.summary("bone"), error=None)}
        )
        np.testing.assert_array_equal(result.field.E, sim.solve(dipole_coil, result.pose, 2e6).E)
    with pytest.raises(FemtmsError, match="it has gm, csf, bone, scalp, not 'wm'"):
        sim.sweep(dipole_coil, around, tissues=["wm"])
    assert list(sim.sweep(dipole_coil, [])) == []


@pytest.mark.parametrize("setting", [{}, {"order": 2}, {"recovery": "harmonic"}])
def test_a_sweep_has_the_mean_of_each_region(sphere_mesh, dipole_coil, around, setting):
    sim = Simulator(sphere_mesh, device="cpu", **setting)
    grey = np.flatnonzero(sphere_mesh.tags == 2)
    rows = {"grey": grey, "one": grey[5:6], "some": np.array([3, 0, 77])}
    for result in sim.sweep(dipole_coil, around[:3], tissues=["gm"], regions=rows, fields=True):
        for name, own in rows.items():
            mean = np.average(result.field.magnE[own], weights=sphere_mesh.volumes[own])
            assert np.isclose(result.regions[name], mean, rtol=1e-12)
        assert np.isclose(result.regions["grey"], result.tissues["gm"].mean, rtol=1e-12)


def test_a_sweep_solves_no_more_poses_together_than_it_may(sim, dipole_coil, around):
    together = []
    solve = sim._solver.solve

    def counted(b, rtol):
        together.append(b.shape[1])
        return solve(b, rtol)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(sim._solver), "solve", lambda self, b, rtol: counted(b, rtol))
        few = list(sim.sweep(dipole_coil, around[:7], block=3, regions={"one": np.array([9])}))
    assert together == [3, 3, 1]
    for one, other in zip(few, sim.sweep(dipole_coil, around[:7], regions={"one": np.array([9])})):
        assert one.regions == other.regions and one.tissues == other.tissues


@pytest.mark.parametrize("rows", [[], [-1], [10**7], [0.5], [[1, 2]], [True]])
def test_regions_are_of_tetrahedra(sim, dipole_coil, around, rows):
    with pytest.raises(FemtmsError, match="region 'M1' must be at least one index of a tetrahedron"):
        sim.sweep(dipole_coil, around, regions={"M1": np.array(rows)})


def test_a_block_has_at_least_one_pose(sim, dipole_coil, around):
    with pytest.raises(FemtmsError, match="block must be at least one pose; got 0"):
        sim.sweep(dipole_coil, around, block=0)


def test_a_sweep_takes_poses_without_end(sim, dipole_coil, around, monkeypatch):
    monkeypatch.setattr("femtms.simulator._LARGEST_BLOCK", 2)
    results = sim.sweep(dipole_coil, itertools.cycle(around), tissues=["gm"])
    assert [r.pose for r in itertools.islice(results, 9)] == [*around, *around[:2]]


def running_out(function, room, counter=1):
    """`function`, with a MemoryError where its argument number `counter` has more than `room` poses or columns."""

    def limited(*arguments, **options):
        many = arguments[counter]
        if (many.shape[1] if hasattr(many, "shape") else len(many)) > room:
            raise MemoryError(f"no room for more than {room}")
        return function(*arguments, **options)

    return limited


@pytest.mark.parametrize("room", [1, 2, 3])
def test_a_block_that_memory_cannot_hold_is_halved_and_nothing_changes(
    sim, dipole_coil, around, monkeypatch, caplog, room
):
    expected = sim.solve(dipole_coil, around)
    numbers = [r.tissues for r in sim.sweep(dipole_coil, around)]
    monkeypatch.setattr(potential.PotentialSolver, "solve", running_out(potential.PotentialSolver.solve, room))
    for field, other in zip(sim.solve(dipole_coil, iter(around)), expected, strict=True):
        np.testing.assert_array_equal(field.E, other.E)
        assert field.pose is other.pose
    said = [r.getMessage() for r in caplog.records]
    assert said[0] == f"out of memory with 7 poses in a block (no room for more than {room}): going on with 3"
    assert len(said) == (2 if room < 3 else 1)
    assert [r.tissues for r in sim.sweep(dipole_coil, around)] == numbers


def test_memory_that_runs_out_among_the_fields_of_a_block_loses_none(sim, dipole_coil, around, monkeypatch, caplog):
    expected = sim.solve(dipole_coil, around)
    make, calls = Simulator._field, []

    def sometimes(self, block, i):
        calls.append(i)
        if len(calls) in (3, 6):
            raise MemoryError
        return make(self, block, i)

    monkeypatch.setattr(Simulator, "_field", sometimes)
    for field, other in zip(sim.solve_each(dipole_coil, around), expected, strict=True):
        np.testing.assert_array_equal(field.E, other.E)
        assert field.pose is other.pose
    assert len(caplog.records) == 2


def test_memory_too_small_for_one_pose_is_said(sim, dipole_coil, around, monkeypatch):
    monkeypatch.setattr(potential.PotentialSolver, "solve", running_out(potential.PotentialSolver.solve, 0))
    with pytest.raises(FemtmsError, match=r"memory for at least one pose on CPU.* tetrahedra; .* use a coarser mesh"):
        sim.solve(dipole_coil, around)


def test_blocks_are_bounded_by_the_memory_there_is(sim, monkeypatch):
    assert sim._largest_block() == 32
    monkeypatch.setattr("femtms.simulator.available_memory", lambda: 2 * 5 * 24 * len(sim.mesh.tets))
    assert 1 <= sim._largest_block() < 5
    monkeypatch.setattr("femtms.simulator.available_memory", lambda: None)
    assert sim._largest_block() == 32


def test_pose_inside_the_head_and_infinite_didt_are_refused(sphere_mesh, dipole_coil, vertex_pose):
    sim = Simulator(sphere_mesh, device="cpu")
    matrix = vertex_pose.matrix.copy()
    matrix[2, 3] = 60
    with pytest.raises(FemtmsError, match="inside the head"):
        sim.solve(dipole_coil, type(vertex_pose)(matrix))
    with pytest.raises(FemtmsError, match="didt must be finite"):
        sim.solve(dipole_coil, vertex_pose, np.inf)


def test_too_few_iterations_raise(sphere_mesh, dipole_coil, vertex_pose, monkeypatch):
    monkeypatch.setattr(potential, "MAX_ITERATIONS", 2)
    with pytest.raises(NotConverged, match=r"multigrid: 2 iterations, residual .* > 1.0e-06"):
        Simulator(sphere_mesh, device="cpu").solve(dipole_coil, vertex_pose)


def test_two_runs_have_the_same_bits(sphere_mesh, dipole_coil, vertex_pose):
    a, b = (Simulator(sphere_mesh, device="cpu").solve(dipole_coil, vertex_pose) for _ in range(2))
    np.testing.assert_array_equal(a.E, b.E)
    np.testing.assert_array_equal(a.potential, b.potential)


@pytest.mark.parametrize("tissue", [3.7, True, None])
def test_a_tissue_is_a_whole_number_or_a_name(sphere_mesh, tissue):
    with pytest.raises(FemtmsError, match="whole number or a name"):
        Simulator(sphere_mesh, {tissue: 1.0}, device="cpu")


def test_a_tissue_given_twice_is_refused_and_one_that_is_absent_is_said(sphere_mesh, caplog):
    with pytest.raises(FemtmsError, match="once for each tissue; '4' is the same as 'bone'"):
        Simulator(sphere_mesh, {"bone": 0.1, 4: 0.2}, device="cpu")
    Simulator(sphere_mesh, {"eye": 0.4}, device="cpu")
    assert "sigma is given for eye, which the head does not have" in caplog.text


def test_a_matrix_is_not_a_pose(sphere_mesh, dipole_coil, vertex_pose):
    with pytest.raises(FemtmsError, match=r"must be a femtms\.Pose"):
        Simulator(sphere_mesh, device="cpu").solve(dipole_coil, vertex_pose.matrix)


def test_printing_a_simulator_is_a_small_report(sphere_mesh):
    text = repr(Simulator(sphere_mesh, device="cpu"))
    assert "nodes" in text and "setup" in text and "rtol 1e-06" in text
