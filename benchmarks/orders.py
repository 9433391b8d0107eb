"""Linear and quadratic elements on one head: seconds of each stage, iterations, memory.

    python benchmarks/orders.py [--head colin27] [--size 8] [--orders 1 2] [--blocks 1 16] [--repeats 3] [--device auto]

Seconds are medians; "each" is the solve of one right-hand side in a block, ∂A/∂t with its integral is by itself.  Each
order runs in a process of its own, whose peak of memory is that of all stages, the mesh and the coil included.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

from problem import cached_mesh

import femtms


def timed(function, repeats):
    """Medians of {stage: seconds} over calls that give them."""
    runs = [function() for _ in range(repeats)]
    return {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}


def measure(options, order):
    """One row of the table."""
    mesh = cached_mesh(options.head, options.size)
    coil = femtms.load_coil("figure8-70mm")
    top = 1e3 * mesh.nodes[mesh.nodes[:, 2].argmax()]
    at = "C3" if "C3" in mesh.landmarks else tuple(top)
    first = femtms.place(mesh, at=at, towards=tuple(top + [0, 60, -10]), gap_mm=4)

    def build():
        return dict(femtms.Simulator(mesh, order=order, device=options.device).seconds)

    build()  # compiles
    row = {"order": order, "tets": len(mesh.tets)} | timed(build, options.repeats)
    sim = femtms.Simulator(mesh, order=order, device=options.device)
    row |= {"unknowns": sim.unknowns, "device": sim.backend.description, "solves": []}
    for block in options.blocks:
        poses = [first] * block
        sim.solve(coil, poses)  # takes the memory

        def solve(poses=poses):
            start = time.perf_counter()
            fields = sim.solve(coil, poses)
            whole = time.perf_counter() - start
            return dict(fields[0].seconds) | {"whole": whole / len(poses), "iterations": fields[0].iterations}

        row["solves"].append({"block": block} | timed(solve, options.repeats))
    row["peak_MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default="colin27")
    parser.add_argument("--size", type=float, default=8.0, help="mm")
    parser.add_argument("--orders", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--blocks", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--row", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row is not None:
        print(json.dumps(measure(options, options.row)))
        return
    cached_mesh(options.head, options.size)
    print(
        "| order | unknowns | assembly s | points in boxes s | set-up s | block | ∂A/∂t s | solve s | iterations | MB |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for order in options.orders:
        run = subprocess.run(
            [sys.executable, *sys.argv, "--row", str(order)], check=True, stdout=subprocess.PIPE, text=True
        )
        row = json.loads(run.stdout.splitlines()[-1])
        for solve in row["solves"]:
            print(
                f"| {order} | {row['unknowns']:,} | {row['assemble']:.2f} | {row['boxes']:.2f} | {row['setup']:.2f} | "
                f"{solve['block']} | {solve['dadt']:.3f} | {solve['solve']:.3f} | {solve['iterations']:.0f} | "
                f"{row['peak_MB']:,.0f} |",
                flush=True,
            )
    print(f"\n{options.head}, {row['tets']:,} tetrahedra; {row['device']}; medians of {options.repeats}")


if __name__ == "__main__":
    main()
