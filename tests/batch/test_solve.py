"""What a worker does with a block: the numbers of each case, and no case at the cost of another."""

from dataclasses import replace

import nibabel
import numpy as np
import pytest
from batch.small_study import PLACES, SIZE_MM, small_coil, small_design
from conductivity.diffusion import along, centred, uniform, write_fsl

from femtms import (
    FemtmsError,
    LayeredSphere,
    NotConverged,
    Simulator,
    Surface,
    anisotropic,
    load_coil,
    mesh_head,
    read_tensors,
)
from femtms.batch.columns import DONE, FAILED, columns_of
from femtms.batch.memory import worker_bytes
from femtms.batch.poses import Poses
from femtms.batch.rows import is_finite
from femtms.batch.setup import SetupFailed
from femtms.batch.solve import set_up, solve_cases
from femtms.io.surfaces import write_surface
from femtms.solver.potential import PotentialSolver
from femtms.study.design import (
    StudyCoil,
    StudyConductivity,
    StudyHead,
    StudyOption,
    StudyPlace,
    StudyResults,
)
from femtms.study.plan import Plan

GROUP = (0, 0, 0)


@pytest.fixture(scope="module")
def coil_file(tmp_path_factory):
    return small_coil(tmp_path_factory.mktemp("coils") / "patches.ccd")


@pytest.fixture(scope="module")
def design(coil_file):
    return small_design(coil_file)


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), SIZE_MM)


@pytest.fixture(scope="module")
def setup(design):
    return set_up(design, GROUP, "cpu")


@pytest.fixture(scope="module")
def solved(setup, design):
    return solve_cases(setup, design, block_of(design))


def block_of(design, index=0):
    return Plan.of(design, 64).block(index)


def column(design, solved, name):
    return solved.values[:, [c.name for c in columns_of(design.results)].index(name)]


def poses_of(design, mesh):
    poses = Poses(mesh)
    at = [(design.places[p], design.angles[a], design.distances_mm[d]) for p, a, d in block_of(design).positions]
    coil = load_coil(design.coils[0].source)
    return [poses.of(*position, coil) for position in at]


def expected_rows(design, results):
    """Rows as the columns say, spelt out here once more from the results of a sweep."""
    rows = []
    for result in results:
        row = [DONE, result.iterations, result.residual, *result.pose.matrix[:3].ravel()]
        for tissue in design.results.tissues:
            s = result.tissues.get(tissue)
            numbers = [np.nan] * 11 if s is None else [s.mean, s.median, s.p95, s.p99, s.p99_9, s.peak]
            if s is not None:
                numbers += [s.focality_50_ml, s.focality_75_ml, *s.peak_mm]
            rows_of_error = [] if tissue != "gm" else [s.error]
            row += numbers + rows_of_error
        rows.append(row + [result.regions[name] for name in design.results.targets])
    return np.array(rows, dtype=np.float64)


def test_the_numbers_are_those_of_a_sweep_to_the_last_bit(design, mesh, coil_file, solved):
    poses = poses_of(design, mesh)
    results = Simulator(mesh, device="cpu").sweep(load_coil(coil_file), poses, tissues=["gm", "bone"])
    np.testing.assert_array_equal(solved.values, expected_rows(design, results))
    assert solved.failures == [] and solved.fields == {}
    assert np.isnan(column(design, solved, "wm_mean_V_per_m")).all()  # the sphere has none
    assert (column(design, solved, "gm_mean_V_per_m") > 0).all()


@pytest.mark.parametrize("at_a_time", [1, 5])
def test_the_numbers_do_not_depend_on_what_is_solved_together(design, setup, solved, at_a_time):
    block = block_of(design)
    again = solve_cases(setup, design, block, at_a_time=at_a_time)
    np.testing.assert_array_equal(again.values, solved.values)
    some = solve_cases(setup, design, block, [11, 2, 3], at_a_time)
    np.testing.assert_array_equal(some.values, solved.values[[11, 2, 3]])


@pytest.mark.parametrize(
    "option", [StudyOption("2", SIZE_MM, order=2), StudyOption("r", SIZE_MM, recovery="harmonic", didt=2e6)]
)
def test_options_are_those_of_the_simulator(design, mesh, coil_file, option):
    changed = replace(design, options=(option,), angles=(0.0,), distances_mm=(6.0,))
    solved = solve_cases(set_up(changed, GROUP, "cpu"), changed, block_of(changed))
    sim = Simulator(mesh, order=option.order, recovery=option.recovery, device="cpu")
    results = sim.sweep(load_coil(coil_file), poses_of(changed, mesh), option.didt, ["gm", "bone"])
    np.testing.assert_array_equal(solved.values, expected_rows(changed, results))


