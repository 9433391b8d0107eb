"""Where a study's numbers come from, and whether another run would give the same ones."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from studies_for_store import design_of

from femtms import FemtmsError, LayeredSphere, load_coil, mesh_head, write_coil, write_mesh
from femtms.batch.provenance import provenance_of, study_differences
from femtms.io.files import sha256_of
from femtms.study.design import StudyCoil, StudyHead, StudyPlace, StudyResults


def of(design, study_file=None):
    made = provenance_of(design, study_file)
    return json.loads(json.dumps(made, allow_nan=False))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A head and a coil."""
    folder = tmp_path_factory.mktemp("files")
    write_mesh(mesh_head(LayeredSphere((80, 92)), 25), folder / "head.msh")
    write_coil(load_coil("figure8-70mm"), folder / "mine.ccd")
    return folder


@pytest.fixture
def design(tmp_path, files):
    """Two heads and two coils, each once built in and once from files."""
    for path in files.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "lh.gii").write_text("a surface")
    return replace(
        design_of(),
        heads=(StudyHead("built in", "colin27"), StudyHead("mine", str(tmp_path / "head.msh"))),
        coils=(StudyCoil("built in", "circular-70mm"), StudyCoil("mine", str(tmp_path / "mine.ccd"))),
        results=StudyResults(surfaces={"lh": str(tmp_path / "lh.gii")}),
    )


def test_every_input_has_its_hash(design, tmp_path):
    inputs = of(design)["inputs"]
    heads, coils = inputs["heads"], inputs["coils"]
    assert len(heads[0]["head"]["sha256"]) == 64 and heads[0]["head"]["name"] == "colin27"
    assert heads[1]["head"]["sha256"] == sha256_of(tmp_path / "head.msh")
    assert len(coils[0]["built in"]["sha256"]) == 64
    assert coils[1]["files"]["mine.ccd"]["sha256"] == sha256_of(tmp_path / "mine.ccd")
    assert inputs["surfaces"]["lh"]["sha256"] == sha256_of(tmp_path / "lh.gii")
    assert inputs["places"]["number"] == len(design.places)


def test_study_file_and_versions_are_there(design, tmp_path):
    (tmp_path / "study.yaml").write_text("name: α\n", encoding="utf-8")
    made = of(design, study_file=tmp_path / "study.yaml")
    assert made["study_file"]["text"] == "name: α\n"
    assert made["study_file"]["sha256"] == sha256_of(tmp_path / "study.yaml")
    assert {"femtms", "numpy", "dask", "zarr", "xarray", "python"} <= set(made["versions"])
    assert made["seeds"] == "none are used" and made["host"]


def test_same_study_has_no_differences_whenever_and_wherever_its_files_are(design, tmp_path):
    before = of(design)
    (tmp_path / "moved").mkdir()
    moved = {
        "heads": (design.heads[0], replace(design.heads[1], source=str(tmp_path / "moved" / "head.msh"))),
        "coils": (design.coils[0], StudyCoil("mine", str(tmp_path / "moved" / "mine.ccd"))),
        "results": StudyResults(surfaces={"lh": str(tmp_path / "moved" / "lh.gii")}),
    }
    for path in tmp_path.glob("*.*"):
        path.rename(tmp_path / "moved" / path.name)
    assert study_differences(before, of(replace(design, **moved))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: replace(d, angles=(*d.angles, 90.0)), "inputs design angles"),
        (lambda d: replace(d, coils=d.coils[:1]), "inputs design coils are built in, there they are built in, mine"),
        (lambda d: replace(d, options=(replace(d.options[0], order=2),)), "options usual order is 2, there it is 1"),
        (lambda d: replace(d, places=[*d.places[:-1], StudyPlace("p", "C4")]), "inputs places sha256 is"),
        (lambda d: replace(d, heads=(replace(d.heads[0], source="sphere"), d.heads[1])), "heads built in head name is"),
    ],
)
def test_other_design_is_told_in_words(design, change, words):
    found = study_differences(of(design), of(change(design)))
    assert any(words in difference for difference in found), found
    assert all("\n" not in difference for difference in found)


def test_changed_file_is_told_by_its_name(design, tmp_path):
    before = of(design)
    with open(tmp_path / "mine.ccd", "a") as file:
        file.write("\n")
    (found,) = study_differences(before, of(design))
    assert found.startswith("inputs coils mine files mine.ccd sha256 is ")


def test_missing_file_is_said_and_a_damaged_coil_is_not_read(design, tmp_path):
    (tmp_path / "mine.ccd").write_text("nan nan nan")
    assert of(design)["inputs"]["coils"][1]["files"]["mine.ccd"]["sha256"] == sha256_of(tmp_path / "mine.ccd")
    (tmp_path / "mine.toml").write_text("[[[")
    damaged = replace(design, coils=(StudyCoil("mine", str(tmp_path / "mine.toml")),))
    assert of(damaged)["inputs"]["coils"][0]["files"]["mine.toml"]["sha256"] == sha256_of(tmp_path / "mine.toml")
    (tmp_path / "head.msh").unlink()
    with pytest.raises(FemtmsError, match=r"head\.msh: there is no such file"):
        of(design)


def test_file_beside_a_coil_counts(design, tmp_path):
    """The pulse that stands beside a .ccd is a part of the coil."""
    before = of(design)
    (tmp_path / "mine.tsv").write_text("time\tsignal\n" + "\n".join(f"{t}\t{t}" for t in np.arange(3.0)))
    (found,) = study_differences(before, of(design))
    assert found.startswith("inputs coils mine files mine.tsv is ") and found.endswith("there it is None")
