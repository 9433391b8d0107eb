"""Electrodes for heads that came without any: from fiducials that people measured, or from the shape of the scalp."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from femtms.coil.place import check_place
from femtms.errors import FemtmsError
from femtms.head.estimate import UNCERTAINTY_MM, estimate_note, estimated_fiducials
from femtms.head.fiducials import FIDUCIALS, electrodes_from, known_as
from femtms.head.labels import LabelVolume
from femtms.head.scalp import VolumeScalp
from femtms.head.sphere import LayeredSphere
from femtms.io.electrode_files import coordsystem_of, read_electrodes
from femtms.io.files import file_provenance
from femtms.io.heads import load_head
from femtms.io.nifti import covering_grid
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import Tissue, check_present

log = logging.getLogger("femtms")

ESTIMATE = "estimate"
_VOXEL_MM = 2.0  # of the grid that a mesh's scalp is found on; the smooth surface is right to 0.3 mm

Fiducials = str | Path | Mapping[str, Sequence[float]]
Head = TypeVar("Head", bound=LabelVolume | LayeredSphere | TetMesh)


def with_fiducials(head: Head, fiducials: Fiducials | None) -> Head:
    """The same head with electrode positions, which `place` and all that takes places then know by name.

    head       a LabelVolume or a TetMesh; positions that it has already are replaced
    fiducials  a file, see `read_electrodes`; name -> x, y, z in mm; or "estimate".  From Nz, Iz, LPA and RPA come the
               positions of the 10-10 system, and other names stand for themselves.  All are moved to the nearest point
               of the scalp.  "estimate" finds the four by the shape of the scalp, and adds a note to the head that says
               how uncertain they are: see docs/electrodes.md.  None changes nothing.

    Raises FemtmsError for a file that cannot be read, points that cannot be on this head, and a head whose shape does
    not show where the four are.
    """
    if fiducials is None:
        return head
    if not isinstance(head, LabelVolume | TetMesh):
        raise FemtmsError("fiducials and estimated electrodes are for label volumes and meshes; spheres have their own")
    scalp = _scalp_of(head)
    note: tuple[str, ...] = ()
    if _is_estimate(fiducials):
        check_present(head.tissues, Tissue.SCALP, "electrodes are estimated from the scalp, which the head must have")
        points = estimated_fiducials(scalp, *_known())
        note = (estimate_note(points),)
        log.warning("%s", note[0])
        where = "the estimated positions"
    else:
        where = "fiducials" if isinstance(fiducials, Mapping) else str(fiducials)
        points = _given(fiducials) if isinstance(fiducials, Mapping) else read_electrodes(fiducials)
    found = electrodes_from(points, scalp, where)
    if isinstance(head, TetMesh):
        found = {name: 1e-3 * position for name, position in found.items()}
    return replace(head, landmarks=found, notes=head.notes + note)


def with_places(head: Head, places: Mapping[str, str | Sequence[float]]) -> Head:
    """The same head with more names: name -> x, y, z in mm, which are taken as they are, or the name of an electrode.

    Raises FemtmsError for an electrode that the head does not have, and for spheres.
    """
    if not places:
        return head
    if not isinstance(head, LabelVolume | TetMesh):
        raise FemtmsError("places of a head are for label volumes and meshes; spheres have only their electrodes")
    known = {name.lower(): point for name, point in head.landmarks_mm.items()}
    points = {}
    for name, point in places.items():
        check_place(point, head.landmarks_mm, f"place {name}")
        points[name] = known[point.lower()] if isinstance(point, str) else np.array(point, dtype=np.float64)
    in_its_unit = {name: (1e-3 if isinstance(head, TetMesh) else 1.0) * point for name, point in points.items()}
    others = {name: point for name, point in head.landmarks.items() if name.lower() not in map(str.lower, places)}
    return replace(head, landmarks=others | in_its_unit)


def fiducials_summary(fiducials: Fiducials | None, head: Any) -> dict[str, Any] | None:
    """Where the electrodes of a head are from, for JSON; None where nobody said it.

    head  as `with_fiducials` made it
    """
    if fiducials is None:
        return None
    in_mm = {name: np.round(head.landmarks_mm[name], 2).tolist() for name in FIDUCIALS if name in head.landmarks_mm}
    if _is_estimate(fiducials):
        return {"name": ESTIMATE, "mm": in_mm, "uncertainty_mm": dict(UNCERTAINTY_MM)}
    if isinstance(fiducials, Mapping):
        return {"given": {name: [float(x) for x in point] for name, point in fiducials.items()}, "mm": in_mm}
    path = Path(fiducials)
    beside = coordsystem_of(path)
    companions = {} if beside is None else {"companions": [file_provenance(beside)]}
    return file_provenance(path) | companions | {"mm": in_mm}


@cache
def _known() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Points of the scalp of a head whose fiducials are known, and these, in mm."""
    head = load_head("colin27")
    assert isinstance(head, LabelVolume)
    points = VolumeScalp.of(head.data, head.affine).uncut_points
    return points, {name: head.landmarks[name] for name in FIDUCIALS}


def _is_estimate(fiducials: Fiducials) -> bool:
    return isinstance(fiducials, str) and fiducials == ESTIMATE


def _given(points: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    """Name -> (3,) mm, or an error that names the one that is wrong."""
    found: dict[str, np.ndarray] = {}
    for name, point in points.items():
        if not isinstance(name, str):
            raise FemtmsError(f"fiducials must have names such as Nz; got {name!r:.60}")
        try:
            position = np.array(point, dtype=np.float64)
        except (TypeError, ValueError):
            position = np.empty(0)
        if position.shape != (3,) or not np.isfinite(position).all():
            raise FemtmsError(f"fiducials must be three finite numbers in mm; got {point!r:.60} for {name}")
        if known_as(name) in found:
            raise FemtmsError(f"fiducials must have each name once; '{known_as(name)}' is there twice")
        found[known_as(name)] = position
    if not found:
        raise FemtmsError("fiducials must have at least one position; got none")
    return found


def _scalp_of(head: LabelVolume | TetMesh) -> VolumeScalp:
    if isinstance(head, LabelVolume):
        return VolumeScalp.of(head.data, head.affine)
    affine, shape = covering_grid(head, _VOXEL_MM)
    voxels = np.indices(shape).reshape(3, -1).T
    held = head.cells.hold(1e-3 * (voxels @ affine[:3, :3].T + affine[:3, 3])).reshape(shape)
    return VolumeScalp.of(held, affine)
