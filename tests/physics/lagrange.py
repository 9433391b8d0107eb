"""What the exact cases share: any ∂A/∂t in place of a coil's, ∇φ of a solution at any point, tilted boxes."""

from dataclasses import dataclass

import numpy as np
import skfem
from mesh.boxes import box
from scipy.spatial.transform import Rotation

from femtms import Coil, Pose, TetMesh
from femtms.coil.elements import CoilElements

ORDERS = (1, 2)  # of the elements that Simulator has
STILL = Pose(np.eye(4))
TILT = Rotation.from_euler("xyz", (25, -40, 70), degrees=True).as_matrix()  # so that no axis is an axis of the problem


@dataclass(frozen=True, eq=False)
class _Prescribed(CoilElements):
    """One element, far away, whose A is a function of the points (n,3) in m."""

    function: object = None

    def moved(self, pose):
        assert np.array_equal(pose.matrix, np.eye(4))
        return self

    def potential(self, points, kernels):
        return np.ascontiguousarray(self.function(points))


def prescribed(function, name="prescribed"):
    """A coil that makes ∂A/∂t = function(points) V/m for 1 A/s, in its one pose STILL.  On the CPU."""
    return Coil(name, (_Prescribed(np.full((1, 3), 1e3), np.ones((1, 3)), function=function),))


def quadrature(degree):
    """Barycentric coordinates (q,4) and weights (q,), which sum to 1, of a rule in a tetrahedron."""
    points, weights = skfem.quadrature.get_quadrature(skfem.refdom.RefTet, degree)
    return np.column_stack([1 - points.sum(axis=0), points.T]), weights / weights.sum()


def at(mesh, weights, tets=slice(None)):
    """Points (m,q,3) in m with barycentric coordinates (q,4) in each tetrahedron."""
    return np.einsum("qa,mad->mqd", weights, mesh.nodes[mesh.tets[tets]])


def gradient_of_potential(mesh, potential, weights, tets=slice(None)):
    """∇φ (m,q,3) at barycentric coordinates (q,4), from the values at nodes, and at edges for order 2.

    Written from the definitions, beside those of femtms: φ = Σ φ_a λ_a, or Σ φ_a λ_a (2λ_a - 1) + Σ φ_ab 4 λ_a λ_b.
    """
    corners = mesh.nodes[mesh.tets[tets]]
    edges = corners[:, 1:] - corners[:, :1]
    slopes = np.linalg.inv(edges).transpose(0, 2, 1)  # ∇λ_1..3
    slopes = np.concatenate([-slopes.sum(axis=1, keepdims=True), slopes], axis=1)  # (m,4,3)
    n = len(mesh.nodes)
    phi = potential[mesh.tets[tets]]
    if len(potential) == n:
        return np.repeat(np.einsum("ma,mad->md", phi, slopes)[:, None], len(weights), axis=1)
    at_corners = np.einsum("ma,qa,mad->mqd", phi, 4 * weights - 1, slopes)
    for e, (a, b) in enumerate(((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3))):
        phi_ab = potential[n + mesh.tet_edges[tets, e]][:, None]
        product = weights[:, a, None] * slopes[:, None, b] + weights[:, b, None] * slopes[:, None, a]
        at_corners += 4 * phi_ab[:, :, None] * product
    return at_corners


def tilted_box(cells, lengths, tag_of, bend=0.06):
    """A box from 0 to lengths (3,) m about TILT, with the tag that tag_of gives for points (n,3) in the upright box.

    bend  how far the nodes are moved inside, in lengths: smoothly, so that meshes of all sizes are alike.  The surface
          and the plane across the middle of x stay where they are
    """
    nodes, tets = box(cells)
    nodes = nodes / cells
    tags = tag_of(nodes[tets].mean(axis=1) * lengths)
    x, y, z = np.pi * nodes.T
    nodes = nodes + bend * (np.sin(2 * x) * np.sin(y) * np.sin(z))[:, None] * [0.5, 1.0, -0.7]
    return TetMesh(nodes * lengths @ TILT.T, tets, tags)
