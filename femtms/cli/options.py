"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_SIZE = "4"

Head = Annotated[
    str, typer.Argument(metavar="HEAD", help="Built-in head, label volume (NIfTI) or mesh (.msh, .vtu, …).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a result that is there already.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Check = Annotated[bool, typer.Option("--check", help="Report on the quality of the mesh.")]
Size = Annotated[
    str, typer.Option("--size", help="Edge length of the tetrahedra in mm: 4, or by tissue gm=1.8,csf=1.8,scalp=4.")
]
AnySize = Annotated[
    str | None,
    typer.Option(
        "--size",
        help="Edge length of the tetrahedra in mm: 4, or by tissue gm=1.8,csf=1.8,scalp=4. "
        "(default: 4; with --tolerance 6 to begin with)",
    ),
]
Radii = Annotated[
    str | None,
    typer.Option(
        "--radii", help="Outer radii in mm of HEAD sphere: gm | gm,scalp | gm,bone,scalp | gm,csf,bone,scalp."
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="MAP",
        help="Map of numbers to tissues, for label volumes and meshes: a CSV file, freesurfer, samseg, spm, bids, "
        "roast, brain2mesh or simnibs.",
    ),
]
TissueArray = Annotated[
    str | None,
    typer.Option("--tissue-array", metavar="NAME", help="Array of a mesh file that has the tissue of each element."),
]
AsNumbered = Annotated[
    bool,
    typer.Option(
        "--as-numbered", help="Take the numbers as femtms's tissue numbers, even if their order is not that of a head."
    ),
]
Fiducials = Annotated[
    Path | None,
    typer.Option(
        "--fiducials",
        help="Nz, Iz, LPA and RPA in mm, or electrodes, of a head that has none: CSV, BIDS electrodes.tsv, SimNIBS.",
    ),
]
Electrodes = Annotated[
    str | None,
    typer.Option("--electrodes", help="estimate: find them by the shape of the scalp, within about 12 mm."),
]
Sigma = Annotated[list[str] | None, typer.Option("--sigma", help="TISSUE=S/m, such as bone=0.008; repeat for more.")]
Tensors = Annotated[
    Path | None,
    typer.Option("--tensors", help="Diffusion tensors of the brain: six volumes of dtifit --save_tensor (NIfTI)."),
]
Normalisation = Annotated[
    str | None,
    typer.Option("--anisotropy", help="How tensors become conductivity: vn, dir or mc. (default: vn)"),
]
MaxRatio = Annotated[
    float | None, typer.Option("--max-ratio", help="Largest ratio of a tensor's eigenvalues. (default: 10)")
]
MaxSigma = Annotated[
    float | None, typer.Option("--max-sigma", help="Largest eigenvalue of a conductivity tensor in S/m. (default: 2)")
]
TensorFrame = Annotated[
    str | None,
    typer.Option("--tensor-frame", help="Axes that the tensors refer to: fsl, voxel or head. (default: fsl)"),
]
Outside = Annotated[str, typer.Option("--outside", help="What a coil's sampled A is outside its grid: error, or zero.")]
Didt = Annotated[
    str, typer.Option("--didt", help="Rate of change of the coil's current in A/s; 1e6,5e5 for two stimulators.")
]
AllowIntersection = Annotated[
    bool, typer.Option("--allow-intersection", help="Do not refuse a casing that cuts the scalp or another coil.")
]
Order = Annotated[int, typer.Option("--order", help="Elements: 1 linear, 2 quadratic (more accurate for its time).")]
Recovery = Annotated[
    str, typer.Option("--recovery", help="E of the elements: raw; or made continuous in each tissue: spr, harmonic.")
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Rtol = Annotated[float, typer.Option("--rtol", help="Relative residual at which the solver stops.")]
