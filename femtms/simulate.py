"""The main job: from a head, a coil and a place to the electric field, its numbers and its picture."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from femtms.backend import backend
from femtms.coil.clearance import check_gap
from femtms.coil.place import DEFAULT_GAP_MM, check_clear, check_place, place
from femtms.conductivity.isotropic import check_known, sigma_by_tag
from femtms.errors import FemtmsError
from femtms.head.labels import LabelVolume
from femtms.head.sphere import LayeredSphere
from femtms.io.coils import load_coil
from femtms.io.files import check_out, whole_folder
from femtms.io.heads import load_head, no_label_volume
from femtms.io.label_maps import Labels
from femtms.io.nifti import covering_grid, write_magnitude
from femtms.io.poses import read_pose
from femtms.io.results import save_field
from femtms.io.summary import field_summary, inputs_summary, write_json
from femtms.mesh.generate import mesh_head
from femtms.mesh.sizes import DEFAULT_SIZE_MM, SizeMM
from femtms.mesh.tetmesh import TetMesh
from femtms.report.field_picture import draw_field_picture
from femtms.simulator import Simulator, check_didt, check_rtol
from femtms.stage import Stage, silent
from femtms.tissue import name_of

RESULTS = ("field.vtu", "field.msh", "magnE.nii.gz", "field.png", "summary.json")

Place = str | Sequence[float]


def simulate(
    head: str | Path | LayeredSphere,
    coil: str | Path,
    out: str | Path,
    *,
    at: Place | None = None,
    towards: Place | None = None,
    gap_mm: float = DEFAULT_GAP_MM,
    matrix: str | Path | None = None,
    size_mm: SizeMM = DEFAULT_SIZE_MM,
    labels: Labels | None = None,
    sigma: Mapping[int | str, float] | None = None,
    didt: float = 1e6,
    device: str = "auto",
    rtol: float = 1e-6,
    overwrite: bool = False,
    stage: Stage = silent,
) -> dict[str, Any]:
    """Compute the field of a coil in a head, write RESULTS into the folder `out`, and return the summary.

    head     built-in name, label volume, mesh file, or a LayeredSphere
    coil     built-in name or .ccd file
    at, towards, gap_mm   where the coil is: see `place`; or
    matrix   a file with its 4×4 matrix in mm
    size_mm  of the tetrahedra, or tissue -> size, for heads that are meshed here: see `mesh_head`
    labels   which tissue each label of a label volume is: see `read_labels`
    sigma    {tissue number or name: S/m} in place of the built-in values
    didt     rate of change of the current, A/s
    stage    called with the name of each long stage, returns a context manager: for progress displays

    The results appear whole or not at all.  Raises FemtmsError.
    """
    if (matrix is None) == (at is None) or (at is None) != (towards is None):
        raise FemtmsError("the coil's place must be given either by 'at' and 'towards' or by a matrix")
    out = Path(out)
    check_out(out, RESULTS, overwrite)
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(key: str, title: str) -> Iterator[None]:
        start = time.perf_counter()
        with stage(title):
            yield
        seconds[key] = time.perf_counter() - start

    # bad input is found before the long stages start
    if labels is not None and isinstance(head, LayeredSphere):
        raise no_label_volume(head.name)
    known_sigma = sigma_by_tag(sigma or {})
    check_gap(gap_mm)
    check_didt(didt)
    check_rtol(rtol)
    if device != "auto":
        backend(device)
    the_coil = load_coil(coil)
    the_pose = None if matrix is None else read_pose(matrix)
    with timed("read", "reading the head"):
        source = head if isinstance(head, LayeredSphere) else load_head(head, labels)
        if isinstance(source, LabelVolume | TetMesh):
            check_known(source.tissues, known_sigma)
        for place_name, option in ((at, "at"), (towards, "towards")):
            if place_name is not None:
                check_place(place_name, source.landmarks, option)
        if isinstance(source, LabelVolume) and len(source.tissues) == 1 and source.data.min() == 0:
            # almost always a mask that was taken for a segmentation; its field would look right and mean nothing
            raise FemtmsError(
                f"{source.name}: a head must have several tissues; it has only {name_of(source.tissues[0])} (a mask?); "
                f"for a head of one compartment make the mesh first (femtms mesh)"
            )
    with timed("mesh", "mesh"):
        mesh = source if isinstance(source, TetMesh) else mesh_head(source, size_mm, stage)
    with timed("place", "placing the coil"):
        if the_pose is None:
            assert at is not None and towards is not None
            the_pose = place(mesh, at, towards, gap_mm)
        check_clear(mesh, the_coil, the_pose)

    sim = Simulator(mesh, sigma, device=device, rtol=rtol, stage=stage)
    field = sim.solve(the_coil, the_pose, didt)
    seconds |= sim.seconds | dict(field.seconds)

    with whole_folder(out, RESULTS, overwrite) as folder:
        with timed("write", "writing the field"):
            save_field(field, folder / "field.vtu")
            save_field(field, folder / "field.msh")
            grid = (source.affine, source.data.shape) if isinstance(source, LabelVolume) else covering_grid(mesh)
            write_magnitude(folder / "magnE.nii.gz", mesh, field.magnE, grid, f"magnE, V/m, {didt:g} A/s")
        with timed("picture", "drawing"):
            where = f" over {at}" if isinstance(at, str) else ""
            name = head.name if isinstance(head, LayeredSphere) else Path(head).name
            title = f"{the_coil.name}{where}, dI/dt = {1e-6 * didt:g} A/µs, head: {name}"
            draw_field_picture(folder / "field.png", field, title)
        summary = {
            "inputs": inputs_summary(head, coil, the_coil, matrix, sigma, labels),
            "placement": {"at": _listed(at), "towards": _listed(towards), "gap_mm": gap_mm if at is not None else None},
            "size_mm": None if isinstance(source, TetMesh) else size_mm,
        } | field_summary(field, rtol, sim.hierarchy, seconds)
        write_json(folder / "summary.json", summary)
    return summary


def _listed(place: Place | None) -> Any:
    return place if place is None or isinstance(place, str) else [float(c) for c in place]
