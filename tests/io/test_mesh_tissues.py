"""Which tissue an element of a mesh file is: names of groups, arrays and maps, and nothing by guess."""

import meshio
import numpy as np
import pytest

from femtms import FemtmsError, LayeredSphere, mesh_head, read_mesh
from femtms.tissue import tissue_in

NAMES = {2: "gray matter", 3: "CSF", 4: "skull", 5: "scalp"}
OUTSIDE_IN = np.array([0, 0, 4, 3, 2, 1])  # femtms -> 1 scalp, 2 skull, 3 csf, 4 gm


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=25.0)


def msh(mesh, path, numbers, names, binary=True, volumes=None):
    """A Gmsh file with physical groups of these numbers (m,) and names, and surfaces of the same names."""
    field_data = {name: np.array([number, 3]) for number, name in names.items()}
    data = {"gmsh:physical": [numbers], "gmsh:geometrical": [numbers if volumes is None else volumes]}
    raw = meshio.Mesh(1e3 * mesh.nodes, [("tetra", mesh.tets)], cell_data=data, field_data=field_data)
    meshio.write(path, raw, file_format="gmsh22", binary=binary)
    text = path.read_bytes()
    lines = b"".join(
        b'2 %d "%s"\n' % (1000 + n, name.encode()) for n, name in names.items()
    )  # hides the volumes' names
    head, _, rest = text.partition(b"$PhysicalNames\n")
    if names:
        count, _, rest = rest.partition(b"\n")
        end = rest.index(b"$EndPhysicalNames")
        path.write_bytes(head + b"$PhysicalNames\n%d\n" % (2 * int(count)) + rest[:end] + lines + rest[end:])
    return path


@pytest.mark.parametrize("binary", [True, False])
def test_names_of_physical_groups_decide(mesh, tmp_path, binary):
    names = {OUTSIDE_IN[tag]: name for tag, name in NAMES.items()}
    read = read_mesh(msh(mesh, tmp_path / "a.msh", OUTSIDE_IN[mesh.tags], names, binary=binary))
    np.testing.assert_array_equal(read.tags, mesh.tags)


def test_the_sign_of_a_group_is_no_part_of_its_number(mesh, tmp_path):
    names = {OUTSIDE_IN[tag]: name for tag, name in NAMES.items()}
    path = msh(mesh, tmp_path / "a.msh", -OUTSIDE_IN[mesh.tags], names)
    np.testing.assert_array_equal(read_mesh(path).tags, mesh.tags)


def test_names_that_agree_or_say_nothing_leave_the_numbers(mesh, tmp_path):
    for names in (NAMES, {2: "Volume 1", 3: "region_2", 4: "", 5: "Physical 5"}, {}, {5: "skin"}):
        np.testing.assert_array_equal(read_mesh(msh(mesh, tmp_path / "a.msh", mesh.tags, names)).tags, mesh.tags)


@pytest.mark.parametrize(
    "numbers, names",
    [
        (OUTSIDE_IN, {1: "scalp", 2: "skull"}),  # 3 and 4 have no name among groups numbered otherwise
        (OUTSIDE_IN, {1: "scalp", 2: "skull", 3: "CSF", 4: "tumour"}),
        (np.arange(6), {3: "CSF", 4: "skull", 5: "scalp", 2: "tumour"}),  # 2 is gm here, and no tumour
    ],
    ids=["some without a name", "unknown name", "a name against its number"],
)
def test_names_that_contradict_the_numbers_are_refused(mesh, tmp_path, numbers, names):
    path = msh(mesh, tmp_path / "a.msh", np.asarray(numbers)[mesh.tags], names)
    with pytest.raises(FemtmsError, match=r"a.msh: the names of the physical groups must .*--labels"):
        read_mesh(path)
    labels = {1: "scalp", 2: "bone", 3: "csf", 4: "gm"} if numbers is OUTSIDE_IN else {n: n for n in range(2, 6)}
    np.testing.assert_array_equal(read_mesh(path, labels).tags, mesh.tags)


