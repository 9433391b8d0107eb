"""How wrong fields are: error of E against what is known exactly, for every kind of element, mesh size and source.

    python benchmarks/accuracy.py [--shells 1 3 4] [--sizes 8 5.5 4 3 2] [--heads sphere colin27] [--quick]

Spheres of one, three and four layers (skull 0.01 S/m) under dipoles and windings at 5, 10 and 20 mm, against the
closed form (theory.md (15)) and the series of coils in spheres (24); then voxel heads, whose mesh is refined but whose
surfaces stay, against the finest quadratic elements.  Results go to benchmarks/results/accuracy.json, and `python
benchmarks/accuracy_page.py` makes the plots and the tables of docs/accuracy.md of them.  Errors are volume-weighted,
by a rule of four points in each of some thousand tetrahedra, drawn by lot.  Seconds: all that depends on the head,
without the mesh itself, and one position of the coil; everything is compiled before.  A system of 5 million unknowns
takes some 9 GB; quadratic elements of 2 mm have 7 million.
"""

import argparse
import datetime
import json
import logging
import time
from pathlib import Path

import numpy as np

import femtms
from femtms.analysis.sphere import pose_above_sphere
from femtms.backend import backend
from femtms.coil.elements import Dipoles
from femtms.reference.coil_sphere import CoilFieldInSphere
from femtms.reference.sphere import dipoles_field_in_sphere
from femtms.tissue import Tissue

RESULT = Path(__file__).parent / "results" / "accuracy.json"

# radii in mm and tissues; of one layer the brain is bounded, too, so that the same is measured
SPHERES = {
    1: ((78.0, 92.0), (Tissue.GM, Tissue.SCALP)),
    3: ((80.0, 86.0, 92.0), (Tissue.GM, Tissue.BONE, Tissue.SCALP)),
    4: ((78.0, 80.0, 86.0, 92.0), (Tissue.GM, Tissue.CSF, Tissue.BONE, Tissue.SCALP)),
}
CONDUCTIVITY = {1: {Tissue.SCALP: 0.275}, 3: {Tissue.BONE: 0.01}, 4: {Tissue.BONE: 0.01}}  # S/m, where not usual
METHODS = {
    "P1": {"order": 1, "recovery": "raw"},
    "P1 + spr": {"order": 1, "recovery": "spr"},
    "P1 + harmonic": {"order": 1, "recovery": "harmonic"},
    "P2": {"order": 2, "recovery": "raw"},
}
SIZES_MM, GAPS_MM = (8.0, 5.5, 4.0, 3.0, 2.0), (5.0, 10.0, 20.0)
COILS = ("figure8-70mm", "circular-90mm")
TILT = np.array([[0.36, -0.48, 0.8], [0.8, 0.6, 0.0], [-0.48, 0.64, 0.6]])  # so that no axis of the mesh is the coil's
CORTEX, AWAY = (0.060, 0.080), (0.060, 0.072)  # m from the centre, of grey matter; the second without interfaces
SAMPLE = 6000  # tetrahedra that errors are measured in
LARGEST = 5.0  # million unknowns of one system: what fits into some 10 GB and minutes
REFINED = {"sphere": 20.0, "colin27": 12.0}  # heads of voxels, and the size in mm of their coarsest mesh
CUBE_MM = 80.0  # of colin27, around the place of the coil
LEFT_OUT = 1e-7  # of the series

# degree 2: theory.md (31) has another rule, so no method is measured where it is integrated
NEAR, FAR = (5 + 3 * 5**0.5) / 20, (5 - 5**0.5) / 20  # of the rule of four points
CORNERS = np.full((4, 4), FAR) + (NEAR - FAR) * np.eye(4)


def sources():
    """{name: coil}: magnetic dipoles of 1e-3 m² along x, or z, of the coil's frame, and windings."""
    moments = {"tangential dipole": [1e-3, 0, 0], "radial dipole": [0, 0, 1e-3]}
    dipoles = {n: femtms.Coil(n, (Dipoles(np.zeros((1, 3)), np.array([m])),)) for n, m in moments.items()}
    return dipoles | {name: femtms.load_coil(name) for name in COILS}


def pose_over(coil, scalp_mm, gap_mm):
    """A pose with its nearest wire at a gap, over a place that is nothing special."""
    motion = np.eye(4)
    motion[:3, :3] = TILT
    return femtms.Pose(motion @ pose_above_sphere(coil, scalp_mm, gap_mm).matrix)


