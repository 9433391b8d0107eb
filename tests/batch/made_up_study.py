"""Studies with numbers that look like real ones, made from a formula, for tests of what is done with results."""

import numpy as np
import xarray as xr

from femtms.batch.columns import DONE, NOT_DONE
from femtms.study.design import (
    DIMS,
    Design,
    StudyCoil,
    StudyConductivity,
    StudyHead,
    StudyOption,
    StudyPlace,
    StudyResults,
)

RADIUS_MM = 95.0


def made_up_design(
    name="hotspot search",
    heads=("sub-01",),
    conductivities=("standard",),
    coils=("figure8-70mm",),
    places=None,
    angles=(0.0,),
    distances=(4.0,),
    targets=("M1",),
):
    """A design of these names; places are those of a grid if none are given."""
    return Design(
        name,
        tuple(StudyHead(head, f"/data/{head}/labels.nii.gz") for head in heads),
        tuple(StudyConductivity(c, {} if c == "standard" else {"bone": 0.004}) for c in conductivities),
        (StudyOption("standard"),),
        tuple(StudyCoil(coil, coil) for coil in coils),
        grid() if places is None else places,
        tuple(map(float, angles)),
        tuple(map(float, distances)),
        StudyResults(("gm", "wm"), {target: (-38.0, -20.0, 58.0) for target in targets}),
    )


def grid(radius_mm=20, spacing_mm=10):
    """Offsets of a disc around C3."""
    steps = np.arange(-radius_mm, radius_mm + 1, spacing_mm)
    return tuple(
        StudyPlace(f"C3 ({u:g}, {v:g})", "C3", None, (float(u), float(v)))
        for u in steps
        for v in steps
        if np.hypot(u, v) <= radius_mm + 1e-9
    )


def electrodes(number=5):
    """Places without offsets."""
    return tuple(StudyPlace(f"E{i}", f"E{i}") for i in range(number))


def directions(design):
    """(places,2): azimuth-like angles of each place on the sphere, in radians."""
    offsets = np.array([place.offset_mm for place in design.places], dtype=float)
    if not offsets.any():
        turn = 2.4 * np.arange(len(offsets))  # spread over the head
        offsets = np.stack([60 * np.sqrt(np.arange(len(offsets))) * f(turn) for f in (np.cos, np.sin)], axis=1)
    return offsets / RADIUS_MM


def poses_of(design):
    """(places, angles, distances, 3, 4) mm: on a sphere around the head's origin, turned about z of the coil."""
    tilt_u, tilt_v = directions(design).T
    out = np.stack([-np.sin(tilt_v), np.sin(tilt_u), np.cos(tilt_v) * np.cos(tilt_u)], axis=1)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    z = -out
    y = np.array([0.0, 1.0, 0.0]) - out * out[:, 1:2]
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    x = np.cross(y, z)
    poses = np.empty((len(out), len(design.angles), len(design.distances_mm), 3, 4))
    for a, angle in enumerate(np.radians(design.angles)):
        for d, distance in enumerate(design.distances_mm):
            axes = (np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y, z)
            poses[:, a, d] = np.stack([*axes, (RADIUS_MM + distance) * out], axis=2)
    return poses


def made_up_results(design, state=None):
    """What `open_study` gives of a study of the design; state (DIMS) or all done."""
    shape = design.shape
    state = np.full(shape, DONE) if state is None else state
    head, conductivity, option, coil, place, angle, distance = np.ix_(*map(np.arange, shape))
    u, v = (1e3 * d * RADIUS_MM / 1e3 for d in directions(design).T)
    off = ((u - 6) ** 2 + (v + 4) ** 2)[place]
    turn = np.radians(np.asarray(design.angles)[angle] - 45 - 10 * head)
    gap = np.asarray(design.distances_mm)[distance]
    field = 90 * np.exp(-off / 1800) * np.exp(-gap / 18) * (0.55 + 0.45 * np.cos(turn) ** 2)
    field = field * (1 - 0.12 * head) * (1 + 0.06 * conductivity) * (1 - 0.2 * coil) * (1 + 0.0 * option)
    done = state == DONE
    field = np.where(done, field, np.nan)
    tissues = np.array(design.results.tissues)
    per_tissue = field[..., None] * np.array([1.3, 1.1])
    targets = list(design.results.targets)
    at_targets = field[..., None] * (1 - 0.15 * np.arange(len(targets)))
    poses = np.broadcast_to(poses_of(design), (*shape[:4], *shape[4:], 3, 4))
    poses = np.where((state != NOT_DONE)[..., None, None], poses, np.nan)
    error = np.where(done, 0.06 + 0.01 * head + 0.0004 * place + 0.001 * coil, np.nan)
    data = {
        "state": (DIMS, state.astype(float)),
        "iterations": (DIMS, np.where(done, 12 + head + 0 * angle, np.nan)),
        "residual": (DIMS, np.where(done, 7e-7 * np.ones(shape), np.nan)),
        "pose_mm": ((*DIMS, "row", "column"), poses),
        "median": ((*DIMS, "tissue"), 0.3 * per_tissue),
        "p99_9": ((*DIMS, "tissue"), per_tissue),
        "estimated_relative_error": ((*DIMS, "tissue"), np.stack([error, np.full(shape, np.nan)], axis=-1)),
    }
    if targets:
        data["target_field"] = ((*DIMS, "target"), at_targets)
    names = {
        "head": [h.name for h in design.heads],
        "conductivity": [c.name for c in design.conductivities],
        "option": [o.name for o in design.options],
        "coil": [c.name for c in design.coils],
        "place": [p.name for p in design.places],
        "angle": list(design.angles),
        "distance": list(design.distances_mm),
        "tissue": tissues,
        **({"target": targets} if targets else {}),
    }
    return xr.Dataset(data, coords=names)
