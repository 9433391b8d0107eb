"""How a solution came about, direct methods, and systems that are hard to solve."""

import importlib.util
import sys
import weakref
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from kernels.host_cuda import DeviceArray, host_cuda
from scipy import sparse
from scipy.sparse.linalg import splu

from femtms import (
    Direct,
    FemtmsError,
    LayeredSphere,
    NotConverged,
    Pose,
    Simulator,
    TetMesh,
    load_coil,
    mesh_head,
    place,
)
from femtms.backend import cpu_backend
from femtms.fem.p1 import P1
from femtms.kernels import cpu
from femtms.solver import direct
from femtms.solver.potential import PotentialSolver, grounded

COIL = load_coil("figure8-70mm")
LIBRARIES = [
    pytest.param(
        name, marks=pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")
    )
    for name, module in (("pardiso", "pypardiso"), ("cholmod", "sksparse"), ("superlu", "scipy"))
]


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((60.0, 75.0, 92.0), (2, 4, 5)), 9.0)


@pytest.fixture(scope="module")
def coarser_mesh():
    """For SuperLU, which fills in far more than the others."""
    return mesh_head(LayeredSphere((60.0, 75.0, 92.0), (2, 4, 5)), 14.0)


def poses_on(mesh):
    return [place(mesh, at, "Cz") for at in ("C3", "Oz", "F4")]


@pytest.fixture(scope="module")
def poses(mesh):
    return poses_on(mesh)


def right_hand_sides(n, k=3):
    b = np.random.default_rng(0).standard_normal((n, k))
    return b - b.mean(axis=0)


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


# --- what a solution tells -------------------------------------------------------------------------------


def test_a_solution_tells_how_it_came_about(mesh):
    _, stiffness = P1.build(mesh, np.ones((len(mesh.tets), 1)), cpu_backend())
    solver = PotentialSolver.build(stiffness, None, cpu_backend())
    b = right_hand_sides(len(mesh.nodes))
    solution = solver.solve(b, 1e-8)
    matrix = grounded(stiffness, None)
    scale = 1 / np.sqrt(matrix.diagonal())[:, None]
    true = np.linalg.norm(scale * (b - matrix @ solution.phi), axis=0) / np.linalg.norm(scale * b, axis=0)
    np.testing.assert_allclose(solution.residuals, true, rtol=1e-4)
    assert (true < 1e-8).all() and (true > 1e-11).all()
    assert solution.iterations.shape == (3,) and (solution.iterations > 3).all()
    assert set(solution.seconds) == {"solve", "residual"} and min(solution.seconds.values()) > 0
    assert 1 < solution.operator_complexity < 2
    assert solution.bytes > solver.hierarchy.bytes > 8 * stiffness.nnz
    assert solution.method == "multigrid" and "CPU" in solution.device
    text = repr(solution)
    assert f"at most {solution.iterations.max()} iterations" in text and "operator complexity" in text


def test_a_solution_does_not_change_when_its_memory_is_used_again(mesh):
    _, stiffness = P1.build(mesh, np.ones((len(mesh.tets), 1)), cpu_backend())
    solver = PotentialSolver.build(stiffness, None, cpu_backend())
    b = right_hand_sides(len(mesh.nodes))
    first = solver.solve(b, 1e-8)
    phi, (memory,) = first.phi.copy(), solver.kept.values()
    solver.solve(b[:, ::-1].copy(), 1e-8)
    assert list(solver.kept.values()) == [memory]
    np.testing.assert_array_equal(first.phi, phi)
    alive = weakref.ref(memory)
    del memory
    solver.solve(b[:, :2].copy(), 1e-8)  # of another size: the old memory is free at once
    assert alive() is None and list(solver.kept) == [2]


# --- direct methods ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_direct_method_gives_the_same_field(coarser_mesh, library, order):
    poses = poses_on(coarser_mesh)
    by_factors = Simulator(coarser_mesh, order=order, solver=Direct(library), device="cpu")
    by_iterations = Simulator(coarser_mesh, order=order, device="cpu", rtol=1e-10)
    for one, other in zip(by_factors.solve(COIL, poses), by_iterations.solve(COIL, poses)):
        assert relative(one.E, other.E) < 1e-9
        assert one.iterations == 0 and one.residual < 1e-12
    assert library in str(by_factors.hierarchy)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_direct_method_does_not_know_the_block(mesh, library):
    _, stiffness = P1.build(mesh, np.ones((len(mesh.tets), 1)), cpu_backend())
    solver = PotentialSolver.build(stiffness, None, cpu_backend(), Direct(library))
    b = right_hand_sides(len(mesh.nodes))
    block = solver.solve(b, 1e-6).phi
    for q in range(3):
        alone = solver.solve(b[:, [q]].copy(), 1e-6).phi[:, 0]
        if library == "pardiso":  # its bits differ from call to call where there are several threads
            assert relative(alone, block[:, q]) < 1e-12
        else:
            np.testing.assert_array_equal(alone, block[:, q])


