"""What a study is said to cost, against what was measured."""

import numpy as np
import pytest

from femtms import LayeredSphere, mesh_head
from femtms.batch.columns import columns_of
from femtms.study.design import StudyHead
from femtms.study.estimate import estimate
from femtms.study.head_size import tets_of
from femtms.study.summary import study_summary

# docs/performance.md
COLIN27 = [(11, 521_776), (8, 932_914), (6, 2_060_201), (4, 3_918_051), (2.6, 8_145_610), (1.65, 19_095_104)]


@pytest.mark.parametrize("size_mm, tets", COLIN27)
def test_tetrahedra_of_colin27_are_right_within_a_quarter(size_mm, tets):
    assert tets_of(StudyHead("a", "colin27"), size_mm) == pytest.approx(tets, rel=0.25)


def test_a_size_for_a_tissue_counts_for_it():
    head = StudyHead("a", "colin27")
    assert tets_of(head, {"gm": 3, "other": 6}) > 1.5 * tets_of(head, 6)
    assert tets_of(head, {"other": 6}) == pytest.approx(tets_of(head, 6))
    assert tets_of(head, {"grey matter": 3, "other": 6}) == tets_of(head, {2: 3, "other": 6})


@pytest.mark.parametrize("radii, size_mm", [((60,), 12), ((45, 60), 10), ((40, 44, 52, 60), 12)])
def test_tetrahedra_of_spheres_are_right_within_a_factor_of_two(radii, size_mm):
    tets = len(mesh_head(LayeredSphere(radii), size_mm=size_mm).tets)
    assert tets / 2 < tets_of(StudyHead("a", "sphere", radii), size_mm) < 2 * tets


def test_files_that_do_not_say_their_size_are_named(study):
    design = study("heads: head.nii.gz", "places: [0, 0, 80]")  # which is damaged
    cost = estimate(design, 30)
    assert cost.unknown == ("head",) and cost.cases_s == 0 and cost.tets == (0.0, 0.0)


def test_costs_grow_as_they_must(study):
    one = estimate(study("heads: {sphere: 60}"), 30)
    many = estimate(study("heads: {sphere: 60}", "angles: {from: 1, to: 10, step: 1}"), 30)
    assert many.cases_s == pytest.approx(10 * one.cases_s) and many.set_up_s == one.set_up_s
    assert many.disk_bytes == 10 * one.disk_bytes == 10 * 30 * 8
    quadratic = estimate(study("heads: {sphere: 60}", "options: {order: 2}"), 30)
    assert quadratic.cases_s > 2 * one.cases_s and quadratic.memory_bytes > one.memory_bytes
    whole = estimate(study("heads: {sphere: 60}", "results: {fields: whole}"), 30)
    assert whole.disk_bytes - one.disk_bytes == pytest.approx(12e6 * one.tets[0])
    both = estimate(study("heads: {sphere: 60}", "conductivities: [standard, {name: a, sigma: {gm: 1}}]"), 30)
    assert both.cases_s == pytest.approx(2 * one.cases_s)


def test_summary_says_what_would_run(study, folder):
    design = study("heads: [colin27, {sphere: 60}]", "coils: [figure8-70mm, a/coil.ccd]", "angles: [0, 45]")
    summary = study_summary(design, len(columns_of(design.results)))
    assert summary["cases"] == 8 and summary["blocks"] == 4
    assert summary["dimensions"]["coil"] == {"length": 2, "first": ["figure8-70mm", "coil"]}
    assert summary["files"] == [{"path": str(folder / "a/coil.ccd"), "bytes": 1}]
    assert len(summary["examples"]) == 6
    assert list(summary["examples"][0].values()) == ["colin27", "standard", "standard", "figure8-70mm", "C3", 0.0, 4.0]
    assert list(summary["examples"][-1].values()) == ["sphere 60", "standard", "standard", "coil", "C3", 45.0, 4.0]
    (doubt,) = summary["doubts"]
    assert doubt.startswith("coil 'coil' cannot be used: ") and "coil.ccd" in doubt


def test_a_head_without_electrodes_is_doubted(study):
    (doubt,) = study_summary(study("heads: [colin27, head.nii.gz]"), 30)["doubts"]
    assert doubt == "'head' has no electrodes, but places or targets name C3"


def test_numbers_of_columns_are_those_of_the_store(study):
    design = study("results: {tissues: [gm], targets: {M1: C3}}")
    assert len(columns_of(design.results)) == 3 + 12 + 8 + 3 + 1 + 1
    assert np.prod(design.shape) == 1
