"""The same head meshed by femtms and by other meshers, on the same machine, judged by the same report.

    python benchmarks/peers/meshers.py [--heads sphere colin27] [--tets 500000] [--python PATH ...] [--timeout 900]

None of the peers is a dependency, and femtms imports none of them.  They run in processes of their own, under the
first Python of --python that has them, and are skipped where none has: CGAL Mesh_3 (pygalmesh), gmsh, TetGen (tetgen)
and fTetWild (pytetwild).  A head is a label volume: "sphere" has four layers (radii 40, 43, 48 and 54 mm) in voxels
of 1 mm; of any other a cube is taken, so that slow meshers come to an end (--crop its edge, --at its centre in mm).

CGAL and femtms get the labels.  gmsh, TetGen and fTetWild know no labels: they get the triangles between the tissues
of femtms's own mesh, each once, so that their distance from the labels and their contacts are those of femtms to
begin with, and their seconds are without what it takes to make the surfaces.  The size of each is adjusted in a few
attempts to give about --tets tetrahedra; that nearest to it is shown.
"""

import argparse
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

VERSION_OF = {"CGAL": "pygalmesh", "gmsh": "gmsh", "gmsh HXT": "gmsh", "TetGen": "tetgen", "fTetWild": "pytetwild"}
MESHERS = ("femtms", *VERSION_OF)
REGULAR = 1 / (6 * 2**0.5)  # volume of a regular tetrahedron of edge 1
CLOSE_ENOUGH = 1.1  # times the number of tetrahedra that is wanted

# --- the meshers: each takes the arrays of the input and a size in mm, and returns nodes in mm, tets and tags (or None)


def mesh_with_femtms(data, size):
    from femtms import LabelVolume, mesh_head

    head = LabelVolume(data["labels"], data["affine"])
    mesh_head(LabelVolume(head.data[::4, ::4, ::4], head.affine @ np.diag([4, 4, 4, 1])), 12.0)  # compiles
    start = time.perf_counter()
    mesh = mesh_head(head, size)
    return 1e3 * mesh.nodes, mesh.tets, mesh.tags, time.perf_counter() - start


def mesh_with_cgal(data, size):
    import pygalmesh

    present, labels = np.unique(np.pad(data["labels"], 1), return_inverse=True)
    labels = labels.reshape(np.array(data["labels"].shape) + 2).astype(np.uint8)  # CGAL numbers them so by itself
    voxel = np.linalg.norm(data["affine"][:3, :3], axis=0)
    start = time.perf_counter()
    mesh = pygalmesh.generate_from_array(
        labels,
        tuple(voxel),
        min_facet_angle=30.0,
        max_radius_surface_delaunay_ball=size,
        max_facet_distance=0.5 * voxel.min(),
        max_circumradius_edge_ratio=2.0,
        max_cell_circumradius={label: size for label in range(1, len(present))},
        verbose=False,
    )
    seconds = time.perf_counter() - start
    kind = next(i for i, cells in enumerate(mesh.cells) if cells.type == "tetra")
    tags = present[mesh.cell_data["medit:ref"][kind]]
    to_head = data["affine"]
    nodes = (mesh.points / voxel - 1) @ to_head[:3, :3].T + to_head[:3, 3]
    return nodes, mesh.cells[kind].data, tags, seconds


def mesh_with_gmsh(data, size, algorithm=1):
    """Each patch between two regions is a discrete surface, kept as it is; each region a volume between patches."""
    import gmsh

    points, triangles, sides = data["points"], data["triangles"], data["sides"]
    gmsh.initialize()
    gmsh.option.setNumber("General.Verbosity", 2)
    gmsh.option.setNumber("General.NumThreads", os.cpu_count())
    gmsh.option.setNumber("Mesh.Algorithm3D", algorithm)
    gmsh.option.setNumber("Mesh.MeshSizeMax", size)
    gmsh.option.setNumber("Mesh.Optimize", 1)
    start = time.perf_counter()
    patches, patch = np.unique(sides, axis=0, return_inverse=True)
    node_tags = 1 + np.arange(len(points))
    for i in range(len(patches)):
        gmsh.model.addDiscreteEntity(2, i + 1)
        if i == 0:
            gmsh.model.mesh.addNodes(2, 1, node_tags, points.ravel())
        own = 1 + triangles[patch.ravel() == i]
        gmsh.model.mesh.addElementsByType(i + 1, 2, [], own.ravel())
    for region in range(1, len(data["seeds"]) + 1):
        around = 1 + np.flatnonzero((patches == region).any(axis=1))
        gmsh.model.geo.addVolume([gmsh.model.geo.addSurfaceLoop(around.tolist())], region)
    gmsh.model.geo.synchronize()
    gmsh.model.mesh.generate(3)
    tets, tags = [], []
    for region, tag in enumerate(data["seed_tags"], start=1):
        own = gmsh.model.mesh.getElementsByType(4, region)[1].reshape(-1, 4)
        tets.append(own)
        tags.append(np.full(len(own), tag))
    numbers, nodes, _ = gmsh.model.mesh.getNodes()
    seconds = time.perf_counter() - start
    index = np.zeros(int(numbers.max()) + 1, np.int64)
    index[numbers] = np.arange(len(numbers))
    return nodes.reshape(-1, 3), index[np.concatenate(tets)], np.concatenate(tags), seconds


