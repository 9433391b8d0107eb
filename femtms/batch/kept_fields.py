"""What a study keeps of E beside its statistics: where, and the numbers there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from femtms.errors import FemtmsError
from femtms.field.field import Field
from femtms.field.places import Places
from femtms.io.surface_files import read_surface
from femtms.mesh.tetmesh import TetMesh
from femtms.study.design import StudyResults
from femtms.tissue import Tissue, check_present


@dataclass(frozen=True, eq=False)
class KeptField:
    """E at the same points of one head for every case.

    name      "gm-nodes", "whole" or "surface NAME"
    geometry  points_mm (p,3) in head coordinates, and how they hang together: nodes (p,) of the mesh; nodes_mm (n,3),
              tets (p,4) and tags (p,); or triangles (f,3)
    values    of a Field: E (p,3) in V/m, NaN at points of a surface that are outside grey matter
    """

    name: str
    geometry: Mapping[str, np.ndarray]
    values: Callable[[Field], np.ndarray]


def kept_fields(mesh: TetMesh, results: StudyResults) -> tuple[KeptField, ...]:
    """Those that a study asks for.  Raises FemtmsError for a head without grey matter and for what is no surface."""
    if {"gm-nodes", "surfaces"} & set(results.fields):
        check_present(mesh.tissues, Tissue.GM, "fields are kept in grey matter, which the head must have")
    kept = []
    if "gm-nodes" in results.fields:
        kept.append(_grey_nodes(mesh))
    if "whole" in results.fields:
        geometry = {
            "points_mm": 1e3 * mesh.centroids,
            "nodes_mm": 1e3 * mesh.nodes,
            "tets": mesh.tets,
            "tags": mesh.tags,
        }
        kept.append(KeptField("whole", geometry, lambda field: field.E))
    if "surfaces" in results.fields:
        kept += [_on_surface(mesh, name, path) for name, path in results.surfaces.items()]
    return tuple(kept)


def _grey_nodes(mesh: TetMesh) -> KeptField:
    nodes = np.unique(mesh.tets[mesh.tags == Tissue.GM])
    geometry = {"points_mm": 1e3 * mesh.nodes[nodes], "nodes": nodes}
    return KeptField("gm-nodes", geometry, lambda field: field.at_nodes(int(Tissue.GM))[1])


def _on_surface(mesh: TetMesh, name: str, path: str) -> KeptField:
    try:
        surface = read_surface(path)
        places = Places.of(mesh, surface.nodes, int(Tissue.GM), what=f"nodes of surface '{name}'")
    except FemtmsError as error:
        raise FemtmsError(f"surface '{name}': {error}") from error
    geometry = {"points_mm": 1e3 * surface.nodes, "triangles": surface.triangles}
    return KeptField(f"surface {name}", geometry, lambda field: field.E_in(places.tets, places.weights))
