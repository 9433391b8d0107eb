"""Seconds and memory of the mesher, stage by stage, against the size of the mesh.

    python benchmarks/meshing.py [--head colin27 | LABELS.nii.gz] [--sizes 4 3.2 2.6 2] [--repeats 3] [--quality]
                                 [--cold]

Each size runs in a process of its own, so that its peak memory is its own.  A small mesh is made before the clock
starts; medians of the repeats are printed as a Markdown table.  --quality adds the report on the last mesh of each
size against the labels, and the peak with it.  --cold adds a first row for the very first mesh of a fresh process, at
the first size.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time

import numpy as np


def peak_gb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def ball():
    """A layered ball as a label volume of 3 mm voxels: brain, CSF, skull and scalp, and two ventricles."""
    from femtms import LabelVolume

    x = np.stack(np.meshgrid(*[3.0 * np.arange(-20, 21)] * 3, indexing="ij"))
    r = np.linalg.norm(x, axis=0)
    data = np.zeros(r.shape, np.uint8)
    for radius, tag in ((57, 5), (50, 4), (43, 3), (40, 2), (32, 1)):
        data[r <= radius] = tag
    for side in (-12.0, 12.0):
        data[np.linalg.norm(x - np.array([side, 0, 0])[:, None, None, None], axis=0) <= 9] = 3
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = -60
    return LabelVolume(data, affine, "ball")


def run(head, size):
    """One run: stage -> seconds with the total, and the mesh."""
    from femtms import mesh_head

    start = time.perf_counter()
    mesh = mesh_head(head, size)
    total = time.perf_counter() - start
    return dict(mesh.seconds) | {"total": total}, mesh


def measure(name, size, repeats, cold, quality):
    """A row of the table: medians over the repeats."""
    start = time.perf_counter()
    import femtms

    imported = time.perf_counter() - start
    head = femtms.load_head(name)
    if not cold:
        run(ball(), 8.0)
        run(head, 8.0)
    results = []
    for _ in range(1 if cold else repeats):
        mesh = None  # or two would be in memory
        seconds, mesh = run(head, size)
        results.append(seconds)
    row = {
        "size": f"{size:g} cold" if cold else f"{size:g}",
        "nodes": len(mesh.nodes),
        "tets": len(mesh.tets),
        "seconds": {stage: statistics.median(r[stage] for r in results) for stage in results[0]},
        "import_s": imported,
        "peak_gb": peak_gb(),
    }
    if quality:
        row["quality"] = judged(mesh, head)
    return row


def judged(mesh, head):
    """What the report says of the mesh, in short, and what it cost."""
    from femtms import LabelVolume

    start = time.perf_counter()
    found = mesh.quality(head if isinstance(head, LabelVolume) else None)
    seconds = time.perf_counter() - start
    result = {"min °": f"{found.shape.smallest_angle['min']:.1f}", "1 % °": f"{found.shape.smallest_angle['p1']:.1f}"}
    if found.fit:
        worst = max(found.fit.volume_percent, key=lambda name: abs(found.fit.volume_percent[name]))
        result |= {
            "mm off, mean": f"{found.fit.centroids.mean:.3f}",
            "95 %": f"{found.fit.centroids.p95:.3f}",
            "largest volume error": f"{worst} {found.fit.volume_percent[worst]:+.2f} %",
            "false contact cm²": f"{found.fit.false_contact_cm2:.1f}",
        }
    return result | {"report s": f"{seconds:.1f}", "peak GB with report": f"{peak_gb():.2f}"}


def in_own_process(size, cold=False):
    command = [sys.executable, __file__, *sys.argv[1:], "--one", str(size), *(["--one-cold"] if cold else [])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row = json.loads(done.stdout)
    print(f"{row['size']}: {row['tets']:,} tets in {row['seconds']['total']:.1f} s", file=sys.stderr, flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default="colin27", help="built-in name or label volume")
    parser.add_argument("--sizes", type=float, nargs="+", default=[4, 3.2, 2.6, 2], help="mm")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quality", action="store_true", help="judge the meshes against the labels")
    parser.add_argument("--cold", action="store_true", help="measure the first mesh of a process, too")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--one-cold", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.head, options.one, options.repeats, options.one_cold, options.quality)))
        return
    rows = [in_own_process(options.sizes[0], cold=True)] if options.cold else []
    rows += [in_own_process(size) for size in options.sizes]
    import femtms

    print(
        f"{options.head}, {os.cpu_count()} cores, Python {platform.python_version()}, femtms {femtms.__version__}; ",
        end="",
    )
    print(f"median of {options.repeats}", end="")
    print(f"; import of femtms before the cold one: {rows[0]['import_s']:.1f} s\n" if options.cold else "\n")
    stages = list(rows[0]["seconds"])
    judgement = list(rows[0].get("quality", ()))
    heading = [*stages, "s per M tets", "peak GB", *judgement]
    print("| size mm | nodes | tets |", " | ".join(heading), "|")
    print("| ---: " * (len(heading) + 3) + "|")
    for row in rows:
        cells = [f"{row['seconds'][stage]:.2f}" for stage in stages]
        cells += [f"{1e6 * row['seconds']['total'] / row['tets']:.1f}", f"{row['peak_gb']:.2f}"]
        cells += [row["quality"][name] for name in judgement]
        print(f"| {row['size']} | {row['nodes']:,} | {row['tets']:,} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
