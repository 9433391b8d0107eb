"""What first guesses from earlier solutions (`Simulator(reuse=...)`) save along a path of coil positions.

    python benchmarks/reuse.py [--head colin27] [--size 4] [--reuse 0 4 8 16] [--blocks 1 16] [--poses 48]
                               [--device auto]

Two paths from C3: "turning" turns the coil about its axis by 5° at a time; "moving" shifts it along the scalp towards
CP3 and on, by 2 mm at a time.  Iterations and seconds are means over the positions after the first 16, the making of
guesses and the keeping of solutions included; the solver's residual is 1e-6.  Printed as a Markdown table.
"""

import argparse
import dataclasses
import time

import numpy as np
from problem import HEAD, RTOL, Problem, compile_all

import femtms
from femtms.solver.guess import EarlierSolutions

SETTLING = 16  # positions that are not counted


def turned(pose, degrees):
    """The coil turned about its z axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    turn[:2, :2] = [[c, -s], [s, c]]
    return femtms.Pose(pose.matrix @ turn)


def shifted(mesh, poses, step_mm):
    """One more pose, step_mm from the last one on towards CP3 along the scalp: the direction is the coil's own y."""
    last = poses[-1].matrix
    at, ahead = last[:3, 3] + step_mm * last[:3, 1], last[:3, 3] + 10 * step_mm * last[:3, 1]
    return femtms.place(mesh, at + 6 * last[:3, 2], ahead + 6 * last[:3, 2], gap_mm=6)


def paths(mesh, count):
    start = femtms.place(mesh, "C3", "CP3", gap_mm=6)
    moving = [start]
    while len(moving) < count:
        moving.append(shifted(mesh, moving, 2.0))
    return {"turning, 5°": [turned(start, 5 * i) for i in range(count)], "moving, 2 mm": moving}


def along(problem, loads, k, reuse):
    """Mean iterations and mean seconds per position, of those after the first."""
    earlier = EarlierSolutions(problem.solver.matrix, reuse, problem.backend) if reuse else None
    solver = dataclasses.replace(problem.solver, earlier=earlier)
    iterations, seconds = [], []
    for first in range(0, len(loads), k):
        b = problem.backend.xp.stack(loads[first : first + k], axis=1)
        problem.backend.synchronise()
        start = time.perf_counter()
        solution = solver.solve(b, RTOL)
        problem.backend.synchronise()
        if first >= SETTLING:
            seconds += [(time.perf_counter() - start) / b.shape[1]] * b.shape[1]
            iterations += solution.iterations.tolist()
    return np.mean(iterations), np.mean(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default=HEAD)
    parser.add_argument("--size", type=float, default=4.0, help="mm")
    parser.add_argument("--reuse", type=int, nargs="+", default=[0, 4, 8, 16])
    parser.add_argument("--blocks", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--poses", type=int, default=48)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    if options.poses <= SETTLING:
        parser.error(f"--poses must be more than {SETTLING}")
    compile_all(options.device)
    problem = Problem(options.head, options.size, options.device)
    print(
        f"{options.head}, {len(problem.mesh.tets):,} tets, {options.poses - SETTLING} positions; "
        f"{problem.backend.description}, femtms {femtms.__version__}\n"
    )
    heading = [f"{what}, k = {k}" for k in options.blocks for what in ("iterations", "s")]
    print("| path | reuse |", " | ".join(heading), "|")
    print("| --- |" + " ---: |" * (1 + len(heading)))
    for name, poses in paths(problem.mesh, options.poses).items():
        loads = []
        for pose in poses:
            a = problem.boxes.vector_potential(problem.coil.moved(pose))
            loads.append(problem.load(a))
        for reuse in options.reuse:
            cells = []
            for k in options.blocks:
                iterations, seconds = along(problem, loads, k, reuse)
                cells += [f"{iterations:.1f}", f"{seconds:.3f}"]
            print(f"| {name} | {reuse} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
