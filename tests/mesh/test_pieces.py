"""A mesh of one head: copies that overlap and pieces that share no nodes are found, wherever they are."""

import re

import meshio
import numpy as np
import pytest
from mesh.boxes import box, joined

from femtms import FemtmsError, LayeredSphere, mesh_head, read_mesh
from femtms.kernels.faces import face_neighbours
from femtms.mesh.pieces import check_pieces

SIZE = 30.0


def checked(*meshes):
    nodes, tets = joined(*meshes)
    tets = tets.astype(np.int32)
    return check_pieces(nodes, tets, np.ones(len(tets), np.int32), face_neighbours(tets, len(nodes))[0])


def block(cells=(4, 4, 4), size=SIZE, at=(0.0, 0, 0)):
    nodes, tets = box(cells, size)
    return nodes + at, tets


def turned(nodes, tets, degrees):
    """About the middle, so that no node, edge or face of a copy is in the place of another one."""
    a, b = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    middle = nodes.mean(axis=0)
    return (nodes - middle) @ [[a, -b, 0], [b, a, 0], [0, 0, 1]] + middle, tets


@pytest.fixture(scope="module")
def sphere():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), 20.0)


@pytest.mark.parametrize(
    "second",
    [
        block(at=(5.0, 0, 0)),
        block(at=(5.0, 3, -2)),
        block(at=(4 * SIZE - 1, 0, 0)),  # just into each other
        block((2, 2, 2), at=(31.0, 32, 33)),  # one inside the other
        block((1, 1, 1), 3.0, at=(40.0, 50, 55)),  # in the middle of it, smaller than its elements
        block((3, 3, 3), 4 * SIZE / 3),  # the same cube, cut in another way
        turned(*block(), 90),  # and with the same nodes
        turned(*block(), 10),
    ],
    ids=["beside", "askew", "touching", "inside", "in an element", "finer", "other diagonals", "turned"],
)
def test_copies_that_overlap_are_refused(second):
    for pair in ((block(), second), (second, block())):
        with pytest.raises(FemtmsError, match=r"must not overlap; .* at the surface .* share the point \(.*\) mm"):
            checked(*pair)


def test_sphere_and_its_copy_5_mm_away_are_refused(sphere, tmp_path):
    nodes, tets = joined((1e3 * sphere.nodes, sphere.tets), (1e3 * sphere.nodes + [5.0, 0, 0], sphere.tets))
    raw = meshio.Mesh(nodes, [("tetra", tets)], cell_data={"tissue": [np.tile(sphere.tags, 2)]})
    meshio.write(tmp_path / "twice.vtu", raw)
    with pytest.raises(FemtmsError, match=r"twice\.vtu: tetrahedra must not overlap"):
        read_mesh(tmp_path / "twice.vtu")


def test_mesh_that_is_folded_onto_itself_is_refused():
    """A bar that is bent so far that its ends lie in each other."""
    nodes, tets = box((40, 2, 2), SIZE)
    angle, radius = nodes[:, 0] / (40 * SIZE) * 2.1 * np.pi, 200 + nodes[:, 1]
    bent = np.column_stack([-radius * np.cos(angle), radius * np.sin(angle), nodes[:, 2]])
    tets = tets[:, [0, 1, 3, 2]] if np.linalg.det(np.diff(bent[tets[0]], axis=0)) < 0 else tets
    with pytest.raises(FemtmsError, match="must not overlap"):
        checked((bent, tets))
    almost = np.column_stack([-radius * np.cos(0.9 * angle), radius * np.sin(0.9 * angle), nodes[:, 2]])
    assert checked((almost, tets)) == ()


def test_whole_meshes_pass(sphere):
    neighbour = face_neighbours(sphere.tets, len(sphere.nodes))[0]
    assert check_pieces(1e3 * sphere.nodes, sphere.tets, sphere.tags, neighbour) == ()
    assert checked(block()) == () and checked(block((1, 1, 1))) == () and checked(block((20, 3, 1))) == ()
    rng = np.random.default_rng(0)
    nodes, tets = block((6, 6, 6))
    assert checked((nodes + rng.uniform(-0.1, 0.1, nodes.shape) * SIZE, tets)) == ()
    assert checked((nodes * [1e-3, 1, 1], tets)) == ()  # flat as a leaf
    assert checked(((nodes * 1e-3 + 200).astype(np.float32).astype(float), tets)) == ()


@pytest.mark.parametrize("away", [0.0, 1e-4, 10.0, 500.0])
def test_two_heads_are_refused(away):
    """Beside each other, or with faces in one place and no nodes in common: no current flows across either."""
    with pytest.raises(FemtmsError, match=r"must hang together; .* 2 pieces that share no face, .* L "):
        checked(block(), block((3, 4, 4), at=(4 * SIZE + away, 0, 0)))


def test_tissue_in_the_hole_of_another_must_share_its_nodes():
    nodes, tets = block((6, 6, 6))
    inside = (np.abs(nodes[tets].mean(axis=1) / SIZE - 3) < 2).all(axis=1)
    with pytest.raises(FemtmsError, match=r"join the nodes of tissues where they touch"):
        checked((nodes, tets[~inside]), (nodes, tets[inside]))
    with pytest.raises(FemtmsError, match=r"join the nodes of tissues where they touch"):
        checked((nodes, tets[~inside]), block((3, 3, 3), 4 * SIZE / 3, at=(SIZE, SIZE, SIZE)))


def test_small_piece_that_hangs_on_nothing_is_said():
    (note,) = checked(block(), block((1, 1, 1), at=(300.0, 0, 0)))
    assert note == "1 piece shares no face with the rest of the mesh (27 mL): no current flows between them"
    (note,) = checked(block(), block((1, 1, 1), at=(300.0, 0, 0)), block((1, 1, 1), 10.0, at=(4 * SIZE, 0, 0)))
    assert re.match(r"2 pieces share no face .* \(28 mL\)", note)


def test_a_tetrahedron_of_many_that_overlaps_is_a_note():
    nodes, _ = block(at=(100.0, 100, 100))
    splinter = nodes[0] + np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]]), np.array([[0, 1, 2, 3]])
    overlap, piece = checked(block((16, 16, 16)), splinter)
    assert overlap.startswith("tetrahedra overlap a little; 1 of 2,977 at the surface")
    assert piece.startswith("1 piece shares no face")
