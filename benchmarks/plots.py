"""The plots of docs/performance.md, from what growth.py and peers.py --json left in benchmarks/results.

python benchmarks/plots.py
"""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from growth import BLOCKS, RESULTS, STAGES, per_right_hand_side
from matplotlib.ticker import NullLocator

IMAGES = Path(__file__).parent.parent / "docs" / "images"


def growth(result, path):
    """Seconds of each stage against tetrahedra, both logarithmic: what is done once, and what for each position."""
    rows = sorted(result["rows"], key=lambda row: row["tets"])
    tets = [row["tets"] for row in rows]
    each = ("dadt", "load", *(f"solve_{k}" for k in BLOCKS), "field", "statistics")
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.6), sharey=True, layout="constrained")
    parts = (("once for a head", [s for s in STAGES if s not in each]), ("for each coil position", each))
    for axis, (title, stages) in zip(axes, parts):
        highest = 0
        for i, stage in enumerate(stages):
            seconds = [per_right_hand_side(row, stage) for row in rows]
            axis.loglog(tets, seconds, marker="osD^vPX"[i], markersize=5, label=STAGES[stage])
            highest = max(highest, *(s / t for s, t in zip(seconds, tets)))
        # above all curves
        axis.loglog(tets, [1.6 * highest * t for t in tets], "--", color="0.5", label="∝ tetrahedra")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("million tetrahedra")
        axis.set_xticks(tets, [f"{1e-6 * t:.2g}" for t in tets], minor=False)
        axis.xaxis.set_minor_locator(NullLocator())
        axis.grid(True, which="major", alpha=0.4)
        axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncol=4)
    axes[0].set_ylabel("seconds")
    figure.suptitle(f"{result['head']}, {result['device']}", fontsize=10)
    figure.savefig(path, dpi=110)


def times_faster(result):
    """{solver and right-hand sides: {tolerance: seconds of PETSc with hypre / seconds}}, per right-hand side."""
    anchors = {row["rtol"]: row["seconds"] for row in result["rows"] if row["solver"].startswith("PETSc")}
    bars = {}
    for row in result["rows"]:
        if row["rtol"] in anchors and not row["solver"].startswith("PETSc"):
            name = f"{row['solver']}, k = {row['k']}"
            bars.setdefault(name, {})[row["rtol"]] = anchors[row["rtol"]] / row["seconds"]
    return bars


def peers(result, path):
    """Bars: how many times faster than PETSc's CG with hypre's BoomerAMG on one core, set-up not counted."""
    bars = times_faster(result)
    figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
    tolerances = sorted({rtol for bar in bars.values() for rtol in bar}, reverse=True)
    width = 0.8 / len(tolerances)
    for j, rtol in enumerate(tolerances):
        places = [i + (j - 0.5 * (len(tolerances) - 1)) * width for i in range(len(bars))]
        drawn = axis.bar(places, [bar.get(rtol, 0) for bar in bars.values()], width, label=f"to a residual of {rtol:g}")
        axis.bar_label(drawn, fmt="%.1f", fontsize=8)
    axis.axhline(1, color="0.5", linewidth=1, linestyle="--")
    axis.set_xticks(range(len(bars)), bars, fontsize=8)
    axis.set_ylabel("times as fast as PETSc + hypre,\nper right-hand side")
    axis.set_title(f"{result['head']}, {1e-6 * result['tets']:.2f} million tetrahedra; {result['device']}", fontsize=10)
    axis.legend(fontsize=8, loc="upper left")
    figure.savefig(path, dpi=110)


def main():
    IMAGES.mkdir(exist_ok=True)
    for device in ("cpu", "cuda"):
        results = RESULTS / f"{device}.json"
        if results.exists():
            growth(json.loads(results.read_text()), IMAGES / f"growth-{device}.png")
    results = RESULTS / "peers.json"
    if results.exists():
        peers(json.loads(results.read_text()), IMAGES / "peers.png")


if __name__ == "__main__":
    main()
