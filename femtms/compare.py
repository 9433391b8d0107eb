"""Several coils at the same places of one head and on the standard sphere: which is strong, which deep, which focal."""

import os.path
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from femtms.analysis.case import STANDARD_SPHERE, Case
from femtms.analysis.envelope import BRAIN
from femtms.analysis.head_metrics import HeadAnalysis, HeadMetrics, check_grey
from femtms.analysis.sphere import BRAIN_MM, SCALP_MM, SphereMetrics, pose_above_sphere, sphere_metrics
from femtms.analysis.sphere import GAP_MM as STANDARD_GAP_MM
from femtms.anisotropy import Anisotropy, anisotropy_summary, conductivity_with
from femtms.backend import backend
from femtms.callable_module import callable_as_its_function
from femtms.coil.clearance import at_gap, centre_distance, check_gap, clearance, has_extent
from femtms.coil.coil import Coil
from femtms.coil.direction import towards_the_midline
from femtms.coil.energy import PERIOD_S
from femtms.coil.place import check_clear, check_place, place, position_of
from femtms.coil.pose import Pose
from femtms.conductivity.isotropic import check_known, sigma_by_tag
from femtms.conductivity.summary import in_words
from femtms.costs import announce
from femtms.errors import FemtmsError
from femtms.field.recoveries import RAW, check_recovery
from femtms.head.sphere import LayeredSphere
from femtms.io.coils import load_coil
from femtms.io.comparison_columns import COLUMNS
from femtms.io.comparisons import PLOT, RESULTS, cases_summary, profiles_of, rows_of, write_csv, write_tex
from femtms.io.fiducials import Fiducials, fiducials_summary, with_fiducials
from femtms.io.files import check_out, whole_folder
from femtms.io.heads import SPHERE, check_from_file, load_head
from femtms.io.label_maps import Labels
from femtms.io.summary import head_summary, inputs_summary, rounded, solver_summary, write_json
from femtms.mesh.generate import mesh_head
from femtms.mesh.sizes import DEFAULT_SIZE_MM, SizeMM
from femtms.mesh.tetmesh import TetMesh
from femtms.placement import Place, listed, warn_if_held_off
from femtms.plausible import PERIOD, TARGET
from femtms.report.compare_maps import MapView
from femtms.report.compare_page import Settings, comparison_page
from femtms.report.compare_scene import brain_surface, packed_coil, packed_pose, packed_values, scalp_surface
from femtms.report.depth_focality import draw_depth_focality
from femtms.report.tissue_surface import TissueSurface
from femtms.simulator import Simulator, check_order, check_rtol
from femtms.stage import Stage, Timed, silent, told
from femtms.tissue import Tissue

DEFAULT_GAP_MM = STANDARD_GAP_MM  # the rows of a head and of the standard sphere have one gap
_PAGE_BYTES, _CASE_BYTES = 4e6, 3e5  # of the report
DEFAULT_TARGET = 60.0  # V/m, in the motor cortex at threshold
_PER_A_PER_US = 1e6  # A/s: fields are for 1 A/µs

Head = str | Path | LayeredSphere


