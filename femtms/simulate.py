"""The main job: from a head, a coil and a place to the electric field, its numbers and its picture."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from femtms.anisotropy import Anisotropy, anisotropy_summary, conductivity_with
from femtms.backend import backend
from femtms.callable_module import callable_as_its_function
from femtms.coil.array import Didt, check_didt
from femtms.coil.place import DEFAULT_GAP_MM, check_apart
from femtms.conductivity.isotropic import Conductivity, check_known, sigma_by_tag
from femtms.costs import MSH_BYTES, VTU_BYTES, announce
from femtms.errors import FemtmsError
from femtms.field.recoveries import RAW, check_recovery
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.io.fiducials import Fiducials, fiducials_summary, with_fiducials
from femtms.io.files import check_out, whole_folder
from femtms.io.heads import check_from_file, load_head
from femtms.io.label_maps import Labels
from femtms.io.nifti import covering_grid, write_nifti
from femtms.io.results import save_field
from femtms.io.summary import field_summary, in_A_per_us, inputs_summary, write_json
from femtms.mesh.generate import mesh_head
from femtms.mesh.sizes import DEFAULT_SIZE_MM, SizeMM
from femtms.mesh.tetmesh import TetMesh
from femtms.placement import Place, PlacedCoil, placements, together
from femtms.report.field_picture import draw_field_picture, letter_of
from femtms.samples import Samples, check_not_replaced, earlier_samples, sample_files
from femtms.simulator import Simulator, check_order, check_rtol
from femtms.stage import Stage, Timed, told
from femtms.tissue import Tissue, check_present, name_of
from femtms.within import FIRST_SIZE_MM, check_tolerance, solve_within

RESULTS = ("field.vtu", "magnE.nii.gz", "field.png", "summary.json")
MSH = "field.msh"
_IMAGE_BYTES = 17e6  # of volume and picture


def results_of(
    surfaces: Sequence[str | Path] = (), points: str | Path | None = None, msh: bool = False
) -> tuple[str, ...]:
    """RESULTS and what else is asked for, see `simulate`; the last one marks a result as complete."""
    return RESULTS[:-1] + (MSH,) * msh + sample_files(surfaces, points) + RESULTS[-1:]


def simulate(
    head: str | Path | LayeredSphere,
    coil: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    at: Place | Sequence[Place] | None = None,
    towards: Place | Sequence[Place] | None = None,
    gap_mm: float | Sequence[float] = DEFAULT_GAP_MM,
    matrix: str | Path | Sequence[str | Path] | None = None,
    size_mm: SizeMM | None = None,
    labels: Labels | None = None,
    tissue_array: str | None = None,
    as_numbered: bool = False,
    fiducials: Fiducials | None = None,
    sigma: Mapping[int | str, float] | None = None,
    anisotropy: Anisotropy | None = None,
    outside: str = "error",
    didt: Didt | Sequence[Didt] = 1e6,
    order: int = 1,
    recovery: str = RAW,
    tolerance: float | None = None,
    device: str = "auto",
    rtol: float = 1e-6,
    allow_intersection: bool = False,
    lift: bool = False,
    surfaces: Sequence[str | Path] = (),
    points: str | Path | None = None,
    msh: bool = False,
    overwrite: bool = False,
    stage: Stage = told,
) -> dict[str, Any]:
    """Compute the field of a coil in a head, write RESULTS into the folder `out`, and return the summary.

    head     built-in name, label volume, mesh file, or a LayeredSphere
    coil     a name or a file, see `load_coil`; or a list of several that are driven at the same time, each with its own
             at and towards, or matrix, and with one gap_mm and didt for all or its own (lists of as many)
    at, towards   where the coil is: see `place`; or
    matrix   a file with its 4×4 matrix in mm
    size_mm  of the tetrahedra, or tissue -> size, for heads that are meshed here: see `mesh_head`; None for 4 mm, or
             with a tolerance 6 mm to begin with
    labels   which tissue each label of a volume or number of a mesh is: see `read_labels`
    fiducials   electrodes of a head that has none: a file, name -> x, y, z in mm, or "estimate": see `with_fiducials`
    tissue_array, as_numbered   where a file's tissue numbers are, and that they are to be believed: see `load_head`
    sigma    {tissue number or name: S/m} in place of the built-in values
    anisotropy   diffusion tensors of the brain, as Anisotropy("dti_tensor.nii.gz", "vn")
    outside  what a coil's sampled A is outside its grid: "error", or "zero"
    order    of the elements: 1 (linear) or 2 (quadratic): see Simulator
    recovery    "raw", "spr" or "harmonic": see Simulator
    tolerance   largest estimated relative error of E in grey matter, 0.02 for 2 %: order, at least the given one, and
             local refinement are chosen for it, see `solve_within`; None to take order and mesh as they are
    didt     rate of change of the current, A/s; one for each stimulator of a coil with several, or one for all
    gap_mm   distance from the scalp to the nearest point of the casing or, without one, of the wires
    lift     count gap_mm from there even with allow_intersection, which counts it from the origin
    surfaces  files of surfaces (.gii, .stl, .vtp) such as the middle of the cortex: the field on lh.gii, in grey matter
              (see `Field.on_surface`), goes to surface-lh.gii, and alone to surface-lh.func.gii
    points    a file of points, x,y,z in mm in each line: the field there goes to points.csv
    msh       also write field.msh, for Gmsh: three times as large as field.vtu
    allow_intersection    measure gap_mm from the coil's origin, and do not refuse a casing that cuts the scalp, or that
             of another coil
    stage    called with the name of each long stage, returns a context manager: for progress displays

    The results appear whole or not at all.  Raises FemtmsError.
    """
    wanted = placements(coil, at, towards, gap_mm, matrix, didt)
    out = Path(out)
    results = results_of(surfaces, points, msh)
    check_out(out, results, overwrite)
    # what an earlier result had besides would be taken for a part of this one, and is removed
    earlier = tuple(name for name in (*earlier_samples(out), *_earlier_msh(out)) if name not in results)
    check_not_replaced(out, results + earlier, surfaces, points)
    timed = Timed(stage)

    # bad input is found before the long stages start
    if isinstance(head, LayeredSphere):
        check_from_file(head.name, labels, tissue_array)
    known_sigma = sigma_by_tag(sigma or {})
    for placement in wanted:
        check_didt(placement.didt)
    check_order(order)
    check_recovery(recovery)
    check_rtol(rtol)
    if tolerance is not None:
        check_tolerance(tolerance, recovery)
    if size_mm is None:
        size_mm = DEFAULT_SIZE_MM if tolerance is None else FIRST_SIZE_MM
    if device != "auto":
        backend(device)
    if lift and any(one.at is None for one in wanted):
        raise FemtmsError(
            "lift (--lift) is for coils that are placed by 'at' and 'towards'; a matrix is taken as it is"
        )
    loaded = [placement.loaded(outside) for placement in wanted]
    to_sample = Samples.read(surfaces, points)
    tensors = None if anisotropy is None else anisotropy.loaded()
    with timed("read", "reading the head"):
        source = head if isinstance(head, LayeredSphere) else load_head(head, labels, tissue_array, as_numbered)
        source = with_fiducials(source, fiducials)
        if isinstance(source, LabelVolume | TetMesh):
            check_known(source.tissues, known_sigma)
        tissues = source.tags if isinstance(source, LayeredSphere) else source.tissues
        to_sample.check_tissues(tissues)
        if tolerance is not None:
            what = "the tolerance (--tolerance) is for grey matter, which the head must have"
            check_present(tissues, Tissue.GM, what)
        for one in loaded:
            one.check_places(source.landmarks)
        if isinstance(source, LabelVolume) and len(source.tissues) == 1 and source.data.min() == 0:
            # almost always a mask that was taken for a segmentation; its field would look right and mean nothing
            raise FemtmsError(
                f"{source.name}: a head must have several tissues; it has only {name_of(source.tissues[0])} (a mask?); "
                f"for a head of one compartment make the mesh first (femtms mesh)"
            )
    # hashed now: the files may change, or go away, while we compute
    went_in = [(one.wanted.name, one.coil, one.wanted.matrix) for one in loaded]
    inputs = inputs_summary(head, went_in, sigma, labels, tissue_array, as_numbered) | {"outside": outside}
    inputs |= to_sample.provenance()
    inputs["fiducials"] = fiducials_summary(fiducials, source)
    inputs["tensors"] = None if tensors is None else tensors.inputs()
    announce(source, head, size_mm, order, 1, VTU_BYTES + msh * MSH_BYTES, _IMAGE_BYTES)
    with timed("mesh", "mesh"):
        mesh = source if isinstance(source, TetMesh) else mesh_head(source, size_mm, stage)
    with timed("place", "placing the coil" if len(loaded) == 1 else "placing the coils"):
        placed = [one.placed(mesh, allow_intersection, lift) for one in loaded]
        if not allow_intersection:
            check_apart([(one.coil, one.pose) for one in placed])
        samples = to_sample.placed(mesh)

    # each coil has been looked at
    within = None
    if tolerance is None:
        sim = Simulator(
            mesh, conductivity_with(tensors, mesh, sigma, timed), order, device, rtol, recovery=recovery, stage=stage
        )
        field = sim.solve(*together(placed), allow_intersection=True)
        timed.seconds |= sim.seconds | dict(field.seconds)
    else:
        start = time.perf_counter()

        def conductivity(mesh: TetMesh) -> Conductivity:
            return conductivity_with(tensors, mesh, sigma, Timed(stage))

        within = solve_within(tolerance, mesh, *together(placed), conductivity, "gm", order, device, rtol, True, stage)
        sim, field = within.simulator, within.field
        if field.mesh is not mesh:
            mesh, samples = field.mesh, to_sample.placed(field.mesh)
        timed.seconds["attempts"] = time.perf_counter() - start

    with timed("statistics", "statistics and the estimated error"):
        field.summary()
    with whole_folder(out, earlier + results, overwrite, optional=earlier) as folder:
        with timed("write", "writing the field"):
            save_field(field, folder / "field.vtu")
            if msh:
                save_field(field, folder / MSH)
            grid = (source.affine, source.data.shape) if isinstance(source, LabelVolume) else covering_grid(mesh)
            write_nifti(field, folder / "magnE.nii.gz", grid)
            sampled = samples.write(field, folder)
        with timed("picture", "drawing"):
            name = head.name if isinstance(head, LayeredSphere) else Path(head).name
            titles = [
                f"{letter_of(i)}: {_titled(one)}" if len(placed) > 1 else _titled(one) for i, one in enumerate(placed)
            ]
            title = f"{'; '.join(titles)}; head: {name}"
            draw_field_picture(folder / "field.png", field, title, [(one.coil, one.pose) for one in placed])
        rows = [one.summary() for one in placed]
        summary = {
            "inputs": inputs,
            "placement": {key: rows[0][key] for key in ("at", "towards", "gap_mm")},
            "size_mm": None if isinstance(source, TetMesh) else size_mm,
            "clearance_mm": min((row["clearance_mm"] for row in rows if row["clearance_mm"] is not None), default=None),
            "coils": rows,
            "anisotropy": anisotropy_summary(sim.conductivity),
            "within": None if within is None else within.as_dict(),
            **sampled,
        } | field_summary(field, sim, timed.seconds)
        write_json(folder / "summary.json", summary)
    return summary


def _earlier_msh(out: Path) -> tuple[str, ...]:
    """The file that an earlier result in `out` has for Gmsh."""
    return (MSH,) if (out / MSH).exists() and (out / RESULTS[-1]).exists() else ()


def _titled(placed: PlacedCoil) -> str:
    """The coil, where it is, and how it is driven."""
    wanted = placed.wanted
    where = f" over {wanted.at}" if isinstance(wanted.at, str) else ""
    return f"{placed.coil.name}{where}, dI/dt = {in_A_per_us(wanted.didt)} A/µs"


callable_as_its_function(__name__)
