"""∇φ at the nodes of one tissue from φ: fits over patches of tetrahedra, prebuilt as a sparse matrix."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from femtms.backend import Backend, cpu_backend
from femtms.errors import FemtmsError
from femtms.fem.lagrange import quadratic_dofs
from femtms.kernels.cpu import incidence
from femtms.kernels.patches import MONOMIALS, fitted_rows
from femtms.mesh.tetmesh import TetMesh
from femtms.solver.csr import Csr
from femtms.tissue import name_of

METHODS = ("harmonic", "spr")

_LEAST_PIVOT = 0.05


def _harmonic_fields() -> np.ndarray:
    """Gradients (15,3,10) of the harmonic polynomials of degree 1, 2 and 3, as coefficients of MONOMIALS.

    x, y, z; xy, xz, yz, (x² - y²)/2, z² - (x² + y²)/2; x³ - 3xy², y³ - 3x²y, z(x² - y²), xyz,
    x(4z² - x² - y²), y(4z² - x² - y²), z(2z² - 3x² - 3y²).
    """
    fields = np.zeros((15, 3, MONOMIALS))
    one, x, y, z, xx, yy, zz, xy, xz, yz = range(MONOMIALS)
    terms = [
        ({one: 1}, {}, {}),
        ({}, {one: 1}, {}),
        ({}, {}, {one: 1}),
        ({y: 1}, {x: 1}, {}),
        ({z: 1}, {}, {x: 1}),
        ({}, {z: 1}, {y: 1}),
        ({x: 1}, {y: -1}, {}),
        ({x: -1}, {y: -1}, {z: 2}),
        ({xx: 3, yy: -3}, {xy: -6}, {}),
        ({xy: -6}, {xx: -3, yy: 3}, {}),
        ({xz: 2}, {yz: -2}, {xx: 1, yy: -1}),
        ({yz: 1}, {xz: 1}, {xy: 1}),
        ({xx: -3, yy: -1, zz: 4}, {xy: -2}, {xz: 8}),
        ({xy: -2}, {xx: -1, yy: -3, zz: 4}, {yz: 8}),
        ({xz: -6}, {yz: -6}, {xx: -3, yy: -3, zz: 6}),
    ]
    for field, components in zip(fields, terms):
        for row, coefficients in zip(field, components):
            row[list(coefficients)] = list(coefficients.values())
    return fields


def _linear_fields() -> np.ndarray:
    """All linear vector fields (12,3,10), constant ones first."""
    fields = np.zeros((12, 3, MONOMIALS))
    for k in range(12):
        fields[k, k % 3, k // 3] = 1
    return fields


# Methods that there are, and the vector fields that they fit.
FIELDS = {"harmonic": _harmonic_fields(), "spr": _linear_fields()}
_LINEAR = {"harmonic": 8, "spr": 12}  # how many of them are constant or linear
_STEPS = {("harmonic", 1): (8,), ("harmonic", 2): (15, 8), ("spr", 1): (12,), ("spr", 2): (12,)}


@dataclass(frozen=True, eq=False)
class TissueRecovery:
    """From φ to a continuous ∇φ in one tissue: theory.md (36)-(39).  Made once, for any number of fields.

    Only tetrahedra of that tissue count, so the values at an interface are one-sided.  Arrays live on the device of
    `backend`: matrix (cq,N) takes φ, in the order of the mesh's nodes and edges, to c numbers for each of the nodes:
    ∇φ in V/m and, for elements of order 2, its slopes in V/m².

    nodes    (q,) of the mesh, and where they are: points (q,3) m
    rows     (r,) tetrahedra of the mesh, and corners (r,4), their places in `nodes`
    dofs     (r,4) or (r,10), their unknowns in φ
    slopes   (c-3,3,3): the matrices whose sum, weighted by the slopes, is the derivative of ∇φ
    fitted   (q,) bool: whether there were enough tetrahedra for a fit, or just for the mean of the raw ∇φ
    """

    backend: Backend
    tag: int
    order: int
    method: str
    matrix: Csr
    nodes: Any
    points: Any
    rows: Any
    corners: Any
    dofs: Any
    slopes: Any
    fitted: np.ndarray

    @classmethod
    def build(
        cls,
        mesh: TetMesh,
        order: int,
        method: str,
        tag: int,
        isotropic: bool = True,
        backend: Backend | None = None,
    ) -> "TissueRecovery":
        """The recovery for one tissue number.

        order      of the elements, 1 or 2
        method     "harmonic": the fit has neither curl nor divergence, as ∇φ where σ is constant; or "spr": any linear
                   field, superconvergent patch recovery (Zienkiewicz & Zhu 1992)
        isotropic  whether σ of the tissue is; otherwise ∇²φ is not zero, and "harmonic" is the same as "spr"
        backend    the device; the CPU if none is given

        Raises FemtmsError for another order or method, and when the mesh has no such tissue.
        """
        if order not in (1, 2):
            raise FemtmsError(f"order must be 1 or 2; got {order}")
        if method not in METHODS:
            raise FemtmsError(f"the method of recovery must be one of {', '.join(METHODS)}; got '{method}'")
        backend = cpu_backend() if backend is None else backend
        tag = mesh.present_tag(tag)
        method = method if isotropic else "spr"
        fields = FIELDS[method]
        wanted = 3 if order == 1 else _LINEAR[method]

        rows = np.flatnonzero(mesh.tags == tag)
        nodes, corners = _renumbered(mesh.tets[rows], len(mesh.nodes))
        dofs = mesh.tets[rows] if order == 1 else quadratic_dofs(mesh, rows)
        total = len(mesh.nodes) + (len(mesh.edges) if order == 2 else 0)
        unknowns, local = _renumbered(dofs, total)
        points = mesh.nodes[nodes]
        starts, meeting = incidence(corners, len(nodes))
        indptr, indices, values, fitted = fitted_rows(
            points, corners, local, unknowns, starts, meeting, fields, _STEPS[method, order], wanted, _LEAST_PIVOT
        )
        matrix = sparse.csr_array((values, indices, indptr), shape=(len(indptr) - 1, total))
        asarray = backend.xp.asarray
        return cls(
            backend=backend,
            tag=tag,
            order=order,
            method=method,
            matrix=Csr.on(backend, matrix, np.float64),
            nodes=asarray(nodes),
            points=asarray(points),
            rows=asarray(rows),
            corners=asarray(corners),
            dofs=asarray(dofs),
            slopes=asarray(fields[3:wanted, :, 1:4]),
            fitted=fitted > 3,
        )

    def gradients(self, potential: Any) -> Any:
        """∇φ and its slopes at the nodes, (q,c) or (q,c,k), of φ (N,) or (N,k) in V on the device.

        The first three of c numbers are ∇φ in V/m.  A column's bits do not depend on the others.
        Raises FemtmsError for another number of values than elements of this order have.
        """
        xp, (height, total) = self.backend.xp, self.matrix.shape
        if potential.ndim not in (1, 2) or len(potential) != total:
            raise FemtmsError(
                f"φ must have the {total:,} values of elements of order {self.order}; got an array of {potential.shape}"
            )
        block = xp.ascontiguousarray(potential.reshape(total, -1), dtype=np.float64)
        out = xp.empty((height, block.shape[1]))
        self.backend.kernels.spmm(self.matrix, block, out)
        return out.reshape(len(self.nodes), -1, *potential.shape[1:])

    def squared_changes(self, gradients: Any, potential: Any, out: Any = None) -> Any:
        """Mean (k,r) over each tetrahedron of |raw ∇φ - recovered ∇φ|² in V²/m²: theory.md (40).

        gradients (q,c,k) as from `gradients` of the same φ (N,k) in V, both C-contiguous; out is where it goes to.
        """
        kernels, xp = self.backend.kernels, self.backend.xp
        mesh = self.points, self.corners, self.dofs
        squares = xp.empty((potential.shape[1], len(self.rows))) if out is None else out
        if self.order == 1:
            kernels.linear_changes(*mesh, potential, gradients, squares)
            return squares
        for i in range(len(squares)):
            column, phi = gradients[:, :, i], xp.ascontiguousarray(potential[:, i])
            values, derivatives = (xp.ascontiguousarray(x) for x in (column[:, :3], self._derivatives(column)))
            squares[i] = kernels.quadratic_changes(*mesh, phi, values, derivatives)
        return squares

    def _derivatives(self, gradients: Any) -> Any:
        """Those of ∇φ at the nodes (q,9), ∂_e of component d in column 3d + e; (q,0) where there are none."""
        if len(self.slopes) == 0:
            return gradients[:, :0]
        return gradients[:, 3:] @ self.slopes.reshape(-1, 9)

    def at(self, gradients: Any, tets: Any, weights: Any) -> Any:
        """∇φ (p,3) in V/m at points in tetrahedra `tets` (p,) of `rows`, with barycentric weights (p,4).

        gradients (q,c) as from `gradients`, or (q,c,k) for (p,3,k).  At a corner it is the value of that node.
        """
        xp = self.backend.xp
        if gradients.ndim == 3:
            columns = [
                self.at(xp.ascontiguousarray(gradients[:, :, i]), tets, weights) for i in range(gradients.shape[2])
            ]
            return xp.stack(columns, axis=2)
        corners = self.corners[tets]
        values = gradients[:, :3]
        derivatives = self._derivatives(gradients)
        x = sum(weights[:, a, None] * self.points[corners[:, a]] for a in range(4))
        total = xp.zeros((len(corners), 3))
        for a in range(4):
            node = corners[:, a]
            value = values[node]
            if len(self.slopes):  # exact where ∇φ is quadratic: theory.md (39)
                half = (x - self.points[node]) / 2
                for d in range(3):
                    value += derivatives[node, d::3] * half[:, d, None]
            total += weights[:, a, None] * value
        return total

    def at_centroids(self, gradients: Any) -> Any:
        """∇φ (r,3) in V/m at the centroids of `rows`, or (r,3,k) of gradients (q,c,k)."""
        if gradients.ndim == 2 and len(self.slopes) == 0:  # the mean, without a look at where the nodes are
            return sum(gradients[self.corners[:, a]] for a in range(4)) / 4
        xp, r = self.backend.xp, len(self.rows)
        return self.at(gradients, xp.arange(r), xp.full((r, 4), 0.25))

    def raw_at_centroids(self, potential: Any) -> Any:
        """∇φ (r,3) in V/m of the elements themselves at the centroids of `rows`, from φ (N,) in V."""
        kernels, nothing = self.backend.kernels, self.backend.xp.zeros((len(self.rows), 3))
        if self.order == 1:
            return -kernels.electric_field(self.points, self.corners, nothing, potential[self.nodes])
        return -kernels.quadratic_field(self.points, self.corners, self.dofs, nothing, potential)

    def __repr__(self) -> str:
        return (
            f"TissueRecovery({name_of(self.tag)}, {self.method}, order {self.order}: {len(self.nodes):,} nodes, "
            f"{np.count_nonzero(~self.fitted):,} without a fit; {1e-6 * self.matrix.bytes:.0f} MB)"
        )


def _renumbered(indices: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers below `count` that occur in indices, ascending, and for each index its place among them (int32)."""
    occurs = np.zeros(count, bool)
    occurs[indices] = True
    numbers = np.flatnonzero(occurs).astype(np.int32)
    place = np.empty(count, np.int32)
    place[numbers] = np.arange(len(numbers), dtype=np.int32)
    return numbers, place[indices]