def exact_field(coil, pose, didt, radius):
    """E as a function of points (n,3) m within `radius` m of the centre."""
    moved = coil.moved(pose)
    if isinstance(moved.elements[0], Dipoles):
        return lambda points: dipoles_field_in_sphere(points, moved.positions, didt * moved.elements[0].vectors)
    nearest = np.linalg.norm(moved.positions, axis=1).min()
    degree = int(np.ceil(np.log(LEFT_OUT) / np.log(radius / nearest)))
    return CoilFieldInSphere.of(coil, pose, didt, radius, degree)


def drawn(tets, count, seed=0):
    """Some of the tetrahedra, by lot."""
    return np.sort(np.random.default_rng(seed).choice(tets, min(count, len(tets)), replace=False))


def points_of(mesh, tets):
    """Points (t·4,3) in m of the rule in tetrahedra (t,), with tetrahedron and barycentric coordinates of each."""
    points = np.einsum("qa,tad->tqd", CORNERS, mesh.nodes[mesh.tets[tets]]).reshape(-1, 3)
    return points, np.repeat(tets, 4), np.tile(CORNERS, (len(tets), 1))


def measures(E, exact, volumes):
    """Errors of E (p,3) against what is exact, with volumes (p,): all relative.

    l2 of the difference; rdm (shape) and mag (size, minus 1) as in EEG; p99, the 99th percentile of |difference| over
    the 99.9th of |E|.
    """
    if not len(E):
        return None

    def norm(a):
        return float(np.sqrt((volumes[:, None] * a**2).sum()))

    error = np.linalg.norm(E - exact, axis=1)
    return {
        "l2": norm(E - exact) / norm(exact),
        "rdm": norm(E / norm(E) - exact / norm(exact)),
        "mag": norm(E) / norm(exact) - 1,
        "p99": quantile(error, volumes, 0.99) / quantile(np.linalg.norm(exact, axis=1), volumes, 0.999),
    }


def quantile(values, weights, share):
    """The value that a share of the weights is not above."""
    order = values.argsort()
    below = np.cumsum(weights[order])
    return float(values[order][min(np.searchsorted(below, share * below[-1]), len(values) - 1)])


def regions_of(mesh, tets, brain):
    """{name: mask (t,)} of tetrahedra of grey matter inside a sphere of `brain` m."""
    radius = np.linalg.norm(mesh.centroids[tets], axis=1)
    at_interface = (np.linalg.norm(mesh.nodes[mesh.tets[tets]], axis=2) > brain - 1e-6).any(axis=1)
    return {
        "cortex": (radius > CORTEX[0]) & (radius < CORTEX[1]),
        "away": (radius > AWAY[0]) & (radius < AWAY[1]),
        "interface": at_interface,
        "gm": np.ones(len(tets), bool),
    }


def edge_mm(mesh, within=(0.0, np.inf)):
    """Mean length in mm of the edges around a point of grey matter: by volume, as small tetrahedra are many.

    within  m from the origin: where it counts
    """
    length = np.linalg.norm(mesh.nodes[mesh.edges[:, 1]] - mesh.nodes[mesh.edges[:, 0]], axis=1)
    radius = np.linalg.norm(mesh.centroids, axis=1)
    own = (mesh.tags == Tissue.GM) & (radius > within[0]) & (radius < within[1])
    return 1e3 * float(np.average(length[mesh.tet_edges[own]].mean(axis=1), weights=mesh.volumes[own]))


def unknowns_of(mesh, settings):
    return len(mesh.nodes) + (len(mesh.edges) if settings["order"] == 2 else 0)


def sphere_mesh(shells, size_mm):
    radii, tags = SPHERES[shells]
    return femtms.mesh_head(femtms.LayeredSphere(radii, tags), size_mm)


def sphere_rows(shells, mesh, chosen, driven, gaps, largest=LARGEST, sample=SAMPLE, device="cpu"):
    """A row for every method, source and gap on one mesh."""
    radii, _ = SPHERES[shells]
    brain = 1e-3 * radii[0]
    own = drawn(np.flatnonzero(mesh.tags == Tissue.GM), sample)
    points, tets, weights = points_of(mesh, own)
    volumes = np.repeat(mesh.volumes[own], 4)
    regions = {name: np.repeat(mask, 4) for name, mask in regions_of(mesh, own, brain).items()}
    poses = {(name, gap): pose_over(coil, radii[-1], gap) for name, coil in driven.items() for gap in gaps}
    exact = {key: exact_field(driven[key[0]], pose, 1e6, brain)(points) for key, pose in poses.items()}
    head = {"shells": shells, "edge_mm": edge_mm(mesh, AWAY), "tets": len(mesh.tets)}
    for method, settings in chosen.items():
        if unknowns_of(mesh, settings) > 1e6 * largest:
            continue
        sim = femtms.Simulator(mesh, CONDUCTIVITY[shells], device=device, **settings)
        # the first field pays for what all have in common: the fits of recovery
        (name, _), pose = next(iter(poses.items()))
        first = sim.solve(driven[name], pose, 1e6).seconds
        set_up = sim.seconds | ({"recovery": first["recover"]} if "recover" in first else {})
        for (name, gap), pose in poses.items():
            field = sim.solve(driven[name], pose, 1e6)
            E = field.E_in(tets, weights)
            truth = exact[name, gap]
            yield head | {
                "method": method,
                "source": name,
                "gap_mm": gap,
                "unknowns": unknowns_of(mesh, settings),
                "iterations": field.iterations,
                "seconds": {"set_up": set_up, "pose": dict(field.seconds)},
                "errors": {region: measures(E[m], truth[m], volumes[m]) for region, m in regions.items()},
                "estimate": field.summary("gm").error,
            }


