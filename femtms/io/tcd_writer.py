"""Coil models as .tcd files."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from femtms.coil.deform import Deformation, Range, Rotation, Translation
from femtms.coil.elements import CoilElements, Currents, Dipoles
from femtms.coil.model import Casing, CoilModel, CoilPart
from femtms.coil.sampled import SampledField
from femtms.coil.stimulator import Stimulator, Waveform
from femtms.errors import FemtmsError
from femtms.io.a_fields import in_coil_frame
from femtms.io.files import whole_file
from femtms.io.packed import pack
from femtms.io.tcd import CURRENTS, DIPOLES, ROTATION, SAMPLED
from femtms.io.units import in_mm


def write_tcd(model: CoilModel, path: Path, overwrite: bool = False) -> None:
    """A coil model as .tcd, with all digits: points, vectors and triangles packed, a sampled A as nested lists.

    What is not known is left out.  Raises FemtmsError when the file exists and overwrite is False.
    """
    content: dict[str, Any] = {"name": model.name, "brand": model.brand, "version": model.version}
    if model.limits is not None:
        content["limits"] = in_mm(model.limits).tolist()
    if model.resolution is not None:
        content["resolution"] = in_mm(model.resolution).tolist()
    if model.casing is not None:
        content["coilCasing"] = model.casing
    if model.self_intersection:
        content["selfIntersectionTest"] = [list(group) for group in model.self_intersection]
    content |= {
        "coilElementList": [_part(part) for part in model.parts],
        "stimulatorList": [_stimulator(stimulator) for stimulator in model.stimulators],
        "deformList": [_deformation(deformation) for deformation in model.deformations],
        "deformRangeList": [_range(r, model.range_unit(i)) for i, r in enumerate(model.ranges)],
        "coilModels": [_casing(casing) for casing in model.casings],
    }
    with whole_file(path, overwrite) as temporary, open(temporary, "w", encoding="ascii") as file:
        file.write(_text(content) + "\n")


def _text(content: dict[str, Any]) -> str:
    """Indented JSON, but a sampled A in one line: it has a number for every voxel."""
    grids = {}
    for i, part in enumerate(content["coilElementList"]):
        if "data" in part:
            grids[i] = json.dumps(part["data"], allow_nan=False)
            part["data"] = i
    text = json.dumps(content, indent=2, allow_nan=False)
    for i, grid in grids.items():
        text = text.replace(f'"data": {i},', f'"data": {grid},', 1)  # inside a string the quotes would be escaped
    return text


def _part(part: CoilPart) -> dict[str, Any]:
    content: dict[str, Any] = {"name": part.name, "stimulator": part.elements.stimulator}
    if part.casing is not None:
        content["elementCasing"] = part.casing
    if part.deformations:
        content["deformations"] = list(part.deformations)
    return content | _elements(part.elements)


def _elements(elements: CoilElements | SampledField) -> dict[str, Any]:
    if isinstance(elements, SampledField):
        field = in_coil_frame(elements)
        affine = np.concatenate([in_mm(field.affine[:3]), field.affine[3:]])
        return {"type": SAMPLED, "data": field.values.tolist(), "affine": affine.tolist()}
    points = pack(in_mm(elements.positions))
    if isinstance(elements, Dipoles):
        return {"type": DIPOLES, "points": points, "values": pack(elements.vectors)}
    if isinstance(elements, Currents):
        return {"type": CURRENTS, "points": points, "values": pack(in_mm(elements.vectors))}
    raise FemtmsError(f"a .tcd file holds dipoles, current elements and sampled A; got {type(elements).__name__}")


def _stimulator(stimulator: Stimulator) -> dict[str, Any]:
    content: dict[str, Any] = {"name": stimulator.name, "brand": stimulator.brand}
    if stimulator.max_didt is not None:
        content["maxdIdt"] = stimulator.max_didt
    if stimulator.waveforms:
        content["waveformList"] = [_waveform(waveform) for waveform in stimulator.waveforms]
    return content


def _waveform(waveform: Waveform) -> dict[str, Any]:
    content = {"name": waveform.name, "time": waveform.time.tolist(), "signal": waveform.signal.tolist()}
    return content | ({} if waveform.fit is None else {"fit": waveform.fit.tolist()})


def _deformation(deformation: Deformation) -> dict[str, Any]:
    if isinstance(deformation, Translation):
        return {"deformRange": deformation.range, "type": deformation.axis}
    assert isinstance(deformation, Rotation)
    points = {key: in_mm(p).tolist() for key, p in (("point1", deformation.start), ("point2", deformation.end))}
    return {"deformRange": deformation.range, "type": ROTATION} | points


def _range(r: Range, unit: str) -> dict[str, Any]:
    amounts = np.array([r.initial, r.low, r.high], dtype=np.float64)
    initial, low, high = (in_mm(amounts) if unit == Translation.unit else amounts).tolist()
    return {"initial": initial, "range": [low, high]}


def _casing(casing: Casing) -> dict[str, Any]:
    content = {
        "points": pack(in_mm(casing.surface.nodes)),
        "faces": pack(casing.surface.triangles.astype(np.int64)),
    }
    if casing.min_distance_points is not None:
        content["minDistancePoints"] = pack(in_mm(casing.min_distance_points))
    return content
