"""Seconds and memory of each stage of the main job, against the size of the mesh.

    python benchmarks/stages.py [--head colin27] [--sizes 4.4 3.1 2.2] [--repeats 3] [--poses 8] [--device cpu]

Each size runs in a process of its own, so that its peak memory is its own.  Everything is compiled before the clock
starts; the median of the repeats is printed as a Markdown table.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time

import femtms

STAGES = ("mesh", "assemble", "setup", "dadt", "solve", "block")


def run(head, size, poses, device):
    """One run: stage -> seconds, and what came out."""
    seconds = {}
    start = time.perf_counter()
    mesh = femtms.mesh_head(femtms.load_head(head), size)
    seconds["mesh"] = time.perf_counter() - start
    sim = femtms.Simulator(mesh, device=device)
    coil = femtms.load_coil("figure8-70mm")
    places = [
        femtms.place(mesh, "C3", towards, gap_mm=6)
        for towards in ("CP3", "FC3", "C5", "C1", "CP5", "FC1", "CP1", "FC5")
    ]
    field = sim.solve(coil, places[0])
    seconds |= sim.seconds | dict(field.seconds)
    if poses > 1:
        block = sim.solve(coil, (places * poses)[:poses])
        seconds["block"] = block[0].seconds["solve"]
    return seconds, mesh, field


def measure(head, size, repeats, poses, device):
    """Medians over the repeats, for a table row."""
    run("sphere", 10.0, poses, device)  # compiles
    results = [run(head, size, poses, device) for _ in range(repeats)]
    _, mesh, field = results[-1]
    return {
        "size_mm": size,
        "tets": len(mesh.tets),
        "nodes": len(mesh.nodes),
        "seconds": {s: statistics.median(r[0][s] for r in results) if s in results[0][0] else None for s in STAGES},
        "iterations": field.iterations,
        "device": field.device,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default="colin27")
    parser.add_argument("--sizes", type=float, nargs="+", default=[4.4, 3.1, 2.2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--poses", type=int, default=8, help="right-hand sides of the block")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.head, options.one, options.repeats, options.poses, options.device)))
        return
    rows = []
    for size in options.sizes:
        command = [sys.executable, __file__, *sys.argv[1:], "--one", str(size)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print(
        f"{options.head}, {rows[0]['device']}, Python {platform.python_version()}, femtms {femtms.__version__}; ",
        end="",
    )
    print(f"median of {options.repeats}; 'block' is per right-hand side in a block of {options.poses}\n")
    print("| size mm | tets | nodes |", " | ".join(f"{s} s" for s in STAGES), "| iterations | peak GB |")
    print("| ---: " * (len(STAGES) + 5) + "|")
    for row in rows:
        seconds = [f"{row['seconds'][s]:.2f}" if row["seconds"][s] is not None else "–" for s in STAGES]
        print(
            f"| {row['size_mm']:g} | {row['tets']:,} | {row['nodes']:,} |", " | ".join(seconds),
            f"| {row['iterations']} | {row['peak_gb']:.2f} |",
        )  # fmt: skip


if __name__ == "__main__":
    main()
