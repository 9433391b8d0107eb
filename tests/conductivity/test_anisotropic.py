"""From diffusion to conductivity: what each normalisation promises, and nothing that is put right in silence."""

import logging

import numpy as np
import pytest
from conductivity.diffusion import along, centred, centres, uniform

from femtms import FemtmsError, LayeredSphere, Simulator, TensorVolume, TetMesh, anisotropic, mesh_head
from femtms.conductivity.isotropic import conductivity_of
from femtms.conductivity.tensor import components_of, full_tensors

SHAPE = (25, 25, 25)
AFFINE = centred(np.eye(3), [5, 5, 5], SHAPE)
WM, GM = 0.126, 0.275


@pytest.fixture(scope="module")
def mesh():
    """White matter inside of 45 mm, grey matter to 60, scalp to 70."""
    return mesh_head(LayeredSphere((45.0, 60.0, 70.0), (1, 2, 5)), size_mm=12.0)


def volume_of(tensors, name="dti.nii"):
    return TensorVolume(components_of(tensors), AFFINE, name)


@pytest.fixture(scope="module")
def fibres():
    """White matter with fibres of a direction that changes, grey matter almost isotropic and faster."""
    mm = centres(AFFINE, SHAPE)
    tensors = np.empty((*SHAPE, 3, 3))
    for index in np.ndindex(SHAPE):
        x, y, z = mm[index] / 60
        inside = x * x + y * y + z * z < 0.7**2
        tensors[index] = along((1, x, 0.5 + z)) if inside else along((1, 0, 0), 1.1e-3, 0.9e-3)
    return volume_of(tensors)


def eigenvalues(found, own):
    return np.linalg.eigvalsh(found.tensors[own])


def test_volume_normalised_tensors_have_the_volume_of_the_isotropic_ones(mesh, fibres):
    found = anisotropic(mesh, fibres, "vn", {"gm": 0.3})
    for tag, isotropic in ((1, WM), (2, 0.3)):
        own = mesh.tags == tag
        np.testing.assert_allclose(eigenvalues(found, own).prod(axis=1), isotropic**3, rtol=1e-12)
    np.testing.assert_array_equal(
        found.tensors[mesh.tags == 5], np.tile(0.465 * np.eye(3), ((mesh.tags == 5).sum(), 1, 1))
    )
    assert found.factor is None


@pytest.mark.parametrize("normalisation", ["vn", "dir"])
def test_axes_and_ratios_of_eigenvalues_are_those_of_diffusion(normalisation, mesh, fibres):
    found = anisotropic(mesh, fibres, normalisation)
    own = np.isin(mesh.tags, (1, 2))
    diffusion = full_tensors(fibres.at(mesh.centroids[own]))
    ratio = found.tensors[own] / np.trace(found.tensors[own], axis1=1, axis2=2)[:, None, None]
    np.testing.assert_allclose(ratio, diffusion / np.trace(diffusion, axis1=1, axis2=2)[:, None, None], atol=1e-12)


def test_direct_mapping_has_one_factor_that_fits_both_tissues_best(mesh, fibres):
    found = anisotropic(mesh, fibres, "dir")
    own = np.isin(mesh.tags, (1, 2))
    np.testing.assert_allclose(
        found.tensors[own], found.factor * full_tensors(fibres.at(mesh.centroids[own])), rtol=1e-11, atol=1e-15
    )

    def misfit(s):
        total = 0.0
        for tag, isotropic in ((1, WM), (2, GM)):
            rows = mesh.tags == tag
            radii = np.cbrt(eigenvalues(found, rows).prod(axis=1)) * s / found.factor
            total += (np.average(radii, weights=mesh.volumes[rows]) - isotropic) ** 2
        return total

    assert all(misfit(found.factor) < misfit(found.factor * (1 + step)) for step in (-1e-3, 1e-3))


def test_direct_mapping_of_one_tissue_fits_it_exactly(mesh, fibres):
    found = anisotropic(mesh, fibres, "dir", tissues=["wm"])
    own = mesh.tags == 1
    radii = np.cbrt(eigenvalues(found, own).prod(axis=1))
    assert np.average(radii, weights=mesh.volumes[own]) == pytest.approx(WM, rel=1e-12)
    assert (found.tensors[mesh.tags == 2] == GM * np.eye(3)).all()


def test_mean_conductivity_is_isotropic_with_the_volumes_of_direct_mapping(mesh, fibres):
    mc, direct = anisotropic(mesh, fibres, "mc"), anisotropic(mesh, fibres, "dir")
    assert mc.sigma.shape == (len(mesh.tets), 1) and mc.factor == direct.factor
    np.testing.assert_allclose(mc.sigma[:, 0], np.cbrt(np.linalg.det(direct.tensors)), rtol=1e-12)
    assert np.ptp(mc.sigma[mesh.tags == 1]) > 0.01 * WM


