"""Electrodes and places of heads from files."""

import json

import numpy as np
import pytest

from femtms import LabelVolume, mesh_head, place, write_mesh
from femtms.batch.design_json import design_from_json, design_to_json
from femtms.batch.provenance import provenance_of
from femtms.study.impossible import impossible_cases

RADIUS = 60.0
FIDUCIALS = "name,x,y,z\nNz,0,60,0\nIz,0,-60,0\nLPA,-60,0,0\nRPA,60,0,0\n"


@pytest.fixture
def heads(folder):
    """Two balls as meshes, ball.msh with its fiducials beside it and bare.msh without."""
    at = np.indices((36, 36, 36)) * 4.0 - 70
    r = np.linalg.norm(at, axis=0)
    affine = np.diag([4.0, 4, 4, 1])
    affine[:3, 3] = -70
    mesh = mesh_head(LabelVolume(np.where(r < RADIUS - 15, 2, 5) * (r < RADIUS), affine), 12)
    for name in ("ball.msh", "bare.msh"):
        write_mesh(mesh, folder / name)
    (folder / "nz.csv").write_text(FIDUCIALS)
    return folder


def test_a_head_with_fiducials_has_all_electrodes(study, heads):
    design = study(
        "heads: {path: ball.msh, fiducials: nz.csv}", "places: [C3, {around: Cz, radius_mm: 10, spacing_mm: 10}]"
    )
    head = design.heads[0]
    assert head.fiducials == str(heads / "nz.csv") and heads / "nz.csv" in design.inputs()
    landmarks = head.loaded().landmarks_mm
    assert np.linalg.norm(landmarks["C3"] - RADIUS * np.array([-np.sin(np.radians(36)), 0, np.cos(np.radians(36))])) < 3
    assert impossible_cases(design).cases == 0


def test_each_head_has_its_own_place_of_one_name(study, heads):
    design = study(
        "heads: [{path: ball.msh, fiducials: nz.csv, places: {M1: C3, aim: [0, 0, 60]}}, "
        "{path: bare.msh, places: {M1: [-30, 10, 50], aim: [0, 0, 60]}}]",
        "places: {at: M1, towards: aim}",
        "results: {targets: {hand: M1}}",
    )
    assert [p.name for p in design.places] == ["M1"]
    first, second = (head.loaded() for head in design.heads)
    np.testing.assert_allclose(second.landmarks_mm["M1"], [-30, 10, 50])
    np.testing.assert_allclose(first.landmarks_mm["M1"], first.landmarks_mm["C3"])
    pose = place(second, "M1", "aim")
    np.testing.assert_allclose(pose.matrix, place(second, [-30, 10, 50], [0, 0, 60]).matrix)
    assert impossible_cases(design).cases == 0
    again = design_from_json(json.loads(json.dumps(design_to_json(design))), design.places)
    assert again.heads == design.heads


def test_fiducials_of_many_heads_are_found_by_their_subject(study, heads):
    for sub in ("01", "02"):
        (heads / f"bids/sub-{sub}/ses-1/anat/sub-{sub}_electrodes.tsv").write_text(FIDUCIALS.replace(",", "\t"))
    design = study("heads: {path: 'bids/**/*_labels.nii.gz', fiducials: 'sub-{sub}_electrodes.tsv'}")
    assert [head.fiducials.rsplit("/", 1)[1] for head in design.heads] == [
        "sub-01_electrodes.tsv",
        "sub-02_electrodes.tsv",
    ]


def test_provenance_has_the_hash_of_fiducials_and_nothing_new_without(study, heads):
    with_file, without = (
        provenance_of(study(f"heads: {{path: ball.msh{more}}}", "places: [0, 0, 60]"))["inputs"]
        for more in (", fiducials: nz.csv", "")
    )
    assert len(with_file["heads"][0]["fiducials"]["sha256"]) == 64
    assert "fiducials" not in without["heads"][0] and "fiducials" not in without["design"]["heads"][0]
    estimated = provenance_of(study("heads: {path: ball.msh, electrodes: estimate}"))["inputs"]
    assert estimated["heads"][0]["fiducials"] == {"name": "estimate"}


@pytest.mark.parametrize(
    "lines, where, message",
    [
        (["heads: {path: ball.msh, fiducials: nz.csv, electrodes: estimate}"], "heads", "two ways to the same"),
        (["heads: {path: ball.msh, electrodes: guess}"], "heads.electrodes", "must be 'estimate'; got 'guess'"),
        (["heads: {path: ball.msh, fiducials: nowhere.csv}"], "heads", "'fiducials' must be a file for each head"),
        (["heads: {path: ball.msh, fiducials: bad.csv}"], "heads", "bad.csv, line 1: must be a header"),
        (
            ["heads: {path: sphere, places: {M1: C3}}", "places: M1"],
            "heads",
            "for label volumes and meshes; got sphere",
        ),
        (
            ["heads: {path: ball.msh, places: {hotspot: [0, 0, 60]}}", "places: hotspots"],
            "places",
            "did you mean hotspot?",
        ),
        (["heads: {path: ball.msh, places: {M1: [0, 0, 60]}}", "places: C3"], "places", "'electrodes: estimate'"),
        (
            ["heads: {path: ball.msh, places: {M1: C3}}", "places: M1"],
            "heads.places.M1",
            "heads from files do not have",
        ),
    ],
)
def test_faults_of_electrodes_are_told_at_once(faults, heads, lines, where, message):
    (heads / "bad.csv").write_text("what,is,this\n")
    (fault,) = faults(*lines)
    assert f" {where}: " in fault and message in fault


def test_cases_of_the_head_that_lacks_a_place_are_told(study, heads):
    design = study(
        "heads: [{path: ball.msh, places: {M1: [0, 0, 60]}}, bare.msh]", "places: {at: M1, towards: [0, 60, 0]}"
    )
    found = impossible_cases(design)
    assert found.cases == 1 and "head 'bare' has no electrode M1" in found.reasons[0]