def test_numbers_beyond_the_table_keep_their_group(mesh, tmp_path):
    numbers = np.where(mesh.tags == 2, 4, np.where(mesh.tags == 3, 200, OUTSIDE_IN[mesh.tags]))
    path = msh(mesh, tmp_path / "a.msh", numbers, {1: "skin", 2: "bone", 4: "brain", 200: "electrode gel"})
    np.testing.assert_array_equal(read_mesh(path).tags, np.where(mesh.tags == 3, 200, mesh.tags))


def test_groups_of_air_are_left_out(mesh, tmp_path):
    path = msh(mesh, tmp_path / "a.msh", OUTSIDE_IN[mesh.tags], {1: "scalp", 2: "bone", 3: "CSF", 4: "air"})
    read = read_mesh(path)
    assert read.tissues.tolist() == [3, 4, 5] and len(read.tets) == np.count_nonzero(mesh.tags != 2)
    assert "are air and were left out" in read.notes[0]


GROUPS_41 = """$MeshFormat
4.1 0 8
$EndMeshFormat
$PhysicalNames
2
3 1 "{first}"
3 2 "{second}"
$EndPhysicalNames
$Entities
0 0 0 1
7 0 0 0 90 90 90 {groups} 0
$EndEntities
$Nodes
1 4 1 4
3 7 0 4
1
2
3
4
0 0 0
90 0 0
0 90 0
0 0 90
$EndNodes
$Elements
1 1 1 1
3 7 4 1
1 1 2 3 4
$EndElements
"""


def test_names_of_version_41_decide(tmp_path):
    path = tmp_path / "a.msh"
    path.write_text(GROUPS_41.format(first="Scalp", second="Skull", groups="1 1"))
    assert read_mesh(path).tags.tolist() == [5]


def test_an_element_of_several_groups_is_refused(tmp_path):
    path = tmp_path / "a.msh"
    path.write_text(GROUPS_41.format(first="Scalp", second="Skull", groups="2 1 2"))
    with pytest.raises(FemtmsError, match=r"one physical group.*volume 7 is in 2: 1 'Scalp', 2 'Skull'"):
        read_mesh(path)
    assert read_mesh(path, {7: "scalp"}, tissue_array="gmsh:geometrical").tags.tolist() == [5]


def vtu(mesh, path, **arrays):
    raw = meshio.Mesh(1e3 * mesh.nodes, [("tetra", mesh.tets)], cell_data={n: [v] for n, v in arrays.items()})
    meshio.write(path, raw)
    return path


@pytest.mark.parametrize("name", ["tissue", "Tissue", "LABEL", "Material", "reGion"])
def test_names_of_arrays_match_whatever_their_case(mesh, tmp_path, name):
    read = read_mesh(vtu(mesh, tmp_path / "a.vtu", **{name: mesh.tags, "rank": np.ones(len(mesh.tags), int)}))
    np.testing.assert_array_equal(read.tags, mesh.tags)
    assert read.tissue_array == name


@pytest.mark.parametrize("name", ["cell_ids", "rank", "partition", "GlobalElementId", "my numbers"])
def test_no_array_is_taken_by_guess(mesh, tmp_path, name):
    path = vtu(mesh, tmp_path / "a.vtu", **{name: mesh.tags})
    with pytest.raises(FemtmsError, match=rf"a.vtu: .*'{name}' \(2 to 5\).*--tissue-array"):
        read_mesh(path)
    np.testing.assert_array_equal(read_mesh(path, tissue_array=name.upper()).tags, mesh.tags)


@pytest.mark.parametrize(
    "name, tissue",
    {
        "Scalp_vol": 5, "GreyMatter": 2, "white matter (left)": 1, "Skull compacta": 7, "Outer skin": 5,
        "tissue_3_csf": 3,
        "air_internal": 0, "Brain WM": 1, "brain": 2, "Brain-Stem": 1, "soft tissues": 5, "cerebrospinalfluid": 3,
        "sagittal sinus": 9, "eyes": 6, "Non-brain": None, "scalp electrode": None, "under the skin": None,
        "cranial cavity": None, "tumour": None, "core": None, "Volume 3": None, "skull/csf": None,
    }.items(),
)  # fmt: skip
def test_what_names_say(name, tissue):
    assert tissue_in(name) == tissue


