"""Edges and their numbers are those of scikit-fem."""

import numpy as np
import skfem


def test_nodes_and_edges_are_the_degrees_of_freedom_of_quadratic_elements(sphere_mesh):
    mesh = sphere_mesh
    basis = skfem.Basis(skfem.MeshTet(mesh.nodes.T, mesh.tets.T.astype(np.int64)), skfem.ElementTetP2(), intorder=2)
    dofs = np.column_stack([mesh.tets, len(mesh.nodes) + mesh.tet_edges])
    assert np.array_equal(dofs, basis.element_dofs.T)
    positions = np.concatenate([mesh.nodes, mesh.nodes[mesh.edges].mean(axis=1)])
    assert np.allclose(positions, basis.doflocs.T, rtol=0, atol=1e-15)


def test_edges_ascend_and_lie_between_the_corners_they_are_listed_for(sphere_mesh):
    edges, tets = sphere_mesh.edges, sphere_mesh.tets
    assert (edges[:, 0] < edges[:, 1]).all()
    assert np.array_equal(np.lexsort((edges[:, 1], edges[:, 0])), np.arange(len(edges)))
    for column, corners in enumerate([(0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3)]):
        assert np.array_equal(edges[sphere_mesh.tet_edges[:, column]], np.sort(tets[:, corners], axis=1))
    assert not edges.flags.writeable and not sphere_mesh.tet_edges.flags.writeable
