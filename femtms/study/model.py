"""The study file as pydantic models: what may be written, for reading it and for the JSON schema of editors."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Strict, Tag, ValidationInfo, model_validator

from femtms.coil.array import check_didt
from femtms.coil.place import DEFAULT_GAP_MM
from femtms.conductivity.anisotropic import check_limits
from femtms.conductivity.isotropic import sigma_by_tag
from femtms.errors import FemtmsError
from femtms.field.recoveries import RAW
from femtms.head.label_map import PRESETS
from femtms.head.sphere import LayeredSphere
from femtms.mesh.sizes import OTHER
from femtms.simulator import check_order, check_rtol
from femtms.study.design import StudyOption, StudyResults
from femtms.study.files import Files
from femtms.study.kinds import (
    XYZ,
    Electrode,
    Entry,
    Flag,
    Kept,
    Name,
    Number,
    Numbers,
    OneOrMany,
    PointIn,
    Positive,
    Steps,
    Text,
    is_number,
    shapes,
)
from femtms.study.sources import coil_sources, head_sources, labels_source, surface_source
from femtms.tissue import tag_of

STANDARD = "standard"  # the built-in conductivities, and the name of a single option
_MOST_PLACES = 1_000_000  # of one grid

_OPTION: Any = StudyOption("defaults")
_RESULTS: Any = StudyResults()
_STANDARD: Any = STANDARD
_RAW: Any = RAW


def _files(info: ValidationInfo) -> Files:
    assert isinstance(info.context, Files), "a study is validated with its files as context"
    return info.context


def _is_head(text: str, info: ValidationInfo) -> str:
    head_sources(text, _files(info))
    return text


def _is_coil(text: str, info: ValidationInfo) -> str:
    coil_sources(text, _files(info))
    return text


def _is_file(text: str, info: ValidationInfo) -> str:
    _files(info).one(text)
    return text


def _is_tissue(tissue: int | str) -> int | str:
    tag_of(tissue)
    return tissue


def _once_each(tissues: list[int | str]) -> None:
    seen: dict[int, int | str] = {}
    for tissue in tissues:
        if tag_of(tissue) in seen:
            raise FemtmsError(f"must have each tissue once; '{tissue}' is '{seen[tag_of(tissue)]}'")
        seen[tag_of(tissue)] = tissue


HeadText = Annotated[Text, AfterValidator(_is_head)]
CoilText = Annotated[Text, AfterValidator(_is_coil)]
FileText = Annotated[Text, AfterValidator(_is_file)]
LabelsText = Annotated[Text, AfterValidator(lambda text, info: labels_source(text, _files(info)))]
SurfaceText = Annotated[Text, AfterValidator(lambda text, info: surface_source(text, _files(info)))]
_NumberOrName = Annotated[
    Annotated[int, Strict(), Tag("<number>")] | Annotated[Text, Tag("<text>")],
    shapes(
        lambda value: "<number>" if is_number(value) else "<text>" if isinstance(value, str) else None,
        "must be a tissue: a name such as gm, or a number",
    ),
]
TissueIn = Annotated[_NumberOrName, AfterValidator(_is_tissue)]
TissueOrOther = Annotated[
    _NumberOrName, AfterValidator(lambda tissue: tissue if tissue == OTHER else _is_tissue(tissue))
]


# --- heads -----------------------------------------------------------------------------------------------------------


class HeadEntry(Entry):
    """A head, or the heads whose files match a pattern."""

    path: HeadText = Field(
        description="Built-in name, label volume or mesh; or a pattern such as 'derivatives/*/anat/*_labels.nii.gz'."
    )
    name: Name | None = Field(default=None, description="For one head. Default: sub-…_ses-…, or its file's name.")
    labels: LabelsText | None = Field(
        default=None,
        description=f"Which tissue each label or number of a mesh is: {', '.join(PRESETS)}, or a CSV file.",
    )
    tissue_array: Text | None = Field(
        default=None, description="Array of a mesh file that has the tissue of each element."
    )
    as_numbered: Flag = Field(
        default=False, description="Take the numbers as tissue numbers, even if their order is not that of a head."
    )
    tensors: Text | None = Field(
        default=None,
        description="Diffusion tensors of each head: a file or a pattern that one file matches, looked for from the "
        "folder of the head, then from that of the study; {sub} and {ses} are those of the head.",
    )
    tensor_frame: Literal["fsl", "voxel", "head"] = Field(default="fsl", description="Axes that the tensors refer to.")
    fiducials: Text | None = Field(
        default=None,
        description="Nz, Iz, LPA and RPA in mm, or electrodes: CSV, BIDS electrodes.tsv or SimNIBS; a file or a "
        "pattern like that of tensors.",
    )
    electrodes: Literal["estimate"] | None = Field(
        default=None, description="Find the electrodes by the shape of the scalp, within about 12 mm."
    )
    places: dict[Name, PointIn] = Field(
        default={}, description="NAME: [x, y, z] or an electrode of this head, for places and targets of the study."
    )
    targets: dict[Name, PointIn] = Field(default={}, description="In place of those of the results, for this head.")

    @model_validator(mode="after")
    def _has_one_source_of_electrodes(self) -> "HeadEntry":
        if self.fiducials is not None and self.electrodes is not None:
            raise FemtmsError("fiducials and electrodes: estimate are two ways to the same: give one of them")
        return self


class SphereEntry(Entry):
    """A head of spherical layers."""

    sphere: Numbers = Field(description="Outer radii of the layers in mm: gm | gm, scalp | gm, bone, scalp | …")
    name: Name | None = Field(default=None, description="Default: 'sphere' and its radii.")
    targets: dict[Name, PointIn] = Field(default={}, description="In place of those of the results, for this head.")

    @model_validator(mode="after")
    def _has_layers(self) -> "SphereEntry":
        LayeredSphere(self.sphere)
        return self


def _kind_of_head(value: Any) -> str | None:
    if isinstance(value, dict):
        return "<sphere>" if "sphere" in value else "<head>"
    return "<text>" if isinstance(value, str) else None


HeadIn = Annotated[
    Annotated[HeadText, Tag("<text>")] | Annotated[SphereEntry, Tag("<sphere>")] | Annotated[HeadEntry, Tag("<head>")],
    shapes(_kind_of_head, "must be the name of a head, a file, {path: …} or {sphere: [radii in mm]}"),
]

# --- conductivities --------------------------------------------------------------------------------------------------


class ConductivityEntry(Entry):
    """Conductivities of the tissues."""

    name: Name = Field(description="How results call it.")
    sigma: dict[TissueIn, Positive] = Field(
        default={}, description="S/m by tissue, in place of the built-in values: {bone: 0.004}."
    )
    anisotropy: Literal["vn", "dir", "mc"] | None = Field(
        default=None, description="How the tensors of a head become conductivity."
    )
    max_ratio: Positive | None = Field(default=None, description="Largest ratio of a tensor's eigenvalues.")
    max_sigma: Positive | None = Field(default=None, description="Largest eigenvalue in S/m.")

    @model_validator(mode="after")
    def _means_something(self) -> "ConductivityEntry":
        sigma_by_tag(self.sigma)
        limits = {"max_ratio": self.max_ratio, "max_sigma": self.max_sigma}
        given = [key for key, limit in limits.items() if limit is not None]
        if given and self.anisotropy is None:
            raise FemtmsError(f"{given[0]} is for tensors: it needs anisotropy: vn, dir or mc")
        check_limits(self.max_ratio or 1.0, self.max_sigma or 1.0)
        return self


def _kind_of_conductivity(value: Any) -> str | None:
    if isinstance(value, dict):
        return "<conductivity>"
    return "<standard>" if value == STANDARD else None


ConductivityIn = Annotated[
    Annotated[Literal["standard"], Tag("<standard>")] | Annotated[ConductivityEntry, Tag("<conductivity>")],
    shapes(_kind_of_conductivity, "must be standard, or {name: …, sigma: {TISSUE: S/m}, anisotropy: …}"),
]

# --- options ---------------------------------------------------------------------------------------------------------


def _kind_of_size(value: Any) -> str | None:
    return "<mm>" if is_number(value) else "<by tissue>" if isinstance(value, dict) else None


def _check_sizes(sizes: dict[int | str, float]) -> dict[int | str, float]:
    _once_each([tissue for tissue in sizes if tissue != OTHER])
    if not sizes:
        raise FemtmsError("must have at least one tissue")
    return sizes


SizeIn = Annotated[
    Annotated[Positive, Tag("<mm>")]
    | Annotated[dict[TissueOrOther, Positive], AfterValidator(_check_sizes), Tag("<by tissue>")],
    shapes(_kind_of_size, "must be mm, or {TISSUE: mm, other: mm}"),
]


def _kind_of_didt(value: Any) -> str | None:
    return "<number>" if is_number(value) else "<numbers>" if isinstance(value, list | tuple) and value else None


def _checked_didt(didt: float | tuple[float, ...]) -> float | tuple[float, ...]:
    check_didt(didt)
    return didt


DidtIn = Annotated[
    Annotated[Number, Tag("<number>")] | Annotated[tuple[Number, ...], Tag("<numbers>")],
    shapes(_kind_of_didt, "must be a number in A/s, or a list with one for each stimulator"),
    AfterValidator(_checked_didt),
]


def _checked_order(order: int) -> int:
    check_order(order)
    return order


def _checked_rtol(rtol: float) -> float:
    check_rtol(rtol)
    return rtol


class OptionEntry(Entry):
    """How fields are computed."""

    name: Name = Field(default=STANDARD, description="How results call it.")
    size_mm: SizeIn = Field(
        default=_OPTION.size_mm, description="Edge length of tetrahedra: 4, or by tissue {gm: 2.6, other: 6}."
    )
    order: Annotated[int, Strict(), AfterValidator(_checked_order)] = Field(
        default=1, description="Elements: 1 linear, 2 quadratic.", json_schema_extra={"enum": [1, 2]}
    )
    recovery: Literal["raw", "harmonic", "spr"] = Field(
        default=_RAW, description="E of the elements, or made continuous in each tissue."
    )
    rtol: Annotated[Positive, AfterValidator(_checked_rtol)] = Field(
        default=_OPTION.rtol, description="Relative residual at which the solver stops."
    )
    didt: DidtIn = Field(default=_OPTION.didt, description="dI/dt in A/s; a list for several stimulators.")
    outside: Literal["error", "zero"] = Field(
        default="error", description="What the sampled A of a coil is outside of its grid."
    )
    allow_intersection: Flag = Field(default=False, description="Do not refuse a casing that cuts the scalp.")


# --- coils -----------------------------------------------------------------------------------------------------------


class CoilEntry(Entry):
    """A coil, or the coils whose files match a pattern."""

    path: CoilText = Field(description="Name of the catalogue or coil file; or a pattern such as 'coils/*.ccd'.")
    name: Name | None = Field(default=None, description="For one coil. Default: its name, or that of its file.")


def _kind_of_coil(value: Any) -> str | None:
    return "<coil>" if isinstance(value, dict) else "<text>" if isinstance(value, str) else None


CoilIn = Annotated[
    Annotated[CoilText, Tag("<text>")] | Annotated[CoilEntry, Tag("<coil>")],
    shapes(_kind_of_coil, "must be the name of a coil, a file, or {name: …, path: …}"),
]

# --- places ----------------------------------------------------------------------------------------------------------


class AtEntry(Entry):
    """A place on the scalp."""

    at: PointIn
    name: Name | None = Field(default=None, description="Default: the electrode, or (x, y, z).")
    towards: PointIn | None = Field(default=None, description="Where y of the coil points. Default: that of the study.")


class AroundEntry(Entry):
    """A grid of places on the scalp: a disc of offsets around one, u along the coil's y at angle 0, v along its x."""

    around: PointIn
    radius_mm: Annotated[float, Strict(), Field(ge=0, le=300)] = Field(description="Of the disc.")
    spacing_mm: Positive = Field(description="Of the grid, in both directions.")
    name: Name | None = Field(default=None, description="Default: that of the place; the places are 'NAME (u, v)'.")
    towards: PointIn | None = Field(default=None, description="Where y of the coil points. Default: that of the study.")

    @model_validator(mode="after")
    def _has_an_end(self) -> "AroundEntry":
        places = 3.2 * (self.radius_mm / self.spacing_mm) ** 2
        if not places <= _MOST_PLACES:
            raise FemtmsError(f"a grid must have at most {_MOST_PLACES:,} places; this has about {places:.2g}")
        return self