class PlayedDirectSolver:
    """Stands in for nvmath's: b must be a device array of one shape, and is solved for as it was last set."""

    def __init__(self, a, b, options):
        assert options == {"sparse_system_type": "SPD", "sparse_system_view": "UPPER"}
        assert isinstance(b, DeviceArray)
        self._xp = sys.modules["cupy"]
        upper = sparse.triu(a)
        self._lu, self._shape = splu(sparse.csc_array(upper + sparse.triu(a, 1).T)), b.shape
        self.steps = []

    def plan(self):
        self.steps.append("plan")

    def factorize(self):
        assert self.steps == ["plan"]
        self.steps.append("factorize")
        return SimpleNamespace(lu_nnz=np.int64(self._lu.nnz))

    def reset_operands(self, b):
        assert isinstance(b, DeviceArray) and b.shape == self._shape and b.flags.c_contiguous
        self._b = b

    def solve(self):
        assert self.steps == ["plan", "factorize"]
        return self._xp.asarray(self._lu.solve(self._b.get()))


def on_host(arrays, shape):
    """What cupyx makes a matrix of: (data, indices, indptr) on the device."""
    assert all(isinstance(a, DeviceArray) for a in arrays)
    return sparse.csr_matrix(tuple(a.get() for a in arrays), shape=shape)


def test_cudss_is_called_as_its_manual_says(mesh, tmp_path, monkeypatch):
    device = host_cuda(tmp_path)
    kinds = SimpleNamespace(SPD="SPD"), SimpleNamespace(UPPER="UPPER")
    advanced = SimpleNamespace(
        DirectSolver=PlayedDirectSolver, DirectSolverMatrixType=kinds[0], DirectSolverMatrixViewType=kinds[1]
    )
    played = {
        "cupy": device.xp,
        "cupyx": ModuleType("cupyx"),
        "cupyx.scipy": SimpleNamespace(sparse=SimpleNamespace(csr_matrix=on_host)),
        "nvmath": ModuleType("nvmath"),
        "nvmath.sparse": SimpleNamespace(advanced=advanced),
    }
    for name, module in played.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(direct, "_installed", lambda library: library == "cudss")
    _, stiffness = P1.build(mesh, np.ones((len(mesh.tets), 1)), device)
    b = right_hand_sides(len(mesh.nodes))
    solution = PotentialSolver.build(stiffness, None, device, Direct()).solve(device.xp.asarray(b), 1e-6)
    assert solution.method == "cudss" and solution.operator_complexity > 1
    _, stiffness = P1.build(mesh, np.ones((len(mesh.tets), 1)), cpu_backend())
    by_multigrid = PotentialSolver.build(stiffness, None, cpu_backend()).solve(b, 1e-10)
    assert relative(solution.phi.get(), by_multigrid.phi) < 1e-8


def test_a_factorisation_that_fails_says_what_else_there_is(mesh, monkeypatch):
    def too_large(matrix):
        raise MemoryError("not enough for the factors")

    monkeypatch.setitem(direct._FACTORISE, "superlu", too_large)
    with pytest.raises(FemtmsError, match=r"superlu could not factorise .* \(MemoryError: not enough.*for multigrid"):
        Simulator(mesh, solver=Direct("superlu"), device="cpu")


def test_a_direct_method_that_is_not_there_is_refused(mesh, monkeypatch):
    with pytest.raises(FemtmsError, match="library must be one of pardiso, cholmod, superlu, cudss; got 'mumps'"):
        Direct("mumps")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name != "scipy" else name)
    with pytest.raises(FemtmsError, match="library 'pardiso' was asked for, but pypardiso is not installed"):
        Direct("pardiso")
    assert Direct().chosen("cpu") == "superlu"
    with pytest.raises(FemtmsError, match=r"Direct\(\) was asked for on the device 'cuda', which takes nvmath-python"):
        Direct().chosen("cuda")
    with pytest.raises(FemtmsError, match="library 'superlu' was asked for on the device 'cuda'"):
        Direct("superlu").chosen("cuda")
    with pytest.raises(FemtmsError, match=r"solver must be None \(multigrid\) or a femtms.Direct; got 'direct'"):
        Simulator(mesh, solver="direct", device="cpu")


# --- earlier solutions as first guesses ------------------------------------------------------------------


def turned(pose, degrees):
    """The coil turned about its own axis."""
    a = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return Pose(pose.matrix @ turn)


