"""The command line: parse, call the API, print."""

import json
import os
import signal
import sys
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from femtms.cli import run as studies
from femtms.cli.interrupted import Interrupted
from femtms.cli.options import (
    DEFAULT_SIZE,
    AllowIntersection,
    AnySize,
    AsNumbered,
    Check,
    Debug,
    Device,
    Didt,
    Electrodes,
    Fiducials,
    Head,
    Json,
    Labels,
    MaxRatio,
    MaxSigma,
    Normalisation,
    Order,
    Outside,
    Overwrite,
    Quiet,
    Radii,
    Recovery,
    Rtol,
    Sigma,
    Size,
    TensorFrame,
    Tensors,
    TissueArray,
)
from femtms.cli.parse import (
    parse_anisotropy,
    parse_didt,
    parse_fiducials,
    parse_limits,
    parse_place,
    parse_places,
    parse_radii,
    parse_resolution,
    parse_share,
    parse_sigma,
    parse_size,
)
from femtms.cli.progress import stages
from femtms.cli.report import report
from femtms.cli.show import (
    catalogue_report,
    coil_report,
    head_report,
    measures_of,
    mesh_report,
    model_report,
    print_coil,
    print_comparison,
    print_field,
    print_head,
    print_sweep,
    say,
    show_file,
)
from femtms.cli.study import study_app
from femtms.errors import FemtmsError, StudyFaults
from femtms.io.files import reason_of
from femtms.io.names import printable

_MOST_FAULTS = 100  # of a study that are printed
_INTERRUPTED = 130  # the shell's code for a program that SIGINT ended


