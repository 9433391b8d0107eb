"""Numbers that are valid in form and wrong in meaning: refused where absurd, said where odd, silent where possible."""

import logging

import nibabel
import numpy as np
import pytest

import femtms
from femtms import (
    Coil,
    FemtmsError,
    LayeredSphere,
    Pose,
    Simulator,
    load_coil,
    mesh_head,
    place,
    read_labels,
    read_mesh,
)
from femtms.coil.array import check_didt
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.sampled import SampledField
from femtms.coil.strength import check_strength
from femtms.plausible import HEAD
from femtms.samples import Samples

BALL = (np.arange(12**3).reshape(12, 12, 12) % 7 > -1).astype(np.uint8) * 5
BALL[[0, -1]] = BALL[:, [0, -1]] = BALL[:, :, [0, -1]] = 0


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), size_mm=25.0)


def volume(path, head_mm, origin=0.0):
    """A head of one tissue of this extent in mm."""
    affine = np.diag([head_mm / 10, head_mm / 10, head_mm / 10, 1.0])
    affine[0, 3] = origin
    nibabel.save(nibabel.Nifti1Image(BALL, affine), path)
    return path


def said(caplog, what):
    """Whether a warning with these words was logged; the log is empty afterwards."""
    words = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return any(what in word for word in words)


@pytest.mark.parametrize("head_mm", [14.0, 10.0, 45.0, 190.0, 260.0, 400.0])
def test_heads_of_people_and_of_mice_are_silent(head_mm, tmp_path, caplog):
    read_labels(volume(tmp_path / "a.nii", head_mm))
    assert not said(caplog, "unusual")


@pytest.mark.parametrize("head_mm, hint", [(19.0, "in cm"), (24.0, "in cm"), (900.0, "")])
def test_odd_heads_are_said(head_mm, hint, tmp_path, caplog):
    read_labels(volume(tmp_path / "a.nii", head_mm))
    assert said(caplog, "unusual" + (f" (is it {hint}?)" if hint else ""))


@pytest.mark.parametrize("head_mm, hint", [(0.19, r"in m\?"), (190e3, r"in µm\?"), (3800.0, "from 1 to 2500")])
def test_absurd_heads_are_refused_in_volumes_and_meshes(head_mm, hint, mesh, tmp_path):
    with pytest.raises(FemtmsError, match=hint):
        read_labels(volume(tmp_path / "a.nii", head_mm))
    import meshio

    raw = meshio.Mesh(mesh.nodes * head_mm / 0.184, [("tetra", mesh.tets)], cell_data={"tissue": [mesh.tags]})
    meshio.write(tmp_path / "a.vtu", raw)
    with pytest.raises(FemtmsError, match=hint):
        read_mesh(tmp_path / "a.vtu")


def test_a_head_beyond_the_horizon_is_refused(tmp_path):
    with pytest.raises(FemtmsError, match=r"distance of a head from the origin .*1e\+38 mm"):
        read_labels(volume(tmp_path / "a.nii", 190.0, 1e38))


@pytest.mark.parametrize("scale, hint", [(1e-3, "in m"), (1e3, "in µm")])
def test_the_unit_that_was_meant_is_named(scale, hint):
    with pytest.raises(FemtmsError, match=rf"must be in mm, from 1 to 2500; got .* \(is it {hint}\?\)"):
        HEAD.check(190 * scale)


def test_points_and_poses_in_metres_are_refused(mesh, tmp_path):
    in_metres = [[0.04, 0, 0.05], [-0.03, 0.01, 0.06]]
    field = Simulator(mesh, device="cpu").solve(load_coil("figure8-70mm"), place(mesh, (0, 0, 92), (0, 30, 80)))
    with pytest.raises(FemtmsError, match=r"points must be in mm.*in m\?"):
        field.at(in_metres)
    assert np.isfinite(field.at([[0, 0, 0]])).all() and np.isfinite(field.at([[0.04, 0, 0.05], [0, 30, 0]])).all()
    (tmp_path / "points.csv").write_text("".join(f"{x},{y},{z}\n" for x, y, z in in_metres))
    with pytest.raises(FemtmsError, match=r"points of points.csv must be in mm.*in m\?"):
        Samples.read([], tmp_path / "points.csv").placed(mesh)
    matrix = place(mesh, (0, 0, 92), (0, 30, 80)).matrix.copy()
    matrix[:3, 3] *= 1e-3
    with pytest.raises(FemtmsError, match=r"the centre of a pose must be in mm.*in m\?"):
        Simulator(mesh, device="cpu").solve(load_coil("figure8-70mm"), Pose(matrix))
    with pytest.raises(FemtmsError, match=r"'at' must be in mm.*in m\?"):
        place(mesh, (0, 0, 0.092), (0, 30, 80))
    mouse = mesh_head(LayeredSphere((6.0, 7.0)), size_mm=2.0)
    assert np.isfinite(field.mesh.locate(np.zeros((1, 3)))[1]).all()
    assert len(Samples.read([], tmp_path / "points.csv").placed(mouse).points.tets) == 2


