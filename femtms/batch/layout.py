"""What the store of a study looks like before there is a result in it."""

from pathlib import Path
from typing import Any

import numpy as np
import zarr

from femtms.batch.chunks import create_array, read_array, write_array
from femtms.batch.columns import Column
from femtms.batch.places import PlaceTable
from femtms.batch.safe_store import SafeStore
from femtms.study.design import DIMS, Design
from femtms.study.plan import Plan
from femtms.tissue import PROPERTIES, name_of

VALUES, FIELDS = "values", "fields"
KIND = "results of a femtms study"
FORMAT = 2


def make_store(
    path: Path, design: Design, places: PlaceTable, plan: Plan, columns: tuple[Column, ...], provenance: dict[str, Any]
) -> None:
    """Write a group with the coordinates of a study, and `values` and `fields` that wait for its blocks."""
    attributes = {
        "kind": KIND,
        "format": FORMAT,
        "title": design.name,
        "Conventions": "dimension names of Zarr v3, units as in UDUNITS; a case that is not done is NaN",
        "source": f"femtms {provenance.get('femtms', '')}".strip(),
        "conductivity_sources": {name_of(tag): tissue.source for tag, tissue in PROPERTIES.items()},
        "provenance": provenance,
    }
    group = zarr.create_group(SafeStore(path), attributes=attributes)
    _coordinates(group, design)
    _places(group, places)
    _columns(group, columns)
    create_array(
        group,
        VALUES,
        (*plan.shape, len(columns)),
        (1, 1, 1, 1, *plan.chunks, len(columns)),
        (*DIMS, "column"),
        "float64",
        {"comment": "a chunk is a block of cases with all their numbers; a block is done when its chunk is there"},
    )
    group.create_group(FIELDS, attributes={"comment": "a group for each head and option"})


def _coordinates(group: zarr.Group, design: Design) -> None:
    for dim, items in (
        ("head", design.heads),
        ("conductivity", design.conductivities),
        ("option", design.options),
        ("coil", design.coils),
    ):
        _texts(group, dim, dim, [item.name for item in items])
    angles, distances = np.array(design.angles, dtype=float), np.array(design.distances_mm, dtype=float)
    write_array(
        group, "angle", angles, ("angle",), units="degrees", comment="about the coil's z, which points into the head"
    )
    write_array(group, "distance", distances, ("distance",), units="mm", comment="from the scalp to the coil's origin")


def _places(group: zarr.Group, places: PlaceTable) -> None:
    points = "number of the point in study.json, -1 for none"
    _texts(group, "place", "place", places.names)
    write_array(group, "place_at", places.at, ("place",), comment=points)
    write_array(group, "place_towards", places.towards, ("place",), comment=points)
    write_array(group, "place_offset_mm", places.offset_mm, ("place", "uv"), units="mm", comment="along the scalp")
    if len(places.matrix_mm):
        dims = ("place", "row", "matrix_column")
        write_array(group, "place_matrix_mm", places.matrix_mm, dims, units="mm", comment="NaN where a place has none")


def read_places(group: zarr.Group, points: tuple[Any, ...]) -> PlaceTable:
    """The places that `make_store` wrote, with the points that study.json has."""
    matrix_mm = read_array(group, "place_matrix_mm") if "place_matrix_mm" in group else np.empty((0, 4, 4))
    names, at, towards, offset_mm = (
        read_array(group, name) for name in ("place", "place_at", "place_towards", "place_offset_mm")
    )
    return PlaceTable(names, points, at, towards, offset_mm, matrix_mm)


def _columns(group: zarr.Group, columns: tuple[Column, ...]) -> None:
    _texts(group, "column", "column", [column.name for column in columns])
    _texts(group, "column_unit", "column", [column.unit for column in columns])
    _texts(group, "column_meaning", "column", [column.meaning for column in columns])


def _texts(group: zarr.Group, name: str, dim: str, texts: Any) -> None:
    write_array(group, name, np.asarray(texts, dtype=np.dtypes.StringDType()), (dim,))
