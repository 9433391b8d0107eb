"""Which device computes, what is said when it is not the one that was wished for, and that devices agree."""

import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from kernels.host_cuda import DeviceArray, HostCupy, gpu, host_module
from kernels.whole_path import whole_path

from femtms import FemtmsError, LayeredSphere, Simulator, load_coil, mesh_head, place
from femtms.backend import backend, to_host
from femtms.fem.p1 import P1
from femtms.solver.potential import PotentialSolver

COIL = load_coil("figure8-70mm")


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((66.0, 92.0), (2, 5)), 15.0)


@pytest.fixture(scope="module")
def played_cupy(tmp_path_factory):
    """A cupy whose GPU is played by the host."""
    module = host_module(tmp_path_factory.mktemp("cuda"))
    return HostCupy(lambda code, options: module)


@pytest.fixture(scope="module")
def host_cuda(played_cupy):
    """What backend() makes of that GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "cupy", played_cupy)
        return backend("cuda")


@pytest.fixture(autouse=True)
def no_wish_in_the_environment(monkeypatch):
    monkeypatch.delenv("FEMTMS_DEVICE", raising=False)


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, logger="femtms")
    return caplog


def raising(error):
    def raise_it(*arguments, **options):
        raise error

    return raise_it


def without_driver():
    cupy = HostCupy()
    cupy.cuda.runtime.getDeviceCount = raising(RuntimeError("cudaErrorInsufficientDriver: too old"))
    return cupy


def without_headers():
    module = SimpleNamespace(get_function=raising(RuntimeError("cannot open source file vector_types.h")))
    return HostCupy(lambda code, options: module)


def without_cublas():
    class Ones(DeviceArray):
        __matmul__ = raising(ImportError('Failure finding "libcublasLt.so.12"'))

    module = SimpleNamespace(get_function=lambda name: lambda grid, block, arguments: None)
    cupy = HostCupy(lambda code, options: module)
    cupy.ones = lambda shape: Ones(np.ones(shape), cupy.gpu)
    return cupy


def with_wrong(what):
    """A GPU that computes, and wrongly: sums that miss a chunk, or products of matrices."""

    def made(code, options):
        def get_function(name):
            return lambda grid, block, arguments: arguments[-1].__setitem__(..., 128.0 if what == "sums" else 300.0)

        return SimpleNamespace(get_function=get_function)

    class Ones(DeviceArray):
        def __matmul__(self, other):
            return DeviceArray(np.full((2, 2), 300.0 if what == "sums" else np.nan), self._gpu)

    cupy = HostCupy(made)
    cupy.ones = lambda shape: Ones(np.ones(shape), cupy.gpu)
    return cupy


@pytest.fixture(
    params=[
        (lambda: None, "CuPy cannot be imported"),  # None in sys.modules makes import fail
        (without_driver, "no usable GPU .*cudaErrorInsufficientDriver"),
        (lambda: HostCupy(count=0), "no usable GPU .*counts none"),
        (without_headers, "no usable GPU .*vector_types.h"),
        (without_cublas, "no usable GPU .*libcublasLt"),
        (lambda: with_wrong("sums"), "CuPy computes wrong results on the GPU"),
        (lambda: with_wrong("products"), "CuPy computes wrong results on the GPU"),
    ],
    ids=["no cupy", "no driver", "no device", "no headers", "no cuBLAS", "wrong sums", "wrong products"],
)
def reason(request, monkeypatch):
    """Takes the GPU away and says, as a pattern, what must be told about it."""
    cupy, pattern = request.param
    monkeypatch.setitem(sys.modules, "cupy", cupy())
    return pattern


# --- the choice ------------------------------------------------------------------------------------------


def test_cuda_without_a_gpu_is_an_error_that_says_why(mesh, reason):
    with pytest.raises(FemtmsError, match=f"device 'cuda' was asked for, but .*{reason}"):
        Simulator(mesh, device="cuda")


def test_auto_without_a_gpu_takes_the_cpu_and_logs_one_line_why(reason, log):
    assert backend("auto").name == "cpu"
    (line,) = [record.getMessage() for record in log.records]
    assert line.startswith("computing on the CPU: ") and "\n" not in line
    log.clear()
    with pytest.raises(FemtmsError, match=reason) as raised:
        backend("cuda")
    assert line.removeprefix("computing on the CPU: ") in str(raised.value)


def test_simulator_on_auto_logs_the_line_once(mesh, log, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    simulator = Simulator(mesh)
    simulator.solve(COIL, place(mesh, "C3", "CP3"))
    assert [r.getMessage()[:20] for r in log.records if "CPU" in r.getMessage()] == ["computing on the CPU"]


def test_auto_takes_a_gpu_silently(played_cupy, log, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", played_cupy)
    chosen = backend("auto")
    assert (chosen.name, chosen.description) == ("cuda", "a GPU played by the host")
    assert not log.records


def test_unknown_device_is_an_error(mesh):
    with pytest.raises(FemtmsError, match="device must be 'auto', 'cpu' or 'cuda'; got 'tpu'"):
        Simulator(mesh, device="tpu")


def test_cpu_does_not_look_for_a_gpu(log, monkeypatch):
    monkeypatch.setattr("femtms.backend._cuda_backend", raising(AssertionError("looked for a GPU")))
    assert backend("cpu").name == "cpu"
    assert not log.records


def test_environment_decides_for_auto_alone(log, monkeypatch):
    monkeypatch.setattr("femtms.backend._cuda_backend", lambda: (None, "no GPU in this test"))
    monkeypatch.setenv("FEMTMS_DEVICE", "cpu")
    assert backend().name == "cpu"
    assert not log.records
    with pytest.raises(FemtmsError, match="no GPU in this test"):
        backend("cuda")
    monkeypatch.setenv("FEMTMS_DEVICE", "cuda")
    with pytest.raises(FemtmsError, match="no GPU in this test"):
        backend("auto")
    assert backend("cpu").name == "cpu"
    monkeypatch.setenv("FEMTMS_DEVICE", "abacus")
    with pytest.raises(FemtmsError, match="got 'abacus'"):
        backend()


def test_arrays_come_home_by_get():
    assert to_host(SimpleNamespace(get=lambda: "from the device")) == "from the device"
    here = np.ones(3)
    assert to_host(here) is here


def test_arrays_of_the_host_come_to_the_device_in_the_order_of_c(host_cuda):
    here = np.arange(6.0).reshape(2, 3)
    for given in (here, here.T, here[:, ::-1], np.asfortranarray(here), host_cuda.xp.asarray(here).T):
        there = host_cuda.array(given)
        assert isinstance(there, DeviceArray) and there.flags.c_contiguous
        np.testing.assert_array_equal(to_host(there), to_host(given))
        assert host_cuda.array(there) is there
    assert backend("cpu").array(here) is here


# --- the same field ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulate(mesh, request):
    """simulate(device, order) -> a Simulator on "cpu", on "cuda-host" or on "gpu", made once."""
    made = {}

    def on(device, order=1):
        if (device, order) not in made:
            with pytest.MonkeyPatch.context() as patch:
                if device == "cuda-host":
                    chosen = request.getfixturevalue("host_cuda")
                    patch.setattr("femtms.simulator.backend", lambda name: chosen)
                elif device == "gpu":
                    gpu()
                name = "cpu" if device == "cpu" else "cuda"
                made[device, order] = Simulator(mesh, order=order, device=name, rtol=1e-8)
        return made[device, order]

    return on


@pytest.fixture(scope="module")
def poses(mesh):
    """Close, closer and far away: right-hand sides that differ in size and in shape."""
    return [place(mesh, "C3", "CP3"), place(mesh, "Fz", "Cz", gap_mm=1), place(mesh, "Oz", "POz", gap_mm=70)]


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.mark.parametrize("order", [1, 2])
def test_cuda_kernels_give_the_field_of_the_cpu(simulate, poses, order):
    on_cpu, on_host = (simulate(device, order).solve(COIL, poses[0]) for device in ("cpu", "cuda-host"))
    assert type(on_host.E) is type(on_host.potential) is np.ndarray
    assert on_host.device == "a GPU played by the host"
    assert on_cpu.magnE.max() > 1
    assert relative(on_host.E, on_cpu.E) < 1e-6
    assert relative(on_host.potential, on_cpu.potential) < 1e-6
    assert on_host.iterations == on_cpu.iterations


def test_set_up_stays_on_the_device(mesh, host_cuda, monkeypatch):
    """Of all arrays, the three of the coarsest matrix alone come to the host."""
    brought, get = [], DeviceArray.get
    monkeypatch.setattr(DeviceArray, "get", lambda array: brought.append(array.nbytes) or get(array))
    p1, stiffness = P1.build(mesh, np.ones((len(mesh.tets), 1)), host_cuda)
    solver = PotentialSolver.build(stiffness, None, host_cuda)
    coarsest = solver.hierarchy.levels[-1].matrix
    assert len(solver.hierarchy.levels) > 1
    entries, unknowns = len(coarsest.data), coarsest.shape[0]
    assert sorted(brought) == sorted([8 * entries, 4 * entries, 4 * (unknowns + 1)])
    arrays = [p1.nodes, p1.tets, p1.starts, p1.meeting, p1.permutation, solver.scale]
    for matrix in (stiffness, solver.matrix, *(level.matrix for level in solver.hierarchy.levels)):
        arrays += [matrix.indptr, matrix.indices, matrix.data]
    assert all(isinstance(a, DeviceArray) for a in arrays)


@pytest.mark.parametrize("device", ["cuda-host", pytest.param("gpu", marks=pytest.mark.gpu)])
def test_statistics_made_on_the_device_are_those_of_the_cpu(simulate, poses, device, monkeypatch):
    fetched = []
    monkeypatch.setattr("femtms.simulator.to_host", lambda a: fetched.append(a.shape) or to_host(a))
    results = list(simulate(device).sweep(COIL, poses))
    assert fetched == [(len(poses), 2, 10)]  # these numbers and nothing else, once for the block
    for here, there in zip(simulate("cpu").sweep(COIL, poses), results, strict=True):
        for name, expected in here.tissues.items():
            numbers = there.tissues[name]
            assert (numbers.tissue, numbers.tets, numbers.volume_ml) == (name, expected.tets, expected.volume_ml)
            assert numbers.peak_mm == expected.peak_mm
            for quantity in ("mean", "median", "p95", "p99", "p99_9", "peak", "focality_50_ml", "focality_75_ml"):
                assert getattr(numbers, quantity) == pytest.approx(getattr(expected, quantity), rel=1e-5)
            assert (numbers.error is None) == (expected.error is None) == (name != "gm")
            if name == "gm":
                assert numbers.error == pytest.approx(expected.error, rel=1e-4) and 0 < numbers.error < 1


@pytest.mark.parametrize("order, recovery", [(1, "raw"), (1, "harmonic"), (2, "raw"), (2, "spr")])
def test_the_whole_path_is_that_of_the_cpu(mesh, poses, host_cuda, order, recovery, monkeypatch):
    """Fields and sweeps of several poses, in blocks that are smaller than they are many, with regions."""
    regions = {"left": np.flatnonzero(mesh.centroids[:, 0] < -0.05)}
    found = []
    for chosen in (backend("cpu"), host_cuda):
        monkeypatch.setattr("femtms.simulator.backend", lambda name, chosen=chosen: chosen)
        simulator = Simulator(mesh, order=order, rtol=1e-8, recovery=recovery)
        fields = simulator.solve(COIL, poses)
        rows = list(simulator.sweep(COIL, poses, regions=regions, block=2, fields=True))
        found.append((fields, rows))
    (fields, rows), (others, other_rows) = found
    at = 1e3 * mesh.centroids[mesh.tags == 2][:5]
    for field, other, row, other_row in zip(fields, others, rows, other_rows, strict=True):
        assert relative(other.E, field.E) < 1e-6 and relative(other_row.field.E, field.E) < 1e-6
        assert relative(other.potential, field.potential) < 1e-6
        assert relative(other.at(at), field.at(at)) < 1e-4
        assert relative(other.tissue_error("gm"), field.tissue_error("gm")) < 1e-4
        assert other_row.regions == pytest.approx(row.regions, rel=1e-6)
        for name, numbers in row.tissues.items():
            got = other_row.tissues[name]
            assert got.peak_mm == numbers.peak_mm
            assert (got.mean, got.median, got.p99_9, got.focality_50_ml) == pytest.approx(
                (numbers.mean, numbers.median, numbers.p99_9, numbers.focality_50_ml), rel=1e-5
            )


def test_what_a_pose_costs_the_host(simulate, poses):
    """How many poses are solved together changes neither how often the host waits nor how often it fetches numbers."""
    simulator = simulate("cuda-host")
    list(simulator.sweep(COIL, poses[:1]))
    gpu, costs = simulator.backend.xp.gpu, []
    for k in (1, 3):
        simulator._solver.release()
        gpu.counts.clear()
        (row, *_) = simulator.sweep(COIL, poses[:1] * k, tissues=["gm"])
        costs.append((gpu.counts["waits"], gpu.counts["downloads"]))
        assert gpu.counts["graphs"] >= row.iterations - 2
        assert gpu.counts["downloads"] < 20 + row.iterations // simulator.backend.check_every
    assert costs[0] == costs[1]


@pytest.mark.gpu
@pytest.mark.parametrize("order", [1, 2])
def test_cpu_and_gpu_agree(simulate, poses, order):
    on_gpu = simulate("gpu", order).solve(COIL, poses)
    for one, other in zip(on_gpu, simulate("cpu", order).solve(COIL, poses)):
        assert type(one.E) is np.ndarray
        assert relative(one.E, other.E) < 1e-5


@pytest.mark.gpu
def test_a_gpu_and_its_stand_in_agree_in_all_that_there_is(host_cuda):
    """And a GPU has the same bits each time."""
    on_gpu = gpu()
    here, there, again = whole_path(host_cuda), whole_path(on_gpu), whole_path(on_gpu)
    for one, other, same in zip(here, there, again, strict=True):
        np.testing.assert_array_equal(other, same)
        assert relative(other, one) < 1e-4


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("device", ["cpu", "cuda-host", pytest.param("gpu", marks=pytest.mark.gpu)])
def test_a_field_does_not_know_which_poses_share_its_block(simulate, poses, device, order):
    simulator = simulate(device, order)
    block = simulator.solve(COIL, poses)
    for pose, field in zip(poses, block):
        (alone,) = simulator.solve(COIL, [pose])
        np.testing.assert_array_equal(alone.E, field.E)
        np.testing.assert_array_equal(alone.potential, field.potential)
        assert (alone.iterations, alone.residual) == (field.iterations, field.residual)
    turned = simulator.solve(COIL, poses[::-1])[::-1]
    for one, other in zip(block, turned):
        np.testing.assert_array_equal(one.E, other.E)


@pytest.mark.parametrize("device", ["cpu", "cuda-host", pytest.param("gpu", marks=pytest.mark.gpu)])
def test_columns_that_finish_early_stand_still(simulate, device):
    """Rough, zero, smooth and tiny right-hand sides take unlike numbers of iterations."""
    simulator = simulate(device)
    xp, solver = simulator.backend.xp, simulator._solver
    n = len(simulator.mesh.nodes)
    rng = np.random.default_rng(0)
    rough, smooth = rng.standard_normal(n), np.linspace(-1, 1, n)
    columns = [rough - rough.mean(), np.zeros(n), smooth - smooth.mean(), 1e-30 * rough]
    block = solver.solve(xp.asarray(np.stack(columns, axis=1)), 1e-8)
    iterations = block.iterations
    assert len(set(iterations)) > 2 and iterations[1] == 0
    for i, column in enumerate(columns):
        alone = solver.solve(xp.asarray(column[:, None]), 1e-8)
        assert alone.iterations[0] == iterations[i]
        assert alone.residuals[0] == block.residuals[i]
        np.testing.assert_array_equal(to_host(alone.phi)[:, 0], to_host(block.phi)[:, i])
