"""The main job taken apart for benchmarks: one method for each stage, and what the stage needs as attributes."""

import hashlib
import os
import tempfile
from functools import cache, cached_property
from pathlib import Path

import numpy as np

import femtms
import femtms.head
import femtms.mesh
from femtms.backend import backend, to_host
from femtms.coil.expansion import HarmonicBoxes
from femtms.conductivity.isotropic import conductivity_of
from femtms.fem.p1 import P1
from femtms.field.statistics import TissueTets, magnitude, statistics
from femtms.solver.potential import PotentialSolver

HEAD = os.environ.get("FEMTMS_BENCHMARK_HEAD", "colin27")
SIZES_MM = (11.0, 8.0, 4.0, 2.6)  # 0.52, 0.93, 3.9 and 8.1 million tetrahedra of colin27
CACHE = Path(tempfile.gettempdir()) / "femtms-benchmarks"
RTOL = 1e-6
BLOCKS = (1, 16, 32)  # right-hand sides that are solved together
TOWARDS = ("CP3", "FC3", "C5", "C1", "CP5", "FC1", "CP1", "FC5")  # directions of the coil over C3


def load_head(name):
    """A built-in head, or "ball": so simple a sphere that it compiles and tests everything in a moment."""
    return femtms.LayeredSphere(radii_mm=(92,), name=name) if name == "ball" else femtms.load_head(name)


def mesh_file(head, size_mm):
    """Where the mesh of a head is kept: in a temporary folder, under the state of the mesher."""
    sources = [*Path(femtms.mesh.__path__[0]).glob("*.py"), *Path(femtms.head.__path__[0]).glob("*.py")]
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(sources))).hexdigest()[:12]
    return CACHE / f"{head}-{size_mm:g}mm-{femtms.__version__}-{state}.npz"


def cached_mesh(head, size_mm):
    """The mesh of a head, made once and then read from its file."""
    path = mesh_file(head, size_mm)
    if not path.exists():
        save_mesh(femtms.mesh_head(load_head(head), size_mm), path)
    with np.load(path) as data:
        landmarks = dict(zip(data["names"].tolist(), data["places"]))
        return femtms.TetMesh(data["nodes"], data["tets"], data["tags"], landmarks)


def save_mesh(mesh, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}.npz")
    names, places = list(mesh.landmarks), list(mesh.landmarks.values())
    np.savez(unfinished, nodes=mesh.nodes, tets=mesh.tets, tags=mesh.tags, names=names, places=places)
    unfinished.replace(path)


class Problem:
    """The built-in coil over C3.  Each method is one stage and ends when the device is done."""

    def __init__(self, head, size_mm, device="auto"):
        self.mesh = cached_mesh(head, size_mm)
        self.backend = backend(device)
        self.sigma = conductivity_of(self.mesh, None)
        self.coil = femtms.load_coil("figure8-70mm")

    def assemble(self):
        """The discrete problem, and K."""
        return self._done(P1.build(self.mesh, self.sigma, self.backend))

    def sort(self):
        """The centroids in boxes, for the coil's A."""
        return self._done(HarmonicBoxes.build(self.mesh.centroids, self.backend))

    def set_up(self):
        """The multigrid hierarchy."""
        return self._done(PotentialSolver.build(self.stiffness, None, self.backend))

    def dadt(self, i=0):
        """∂A/∂t (m,3) in V/m at the centroids at 1 A/µs, for pose i."""
        a = self.boxes.vector_potential(self.coil.moved(self.poses[i]))
        a *= 1e6
        return self._done(a)

    def load(self, dadt):
        """The right-hand side (n,)."""
        return self._done(self.p1.load(dadt))

    def solve(self, b):
        """The potential for a block (n,k)."""
        return self._done(self.solver.solve(b, RTOL))

    def field(self, dadt, phi):
        """E (m,3) at the centroids and the potential in the order of the mesh, on the host."""
        phi = self.backend.xp.ascontiguousarray(phi[:, 0])
        return self._done(to_host(self.p1.field(dadt, phi))), to_host(self.p1.in_mesh_order(phi))

    def statistics(self, E, potential):
        """Those of |E| (E on the host) in every tissue, without the estimate of the error."""
        magnE = magnitude(E)
        tissues = (TissueTets.of(self.mesh, int(tag)) for tag in self.mesh.tissues)
        return [tets.summary(statistics(magnE, tets)) for tets in tissues]

    @cached_property
    def poses(self):
        return [femtms.place(self.mesh, "C3", towards, gap_mm=6) for towards in TOWARDS]

    @cached_property
    def assembled(self):
        return self.assemble()

    @property
    def p1(self):
        return self.assembled[0]

    @property
    def stiffness(self):
        return self.assembled[1]

    @cached_property
    def boxes(self):
        return self.sort()

    @cached_property
    def solver(self):
        return self.set_up()

    @cached_property
    def loads(self):
        return [self.load(self.dadt(i)) for i in range(len(self.poses))]

    def block(self, k):
        """k right-hand sides (n,k); from the ninth on they come again, which costs a solver as much as new ones."""
        return self.backend.xp.stack([self.loads[i % len(self.loads)] for i in range(k)], axis=1)

    def _done(self, result):
        self.backend.synchronise()
        return result


@cache
def compile_all(device="auto"):
    """Run every stage once on a small sphere, so that no clock sees a compiler."""
    small = Problem("ball", 15.0, device)
    for k in BLOCKS:
        phi = small.solve(small.block(k)).phi
    small.statistics(*small.field(small.dadt(), phi))
