"""Direct methods against multigrid: seconds and memory by the number of unknowns, and from how many poses each pays.

    python benchmarks/direct.py [--sizes 30 20 14 10 7] [--libraries pardiso superlu] [--block 32] [--repeats 3]

Heads are spheres of four layers.  "each" is the solve of one right-hand side in a block; multigrid goes to a residual
of 1e-6.  "pays from" is the number of poses from which the factorisation has paid for itself, or "never" where
multigrid is as fast for each further pose.
"""

import argparse
import math

import numpy as np
from traffic import measured

import femtms
from femtms.backend import cpu_backend
from femtms.conductivity.isotropic import conductivity_of
from femtms.fem.p1 import P1
from femtms.solver.potential import PotentialSolver


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=float, nargs="+", default=[30.0, 20.0, 14.0, 10.0, 7.0], help="mm")
    parser.add_argument("--libraries", nargs="+", default=["pardiso", "superlu"])
    parser.add_argument("--block", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    device = cpu_backend()
    print(f"{device.description}, block of {options.block}, medians of {options.repeats}\n")
    print("| unknowns | method | set-up s | each s | MB | pays from |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for size in options.sizes:
        mesh = femtms.mesh_head(femtms.LayeredSphere((60.0, 70.0, 81.0, 92.0)), size)
        _, stiffness = P1.build(mesh, conductivity_of(mesh, None), device)
        b = np.random.default_rng(0).standard_normal((len(mesh.nodes), options.block))
        b -= b.mean(axis=0)
        anchor = None
        for library in (None, *options.libraries):
            method = None if library is None else femtms.Direct(library)
            setup, solver = measured(
                lambda s=stiffness, m=method: PotentialSolver.build(s, None, device, m), options.repeats
            )
            solver.solve(b, 1e-6)  # compiles
            solve, _ = measured(lambda s=solver, b=b: s.solve(b, 1e-6), options.repeats)
            each = solve / options.block
            if anchor is None:
                anchor, pays = (setup, each), "–"
            elif each < anchor[1]:
                pays = f"{max(1, math.ceil((setup - anchor[0]) / (anchor[1] - each))):,}"
            else:
                pays = "never"
            memory = 1e-6 * solver.hierarchy.bytes
            name = "multigrid" if library is None else library
            print(f"| {len(b):,} | {name} | {setup:.3f} | {each:.5f} | {memory:,.0f} | {pays} |", flush=True)


if __name__ == "__main__":
    main()
