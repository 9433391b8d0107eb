"""Check a result of `femtms simulate` with another solver on the same mesh, from its files alone.

    python benchmarks/peers/independent.py OUT

Mesh, tissues and E are read from OUT/field.vtu by meshio, pose and conductivities from OUT/summary.json.  A of the
coil is summed anew (of the built-in figure-8: with elliptic integrals for each turn; of a .ccd file: with numpy),
K and b are assembled by scikit-fem, and PyAMG solves with its defaults.  Nothing of femtms is imported but the closed
form of a loop.
"""

import json
import sys
from pathlib import Path

import meshio
import numpy as np
import pyamg
import skfem
from skfem.helpers import dot, grad

from femtms.reference.loop import loop_potential


def figure_eight(points):
    """Magstim 70 mm: 9 turns from 56 to 87 mm in each wing, wire 1.75×6 mm, its lower face at z = 0; A for 1 A."""
    total = np.zeros_like(points)
    heights, weights = np.polynomial.legendre.leggauss(6)
    for side in (-1, 1):
        for radius in np.linspace(0.028 + 0.000875, 0.0435 - 0.000875, 9):
            for height, weight in zip(heights, weights):
                shift = np.array([side * 0.0435, 0, -0.003 + 0.003 * height])
                total += side * weight / 2 * loop_potential(points - shift, radius)
    return total


def dipoles(path, points):
    rows = np.loadtxt(path, skiprows=2)
    total = np.zeros_like(points)
    for row in rows:
        r = points - row[:3]
        total += 1e-7 * np.cross(row[3:], r) / np.linalg.norm(r, axis=1)[:, None] ** 3
    return total


def main(folder):
    summary = json.loads((folder / "summary.json").read_text())
    raw = meshio.read(folder / "field.vtu")
    tets, tags = raw.cells[0].data, raw.cell_data["tissue"][0]
    nodes = 1e-3 * raw.points
    names = {row["tag"]: name for name, row in summary["tissues"].items()}
    by_tag = np.zeros(tags.max() + 1)
    for tag, name in names.items():
        by_tag[tag] = summary["conductivity_S_per_m"][name]
    sigma = by_tag[tags]

    pose = np.array(summary["pose_mm"])
    centroids = nodes[tets].mean(axis=1)
    local = (centroids - 1e-3 * pose[:3, 3]) @ pose[:3, :3]
    coil = summary["inputs"]["coil"]
    potential = dipoles(coil["path"], local) if "path" in coil else figure_eight(local)
    dadt = summary["didt"] * potential @ pose[:3, :3].T

    basis = skfem.Basis(skfem.MeshTet(nodes.T, tets.T), skfem.ElementTetP1(), intorder=1)
    stiffness = skfem.BilinearForm(lambda u, v, w: sigma[:, None] * dot(grad(u), grad(v))).assemble(basis)
    b = skfem.LinearForm(lambda v, w: -sigma[:, None] * dot(dadt.T[:, :, None], grad(v))).assemble(basis)
    inner = np.arange(1, len(nodes))
    phi = np.zeros(len(nodes))
    solver = pyamg.smoothed_aggregation_solver(stiffness[inner][:, inner].tocsr())
    phi[inner] = solver.solve(b[inner], tol=1e-9, accel="cg", maxiter=1000)
    E = -dadt - basis.interpolate(phi).grad[:, :, 0].T

    print(f"{len(tets):,} tets; relative difference of E, and of the largest |E|:")
    for tag, name in sorted(names.items()):
        own = tags == tag
        ours = raw.cell_data["E"][0][own]
        difference = np.linalg.norm(ours - E[own]) / np.linalg.norm(E[own])
        peak = summary["tissues"][name]["peak"] / np.linalg.norm(E[own], axis=1).max() - 1
        print(f"{name:>6} {difference:.1e} {peak:+.1e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
