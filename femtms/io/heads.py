"""Heads by name or by file."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.io.files import sha256_of
from femtms.io.meshes import read_mesh
from femtms.io.nifti import is_volume, read_labels
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import name_of

SPHERE = "sphere"


@dataclass(frozen=True)
class HeadInfo:
    """What `femtms heads` says of a built-in head."""

    name: str
    title: str
    licence: str


def heads_folder() -> Path:
    """Where the built-in heads are: inside the installed package, or at the top of a source checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "meshes"
    return installed if installed.is_dir() else package.parent / "meshes"


def built_in_heads() -> dict[str, HeadInfo]:
    """Name -> description of every built-in head."""
    heads = {SPHERE: HeadInfo(SPHERE, _sphere_title(), "none needed")}
    for recipe in sorted(heads_folder().glob("*/head.json")):
        content = json.loads(recipe.read_text())
        heads[content["name"]] = HeadInfo(content["name"], content["title"], content["licence"])
    return heads


def _sphere_title() -> str:
    sphere = LayeredSphere()
    layers = ", ".join(f"{name_of(tag)} {radius:g}" for tag, radius in zip(sphere.tags, sphere.radii_mm))
    return f"concentric spheres, outer radii in mm: {layers}; --radii for others"


def load_head(head: str | Path) -> LabelVolume | LayeredSphere | TetMesh:
    """A head by its built-in name ("colin27", "sphere"), or from a label volume or a mesh file.

    Raises FemtmsError when there is no such head or the file is bad.
    """
    if str(head) == SPHERE:
        return LayeredSphere()
    if str(head) in built_in_heads():
        return _built_in(str(head))
    path = Path(head)
    if is_volume(path):
        return read_labels(path)
    if not path.suffix and not path.exists():
        names = ", ".join(built_in_heads())
        raise FemtmsError(
            f"a head must be a built-in name ({names}), a label volume or a mesh file; there is no '{head}'"
        )
    return read_mesh(path)


def _built_in(name: str) -> LabelVolume:
    folder = heads_folder() / name
    recipe = json.loads((folder / "head.json").read_text())
    path = folder / recipe["labels"]
    found = sha256_of(path)
    if found != recipe["sha256"]:
        raise FemtmsError(f"{path}: the built-in head is damaged: its sha256 must be {recipe['sha256']}; it is {found}")
    labels = read_labels(path)
    with open(folder / recipe["electrodes"], newline="") as file:
        landmarks = {
            row["name"]: np.array([float(row[axis]) for axis in ("x_mm", "y_mm", "z_mm")])
            for row in csv.DictReader(file)
        }
    return LabelVolume(labels.data, labels.affine, name, landmarks)


def head_provenance(head: str | Path) -> dict[str, str]:
    """Name or path of a head and the sha256 of the file that it is made from."""
    if str(head) == SPHERE:
        return {"name": SPHERE}
    if str(head) in built_in_heads():
        recipe = json.loads((heads_folder() / str(head) / "head.json").read_text())
        return {"name": str(head), "sha256": recipe["sha256"]}
    return {"path": str(Path(head).resolve()), "sha256": sha256_of(Path(head))}