def compare(
    head: Head,
    coils: Sequence[str | Path],
    out: str | Path,
    *,
    at: Sequence[Place],
    towards: Sequence[Place] = (),
    gap_mm: float = DEFAULT_GAP_MM,
    target: float = DEFAULT_TARGET,
    period: float = PERIOD_S,
    size_mm: SizeMM = DEFAULT_SIZE_MM,
    labels: Labels | None = None,
    tissue_array: str | None = None,
    as_numbered: bool = False,
    fiducials: Fiducials | None = None,
    sigma: Mapping[int | str, float] | None = None,
    anisotropy: Anisotropy | None = None,
    order: int = 1,
    recovery: str = RAW,
    device: str = "auto",
    rtol: float = 1e-6,
    outside: str = "error",
    allow_intersection: bool = False,
    plots: bool = False,
    overwrite: bool = False,
    stage: Stage = told,
) -> dict[str, Any]:
    """Compare coils at the same places, write RESULTS into the folder `out`, and return the summary.

    head     built-in name, label volume, mesh file, or a LayeredSphere; "sphere" is here the standard sphere
    coils    built-in names or coil files
    at       electrodes, or x, y, z in mm: the places of the coils
    towards  for each place, or one for all, where the coil's y points; without it, at 45° to the sagittal plane,
             anterior and towards the midline, and straight anterior on the midline
    gap_mm   distance in mm from the scalp to the nearest point of the casing or, without one, of the wires
    target   brain maximum in V/m for which dI/dt and energy are given
    period   of the current's sine in s, for the energy
    allow_intersection   measure the gap from the coil's origin, as `simulate` does, even if the casing then cuts; the
             wires must be outside
    plots    whether to write PLOT, too: spread against depth of each coil and place, for print
    size_mm, labels, tissue_array, as_numbered, fiducials, sigma, anisotropy, order, recovery, device, rtol, outside,
    stage    are those of `simulate`

    For each coil there is a row for every place and, unless the head is the standard sphere, one for that.  In spheres
    the numbers are exact, but with allow_intersection or anisotropy; the volumes of grey matter and the maps are of
    finite elements everywhere.  Coils with several stimulators are driven alike by all of them.  The results appear
    whole or not at all.  Raises FemtmsError.
    """
    out = Path(out)
    # the plot of an earlier result goes away with it: the new one has other numbers
    earlier = (PLOT,) if plots or ((out / PLOT).exists() and (out / RESULTS[-1]).exists()) else ()
    results = earlier + RESULTS
    check_out(out, results, overwrite)
    timed = Timed(stage)

    # bad input is found before the long stages start
    if isinstance(head, str | Path) and str(head) == SPHERE:
        head = LayeredSphere((BRAIN_MM, SCALP_MM))
    if isinstance(head, LayeredSphere):
        check_from_file(head.name, labels, tissue_array)
    places = _named(at, towards)
    known_sigma = sigma_by_tag(sigma or {})
    check_gap(gap_mm)
    check_order(order)
    check_recovery(recovery)
    check_rtol(rtol)
    for name, value, quantity in (("target", target, TARGET), ("period", period, PERIOD)):
        if not 0 < value < np.inf:
            raise FemtmsError(f"{name} must be > 0 and finite, in {quantity.unit}; got {value}")
        quantity.checked(value, name)
    if device != "auto":
        backend(device)
    the_coils = _loaded(coils, outside)
    tensors = None if anisotropy is None else anisotropy.loaded()
    with timed("read", "reading the head"):
        source = head if isinstance(head, LayeredSphere) else load_head(head, labels, tissue_array, as_numbered)
        source = with_fiducials(source, fiducials)
        tissues = np.array(source.tags) if isinstance(source, LayeredSphere) else source.tissues
        if not isinstance(source, LayeredSphere):
            check_known(tissues, known_sigma)
        check_grey(tissues)
        for where, to in places.values():
            check_place(where, source.landmarks, "at")
            if to is not None:
                check_place(to, source.landmarks, "towards")
        # now: in an hour a file may be another
        inputs = _inputs(head, coils, the_coils, sigma, labels, tissue_array, as_numbered)
        inputs["fiducials"] = fiducials_summary(fiducials, source)
        inputs["tensors"] = None if tensors is None else tensors.inputs()
    with timed("standard_sphere", "standard sphere") as count:
        exact: dict[str, SphereMetrics] = {}
        # with a gap that counts from the origin a coil is elsewhere than the closed form has it, and it has no tensors
        if isinstance(source, LayeredSphere) and not allow_intersection and tensors is None:
            exact = _of_sphere(source, the_coils, gap_mm)
        cases = []
        # on the standard sphere itself the rows of all places say it already
        is_told = bool(exact) and _is_standard(source, gap_mm)
        for i, coil in enumerate(() if is_told else the_coils.values(), 1):
            above = 1e-3 * STANDARD_GAP_MM if has_extent(coil) else None
            centre = float(np.linalg.norm(pose_above_sphere(coil).centre)) - 1e-3 * SCALP_MM
            cases.append(Case.of(coil, STANDARD_SPHERE, above, sphere_metrics(coil), centre=centre))
            count(i, len(the_coils))

    cases_to_come = len(the_coils) * len(places)
    announce(source, head, size_mm, order, cases_to_come, 0, _PAGE_BYTES + _CASE_BYTES * cases_to_come)
    with timed("mesh", "mesh"):
        mesh = source if isinstance(source, TetMesh) else mesh_head(source, size_mm, stage)
    with timed("place", "placing the coils"):
        poses = _posed(mesh, the_coils, places, gap_mm, allow_intersection)
        _check_all_clear(mesh, the_coils, poses, allow_intersection)
    with timed("analyse", "depths in the brain"):
        analysis = HeadAnalysis(mesh)
        surface = TissueSurface.of(mesh, BRAIN)

    conductivity = conductivity_with(tensors, mesh, sigma, timed)
    sim = Simulator(mesh, conductivity, order, device=device, rtol=rtol, recovery=recovery, stage=stage)
    found: list[_Found] = []
    with timed("solve", "fields") as count:
        count(0, len(poses))
        for coil in the_coils.values():
            own = [poses[coil.name, name] for name in places]
            maximum = exact[coil.name].E_brain if exact else None
            # one after the other: only the numbers and the brain's surface are kept of a field; what is announced is
            # fields, not stages, and the poses have been looked at
            fields = sim.solve_each(coil, own, _PER_A_PER_US, allow_intersection=True, stage=silent)
            for name, field in zip(places, fields, strict=True):
                values = surface.values(field.magnE).astype(np.float32)
                error = field.relative_error(Tissue.GM)
                found.append(_Found(coil, name, field.pose, analysis.metrics(field, maximum), values, error))
                count(len(found), len(poses))
    cases += [
        Case.of(
            *(f.coil, f.place, _clearance(mesh, f.coil, f.pose), exact.get(f.coil.name, f.metrics)),
            *(f.metrics, f.error, centre_distance(mesh, f.pose)),
        )
        for f in found
    ]
    rows = rows_of(cases, target, period)
    summary = {
        "inputs": inputs
        | {
            "at": [listed(where) for where, _ in places.values()],
            "towards": [listed(to) for _, to in places.values()],
            "gap_mm": gap_mm,
            "target_V_per_m": target,
            "period_s": period,
            "size_mm": None if isinstance(source, TetMesh) else size_mm,
            "outside": outside,
            "allow_intersection": allow_intersection,
        },
        **head_summary(mesh, sim.sigma, sim.backend.description),
        "solver": solver_summary(sim),
        "anisotropy": anisotropy_summary(conductivity),
        "rows": rows,
        "profiles": profiles_of(cases),
        "poses": cases_summary({key: pose.matrix for key, pose in poses.items()}),
    }

    with whole_folder(out, results, overwrite, optional=() if plots else earlier) as folder:
        write_csv(folder / "comparison.csv", rows)
        write_tex(folder / "comparison.tex", rows, target)
        if plots:
            draw_depth_focality(folder / PLOT, rows)
        with timed("report", "drawing the report") as count:
            limit = max(f.metrics.E_brain for f in found)
            maps: dict[tuple[str, str], bytes] = {}
            for name in places:
                here = [f for f in found if f.place == name]
                view = MapView(surface, 1e3 * mesh.outer_nodes, here[0].pose)
                pictures = view.maps([f.values for f in here], limit, [(f.coil, f.pose) for f in here])
                maps |= {(f.coil.name, name): picture for f, picture in zip(here, pictures, strict=True)}
                count(len(maps), len(found))
            settings = Settings(
                head=source.name if isinstance(source, LayeredSphere) else Path(str(head)).name,
                is_exact=bool(exact),
                gap_mm=gap_mm,
                target=target,
                period=period,
                provenance=_provenance(summary, the_coils),
            )
            scene = _scene(mesh, surface, the_coils, found)
            shown = [column for column in COLUMNS if column.on_page]
            page = comparison_page(settings, shown, rows, summary["profiles"], maps, limit, scene)
            (folder / "report.html").write_text(page, encoding="utf-8")
        summary["seconds"] = rounded(timed.seconds | sim.seconds)
        write_json(folder / "comparison.json", summary)
    return summary