def mesh_with_hxt(data, size):
    return mesh_with_gmsh(data, size, algorithm=10)


def mesh_with_tetgen(data, size):
    import tetgen

    start = time.perf_counter()
    mesher = tetgen.TetGen(data["points"], data["triangles"].astype(np.int32))
    for region, seed in enumerate(data["seeds"], start=1):
        mesher.add_region(region, tuple(seed))
    nodes, tets, regions, _ = mesher.tetrahedralize(
        minratio=1.4,
        mindihedral=10.0,
        fixedvolume=True,
        maxvolume=REGULAR * size**3,
        regionattrib=True,
        steinerleft=-1,
        verbose=0,
    )
    seconds = time.perf_counter() - start
    regions = np.rint(regions.ravel()).astype(int)
    tags = np.concatenate([[0], data["seed_tags"], [0]])[np.clip(regions, 0, len(data["seed_tags"]) + 1)]
    return nodes, tets, tags, seconds


def mesh_with_ftetwild(data, size):
    """Triangles without sides: all of the bounding box is meshed, and which tissue is where is found afterwards."""
    import pytetwild

    start = time.perf_counter()
    nodes, tets = pytetwild.tetrahedralize(
        data["points"], data["triangles"].astype(np.int32), edge_length_abs=size, disable_filtering=True
    )
    return nodes, tets, None, time.perf_counter() - start


MESH_WITH = dict(
    zip(
        MESHERS,
        (mesh_with_femtms, mesh_with_cgal, mesh_with_gmsh, mesh_with_hxt, mesh_with_tetgen, mesh_with_ftetwild),
    )
)


