"""The folder of a sweep: rows that outlive a kill at any moment, and a result that appears whole.

While a sweep runs, all it has made is in the folder `sweep.partial`: docs/decisions/0007.
"""

import hashlib
import io
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from femtms.errors import FemtmsError
from femtms.field.pose_result import PoseResult
from femtms.io.differences import differences, in_words
from femtms.io.files import (
    check_out,
    errors_name,
    exchange,
    on_disk,
    remove_abandoned,
    sha256_of,
    whole_file,
    write_all,
)
from femtms.io.meshes import write_mesh
from femtms.io.result_models import SweepResult, checked
from femtms.io.summary import read_json, write_json
from femtms.mesh.tetmesh import TetMesh
from femtms.simulator import ERROR_TISSUE
from femtms.tissue import name_of

log = logging.getLogger("femtms")

RESULTS = ("fields", "mesh.vtu", "sweep.csv", "sweep.json")
PARTIAL = "sweep.partial"
_SUMS = "sums.csv"  # sha256 of each row, and of its field
_INPUTS = "inputs.json"  # the mark of a sweep that has begun, written when all the rest is there
_BEGUN = "the inputs of a sweep"

_ERROR = "estimated_relative_error"  # of E in the tissue where sweeps estimate it, in the last column
_QUANTITIES = {  # column, after the name of the tissue -> attribute of TissueSummary
    "mean_V_per_m": "mean",
    "median_V_per_m": "median",
    "p95_V_per_m": "p95",
    "p99_V_per_m": "p99",
    "p99_9_V_per_m": "p99_9",
    "peak_V_per_m": "peak",
    "focality_50_ml": "focality_50_ml",
    "focality_75_ml": "focality_75_ml",
}


def columns_of(tissues: Sequence[int]) -> list[str]:
    """The columns of sweep.csv for tissue numbers."""
    names = [name_of(tag).replace(" ", "_") for tag in tissues]
    own = [*_QUANTITIES, "peak_x_mm", "peak_y_mm", "peak_z_mm"]
    columns = ["pose", "x_mm", "y_mm", "z_mm", "iterations", "residual", *(f"{n}_{c}" for n in names for c in own)]
    return columns + [f"{name}_{_ERROR}" for tag, name in zip(tissues, names) if tag == ERROR_TISSUE]


def row_of(index: int, result: PoseResult) -> str:
    """The line of sweep.csv for a pose, with all digits of each number."""
    values: list[Any] = [index, *map(float, result.pose.matrix[:3, 3]), result.iterations, result.residual]
    for summary in result.tissues.values():
        values += [getattr(summary, attribute) for attribute in _QUANTITIES.values()]
        values += summary.peak_mm
    values += [summary.error for summary in result.tissues.values() if summary.error is not None]
    return ",".join(map(repr, values)) + "\n"


# --- what is there already ---------------------------------------------------------------------------------


def finished(out: Path, inputs: Mapping[str, Any], overwrite: bool) -> dict[str, Any] | None:
    """The summary of the sweep with these inputs when it is complete in `out`, or None when there is work to do.

    Raises FemtmsError when something else is there that must not be overwritten, or a sweep with other inputs was
    begun there.
    """
    check_out(out, ("sweep.csv", "sweep.json", "mesh.vtu"), overwrite=True)
    if (out / "sweep.json").exists() and not overwrite:
        summary = read_sweep(out / "sweep.json")
        _check_same(out, "is complete there", summary["inputs"], inputs)
        _check_complete(out, summary)
        shutil.rmtree(out / PARTIAL, ignore_errors=True)  # of a run that was killed when all was done
        return summary
    begun = out / PARTIAL / _INPUTS
    if (out / "fields").exists() and not (out / "sweep.json").exists() and not begun.exists():
        raise FemtmsError(f"{out / 'fields'}: is not of a sweep; choose another folder")
    if begun.exists() and not overwrite:
        _check_same(out, "was begun there", read_json(begun, (), _BEGUN), inputs)
    elif not overwrite:
        present = [name for name in RESULTS if os.path.lexists(out / name)]
        if present:
            raise FemtmsError(f"{out}: has {', '.join(present)} already; choose another folder or use --overwrite")
    return None


