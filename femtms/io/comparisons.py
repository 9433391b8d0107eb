"""Files of a comparison of coils: a table as CSV and for LaTeX, and all of it as JSON."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from femtms.analysis.case import Case
from femtms.errors import FemtmsError
from femtms.io.comparison_columns import COLUMNS
from femtms.io.summary import read_json

RESULTS = ("comparison.csv", "comparison.tex", "report.html", "comparison.json")
PLOT = "depth-focality.pdf"  # beside them where it is asked for

Row = dict[str, str | float | None]


def rows_of(cases: Sequence[Case], target: float, period: float) -> list[Row]:
    """A row for each coil and place with the unit of each number in the name of its column; None where not known.

    target  V/m, the brain maximum for which dI/dt and energy are given; period of the pulse in s
    """
    return [
        {"coil": case.coil.name, "place": case.place} | {c.key: c.value(case, target, period) for c in COLUMNS}
        for case in cases
    ]


def profiles_of(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """|E| against depth at the peak of each case, for JSON; null outside the brain."""
    return [
        {
            "coil": case.coil.name,
            "place": case.place,
            "depth_mm": [round(1e3 * float(d), 3) for d in case.depths],
            "E_V_per_m_per_A_per_us": [float(f"{e:.5g}") if np.isfinite(e) else None for e in case.profile],
        }
        for case in cases
    ]


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Six digits, nothing where a value is not known."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        for row in rows:
            writer.writerow(["" if v is None else v if isinstance(v, str) else f"{v:.6g}" for v in row.values()])


_KEYS = ("inputs", "rows", "profiles", "poses", "seconds", "device")


def read_comparison(path: Path) -> dict[str, Any]:
    """The comparison.json of a result.  Raises FemtmsError when it is damaged or something else."""
    content = read_json(path, _KEYS, "the result of a comparison")
    rows, inputs, seconds = content["rows"], content["inputs"], content["seconds"]
    if not isinstance(rows, list) or not rows:
        raise FemtmsError(f"{path}: 'rows' of a comparison must be a list with at least one; got {_shown(rows)}")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise FemtmsError(f"{path}: row {number} of a comparison must be an object; got {_shown(row)}")
        for key in ("coil", "place"):
            if not isinstance(row.get(key), str):
                raise FemtmsError(f"{path}: '{key}' of row {number} must be text; got {_shown(row.get(key))}")
        for column in COLUMNS:
            key = column.key
            if column.terminal and not (key in row and (row[key] is None or _is_number(row[key]))):
                got = _shown(row.get(key))
                raise FemtmsError(f"{path}: '{key}' of row {number} must be a number or null; got {got}")
    target = inputs.get("target_V_per_m") if isinstance(inputs, dict) else None
    if not _is_number(target):
        raise FemtmsError(f"{path}: 'inputs' must have the number target_V_per_m; got {_shown(target)}")
    if not isinstance(seconds, dict) or not all(map(_is_number, seconds.values())):
        raise FemtmsError(f"{path}: 'seconds' must have a number for each stage; got {_shown(seconds)}")
    return content


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """What stands in a file, not to its end."""
    text = repr(value)
    return "nothing" if value is None else text if len(text) <= 60 else text[:59] + "…"


_TEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
} | {c: "\\" + c for c in "&%$#_{}"}


def write_tex(path: Path, rows: Sequence[Row], target: float) -> None:
    """A plain `tabular`, to be \\input; it needs no package but, for other than Latin letters, those of the names."""
    columns = [c for c in COLUMNS if c.tex and any(row[c.key] is not None for row in rows)]
    lines = [
        f"% femtms compare: dI/dt, share and energy are those for {target:g} V/m in the brain",
        r"\begin{tabular}{ll" + "r" * len(columns) + "}",
        r"\hline",
        " & ".join(["coil", "place", *(c.tex for c in columns)]) + r" \\",
        r"\hline",
    ]
    for row in rows:
        cells = [tex_escaped(str(row[key])) for key in ("coil", "place")]
        cells += ["--" if (value := row[c.key]) is None else f"{float(value):.{c.digits}f}" for c in columns]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\hline", r"\end{tabular}"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def tex_escaped(text: str) -> str:
    """Text that LaTeX prints as it is, on one line.

    >>> print(tex_escaped("50% of A_1"))
    50\\% of A\\_1
    """
    return "".join(_TEX_SPECIAL.get(c, c) for c in " ".join(text.split()))


def cases_summary(poses: Mapping[tuple[str, str], np.ndarray]) -> list[dict[str, Any]]:
    """(coil, place) -> pose (4,4) in mm, for JSON."""
    return [{"coil": coil, "place": place, "pose_mm": pose.tolist()} for (coil, place), pose in poses.items()]
