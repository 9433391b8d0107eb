"""Heads by name or by file."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from femtms.errors import FemtmsError
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.io.electrode_files import read_electrodes
from femtms.io.files import file_provenance, sha256_of
from femtms.io.label_maps import Labels
from femtms.io.meshes import is_mesh_file, read_mesh
from femtms.io.nifti import SUFFIXES, is_volume, read_labels
from femtms.mesh.tetmesh import TetMesh
from femtms.spelling import meant
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


def _recipes() -> dict[str, tuple[Path, dict[str, str]]]:
    """Name -> folder and head.json of every head that is made from a label volume."""
    found = [(path.parent, json.loads(path.read_text())) for path in sorted(heads_folder().glob("*/head.json"))]
    return {recipe["name"]: (folder, recipe) for folder, recipe in found}


def built_in_heads() -> dict[str, HeadInfo]:
    """Name -> description of every built-in head."""
    heads = {SPHERE: HeadInfo(SPHERE, _sphere_title(), "none needed")}
    return heads | {name: HeadInfo(name, r["title"], r["licence"]) for name, (_, r) in _recipes().items()}


def _sphere_title() -> str:
    sphere = LayeredSphere()
    layers = ", ".join(f"{name_of(tag)} {radius:g}" for tag, radius in zip(sphere.tags, sphere.radii_mm))
    return f"concentric spheres, outer radii in mm: {layers}; --radii for others"


def load_head(
    head: str | Path,
    labels: Labels | None = None,
    tissue_array: str | None = None,
    as_numbered: bool = False,
) -> LabelVolume | LayeredSphere | TetMesh:
    """A head by its built-in name ("colin27", "sphere"), or from a label volume or a mesh file.

    labels        which tissue each label of a volume or each number of a mesh is: see `read_labels`
    tissue_array  the array of a mesh file that has the tissues: see `read_mesh`
    as_numbered   take the numbers of a file as tissue numbers whatever speaks against it: see `read_labels`

    Raises FemtmsError when there is no such head, the file is bad, or an argument is for another kind of head.
    """
    if not isinstance(head, str | Path):
        raise FemtmsError(f"a head must be a built-in name or a file; got {type(head).__name__}")
    name, path = str(head), Path(head)
    is_built_in = name in built_in_heads()
    if is_built_in or (path.exists() and not is_volume(path) and not is_mesh_file(path)):
        check_from_file(name, labels, tissue_array)
    if name == SPHERE:
        return LayeredSphere()
    if is_built_in:
        return _built_in(*_recipes()[name])
    if is_volume(path):
        if tissue_array is not None and path.exists():
            raise FemtmsError(f"--tissue-array (tissue_array=) is for mesh files; got '{name}'")
        return read_labels(path, labels, as_numbered)
    if not path.suffix and not path.exists():
        names = ", ".join(built_in_heads())
        raise FemtmsError(
            f"a head must be a built-in name ({names}), a label volume or a mesh file; there is no '{name}'"
            f"{meant(name, built_in_heads())}"
        )
    return read_mesh(path, labels, tissue_array, as_numbered)


def check_from_file(head: str, labels: Labels | None, tissue_array: str | None) -> None:
    """Raise FemtmsError for a label map or an array that is given for a head that is not from a file."""
    if labels is not None:
        raise FemtmsError(
            f"--labels (labels=) is for label volumes from files ({', '.join(SUFFIXES)}) and for mesh files; "
            f"got '{head}'"
        )
    if tissue_array is not None:
        raise FemtmsError(f"--tissue-array (tissue_array=) is for mesh files; got '{head}'")


def built_in_labels(name: str) -> Path | None:
    """The file with the labels of a built-in head; None for the sphere, which has none, and for other names."""
    folder, recipe = _recipes().get(name, (None, {}))
    return None if folder is None else folder / recipe["labels"]


def built_in_landmarks(name: str) -> dict[str, np.ndarray]:
    """Name -> (3,) mm of the electrodes of a built-in head, without its labels being read; {} for another head."""
    if name == SPHERE:
        return LayeredSphere().landmarks
    folder, recipe = _recipes().get(name, (None, {}))
    return {} if folder is None else read_electrodes(folder / recipe["electrodes"])


def _built_in(folder: Path, recipe: dict[str, str]) -> LabelVolume:
    path = folder / recipe["labels"]
    found = sha256_of(path)
    if found != recipe["sha256"]:
        raise FemtmsError(f"{path}: the built-in head is damaged: its sha256 must be {recipe['sha256']}; it is {found}")
    labels = read_labels(path)
    return LabelVolume(labels.data, labels.affine, recipe["name"], read_electrodes(folder / recipe["electrodes"]))


def head_provenance(head: str | Path) -> dict[str, str]:
    """Name or path of a head and the sha256 of the file that it is made from."""
    if str(head) == SPHERE:
        return {"name": SPHERE}
    recipes = _recipes()
    if str(head) in recipes:
        return {"name": str(head), "sha256": recipes[str(head)][1]["sha256"]}
    return file_provenance(Path(head))
