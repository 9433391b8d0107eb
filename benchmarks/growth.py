"""Seconds and memory of each stage of the main job, against the size of the mesh.

    python benchmarks/growth.py [--head colin27] [--sizes 11 8 4 2.6] [--repeats 3] [--device auto]

Each size runs in a process of its own, and its mesh is made in another, so that peak memory is its own.  Everything is
compiled before the clock starts.  Medians of the repeats are printed as Markdown tables and written to
benchmarks/results/cpu.json or cuda.json; STREAM's triad runs at the end of each process, for the bandwidth.
"""

import argparse
import datetime
import json
import logging
import platform
import resource
import subprocess
import sys
from pathlib import Path

from problem import BLOCKS, HEAD, SIZES_MM, Problem, compile_all, load_head, mesh_file, save_mesh
from traffic import assembly_traffic, measured, solve_traffic, triad_bandwidth

import femtms
from femtms.backend import backend

RESULTS = Path(__file__).parent / "results"
STAGES = {
    "mesh": "mesh",
    "assemble": "assembly",
    "boxes": "boxes",
    "set_up": "set-up",
    "dadt": "∂A/∂t",
    "load": "load",
    **{f"solve_{k}": f"solve, k = {k}" for k in BLOCKS},
    "field": "E",
    "statistics": "statistics",
}


def peak_gb():
    return 1e-9 * 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure_mesh(head, size, repeats):
    """Seconds and peak memory of the mesher; the last mesh is left in its file for the stages."""
    logging.getLogger("femtms").setLevel(logging.ERROR)  # the mesher's notes would come with every repeat
    labels = load_head(head)
    femtms.mesh_head(labels, max(*SIZES_MM, size))  # compiles
    seconds, mesh = measured(lambda: femtms.mesh_head(labels, size), repeats)
    peak = peak_gb()
    save_mesh(mesh, mesh_file(head, size))
    return {"seconds": {"mesh": seconds}, "peak_gb": {"mesh": peak}}


def measure_stages(head, size, repeats, device):
    """A row of the tables.  peak_gb is that of the process up to the end of a stage."""
    compile_all(device)
    p = Problem(head, size, device)
    device = p.backend
    seconds, peak, moved, iterations = {}, {}, {}, {}

    def stage(name, function):
        seconds[name], result = measured(function, repeats)
        peak[name] = peak_gb()
        return result

    p.assembled = stage("assemble", p.assemble)
    moved["assemble"] = assembly_traffic(*p.assembled)
    p.boxes = stage("boxes", p.sort)
    p.solver = stage("set_up", p.set_up)
    _ = p.poses  # placed before the clock starts
    a = stage("dadt", p.dadt)
    stage("load", lambda: p.load(a))
    for k in BLOCKS:
        b = solution = None  # or two blocks would be in memory
        b = p.block(k)
        solution = stage(f"solve_{k}", lambda b=b: p.solve(b))
        moved[f"solve_{k}"] = solve_traffic(p.solver, solution.iterations)
        iterations[f"solve_{k}"] = int(solution.iterations.max())
    E, potential = stage("field", lambda: p.field(a, solution.phi))
    stage("statistics", lambda: p.statistics(E, potential))
    row = {
        "size_mm": size,
        "tets": len(p.mesh.tets),
        "nodes": len(p.mesh.nodes),
        "seconds": seconds,
        "iterations": iterations,
        "peak_gb": peak,
        "hierarchy_gb": 1e-9 * p.solver.hierarchy.bytes,
        "operator_complexity": p.solver.hierarchy.operator_complexity,
    }
    if device.name == "cuda":
        row["pool_gb"] = 1e-9 * device.xp.get_default_memory_pool().total_bytes()
    bandwidth = triad_bandwidth(device)
    row["bandwidth"] = bandwidth
    row["of_bandwidth"] = {name: least / seconds[name] / bandwidth for name, least in moved.items()}
    return row


def in_own_process(size, part):
    command = [sys.executable, __file__, *sys.argv[1:], "--one", str(size), "--part", part]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def measure(size):
    """Both parts of a row."""
    mesh, row = in_own_process(size, "mesh"), in_own_process(size, "stages")
    for name in ("seconds", "peak_gb"):
        row[name] = mesh[name] | row[name]
    return row


def per_right_hand_side(row, stage):
    """Seconds of a stage for one coil position."""
    k = int(stage.removeprefix("solve_")) if stage.startswith("solve_") else 1
    return row["seconds"][stage] / k


def table(rows, heading, cells):
    """Markdown, with a line for each row of results."""
    lines = ["| tets | " + " | ".join(heading) + " |", "| ---: " * (len(heading) + 1) + "|"]
    lines += [f"| {row['tets']:,} | " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join(lines)


def at_a_glance(result):
    """Markdown with a line for each stage, of the size nearest to 4 mm."""
    row = min(result["rows"], key=lambda row: abs(row["size_mm"] - 4))
    lines = [f"| seconds, {row['tets']:,} tets | {result['device']} |", "| --- | ---: |"]
    return "\n".join([*lines, *(f"| {STAGES[s]} | {per_right_hand_side(row, s):.3g} |" for s in STAGES)])


def tables(result):
    """{what: table}: seconds, shares of the bandwidth with iterations, and memory."""
    rows = result["rows"]
    solves = [f"solve_{k}" for k in BLOCKS]
    memory = ("mesh", "assemble", "boxes", "set_up", *solves)
    return {
        "At a glance": at_a_glance(result),
        "Seconds for one coil position": table(
            rows,
            ["size mm", "nodes", *STAGES.values()],
            lambda row: [
                f"{row['size_mm']:g}",
                f"{row['nodes']:,}",
                *(f"{per_right_hand_side(row, stage):.3g}" for stage in STAGES),
            ],
        ),
        "Share of the bandwidth, and iterations": table(
            rows,
            ["triad GB/s", "assembly", *(STAGES[s] for s in solves), *(f"iterations, k = {k}" for k in BLOCKS)],
            lambda row: [
                f"{1e-9 * row['bandwidth']:.0f}",
                *(f"{row['of_bandwidth'][stage]:.2g}" for stage in ("assemble", *solves)),
                *(f"{row['iterations'][stage]}" for stage in solves),
            ],
        ),
        "Peak memory in GB up to the end of a stage, and what the hierarchy has of it": table(
            rows,
            [*(STAGES[stage] for stage in memory), "hierarchy", "operator complexity"],
            lambda row: [
                *(f"{row['peak_gb'][stage]:.2f}" for stage in memory),
                f"{row['hierarchy_gb']:.2f}",
                f"{row['operator_complexity']:.2f}",
            ],
        ),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default=HEAD)
    parser.add_argument("--sizes", type=float, nargs="+", default=SIZES_MM, help="mm")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "mesh":
        return print(json.dumps(measure_mesh(options.head, options.one, options.repeats)))
    if options.part == "stages":
        return print(json.dumps(measure_stages(options.head, options.one, options.repeats, options.device)))
    device = backend(options.device)
    result = {
        "head": options.head,
        "device": device.description,
        "python": platform.python_version(),
        "femtms": femtms.__version__,
        "date": datetime.date.today().isoformat(),
        "repeats": options.repeats,
        "rows": [measure(size) for size in options.sizes],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{device.name}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"{result['head']}, {result['device']}, Python {result['python']}, femtms {result['femtms']}, "
        f"{result['date']}; medians of {result['repeats']}",
    )
    for what, markdown in tables(result).items():
        print(f"\n{what}:\n\n{markdown}")


if __name__ == "__main__":
    main()