@dataclass(frozen=True, eq=False)
class _Found:
    """What is kept of one field: its numbers, |E| (s,) in V/m on the brain's surface, its error in grey matter."""

    coil: Coil
    place: str
    pose: Pose
    metrics: HeadMetrics
    values: np.ndarray
    error: float


def _named(at: Sequence[Place], towards: Sequence[Place]) -> dict[str, tuple[Place, Place | None]]:
    """Name of each place -> where it is and where y points.  Raises FemtmsError unless the numbers agree."""
    for option, given in (("at", at), ("towards", towards)):
        if isinstance(given, str):
            raise FemtmsError(f"'{option}' must be a list of places; got '{given}'")
    if not at:
        raise FemtmsError("coils are compared at places: 'at' must name at least one (--at F3)")
    if len(towards) not in (0, 1, len(at)):
        raise FemtmsError(
            f"'towards' must be given once, or once for each of the {len(at)} places; got {len(towards)} of them"
        )
    directions: Sequence[Place | None] = [None] * len(at)
    if towards:
        directions = list(towards) * (len(at) // len(towards))
    places: dict[str, tuple[Place, Place | None]] = {}
    for where, to in zip(at, directions, strict=True):
        name = where if isinstance(where, str) else ",".join(f"{float(c):g}" for c in where)
        if name.lower() in {other.lower() for other in places}:
            raise FemtmsError(f"each place must be given once; '{name}' is there twice")
        places[name] = where, to
    return places


def _loaded(coils: Sequence[str | Path], outside: str) -> dict[str, Coil]:
    """Name -> coil; where names are alike, those of the files, with as many folders as tell them apart.

    Raises FemtmsError for what cannot be told apart.
    """
    if isinstance(coils, str | Path) or not coils:
        raise FemtmsError(f"coils must be a list with at least one name or file; got {coils!r}")
    found = [load_coil(origin, outside) for origin in coils]
    own = Counter(coil.name for coil in found)
    alike = [str(origin) for origin, coil in zip(coils, found, strict=True) if own[coil.name] > 1]
    file_names = _told_apart(alike)
    named = [
        replace(coil, name=file_names[str(origin)]) if own[coil.name] > 1 else coil
        for origin, coil in zip(coils, found, strict=True)
    ]
    name, times = Counter(coil.name for coil in named).most_common(1)[0]
    if times > 1:
        raise FemtmsError(f"the coils, or their files, must have different names; '{name}' is there {times} times")
    return {coil.name: coil for coil in named}


def _told_apart(paths: Sequence[str]) -> dict[str, str]:
    """Path -> its name, with as many of the folders above it as no other of the paths has."""
    parts = {path: Path(os.path.abspath(path)).parts for path in paths}

    def name(path: str) -> str:
        others = [parts[other] for other in parts if other != path]
        for length in range(1, len(parts[path])):
            own = parts[path][-length:]
            if all(other[-length:] != own for other in others):
                return "/".join(own)
        return Path(path).name  # there is no other: a path that is given twice

    return {path: name(path) for path in parts}


def _of_sphere(sphere: LayeredSphere, coils: Mapping[str, Coil], gap_mm: float) -> dict[str, SphereMetrics]:
    """Name -> the exact numbers of each coil on a sphere: they are the same at all places of it."""
    brain, scalp = _radii(sphere)
    return {name: sphere_metrics(coil, gap_mm, scalp, brain) for name, coil in coils.items()}


def _radii(sphere: LayeredSphere) -> tuple[float, float]:
    """Of the brain and of the whole sphere, mm."""
    return max(r for r, tag in zip(sphere.radii_mm, sphere.tags) if tag in BRAIN), sphere.radii_mm[-1]


def _is_standard(source: Any, gap_mm: float) -> bool:
    """Whether coils on this head are as on the standard sphere."""
    is_sphere = isinstance(source, LayeredSphere)
    return is_sphere and (*_radii(source), gap_mm) == (BRAIN_MM, SCALP_MM, STANDARD_GAP_MM)


def _posed(
    mesh: TetMesh,
    coils: Mapping[str, Coil],
    places: Mapping[str, tuple[Place, Place | None]],
    gap_mm: float,
    allow_intersection: bool,
) -> dict[tuple[str, str], Pose]:
    """(coil, place) -> pose; raised until the coil is gap_mm from the scalp, except where it may cut it."""
    poses: dict[tuple[str, str], Pose] = {}
    for name, (where, to) in places.items():
        if to is None:
            pose = towards_the_midline(_placed_anyhow(mesh, where, gap_mm))
        else:
            pose = place(mesh, where, to, gap_mm)
        for coil in coils.values():
            poses[coil.name, name] = at_gap(mesh, coil, pose, gap_mm, allow_intersection)
            warn_if_held_off(mesh, coil, poses[coil.name, name], gap_mm, f" over {name}")
    return poses


def _check_all_clear(
    mesh: TetMesh, coils: Mapping[str, Coil], poses: Mapping[tuple[str, str], Pose], allow_intersection: bool
) -> None:
    """Raise FemtmsError that names coil and place of the first pose that cannot be: now, not after other coils."""
    remedy = "leave out --allow-intersection" if allow_intersection else "mend the casing: its wires are outside it"
    for (coil, where), pose in poses.items():
        try:
            check_clear(mesh, coils[coil], pose, allow_intersection, remedy)
        except FemtmsError as error:
            raise FemtmsError(f"coil '{coil}' at {where}: {error}") from error


def _placed_anyhow(mesh: TetMesh, where: Place, gap_mm: float) -> Pose:
    """The pose at a place with any direction of y."""
    at_mm = 1e3 * position_of(mesh, where, "at")
    outward = at_mm - 1e3 * mesh.nodes.mean(axis=0)
    sideways = np.eye(3)[np.abs(outward).argmin()]  # the axis that is the least along the normal
    return place(mesh, where, tuple(at_mm + 20.0 * sideways), gap_mm)


def _clearance(mesh: TetMesh, coil: Coil, pose: Pose) -> float | None:
    """m; None for a coil of which only A is known."""
    return clearance(mesh, coil, pose).distance if has_extent(coil) else None


def _inputs(
    head: Head,
    origins: Sequence[str | Path],
    coils: Mapping[str, Coil],
    sigma: Mapping[int | str, float] | None,
    labels: Labels | None,
    tissue_array: str | None,
    as_numbered: bool,
) -> dict[str, Any]:
    """Names, paths and hashes of what went in."""
    given = [(origin, coil, None) for origin, coil in zip(origins, coils.values(), strict=True)]
    summary = inputs_summary(head, given, sigma, labels, tissue_array, as_numbered)
    each = summary["coil"] if len(given) > 1 else [summary["coil"]]
    shared = {key: value for key, value in summary.items() if key not in ("coil", "matrix")}
    return shared | {"coils": [one | {"name": name} for one, name in zip(each, coils, strict=True)]}


def _scene(mesh: TetMesh, surface: TissueSurface, coils: Mapping[str, Coil], found: Sequence[_Found]) -> dict[str, Any]:
    """What the rotatable view shows, for JSON."""
    brain = brain_surface(surface)
    return {
        "brain": brain.packed(),
        "scalp": scalp_surface(mesh).packed(),
        "coils": [packed_coil(coil) for coil in coils.values()],
        "cases": [
            {"coil": f.coil.name, "place": f.place, "pose": packed_pose(f.pose)}
            | packed_values(f.values[brain.nearest])
            for f in found
        ],
    }


def _provenance(summary: Mapping[str, Any], coils: Mapping[str, Coil]) -> list[tuple[str, str]]:
    """What went in and what made it, for people."""
    inputs = summary["inputs"]
    lines = [("head", ", ".join(f"{key} {value}" for key, value in inputs["head"].items()))]
    for own in inputs["coils"]:
        source = coils[own["name"]].source
        parts = [source, str(own.get("path", "")), f"sha256 {own['sha256']}"]
        lines.append((own["name"], "; ".join(part for part in parts if part)))
    mesh, sigma = summary["mesh"], summary["conductivity_S_per_m"]
    lines.append(("mesh", f"{mesh['tets']:,} tetrahedra, {mesh['nodes']:,} nodes"))
    lines += [("note on the mesh", note) for note in mesh["notes"]]
    lines.append(("conductivity (S/m)", ", ".join(f"{name} {in_words(value)}" for name, value in sigma.items())))
    if inputs["tensors"] is not None:
        own = inputs["tensors"]
        lines.append(("tensors", f"{own['path']}; {own['normalisation']}; sha256 {own['sha256']}"))
    lines.append(("device", summary["device"]))
    lines.append(("versions", ", ".join(f"{name} {value}" for name, value in summary["versions"].items())))
    return lines


callable_as_its_function(__name__)