class PosesEntry(Entry):
    """Places from a file of 4×4 matrices in mm: each is the coil at angle 0."""

    poses: FileText = Field(description=".npy with (k,4,4), or text (CSV) with 16 numbers a row; mm.")
    name: Name | None = Field(default=None, description="Default: that of the file; the places are 'NAME 0', …")


def _kind_of_place(value: Any) -> str | None:
    if isinstance(value, dict):
        return "<around>" if "around" in value else "<poses>" if "poses" in value else "<at>"
    if isinstance(value, list | tuple) and len(value) == 3:
        return "<xyz>"
    return "<electrode>" if isinstance(value, str) else None


PlaceIn = Annotated[
    Annotated[Electrode, Tag("<electrode>")]
    | Annotated[XYZ, Tag("<xyz>")]
    | Annotated[AroundEntry, Tag("<around>")]
    | Annotated[PosesEntry, Tag("<poses>")]
    | Annotated[AtEntry, Tag("<at>")],
    shapes(_kind_of_place, "must be an electrode, [x, y, z] in mm, {at: …}, {around: …} or {poses: …}"),
]


def is_one_place(value: Any) -> bool:
    """Whether a plain value is a single place: three numbers are one, other lists are lists of places."""
    return not isinstance(value, list) or (len(value) == 3 and all(is_number(part) for part in value))


