"""The quality report of a mesh: shapes of the tetrahedra, how they hang together, and how they fit the labels.

Nothing here is used to make meshes, so it can judge how they are made.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from femtms.head.labels import LabelVolume
from femtms.kernels.faces import face_neighbours
from femtms.mesh.fit import distance_to_interface, voxel_contacts
from femtms.mesh.interfaces import Interfaces, folds, interfaces_of
from femtms.mesh.shape import TetShapes, tet_shapes
from femtms.mesh.surface import triangle_normals
from femtms.mesh.topology import Topology, topology_of
from femtms.tissue import Tissue, name_of

_BONES = (Tissue.BONE, Tissue.COMPACT_BONE, Tissue.SPONGY_BONE)
_SMALL_ANGLES = (5, 10, 15, 20)


@dataclass(frozen=True, eq=False)
class Shape:
    """The distribution of the tetrahedra's shapes; angles are dihedral angles in degrees.

    smallest_angle  over the tetrahedra, of the smallest angle of each: min, p0_1, p1, p5, p50 (percentiles)
    largest_angle   of the largest angle of each: p99, max
    radius_ratio    3 r_in / R, 1 for a regular tetrahedron: min, p1, p50
    mean_ratio      12 (3V)^(2/3) / Σ edge², 1 for a regular tetrahedron: min, p1, p50
    percent_below   angle -> percentage of the tetrahedra whose smallest angle is below it
    histogram       (71,) number of tetrahedra whose smallest angle is from i to i + 1 degrees
    inverted, flat  number of tetrahedra with negative volume, and with none
    worst_tet       index of the tetrahedron with the smallest angle
    worst_mm        (3,) its centroid in mm
    """

    smallest_angle: dict[str, float]
    largest_angle: dict[str, float]
    radius_ratio: dict[str, float]
    mean_ratio: dict[str, float]
    percent_below: dict[int, float]
    histogram: np.ndarray
    inverted: int
    flat: int
    worst_tet: int
    worst_mm: np.ndarray


@dataclass(frozen=True)
class Fold:
    """Angle in degrees between neighbouring triangles of an interface: 0 where it is flat."""

    mean: float
    p95: float


@dataclass(frozen=True)
class Distance:
    """Distance in mm to the smooth interface of the labels; points at which it was not found are left out."""

    points: int
    mean: float
    p95: float
    p99: float
    max: float
    percent_not_found: float


@dataclass(frozen=True)
class Contact:
    """One pair of tissues that touch; the last two are None without labels.

    area_cm2        area of the mesh's triangles between them
    triangles       their number
    fold            how these fold
    voxel_area_cm2  area of the voxel faces between them: the stairs of a slanted interface have up to 1.73 times its
                    area, and on average over all directions 1.5 times
    distance        of the triangles' centroids from the smooth interface; None where there are no triangles
    """

    area_cm2: float
    triangles: int
    fold: Fold
    voxel_area_cm2: float | None = None
    distance: Distance | None = None


@dataclass(frozen=True)
class Fit:
    """The mesh against the label volume.

    voxel_ml           tissue -> volume of its voxels in mL
    volume_percent     tissue -> by how many percent the mesh has more volume than the voxels
    centroids          distance of the interface triangles' centroids from the smooth interfaces
    nodes              that of the nodes at which just two tissues meet
    false_contact_cm2  area of contact of grey matter with bone, less that of the voxel faces.  The latter
                       overestimate slanted contact, so contact that is there truly may count below zero
    """

    voxel_ml: dict[str, float]
    volume_percent: dict[str, float]
    centroids: Distance
    nodes: Distance
    false_contact_cm2: float


@dataclass(frozen=True, eq=False)
class Quality:
    """What `TetMesh.quality` finds; `print` shows it, `to_dict` gives it as numbers for JSON.

    volume_ml  tissue -> volume in mL
    contacts   "gm/csf" -> contact of these two; air comes last
    fold       over all interfaces
    fit        against the labels, where they were given
    """

    nodes: int
    tets: int
    shape: Shape
    topology: Topology
    volume_ml: dict[str, float]
    contacts: dict[str, Contact]
    fold: Fold
    fit: Fit | None

    def to_dict(self) -> dict[str, Any]:
        """The same as nested dictionaries of numbers; what cannot be given (of no points, say) is None."""
        result: dict[str, Any] = _plain(asdict(self))
        return result

    def __str__(self) -> str:
        return "\n".join([*_shape_lines(self), *_topology_lines(self), *_tissue_lines(self), *_contact_lines(self)])


def quality_of(nodes: np.ndarray, tets: np.ndarray, tags: np.ndarray, labels: LabelVolume | None = None) -> Quality:
    """The report on nodes (n,3) in m, tets (m,4) and tags (m,), which need not make a good mesh.

    labels  the volume to compare with; its affine and the nodes must be in the same frame
    """
    shapes = tet_shapes(nodes, tets)
    neighbour, overfull = face_neighbours(tets, len(nodes))
    topology = topology_of(nodes, tets, neighbour, overfull)
    interfaces = interfaces_of(tets, tags, neighbour)
    del neighbour
    volume_ml = {int(t): 1e6 * float(v) for t, v in enumerate(np.bincount(tags, shapes.volume)) if v}
    contacts, fold = _contacts(nodes, interfaces)
    fit = None
    if labels is not None:
        contacts, fit = _fit(nodes, interfaces, contacts, volume_ml, labels)
    return Quality(
        len(nodes),
        len(tets),
        _summary(nodes, tets, shapes),
        topology,
        {name_of(tag): volume for tag, volume in volume_ml.items()},
        {_pair_name(pair): contacts[pair] for pair in sorted(contacts, key=lambda pair: (pair[0] == 0, pair))},
        fold,
        fit,
    )


def _summary(nodes: np.ndarray, tets: np.ndarray, shapes: TetShapes) -> Shape:
    smallest, largest = shapes.smallest_angle, shapes.largest_angle
    worst = int(smallest.argmin())
    return Shape(
        {"min": float(smallest.min())} | _percentiles(smallest, 0.1, 1, 5, 50),
        _percentiles(largest, 99) | {"max": float(largest.max())},
        {"min": float(shapes.radius_ratio.min())} | _percentiles(shapes.radius_ratio, 1, 50),
        {"min": float(shapes.mean_ratio.min())} | _percentiles(shapes.mean_ratio, 1, 50),
        {angle: 100 * float((smallest < angle).mean()) for angle in _SMALL_ANGLES},
        np.bincount(smallest.astype(np.int64), minlength=71),
        int(shapes.inverted.sum()),
        int(shapes.flat.sum()),
        worst,
        1e3 * nodes[tets[worst]].mean(axis=0),
    )


def _percentiles(values: np.ndarray, *percents: float) -> dict[str, float]:
    found = np.percentile(values, percents)
    return {f"p{p:g}".replace(".", "_"): float(value) for p, value in zip(percents, found)}


def _contacts(nodes: np.ndarray, interfaces: Interfaces) -> tuple[dict[tuple[int, int], Contact], Fold]:
    pairs, index = interfaces.pairs()
    areas = np.linalg.norm(triangle_normals(nodes, interfaces.triangles), axis=1)
    area_cm2 = 1e4 * np.bincount(index, areas)
    angles, pair_of_angle = folds(nodes, interfaces.triangles, index)
    contacts = {
        pair: Contact(float(area_cm2[i]), int((index == i).sum()), _fold(angles[pair_of_angle == i]))
        for i, pair in enumerate(pairs)
    }
    return contacts, _fold(angles)


def _fold(angles: np.ndarray) -> Fold:
    return Fold(float(angles.mean()), float(np.percentile(angles, 95))) if len(angles) else Fold(np.nan, np.nan)


def _fit(
    nodes: np.ndarray,
    interfaces: Interfaces,
    contacts: dict[tuple[int, int], Contact],
    volume_ml: dict[int, float],
    labels: LabelVolume,
) -> tuple[dict[tuple[int, int], Contact], Fit]:
    """The contacts with what the voxels say of them, and the fit as a whole."""
    pairs, index = interfaces.pairs()
    between_two, low, high = interfaces.nodes_of_one_pair()
    points = 1e3 * np.concatenate([nodes[interfaces.triangles].mean(axis=1), nodes[between_two]])
    low, high = np.concatenate([interfaces.low, low]), np.concatenate([interfaces.high, high])
    distance, found = distance_to_interface(points, low, high, labels)
    f = len(index)  # distances of triangles, then of nodes
    of_nodes = _distance(distance[f:], found[f:])
    distance, found = distance[:f], found[:f]

    voxel_cm2 = {pair: 1e-2 * area for pair, area in voxel_contacts(labels).items()}
    compared = {}
    for pair in contacts.keys() | voxel_cm2.keys():
        contact = contacts.get(pair, Contact(0.0, 0, Fold(np.nan, np.nan)))
        own = index == pairs.index(pair) if pair in contacts else np.zeros(len(index), bool)
        compared[pair] = Contact(
            contact.area_cm2,
            contact.triangles,
            contact.fold,
            voxel_cm2.get(pair, 0.0),
            _distance(distance[own], found[own]) if own.any() else None,
        )

    present, counts = np.unique(labels.data, return_counts=True)
    voxel_ml = {int(t): float(count * labels.voxel_ml) for t, count in zip(present, counts) if t > 0}
    grey_to_bone = [compared[pair] for bone in _BONES if (pair := (int(Tissue.GM), int(bone))) in compared]
    return compared, Fit(
        {name_of(tag): volume for tag, volume in voxel_ml.items()},
        {name_of(tag): 100 * (volume_ml.get(tag, 0.0) / volume - 1) for tag, volume in voxel_ml.items()},
        _distance(distance, found),
        of_nodes,
        sum(contact.area_cm2 - (contact.voxel_area_cm2 or 0.0) for contact in grey_to_bone),
    )


def _distance(distance: np.ndarray, found: np.ndarray) -> Distance:
    known = distance[found]
    if not len(known):
        return Distance(len(found), np.nan, np.nan, np.nan, np.nan, 100.0 if len(found) else 0.0)
    p95, p99 = np.percentile(known, (95, 99))
    return Distance(
        len(found), float(known.mean()), float(p95), float(p99), float(known.max()), 100 * float((~found).mean())
    )


def _pair_name(pair: tuple[int, int]) -> str:
    """`(2, 3)` -> "gm/csf", `(0, 5)` -> "scalp/air"."""
    low, high = pair
    return f"{name_of(low)}/{name_of(high)}" if low else f"{name_of(high)}/air"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(content) for key, content in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist()
    return None if isinstance(value, float) and not np.isfinite(value) else value


# --- as text -----------------------------------------------------------------------------------------------


def _shape_lines(quality: Quality) -> list[str]:
    shape = quality.shape
    small, large, radius, mean = shape.smallest_angle, shape.largest_angle, shape.radius_ratio, shape.mean_ratio
    x, y, z = shape.worst_mm
    below = ", ".join(f"{angle}°: {_short(percent)} %" for angle, percent in shape.percent_below.items())
    return [
        f"{quality.nodes:,} nodes, {quality.tets:,} tetrahedra",
        f"{'shape of tetrahedra':<26}{'min':>8}{'0.1 %':>8}{'1 %':>8}{'5 %':>8}{'median':>8}{'99 %':>8}{'max':>8}",
        _row("smallest dihedral angle °", small["min"], small["p0_1"], small["p1"], small["p5"], small["p50"], "", ""),
        _row("largest dihedral angle °", "", "", "", "", "", large["p99"], large["max"]),
        _row("radius ratio 3 r/R", radius["min"], "", radius["p1"], "", radius["p50"], "", ""),
        _row("mean ratio", mean["min"], "", mean["p1"], "", mean["p50"], "", ""),
        f"smallest angle below {below}",
        f"worst: tet {shape.worst_tet} at ({x:.1f}, {y:.1f}, {z:.1f}) mm",
    ]


def _topology_lines(quality: Quality) -> list[str]:
    counts = {"inverted tets": quality.shape.inverted, "flat tets": quality.shape.flat}
    counts |= {
        name.replace("_", " ").replace("non ", "non-"): count
        for name, count in asdict(quality.topology).items()
        if name != "pieces"
    }
    wrong = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "no faults"
    return [f"topology: {quality.topology.pieces:,} piece{'s' * (quality.topology.pieces != 1)}; {wrong}"]


def _tissue_lines(quality: Quality) -> list[str]:
    fit = quality.fit
    if fit is None:
        return [f"{'tissue':<26}{'mL':>8}", *(_row(name, volume) for name, volume in quality.volume_ml.items())]
    lines = [f"{'tissue':<26}{'mL':>8}{'voxels':>8}{'%':>8}"]
    for name in [*fit.voxel_ml, *(name for name in quality.volume_ml if name not in fit.voxel_ml)]:
        percent = f"{fit.volume_percent[name]:+.2f}" if name in fit.volume_percent else ""
        lines.append(_row(name, quality.volume_ml.get(name, 0.0), fit.voxel_ml.get(name, 0.0), percent))
    return lines


def _contact_lines(quality: Quality) -> list[str]:
    fit = quality.fit
    heading = f"{'contact':<26}{'cm²':>8}{'fold °':>8}{'95 %':>8}"
    if fit is not None:
        heading += f"{'voxels¹':>9}{'mm off':>8}{'95 %':>8}"
    lines = [heading]
    for name, contact in quality.contacts.items():
        line = _row(name, contact.area_cm2, contact.fold.mean, contact.fold.p95)
        if fit is not None:
            off = contact.distance
            line += f"{_short(contact.voxel_area_cm2):>9}" + _row("", *((off.mean, off.p95) if off else ()), width=0)
        lines.append(line)
    lines.append(_row("all", "", quality.fold.mean, quality.fold.p95))
    if fit is not None:
        lines += [
            f"{'mm from smooth interface':<26}{'mean':>8}{'95 %':>8}{'99 %':>8}{'max':>8}{'not found':>11}",
            *_distance_lines({"triangle centroids": fit.centroids, "nodes of two tissues": fit.nodes}),
            f"grey matter on bone beyond that of the voxels¹: {fit.false_contact_cm2:.4g} cm²",
            "¹ area of voxel faces: stairs, on average 1.5 times the area of the interface itself",
        ]
    return lines


def _distance_lines(distances: dict[str, Distance]) -> list[str]:
    return [
        _row(name, d.mean, d.p95, d.p99, d.max) + f"{_short(d.percent_not_found):>9} %" for name, d in distances.items()
    ]


def _row(name: str, *values: float | str, width: int = 26) -> str:
    return f"{name:<{width}}" + "".join(f"{v if isinstance(v, str) else _short(v):>8}" for v in values)


def _short(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:.1f}" if 100 <= abs(value) < 1e5 else f"{value:.3g}"
