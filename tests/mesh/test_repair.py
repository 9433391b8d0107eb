"""Meshes of other programs: what can be put right is, in one sentence; what cannot is refused."""

import logging

import meshio
import numpy as np
import pytest
from mesh.boxes import REGULAR, box, joined

from femtms import FemtmsError, LayeredSphere, mesh_head, read_mesh
from femtms.mesh.repair import repaired
from femtms.mesh.shape import tet_shapes

CUBE_MM = 30.0


@pytest.fixture
def block():
    """Nodes (n,3) in mm, tets (m,4) and tags (m,) of two tissues."""
    nodes, tets = box((3, 3, 3), CUBE_MM)
    return nodes, tets, 1 + (nodes[tets].mean(axis=1)[:, 2] > CUBE_MM)


def same_tets(nodes, tets, other_nodes, other_tets):
    """Whether two meshes have the same tetrahedra in the same order, whatever their nodes are called."""
    places = [np.sort((n @ [1.0, 1e3, 1e6])[t], axis=1) for n, t in ((nodes, tets), (other_nodes, other_tets))]
    return places[0].shape == places[1].shape and np.allclose(*places, rtol=1e-6)


def test_tidy_mesh_comes_back_as_it_was(block):
    nodes, tets, tags, notes = repaired(*block)
    for found, given in zip((nodes, tets, tags), block):
        np.testing.assert_array_equal(found, given)
    assert notes == ()


@pytest.mark.parametrize("count", [1, 12, 162])
def test_inverted_tetrahedra_are_turned(block, count):
    nodes, tets, tags = block
    wrong = tets.copy()
    wrong[:count] = wrong[:count][:, [1, 0, 2, 3]]
    found_nodes, found, found_tags, notes = repaired(nodes, wrong, tags)
    assert (tet_shapes(found_nodes, found).volume > 0).all()
    assert same_tets(nodes, tets, found_nodes, found)
    np.testing.assert_array_equal(found_tags, tags)
    what = "tetrahedron" if count == 1 else "tetrahedra"
    assert notes == (f"turned {count} {what} the right way round",)


@pytest.mark.parametrize("apart", [0.0, 1e-8])
def test_duplicate_nodes_are_merged(block, apart):
    nodes, tets, tags = block
    lower, upper = tets[tags == 1], tets[tags == 2]
    split = np.concatenate([nodes, nodes + apart])
    found_nodes, found, _, notes = repaired(split, np.concatenate([lower, upper + len(nodes)]), np.sort(tags))
    assert len(found_nodes) == len(nodes)
    assert same_tets(nodes, np.concatenate([lower, upper]), found_nodes, found)
    assert notes == ("merged 16 duplicate nodes, dropped 48 unused nodes",)


def test_nodes_a_little_apart_are_not_merged(block):
    nodes, tets, tags = block
    far = nodes + [1000, 0, 0]
    found, _, _, notes = repaired(*joined((nodes, tets), (far, tets)), np.concatenate([tags, tags]))
    assert len(found) == 2 * len(nodes) and notes == ()
    crack = nodes + [3 * CUBE_MM + 1e-4, 0, 0]
    found, _, _, notes = repaired(*joined((nodes, tets), (crack, tets)), np.concatenate([tags, tags]))
    assert len(found) == 2 * len(nodes) and notes == ()


def test_merging_never_collapses_a_tetrahedron():
    needle = np.array([[0, 0, 0], [1e-9, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    far = REGULAR + 20
    nodes, tets = joined((needle, np.array([[0, 1, 2, 3]])), (far, np.array([[0, 1, 2, 3]])))
    found_nodes, found, _, notes = repaired(nodes, tets, np.array([1, 1]))
    assert len(found_nodes) == 8 and notes == ()
    np.testing.assert_array_equal(found, tets)


def test_duplicate_tetrahedra_are_dropped_once_and_in_any_order_of_nodes(block):
    nodes, tets, tags = block
    again = np.concatenate([tets, tets[[5, 9]][:, [1, 2, 0, 3]], tets[[5]][:, [1, 0, 2, 3]]])
    _, found, found_tags, notes = repaired(nodes, again, np.concatenate([tags, tags[[5, 9, 5]]]))
    np.testing.assert_array_equal(found, tets)
    np.testing.assert_array_equal(found_tags, tags)
    assert notes == ("turned 1 tetrahedron the right way round, dropped 3 duplicate tetrahedra",)


def test_two_tissues_in_one_place_are_refused_even_with_nodes_of_their_own(block):
    nodes, tets, tags = block
    tets, tags = np.concatenate([tets, tets[7:8]]), np.append(tags, 9)
    with pytest.raises(FemtmsError, match=r"1 has the same nodes .* tet 7 of tissue 2 and tet 162 of tissue 9"):
        repaired(nodes, tets, tags)
    tets[-1] += len(nodes)
    with pytest.raises(FemtmsError, match="tissue 9"):
        repaired(np.concatenate([nodes, nodes]), tets, tags)


def test_face_of_three_tetrahedra_is_refused(block):
    nodes, tets, tags = block
    apex = nodes[tets[40]].mean(axis=0)
    nodes = np.concatenate([nodes, [apex]])
    with pytest.raises(FemtmsError, match=r"at most two tetrahedra; [1-3] belong"):
        repaired(nodes, np.concatenate([tets, [[*tets[40, :3], len(nodes) - 1]]]), np.append(tags, 1))


def test_node_pushed_through_its_neighbours_is_refused_and_not_turned(block):
    nodes, tets, tags = block
    inner = np.flatnonzero((nodes == CUBE_MM).all(axis=1))[0]
    nodes[inner] += 1.7 * CUBE_MM
    assert (tet_shapes(nodes, tets).volume < 0).any()
    with pytest.raises(FemtmsError, match=r"overlap; .* on the same side"):
        repaired(nodes, tets, tags)


def test_flat_tetrahedron_is_refused():
    nodes = np.array([[0, 0, 0], [50, 0, 0], [0, 50, 0], [50, 50, 0.0]])
    with pytest.raises(FemtmsError, match=r"1 of 1 have not: tet 0 at \(25.0, 25.0, 0.0\) mm is flat"):
        repaired(nodes, np.array([[0, 1, 2, 3]]), np.array([1]))


def test_file_is_repaired_on_reading_and_says_so_once(tmp_path, caplog):
    mesh = mesh_head(LayeredSphere((60, 70, 81, 92)), 20.0)
    tets = mesh.tets.copy()
    tets[::5] = tets[::5][:, [0, 2, 1, 3]]
    nodes = np.concatenate([[[7.0, 8, 9]], 1e3 * mesh.nodes])
    raw = meshio.Mesh(nodes, [("tetra", tets + 1)], cell_data={"tissue": [mesh.tags]})
    meshio.write(tmp_path / "untidy.vtu", raw)
    with caplog.at_level(logging.WARNING, logger="femtms"):
        found = read_mesh(tmp_path / "untidy.vtu")
    turned = len(tets[::5])
    assert found.notes == (f"turned {turned:,} tetrahedra the right way round, dropped 1 unused node",)
    assert [r.getMessage() for r in caplog.records] == [f"untidy.vtu: {found.notes[0]}"]
    np.testing.assert_allclose(found.nodes, mesh.nodes, rtol=1e-12)
    np.testing.assert_allclose(found.volumes, mesh.volumes, rtol=1e-9)
    np.testing.assert_array_equal(found.tags, mesh.tags)