def test_tensors_make_the_conductivity(design, mesh, coil_file, tmp_path):
    shape = (8, 8, 8)
    affine = centred(np.eye(3), 30.0, shape)
    tensors = write_fsl(tmp_path / "dti.nii.gz", uniform(along((0.2, 1, 0)), shape), affine)
    wanted = StudyConductivity("dti", {"gm": 0.3}, "vn", max_ratio=4.0)
    head = replace(design.heads[0], tensors=str(tensors))
    changed = replace(design, heads=(head,), conductivities=(wanted,), angles=(0.0,), distances_mm=(6.0,))
    solved = solve_cases(set_up(changed, GROUP, "cpu"), changed, block_of(changed))
    sigma = anisotropic(mesh, read_tensors(tensors), "vn", {"gm": 0.3}, max_ratio=4.0)
    results = Simulator(mesh, sigma, device="cpu").sweep(
        load_coil(coil_file), poses_of(changed, mesh), tissues=["gm", "bone"]
    )
    np.testing.assert_array_equal(solved.values, expected_rows(changed, results))


def test_a_coil_with_nan_fails_its_cases_alone(design, setup, solved, coil_file, tmp_path):
    bad = tmp_path / "bad.ccd"
    lines = open(coil_file).read().splitlines()
    bad.write_text("\n".join([*lines[:-1], "nan " + lines[-1].split(maxsplit=1)[1]]) + "\n")
    two = replace(design, coils=(StudyCoil("bad", str(bad)), design.coils[0]))
    failed = solve_cases(setup, two, block_of(two, 0))
    assert [case for case, _, _ in failed.failures] == list(range(12))
    assert all(stage == "coil" and "bad.ccd" in reason for _, stage, reason in failed.failures)
    assert (failed.values[:, 0] == FAILED).all() and np.isnan(failed.values[:, 1:]).all()
    np.testing.assert_array_equal(solve_cases(setup, two, block_of(two, 1)).values, solved.values)


def test_a_bad_pose_fails_alone(design, setup, solved, vertex_pose):
    inside = vertex_pose.matrix.copy()
    inside[:3, 3] = [0, 0, 60]
    places = (PLACES[0], StudyPlace("in", matrix=inside), StudyPlace("C99", "C99"), PLACES[1], PLACES[2])
    more = replace(design, places=places)
    got = solve_cases(setup, more, block_of(more))
    assert [(case, stage) for case, stage, _ in got.failures] == [(case, "pose") for case in range(4, 12)]
    assert "inside the head" in got.failures[0][2] and "'at' must be one of" in got.failures[-1][2]
    good = [*range(4), *range(12, 20)]
    np.testing.assert_array_equal(got.values[good], solved.values)
    # the pose is known where there is one, and nothing else
    np.testing.assert_allclose(column(more, got, "pose_23")[4:8], 60)
    assert np.isnan(column(more, got, "pose_23")[8:12]).all()
    assert (got.values[4:12, 0] == FAILED).all() and np.isnan(column(more, got, "gm_mean_V_per_m")[4:12]).all()


def test_a_casing_that_cuts_the_scalp_fails_unless_it_may(design, setup, tmp_path):
    nodes = 1e-3 * np.array([[-20.0, -10, -5], [20, -10, -5], [0, 20, -5], [0, 0, 8]])
    casing = Surface(nodes, [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]], "casing")
    coil = StudyCoil("cased", small_coil(tmp_path / "cased.ccd", casing))
    posed = [Poses(setup.mesh).of(PLACES[0], 0.0, gap_mm).matrix for gap_mm in (6.0, 11.0)]  # of the origin
    places = tuple(StudyPlace(f"at {i}", matrix=matrix) for i, matrix in enumerate(posed))
    near = replace(design, coils=(coil,), places=places, angles=(0.0,), distances_mm=(6.0,))
    got = solve_cases(setup, near, block_of(near))
    assert [(case, stage) for case, stage, _ in got.failures] == [(0, "pose")]
    assert "must not cut the scalp; that of" in got.failures[0][2]
    assert list(got.values[:, 0]) == [FAILED, DONE]
    allowed = replace(near, options=(replace(near.options[0], allow_intersection=True),))
    assert solve_cases(set_up(allowed, GROUP, "cpu"), allowed, block_of(allowed)).failures == []


def culprit_patch(monkeypatch, setup, design, case, error):
    """From now on solving fails with an error wherever the right-hand side of a case is among them."""
    seen = []
    solve = PotentialSolver.solve

    def recording(self, b, rtol):
        seen.append(b.copy())
        return solve(self, b, rtol)

    monkeypatch.setattr(PotentialSolver, "solve", recording)
    solve_cases(setup, design, block_of(design), [case])
    sizes = []

    def failing(self, b, rtol):
        sizes.append(b.shape[1])
        if (b == seen[0]).all(axis=0).any():
            raise error
        return solve(self, b, rtol)

    monkeypatch.setattr(PotentialSolver, "solve", failing)
    return sizes


