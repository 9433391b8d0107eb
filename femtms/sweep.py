"""Many positions of one coil over one head: numbers of each, kept as they come."""

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from femtms.anisotropy import Anisotropy, anisotropy_summary, conductivity_with
from femtms.backend import backend
from femtms.callable_module import callable_as_its_function
from femtms.coil.array import Didt, check_didt, driven_at
from femtms.coil.coil import Coil
from femtms.coil.place import check_clear
from femtms.coil.pose import Pose
from femtms.conductivity.isotropic import check_known, sigma_by_tag
from femtms.costs import VTU_BYTES, announce
from femtms.errors import FemtmsError
from femtms.field.recoveries import RAW, check_recovery
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.io.coils import load_coil
from femtms.io.files import errors_name, made_folders, only_one
from femtms.io.heads import check_from_file, load_head
from femtms.io.label_maps import Labels
from femtms.io.poses import read_poses
from femtms.io.summary import head_summary, inputs_summary, rounded, solver_summary
from femtms.io.sweeps import (
    PARTIAL,
    Rows,
    begin_or_go_on,
    columns_of,
    error_summary,
    finish,
    finished,
    row_of,
)
from femtms.mesh.generate import mesh_head
from femtms.mesh.sizes import DEFAULT_SIZE_MM, SizeMM
from femtms.mesh.tetmesh import TetMesh
from femtms.simulator import Simulator, check_order, check_rtol
from femtms.stage import Stage, Timed, told
from femtms.tissue import name_of, tag_of

log = logging.getLogger("femtms")

_E_BYTES, _ROW_BYTES = 12e6, 1.5e3  # of a field, for a million tetrahedra; and of a row of numbers
_SYNC_SECONDS = 1.0  # what a power cut can cost; a killed process loses nothing that it had written


def sweep(
    head: str | Path | LayeredSphere,
    coil: str | Path,
    poses: str | Path | Sequence[Pose],
    out: str | Path,
    *,
    size_mm: SizeMM = DEFAULT_SIZE_MM,
    labels: Labels | None = None,
    tissue_array: str | None = None,
    as_numbered: bool = False,
    sigma: Mapping[int | str, float] | None = None,
    anisotropy: Anisotropy | None = None,
    outside: str = "error",
    didt: Didt = 1e6,
    tissues: Sequence[int | str] | None = None,
    fields: bool = False,
    order: int = 1,
    recovery: str = RAW,
    device: str = "auto",
    rtol: float = 1e-6,
    allow_intersection: bool = False,
    overwrite: bool = False,
    stage: Stage = told,
) -> dict[str, Any]:
    """Compute statistics of |E| for many poses, write sweep.csv and sweep.json into `out`, and return the summary.

    head, coil, size_mm, labels, tissue_array, as_numbered, sigma, anisotropy, outside, order, recovery, device, rtol,
               allow_intersection, stage   are those of `simulate`, for one coil
    didt       rate of change of the current, A/s; one for each stimulator of a coil with several, or one for all
    poses      file of poses, see `read_poses`, or the poses themselves
    tissues    numbers or names of those to look at; None for all
    fields     also write E of each pose, as fields/pose_00000.npy (m,3) float32 in V/m, and the mesh as mesh.vtu
    overwrite  replace a result that is there, or a sweep with other inputs that was begun there

    What has been computed stays in `out` when the sweep is stopped: called again with the same inputs it goes on there,
    and ends in the same bytes as if it had not been stopped.  With the result of the same inputs complete in `out`
    there is nothing to do.  Raises FemtmsError, for poses that put the coil inside the head, or its casing into the
    scalp, before the first is solved.
    """
    out = Path(out)
    timed = Timed(stage)

    # bad input is found before the long stages start
    if isinstance(head, LayeredSphere):
        check_from_file(head.name, labels, tissue_array)
    known_sigma = sigma_by_tag(sigma or {})
    wanted = None if tissues is None else sorted({tag_of(t) for t in tissues})
    check_didt(didt)
    check_order(order)
    check_recovery(recovery)
    check_rtol(rtol)
    the_coil = load_coil(coil, outside)
    driven_at(the_coil, didt)
    the_poses = _checked(poses)
    tensors = None if anisotropy is None else anisotropy.loaded()
    chosen = backend(device)
    as_json = np.asarray(didt, dtype=np.float64).tolist()  # a number or a list
    by_name: dict[int | str, float] = {name_of(tag): s for tag, s in known_sigma.items()}
    inputs = inputs_summary(head, [(coil, the_coil, None)], by_name, labels, tissue_array, as_numbered)
    del inputs["matrix"]
    inputs |= {
        "poses": {
            "number": len(the_poses),
            "sha256": hashlib.sha256(b"".join(pose.matrix.tobytes() for pose in the_poses)).hexdigest(),
            "path": str(Path(poses).resolve()) if isinstance(poses, str | Path) else None,
        },
        "size_mm": size_mm,
        "tensors": None if tensors is None else tensors.inputs(),
        "outside": outside,
        "didt": as_json,
        "order": order,
        "recovery": recovery,
        "rtol": rtol,
        "tissues": None if wanted is None else [name_of(tag) for tag in wanted],
        "fields": fields,
        "device": chosen.name,  # a GPU rounds differently
        "femtms": version("femtms"),
    }
    busy = f"{out}: another femtms sweep is at work in this folder; wait for it or choose another folder"
    complete = finished(out, inputs, overwrite)  # before a folder is made
    with made_folders(out), only_one(out / ".sweep.lock", busy):
        complete = complete or finished(out, inputs, overwrite)
        if complete is not None:
            log.info("%s: this sweep is complete already; nothing was done", out)
            return complete

        with timed("read", "reading the head"):
            source = head if isinstance(head, LayeredSphere) else load_head(head, labels, tissue_array, as_numbered)
            if isinstance(source, LabelVolume | TetMesh):
                check_known(source.tissues, known_sigma)
                _check_present(wanted, source.tissues)
        of_fields = fields * (VTU_BYTES + _E_BYTES * len(the_poses))
        announce(source, head, size_mm, order, len(the_poses), of_fields, _ROW_BYTES * len(the_poses))
        with timed("mesh", "mesh"):
            mesh = source if isinstance(source, TetMesh) else mesh_head(source, size_mm, stage)
        _check_present(wanted, mesh.tissues)
        with timed("check", "checking the poses"):
            _check_all_clear(mesh, the_coil, the_poses, allow_intersection)
        conductivity = conductivity_with(tensors, mesh, sigma, timed)
        sim = Simulator(mesh, conductivity, order, device=chosen.name, rtol=rtol, recovery=recovery, stage=stage)

        seen = [int(tag) for tag in mesh.tissues] if wanted is None else wanted
        done = begin_or_go_on(out, inputs, columns_of(seen), mesh, fields, overwrite)
        if done:
            log.info("%s: going on after %s of %s poses", out, f"{done:,}", f"{len(the_poses):,}")
        with timed("sweep", "poses") as count:  # the poses have been looked at
            count(done, len(the_poses))
            results = sim.sweep(the_coil, the_poses[done:], didt, seen, fields, allow_intersection=True)
            _keep(out / PARTIAL, results, done, len(the_poses), count)

        summary = {"inputs": inputs} | head_summary(mesh, sim.sigma, sim.backend.description)
        summary |= {
            "coil": the_coil.name,
            "didt": as_json,
            "anisotropy": anisotropy_summary(conductivity),
            "poses": len(the_poses),
            "tissues": {
                name_of(tag): {"tag": tag, "tets": int(own.sum()), "volume_ml": 1e6 * float(mesh.volumes[own].sum())}
                for tag, own in ((tag, mesh.tags == tag) for tag in seen)
            },
            "estimated_relative_error": error_summary(out),
            "solver": solver_summary(sim),
            "seconds": rounded(timed.seconds | sim.seconds),
            "poses_in_these_seconds": len(the_poses) - done,
        }
        finish(out, summary)
    return summary


