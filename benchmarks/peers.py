"""The same matrix and right-hand sides solved by femtms and by every peer that is installed, to the same true residual.

    python benchmarks/peers.py [--head colin27] [--size 4] [--repeats 3] [--direct] [--petsc-python /usr/bin/python3]
                               [--json benchmarks/results/peers.json]

True residual: ‖b - K φ‖/‖b‖ in double precision, with one node of K grounded; every solver's own tolerance is tightened
until it gets there.  Peers: PETSc CG + hypre BoomerAMG, which the field's standard tool runs (python3-petsc4py of
Debian, for the system's Python; one core, as it comes), PyAMG by itself, and with
--direct PARDISO (package pypardiso; minutes and gigabytes on a whole head).  Those that are not installed are named.

STREAM's triad runs in between, for the bandwidth; "of bandwidth" is what a solve must at least move, over what the
memory could have moved in that time (see traffic.py).
"""

import argparse
import datetime
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOLERANCES = (1e-6, 1e-10)


def solve_with_petsc(folder):
    """Runs under another Python, with nothing but numpy and petsc4py."""
    import numpy as np
    import petsc4py

    petsc4py.init([])
    from petsc4py import PETSc

    data = np.load(folder / "system.npz")
    b = data["b"]
    matrix = PETSc.Mat().createAIJ(size=(len(b), len(b)), csr=(data["indptr"], data["indices"], data["values"]))
    matrix.assemble()
    ksp = PETSc.KSP().create()
    ksp.setOperators(matrix)
    ksp.setType("cg")
    ksp.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
    ksp.getPC().setType("hypre")
    ksp.getPC().setHYPREType("boomeramg")
    PETSc.Options()["pc_hypre_boomeramg_coarsen_type"] = "HMIS"
    ksp.setFromOptions()
    start = time.perf_counter()
    ksp.setUp()
    result = {"setup": time.perf_counter() - start}
    x, right = matrix.createVecs()
    right[:] = b
    for rtol in TOLERANCES:
        ksp.setTolerances(rtol=rtol, max_it=1000)
        seconds = []
        for _ in range(int(data["repeats"])):
            start = time.perf_counter()
            ksp.solve(right, x)
            seconds.append(time.perf_counter() - start)
        result[f"seconds_{rtol:g}"], result[f"iterations_{rtol:g}"] = seconds, ksp.getIterationNumber()
        result[f"phi_{rtol:g}"] = x[:]
    np.savez(folder / "result.npz", **result)