@pytest.mark.parametrize("case", [0, 7, 11])
@pytest.mark.parametrize(
    "error, words", [(NotConverged("residual 1 > 1e-6"), "residual"), (MemoryError("no room"), "no room")]
)
def test_a_case_that_cannot_be_solved_fails_alone(design, setup, solved, monkeypatch, case, error, words):
    sizes = culprit_patch(monkeypatch, setup, design, case, error)
    got = solve_cases(setup, design, block_of(design), at_a_time=8)
    assert [(c, stage) for c, stage, _ in got.failures] == [(case, "solve")] and words in got.failures[0][2]
    others = [c for c in range(12) if c != case]
    np.testing.assert_array_equal(got.values[others], solved.values[others])
    np.testing.assert_array_equal(column(design, got, "pose_03")[case], column(design, solved, "pose_03")[case])
    assert np.isnan(column(design, got, "residual")[case]) and max(sizes) == 8 and 1 in sizes


def test_what_is_not_finite_is_noticed(design, solved):
    columns = columns_of(design.results)
    assert is_finite(columns, solved.values[0], ("gm", "bone"))
    assert not is_finite(columns, solved.values[0], ("gm", "wm", "bone"))
    for value in (np.nan, np.inf):
        row = solved.values[0].copy()
        row[[c.name for c in columns].index("gm_p99_V_per_m")] = value
        assert not is_finite(columns, row, ("gm", "bone"))


@pytest.mark.parametrize(
    "change, stage, words",
    [
        ({"heads": (StudyHead("lost", "/nowhere/head.nii.gz"),)}, "head", "/nowhere/head.nii.gz"),
        ({"options": (StudyOption("", size_mm=0.0),)}, "mesh", "size"),
        ({"conductivities": (StudyConductivity("", {"gm": -1.0}),)}, "conductivity", "-1"),
        ({"conductivities": (StudyConductivity("dti", {}, "vn"),)}, "conductivity", "must have"),
        ({"options": (StudyOption("", SIZE_MM, order=3),)}, "solver", "order must be 1"),
        ({"results": StudyResults(targets={"M1": (0.0, 0.0, 80.0)})}, "targets", "within 5 mm"),
        ({"results": StudyResults(targets={"M1": "C99"})}, "targets", "target M1"),
        ({"results": StudyResults(fields=("surfaces",), surfaces={"lh": "/no/lh.gii"})}, "fields", "surface 'lh'"),
    ],
)
def test_a_head_that_fails_says_which_and_where(design, change, stage, words):
    with pytest.raises(SetupFailed, match=stage) as failure:
        set_up(replace(design, **change), GROUP, "cpu")
    head = change["heads"][0].name if "heads" in change else "ball"
    assert failure.value.head == head and failure.value.stage == stage
    assert words in str(failure.value) and f"head '{head}'" in str(failure.value)
    assert isinstance(failure.value, FemtmsError)


def test_memory_that_runs_out_for_a_head_is_said(design, monkeypatch):
    monkeypatch.setattr("femtms.batch.setup.mesh_head", lambda *_: np.empty(2**62, np.uint8))
    with pytest.raises(SetupFailed, match="head 'ball', mesh: there must be enough memory"):
        set_up(design, GROUP, "cpu")


def test_a_target_is_the_grey_matter_around_it(design, mesh, coil_file):
    points = {"point": (-50.0, 0.0, 20.0), "under C3": "C3", "own": "Oz"}
    head = replace(design.heads[0], targets={"own": (0.0, 40.0, 30.0)})
    results = StudyResults(tissues=("gm",), targets=points, target_radius_mm=12.0)
    changed = replace(design, heads=(head,), results=results, angles=(0.0,), distances_mm=(6.0,))
    setup = set_up(changed, GROUP, "cpu")
    solved = solve_cases(setup, changed, block_of(changed))

    rows = setup.head.targets
    grey = mesh.tags == 2
    for name, centre in {"point": (-50, 0, 20), "own": (0, 40, 30)}.items():
        near = np.linalg.norm(1e3 * mesh.centroids - centre, axis=1) <= 12
        np.testing.assert_array_equal(rows[name], np.flatnonzero(near & grey))
    below = mesh.centroids[rows["under C3"]].mean(axis=0)
    c3 = mesh.landmarks["C3"]
    assert below @ c3 / np.linalg.norm(below) / np.linalg.norm(c3) > 0.99 and np.linalg.norm(below) > 0.045

    sim = Simulator(mesh, device="cpu")
    for row, field in enumerate(sim.solve(load_coil(coil_file), poses_of(changed, mesh))):
        for name, own in rows.items():
            mean = np.average(field.magnE[own], weights=mesh.volumes[own])
            assert np.isclose(column(changed, solved, f"target_{name}_V_per_m")[row], mean, rtol=1e-12)


