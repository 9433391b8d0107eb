"""What `femtms run` costs beside a plain loop over the same positions of the same coil on the same head.

    python benchmarks/study_overhead.py [--head colin27] [--size 3.2] [--positions 1000] [--block 64] [--rounds 3]
        [--device auto]

Both mesh the head, set it up, place the coil on a scalp grid about C3 and take the statistics of grey matter;
the loop is `for result in sim.sweep(...)` and keeps nothing, the engine has one worker and keeps everything.  They take
turns, so that what else the computer does meets both alike, and each round gives a ratio.  A study of few positions has
smaller blocks, which take longer for a position; with --block 64 they are those of a larger study in a short round.
Medians are printed:

- whole: from nothing to everything, the start of the worker, meshing and tables included
- positions: from the end of the engine's first block to that of the last one, by its own journal; the same for the loop

Printed as a Markdown table, and below it what noise of the computer hardly touches: how long the worker had no block
between its first and its last, and the processor time of the client, which has the scheduler in it.
"""

import argparse
import math
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
from problem import compile_all

import femtms
from femtms.batch.cluster import ClusterChoice
from femtms.batch.journal import read_events
from femtms.batch.poses import Poses
from femtms.batch.run import run_study
from femtms.study.design import (
    Design,
    StudyCoil,
    StudyConductivity,
    StudyHead,
    StudyOption,
    StudyPlace,
    StudyResults,
)
from femtms.study.plan import Plan

TISSUES = ("gm",)


def study(head, size_mm, positions):
    """A square of places, 1 mm apart, about C3."""
    side = math.ceil(math.sqrt(positions))
    middle = (side - 1) / 2
    offsets = [(float(i // side - middle), float(i % side - middle)) for i in range(positions)]
    return Design(
        name="overhead",
        heads=(StudyHead(head, head),),
        conductivities=(StudyConductivity("standard"),),
        options=(StudyOption("one", size_mm=size_mm),),
        coils=(StudyCoil("figure8-70mm", "figure8-70mm"),),
        places=tuple(StudyPlace(f"C3 {offset}", "C3", "CP3", offset) for offset in offsets),
        angles=(0.0,),
        distances_mm=(8.0,),
        results=StudyResults(tissues=TISSUES),
    )


def plain(design, block, device):
    """Seconds of everything, of the positions after the first block, and a number to compare."""
    start = time.perf_counter()
    mesh = femtms.mesh_head(femtms.load_head(design.heads[0].source), design.options[0].size_mm)
    sim = femtms.Simulator(mesh, device=device)
    coil = femtms.load_coil(design.coils[0].source)
    poses, angle, distance = Poses(mesh), design.angles[0], design.distances_mm[0]
    to_come = (poses.of(place, angle, distance) for place in design.places)
    for count, result in enumerate(sim.sweep(coil, to_come, design.options[0].didt, TISSUES), 1):
        if count == block:
            first = time.perf_counter()
        last = result.tissues["gm"].mean
    end = time.perf_counter()
    return end - start, end - first, last, f"{len(mesh.nodes):,} nodes; {sim.backend.description}"


def engine(design, block, device):
    """The same by `run_study`, and seconds without a block and of the client's processor."""
    with tempfile.TemporaryDirectory() as folder, patch.object(Plan, "of", return_value=Plan.of(design, block)):
        out = Path(folder) / "out"
        start, client = time.perf_counter(), time.process_time()
        summary = run_study(design, out, cluster=ClusterChoice(workers=1, device=device))
        whole, client = time.perf_counter() - start, time.process_time() - client
        if summary["done"] != design.cases:
            raise RuntimeError(f"all cases must be done; {summary}")
        begun, done = (sorted(e["time"] for e in read_events(out) if e["event"] == what) for what in ("begun", "done"))
        last = float(femtms.open_study(out)["mean"].sel(tissue="gm").values.ravel()[-1])
    return whole, done[-1] - done[0], last, sum(begun[1:]) - sum(done[:-1]), client


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default="colin27")
    parser.add_argument("--size", type=float, default=3.2, help="mm")
    parser.add_argument("--positions", type=int, default=1000)
    parser.add_argument("--block", type=int, help="positions of a block; without it as many as the study would have")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    if options.positions < 2 * (options.block or 16) or options.rounds < 1:
        parser.error("--positions must be at least two blocks (32), and --rounds at least 1")
    compile_all(options.device)
    design = study(options.head, options.size, options.positions)
    block = options.block or len(Plan.of(design).block(0))
    each = design, block, options.device
    rows, own = [], []
    for number in range(options.rounds):
        if number % 2:  # the other one first, for a computer that becomes slower or faster
            run, loop = engine(*each), plain(*each)
        else:
            loop, run = plain(*each), engine(*each)
        if loop[2] != run[2]:
            raise RuntimeError(f"both must compute the same; the mean of the last is {loop[2]!r} and {run[2]!r}")
        rows.append([loop[:2], run[:2]])
        own.append(run[3:])
    seconds = np.array(rows)  # (rounds, 2, 2): loop and engine; whole and positions
    print(f"{options.head}, {loop[3]}; {options.positions} positions in blocks of {block}, {options.rounds} rounds\n")
    print("| | loop, s | engine, s | engine / loop |\n| --- | --- | --- | --- |")
    for i, name in enumerate(("whole", "positions")):
        median = np.median(seconds[:, :, i], axis=0)
        ratio = np.median(seconds[:, 1, i] / seconds[:, 0, i])
        print(f"| {name} | {median[0]:.1f} | {median[1]:.1f} | {ratio:.3f} |")
    idle, client = np.median(own, axis=0)
    print(f"\nwithout a block {idle:.2f} s, client's processor {client:.1f} s")


if __name__ == "__main__":
    main()
