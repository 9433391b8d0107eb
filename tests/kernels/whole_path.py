"""All that femtms does on a device, on a small head: what must run there is in here."""

from unittest.mock import patch

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from femtms import Coil, LayeredSphere, Simulator, load_coil, mesh_head, place
from femtms.backend import Backend, to_host
from femtms.coil.elements import Dipoles
from femtms.coil.sampled import SampledField
from femtms.field.recovery import TissueRecovery
from femtms.solver import direct


def coils() -> list[Coil]:
    """Current elements, with dipoles and A on a grid beside them; some few dipoles; and the grid alone."""
    whole = load_coil("figure8-70mm").elements
    few = Dipoles(np.array([[0.03, 0, 0], [-0.03, 0, 0]]), np.array([[0, 0, 1e-3], [0, 0, -1e-3]]))
    affine = np.diag([0.05, 0.05, 0.05, 1])
    affine[:3, 3] = -0.3
    values = 1e-7 * np.random.default_rng(0).standard_normal((13, 13, 13, 3))
    grid = SampledField(values, affine, outside="zero")
    return [Coil("all kinds", (*whole, few, grid)), Coil("few", (few,)), Coil("grid", (grid,))]


def factorised(device: Backend):
    """What takes the place of cuDSS."""

    def factorise(matrix):
        rows = tuple(a.get() for a in (matrix.data, matrix.indices, matrix.indptr))
        lu = splu(sparse.csc_array(sparse.csr_array(rows, shape=matrix.shape)))
        return lambda b: device.xp.asarray(lu.solve(b.get())), float(lu.nnz)

    return factorise


def whole_path(device: Backend, size_mm: float = 15.0) -> list[np.ndarray]:
    """Set up, solve, sweep and look at fields, with all that can be asked for; E of all fields."""
    mesh = mesh_head(LayeredSphere((66.0, 92.0), (2, 5)), size_mm)
    poses = [place(mesh, *at) for at in (("C3", "CP3"), ("Fz", "Cz"), ("Oz", "POz"))]
    tensors = np.tile(np.diag([0.3, 0.2, 0.1]), (len(mesh.tets), 1, 1))
    regions = {"some": np.arange(5)}
    settings = (
        {"order": 1, "conductivity": tensors, "reuse": 2},
        {"order": 1, "recovery": "spr", "ground": 7},
        {"order": 1, "solver": direct.Direct()},
        {"order": 2, "recovery": "harmonic", "ground": 7},
        {"order": 2, "conductivity": tensors},
    )
    found = []
    with (
        patch("femtms.simulator.backend", lambda name: device),
        patch.object(direct, "_installed", lambda library: library in ("cudss", "superlu")),
        patch.dict(direct._FACTORISE, cudss=factorised(device)),
    ):
        for i, options in enumerate(settings):
            simulator = Simulator(mesh, **options)
            for coil in coils()[: None if i == 0 else 1]:
                fields = simulator.solve(coil, poses, allow_intersection=True)
                rows = simulator.sweep(coil, poses, regions=regions, block=2, fields=True, allow_intersection=True)
                found += [field.E for field in fields] + [row.field.E for row in rows]
            field = fields[0]
            field.at(1e3 * mesh.centroids[:5]), field.at_nodes("gm"), field.tissue_error("gm")
            if field.recovery == "raw":
                found.append(field.recovered("spr").E)
        # columns with different numbers of iterations: the block becomes narrower on the way
        n = len(mesh.nodes)
        wave = np.linspace(-1, 1, n)
        columns = np.stack([np.random.default_rng(0).standard_normal(n), 0 * wave, wave, 0 * wave], axis=1)
        Simulator(mesh)._solver.solve(device.xp.asarray(columns - columns.mean(axis=0)), 1e-8)
    for order, total in ((1, n), (2, n + len(mesh.edges))):
        recovery = TissueRecovery.build(mesh, order, "harmonic", 2, backend=device)
        potentials = np.random.default_rng(1).standard_normal((total, 2))
        found.append(to_host(recovery.at_centroids(recovery.gradients(device.xp.asarray(potentials)))))
    return found