def test_names_of_groups_without_elements_are_refused(mesh, tmp_path):
    nobody = np.zeros(len(mesh.tets), int)
    path = msh(mesh, tmp_path / "a.msh", nobody, {1: "Scalp", 2: "Skull"}, volumes=OUTSIDE_IN[mesh.tags])
    with pytest.raises(FemtmsError, match=r"must be in the physical groups whose names say tissues.*--labels"):
        read_mesh(path)


MIXED_UP = [{2: "WM", 3: "CSF", 4: "Skull", 5: "GM"}, {2: "GM", 3: "CSF", 4: "Scalp", 5: "Skull"}]


@pytest.mark.parametrize("names", MIXED_UP, ids=["gm outside", "scalp in the skull"])
def test_names_that_make_no_head_are_refused(mesh, tmp_path, names):
    with pytest.raises(FemtmsError, match="in the order of a head"):
        read_mesh(msh(mesh, tmp_path / "a.msh", mesh.tags, names))


def test_foreign_names_leave_the_numbers_with_a_word(mesh, tmp_path, caplog):
    names = {2: "Graue Substanz", 3: "Liquor", 4: "Knochen", 5: "Haut"}
    np.testing.assert_array_equal(read_mesh(msh(mesh, tmp_path / "a.msh", mesh.tags, names)).tags, mesh.tags)
    assert "some physical groups say no tissue; their numbers count: 2 'Graue Substanz'" in caplog.text


def test_a_wrong_preset_is_refused_and_a_map_of_ones_own_told(mesh, tmp_path, caplog):
    path = vtu(mesh, tmp_path / "a.vtu", tissue=OUTSIDE_IN[mesh.tags])
    with pytest.raises(FemtmsError, match="in the order of a head"):
        read_mesh(path, "spm")
    read_mesh(path, {1: 2, 2: 1, 3: 3, 4: 4})
    assert "the order of the tissues is not that of a head" in caplog.text


def test_a_constant_array_says_nothing(mesh, tmp_path):
    path = vtu(mesh, tmp_path / "a.vtu", tissue=mesh.tags, material=np.ones(len(mesh.tets), int))
    np.testing.assert_array_equal(read_mesh(path).tags, mesh.tags)


def test_arrays_that_contradict_each_other_are_listed(mesh, tmp_path):
    path = vtu(mesh, tmp_path / "a.vtu", Tissue=mesh.tags, label=OUTSIDE_IN[mesh.tags])
    with pytest.raises(FemtmsError, match=r"'Tissue', 'label' say different things.*--tissue-array"):
        read_mesh(path)
    for array, labels in (("tissue", None), ("label", "brain2mesh")):
        np.testing.assert_array_equal(read_mesh(path, labels, array).tags, mesh.tags)
    same = vtu(mesh, tmp_path / "b.vtu", tissue=mesh.tags, label=mesh.tags.astype(float))
    np.testing.assert_array_equal(read_mesh(same).tags, mesh.tags)


def test_an_array_that_is_not_there_or_has_no_tissues_is_refused(mesh, tmp_path):
    path = vtu(mesh, tmp_path / "a.vtu", tissue=mesh.tags, magnE=mesh.tags + 0.25, ids=np.arange(1, len(mesh.tags) + 1))
    for array, words in (("tisue", "did you mean 'tissue'"), ("magnE", "whole number"), ("ids", "at most 60 tissues")):
        with pytest.raises(FemtmsError, match=words):
            read_mesh(path, tissue_array=array)


@pytest.mark.parametrize(
    "labels", ["brain2mesh", {1: "scalp", 2: "bone", 3: "csf", "*": "gm"}], ids=["preset", "mapping"]
)
def test_maps_are_for_meshes_too(mesh, tmp_path, labels):
    path = vtu(mesh, tmp_path / "a.vtu", tissue=OUTSIDE_IN[mesh.tags])
    np.testing.assert_array_equal(read_mesh(path, labels).tags, mesh.tags)
    with pytest.raises(FemtmsError, match=r"must name every label of the mesh.*4 \("):
        read_mesh(path, {1: "scalp", 2: "bone", 3: "csf"})
