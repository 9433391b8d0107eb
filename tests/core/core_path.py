"""All that femtms does on the CPU, on small heads: what must run in the core is in here."""

from pathlib import Path

import numpy as np
from cli.small_files import ball_labels
from kernels.whole_path import coils, whole_path

from femtms import LabelVolume, LayeredSphere, Simulator, load_coil, mesh_head, raised, write_surface
from femtms.backend import cpu_backend
from femtms.coil.place import seat_at
from femtms.coil.scalp import Scalp
from femtms.io.coil_summary import coil_summary
from femtms.io.heads import load_head
from femtms.io.meshes import write_mesh
from femtms.io.pictures import write_coil_picture
from femtms.mesh.triangle_tree import TriangleTree
from femtms.report.mesh_picture import draw_mesh
from femtms.simulate import simulate


def ragged_labels() -> LabelVolume:
    """A ball of five tissues with noise on it: gaps, spikes, and pieces that touch in an edge or a corner."""
    data, affine = ball_labels(voxels=14, voxel_mm=6.0)
    random = np.random.default_rng(0)
    changed = (data > 0) & (random.random(data.shape) < 0.15)
    data[changed] = random.integers(0, 6, changed.sum())
    return LabelVolume(data, affine, "ragged")


def core_path(folder: Path) -> None:
    """Mesh, check, solve, look at fields and draw."""
    whole_path(cpu_backend())
    labels = ragged_labels()
    for name, volume, size in (("ragged", labels, {"wm": 4.0, "scalp": 7.0}), ("coarse", labels, 9.0)):
        mesh = mesh_head(volume, size)
        print(mesh.quality(volume))
        mesh = mesh.refined(mesh.tags == 2)
        write_mesh(mesh, folder / f"{name}.msh")
        load_head(folder / f"{name}.msh")  # repairs and checks
        draw_mesh(mesh, folder / f"{name}.png")
    write_surface(mesh.surface("gm"), folder / "gm.stl")
    np.savetxt(folder / "points.csv", 1e3 * mesh.centroids[::500], delimiter=",")
    simulate(
        folder / "ragged.msh", "figure8-70mm", folder / "out", at=(30, 0, 20), towards=(0, 0, 40), device="cpu",
        surfaces=[folder / "gm.stl"], points=folder / "points.csv", allow_intersection=True,
    )  # fmt: skip
    sphere = mesh_head(LayeredSphere((66.0, 80.0, 92.0), (2, 3, 5)), 12.0)
    print(sphere.quality())
    surface = sphere.surface("gm")
    coil = load_coil("figure8-70mm")
    scalp = Scalp.of(sphere)
    pose = scalp.pose(scalp.moved(seat_at(scalp, sphere, "C3", "Cz"), (12.0, -20.0)), 6.0)
    pose = raised(sphere, coil, pose, 5.0)
    for any_coil in (coil, *coils()):
        coil_summary(any_coil, 30.0)
        write_coil_picture(any_coil, folder / f"{any_coil.name}.png", 30.0)
    TriangleTree.build(sphere.nodes[sphere.outer_faces]).distance(surface.nodes[surface.triangles])
    field = Simulator(sphere, order=2, recovery="harmonic").solve(coil, pose)
    points = 1e3 * sphere.nodes[::7] * 1.01
    field.at(points, "scalp", 3.0), field.on_surface(surface), sphere.locate(points)
    field.on_grid(np.diag([9.0, 9.0, 9.0, 1.0]), (5, 6, 7))