def voxel_sphere(radii=SPHERES[3][0], tags=SPHERES[3][1], voxel_mm=2.0):
    """A sphere of three layers as labels of voxels, for the mesher to find its surfaces in."""
    half = int(np.ceil(radii[-1] / voxel_mm)) + 2
    axis = voxel_mm * np.arange(-half, half + 1)
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    data = np.zeros(radius.shape, np.uint8)
    for r, tag in zip(radii[::-1], tags[::-1]):
        data[radius < r] = tag
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = axis[0]
    return femtms.LabelVolume(data, affine, "sphere of voxels")


def voxel_head(name):
    """The labels of a head of voxels, and the middle in m of what is looked at."""
    if name == "sphere":
        return voxel_sphere(), TILT @ [0, 0, 0.072]
    from mesh_accuracy import cube_of

    head = femtms.load_head(name)
    place = head.landmarks["C3"]
    return cube_of(head, 0.75 * place, CUBE_MM), 1e-3 * 0.75 * place


def refinement_rows(labels, middle, size_mm, chosen, levels=2, largest=LARGEST, sample=SAMPLE, device="cpu"):
    """Errors in grey matter within 30 mm of `middle`, against the finest quadratic elements that there is room for.

    Each level has all edges halved, so surfaces and interfaces stay as they are: flat triangles with edges and corners.
    """
    meshes = [femtms.mesh_head(labels, size_mm)]
    while len(meshes) <= levels and unknowns_of(finer := meshes[-1].refined(), {"order": 1}) <= 1e6 * largest:
        meshes.append(finer)
    coarse = meshes[0]
    near = (np.linalg.norm(coarse.centroids - middle, axis=1) < 0.03) & (coarse.tags == Tissue.GM)
    own = drawn(np.flatnonzero(near), sample)
    points, tets, weights = points_of(coarse, own)
    volumes = np.repeat(coarse.volumes[own], 4)
    inner = np.repeat(~at_interfaces(coarse)[own], 4)
    coil = femtms.load_coil("figure8-70mm")
    outward = middle / np.linalg.norm(middle)
    pose = lowered_to(coarse, coil, outward)

    found, rows = {}, []
    for level, mesh in enumerate(meshes):
        if level:
            tets, weights = descended(mesh, tets, points)
        for method, settings in chosen.items():
            if unknowns_of(mesh, settings) > 1e6 * largest:
                continue
            start = time.perf_counter()
            sim = femtms.Simulator(mesh, device=device, **settings)
            field = sim.solve(coil, pose, 1e6)
            seconds = time.perf_counter() - start
            found[level, method] = field.E_in(tets, weights)
            rows.append(
                {"level": level, "method": method, "tets": len(mesh.tets), "edge_mm": edge_mm(mesh)}
                | {"unknowns": unknowns_of(mesh, settings), "seconds": seconds, "estimate": field.summary("gm").error}
            )
    finest = max(level for level, method in found if method == "P2")
    truth = found[finest, "P2"]
    for row in rows:
        E = found[row["level"], row["method"]]
        is_truth = (row["level"], row["method"]) == (finest, "P2")
        regions = {"near": np.ones(len(inner), bool), "away": inner, "interface": ~inner}
        errors = {region: measures(E[m], truth[m], volumes[m]) for region, m in regions.items()}
        yield row | {"errors": None if is_truth else errors}


def at_interfaces(mesh):
    """Mask (m,) of tetrahedra with a corner that another tissue has, too, or that is on the surface."""
    low, high = np.full(len(mesh.nodes), np.iinfo(np.int32).max), np.zeros(len(mesh.nodes), np.int32)
    for corner in mesh.tets.T:
        np.minimum.at(low, corner, mesh.tags)
        np.maximum.at(high, corner, mesh.tags)
    shared = low != high
    shared[mesh.outer_faces] = True
    return shared[mesh.tets].any(axis=1)


