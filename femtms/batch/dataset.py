"""The results of a study as an xarray Dataset."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from femtms.batch.chunks import open_array
from femtms.batch.columns import NOT_DONE, Column
from femtms.batch.field_store import FIELDS_AGAIN, POINTS, E
from femtms.batch.layout import FIELDS, VALUES
from femtms.batch.lazy import lazy
from femtms.batch.places import PlaceTable
from femtms.batch.store import NUMBERS_AGAIN, RESULTS, Store
from femtms.errors import FemtmsError
from femtms.study.design import DIMS, Design

_CASES = 4096  # in a piece of the Dataset, about: Dask takes a millisecond for each piece
_AXES = ("x", "y", "z")
_OF_POINTS = (POINTS, "nodes", "tets", "tags")  # of "whole" and "gm-nodes"


def study_dataset(out: Path) -> xr.Dataset:
    """See `femtms.open_study`."""
    store = Store.open(out)
    block = int(np.prod(store.plan.chunks))
    place, angle, distance = store.plan.chunks
    pieces = (1, 1, 1, 1, place * max(1, _CASES // block), angle, distance, len(store.columns))
    values = lazy(store.array, out / RESULTS / VALUES, pieces, NUMBERS_AGAIN)
    parts = _coordinates_of(store.columns)
    variables: dict[str, Any] = {}
    for name in dict.fromkeys(column.variable for column in store.columns):
        own = [(number, column) for number, column in enumerate(store.columns) if column.variable == name]
        dims = _dims_of(own[0][1])
        index = np.full([len(parts[dim]) for dim in dims], -1)
        for number, column in own:
            index[_place_of(column, parts)] = number
        first = own[0][1]
        variables[name] = ((*DIMS, *dims), _picked(values, index), {"units": first.unit, "long_name": first.meaning})
    dims, state, attributes = variables["state"]
    variables["state"] = dims, da.where(da.isnan(state), NOT_DONE, state).astype(np.int8), attributes
    used = {dim for dims, _, _ in variables.values() for dim in dims}
    coordinates = _coordinates(store.design) | {
        dim: (dim, np.array(items)) for dim, items in parts.items() if dim in used and dim not in ("row", "column")
    }
    return xr.Dataset(variables, coordinates, _attributes(store))


def fields_dataset(out: Path, head: str, option: str | None) -> xr.Dataset:
    """See `femtms.open_fields`."""
    store = Store.open(out)
    design = store.design
    if not design.results.fields:
        raise FemtmsError(f"{out}: the study must keep fields for them to be read; it keeps statistics only")
    number = _number([h.name for h in design.heads], head, "head")
    options = [o.name for o in design.options]
    if option is None and len(options) > 1:
        raise FemtmsError(f"the option must be given, since the study has several: {', '.join(options)}")
    fields = store.fields(number, _number(options, option or options[0], "option"))
    variables: dict[str, Any] = {}
    for name, group in fields.groups().items():
        point = f"{name}_point"
        for key, array in group.arrays():
            values = lazy(array, fields.path / group.basename / key, array.chunks, FIELDS_AGAIN)
            if key == E:
                dims = ("conductivity", *DIMS[3:], point, "axis")
                variables[name] = dims, values, {"units": "V/m", "long_name": "induced electric field"}
                continue
            variables[f"{name}_{key}"] = (
                _geometry_dims(name, key, array.shape, open_array(group, E).shape[-2]),
                values,
                {"units": "mm"} if key.endswith("_mm") else {},
            )
    if not variables:
        raise FemtmsError(f"{out / RESULTS / FIELDS}: there is no field of head '{head}' yet")
    coordinates = _coordinates(design) | {"axis": ("axis", list(_AXES))}
    used = {dim for dims, _, _ in variables.values() for dim in dims}
    kept = {name: entry for name, entry in coordinates.items() if entry[0] in used}
    return xr.Dataset(variables, kept, _attributes(store) | {"head": head, "option": option or options[0]})


def _geometry_dims(name: str, key: str, shape: Sequence[int], points: int) -> tuple[str, ...]:
    """Dimensions of an array that says where a field is; those of one entry for each point are the field's own."""
    first = "point" if key in _OF_POINTS and shape[0] == points else key.removesuffix("_mm")
    return (f"{name}_{first}", *("axis" if key.endswith("_mm") else "corner" for _ in shape[1:]))