def peak_gb():
    """Of this process alone; the maximum that `resource` knows includes that of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**20


def mesh_here(mesher, folder):
    """In the process of its own: input.npz to output.npz."""
    with np.load(folder / "input.npz") as file:
        data = dict(file)
    nodes, tets, tags, seconds = MESH_WITH[mesher](data, float(data["size"]))
    found = {"nodes": nodes, "tets": tets, "seconds": seconds, "peak_gb": peak_gb()}
    np.savez(folder / "output.npz", **found, **({} if tags is None else {"tags": tags}))


# --- what runs with femtms


def labels_of(name, crop_mm, at_mm):
    """The labels of a head, of which only a cube is taken."""
    from femtms import LabelVolume, load_head

    if name == "sphere":
        data = np.zeros((111, 111, 111), np.uint8)
        r = np.linalg.norm(np.indices(data.shape) - 55, axis=0)
        for radius, tag in ((54, 5), (48, 4), (43, 3), (40, 2)):
            data[r <= radius] = tag
        affine = np.eye(4)
        affine[:3, 3] = -55
        return LabelVolume(data, affine, name)
    head = load_head(name)
    if not crop_mm:
        return head
    centre = np.linalg.solve(head.affine, [*at_mm, 1])[:3]
    low = np.maximum(np.rint(centre - 0.5 * crop_mm / head.voxel_mm).astype(int), 0)
    high = np.rint(centre + 0.5 * crop_mm / head.voxel_mm).astype(int) + 1
    affine = head.affine.copy()
    affine[:3, 3] = (head.affine @ [*low, 1])[:3]
    return LabelVolume(head.data[tuple(map(slice, low, high))], affine, name)


def surfaces_of(nodes, tets, tags):
    """The triangles (f,3) between tissues, the regions (f,2) on their sides, and a point and the tissue of each region.

    A region is a connected piece of one tissue; 0 is what is not meshed.
    """
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    from femtms.kernels.faces import face_neighbours
    from femtms.mesh.surface import OUTWARD_FACES

    neighbour, _ = face_neighbours(tets, len(nodes))
    tet, face = np.nonzero(neighbour >= 0)
    beyond = neighbour[tet, face]
    same = tags[tet] == tags[beyond]
    graph = sp.coo_matrix((np.ones(same.sum(), bool), (tet[same], beyond[same])), shape=(len(tets), len(tets)))
    region = 1 + connected_components(graph, directed=False)[1]
    other = np.where(neighbour >= 0, region[neighbour], 0)
    tet, face = np.nonzero(other < region[:, None])
    triangles = tets[tet[:, None], OUTWARD_FACES[face]]
    sides = np.stack([other[tet, face], region[tet]], axis=1)

    a, b, c = (nodes[tets[:, i]] - nodes[tets[:, 0]] for i in (1, 2, 3))
    volume = np.einsum("md,md->m", a, np.cross(b, c))
    largest = np.lexsort((volume, region))[np.cumsum(np.bincount(region)[1:]) - 1]
    used, index = np.unique(triangles, return_inverse=True)
    return {
        "points": nodes[used],
        "triangles": index.reshape(-1, 3),
        "sides": sides,
        "seeds": nodes[tets[largest]].mean(axis=1),
        "seed_tags": tags[largest],
    }


def tags_at(points, nodes, tets, tags):
    """The tag of that tetrahedron which holds each point (k,3), 0 where none does."""
    from scipy.spatial import KDTree

    corners = nodes[tets]
    inverse = np.linalg.inv((corners[:, 1:] - corners[:, :1]).transpose(0, 2, 1))
    _, near = KDTree(corners.mean(axis=1)).query(points, k=24, workers=-1)
    result = np.zeros(len(points), tags.dtype)
    inside = np.full(len(points), -1e-6)
    for candidate in near.T:
        weights = np.einsum("kij,kj->ki", inverse[candidate], points - corners[candidate, 0])
        depth = np.minimum(weights.min(axis=1), 1 - weights.sum(axis=1))
        better = depth > inside
        inside[better], result[better] = depth[better], tags[candidate[better]]
    return result


def tidy(nodes, tets, tags):
    """Without what is outside the head and nodes that are not used, and all tetrahedra oriented alike."""
    tets, tags = tets[tags > 0].astype(np.int64), tags[tags > 0].astype(np.int32)
    used, index = np.unique(tets, return_inverse=True)
    nodes, tets = nodes[used], index.reshape(-1, 4).astype(np.int32)
    a, b, c = (nodes[tets[:, i]] - nodes[tets[:, 0]] for i in (1, 2, 3))
    negative = np.einsum("md,md->m", a, np.cross(b, c)) < 0
    tets[negative] = tets[negative][:, [0, 1, 3, 2]]
    return nodes, tets, tags


def python_with(module, pythons):
    """The first of the Pythons that has a module, and its version there; None where none has."""
    code = f"import {module}, importlib.metadata as m; print(m.version('{module}'))"
    for python in pythons:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
        if done.returncode == 0:
            return python, done.stdout.split()[-1]
    return None


def attempt(mesher, python, data, size, timeout):
    """The output of a mesher in a process of its own, or why there is none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "input.npz", **data, size=size)
        command = [python, __file__, "--mesh", mesher, folder]
        with open(folder / "log.txt", "w") as log:  # CGAL may write megabytes
            try:
                subprocess.run(command, check=True, timeout=timeout, stdout=log, stderr=log)
            except subprocess.TimeoutExpired:
                return f"not done in {timeout:g} s"
            except subprocess.CalledProcessError as error:
                lines = (folder / "log.txt").read_text(errors="replace").strip().splitlines()
                return f"failed: {lines[-1][:100] if lines else f'exit code {error.returncode}'}"
        with np.load(folder / "output.npz") as file:
            return dict(file)


def nearest(mesher, python, data, size, ours, options):
    """(size, output) of the attempt nearest to the wanted number of tetrahedra, or why there is none."""
    best, why = None, None
    for _ in range(options.attempts):
        found = attempt(mesher, python, data, size, options.timeout)
        if isinstance(found, str):
            why = found
            break
        if "tags" not in found:
            centroids = found["nodes"][found["tets"]].mean(axis=1)
            found["tags"] = tags_at(centroids, *(ours[name] for name in ("nodes", "tets", "tags")))
        found["nodes"], found["tets"], found["tags"] = tidy(found["nodes"], found["tets"], found["tags"])
        count = len(found["tets"])
        print(f"{mesher}: {count:,} tets at {size:.3g} mm in {found['seconds']:.1f} s", file=sys.stderr, flush=True)
        ratio = count / options.tets
        if best is None or abs(np.log(ratio)) < best[0]:
            best = (abs(np.log(ratio)), size, found)
        if 1 / CLOSE_ENOUGH < ratio < CLOSE_ENOUGH:
            break
        size *= ratio ** (1 / 3)
    return best[1:] if best else why