# --- results ---------------------------------------------------------------------------------------------------------


def _checked_tissues(tissues: Any) -> Any:
    _once_each(tissues if isinstance(tissues, list) else [tissues])
    return tissues


FieldName = Literal["gm-nodes", "whole", "surfaces"]


class ResultsEntry(Entry):
    """What is kept of each case."""

    tissues: Annotated[OneOrMany[TissueIn], AfterValidator(_checked_tissues)] = Field(
        default=list(_RESULTS.tissues), description="Tissues with statistics of |E|."
    )
    targets: dict[Name, PointIn] = Field(
        default={}, description="NAME: [x, y, z] in the brain or an electrode: mean |E| in the grey matter around it."
    )
    target_radius_mm: Positive = Field(default=_RESULTS.target_radius_mm, description="How far around a target.")
    fields: OneOrMany[FieldName] = Field(default=[], description="What is kept of E beside the numbers.")
    surfaces: dict[Name, SurfaceText] = Field(default={}, description="NAME: file (.gii, .stl, .vtp), for such fields.")

    @model_validator(mode="after")
    def _surfaces_are_used(self) -> "ResultsEntry":
        if bool(self.surfaces) != ("surfaces" in self.fields):
            raise FemtmsError("surfaces and fields: [surfaces] need each other: where, and that it is kept")
        return self


