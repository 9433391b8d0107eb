"""The benchmarks run, and their count of bytes is that of the kernels: on a sphere of a few thousand tetrahedra."""

import dataclasses
import importlib
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest

from femtms.solver.csr import Csr
from femtms.solver.pcg import Iterates, pcg
from femtms.solver.potential import PotentialSolver

FOLDER = Path(__file__).parents[1] / "benchmarks"
TINY_MM = 15.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """benchmarks/ can be imported from, and works on one tiny mesh of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        patch.setenv("FEMTMS_BENCHMARK_HEAD", "ball")
        patch.setenv("FEMTMS_DEVICE", "cpu")
        before = set(sys.modules)
        patch.setattr(importlib.import_module("problem"), "CACHE", tmp_path_factory.mktemp("meshes"))
        patch.setattr(importlib.import_module("traffic"), "_TRIAD", 1000)
        yield FOLDER
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in (
                "problem",
                "traffic",
                "suites",
                "growth",
                "plots",
                "peers",
                "reuse",
                "compare",
                "accuracy",
                "accuracy_page",
                "location",
                "store",
            ):
                del sys.modules[name]


@pytest.fixture(scope="module")
def problem(folder):
    return importlib.import_module("problem").Problem("ball", TINY_MM, "cpu")


@pytest.mark.parametrize("name", ["stages", "memory"])
def test_every_benchmark_of_the_suites_runs(folder, name):
    module = importlib.import_module(f"suites.{name}")
    classes = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    ran = []
    for suite in classes:
        parameters = (TINY_MM, 2) if len(getattr(suite, "params", ())) == 2 else (TINY_MM,)
        parameters = parameters if hasattr(suite, "params") else ()
        for method in [m for m in dir(suite) if m.startswith(("time_", "track_", "peakmem_"))]:
            instance = suite()
            if hasattr(instance, "setup"):
                instance.setup(*parameters)
            result = getattr(instance, method)(*parameters)
            assert not method.startswith("track_") or result > 0
            ran.append(f"{suite.__name__}.{method}")
    assert {"stages": "Solve.time_solve", "memory": "Solve.peakmem_solved"}[name] in ran


class Weighed:
    """Kernels that add up the bytes of each matrix and vector they read or write."""

    def __init__(self, kernels):
        self._kernels = kernels
        self.bytes = 0

    def __getattr__(self, name):
        kernel = getattr(self._kernels, name)

        def call(*arguments):
            used = list(arguments)
            if name == "relax":  # a vector with weight zero is not read, and what is named twice is read once
                matrix, (w0, w1, w2, w3), x, b, z, out = arguments
                used = [matrix, out] + [v for v, w in ((x, w0 or w2), (b, w1), (z, w3)) if w and v is not out]
                used = list({id(array): array for array in used}.values()) + ([out] if z is out and w3 else [])
            in_place = {"spmm_add": [-1], "advance": [-2, -1], "turn": [-1]}.get(name, [])
            used += [arguments[i] for i in in_place]
            for array in used:
                if isinstance(array, Csr):
                    self.bytes += array.bytes
                elif isinstance(array, np.ndarray) and array.ndim == 2:  # not the numbers for each column
                    self.bytes += array.nbytes
            return kernel(*arguments)

        return call


@pytest.mark.parametrize("k", [1, 3])
def test_least_traffic_is_what_the_kernels_of_one_iteration_read_and_write(problem, k):
    traffic = importlib.import_module("traffic")
    moved = []
    for iterations in (1, 2):
        kernels = Weighed(problem.backend.kernels)
        device = dataclasses.replace(problem.backend, kernels=kernels)
        solver = PotentialSolver.build(problem.stiffness, None, device)
        pcg(Iterates(solver.matrix, solver.hierarchy, k, device), problem.block(k), 1e-12, iterations)
        moved.append(kernels.bytes)
    assert moved[1] - moved[0] == traffic.least_traffic(solver, k)


def test_a_finished_column_moves_nothing_more(problem):
    traffic = importlib.import_module("traffic")
    both = traffic.solve_traffic(problem.solver, np.array([3, 5]))
    one, two = (traffic.least_traffic(problem.solver, k) for k in (1, 2))
    assert both == 3 * two + 2 * one


def test_tables_and_plots_are_made_of_what_was_measured(folder, tmp_path):
    growth, plots = importlib.import_module("growth"), importlib.import_module("plots")
    row = growth.measure_stages("ball", TINY_MM, 1, "cpu")
    row["seconds"]["mesh"] = row["peak_gb"]["mesh"] = 1.0
    other = row | {"tets": 2 * row["tets"]}
    result = {"head": "ball", "device": "CPU", "rows": [row, other]}
    assert all(f"{row['tets']:,} " in markdown for markdown in growth.tables(result).values())
    plots.growth(result, tmp_path / "growth.png")
    solve = {"rtol": 1e-6, "k": 1, "seconds": 2.0}
    compared = result | {"tets": 1, "rows": [solve | {"solver": "PETSc"}, solve | {"solver": "femtms", "seconds": 0.5}]}
    assert plots.times_faster(compared) == {"femtms, k = 1": {1e-6: 4.0}}
    plots.peers(compared, tmp_path / "peers.png")
    assert (tmp_path / "growth.png").exists() and (tmp_path / "peers.png").exists()


def test_comparison_is_timed(folder):
    import femtms

    module = importlib.import_module("compare")
    ball = femtms.LayeredSphere((70, 85))
    seconds, summary = module.compared(ball, ["figure8-25mm"], ["Cz"], 20.0, "cpu")
    assert seconds > sum(summary["seconds"].values()) * 0.9
    assert len(summary["rows"]) == 1


def test_location_is_timed(folder):
    import femtms

    module = importlib.import_module("location")
    mesh = femtms.mesh_head(femtms.LayeredSphere((70, 85)), 20.0)
    coil, pose = femtms.load_coil("figure8-70mm"), femtms.place(mesh, (0, 0, 85), (0, 30, 80))
    field = femtms.Simulator(mesh, device="cpu").solve(coil, pose)
    box, cortex, voxels = module.rows(mesh, field, 2000, 1)
    assert 40 < float(box[4].split()[0]) < 55 and float(cortex[4].split()[0]) > 99  # a ball fills 52 % of its box
    assert (box[2], cortex[2]) == ("any", "gm") and voxels[0] == "voxels"


@pytest.fixture(scope="module")
def accuracy(folder):
    return importlib.import_module("accuracy")


@pytest.fixture(scope="module")
def measured_accuracy(accuracy):
    """Two coarse spheres, and one of voxels."""
    chosen = accuracy.METHODS
    coils = {name: coil for name, coil in accuracy.sources().items() if name in ("figure8-70mm", "tangential dipole")}
    spheres = [
        row
        for size in (20.0, 14.0)
        for row in accuracy.sphere_rows(1, accuracy.sphere_mesh(1, size), chosen, coils, (10.0,), sample=800)
    ]
    labels = accuracy.voxel_sphere((30.0, 40.0), (2, 5), 4.0)
    heads = accuracy.refinement_rows(labels, np.array([0, 0, 0.02]), 20.0, chosen, levels=1, sample=300)
    return {"device": "CPU", "date": "today", "spheres": spheres, "heads": [{"head": "sphere"} | row for row in heads]}


def test_accuracy_is_that_of_the_elements(accuracy, measured_accuracy):
    rows = measured_accuracy["spheres"]
    assert len(rows) == 2 * len(accuracy.METHODS) * 2
    for source in ("figure8-70mm", "tangential dipole"):
        linear, quadratic = (
            [row["errors"]["away"] for row in rows if row["source"] == source and row["method"] == method]
            for method in ("P1", "P2")
        )
        assert linear[0]["l2"] > linear[1]["l2"] > 3 * quadratic[1]["l2"] > 0, (linear, quadratic)
    for row in rows:
        e = row["errors"]["cortex"]
        # what is wrong is wrong in shape or in size
        assert e["l2"] ** 2 == pytest.approx((1 + e["mag"]) * e["rdm"] ** 2 + e["mag"] ** 2, rel=1e-9)
    levels = {(row["level"], row["method"]): row["errors"] for row in measured_accuracy["heads"]}
    assert levels[1, "P2"] is None  # the reference
    assert levels[0, "P1"]["near"]["l2"] > levels[1, "P1"]["near"]["l2"] > levels[0, "P2"]["near"]["l2"] > 0


def test_points_are_found_in_what_their_tetrahedra_became(accuracy):
    coarse = accuracy.sphere_mesh(1, 20.0)
    own = np.arange(0, len(coarse.tets), 37)
    points, tets, _ = accuracy.points_of(coarse, own)
    fine = coarse.refined()
    children, weights = accuracy.descended(fine, tets, points)
    assert weights.min() > -1e-9
    np.testing.assert_allclose((weights[..., None] * fine.nodes[fine.tets[children]]).sum(axis=1), points, atol=1e-12)
    np.testing.assert_array_equal(fine.tags[children], coarse.tags[tets])


def test_page_of_accuracy_is_made_of_what_was_measured(accuracy, measured_accuracy, tmp_path, monkeypatch):
    page_of = importlib.import_module("accuracy_page")
    page = tmp_path / "page.md"
    page.write_text(
        "Before.\n<!-- table: detail-1 -->\nold\n<!-- end -->\n<!-- table: detail-3 -->\nkept\n<!-- end -->\n"
    )
    accuracy.save(measured_accuracy, tmp_path / "accuracy.json")
    monkeypatch.setattr(sys, "argv", ["", "--json", str(tmp_path / "accuracy.json"), "--page", str(page)])
    page_of.main()
    text = page.read_text()
    assert text.startswith("Before.") and "old" not in text and "kept" in text
    assert all(f"| {row['unknowns']:,} |" in text for row in measured_accuracy["spheres"])
    assert {path.name for path in (tmp_path / "images").iterdir()} == {"accuracy-edges.png", "accuracy-seconds.png"}
    orders = page_of.tables(measured_accuracy)["orders"]
    assert "1 shell, figure8-70mm" in orders
    known = set(page_of.tables(measured_accuracy | {"heads": []})) - {"device", "orders"}
    assert known == {"detail-1", "sources-1"}


def test_every_table_of_the_page_of_accuracy_has_its_place(accuracy):
    text = (FOLDER.parent / "docs" / "accuracy.md").read_text()
    names = {f"{kind}-{shells}" for kind in ("detail", "sources") for shells in accuracy.SPHERES}
    names |= {"device", "orders"} | {f"head-{name}" for name in accuracy.REFINED}
    assert all(f"<!-- table: {name} -->" in text for name in names)


def test_chunks_of_studies_are_measured(folder, capsys):
    module = importlib.import_module("store")
    module.main(["--head", "ball", "--size", str(TINY_MM), "--solved", "3", "--positions", "30"])
    shown = capsys.readouterr().out
    assert "30 positions, 27 numbers each" in shown and "E at" in shown
    assert sum(line.startswith(("| 64 | none", "| a case | none")) for line in shown.splitlines()) >= 2