def _check_complete(out: Path, summary: Mapping[str, Any]) -> None:
    """Raise FemtmsError when the files of a complete sweep are not what was written; earlier versions do not tell."""
    known = summary.get("sha256")
    if known is not None and (not (out / "sweep.csv").is_file() or sha256_of(out / "sweep.csv") != known):
        raise FemtmsError(f"{out / 'sweep.csv'}: is damaged, or missing; use --overwrite to compute the sweep again")
    if not summary["inputs"].get("fields"):
        return
    again = "use --overwrite to compute the sweep again"
    # the number of the inputs, which are ours
    missing = (path for i in range(summary["inputs"]["poses"]["number"]) if not (path := field_path(out, i)).is_file())
    first = next(missing, None)
    if first is not None:
        raise FemtmsError(f"{first}: is missing; {again}")
    if summary.get("sha256_of_sums") is not None and summary["sha256_of_sums"] != _sha256_of_sums(out):
        raise FemtmsError(f"{out / 'fields'}: a field is not what was written; {again}")
    mesh = summary.get("sha256_of_mesh")
    if mesh is not None and not ((out / "mesh.vtu").is_file() and sha256_of(out / "mesh.vtu") == mesh):
        raise FemtmsError(f"{out / 'mesh.vtu'}: is damaged, or missing; {again}")


def _sha256_of_sums(out: Path) -> str:
    """Of the sums of all rows of a complete sweep with their fields, as they are now."""
    rows = (out / "sweep.csv").read_bytes().split(b"\n")[1:-1]
    sums = (_sums_of(i, row + b"\n", sha256_of(field_path(out, i))) + b"\n" for i, row in enumerate(rows))
    return hashlib.sha256(b"".join(sums)).hexdigest()


def read_sweep(path: Path) -> dict[str, Any]:
    """The sweep.json of a complete sweep.  Raises FemtmsError when it is damaged or something else."""
    keys = ("inputs", "mesh", "coil", "didt", "poses", "tissues", "seconds", "poses_in_these_seconds", "device")
    what = "the summary of a sweep"
    return checked(read_json(path, keys, what), SweepResult, path, what)