def row(mesher, size, found, labels):
    from femtms.mesh.quality import quality_of

    report = quality_of(1e-3 * found["nodes"], found["tets"], found["tags"], labels)
    fit = report.fit
    worst = max(fit.volume_percent, key=lambda name: abs(fit.volume_percent[name]))
    cells = [
        mesher,
        "labels" if mesher.split()[0] in ("femtms", "CGAL") else "surfaces",
        f"{size:.2f}",
        f"{report.tets:,}",
        f"{found['seconds']:.1f}",
        f"{1e6 * found['seconds'] / report.tets:.1f}",
        f"{found['peak_gb']:.2f}",
        f"{report.shape.smallest_angle['min']:.1f}",
        f"{report.shape.smallest_angle['p1']:.1f}",
        f"{fit.centroids.mean:.3f}",
        f"{fit.centroids.p95:.3f}",
        f"{worst} {fit.volume_percent[worst]:+.2f} %",
        f"{fit.false_contact_cm2:.2f}",
        ", ".join(f"{n:,} {fault.replace('_', ' ')}" for fault, n in report.topology.faults.items()) or "none",
    ]
    print("|", " | ".join(cells), "|", flush=True)


HEADING = (
    "mesher", "input", "size mm", "tets", "s", "s per M tets", "peak GB", "min °", "1 % °", "mm off, mean", "95 %",
    "largest volume error", "false contact cm²", "faults",
)  # fmt: skip


def compare(head, meshers, options):
    """The table for one head."""
    labels = labels_of(head, options.crop, options.at)
    data = {"labels": labels.data, "affine": labels.affine}
    what = f"a cube of {options.crop:g} mm of {head}" if options.crop and head != "sphere" else head
    print(f"\n{what}: {'×'.join(map(str, labels.data.shape))} voxels; about {options.tets:,} tets\n")
    print("|", " | ".join(HEADING), "|")
    print("| --- | --- |", "---: | " * (len(HEADING) - 3) + "--- |", flush=True)
    result = nearest("femtms", sys.executable, data, options.size, None, options)
    if isinstance(result, str):
        sys.exit(f"femtms: {result}")
    size, ours = result
    if "femtms" in meshers:
        row("femtms", size, ours, labels)
    data |= surfaces_of(ours["nodes"], ours["tets"], ours["tags"])
    edge = np.median(np.linalg.norm(ours["nodes"][ours["tets"][:, 1]] - ours["nodes"][ours["tets"][:, 0]], axis=1))
    for mesher, (python, _) in meshers.items():
        if mesher == "femtms":
            continue
        result = nearest(mesher, python, data, edge, ours, options)
        if isinstance(result, str):
            print(f"| {mesher} | {result} |" + " |" * (len(HEADING) - 2), flush=True)
        else:
            row(mesher, *result, labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--heads", nargs="+", default=["sphere", "colin27"], help="sphere, built-in names, volumes")
    parser.add_argument("--tets", type=int, default=500_000, help="about how many tetrahedra each shall make")
    parser.add_argument("--size", type=float, default=3.0, help="mm of femtms in its first attempt")
    parser.add_argument("--attempts", type=int, default=3, help="to come near that number")
    parser.add_argument("--crop", type=float, default=60.0, help="edge in mm of the cube of a head; 0: all of it")
    parser.add_argument("--at", type=float, nargs=3, default=[-45, -10, 45], help="centre of that cube in mm")
    parser.add_argument("--meshers", nargs="+", default=MESHERS, choices=MESHERS)
    parser.add_argument("--python", nargs="+", default=[sys.executable], help="where the peers are installed")
    parser.add_argument("--timeout", type=float, default=900, help="seconds for each attempt")
    parser.add_argument("--mesh", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.mesh:
        return mesh_here(options.mesh[0], Path(options.mesh[1]))
    meshers = {}
    for mesher in options.meshers:
        if mesher == "femtms":
            meshers[mesher] = sys.executable, importlib.metadata.version("femtms")
        elif found := python_with(VERSION_OF[mesher], options.python):
            meshers[mesher] = found
        else:
            print(f"{mesher}: skipped, {VERSION_OF[mesher]} is in none of the Pythons")
    versions = [f"{VERSION_OF.get(mesher, mesher)} {version}" for mesher, (_, version) in meshers.items()]
    print(", ".join(dict.fromkeys(versions)), f"; {os.cpu_count()} cores", sep="")
    for head in options.heads:
        compare(head, meshers, options)
    return None


if __name__ == "__main__":
    main()