def test_earlier_solutions_save_iterations_and_change_little(mesh, poses):
    simulator, fresh = (Simulator(mesh, device="cpu", reuse=reuse, rtol=1e-8) for reuse in (6, 0))
    first = simulator.solve(COIL, [turned(poses[0], angle) for angle in (0, 40, 80, 120)])
    assert [f.iterations for f in first] == [f.iterations for f in fresh.solve(COIL, [f.pose for f in first])]
    between = turned(poses[0], 60)
    guessed, anew = simulator.solve(COIL, between), fresh.solve(COIL, between)
    assert guessed.iterations < 0.8 * anew.iterations
    assert guessed.residual < 2e-8
    assert relative(guessed.E, anew.E) < 1e-6
    again = simulator.solve(COIL, first[0].pose)
    assert again.iterations == 0
    simulator.solve(COIL, poses)  # more than it can remember
    assert simulator.solve(COIL, between).residual < 2e-8


def test_bad_reuse_is_refused(mesh):
    for options in ({"reuse": -1}, {"reuse": 4, "solver": Direct("superlu")}):
        with pytest.raises(FemtmsError, match="reuse must be 0 or more"):
            Simulator(mesh, device="cpu", **options)


# --- hard systems ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bone", [1e-6, 1e6])
def test_conductivities_a_million_apart(mesh, poses, bone):
    sigma = {"gm": 1.0, "bone": bone, "scalp": 1.0}
    field = Simulator(mesh, sigma, device="cpu").solve(COIL, poses[0])
    exact = Simulator(mesh, sigma, solver=Direct(), device="cpu").solve(COIL, poses[0])
    assert field.residual < 2e-6
    gm = mesh.tags == 2
    assert relative(field.E[gm], exact.E[gm]) < 1e-3


def test_anisotropy_of_ratio_ten(mesh, poses):
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((len(mesh.tets), 3, 3)))[0]
    tensors = np.einsum("mij,j,mkj->mik", axes, [1.0, 0.3, 0.1], axes)
    field = Simulator(mesh, tensors, device="cpu").solve(COIL, poses[0])
    exact = Simulator(mesh, tensors, solver=Direct(), device="cpu").solve(COIL, poses[0])
    assert field.iterations < 60
    assert relative(field.E, exact.E) < 1e-5


def test_an_island_apart_from_the_head(mesh, poses):
    """A second, smaller sphere that touches nothing: its field is that of the small sphere alone."""
    nodes = 0.2 * mesh.nodes + [0.15, 0, 0]
    both = TetMesh(
        np.concatenate([mesh.nodes, nodes]),
        np.concatenate([mesh.tets, mesh.tets + len(mesh.nodes)]),
        np.concatenate([mesh.tags, mesh.tags]),
    )
    island = TetMesh(nodes, mesh.tets, mesh.tags)
    together = Simulator(both, device="cpu", rtol=1e-8).solve(COIL, poses[0])
    apart = Simulator(island, device="cpu", rtol=1e-8).solve(COIL, poses[0])
    alone = Simulator(mesh, device="cpu", rtol=1e-8).solve(COIL, poses[0])
    # A is summed in other boxes where there are two bodies: theory.md (21)
    assert relative(together.E[: len(mesh.tets)], alone.E) < 5e-6
    assert relative(together.E[len(mesh.tets) :], apart.E) < 1e-5


def flattened(mesh, flatness):
    """The mesh with one node of some inner tetrahedra moved almost into the opposite face."""
    nodes = mesh.nodes.copy()
    inner = np.linalg.norm(nodes, axis=1) < 0.08
    touched = np.zeros(len(nodes), bool)
    count = 0
    for tet in mesh.tets[::200]:
        around = mesh.tets[(mesh.tets == tet[0]).any(axis=1)]
        if not inner[tet].all() or touched[around].any():
            continue
        before = nodes[tet[0]].copy()
        nodes[tet[0]] += (1 - flatness) * (nodes[tet[1:]].mean(axis=0) - before)
        if cpu.signed_volumes(nodes, around).min() > 0:
            touched[around], count = True, count + 1
        else:
            nodes[tet[0]] = before
    return TetMesh(nodes, mesh.tets, mesh.tags), count


def test_slivers_converge_or_fail_loudly(mesh, poses):
    for flatness in (1e-2, 1e-5):
        flat, count = flattened(mesh, flatness)
        assert count > 10
        try:
            field = Simulator(flat, device="cpu").solve(COIL, poses[0])
        except NotConverged as error:
            assert "flat tetrahedra" in str(error)
            continue
        exact = Simulator(flat, solver=Direct(), device="cpu").solve(COIL, poses[0])
        assert relative(field.E, exact.E) < 1e-4