def test_gap_in_metres_is_refused_and_a_large_one_said(mesh, caplog):
    with pytest.raises(FemtmsError, match=r"gap_mm.*got 0.004 mm \(is it in m\?\)"):
        place(mesh, (0, 0, 92), (0, 30, 80), 0.004)
    for gap, is_odd in ((0.0, False), (4.0, False), (40.0, False), (120.0, True)):
        place(mesh, (0, 0, 92), (0, 30, 80), gap)
        assert said(caplog, "gap_mm") == is_odd


@pytest.mark.parametrize("sigma", [1e300, 1e9, 1e-20])
def test_conductivities_that_nothing_has_are_refused(sigma, mesh):
    with pytest.raises(FemtmsError, match="tissue 'scalp': sigma must be in S/m, from 1e-15 to 1e\\+08"):
        Simulator(mesh, {"scalp": sigma}, device="cpu")
    with pytest.raises(FemtmsError, match="sigma must be in S/m"):
        Simulator(mesh, np.full(len(mesh.tets), 1e300), device="cpu")


def test_odd_conductivities_are_said_and_metal_is_silent(mesh, caplog):
    from femtms.conductivity.isotropic import sigma_by_tag

    for sigma, hint in ((465, " (is it in mS/m?)"), (30.0, " (is it in mS/m?)"), (1e-6, "")):
        Simulator(mesh, {"scalp": sigma}, device="cpu")
        assert said(caplog, f"tissue 'scalp': sigma is {sigma:.4g} S/m, which is unusual{hint}")
    Simulator(mesh, {"scalp": 0.3}, device="cpu")
    assert not said(caplog, "unusual")
    assert sigma_by_tag({100: 5.8e7})[100] == 5.8e7  # an electrode of copper


def test_rates_of_change_that_no_current_has_are_refused(mesh, caplog):
    coil, pose = load_coil("figure8-70mm"), place(mesh, (0, 0, 92), (0, 30, 80))
    sim = Simulator(mesh, device="cpu")
    for didt in (1e300, (1e6, -1e13)):
        with pytest.raises(FemtmsError, match="didt, the rate of change"):
            check_didt(didt)
    for didt, is_odd in ((67.0, True), (1e10, True), (1.0, False), (0.0, False), (1e6, False), (2e8, False)):
        caplog.clear()
        sim.solve(coil, pose, didt)
        assert said(caplog, "didt") == is_odd


def coil_of(*elements):
    return Coil("c", elements)


@pytest.mark.parametrize(
    "elements, words",
    [
        (Dipoles([[0, 0, 0]], [[0, 0, 0]]), "all its moments are zero"),
        (Currents([[0, 0, 0]] * 2, np.zeros((2, 3))), "all its moments are zero"),
        (SampledField(np.zeros((4, 4, 4, 3)), np.eye(4)), "all its moments are zero"),
        (Dipoles([[0, 0, 0]], [[0, 0, 1e300]]), "magnetic moment of the coil"),
        (Dipoles([[0, 0, 0]] * 9, [[0, 0, 1e160]] * 9), "magnetic moment of the coil"),
        (Dipoles([[0, 0, 0]], [[0, 0, 1e-40]]), "magnetic moment of the coil"),
        (Currents([[0, 0, 0]], [[1e12, 0, 0]]), "length of the coil's wires"),
        (Dipoles([[0, 0, 0], [60.0, 0, 0]], [[0, 0, 1e-3]] * 2), "extent of the coil must be in m.*in mm"),
    ],
    ids=["no moment", "no current", "no A", "1e300", "sum of 1e160", "1e-40", "a million km of wire", "in mm"],
)
def test_coils_that_are_none_are_refused(elements, words, mesh):
    with pytest.raises(FemtmsError, match=f"coil 'c': .*{words}"):
        check_strength(coil_of(elements))
    matrix = np.eye(4)
    matrix[:3, 3] = [0, 0, 400]
    with pytest.raises(FemtmsError, match=words):
        Simulator(mesh, device="cpu").solve(coil_of(elements), Pose(matrix))


def test_files_of_such_coils_are_refused(tmp_path):
    for moment, words in (("0 0 0", "all its moments are zero"), ("0 0 1e300", "must be in A·m²")):
        (tmp_path / "c.ccd").write_text(f"# x\n1\n# c\n0 0 -0.01 {moment}\n")
        with pytest.raises(FemtmsError, match=f"c.ccd: .*{words}"):
            femtms.load_coil(tmp_path / "c.ccd")


def test_a_weak_coil_is_said(mesh, caplog):
    coil = coil_of(Dipoles([[0, 0, 0]], [[0, 0, 1e-12]]))
    Simulator(mesh, device="cpu").solve(coil, place(mesh, (0, 0, 92), (0, 30, 80)))
    assert said(caplog, "the magnetic moment of the coil per ampere is 1e-12 A·m², which is unusual")


def test_one_silent_channel_of_a_coil_is_no_fault():
    check_strength(coil_of(Dipoles([[0, 0, 0]], [[0, 0, 0]]), Dipoles([[0.01, 0, 0]], [[0, 0, 1e-3]])))


def test_a_mesh_in_mm_is_refused(mesh):
    in_mm = femtms.TetMesh(1e3 * mesh.nodes, mesh.tets, mesh.tags)
    with pytest.raises(FemtmsError, match=r"a mesh must be in m; this one is 184 m across \(are its nodes in mm\?\)"):
        Simulator(in_mm, device="cpu")
