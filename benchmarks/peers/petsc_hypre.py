"""The same system solved by femtms and by PETSc CG + hypre BoomerAMG, which the field's standard tool runs.

    python benchmarks/peers/petsc_hypre.py [--head colin27] [--size 2.2] [--petsc-python /usr/bin/python3]

PETSc is not a dependency: Debian has it as python3-petsc4py, for the system's Python (set PETSC_DIR where it is not
found).  Both get the K and b of femtms with the same node grounded.  PETSc stops at ‖b - Kφ‖ ≤ rtol ‖b‖, femtms at the
same of the scaled system; the true residual of both is printed.  The last column is the relative difference of the
field E in grey matter to PETSc's at 1e-12.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def solve_with_petsc(folder):
    """Runs under another Python, with nothing but numpy and petsc4py."""
    import numpy as np
    import petsc4py

    petsc4py.init([])
    from petsc4py import PETSc

    data = np.load(folder / "system.npz")
    indptr, indices, values, b = (data[name] for name in ("indptr", "indices", "values", "b"))
    size = len(b)
    result = {}
    for rtol in (1e-12, 1e-10, 1e-6):
        matrix = PETSc.Mat().createAIJ(size=(size, size), csr=(indptr, indices, values))
        matrix.assemble()
        ksp = PETSc.KSP().create()
        ksp.setOperators(matrix)
        ksp.setType("cg")
        ksp.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
        ksp.setTolerances(rtol=rtol, max_it=1000)
        ksp.getPC().setType("hypre")
        ksp.getPC().setHYPREType("boomeramg")
        PETSc.Options()["pc_hypre_boomeramg_coarsen_type"] = "HMIS"
        ksp.setFromOptions()
        start = time.perf_counter()
        ksp.setUp()
        setup = time.perf_counter() - start
        x, right = matrix.createVecs()
        right[:] = b
        start = time.perf_counter()
        ksp.solve(right, x)
        result[f"{rtol:g}"] = [setup, time.perf_counter() - start, ksp.getIterationNumber()]
        np.save(folder / f"phi_{rtol:g}.npy", x[:])
    np.savez(folder / "result.npz", **result)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default="colin27")
    parser.add_argument("--size", type=float, default=2.2)
    parser.add_argument("--petsc-python", default="/usr/bin/python3")
    parser.add_argument("--solve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.solve:
        return solve_with_petsc(options.solve)

    import numpy as np

    import femtms
    from femtms.backend import backend
    from femtms.fem.p1 import P1
    from femtms.solver.potential import PotentialSolver, grounded

    mesh = femtms.mesh_head(femtms.load_head(options.head), options.size)
    sigma = femtms.Simulator(femtms.mesh_head(femtms.LayeredSphere(), 30.0), device="cpu")  # compiles
    sigma = femtms.Simulator(mesh, device="cpu").sigma
    p1, stiffness = P1.build(mesh, sigma, backend("cpu"))
    coil = femtms.load_coil("figure8-70mm").moved(femtms.place(mesh, "C3", "CP3"))
    dadt = 1e6 * coil.vector_potential(mesh.centroids)
    b = p1.load(dadt)
    tied = grounded(stiffness, None)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arrays = {"indptr": tied.indptr, "indices": tied.indices, "values": tied.data, "b": b}
        np.savez(folder / "system.npz", **arrays)
        subprocess.run([options.petsc_python, __file__, "--solve", folder], check=True)
        petsc = dict(np.load(folder / "result.npz"))
        phis = {rtol: np.load(folder / f"phi_{rtol}.npy") for rtol in petsc}

    grey = mesh.tags == 2
    exact = p1.field(dadt, phis["1e-12"])[grey]

    def report(name, rtol, setup, solve, iterations, phi):
        residual = np.linalg.norm(b - tied @ phi) / np.linalg.norm(b)
        error = np.linalg.norm(p1.field(dadt, phi)[grey] - exact) / np.linalg.norm(exact)
        print(f"| {name} | {rtol} | {setup:.2f} | {solve:.2f} | {iterations:.0f} | {residual:.1e} | {error:.1e} |")

    print(f"{options.head}, {len(mesh.nodes):,} nodes, {len(mesh.tets):,} tets\n")
    print("| solver | rtol | setup s | solve s | iterations | true residual | error of E |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for rtol in ("1e-06", "1e-10"):
        setup, solve, iterations = petsc[rtol]
        report("PETSc CG + hypre", rtol, setup, solve, iterations, phis[rtol])
    start = time.perf_counter()
    solver = PotentialSolver.build(stiffness, None, p1.backend)
    setup = time.perf_counter() - start
    for rtol in (1e-6, 1e-10):
        start = time.perf_counter()
        phi, iterations, _ = solver.solve(b[:, None], rtol)
        report("femtms", f"{rtol:g}", setup, time.perf_counter() - start, iterations[0], phi[:, 0])
    return None


if __name__ == "__main__":
    sys.exit(main())
