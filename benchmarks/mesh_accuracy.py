"""What a mesh costs and how good the field on it is: error in grey matter against a fine mesh of the same labels.

    python benchmarks/mesh_accuracy.py [--head colin27] [--cube 80] [--reference 1.3] [--sizes 2.6 gm=2.6,csf=2.6,5.2 …]

A cube of the head around the place of the coil, so that the reference fits into memory; the cut is an insulating
surface for all meshes alike.  E is compared at the centres of the grey matter's voxels that are in grey matter in both
meshes: relative L2 difference, over all of them and over the strongest tenth.  Seconds are those of the mesh, and of
all that follows it (assembly, set-up, ∂A/∂t, solve).
"""

import argparse
import time

import numpy as np

import femtms
from femtms.cli.parse import parse_size
from femtms.mesh.locate import rasterised
from femtms.tissue import Tissue


def cube_of(labels, centre_mm, edge_mm):
    """The label volume inside an upright cube in voxel axes."""
    centre = (np.linalg.inv(labels.affine) @ [*centre_mm, 1])[:3]
    half = 0.5 * edge_mm / labels.voxel_mm
    low = np.maximum(np.floor(centre - half), 0).astype(int)
    high = np.minimum(np.ceil(centre + half), labels.data.shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low, high))
    affine = labels.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ low
    return femtms.LabelVolume(labels.data[box], affine, f"{labels.name}, {edge_mm:g} mm cube")


def field_at_voxels(labels, size, coil, pose):
    """E (x,y,z,3) in V/m at voxel centres, NaN outside grey matter; the mesh, and the two times in s."""
    start = time.perf_counter()
    mesh = femtms.mesh_head(labels, size)
    meshed = time.perf_counter()
    field = femtms.Simulator(mesh, device="cpu").solve(coil, pose, 1e6)
    solved = time.perf_counter()
    owner = rasterised(1e3 * mesh.nodes, mesh.tets, labels.affine, labels.data.shape)
    inside = (owner >= 0) & (mesh.tags[np.maximum(owner, 0)] == Tissue.GM) & (labels.data == Tissue.GM)
    E = np.where(inside[..., None], field.E[np.maximum(owner, 0)], np.nan)
    return E, mesh, meshed - start, solved - meshed


def relative(E, reference, where):
    where = where & np.isfinite(E).all(axis=-1) & np.isfinite(reference).all(axis=-1)
    return np.sqrt(((E[where] - reference[where]) ** 2).sum() / (reference[where] ** 2).sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--head", default="colin27")
    parser.add_argument("--at", default="C3")
    parser.add_argument("--cube", type=float, default=80.0, help="mm")
    parser.add_argument("--reference", default="1.3")
    parser.add_argument(
        "--sizes", nargs="+",
        default=["5.2", "4", "3.2", "2.6", "2", "gm=2.6,csf=2.6,5.2", "gm=2,csf=2,4", "gm=2.6,csf=2.6,wm=2.6,5.2"],
    )  # fmt: skip
    options = parser.parse_args()
    head = femtms.load_head(options.head)
    coil = femtms.load_coil("figure8-70mm")
    coarse = femtms.mesh_head(head, 6.0)
    pose = femtms.place(coarse, options.at, "CP3", gap_mm=6)
    labels = cube_of(head, head.landmarks[options.at] * 0.75, options.cube)
    field_at_voxels(labels, 6.0, coil, pose)  # compiles

    reference, mesh, *_ = field_at_voxels(labels, parse_size(options.reference), coil, pose)
    strength = np.linalg.norm(reference, axis=-1)
    strong = strength > np.nanpercentile(strength, 90)
    print(f"{labels.name}; reference {options.reference} mm, {len(mesh.tets):,} tetrahedra\n")
    print("| size mm | tets | mesh s | solve s | error in grey matter | in its strongest tenth |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for text in options.sizes:
        E, mesh, mesh_s, solve_s = field_at_voxels(labels, parse_size(text), coil, pose)
        everywhere = relative(E, reference, np.ones_like(strong))
        print(
            f"| {text} | {len(mesh.tets):,} | {mesh_s:.1f} | {solve_s:.1f} | {100 * everywhere:.1f} % "
            f"| {100 * relative(E, reference, strong):.1f} % |",
            flush=True,
        )


if __name__ == "__main__":
    main()