def _keep(partial: Path, results: Iterator[Any], done: int, total: int, count: Any) -> None:
    """Keep the row of each result, and its field, as it comes."""
    last = time.monotonic()
    with errors_name(partial), Rows(partial) as rows:
        for index, result in enumerate(results, done):
            rows.add(index, row_of(index, result), None if result.field is None else result.field.E)
            if time.monotonic() - last > _SYNC_SECONDS:
                rows.sync()
                last = time.monotonic()
            count(index + 1, total)
        rows.sync()


def _checked(poses: str | Path | Sequence[Pose]) -> list[Pose]:
    if isinstance(poses, str | Path):
        return read_poses(poses)
    the_poses = list(poses)
    if not the_poses or not all(isinstance(pose, Pose) for pose in the_poses):
        kinds = ", ".join(sorted({type(pose).__name__ for pose in the_poses})) or "none"
        raise FemtmsError(f"poses must be a file or at least one femtms.Pose; got {kinds}")
    return the_poses


def _check_present(wanted: Sequence[int] | None, present: Iterable[int]) -> None:
    missing = [name_of(tag) for tag in wanted or () if tag not in set(present)]
    if missing:
        there = ", ".join(name_of(tag) for tag in present)
        raise FemtmsError(f"the head must have the tissues that are asked for; it has {there}, not {missing[0]}")


def _check_all_clear(mesh: TetMesh, coil: Coil, poses: Sequence[Pose], allow_intersection: bool) -> None:
    """Raise FemtmsError with the index of each pose that puts the coil into the head: now, not after hours."""
    bad: dict[int, FemtmsError] = {}
    for i, pose in enumerate(poses):
        try:
            check_clear(mesh, coil, pose, allow_intersection, "make z of the pose point into the head")
        except FemtmsError as error:
            bad[i] = error
    if not bad:
        return
    first, *others = bad
    more = ", ".join(map(str, others[:20])) + (", …" if len(others) > 20 else "")
    raise FemtmsError(
        f"pose {first} of {len(poses):,}: {bad[first]}"
        + (f"; the same is wrong with {len(others):,} more: {more}" if others else "")
    )


callable_as_its_function(__name__)