def with_debians_petsc(environment):
    """Debian's Python sees its petsc4py when it starts with PETSC_DIR set to PETSc's own folder."""
    found = sorted(Path("/usr/lib/petscdir").glob("*/*-real"))
    return {"PETSC_DIR": str(found[-1]), **environment} if found else dict(environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default="colin27")
    parser.add_argument("--size", type=float, default=4.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--blocks", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--direct", action="store_true")
    parser.add_argument("--petsc-python", default="/usr/bin/python3")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows of the table there, too")
    parser.add_argument("--solve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.solve:
        return solve_with_petsc(options.solve)

    # not above: PETSc's Python has none of these
    import numpy as np
    from problem import cached_mesh
    from traffic import measured, solve_traffic, triad_bandwidth

    import femtms
    from femtms.backend import backend
    from femtms.conductivity.isotropic import conductivity_of
    from femtms.fem.p1 import P1
    from femtms.solver.potential import PotentialSolver, grounded

    mesh = cached_mesh(options.head, options.size)
    p1, stiffness = P1.build(mesh, conductivity_of(mesh, None), backend("cpu"))
    tied = grounded(stiffness, None)
    coil, places = femtms.load_coil("figure8-70mm"), ("CP3", "FC3", "C5", "C1")
    columns = [
        p1.load(1e6 * coil.moved(femtms.place(mesh, "C3", towards, gap_mm=6)).vector_potential(mesh.centroids))
        for towards in places
    ]

    def residuals(b, phi):
        return np.linalg.norm(b - tied @ phi, axis=0) / np.linalg.norm(b, axis=0)

    rows, absent = [], []  # (name, right-hand sides, target, set-up, seconds each, iterations, residual, efficiency)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(
            folder / "system.npz",
            indptr=tied.indptr,
            indices=tied.indices,
            values=tied.data,
            b=columns[0],
            repeats=options.repeats,
        )
        run = subprocess.run(
            [options.petsc_python, __file__, "--solve", folder],
            capture_output=True,
            text=True,
            env=with_debians_petsc(os.environ),
        )
        if run.returncode:
            absent.append(f"PETSc ({(run.stderr.strip().splitlines() or ['no message'])[-1]})")
        else:
            result = np.load(folder / "result.npz")
            for target in TOLERANCES:
                phi = result[f"phi_{target:g}"]
                seconds, iterations = np.median(result[f"seconds_{target:g}"]), int(result[f"iterations_{target:g}"])
                residual = residuals(columns[0], phi)
                rows.append(
                    ("PETSc CG + hypre", 1, target, float(result["setup"]), seconds, iterations, residual, None)
                )

    def block(k):
        return np.ascontiguousarray(np.stack([columns[i % len(columns)] for i in range(k)], axis=1))

    first = PotentialSolver.build(stiffness, None, p1.backend)
    for k in (1, *options.blocks):
        first.solve(block(k), 1e-3)  # compiles
    del first
    setup, solver = measured(lambda: PotentialSolver.build(stiffness, None, p1.backend), options.repeats)
    for k in (1, *options.blocks):
        for target in TOLERANCES:
            b, rtol = block(k), target
            while (reached := residuals(b, (solution := solver.solve(b, rtol)).phi).max()) > target:
                rtol *= 0.8 * target / reached
            bandwidth = triad_bandwidth(p1.backend)
            seconds, solution = measured(lambda b=b, rtol=rtol: solver.solve(b, rtol), options.repeats)
            least = solve_traffic(solver, solution.iterations)
            row = (setup, seconds / k, int(solution.iterations.max()), residuals(b, solution.phi))
            rows.append(("femtms", k, target, *row, least / seconds / bandwidth))

    if importlib.util.find_spec("pyamg") is None:
        absent.append("PyAMG (not installed)")
    else:
        import pyamg

        setup, hierarchy = measured(lambda: pyamg.smoothed_aggregation_solver(tied.tocsr(), max_coarse=500), 1)
        for target in TOLERANCES:
            history = []
            seconds, phi = measured(
                lambda target=target, history=history: hierarchy.solve(
                    columns[0], tol=target, accel="cg", maxiter=500, residuals=history
                ),
                1,
            )
            rows.append(("PyAMG", 1, target, setup, seconds, len(history) - 1, residuals(columns[0], phi), None))

    if options.direct and importlib.util.find_spec("pypardiso") is not None:
        setup, direct = measured(
            lambda: PotentialSolver.build(stiffness, None, p1.backend, femtms.Direct("pardiso")), 1
        )
        seconds, solution = measured(lambda: direct.solve(block(4), 1e-10), options.repeats)
        rows.append(("PARDISO", 4, 1e-10, setup, seconds / 4, 0, residuals(block(4), solution.phi), None))
    else:
        absent.append("PARDISO (give --direct, with pypardiso installed)")
    absent.append("cuNIBS (needs a GPU)")

    anchors = {row[2]: row[4] for row in rows if row[0].startswith("PETSc")}
    bandwidth = triad_bandwidth(p1.backend)
    if options.json:
        names = ("solver", "k", "rtol", "set_up", "seconds", "iterations", "residual", "of_bandwidth")
        result = {
            "head": options.head,
            "nodes": len(mesh.nodes),
            "tets": len(mesh.tets),
            "device": p1.backend.description,
            "femtms": femtms.__version__,
            "date": datetime.date.today().isoformat(),
            "repeats": options.repeats,
            "bandwidth": bandwidth,
            "rows": [dict(zip(names, (*row[:6], float(np.max(row[6])), row[7]))) for row in rows],
        }
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{options.head}, {len(mesh.nodes):,} nodes, {len(mesh.tets):,} tets; {p1.backend.description}")
    print(f"STREAM triad {1e-9 * bandwidth:.0f} GB/s; medians of {options.repeats}\n")
    print(solver.hierarchy, end="\n\n")
    print(
        "| solver | k | to | set-up s | solve s per right-hand side | iterations | true residual "
        "| times PETSc | of bandwidth |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, k, target, setup, seconds, iterations, residual, efficiency in rows:
        ratio = f"{anchors[target] / seconds:.1f}" if target in anchors else "–"
        share = "–" if efficiency is None else f"{efficiency:.2f}"
        print(
            f"| {name} | {k} | {target:g} | {setup:.2f} | {seconds:.3f} | {iterations} | {np.max(residual):.1e} "
            f"| {ratio} | {share} |"
        )
    for peer in absent:
        print(f"\nnot measured: {peer}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
