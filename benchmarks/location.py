"""Which tetrahedron holds which of a million points, and the field there.

    python benchmarks/location.py [--head colin27] [--sizes 8 4] [--points 1000000] [--repeats 5]

All of it in one process, one after the other, compiled before the clock starts; the fastest of the repeats is printed
as a Markdown table.  "box" are points spread evenly over the box around the head, of which about half are in air;
"cortex" are points on the surface of grey matter, drawn in by 1 mm along its normals: in grey matter, or taken to its
nearest point within 1 mm.  Nothing is kept between the calls: the time is that from points to tetrahedra.  "field" is E
at the points that were found, of linear elements, ∂A/∂t of the coil included; "voxels" is |E| in a grid of 1 mm.
"""

import argparse
import platform
import time

import numpy as np

import femtms
from femtms.backend import cpu_backend
from femtms.field.grid import E_on_grid
from femtms.field.statistics import magnitude
from femtms.io.nifti import covering_grid


def fastest(repeats, function, *arguments):
    """Seconds of the fastest of so many runs, and what the last of them gave."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function(*arguments)
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def in_box(mesh, count):
    low, high = mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)
    return np.random.default_rng(0).uniform(low, high, (count, 3))


def on_cortex(mesh, count):
    surface = mesh.surface("gm", largest=True)
    rng = np.random.default_rng(1)
    triangle = rng.integers(0, len(surface.triangles), count)
    weights = rng.dirichlet(np.ones(3), count)
    points = np.einsum("pa,pad->pd", weights, surface.nodes[surface.triangles[triangle]])
    return points - 1e-3 * surface.normals[triangle]


def voxels(field):
    affine, shape = covering_grid(field.mesh)
    values = np.zeros(int(np.prod(shape)), np.float32)
    for at, E in E_on_grid(field, affine, shape):
        values[at] = magnitude(E)
    return values


def rows(mesh, field, count, repeats):
    """Cells of the table: which points, how many, tissue, seconds to find them, how many are there, seconds of E."""
    for name, points, tissue in (("box", in_box(mesh, count), None), ("cortex", on_cortex(mesh, count), "gm")):
        mesh.locate(points[:1000], tissue)  # compiles
        seconds, (tets, weights) = fastest(repeats, mesh.locate, points, tissue)
        found = tets >= 0
        evaluate, _ = fastest(repeats, field.E_in, tets[found], weights[found])
        yield [
            name,
            f"{len(points):,}",
            tissue or "any",
            f"{seconds:.2f}",
            f"{100 * found.mean():.1f} %",
            f"{evaluate:.2f}",
        ]
    seconds, values = fastest(repeats, voxels, field)
    yield ["voxels", f"{len(values):,}", "any", f"{seconds:.2f}", f"{100 * (values > 0).mean():.1f} %", "included"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default="colin27")
    parser.add_argument("--sizes", type=float, nargs="+", default=[8.0, 4.0])
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    versions = f"Python {platform.python_version()}, femtms {femtms.__version__}"
    print(f"{options.head}, {cpu_backend().description}, {versions}\n")
    print("| tets | which | points | tissue | located s | found | field s |")
    print("| ---: | --- | ---: | --- | ---: | ---: | ---: |")
    for size in options.sizes:
        mesh = femtms.mesh_head(femtms.load_head(options.head), size)
        coil = femtms.load_coil("figure8-70mm")
        field = femtms.Simulator(mesh, device="cpu").solve(coil, femtms.place(mesh, "C3", "CP3"))
        for cells in rows(mesh, field, options.points, options.repeats):
            print("|", " | ".join([f"{len(mesh.tets):,}", *cells]), "|", flush=True)


if __name__ == "__main__":
    main()