def test_no_normalisation_depends_on_the_unit_of_diffusion(mesh, fibres):
    in_m2 = TensorVolume(1e-6 * fibres.components, AFFINE)
    for normalisation in ("vn", "dir", "mc"):
        np.testing.assert_allclose(
            anisotropic(mesh, in_m2, normalisation).sigma,
            anisotropic(mesh, fibres, normalisation).sigma,
            rtol=1e-10,
            atol=1e-14,
        )


def test_isotropic_tensors_are_the_scalars_of_the_tissues(mesh):
    found = anisotropic(mesh, volume_of(uniform(0.8e-3 * np.eye(3), SHAPE)), "vn")
    scalars = Simulator(mesh, device="cpu").sigma
    np.testing.assert_allclose(found.tensors, scalars[:, :, None] * np.eye(3), rtol=1e-13, atol=1e-16)


def test_ratio_is_limited_from_below_and_counted(mesh):
    needles = volume_of(uniform(along((1, 0, 0), 1.0, 0.01), SHAPE))
    found = anisotropic(mesh, needles, "vn", max_ratio=4)
    for tag, isotropic, name in ((1, WM, "wm"), (2, GM, "gm")):
        own = mesh.tags == tag
        np.testing.assert_allclose(
            eigenvalues(found, own) / isotropic, np.tile([0.25, 0.25, 1], (own.sum(), 1)) * 16 ** (1 / 3)
        )
        assert found.counts[name].limited_ratio == found.counts[name].tets == own.sum()
        assert found.counts[name].repaired == 0
    assert "limited to ratio 4" in repr(found)


def test_conductivity_is_limited_from_above_and_counted(mesh):
    found = anisotropic(mesh, volume_of(uniform(along((0, 1, 0), 9.0, 1.0), SHAPE)), "vn", max_sigma=0.5)
    own = mesh.tags == 2
    assert eigenvalues(found, own).max() == pytest.approx(0.5, rel=1e-12)
    assert found.counts["gm"].limited_sigma == own.sum()  # 0.275 · 9^(2/3) = 1.19
    assert found.counts["wm"].limited_sigma == (mesh.tags == 1).sum()  # 0.126 · 9^(2/3) = 0.545
    assert not anisotropic(mesh, volume_of(uniform(along((0, 1, 0), 9.0, 1.0), SHAPE)), "vn").counts["gm"].limited_sigma


@pytest.fixture(scope="module")
def damaged():
    """A quarter of the grid each: fine, zero, NaN, and not positive definite, of which some have nothing positive."""
    tensors = uniform(along((1, 1, 0)), SHAPE).copy()
    tensors[:10, :10] = 0
    tensors[:10, 15:] = np.nan
    tensors[15:, :10] = np.diag([1e-3, 1e-3, -1e-4])
    tensors[15:, 15:, :12] = -1e-3 * np.eye(3)
    return volume_of(tensors, "damaged.nii")


def test_everything_that_is_put_right_is_counted_once(mesh, damaged, caplog):
    with caplog.at_level(logging.INFO, "femtms"):
        found = anisotropic(mesh, damaged, "vn")
    i, j, k = np.rint((1e3 * mesh.centroids - AFFINE[:3, 3]) / 5).astype(int).T
    expected = {
        "missing": (i < 10) & (j < 10),
        "not_finite": (i < 10) & (j >= 15),
        "repaired": (i >= 15) & (j < 10),
        "negative": (i >= 15) & (j >= 15) & (k < 12),
    }
    for tag, name, isotropic in ((1, "wm", WM), (2, "gm", GM)):
        own, counts = mesh.tags == tag, found.counts[name]
        for kind, where in expected.items():
            # a tensor between a good and a bad voxel is their mean: only its own voxel says whether there is one
            slack = 0 if kind in ("missing", "not_finite") else 0.35 * (own & where).sum()
            assert abs(getattr(counts, kind) - (own & where).sum()) <= slack, kind
        nothing = own & (expected["missing"] | expected["not_finite"])
        assert (found.tensors[nothing] == isotropic * np.eye(3)).all()
        assert counts.isotropic == counts.missing + counts.not_finite + counts.negative > 0
    assert (np.linalg.eigvalsh(found.tensors) > 0).all()
    assert np.isfinite(found.sigma).all()
    [record] = caplog.records
    assert record.levelname == "WARNING"  # more than a tenth
    for words in (
        "damaged.nii, vn",
        "without a tensor",
        "NaN or infinite",
        "without a positive eigenvalue",
        "repaired",
    ):
        assert words in record.getMessage()