def test_fields_are_kept_where_the_study_wants_them(design, mesh, coil_file, tmp_path, vertex_pose):
    write_surface(mesh.surface("gm"), tmp_path / "cortex.gii")
    results = StudyResults(
        tissues=("gm",), fields=("gm-nodes", "whole", "surfaces"), surfaces={"cortex": str(tmp_path / "cortex.gii")}
    )
    inside = StudyPlace("in", matrix=np.diag([1.0, 1.0, 1.0, 1.0]))
    changed = replace(design, results=results, angles=(0.0,), distances_mm=(6.0,), places=(*PLACES[:2], inside))
    setup = set_up(changed, GROUP, "cpu")
    solved = solve_cases(setup, changed, block_of(changed))
    assert set(solved.fields) == set(setup.geometry) == {"gm-nodes", "whole", "surface cortex"}

    coil = load_coil(coil_file)
    field = Simulator(mesh, device="cpu").solve(coil, Poses(mesh).of(PLACES[1], 0.0, 6.0, coil))
    nodes, at_nodes = field.at_nodes("gm")
    np.testing.assert_array_equal(solved.fields["gm-nodes"][1], at_nodes.astype(np.float32))
    np.testing.assert_array_equal(setup.geometry["gm-nodes"]["nodes"], nodes)
    np.testing.assert_array_equal(setup.geometry["gm-nodes"]["points_mm"], 1e3 * mesh.nodes[nodes])
    np.testing.assert_array_equal(solved.fields["whole"][1], field.E.astype(np.float32))
    np.testing.assert_array_equal(setup.geometry["whole"]["tets"], mesh.tets)
    surface = nibabel.load(tmp_path / "cortex.gii")
    points, triangles = (array.data for array in surface.darrays[:2])
    np.testing.assert_allclose(setup.geometry["surface cortex"]["points_mm"], points, atol=1e-5)
    np.testing.assert_array_equal(setup.geometry["surface cortex"]["triangles"], triangles)
    at_points = field.at(setup.geometry["surface cortex"]["points_mm"], "gm")
    np.testing.assert_allclose(solved.fields["surface cortex"][1], at_points, rtol=1e-5)
    for values in solved.fields.values():
        assert values.dtype == np.float32 and np.isnan(values[2]).all() and np.isfinite(values[:2]).all()


def test_the_mesh_is_kept_for_another_conductivity_and_the_simulator_is_not(design):
    low = StudyConductivity("low skull", {"bone": 0.004})
    both = replace(design, conductivities=(*design.conductivities, low), angles=(0.0,), distances_mm=(6.0,))
    first = set_up(both, (0, 0, 0), "cpu")
    mesh, coil = first.mesh, first.coil(both.coils[0].source)
    block = block_of(both)
    before = solve_cases(first, both, block).values
    second = set_up(both, (0, 1, 0), "cpu", previous=first)
    assert second.mesh is mesh and second.coil(both.coils[0].source) is coil
    assert not hasattr(first, "simulator")  # its memory is given back
    after = solve_cases(second, both, block_of(both, 1)).values
    fresh = solve_cases(set_up(both, (0, 1, 0), "cpu"), both, block_of(both, 1)).values
    np.testing.assert_array_equal(after, fresh)
    assert (before[:, 3:15] == after[:, 3:15]).all() and (before[:, 15] != after[:, 15]).all()


def test_another_head_has_another_mesh(design):
    other = replace(design.heads[0], name="small ball", radii_mm=(50.0, 60.0, 70.0, 80.0))
    both = replace(design, heads=(*design.heads, other))
    first = set_up(both, (0, 0, 0), "cpu")
    mesh = first.mesh
    second = set_up(both, (1, 0, 0), "cpu", previous=first)
    assert second.mesh is not mesh and np.isclose(np.linalg.norm(second.mesh.nodes, axis=1).max(), 0.080)


def test_the_memory_that_a_worker_may_take_bounds_what_is_solved_together(design, setup, solved, caplog):
    mesh = setup.mesh
    enough = worker_bytes(len(mesh.nodes), len(mesh.tets), 1, 7)
    assert set_up(design, GROUP, "cpu", enough).at_a_time == 7 and setup.at_a_time is None
    assert caplog.records == []
    tight = set_up(design, GROUP, "cpu", 2**20)
    assert tight.at_a_time == 1 and "are likely to take more than the 0.0 GiB" in caplog.text
    np.testing.assert_array_equal(solve_cases(tight, design, block_of(design), [4, 5]).values, solved.values[4:6])
