"""Fields as accurate as asked for."""

import json
import logging

import numpy as np
import pytest

from femtms import FemtmsError, LayeredSphere, mesh_head, solve_within
from femtms.reference.sphere import dipoles_field_in_sphere
from femtms.stage import silent
from femtms.within import check_tolerance


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((78.0, 92.0), (2, 5)), 12.0)


def true_error(field, coil, pose):
    posed, own = coil.moved(pose), field.mesh.tags == 2
    exact = dipoles_field_in_sphere(field.mesh.centroids[own], posed.positions, 1e6 * posed.elements[0].vectors)
    weight = field.mesh.volumes[own][:, None]
    return np.sqrt((weight * (field.E[own] - exact) ** 2).sum() / (weight * exact**2).sum())


def test_linear_elements_are_kept_where_they_are_enough(mesh, dipole_coil, vertex_pose):
    within = solve_within(0.2, mesh, dipole_coil, vertex_pose, device="cpu")
    assert [attempt.order for attempt in within.attempts] == [1]
    assert within.reached and within.field.mesh is mesh and within.field.order == 1


def test_quadratic_elements_come_next(mesh, dipole_coil, vertex_pose):
    within = solve_within(0.02, mesh, dipole_coil, vertex_pose, device="cpu")
    assert [attempt.order for attempt in within.attempts] == [1, 2]
    assert within.reached and within.field.mesh is mesh and within.field.order == 2
    assert within.attempts[0].error > 0.02 >= within.attempts[1].error
    assert true_error(within.field, dipole_coil, vertex_pose) < 0.02
    assert within.attempts[0].error > within.hierarchical > 0.5 * within.attempts[0].error  # at centroids it is less


def test_then_the_mesh_is_refined_where_the_error_is(mesh, dipole_coil, vertex_pose):
    tolerance = 0.002
    within = solve_within(tolerance, mesh, dipole_coil, vertex_pose, order=2, device="cpu")
    errors, sizes = ([getattr(a, name) for a in within.attempts] for name in ("error", "tets"))
    assert len(errors) > 1 and errors[0] > tolerance >= errors[-1] and within.reached
    assert sizes == sorted(sizes) and sizes[-1] < 8 * sizes[0]  # cheaper than to halve everything
    # near the coil, where E is strong
    high = within.field.mesh.centroids[:, 2] > 0.05
    assert np.mean(high) > 1.5 * np.mean(mesh.centroids[:, 2] > 0.05)
    assert within.field.relative_error("gm") == errors[-1]


def test_what_is_out_of_reach_is_said(mesh, dipole_coil, vertex_pose, caplog, monkeypatch):
    monkeypatch.setattr("femtms.within.available_memory", lambda: 10 * 2**20)
    with caplog.at_level(logging.WARNING, logger="femtms"):
        within = solve_within(1e-5, mesh, dipole_coil, vertex_pose, order=2, device="cpu")
    assert not within.reached and len(within.attempts) == 1
    assert "more than the memory is likely to have room for" in caplog.text
    assert "tolerance of 0.001 % in gm is not reached" in caplog.text


def test_a_field_is_not_lost_when_memory_ends(mesh, dipole_coil, vertex_pose, caplog, monkeypatch):
    from femtms import within as module

    first = len(mesh.tets)

    class Limited(module.Simulator):
        def __init__(self, mesh, *arguments, **options):
            if len(mesh.tets) > first:
                raise MemoryError("no more")
            super().__init__(mesh, *arguments, **options)

    monkeypatch.setattr(module, "Simulator", Limited)
    within = solve_within(1e-5, mesh, dipole_coil, vertex_pose, order=2, device="cpu")
    assert not within.reached and within.field.mesh is mesh and len(within.attempts) == 1
    assert "more than there was memory for (no more)" in caplog.text


def test_conductivity_of_one_mesh_alone_is_refused(mesh, dipole_coil, vertex_pose):
    with pytest.raises(FemtmsError, match="conductivity must be for any mesh"):
        solve_within(0.1, mesh, dipole_coil, vertex_pose, conductivity=np.ones(len(mesh.tets)))


def test_conductivity_may_be_made_for_each_mesh(mesh, dipole_coil, vertex_pose):
    seen = []

    def sigma(mesh):
        seen.append(len(mesh.tets))
        return np.full(len(mesh.tets), 0.3)

    within = solve_within(0.001, mesh, dipole_coil, vertex_pose, conductivity=sigma, order=2, device="cpu")
    assert seen == [attempt.tets for attempt in within.attempts]


@pytest.mark.parametrize("tolerance", [0, 1, -0.1, float("nan"), 2, "2%", None, True])
def test_tolerances_are_shares(tolerance):
    with pytest.raises(FemtmsError, match="tolerance must be a share between 0 and 1"):
        check_tolerance(tolerance)


def test_a_head_without_the_tissue_is_an_error(dipole_coil, vertex_pose):
    scalp = mesh_head(LayeredSphere((92.0,), (5,)), 25.0)
    with pytest.raises(FemtmsError, match="it has scalp, not 'gm'"):
        solve_within(0.1, scalp, dipole_coil, vertex_pose)


def test_a_job_on_such_a_head_is_refused_before_it_meshes(tmp_path):
    from femtms.simulate import simulate

    def never(name):
        assert not name.startswith("mesh"), name
        return silent(name)

    scalp = LayeredSphere((92.0,), (5,))
    with pytest.raises(FemtmsError, match="is for grey matter, which the head must have; it has scalp"):
        simulate(scalp, "figure8-70mm", tmp_path / "out", at="C3", towards="CP3", tolerance=0.1, stage=never)
    assert not (tmp_path / "out").exists()


def test_on_the_command_line(tmp_path, capsys, monkeypatch):
    from femtms.cli.main import main

    place = ["--coil", "figure8-70mm", "--at=0,0,92", "--towards=0,-40,80", "--device", "cpu", "--radii", "78,92"]
    monkeypatch.setattr("sys.argv", ["femtms", "simulate", "sphere", *place, "--size", "14", "--tolerance", "2%"]
                        + ["-o", str(tmp_path / "out")])  # fmt: skip
    main()
    printed = capsys.readouterr().out
    assert "tolerance 2 % reached: order 1, " in printed and "; order 2, " in printed
    assert "estimated error of E in gm: " in printed and "(quadratic elements)" in printed
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["within"]["reached"] and summary["solver"]["order"] == 2
    assert summary["tissues"]["gm"]["error"] == summary["within"]["attempts"][-1]["error"] <= 0.02


@pytest.mark.parametrize(
    "options, words",
    [
        (["--tolerance", "much"], "--tolerance must be a share such as 2% or 0.02; got 'much'"),
        (["--tolerance", "200%"], "tolerance must be a share between 0 and 1"),
        (["--tolerance", "2%", "--recovery", "spr"], "the tolerance is for raw fields"),
        (["--recovery", "magic"], "recovery must be one of raw, harmonic, spr; got 'magic'"),
        (["--order", "3"], "order must be 1 (linear elements) or 2 (quadratic); got 3"),
    ],
)
def test_bad_wishes_are_refused_in_one_sentence(tmp_path, capsys, monkeypatch, options, words):
    from femtms.cli.main import main

    place = ["--coil", "figure8-70mm", "--at", "C3", "--towards", "CP3", "-o", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["femtms", "simulate", "sphere", *place, *options])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 2
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1
    assert not (tmp_path / "out").exists()