def _number(names: Sequence[str], name: str, what: str) -> int:
    if name not in names:
        raise FemtmsError(f"the {what} must be one of {', '.join(names)}; there is no '{name}'")
    return list(names).index(name)


def _picked(values: da.Array, index: np.ndarray) -> da.Array:
    """The columns with some numbers, in place of the last dimension; -1 for one that there is not, which is NaN."""
    return da.map_blocks(
        _pick,
        values,
        index=index,
        dtype=values.dtype,
        chunks=(*values.chunks[:-1], *((length,) for length in index.shape)),
        drop_axis=[len(DIMS)],
        new_axis=list(range(len(DIMS), len(DIMS) + index.ndim)),
        meta=np.empty((0,) * (len(DIMS) + index.ndim)),
    )


def _pick(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.where(index < 0, np.nan, values[..., index])


def _coordinates_of(columns: Sequence[Column]) -> dict[str, list[Any]]:
    """Dimension -> its coordinates, for those that only some variables have."""
    return {
        "tissue": list(dict.fromkeys(c.tissue for c in columns if c.tissue is not None)),
        "target": list(dict.fromkeys(c.target for c in columns if c.target is not None)),
        "axis": list(_AXES),
        "row": [0, 1, 2],
        "column": [0, 1, 2, 3],
    }


def _dims_of(column: Column) -> tuple[str, ...]:
    own = (("tissue", column.tissue), ("target", column.target), ("axis", column.axis))
    dims = tuple(dim for dim, value in own if value is not None)
    return dims if column.entry is None else (*dims, "row", "column")


def _place_of(column: Column, parts: Mapping[str, list[Any]]) -> tuple[int, ...]:
    """Where a column is in its variable."""
    own = (("tissue", column.tissue), ("target", column.target), ("axis", column.axis))
    at = tuple(parts[dim].index(value) for dim, value in own if value is not None)
    return at + (column.entry or ())


def _coordinates(design: Design) -> dict[str, Any]:
    places = PlaceTable.of(design.places)
    coordinates: dict[str, Any] = {
        "head": ("head", [head.name for head in design.heads]),
        "conductivity": ("conductivity", [conductivity.name for conductivity in design.conductivities]),
        "option": ("option", [option.name for option in design.options]),
        "coil": ("coil", [coil.name for coil in design.coils]),
        "place": ("place", places.names.astype(f"U{max(1, np.strings.str_len(places.names).max())}")),
        "angle": ("angle", np.array(design.angles, dtype=float), {"units": "degrees"}),
        "distance": ("distance", np.array(design.distances_mm, dtype=float), {"units": "mm"}),
    }
    names = np.array([p if isinstance(p, str) else ", ".join(f"{c:g}" for c in p) for p in places.points] + [""])
    for name, points in (("place_at", places.at), ("place_towards", places.towards)):
        if (points >= 0).any():
            coordinates[name] = ("place", names[points])
    if places.offset_mm.any():
        for axis, name in enumerate(("offset_u", "offset_v")):
            long_name = f"along the scalp from place_at, along the coil's {'yx'[axis]} at angle 0"
            attributes = {"units": "mm", "long_name": long_name}
            coordinates[name] = ("place", places.offset_mm[:, axis], attributes)
    return coordinates


def _attributes(store: Store) -> dict[str, Any]:
    """Text only, so that the Dataset can be written to any format."""
    attributes = store.group.attrs.asdict()
    return {
        "title": store.design.name,
        "source": str(attributes["source"]),
        "conductivity_sources": json.dumps(attributes["conductivity_sources"]),
        "provenance": json.dumps(store.provenance),
    }