def lowered_to(mesh, coil, outward, gap=0.005):
    """A pose on the ray from the origin along `outward`, `gap` m above the farthest point of the head."""
    z = -outward
    x = np.cross([0, 1.0, 0], z)
    x /= np.linalg.norm(x)
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([x, np.cross(z, x), z])
    nearest = coil.positions[:, 2].max()  # along z, of the wires
    matrix[:3, 3] = 1e3 * outward * ((mesh.outer_nodes @ outward).max() + gap + nearest)
    return femtms.Pose(matrix)


def descended(mesh, parents, points):
    """Tetrahedra and barycentric coordinates of points in a mesh of which each eight are what became of one before."""
    children = 8 * parents[:, None] + np.arange(8)
    corners = mesh.nodes[mesh.tets[children]]
    edges = (corners[:, :, 1:] - corners[:, :, :1]).transpose(0, 1, 3, 2)
    inner = np.linalg.solve(edges, (points[:, None] - corners[:, :, 0])[..., None])[..., 0]
    weights = np.concatenate([1 - inner.sum(axis=2, keepdims=True), inner], axis=2)
    best = weights.min(axis=2).argmax(axis=1)
    rows = np.arange(len(points))
    return children[rows, best], weights[rows, best]


def named(shells):
    return f"{shells} shell{'s' * (shells > 1)}"


def compile_all(device, chosen):
    """Run every method once on a small sphere, so that no clock sees a compiler."""
    list(sphere_rows(1, sphere_mesh(1, 20.0), chosen, sources(), (20.0,), sample=50, device=device))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shells", type=int, nargs="*", default=list(SPHERES), choices=SPHERES)
    parser.add_argument("--sizes", type=float, nargs="+", default=SIZES_MM, help="mm")
    parser.add_argument("--gaps", type=float, nargs="+", default=GAPS_MM, help="mm")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--heads", nargs="*", default=list(REFINED), choices=REFINED)
    parser.add_argument("--largest", type=float, default=LARGEST, help="million unknowns of one system")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="two coarse meshes, not kept: to see that it runs")
    parser.add_argument("--json", type=Path, default=RESULT, help="rows of other shells and heads in it are kept")
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.gaps, options.heads, options.shells = (16.0, 11.0), (10.0,), (), (1,)
    logging.getLogger("femtms").setLevel(logging.ERROR)
    chosen = {name: METHODS[name] for name in options.methods}
    compile_all(options.device, chosen)
    result = others(options)
    for shells in options.shells:
        meshed = set()
        for size in sorted(options.sizes, reverse=True):
            mesh = sphere_mesh(shells, size)
            if len(mesh.tets) in meshed:
                continue  # layers are thinner than the size: the same mesh again
            meshed.add(len(mesh.tets))
            rows = sphere_rows(shells, mesh, chosen, sources(), options.gaps, options.largest, device=options.device)
            for row in rows:
                result["spheres"].append(row | {"size_mm": size})
                what = f"{named(shells)}, {row['edge_mm']:.1f} mm, {row['source']} at {row['gap_mm']:g} mm"
                report(what, row, "cortex")
            if not options.quick:
                save(result, options.json)
    for name in options.heads:
        labels, middle = voxel_head(name)
        rows = refinement_rows(labels, middle, REFINED[name], chosen, largest=options.largest, device=options.device)
        for row in rows:
            result["heads"].append({"head": name} | row)
            report(f"{name}, level {row['level']}", row, "near")
        save(result, options.json)


def others(options):
    """A result without rows yet, but for those of an earlier run on this device that are not measured now."""
    device = backend(options.device).description
    result = {"device": device, "date": datetime.date.today().isoformat(), "spheres": [], "heads": []}
    if options.json.exists() and (earlier := json.loads(options.json.read_text()))["device"] == device:
        result["spheres"] = [row for row in earlier["spheres"] if row["shells"] not in options.shells]
        result["heads"] = [row for row in earlier["heads"] if row["head"] not in options.heads]
    return result


def report(what, row, region):
    error = "reference" if row["errors"] is None else f"{100 * row['errors'][region]['l2']:.3f} %"
    print(f"{what}: {row['method']}, {row['unknowns']:,} unknowns, {error}", flush=True)


def save(result, path):
    """A line for each row, with five digits: whole, or not at all."""
    parts = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in result.items() if isinstance(value, str)]
    for name in ("spheres", "heads"):
        rows = ",\n".join(json.dumps(rounded(row)) for row in result[name])
        parts.append(f"{json.dumps(name)}: [\n{rows}\n]")
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text("{" + ",\n".join(parts) + "}\n")
    unfinished.replace(path)


def rounded(value):
    """The same with floats of five digits."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
