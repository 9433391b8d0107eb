"""Wrong arguments of public functions end in one sentence that says what must be and what came."""

import numpy as np
import pytest

import femtms
from femtms import FemtmsError, LayeredSphere, Simulator, load_coil, mesh_head, place


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    mesh = mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=25.0)
    coil, pose = load_coil("figure8-70mm"), place(mesh, (0, 0, 92), (0, 50, 80))
    file = tmp_path_factory.mktemp("mesh") / "a.msh"
    femtms.write_mesh(mesh, file)
    return {"mesh": mesh, "file": file, "coil": coil, "pose": pose, "sim": Simulator(mesh, device="cpu")}


CALLS = {
    "Simulator of a name": (lambda t: Simulator("colin27"), "mesh must be a femtms.TetMesh.*read_mesh.*'colin27'"),
    "Simulator of a sphere": (lambda t: Simulator(LayeredSphere()), "mesh must be a femtms.TetMesh.*LayeredSphere"),
    "solve with a name": (lambda t: t["sim"].solve("figure8-70mm", t["pose"]), "coil must be a femtms.Coil.*load_coil"),
    "solve the wrong way round": (
        lambda t: t["sim"].solve(t["pose"], t["coil"]),
        r"got Pose \(was it given as",
    ),
    "solve without a pose": (lambda t: t["sim"].solve(t["coil"], None), "poses must be .*femtms.Pose.*NoneType"),
    "solve with a matrix": (lambda t: t["sim"].solve(t["coil"], np.eye(4)), "a pose must be a femtms.Pose"),
    "sweep of one pose": (lambda t: list(t["sim"].sweep(t["coil"], t["pose"])), "several femtms.Pose; got Pose"),
    "place the wrong way round": (
        lambda t: place("C3", t["mesh"], "CP3"),
        r"mesh must .*got 'C3' \(was it given",
    ),
    "place nowhere": (lambda t: place(t["mesh"], None, None), "'at' must be an electrode name or three"),
    "place at a mapping": (lambda t: place(t["mesh"], {"x": 1}, "Cz"), "'at' must be an electrode name or three"),
    "clearance of a name": (lambda t: femtms.clearance(t["mesh"], "C-B60", t["pose"]), "coil must be a femtms.Coil"),
    "raised without a mesh": (
        lambda t: femtms.raised(None, t["coil"], t["pose"], 4.0),
        "mesh must be a femtms.TetMesh",
    ),
    "a head of a mesh": (
        lambda t: femtms.load_head(t["mesh"]),
        "a head must be a built-in name or a file; got TetMesh",
    ),
    "a coil of a coil": (lambda t: load_coil(t["coil"]), "a coil must be a name in the catalogue or a file; got Coil"),
    "a mesh of a name": (lambda t: mesh_head("colin27"), "a head must be a LabelVolume"),
    "a file of a mesh": (
        lambda t: femtms.read_mesh(t["mesh"]),
        "the path of a file must be text or a Path; got TetMesh",
    ),
    "write a coil as a mesh": (lambda t: femtms.write_mesh(t["coil"], "/tmp/x.msh"), "mesh must be a femtms.TetMesh"),
    "write a mesh as a coil": (lambda t: femtms.write_coil(t["mesh"], "x.ccd"), "femtms.Coil or a femtms.CoilModel"),
    "place at a gap in words": (lambda t: place(t["mesh"], (0, 0, 92), (0, 50, 80), "4"), "gap_mm must be finite"),
    "an array by its number": (lambda t: femtms.read_mesh(t["file"], tissue_array=3), "tissue_array must be the name"),
    "superposed without didt": (lambda t: femtms.superposed([(t["coil"], t["pose"])]), "its didt in A/s"),
    "quality against a name": (lambda t: t["mesh"].quality("colin27"), "femtms.LabelVolume or None.*'colin27'"),
}


@pytest.mark.parametrize("call, words", CALLS.values(), ids=CALLS)
def test_one_sentence(call, words, things):
    with pytest.raises(FemtmsError, match=words):
        call(things)


def test_right_arguments_pass_by_name_and_by_place(things):
    by_name = things["sim"].solve(poses=things["pose"], coil=things["coil"])
    np.testing.assert_array_equal(things["sim"].solve(things["coil"], things["pose"]).E, by_name.E)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda t: place(mesh_head(femtms.load_head("sphere"), 25.0), "C33", "Cz"), "did you mean 'C3'"),
        (lambda t: load_coil("figure-8-70mm"), "did you mean 'figure8-70mm'"),
        (lambda t: femtms.load_head("colin"), "did you mean 'colin27'"),
        (lambda t: Simulator(t["mesh"], {"skul": 0.01}), "did you mean 'skull'"),
        (lambda t: femtms.read_labels("x.nii", "simnib"), "did you mean 'simnibs'"),
    ],
    ids=["electrode", "coil", "head", "tissue", "label map"],
)
def test_names_have_the_same_hints(call, words, things):
    with pytest.raises(FemtmsError, match=words):
        call(things)


def test_what_is_missing_python_says_with_the_name(things):
    with pytest.raises(TypeError, match="posee"):
        things["sim"].solve(coil=things["coil"], posee=things["pose"])
