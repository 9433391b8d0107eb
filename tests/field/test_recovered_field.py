"""Recovered fields and estimated errors, as Simulator, Field and sweeps have them."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from kernels.host_cuda import host_cuda
from physics.lagrange import quadrature

from femtms import FemtmsError, LayeredSphere, Simulator, mesh_head, place
from femtms.tissue import name_of


@pytest.fixture(scope="module")
def mesh():
    return mesh_head(LayeredSphere((60, 70, 81, 92)), 18.0)


@pytest.fixture(scope="module")
def poses(mesh):
    return [place(mesh, "C3", "CP3", gap_mm=8), place(mesh, "Oz", "POz", gap_mm=30), place(mesh, "Cz", "Pz", gap_mm=9)]


@pytest.fixture(scope="module")
def raw(mesh, dipole_coil, poses):
    """Order -> fields of a raw Simulator."""
    return {order: Simulator(mesh, order=order, device="cpu").solve(dipole_coil, poses) for order in (1, 2)}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("method", ["harmonic", "spr"])
def test_a_simulator_recovers_what_fields_do(mesh, dipole_coil, poses, raw, order, method):
    sim = Simulator(mesh, order=order, device="cpu", recovery=method)
    assert sim.recovery == method
    for field, own in zip(sim.solve(dipole_coil, poses), raw[order], strict=True):
        assert (field.recovery, own.recovery) == (method, "raw")
        np.testing.assert_array_equal(field.potential, own.potential)
        np.testing.assert_allclose(field.E, own.recovered(method).E, atol=1e-12 * own.magnE.max())
        assert np.abs(field.E - own.E).max() > 1e-3 * own.magnE.max()


def test_a_recovered_field_does_not_know_its_block(mesh, dipole_coil, poses):
    sim = Simulator(mesh, device="cpu", recovery="harmonic")
    for pose, field in zip(poses, sim.solve(dipole_coil, poses), strict=True):
        np.testing.assert_array_equal(sim.solve(dipole_coil, pose).E, field.E)


FOUR, _ = quadrature(2)


@pytest.mark.parametrize("order", [1, 2])
def test_the_error_is_how_far_raw_and_recovered_are_apart(mesh, raw, order):
    """Root mean square over each tetrahedron: not at the centroid alone, where elements are better than elsewhere."""
    field, tets = raw[order][0], np.arange(len(mesh.tets))
    better = field.recovered()
    squares = 0
    for weights in FOUR:
        everywhere = np.tile(weights, (len(tets), 1))
        squares = squares + ((better.E_in(tets, everywhere) - field.E_in(tets, everywhere)) ** 2).sum(axis=1) / 4
    np.testing.assert_allclose(field.error, np.sqrt(squares), rtol=1e-6, atol=1e-12 * field.magnE.max())
    at_centroids = np.linalg.norm(better.E - field.E, axis=1)
    assert np.average(field.error, weights=mesh.volumes) > 1.1 * np.average(at_centroids, weights=mesh.volumes)
    gm = mesh.tags == 2
    share = np.sqrt((mesh.volumes[gm] * field.error[gm] ** 2).sum() / (mesh.volumes[gm] * field.magnE[gm] ** 2).sum())
    assert field.relative_error("gm") == field.summary("gm").error == pytest.approx(share, rel=1e-9)
    assert 0.001 < share < 0.5
    assert f"estimated error {100 * share:.2g} %" in str(field.summary("gm"))
    assert better.relative_error("gm") == pytest.approx(share, rel=0.2)  # cautious: that of the raw field
    assert field.summary("gm").error_of == "this field" and better.summary("gm").error_of == "raw field"
    assert f"estimated error of the raw field {100 * better.summary('gm').error:.2g} %" in str(better.summary("gm"))
    assert better.summary("gm").as_dict()["error_of"] == "raw field"
    of_all = field.summary()
    assert of_all["bone"].error_of is None
    peak = field.mesh.tags[field.magnE.argmax()]
    assert f"peak {field.magnE.max():.4g} V/m in {name_of(peak)};" in repr(field)
    assert of_all["gm"].error == field.summary("gm").error and of_all["bone"].error is None


@pytest.mark.parametrize("recovery", ["raw", "harmonic"])
@pytest.mark.parametrize("order", [1, 2])
def test_sweeps_estimate_the_same(mesh, dipole_coil, poses, order, recovery):
    sim = Simulator(mesh, order=order, device="cpu", recovery=recovery)
    fields = sim.solve(dipole_coil, poses)
    for result, field in zip(sim.sweep(dipole_coil, poses, tissues=["gm", "bone"]), fields, strict=True):
        assert result.tissues["gm"].error == pytest.approx(field.relative_error("gm"), rel=1e-8)
        assert result.tissues["gm"].mean == field.summary("gm").mean
        assert result.tissues["bone"].error is None


@pytest.mark.parametrize("order", [1, 2])
def test_a_recovered_field_is_that_of_the_other_device(mesh, dipole_coil, poses, order, tmp_path_factory, monkeypatch):
    here = Simulator(mesh, order=order, device="cpu", recovery="harmonic", rtol=1e-8).solve(dipole_coil, poses[0])
    played = host_cuda(tmp_path_factory.mktemp("cuda"))
    monkeypatch.setattr("femtms.simulator.backend", lambda name: played)
    sim = Simulator(mesh, order=order, device="cuda", recovery="harmonic", rtol=1e-8)
    there = sim.solve(dipole_coil, poses[0])
    assert np.linalg.norm(there.E - here.E) < 1e-6 * np.linalg.norm(here.E)
    assert there.relative_error("gm") == pytest.approx(here.relative_error("gm"), rel=1e-5)
    (result,) = sim.sweep(dipole_coil, poses[:1], tissues=["gm"])
    assert result.tissues["gm"].error == pytest.approx(here.relative_error("gm"), rel=1e-5)
    tets, quarter = np.arange(0, len(mesh.tets), 50), np.full((len(mesh.tets[::50]), 4), 0.25)
    np.testing.assert_allclose(there.E_in(tets, quarter), there.E[tets], atol=1e-4 * there.magnE.max())


def test_conductivity_that_varies_in_a_tissue_is_not_fitted_harmonically(mesh, dipole_coil, poses):
    sigma = np.random.default_rng(0).uniform(0.1, 0.3, len(mesh.tets))
    field = Simulator(mesh, sigma, device="cpu").solve(dipole_coil, poses[0])
    assert field.recoveries.of(2).method == "spr"


def test_tensors_in_one_tissue_leave_the_others_harmonic(mesh, dipole_coil, poses):
    tensors = np.tile(0.3 * np.eye(3), (len(mesh.tets), 1, 1))
    tensors[mesh.tags == 2, 2, 2] = 0.6
    field = Simulator(mesh, tensors, device="cpu").solve(dipole_coil, poses[0])
    assert [field.recoveries.of(int(tag)).method for tag in mesh.tissues] == ["spr", "harmonic", "harmonic", "harmonic"]


@pytest.mark.parametrize("method", ["raw", "magic"])
def test_other_recoveries_are_refused(mesh, raw, method):
    with pytest.raises(FemtmsError, match="harmonic"):
        raw[1][0].recovered(method)
    with pytest.raises(FemtmsError, match="a raw field can be recovered"):
        raw[1][0].recovered("spr").recovered("harmonic")
    if method == "magic":
        with pytest.raises(FemtmsError, match="recovery must be one of raw, harmonic, spr; got 'magic'"):
            Simulator(mesh, recovery=method)


def test_fields_can_be_copied_and_sent_to_other_processes(raw):
    field = raw[1][0]
    expected = field.relative_error("gm")
    assert field.recoveries.made
    for other in (pickle.loads(pickle.dumps(field)), copy.deepcopy(field)):
        assert not other.recoveries.made  # what is on a device stays there
        np.testing.assert_array_equal(other.E, field.E)
        assert other.relative_error("gm") == expected


def test_quadratic_elements_tell_the_error_of_linear_ones(mesh, raw):
    linear, quadratic = raw[1][0], raw[2][0]
    gm = mesh.tags == 2
    change, weight = ((quadratic.E - linear.E) ** 2).sum(axis=1)[gm], mesh.volumes[gm]
    expected = np.sqrt((weight * change).sum() / (weight * quadratic.magnE[gm] ** 2).sum())
    assert linear.relative_difference(quadratic, "gm") == pytest.approx(expected, rel=1e-12)
    assert 0.5 < expected / linear.relative_error("gm") < 1.5
    with pytest.raises(FemtmsError, match="fields must be of one mesh"):
        other = mesh.refined([0])
        linear.relative_difference(dataclasses.replace(quadratic, mesh=other), "gm")
