"""What the JSON of fields and sweeps must have, as far as anybody reads it again: it may be damaged, or another's."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from femtms.errors import FemtmsError
from femtms.io.packed import shown

Number = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Point = Annotated[list[Number], Field(min_length=3, max_length=3)]
Didt = Number | list[Number] | list[Number | list[Number]]
Seconds = dict[str, Number]


class _Part(BaseModel):
    """An object that must have these keys, and may have others; numbers are not text, and the reverse."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class _Tissue(_Part):
    volume_ml: Number
    mean: Number
    median: Number
    p95: Number
    p99: Number
    p99_9: Number
    peak: Number
    focality_50_ml: Number
    focality_75_ml: Number
    peak_mm: Point
    error: Number | None


class _Coil(_Part):
    coil: str
    didt: Didt
    clearance_mm: Number | None = None
    centre_mm: Number | None = None


class _Sampled(_Part):
    moved: Count
    outside: Count
    mean: Number = 0.0
    peak: Number = 0.0
    normal_lowest: Number | None = None
    normal_highest: Number | None = None


class _Surface(_Sampled):
    nodes: Count


class _Points(_Sampled):
    points: Count


class _Solver(_Part):
    unknowns: Count
    order: Count
    recovery: str = "raw"


class _Solved(_Solver):
    iterations: Count
    residual: Number


class _Mesh(_Part):
    tets: Count


class _Attempt(_Part):
    order: Count
    tets: Count
    error: Number
    seconds: Number


class _Within(_Part):
    attempts: list[_Attempt]
    reached: bool
    tolerance: Number


class _Tensors(_Part):
    tets: Annotated[int, Field(gt=0, lt=2**63)]
    missing: Count
    not_finite: Count
    negative: Count
    repaired: Count
    limited_ratio: Count
    limited_sigma: Count


class _Anisotropy(_Part):
    normalisation: str
    tissues: dict[str, _Tensors]


class FieldResult(_Coil):
    """summary.json of `femtms simulate`."""

    tissues: dict[str, _Tissue]
    solver: _Solved
    mesh: _Mesh
    seconds: Seconds
    device: str
    coils: list[_Coil] | None = None
    surfaces: dict[str, _Surface] = {}
    points: _Points | None = None
    within: _Within | None = None
    anisotropy: _Anisotropy | None = None


class _Error(_Part):
    tissue: str
    median: Number
    largest: Number


class SweepResult(_Coil):
    """sweep.json of `femtms sweep`."""

    inputs: dict[str, Any]
    mesh: _Mesh
    poses: Count
    tissues: dict[str, Any]
    solver: _Solver
    seconds: Annotated[Seconds, Field(min_length=1)]
    poses_in_these_seconds: Count
    device: str
    estimated_relative_error: _Error | None = None  # sweeps of earlier versions have none
    sha256: str | None = None  # of sweep.csv; nor this


def checked(content: dict[str, Any], model: type[BaseModel], path: Path, what: str) -> dict[str, Any]:
    """The content as it is.  Raises FemtmsError, with the first that is wrong, unless it is as the model says."""
    try:
        model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        got = "" if first["type"] == "missing" else f"; got {shown(first['input'])}"
        raise FemtmsError(f"{path}: {what} is damaged: '{where}': {first['msg'].lower()}{got}") from None
    return content
