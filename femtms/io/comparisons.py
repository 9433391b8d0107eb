"""Files of a comparison of coils: a table as CSV and for LaTeX, and all of it as JSON."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from femtms.analysis.case import Case
from femtms.io.summary import read_json

RESULTS = ("comparison.csv", "comparison.tex", "report.html", "comparison.json")

Row = dict[str, str | float | None]


def rows_of(cases: Sequence[Case], target: float, period: float) -> list[Row]:
    """A row for each coil and place with the unit of each number in the name of its column; None where not known.

    target  V/m, the brain maximum for which dI/dt and energy are given; period of the pulse in s
    """
    return [
        {
            "coil": case.coil.name,
            "place": case.place,
            "E_brain_V_per_m_per_A_per_us": case.E_brain,
            "E_brain_at_limit_V_per_m": case.E_limit,
            "d_half_cm": 1e2 * case.d_half,
            "s_half_cm2": 1e4 * case.s_half,
            "v_half_cm3": 1e6 * case.v_half,
            "gm_50_ml": _scaled(case.gm_50, 1e6),
            "gm_75_ml": _scaled(case.gm_75, 1e6),
            "E_scalp_V_per_m_per_A_per_us": case.E_scalp,
            "scalp_cortex_ratio": case.scalp_ratio,
            "didt_for_target_A_per_us": 1e-6 * case.didt_for(target),
            "share_of_max_percent": _scaled(case.share_for(target), 100),
            "max_didt_A_per_us": _scaled(case.coil.max_didt, 1e-6),
            "inductance_uH": _scaled(case.coil.inductance, 1e6),
            "energy_for_target_J": case.energy_for(target, period),
            "clearance_mm": _scaled(case.clearance, 1e3),
        }
        for case in cases
    ]


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


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


def read_comparison(path: Path) -> dict[str, Any]:
    """The comparison.json of a result.  Raises FemtmsError when it is damaged or something else."""
    return read_json(path, ("inputs", "rows", "profiles", "poses", "seconds", "device"), "the result of a comparison")


# heading in TeX, and the digits of a column of the table
_TEX: dict[str, tuple[str, Callable[[float], str]]] = {
    "E_brain_V_per_m_per_A_per_us": (r"$|E|$ (V/m per A/\textmu s)", "{:.2f}".format),
    "d_half_cm": (r"$d_{1/2}$ (cm)", "{:.2f}".format),
    "s_half_cm2": (r"$S_{1/2}$ (cm$^2$)", "{:.1f}".format),
    "gm_50_ml": (r"GM $\geq 50\,\%$ (mL)", "{:.1f}".format),
    "scalp_cortex_ratio": ("scalp/cortex", "{:.2f}".format),
    "didt_for_target_A_per_us": (r"$\mathrm{d}I/\mathrm{d}t$ (A/\textmu s)", "{:.1f}".format),
    "share_of_max_percent": (r"of maximum (\%)", "{:.0f}".format),
    "inductance_uH": (r"$L$ (\textmu H)", "{:.1f}".format),
    "energy_for_target_J": ("energy (J)", "{:.1f}".format),
}
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
    columns = [key for key in _TEX if any(row[key] is not None for row in rows)]
    lines = [
        f"% femtms compare: dI/dt, share and energy are those for {target:g} V/m in the brain",
        r"\begin{tabular}{ll" + "r" * len(columns) + "}",
        r"\hline",
        " & ".join(["coil", "place", *(_TEX[key][0] for key in columns)]) + r" \\",
        r"\hline",
    ]
    for row in rows:
        cells = [tex_escaped(str(row[key])) for key in ("coil", "place")]
        cells += ["--" if (value := row[key]) is None else _TEX[key][1](float(value)) for key in columns]
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