def test_a_clean_volume_is_said_to_be_one(mesh, fibres, caplog):
    with caplog.at_level(logging.INFO, "femtms"):
        anisotropic(mesh, fibres)
    [record] = caplog.records
    assert record.levelname == "INFO" and "all as measured" in record.getMessage()


def test_counts_go_into_json(mesh, damaged):
    report = anisotropic(mesh, damaged, "dir", max_ratio=8).as_dict()
    assert report["normalisation"] == "dir" and report["max_ratio"] == 8 and report["factor_S_per_m"] > 0
    assert set(report["tissues"]) == {"wm", "gm"}
    assert report["tissues"]["wm"]["tets"] > report["tissues"]["wm"]["missing"] > 0


def test_tissues_that_the_head_lacks_are_left_out(fibres):
    grey = mesh_head(LayeredSphere((60.0, 70.0), (2, 5)), size_mm=20.0)
    assert set(anisotropic(grey, fibres).counts) == {"gm"}
    with pytest.raises(FemtmsError, match="must have a tissue that tensors are for; it has gm, scalp, not wm or csf"):
        anisotropic(grey, fibres, tissues=["wm", "csf"])
    assert set(anisotropic(grey, fibres, tissues=["scalp"]).counts) == {"scalp"}


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"normalisation": "volume"}, "must be vn, dir or mc; got 'volume'"),
        ({"max_ratio": 0.5}, "max_ratio of eigenvalues must be from 1 to 1000; got 0.5"),
        ({"max_ratio": np.nan}, "max_ratio"),
        ({"max_ratio": np.inf}, "max_ratio"),
        ({"max_sigma": 0}, "max_sigma must be > 0 and finite"),
        ({"max_sigma": 0.2}, "at least the isotropic value of each tissue with tensors; got 0.2 S/m, and gm has 0.275"),
        ({"sigma": {"gm": -1}}, "sigma must be > 0"),
        ({"tissues": ["brain"]}, "a tissue must be"),
        ({"tissues": []}, "not none"),
        ({"tissues": "gm"}, "must be a list"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, words, mesh, fibres):
    with pytest.raises(FemtmsError, match=words):
        anisotropic(mesh, fibres, **settings)


def test_tensors_somewhere_else_are_refused_with_both_places(mesh):
    far = AFFINE.copy()
    far[0, 3] += 500
    with pytest.raises(
        FemtmsError, match=r"dti.nii: tensors must cover .*wm and gm has one.* x -5\d…5\d.*x 438…562.*registered"
    ):
        anisotropic(mesh, TensorVolume(components_of(uniform(along((1, 0, 0)), SHAPE)), far, "dti.nii"))


def test_components_in_another_order_are_noticed(mesh):
    diagonal_first = components_of(uniform(along((1, 1, 0)), SHAPE))[..., [0, 3, 5, 1, 2, 4]]
    with pytest.raises(FemtmsError, match=r"must be positive definite; .* of .* in wm and gm are not: .*order"):
        anisotropic(mesh, TensorVolume(diagonal_first, AFFINE))


def test_conductivity_of_another_mesh_is_refused(mesh, fibres, sphere_mesh):
    with pytest.raises(FemtmsError, match="must be that of this mesh"):
        Simulator(sphere_mesh, anisotropic(mesh, fibres), device="cpu")


def test_conductivity_of_another_mesh_with_as_many_tetrahedra_is_refused(mesh, fibres):
    found = anisotropic(mesh, fibres)
    tags = mesh.tags.copy()
    tags[7:9] = 6
    m = f"{len(mesh.tets):,}"
    for other, words in (
        (TetMesh(mesh.nodes, mesh.tets, tags), f"2 of {m} are of other tissues, the first is tet 7"),
        (TetMesh(mesh.nodes + [0, 1e-3, 0], mesh.tets, mesh.tags), f"{m} of {m} are at other places"),
        (TetMesh(mesh.nodes, mesh.tets[::-1], mesh.tags[::-1]), f"of {m} are at other places"),
    ):
        with pytest.raises(FemtmsError, match=rf"\(dti.nii\) must be that of this mesh; .*{words}"):
            Simulator(other, found, device="cpu")


def test_a_mesh_that_went_through_a_file_is_the_same(mesh, fibres):
    found = anisotropic(mesh, fibres)
    again = TetMesh(mesh.nodes.astype(np.float32), mesh.tets, mesh.tags)
    assert conductivity_of(again, found) is found.sigma


def test_simulator_takes_it_as_it_takes_its_tensors(mesh, fibres):
    found = anisotropic(mesh, fibres)
    np.testing.assert_allclose(
        Simulator(mesh, found, device="cpu").sigma, Simulator(mesh, found.tensors, device="cpu").sigma
    )