app = typer.Typer(
    help="The electric field that a TMS coil induces in a head.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(study_app, name="study")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("femtms"))
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """The electric field that a TMS coil induces in a head."""


@app.command()
def simulate(
    head: Head,
    coil: Annotated[
        list[str],
        typer.Option(
            "--coil",
            help="Coil of the catalogue or coil file; repeat it, and the options of its place, for several at once.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    at: Annotated[
        list[str] | None, typer.Option("--at", help="Electrode (C3) or x,y,z in mm: centre of the coil.")
    ] = None,
    towards: Annotated[
        list[str] | None, typer.Option("--towards", help="Electrode or x,y,z in mm: direction of the coil's y.")
    ] = None,
    gap: Annotated[
        list[float] | None,
        typer.Option(
            "--gap",
            help="Distance of the coil's casing or, without one, wires from the scalp in mm. (default: 4.0)",
        ),
    ] = None,
    matrix: Annotated[
        list[Path] | None, typer.Option("--matrix", help="File with the coil's 4×4 matrix in mm, text or .npy.")
    ] = None,
    size: AnySize = None,
    radii: Radii = None,
    labels: Labels = None,
    tissue_array: TissueArray = None,
    as_numbered: AsNumbered = False,
    fiducials: Fiducials = None,
    electrodes: Electrodes = None,
    sigma: Sigma = None,
    tensors: Tensors = None,
    anisotropy: Normalisation = None,
    max_ratio: MaxRatio = None,
    max_sigma: MaxSigma = None,
    tensor_frame: TensorFrame = None,
    outside: Outside = "error",
    didt: Annotated[
        list[str] | None,
        typer.Option(
            "--didt",
            help="Rate of change of the coil's current in A/s; 1e6,5e5 for two stimulators. (default: 1e6)",
        ),
    ] = None,
    order: Order = 1,
    recovery: Recovery = "raw",
    tolerance: Annotated[
        str | None,
        typer.Option(
            "--tolerance",
            help="Estimated error of E in grey matter, such as 2%: order and refinement are chosen for it.",
        ),
    ] = None,
    device: Device = "auto",
    rtol: Rtol = 1e-6,
    lift: Annotated[
        bool,
        typer.Option("--lift", help="Count --gap from the coil's nearest point even with --allow-intersection."),
    ] = False,
    allow_intersection: AllowIntersection = False,
    surface: Annotated[
        list[Path] | None,
        typer.Option("--surface", help="Surface in grey matter, .gii, .stl or .vtp: the field on it; repeat for more."),
    ] = None,
    points: Annotated[
        Path | None, typer.Option("--points", help="Text (CSV) with x,y,z in mm in each line: the field there.")
    ] = None,
    msh: Annotated[bool, typer.Option("--msh", help="Write field.msh, too, for Gmsh: three times as large.")] = False,
    overwrite: Overwrite = False,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compute the electric field of a coil, or of several at once, in a head; write mesh, volume, numbers, picture."""
    from femtms.simulate import results_of
    from femtms.simulate import simulate as run

    with stages(quiet or json_) as stage:
        summary = run(
            _layered(head, radii, labels),
            coil if len(coil) > 1 else coil[0],
            out,
            at=_for_coils(coil, "--at", [parse_place(place, "--at") for place in at or []], None),
            towards=_for_coils(coil, "--towards", [parse_place(place, "--towards") for place in towards or []], None),
            gap_mm=_for_coils(coil, "--gap", gap or [], 4.0),
            matrix=_for_coils(coil, "--matrix", matrix or [], None),
            size_mm=None if size is None else parse_size(size),
            labels=labels,
            tissue_array=tissue_array,
            as_numbered=as_numbered,
            fiducials=parse_fiducials(fiducials, electrodes),
            sigma=parse_sigma(sigma or []),
            anisotropy=parse_anisotropy(tensors, anisotropy, max_ratio, max_sigma, tensor_frame),
            outside=outside,
            didt=_for_coils(coil, "--didt", [parse_didt(rates) for rates in didt or []], 1e6),
            order=order,
            recovery=recovery,
            tolerance=None if tolerance is None else parse_share(tolerance, "--tolerance"),
            device=device,
            rtol=rtol,
            allow_intersection=allow_intersection,
            lift=lift,
            surfaces=surface or [],
            points=points,
            msh=msh,
            overwrite=overwrite,
            stage=stage,
        )
    if json_:
        print(json.dumps(summary, indent=2))
    elif not quiet:
        print_field(summary)
        print(f"{out}: {', '.join(results_of(surface or [], points, msh))}")


def _for_coils(coils: list[str], option: str, values: list[Any], otherwise: Any) -> Any:
    """What `femtms.simulate` takes: a value for one coil, a list for several.

    A gap or dI/dt that is given once is for all coils.
    """
    if not values:
        return otherwise
    if len(coils) == 1 and len(values) > 1:
        raise FemtmsError(f"{option} must be given once for one coil; it is given {len(values)} times")
    if len(coils) == 1:
        return values[0]
    if option in ("--gap", "--didt") and len(values) == 1:
        values = values * len(coils)
    if len(values) != len(coils):
        raise FemtmsError(f"{option} must be given once for each coil; there are {len(coils)}, and {len(values)} of it")
    return values


@app.command()
def sweep(
    head: Head,
    coil: Annotated[str, typer.Option("--coil", help="Built-in coil, or a .ccd, .tcd or NIfTI file.")],
    poses: Annotated[
        Path,
        typer.Option("--poses", help="The coil's 4×4 matrices in mm: .npy (k,4,4), or text, 16 numbers a row."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    tissue: Annotated[
        list[str] | None, typer.Option("--tissue", help="Tissue to look at; repeat for more. All if none is given.")
    ] = None,
    fields: Annotated[bool, typer.Option("--fields", help="Write E of each pose, too.")] = False,
    size: Size = DEFAULT_SIZE,
    radii: Radii = None,
    labels: Labels = None,
    tissue_array: TissueArray = None,
    as_numbered: AsNumbered = False,
    sigma: Sigma = None,
    tensors: Tensors = None,
    anisotropy: Normalisation = None,
    max_ratio: MaxRatio = None,
    max_sigma: MaxSigma = None,
    tensor_frame: TensorFrame = None,
    outside: Outside = "error",
    didt: Didt = "1e6",
    order: Order = 1,
    recovery: Recovery = "raw",
    device: Device = "auto",
    rtol: Rtol = 1e-6,
    allow_intersection: AllowIntersection = False,
    overwrite: Overwrite = False,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compute statistics of the field for many positions of a coil; a sweep that was stopped goes on where it was."""
    from femtms.io.sweeps import PARTIAL, RESULTS
    from femtms.sweep import sweep as run

    try:
        with stages(quiet or json_) as stage:
            summary = run(
                _layered(head, radii, labels),
                coil,
                poses,
                out,
                size_mm=parse_size(size),
                labels=labels,
                tissue_array=tissue_array,
                as_numbered=as_numbered,
                sigma=parse_sigma(sigma or []),
                anisotropy=parse_anisotropy(tensors, anisotropy, max_ratio, max_sigma, tensor_frame),
                outside=outside,
                didt=parse_didt(didt),
                tissues=tissue or None,
                fields=fields,
                order=order,
                recovery=recovery,
                device=device,
                rtol=rtol,
                allow_intersection=allow_intersection,
                overwrite=overwrite,
                stage=stage,
            )
    except KeyboardInterrupt:
        if (out / PARTIAL).exists():
            raise Interrupted(f"{out} keeps what was computed: the same command goes on from there") from None
        raise
    if json_:
        print(json.dumps(summary, indent=2))
    elif not quiet:
        print_sweep(summary)
        print(f"{out}: {', '.join(name for name in RESULTS if (out / name).exists())}")


@app.command()
def compare(
    head: Head,
    coil: Annotated[list[str], typer.Option("--coil", help="Built-in coil or coil file; repeat for more.")],
    at: Annotated[list[str], typer.Option("--at", help="Electrode (F3) or x,y,z in mm; repeat for more places.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    towards: Annotated[
        list[str] | None,
        typer.Option(
            "--towards",
            help="Direction of the coils' y, once or for each place; if not given, 45° to the sagittal plane, anterior "
            "and towards the midline (straight anterior on the midline).",
        ),
    ] = None,
    gap: Annotated[
        float, typer.Option("--gap", help="Distance of the coils' casing or, without one, wires from the scalp in mm.")
    ] = 5.0,
    target: Annotated[float, typer.Option("--target", help="Field in the brain that is asked for, in V/m.")] = 60.0,
    period: Annotated[float, typer.Option("--period", help="Of a pulse, a sine, in µs: for the energy.")] = 300.0,
    size: Size = DEFAULT_SIZE,
    radii: Radii = None,
    labels: Labels = None,
    tissue_array: TissueArray = None,
    as_numbered: AsNumbered = False,
    fiducials: Fiducials = None,
    electrodes: Electrodes = None,
    sigma: Sigma = None,
    tensors: Tensors = None,
    anisotropy: Normalisation = None,
    max_ratio: MaxRatio = None,
    max_sigma: MaxSigma = None,
    tensor_frame: TensorFrame = None,
    order: Order = 1,
    recovery: Recovery = "raw",
    device: Device = "auto",
    rtol: Rtol = 1e-6,
    outside: Outside = "error",
    allow_intersection: Annotated[
        bool,
        typer.Option("--allow-intersection", help="Measure the gap from the coil's origin, even if its casing cuts."),
    ] = False,
    plots: Annotated[bool, typer.Option("--plots", help="Write spread against depth for print, too.")] = False,
    overwrite: Overwrite = False,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Compare coils at the same places and on the standard sphere; write tables and a page for the browser."""
    from femtms.compare import compare as run
    from femtms.io.comparisons import PLOT, RESULTS

    with stages(quiet or json_) as stage:
        summary = run(
            _layered(head, radii, labels),
            coil,
            out,
            at=parse_places(at, "--at"),
            towards=parse_places(towards or [], "--towards"),
            gap_mm=gap,
            target=target,
            period=1e-6 * period,
            size_mm=parse_size(size),
            labels=labels,
            tissue_array=tissue_array,
            as_numbered=as_numbered,
            fiducials=parse_fiducials(fiducials, electrodes),
            sigma=parse_sigma(sigma or []),
            anisotropy=parse_anisotropy(tensors, anisotropy, max_ratio, max_sigma, tensor_frame),
            order=order,
            recovery=recovery,
            device=device,
            rtol=rtol,
            outside=outside,
            allow_intersection=allow_intersection,
            plots=plots,
            overwrite=overwrite,
            stage=stage,
        )
    if json_:
        print(json.dumps(summary, indent=2))
    elif not quiet:
        print_comparison(summary)
        print(f"{out}: {', '.join(RESULTS + ((PLOT,) if plots else ()))}")


app.command()(studies.run)
app.command()(studies.status)
app.command()(report)


@app.command()
def mesh(
    head: Head,
    out: Annotated[Path, typer.Option("--out", "-o", help="Mesh to write: .msh or .vtu.")],
    size: Size = DEFAULT_SIZE,
    radii: Radii = None,
    labels: Labels = None,
    tissue_array: TissueArray = None,
    as_numbered: AsNumbered = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Picture of the mesh to write: .png, .pdf or .svg.")
    ] = None,
    check: Check = False,
    overwrite: Overwrite = False,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Mesh a segmented head with tetrahedra, each of one tissue."""
    from femtms import LabelVolume, TetMesh, load_head, mesh_head, write_mesh
    from femtms.io.files import check_out_file
    from femtms.io.meshes import check_mesh_suffix

    sizes = parse_size(size)
    check_mesh_suffix(out)
    check_out_file(out, overwrite)
    if picture is not None:
        from femtms.report.figures import check_picture_suffix  # here, so that others need not wait for Matplotlib

        check_picture_suffix(picture)
        check_out_file(picture, overwrite)
    start = time.perf_counter()
    with stages(quiet or json_) as stage:
        with stage("reading the head"):
            source = _layered(head, radii, labels)
            if isinstance(source, str):
                source = load_head(source, labels, tissue_array, as_numbered)
        if isinstance(source, TetMesh):
            raise FemtmsError(f"{head}: is a mesh already; give a label volume or a built-in head")
        with stage("meshing"):
            result = mesh_head(source, sizes, stage)
        with stage("writing the mesh"):
            write_mesh(result, out, overwrite)
        if picture is not None:
            with stage("drawing the mesh"):
                from femtms.io.pictures import write_mesh_picture

                write_mesh_picture(result, picture, f"{head}, size {size} mm", overwrite)
        seconds = time.perf_counter() - start
        if check:
            with stage("checking the mesh"):
                quality = result.quality(source if isinstance(source, LabelVolume) else None)
    if json_:
        report = mesh_report(result) | {"seconds": round(seconds, 3), "out": str(out)}
        report |= {} if picture is None else {"picture": str(picture)}
        print(json.dumps(report | ({"quality": quality.to_dict()} if check else {}), indent=2))
    elif not quiet:
        print(f"{out}: {result!r}, {seconds:.1f} s" + ("" if picture is None else f"\n{picture}"))
        print("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in result.seconds.items()))
        if check:
            print(quality)


@app.command()
def surface(
    head: Head,
    tissue: Annotated[str, typer.Argument(metavar="TISSUE", help="Name or number, with all that is inside it: gm.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Surface to write: .stl, .gii or .vtp, in mm.")],
    size: Size = DEFAULT_SIZE,
    radii: Radii = None,
    labels: Labels = None,
    tissue_array: TissueArray = None,
    as_numbered: AsNumbered = False,
    largest: Annotated[bool, typer.Option("--largest", help="Only the largest piece, without loose crumbs.")] = False,
    overwrite: Overwrite = False,
    json_: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the closed outer surface of a tissue and all that is inside it."""
    from femtms import TetMesh, load_head, mesh_head, write_surface
    from femtms.io.files import check_out_file
    from femtms.io.surfaces import check_surface_suffix
    from femtms.tissue import tag_of

    sizes = parse_size(size)
    check_surface_suffix(out)
    check_out_file(out, overwrite)
    tag_of(tissue)
    start = time.perf_counter()
    with stages(quiet or json_) as stage:
        with stage("reading the head"):
            source = _layered(head, radii, labels)
            if isinstance(source, str):
                source = load_head(source, labels, tissue_array, as_numbered)
        if not isinstance(source, TetMesh):
            with stage("meshing"):
                source = mesh_head(source, sizes, stage)
        with stage("finding the surface"):
            result = source.surface(tissue, largest)
        with stage("writing the surface"):
            write_surface(result, out, overwrite)
    seconds = time.perf_counter() - start
    if json_:
        report = {
            "tissue": result.tissue,
            "nodes": len(result.nodes),
            "triangles": len(result.triangles),
            "area_cm2": 1e4 * result.area,
            "volume_ml": 1e6 * result.volume,
            "watertight": result.is_watertight,
        }
        print(json.dumps(report | {"seconds": round(seconds, 3), "out": str(out)}, indent=2))
    elif not quiet:
        print(f"{out}: {result!r}, {seconds:.1f} s")


@app.command()
def heads(json_: Json = False, debug: Debug = False) -> None:
    """List the built-in heads."""
    from femtms.io.heads import built_in_heads

    found = built_in_heads()
    if json_:
        print(json.dumps([vars(head) for head in found.values()], indent=2))
        return
    for head in found.values():
        print(f"{head.name:<10} {head.title}\n{'':<10} licence: {head.licence}")


@app.command()
def coils(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Coil of the catalogue or file, to be shown in detail.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Picture of the coil to write: .png, .pdf or .svg.")
    ] = None,
    plane: Annotated[float, typer.Option("--plane-mm", help="z in mm of the plane on which A and B are shown.")] = 10.0,
    write: Annotated[Path | None, typer.Option("--write", help="Write the coil: .ccd, .tcd, .nii or .nii.gz.")] = None,
    limits_mm: Annotated[
        str | None,
        typer.Option("--limits-mm", help="Box in which A is sampled for .nii and .nii.gz: x0,x1,y0,y1,z0,z1 in mm."),
    ] = None,
    resolution_mm: Annotated[
        str | None, typer.Option("--resolution-mm", help="How finely A is sampled there: 3, or 3,3,2 in mm.")
    ] = None,
    outside: Outside = "error",
    overwrite: Overwrite = False,
    json_: Json = False,
    debug: Debug = False,
) -> None:
    """List the coils of the catalogue, built in or in the folder named by FEMTMS_COILS, or show one, and write it."""
    from femtms.io.catalogue import catalogue

    if name is not None:
        _show_coil(name, picture, plane, write, limits_mm, resolution_mm, outside, overwrite, json_)
        return
    if any(option is not None for option in (picture, write, limits_mm, resolution_mm)):
        raise FemtmsError("--picture and --write are for one coil; say which: femtms coils NAME")
    found = [catalogue_report(coil) for coil in catalogue().values()]
    if json_:
        print(json.dumps(found, indent=2))
        return
    for coil in found:
        for heading, line in zip(
            (coil["name"], "", ""), filter(None, (coil["title"], measures_of(coil), coil["source"]))
        ):
            print(f"{heading:<18}{line}")


def _show_coil(
    name: str,
    picture: Path | None,
    z_mm: float,
    write: Path | None,
    limits_mm: str | None,
    resolution_mm: str | None,
    outside: str,
    overwrite: bool,
    json_: bool,
) -> None:
    """One coil in detail."""
    from femtms import load_coil, read_tcd
    from femtms.io.coil_box import limits_of, resolution_of
    from femtms.io.coil_files import coil_files
    from femtms.io.coil_summary import coil_summary
    from femtms.io.coils import check_coil_suffix, write_coil
    from femtms.io.files import check_out_file

    if picture is not None:
        from femtms.report.figures import check_picture_suffix  # here, so that others need not wait for Matplotlib

        check_picture_suffix(picture)
        check_out_file(picture, overwrite)
    if write is not None:
        check_coil_suffix(write)
        check_out_file(write, overwrite)
    if write is None and (limits_mm is not None or resolution_mm is not None):
        raise FemtmsError("--limits-mm and --resolution-mm are for --write FILE.nii.gz; there is no --write")
    limits = None if limits_mm is None else limits_of(parse_limits(limits_mm))
    resolution = None if resolution_mm is None else resolution_of(parse_resolution(resolution_mm))
    coil = load_coil(name, outside)
    summary = coil_summary(coil, z_mm)
    if write is not None:
        model = next((file for file in coil_files(name) if file.suffix.lower() == ".tcd"), None)
        # a model with its parts and how they move
        write_coil(coil if model is None else read_tcd(model, outside), write, overwrite, limits, resolution)
    if picture is not None:
        from femtms.io.pictures import write_coil_picture

        write_coil_picture(coil, picture, z_mm, overwrite)
    written = [str(path) for path in (write, picture) if path is not None]
    if json_:
        print(json.dumps(summary | ({"written": written} if written else {}), indent=2))
        return
    print_coil(summary)
    for path in written:
        print(path)


@app.command()
def info(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Head, mesh, coil, pose or result folder.")],
    labels: Labels = None,
    tissue_array: TissueArray = None,
    as_numbered: AsNumbered = False,
    check: Check = False,
    against: Annotated[
        Path | None, typer.Option("--against", help="Label volume (NIfTI) to check a mesh against.")
    ] = None,
    json_: Json = False,
    debug: Debug = False,
) -> None:
    """Say what a file, a built-in head or coil, or a result folder holds."""
    import femtms
    from femtms.io.a_fields import is_a_field
    from femtms.io.catalogue import find_coil
    from femtms.io.comparisons import read_comparison
    from femtms.io.poses import read_pose
    from femtms.io.summary import read_summary
    from femtms.io.sweeps import read_sweep

    path = Path(file)
    if labels is not None or tissue_array is not None:
        print_head(femtms.load_head(file, labels, tissue_array, as_numbered), json_)
        return
    if check or against is not None:
        _print_check(file, against, as_numbered, json_)
        return
    if (path / "study.json").is_file():
        raise FemtmsError(f"{file}: holds a study; `femtms status` and `femtms report` say what is in it")
    for name, read, show in (
        ("summary.json", read_summary, print_field),
        ("sweep.json", read_sweep, print_sweep),
        ("comparison.json", read_comparison, print_comparison),
    ):
        if (path / name).is_file():
            show_file(path / name, read(path / name), show, json_)
            return
    if path.suffix.lower() == ".tcd":
        model = femtms.read_tcd(path)
        say(json.dumps(model_report(model, path.name), indent=2) if json_ else f"{model!r}")
        return
    is_file = path.suffix != "" and path.is_file()  # then nobody looks for a folder of coils
    if path.suffix.lower() in (".ccd", ".toml") or is_a_field(path) or (not is_file and find_coil(file) is not None):
        coil = femtms.load_coil(file)
        say(json.dumps(coil_report(coil), indent=2) if json_ else f"{coil!r}")
        return
    if path.suffix.lower() in (".npy", ".txt", ".csv"):
        pose = read_pose(path)
        print(json.dumps({"pose_mm": pose.matrix.tolist()}, indent=2) if json_ else f"{pose!r}")
        return
    print_head(femtms.load_head(file, as_numbered=as_numbered), json_)


def _print_check(file: str, against: Path | None, as_numbered: bool, json_: bool) -> None:
    """The quality of a mesh file."""
    from femtms import TetMesh, load_head, read_labels

    labels = None if against is None else read_labels(against, as_numbered=as_numbered)
    found = load_head(file, as_numbered=as_numbered)
    if not isinstance(found, TetMesh):
        raise FemtmsError(
            f"--check and --against are for mesh files; got {found!r}; `femtms mesh --check` meshes first"
        )
    quality = found.quality(labels)
    if json_:
        print(json.dumps(head_report(found) | {"quality": quality.to_dict()}, indent=2))
    else:
        print(f"{found!r}\n{quality}")


def _layered(head: str, radii: str | None, labels: str | None = None) -> Any:
    """The name of the head, or a LayeredSphere where radii are given."""
    from femtms import LayeredSphere

    if radii is not None and labels is not None:
        raise FemtmsError("--radii is for the head 'sphere' and --labels for label volumes; got both")
    if radii is None:
        return head
    if head != "sphere":
        raise FemtmsError(f"--radii is for the head 'sphere'; got head '{head}'")
    return LayeredSphere(parse_radii(radii))


def main() -> None:
    """Entry point: bad input ends in one sentence on stderr and exit code 2; --debug shows the traceback."""
    debug = "--debug" in sys.argv
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # not every terminal can show ≥ and µ
    _end_in_order()
    try:
        with warnings.catch_warnings():
            if not debug and not sys.warnoptions:
                warnings.simplefilter("ignore")  # of libraries, for programmers
            code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Interrupted as interrupted:
        _say(f"femtms: interrupted; {interrupted}")
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        _no_more_output()  # the reader of our output went away (`| head`): nothing is wrong with the input
        code = 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, OSError) and error.filename is None:
            _no_more_output()  # what failed may have been to print
        sentences = error.faults if isinstance(error, StudyFaults) else (_sentence(error),)
        for sentence in sentences[:_MOST_FAULTS]:
            _say(f"femtms: error: {sentence}")
        if len(sentences) > _MOST_FAULTS:
            _say(f"femtms: error: and {len(sentences) - _MOST_FAULTS:,} more like these")
        code = 2
    if code == _INTERRUPTED:  # typer gives it back as a value
        _say("femtms: interrupted; nothing was written")
    if code:
        sys.exit(code)


def _end_in_order() -> None:
    """As with Ctrl-C, nothing half-written may stay behind when a batch system ends a job or a connection breaks.

    A signal that was ignored as we began stays so, as `nohup` wants it.
    """
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]

    def end(*_: Any) -> None:
        for number in heard:
            signal.signal(number, signal.SIG_IGN)  # they come in pairs, and the second must not interrupt our tidying
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, end)


def _say(sentence: str) -> None:
    """To the terminal, if it is still there."""
    with suppress(OSError):
        print(sentence, file=sys.stderr, flush=True)


def _no_more_output() -> None:
    """Have Python write what it still holds for standard output nowhere, where it cannot fail again."""
    with suppress(OSError, ValueError):  # of a stream that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _sentence(error: Exception) -> str:
    if hasattr(error, "format_message"):  # typer's, for a wrong command line
        text = f"{error.format_message().rstrip('.')}; `femtms COMMAND --help` shows what there is"
    elif isinstance(error, MemoryError):
        text = f"not enough memory ({error or 'no details'}); use a larger --size"
    elif isinstance(error, OSError) and error.errno is not None:
        text = f"{error.filename or 'the output'}: {reason_of(error)}"
    elif isinstance(error, FemtmsError | OSError) or getattr(error, "name", None) == "femtms.core":
        text = str(error)  # the last: ImportError, as the core is missing or of other sources
    else:
        text = f"unexpected {type(error).__name__} ({error}); please report it with what --debug shows"
    return " ".join(printable(text, most=None).split())


if __name__ == "__main__":
    main()
