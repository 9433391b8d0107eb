"""Refinement of a mesh: the same body in smaller tetrahedra."""

import numpy as np
import pytest

from femtms import FemtmsError


def volumes(mesh):
    return {int(tag): mesh.volumes[mesh.tags == tag].sum() for tag in mesh.tissues}


def test_everything_halved_is_eight_times_as_many_of_the_same_body(sphere_mesh):
    finer = sphere_mesh.refined()
    assert len(finer.tets) == 8 * len(sphere_mesh.tets)
    assert len(finer.nodes) == len(sphere_mesh.nodes) + len(sphere_mesh.edges)
    for tag, volume in volumes(sphere_mesh).items():
        assert volumes(finer)[tag] == pytest.approx(volume, rel=1e-12)
    assert not finer.quality().topology.faults
    assert np.array_equal(finer.nodes[: len(sphere_mesh.nodes)], sphere_mesh.nodes)


def test_a_few_are_halved_and_the_mesh_stays_conforming(sphere_mesh):
    chosen = np.flatnonzero(sphere_mesh.tags == 4)[::50]
    finer = sphere_mesh.refined(chosen)
    assert len(sphere_mesh.tets) < len(finer.tets) < 4 * len(sphere_mesh.tets)
    assert finer.quality().topology.faults == sphere_mesh.quality().topology.faults
    for tag, volume in volumes(sphere_mesh).items():
        assert volumes(finer)[tag] == pytest.approx(volume, rel=1e-12)
    # no edge of a chosen tetrahedron is left
    left = {tuple(edge) for edge in finer.edges.tolist()}
    halved = sphere_mesh.edges[sphere_mesh.tet_edges[chosen].ravel()]
    assert not any(tuple(edge) in left for edge in halved.tolist())
    mask = np.zeros(len(sphere_mesh.tets), bool)
    mask[chosen] = True
    assert np.array_equal(sphere_mesh.refined(mask).tets, finer.tets)


def test_shapes_do_not_get_worse_and_worse(sphere_mesh):
    """The same corner refined again and again."""
    mesh, point = sphere_mesh, np.array([0.0, 0.0, 0.07])
    thinnest = []
    for _ in range(6):
        distance = np.linalg.norm(mesh.centroids - point, axis=1)
        mesh = mesh.refined(np.argsort(distance)[:20])
        near = np.argsort(np.linalg.norm(mesh.centroids - point, axis=1))[:500]
        thinnest.append((mesh.volumes[near] / mesh.longest_edges[near] ** 3).min())
    assert min(thinnest) > 0.2 * thinnest[0], thinnest


def test_nothing_chosen_changes_nothing(sphere_mesh):
    assert np.array_equal(sphere_mesh.refined(np.zeros(0, int)).tets, sphere_mesh.tets)


@pytest.mark.parametrize("chosen", [[True], [-1], [10**9], [0.5], [[0, 1]]])
def test_what_does_not_choose_is_an_error(sphere_mesh, chosen):
    with pytest.raises(FemtmsError, match="chosen must be a mask"):
        sphere_mesh.refined(np.array(chosen))