# --- the file --------------------------------------------------------------------------------------------------------


def _checked_distances(distances: tuple[float, ...]) -> tuple[float, ...]:
    below = [distance for distance in distances if distance < 0]
    if below:
        raise FemtmsError(f"must be ≥ 0; got {below[0]:g}")
    return distances


class StudyFile(Entry):
    """A study of femtms: every combination of what heads, …, distances_mm list is computed.

    What is not as it must be is `Broken` in here, so that the rest is looked at all the same; users have `read_study`.
    """

    name: Annotated[Name, Kept] | None = Field(default=None, description="Of the study. Default: that of the file.")
    heads: OneOrMany[Annotated[HeadIn, Kept]] = Field(description="Heads: built-in names, files, patterns, spheres.")
    conductivities: OneOrMany[Annotated[ConductivityIn, Kept]] = Field(
        default=[_STANDARD], description="Conductivities of the tissues; standard are the built-in values."
    )
    options: OneOrMany[Annotated[OptionEntry, Kept]] = Field(
        default=[OptionEntry()], description="How they are computed."
    )
    coils: OneOrMany[Annotated[CoilIn, Kept]] = Field(description="Coils: names of the catalogue, files, patterns.")
    places: Annotated[
        Annotated[PlaceIn, Kept, Tag("<one>")] | Annotated[list[Annotated[PlaceIn, Kept]], Tag("<many>")],
        Discriminator(lambda value: "<one>" if is_one_place(value) else "<many>"),
    ] = Field(description="Where the coil is: electrodes, points, grids on the scalp, files of poses.")
    towards: Annotated[PointIn, Kept] | None = Field(
        default=None, description="Where y of the coil points at angle 0. Default: 45° to the sagittal plane."
    )
    angles: Annotated[Numbers, Kept] = Field(
        default=(0.0,),
        description="Degrees about the coil's z, clockwise as seen from outside.",
    )
    distances_mm: Annotated[Numbers, AfterValidator(_checked_distances), Kept] = Field(
        default=(DEFAULT_GAP_MM,), description="From the scalp to the coil's casing or, without one, its wires."
    )
    results: Annotated[ResultsEntry, Kept] = Field(default=ResultsEntry(), description="What is kept of each case.")


_ENTRIES: dict[str, type[Entry]] = {
    "<head>": HeadEntry,
    "<sphere>": SphereEntry,
    "<conductivity>": ConductivityEntry,
    "options": OptionEntry,
    "<coil>": CoilEntry,
    "<at>": AtEntry,
    "<around>": AroundEntry,
    "<poses>": PosesEntry,
    "<steps>": Steps,
    "results": ResultsEntry,
}

# Tag or key -> the keys that an entry there may have.
KEYS = {
    where: tuple(field.alias or name for name, field in entry.model_fields.items()) for where, entry in _ENTRIES.items()
}