def _check_same(out: Path, what: str, there: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    found = differences(there, now)
    if found:
        raise FemtmsError(
            f"{out}: a sweep with other inputs {what}: {in_words(found)}; choose another folder or use --overwrite"
        )


# --- the partial result ------------------------------------------------------------------------------------


def begin_or_go_on(
    out: Path, inputs: Mapping[str, Any], columns: list[str], mesh: TetMesh, fields: bool, overwrite: bool
) -> int:
    """Make `sweep.partial` ready for the next row; how many poses are done there.

    A sweep with the same inputs goes on after its last row that is as it was written, with its field; one with others,
    which `finished` let pass, is thrown away, and so is one that cannot go on if `overwrite`.
    Raises FemtmsError for one that cannot go on.
    """
    partial = out / PARTIAL
    try:
        same = not differences(read_json(partial / _INPUTS, (), _BEGUN), inputs)
    except (OSError, FemtmsError):
        same = False
    if same:
        try:
            return _gone_on(out, columns, mesh, fields)
        except (FemtmsError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            if not overwrite:
                reason = str(error) if isinstance(error, FemtmsError) else f"{error.filename}: {error.strerror}"
                raise FemtmsError(f"{reason}: {partial} is damaged; use --overwrite to begin again") from error
    with errors_name(partial):
        if partial.is_dir() and not partial.is_symlink():
            shutil.rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)
        partial.mkdir(parents=True)
        if fields:
            (partial / "fields").mkdir()
            write_mesh(mesh, partial / "mesh.vtu")
            on_disk(partial / "mesh.vtu")
        (partial / "sweep.csv").write_text(",".join(columns) + "\n", encoding="utf-8")
        (partial / _SUMS).touch()
        on_disk(partial / "sweep.csv")
        with whole_file(partial / _INPUTS, overwrite=False) as path:
            write_json(path, inputs)
            on_disk(path)
        on_disk(partial)
    return 0


def _gone_on(out: Path, columns: list[str], mesh: TetMesh, fields: bool) -> int:
    """How many poses are done in a partial sweep, which is ready for the next one."""
    partial = out / PARTIAL
    _take_back(out, _own(fields)[:-1])
    for folder in (partial, partial / "fields") if fields else (partial,):
        remove_abandoned(folder)
    if fields:
        write_mesh(mesh, partial / "mesh.vtu", overwrite=True)
        if not (partial / "fields").is_dir():
            raise FemtmsError(f"{partial / 'fields'}: must be a folder; it is none")
    return _sound_rows(partial, columns, fields)


def _take_back(out: Path, names: Sequence[str]) -> None:
    """Undo the final moves of a run that was killed among them: what a partial sweep lacks has been moved already."""
    moved = [name for name in names if not (out / PARTIAL / name).exists() and (out / name).exists()]
    if moved:
        (out / "sweep.json").unlink(missing_ok=True)
    for name in moved:
        os.replace(out / name, out / PARTIAL / name)


def _own(fields: bool) -> tuple[str, ...]:
    return RESULTS if fields else RESULTS[2:]


def _sound_rows(partial: Path, columns: list[str], fields: bool) -> int:
    """How many rows, from the first, are as they were written, with their fields; those behind them are cut off."""
    path = partial / "sweep.csv"
    header, *lines = path.read_bytes().split(b"\n")
    if header.decode(errors="replace").split(",") != columns or not lines:
        raise FemtmsError(f"{path}: its header is not the one that femtms writes")
    *rows, _ = lines  # what follows the last line break is empty or torn
    has_sums = (partial / _SUMS).is_file()
    sums = (partial / _SUMS).read_bytes().split(b"\n")[:-1] if has_sums else []
    done, size = 0, len(header) + 1
    for row, known in zip(rows, sums):
        field = field_path(partial, done)
        if fields and not field.is_file():
            break
        if known != _sums_of(done, row + b"\n", sha256_of(field) if fields else None):
            break
        done, size = done + 1, size + len(row) + 1
    os.truncate(path, size)
    with open(partial / _SUMS, "ab") as file:
        file.truncate(sum(len(line) + 1 for line in sums[:done]))
    if rows and not has_sums:
        log.warning(
            "%s: an earlier femtms kept its %s rows without checksums; they are computed again",
            partial,
            f"{len(rows):,}",
        )
    elif done < len(rows):
        log.warning(
            "%s: %s of %s rows are computed again, because number %d or its field is not what was written",
            *(partial, f"{len(rows) - done:,}", f"{len(rows):,}", done),
        )
    return done


def _sums_of(index: int, row: bytes, field: str | None) -> bytes:
    return f"{index},{hashlib.sha256(row).hexdigest()},{field or ''}".encode()


class Rows:
    """The rows of a sweep that is under way: each is appended with its sum, after its field.

    A row that is there is all there, whenever the process is killed.
    """

    def __init__(self, partial: Path) -> None:
        self._partial = partial

    def __enter__(self) -> "Rows":
        self._rows = open(self._partial / "sweep.csv", "ab", buffering=0)
        self._sums = open(self._partial / _SUMS, "ab", buffering=0)
        return self

    def __exit__(self, *_: Any) -> None:
        self._rows.close()
        self._sums.close()

    def add(self, index: int, row: str, E: np.ndarray | None) -> None:
        """Append the row of a pose; E (m,3) in V/m of those that keep it."""
        field = None if E is None else write_field(field_path(self._partial, index), E)
        write_all(self._sums, _sums_of(index, row.encode(), field) + b"\n")
        write_all(self._rows, row.encode())

    def sync(self) -> None:
        """Wait until they are on the disk."""
        on_disk(self._partial / _SUMS)
        on_disk(self._partial / "sweep.csv")


def field_path(folder: Path, index: int) -> Path:
    """Where E of a pose is: (m,3) float32 in V/m at the centroids of the tetrahedra of mesh.vtu, in their order."""
    return folder / "fields" / f"pose_{index:05d}.npy"


def write_field(path: Path, E: np.ndarray) -> str:
    """Write E (m,3) in V/m as float32; the sha256 of the file, by which one that was torn is known."""
    buffer = io.BytesIO()
    np.save(buffer, E.astype(np.float32))
    content = buffer.getbuffer()
    if path.is_dir():
        shutil.rmtree(path)  # somebody's, in the place of a field
    with open(path, "wb", buffering=0) as file:
        write_all(file, content)
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def error_summary(out: Path) -> dict[str, Any] | None:
    """Median and largest of the estimated relative errors of E in the sweep that is nearly done; None without them."""
    path = out / PARTIAL / "sweep.csv"
    with open(path, encoding="utf-8") as rows:
        last = rows.readline().rstrip("\n").rpartition(",")[2]
    if not last.endswith(_ERROR):
        return None
    errors = np.loadtxt(path, delimiter=",", skiprows=1, usecols=-1, ndmin=1)
    return {"tissue": name_of(ERROR_TISSUE), "median": float(np.median(errors)), "largest": float(errors.max())}


def finish(out: Path, summary: Mapping[str, Any]) -> None:
    """Move the complete result into place, in place of an older one."""
    partial = out / PARTIAL
    sums = {"sha256": sha256_of(partial / "sweep.csv")}
    if (partial / "mesh.vtu").is_file():
        sums |= {"sha256_of_sums": sha256_of(partial / _SUMS), "sha256_of_mesh": sha256_of(partial / "mesh.vtu")}
    with whole_file(partial / "sweep.json", overwrite=True) as path:
        write_json(path, dict(summary) | sums)
        on_disk(path)
    with errors_name(out):
        exchange(partial, out, RESULTS)
        on_disk(out)
    shutil.rmtree(partial, ignore_errors=True)
