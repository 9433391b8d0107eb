"""Commands as functions, one default for each thing, and what a job says before it begins."""

import inspect
import logging
import pickle
import sys

import numpy as np
import pytest

import femtms
from femtms import LayeredSphere, mesh_head
from femtms.costs import announce
from femtms.mesh.sizes import DEFAULT_SIZE_MM
from femtms.stage import told
from femtms.study.design import StudyOption


@pytest.mark.parametrize("name", ["compare", "simulate", "sweep"])
def test_a_job_is_a_function_and_the_module_of_its_name(name):
    job = getattr(femtms, name)
    function = getattr(job, name)
    assert inspect.signature(job) == inspect.signature(function)
    assert job.__doc__ == function.__doc__ and sys.modules[f"femtms.{name}"] is job
    with pytest.raises(TypeError, match="missing"):
        job()
    assert pickle.loads(pickle.dumps(job)) is job


def test_run_study_is_at_the_top_level():
    from femtms.batch.run import run_study

    assert femtms.run_study is run_study
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        femtms.nothing  # noqa: B018


def test_all_jobs_have_one_default_size():
    sizes = [inspect.signature(job).parameters["size_mm"].default for job in (femtms.sweep, femtms.compare, mesh_head)]
    assert sizes == [DEFAULT_SIZE_MM] * 3 and StudyOption("").size_mm == DEFAULT_SIZE_MM
    assert inspect.signature(femtms.simulate).parameters["size_mm"].default is None


def test_the_command_line_has_the_defaults_of_python():
    from typer.main import get_command

    from femtms.cli.main import app

    for name in ("sweep", "compare", "mesh", "surface"):
        size = next(option for option in get_command(app).commands[name].params if option.name == "size")
        assert float(size.default) == DEFAULT_SIZE_MM


def test_a_job_says_what_it_takes_near_the_truth(caplog):
    head = LayeredSphere((66.0, 92.0))
    with caplog.at_level(logging.INFO, "femtms"):
        announce(head, "ball", 8.0, 1, 3, 1e6)
    said = caplog.messages[0]
    tets = float(said.split("about ")[1].split(" tetrahedra")[0].replace(",", ""))
    assert tets == pytest.approx(len(mesh_head(head, 8.0).tets), rel=0.4)
    assert "GB of memory" in said and "s on two cores" in said and "MB of files" in said


def test_more_memory_than_there_is_is_a_warning(caplog, monkeypatch):
    monkeypatch.setattr("femtms.costs.available_memory", lambda: 2**20)
    announce(LayeredSphere((92.0,), (5,)), "ball", 2.0, 2)
    assert "more memory than the 0.0010 GB that are there" in caplog.messages[-1]


def test_a_long_stage_is_named_and_a_short_one_is_not(caplog, monkeypatch):
    import threading

    seen = threading.Event()
    monkeypatch.setattr("femtms.stage._tell", lambda name: seen.set())
    monkeypatch.setattr("femtms.stage._PATIENCE_S", 0.01)
    with told("meshing"):
        assert seen.wait(600)
    monkeypatch.setattr("femtms.stage._PATIENCE_S", 600)
    seen.clear()
    with told("meshing"):
        pass
    assert not seen.is_set()


@pytest.mark.parametrize("listens", [True, False])
def test_a_stage_is_told_in_the_log_or_at_a_prompt(caplog, capsys, monkeypatch, listens):
    from femtms.stage import _tell

    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    with caplog.at_level(logging.INFO if listens else logging.WARNING, "femtms"):
        _tell("meshing")
    assert (caplog.messages == ["meshing …"]) == listens
    assert ("femtms: meshing …" in capsys.readouterr().err) != listens


def test_the_gap_is_that_of_the_nearest_point(sphere_mesh):
    for name in ("figure8-70mm", "double-cone", "circular-90mm"):
        coil = femtms.load_coil(name)
        pose = femtms.place(sphere_mesh, "C3", "Cz", 5, coil)
        assert femtms.clearance(sphere_mesh, coil, pose).mm == pytest.approx(5, abs=0.01)
        origin = femtms.place(sphere_mesh, "C3", "Cz", 5)
        np.testing.assert_allclose(pose.rotation, origin.rotation)
        # wings keep the centre away; a ring lets the head come in
        farther = np.linalg.norm(pose.centre) > np.linalg.norm(origin.centre)
        assert farther == (name != "circular-90mm")
