"""The folder of a sweep: rows that outlive a kill at any moment, and a result that appears whole.

While a sweep runs, all it has made is in the folder `sweep.partial`: docs/decisions/0007.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from femtms.errors import FemtmsError
from femtms.field.pose_result import PoseResult
from femtms.io.differences import differences, in_words
from femtms.io.files import check_out, exchange, on_disk, whole_file
from femtms.io.meshes import write_mesh
from femtms.io.summary import write_json
from femtms.mesh.tetmesh import TetMesh
from femtms.simulator import ERROR_TISSUE
from femtms.tissue import name_of

RESULTS = ("fields", "mesh.vtu", "sweep.csv", "sweep.json")
PARTIAL = "sweep.partial"
_INPUTS = "inputs.json"  # the mark of a sweep that has begun, written when all the rest is there

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
        shutil.rmtree(out / PARTIAL, ignore_errors=True)  # of a run that was killed when all was done
        return summary
    begun = out / PARTIAL / _INPUTS
    if (out / "fields").exists() and not (out / "sweep.json").exists() and not begun.exists():
        raise FemtmsError(f"{out / 'fields'}: is not of a sweep; choose another folder")
    if begun.exists() and not overwrite:
        _check_same(out, "was begun there", _read_json(begun), inputs)
    elif not overwrite:
        present = [name for name in RESULTS if os.path.lexists(out / name)]
        if present:
            raise FemtmsError(f"{out}: has {', '.join(present)} already; choose another folder or use --overwrite")
    return None


def read_sweep(path: Path) -> dict[str, Any]:
    """The sweep.json of a complete sweep.  Raises FemtmsError when it is damaged or something else."""
    content = _read_json(path)
    keys = ("inputs", "mesh", "coil", "didt", "poses", "tissues", "seconds", "poses_in_these_seconds", "device")
    missing = [key for key in keys if key not in content]
    if missing:
        raise FemtmsError(f"{path}: the summary of a sweep must have {', '.join(keys)}; it lacks {', '.join(missing)}")
    return content


def _check_same(out: Path, what: str, there: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    found = differences(there, now)
    if found:
        raise FemtmsError(
            f"{out}: a sweep with other inputs {what}: {in_words(found)}; choose another folder or use --overwrite"
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON and of UTF-8
        raise FemtmsError(f"{path}: cannot be read as JSON ({error})") from error
    return content if isinstance(content, dict) else {}


# --- the partial result ------------------------------------------------------------------------------------


def begin_or_go_on(out: Path, inputs: Mapping[str, Any], columns: list[str], mesh: TetMesh, fields: bool) -> int:
    """Make `sweep.partial` ready for the next row; how many poses are done there.

    A sweep with the same inputs goes on after its last row that is whole; one with others, which `finished` let pass,
    is thrown away.
    """
    partial = out / PARTIAL
    try:
        same = not differences(_read_json(partial / _INPUTS), inputs)
    except (OSError, FemtmsError):
        same = False
    if same:
        _take_back(out, _own(fields)[:-1])
        return _whole_rows(partial, columns, fields)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if fields:
        (partial / "fields").mkdir()
        write_mesh(mesh, partial / "mesh.vtu")
        on_disk(partial / "mesh.vtu")
    (partial / "sweep.csv").write_text(",".join(columns) + "\n", encoding="utf-8")
    on_disk(partial / "sweep.csv")
    with whole_file(partial / _INPUTS, overwrite=False) as path:
        write_json(path, inputs)
        on_disk(path)
    on_disk(partial)
    return 0


def _take_back(out: Path, names: Sequence[str]) -> None:
    """Undo the final moves of a run that was killed among them: what a partial sweep lacks has been moved already."""
    moved = [name for name in names if not (out / PARTIAL / name).exists() and (out / name).exists()]
    if moved:
        (out / "sweep.json").unlink(missing_ok=True)
    for name in moved:
        os.replace(out / name, out / PARTIAL / name)


def _own(fields: bool) -> tuple[str, ...]:
    return RESULTS if fields else RESULTS[2:]


def _whole_rows(partial: Path, columns: list[str], fields: bool) -> int:
    """How many rows, from the first, are whole; what a kill or a power cut left behind them is cut off."""
    path = partial / "sweep.csv"
    header, *lines = path.read_bytes().split(b"\n")
    if header.decode(errors="replace").split(",") != columns or not lines:
        raise FemtmsError(f"{path}: is damaged, its first line is not ours; use --overwrite to begin again")
    done, size = 0, len(header) + 1
    for line in lines[:-1]:  # what follows the last line break is empty or torn
        words = line.split(b",")
        if len(words) != len(columns) or words[0] != str(done).encode():
            break
        if fields and not field_path(partial, done).exists():
            break
        done, size = done + 1, size + len(line) + 1
    os.truncate(path, size)
    return done


def field_path(folder: Path, index: int) -> Path:
    """Where E of a pose is: (m,3) float32 in V/m at the centroids of the tetrahedra of mesh.vtu, in their order."""
    return folder / "fields" / f"pose_{index:05d}.npy"


def write_field(path: Path, E: np.ndarray) -> None:
    """E (m,3) in V/m as float32, whole or not at all."""
    with whole_file(path, overwrite=True) as temporary:
        np.save(temporary, E.astype(np.float32))
        on_disk(temporary)


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
    with whole_file(partial / "sweep.json", overwrite=True) as path:
        write_json(path, summary)
        on_disk(path)
    exchange(partial, out, RESULTS)
    on_disk(out)
    shutil.rmtree(partial, ignore_errors=True)
