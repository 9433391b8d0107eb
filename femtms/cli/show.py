"""What the commands print: numbers for people, 80 columns wide, and reports for JSON."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from femtms.errors import FemtmsError, in_one_line
from femtms.io.names import printable


def say(text: str) -> None:
    """Print lines.  Nothing in them is obeyed by the terminal: they may have names out of files that others made."""
    print("\n".join(printable(line, most=None) for line in text.split("\n")))


def show_file(path: Path, content: dict[str, Any], show: Callable[[dict[str, Any]], None], json_: bool) -> None:
    """Print what a file says, as JSON or by `show`: all of it, or a FemtmsError where it is not what that expects."""
    if json_:
        print(json.dumps(content, indent=2))
        return
    buffer = io.StringIO()
    try:
        with redirect_stdout(buffer):
            show(content)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        reason = f"{type(error).__name__}: {in_one_line(error, 160)}"
        raise FemtmsError(f"{path}: is damaged, or of another version of femtms ({reason})") from error
    say(buffer.getvalue().removesuffix("\n"))


def measures_of(coil: dict[str, Any]) -> str:
    """The winding in a line: 75/35 mm, 5 turns × 2 layers of 1.75×5.5 mm, wings at 100°; at most 155.4 A/µs."""
    words = []
    if coil.get("outer_diameter_mm"):
        layers = f" × {coil['layers']} layers" if coil["layers"] > 1 else ""
        wire = "×".join(f"{size:g}" for size in coil["wire_mm"])
        diameters = f"{coil['outer_diameter_mm']:g}/{coil['inner_diameter_mm']:g} mm"
        words.append(f"{diameters}, {coil['turns']} turns{layers} of {wire} mm")
        if coil["angle_deg"] != 180:
            words[-1] += f", wings at {coil['angle_deg']:g}°"
    if coil.get("max_didt_A_per_us"):
        words.append(f"at most {coil['max_didt_A_per_us']:g} A/µs")
    return "; ".join(words)


def print_coil(summary: dict[str, Any]) -> None:
    """A coil for people, 80 columns wide but for its source."""
    print(summary["name"] + (f" ({summary['brand']})" if summary["brand"] else ""))
    print(f"  source      {summary['source'] or 'not known'}")
    kinds = [f"{count:,} {kind.replace('_', ' ')}" for kind, count in summary["elements"].items() if count]
    print(f"  made of     {', '.join(kinds)}")
    size = "×".join(f"{high - low:.0f}" for low, high in zip(summary["low_mm"], summary["high_mm"]))
    print(f"  size        {size} mm; z from {summary['low_mm'][2]:.1f} to {summary['high_mm'][2]:.1f} mm")
    casing = summary["casing"]
    print(f"  casing      {'none' if casing is None else str(casing['triangles']) + ' triangles'}")
    for number, stimulator in enumerate(summary["stimulators"], 1):
        limit = stimulator["max_didt_A_per_s"]
        label = " ".join(word for word in (stimulator["brand"], stimulator["name"]) if word) or f"number {number}"
        waves = f"; {len(stimulator['waveforms'])} waveforms" if stimulator["waveforms"] else ""
        known = "not known" if limit is None else f"at most {1e-6 * limit:.4g} A/µs"
        print(f"  stimulator  {label}: dI/dt {known}{waves}")
    if summary["inductance_uH"] is not None:
        print(f"  inductance  {summary['inductance_uH']:.3g} µH")
    plane = summary["plane"]
    if plane["cuts_the_coil"]:
        print(f"  z = {plane['z_mm']:g} mm   cuts the coil, where A and B have no bounds")
        return
    for symbol, size, at in (
        ("|E|", f"{plane['max_E_V_per_m_per_A_per_us']:.3g} V/m per A/µs in free space", plane["max_E_at_mm"]),
        ("|B|", f"{1e6 * plane['max_B_T_per_A']:.3g} µT per A", plane["max_B_at_mm"]),
    ):
        print(f"  z = {plane['z_mm']:g} mm   {symbol} up to {size}, at ({at[0]:.1f}, {at[1]:.1f}) mm")


def mesh_report(mesh: Any) -> dict[str, Any]:
    """Of a mesh: its size, the volumes of its tissues, what was done to it."""
    from femtms.tissue import name_of

    volume_ml = {name_of(t): 1e6 * float(mesh.volumes[mesh.tags == t].sum()) for t in mesh.tissues}
    report = {"nodes": len(mesh.nodes), "tets": len(mesh.tets), "volume_ml": volume_ml, "notes": list(mesh.notes)}
    stages = {name: round(value, 3) for name, value in mesh.seconds.items()}
    report |= {"tissue_array": mesh.tissue_array} if mesh.tissue_array else {}
    return report | ({"stages": stages} if stages else {})


def coil_report(coil: Any) -> dict[str, Any]:
    """Of a coil, in short; `femtms coils NAME` has more."""
    report = {
        "name": coil.name,
        "elements": len(coil.positions),
        "max_didt_A_per_s": coil.max_didt,
        "source": coil.source,
    }
    inductance = coil.inductance
    return report | ({} if inductance is None else {"inductance_uH": round(1e6 * inductance, 3)})


def catalogue_report(entry: Any) -> dict[str, Any]:
    """What is known of a coil of the catalogue without making it."""
    if entry.table is None:
        return {"name": entry.name, "title": entry.file.name, "source": str(entry.file), "file": str(entry.file)}
    table = entry.table
    report = {"name": table.name, "title": table.title, "brand": table.brand, "source": table.source}
    winding = table.winding
    if winding is not None:
        report |= {
            "shape": winding.shape,
            "outer_diameter_mm": winding.outer_diameter_mm,
            "inner_diameter_mm": winding.inner_diameter_mm,
            "turns_per_wing": None if winding.turns is None else winding.turns * winding.layers,
            "turns": winding.turns,
            "layers": winding.layers,
            "wire_mm": list(winding.wire_mm),
            "angle_deg": winding.angle_deg,
        }
    limit = table.max_didt_A_per_us
    return report | {"max_didt_A_per_us": limit, "max_didt_A_per_s": None if limit is None else 1e6 * limit}


def model_report(model: Any, source: str) -> dict[str, Any]:
    """Of a coil whose parts move: as for any other, and how far they move."""
    ranges = [
        {"unit": model.range_unit(i), "initial": r.initial, "low": r.low, "high": r.high}
        for i, r in enumerate(model.ranges)
    ]
    return coil_report(model.coil(source=source)) | {"parts": len(model.parts), "deformation_ranges": ranges}


def print_head(head: Any, json_: bool) -> None:
    """A head of any kind, for people or as JSON."""
    array = getattr(head, "tissue_array", "")
    told = f"{head!r}\ntissues from the array '{array}'" if array else f"{head!r}"
    say(json.dumps(head_report(head), indent=2) if json_ else told)


def head_report(head: Any) -> dict[str, Any]:
    """Of a head of any kind."""
    from femtms import LabelVolume, LayeredSphere
    from femtms.tissue import name_of

    if isinstance(head, LayeredSphere):
        return {"kind": "sphere", "radii_mm": head.radii_mm, "tags": head.tags}
    if isinstance(head, LabelVolume):
        volume_ml = {name_of(t): float((head.data == t).sum() * head.voxel_ml) for t in head.tissues}
        affine = head.affine.tolist()
        return {
            "kind": "labels",
            "shape": head.data.shape,
            "affine_mm": affine,
            "volume_ml": volume_ml,
            "notes": list(head.notes),
        }
    return {"kind": "mesh"} | mesh_report(head)


def print_field(summary: dict[str, Any]) -> None:
    """The numbers that people look at first, 80 columns wide."""
    from femtms.io.summary import in_A_per_us

    columns = {  # heading -> key, width
        "mL": ("volume_ml", 8),
        "mean": ("mean", 7),
        "median": ("median", 7),
        "95 %": ("p95", 7),
        "99 %": ("p99", 7),
        "99.9 %": ("p99_9", 7),
        "peak": ("peak", 7),
        "≥50 % mL": ("focality_50_ml", 9),
        "≥75 % mL": ("focality_75_ml", 9),
    }
    coils = summary.get("coils") or [summary]
    driven = "; ".join(f"{row['coil']}, dI/dt = {in_A_per_us(row['didt'])} A/µs" for row in coils)
    print(f"{driven}; |E| in V/m")
    print(f"{'tissue':<12}" + "".join(f"{heading:>{width}}" for heading, (_, width) in columns.items()))
    for name, row in summary["tissues"].items():
        print(f"{name:<12}" + "".join(f" {_short(row[key]):>{width - 1}}" for key, width in columns.values()))
    for name in ("gm",) if "gm" in summary["tissues"] else summary["tissues"]:
        row = summary["tissues"][name]
        x, y, z = row["peak_mm"]
        print(f"peak (one tetrahedron) in {name}: {row['peak']:.3g} V/m at ({x:.1f}, {y:.1f}, {z:.1f}) mm")
        if row["error"] is not None:
            solver = summary["solver"]
            print(f"estimated error of {_whose(solver)} in {name}: {_percent(row['error'])} ({_elements(solver)})")
    for name, row in summary.get("surfaces", {}).items():
        print(f"surface {name}: {_sampled(row, row['nodes'])}")
    if summary.get("points"):
        print(f"points: {_sampled(summary['points'], summary['points']['points'])}")
    for row in coils:
        if row.get("clearance_mm") is not None and row["clearance_mm"] < 0:
            print(f"{row['coil']} cuts the scalp, {-row['clearance_mm']:.1f} mm deep")
    if summary.get("within") is not None:
        print(_what_it_took(summary["within"]))
    if summary.get("anisotropy") is not None:
        print(_tensors_in_words(summary["anisotropy"]))
    solver, mesh = summary["solver"], summary["mesh"]
    print(
        f"{mesh['tets']:,} tetrahedra, {solver['unknowns']:,} unknowns, {solver['iterations']} iterations to "
        f"{solver['residual']:.1e}; {sum(summary['seconds'].values()):.1f} s on {summary['device']}"
    )


def _sampled(row: dict[str, Any], count: int) -> str:
    """|E| where it was sampled, and how many points were not simply inside."""
    words = [f"|E| mean {_short(row['mean'])}, peak {_short(row['peak'])} V/m"] if "peak" in row else []
    if row.get("normal_lowest") is not None:
        words.append(f"normal {_short(row['normal_lowest'])} to {_short(row['normal_highest'])} V/m")
    words += [f"{row[key]:,} of {count:,} {key}" for key in ("moved", "outside") if row[key]]
    return "; ".join(words)


def _percent(share: float) -> str:
    """An error in percent, with the digits that an estimate has."""
    return f"{100 * share:.2g} %"


def _elements(solver: dict[str, Any]) -> str:
    """What E was made of: linear elements, or quadratic elements, harmonic recovery."""
    kind = "linear" if solver["order"] == 1 else "quadratic"
    recovered = "" if solver.get("recovery", "raw") == "raw" else f", {solver['recovery']} recovery"
    return f"{kind} elements{recovered}"


def _whose(solver: dict[str, Any]) -> str:
    """Whose the estimated error is: a recovered field is better than the raw one that it is estimated for."""
    return "E" if solver.get("recovery", "raw") == "raw" else "raw E"


def _what_it_took(within: dict[str, Any]) -> str:
    """The attempts of --tolerance, one after the other."""
    steps = [
        f"order {step['order']}, {step['tets']:,} tetrahedra: {_percent(step['error'])} in {step['seconds']:.1f} s"
        for step in within["attempts"]
    ]
    end = "reached" if within["reached"] else "NOT reached"
    return f"tolerance {_percent(within['tolerance'])} {end}: " + "; ".join(steps)


def _tensors_in_words(anisotropy: dict[str, Any]) -> str:
    """By tissue, of how many tetrahedra the tensor was not taken as it is: the counts of `TensorCounts`."""
    tissues = []
    for name, counts in anisotropy["tissues"].items():
        isotropic = sum(counts[kind] for kind in ("missing", "not_finite", "negative"))
        numbers = {
            "isotropic": isotropic,
            "repaired": counts["repaired"],
            "limited in ratio": counts["limited_ratio"],
            "limited in σ": counts["limited_sigma"],
        }
        said = ", ".join(f"{100 * n / counts['tets']:.2g} % {word}" for word, n in numbers.items() if n)
        tissues.append(f"{name} {said or 'as measured'}")
    return f"tensors ({anisotropy['normalisation']}): {'; '.join(tissues)}"


def print_sweep(summary: dict[str, Any]) -> None:
    """What was done; the numbers are in sweep.csv."""
    from femtms.io.summary import in_A_per_us

    mesh, solved = summary["mesh"], summary["poses_in_these_seconds"]
    print(
        f"{summary['poses']:,} poses of {summary['coil']}, dI/dt = {in_A_per_us(summary['didt'])} A/µs; "
        f"|E| in {', '.join(summary['tissues'])}"
    )
    error = summary.get("estimated_relative_error")  # sweeps of earlier versions have none
    if error is not None:
        median, largest = _percent(error["median"]), _percent(error["largest"])
        print(
            f"estimated error of {_whose(summary['solver'])} in {error['tissue']}: {median}, at most {largest} "
            f"({_elements(summary['solver'])})"
        )
    each = f", {summary['seconds']['sweep'] / solved:.3g} s for each of {solved:,} poses" if solved else ""
    print(
        f"{mesh['tets']:,} tetrahedra, {summary['solver']['unknowns']:,} unknowns; "
        f"{sum(summary['seconds'].values()):.1f} s{each} on {summary['device']}"
    )


def print_comparison(summary: dict[str, Any]) -> None:
    """The numbers that coils are chosen by; names are cut where they are long."""
    from femtms.io.comparison_columns import COLUMNS

    widths = {c.key: max(7, len(c.terminal) + 2) for c in COLUMNS if c.terminal}
    headings = [f"{c.terminal:>{widths[c.key]}}" for c in COLUMNS if c.terminal]
    lines = [("coil", "place", "".join(headings))]
    for row in summary["rows"]:
        cells = ("–" if row[key] is None else _short(row[key]) for key in widths)
        numbers = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths.values()))
        lines.append((_cut(row["coil"]), _cut(row["place"]), numbers))
    names, places = (max(len(line[i]) for line in lines) for i in (0, 1))
    for coil, where, numbers in lines:
        print(f"{coil:<{names}}  {where:<{places}}{numbers}")
    errors = [row["gm_estimated_error_percent"] for row in summary["rows"]]
    known = [error for error in errors if error is not None]
    if known:
        solver = summary["solver"]
        between = f"{min(known):.2g} to {max(known):.2g} %"
        print(f"estimated error of {_whose(solver)} in gm: {between} ({_elements(solver)})")
    print(
        f"A/µs and % of the stimulator's limit: for {summary['inputs']['target_V_per_m']:g} V/m; "
        f"{sum(summary['seconds'].values()):.1f} s on {summary['device']}"
    )


def _cut(name: str, most: int = 30) -> str:
    """A name on one line without its middle where it is long: beginning and end tell names apart."""
    name = " ".join(name.split())
    return name if len(name) <= most else f"{name[: most // 2]}…{name[most // 2 + 1 - most :]}"


def _short(value: float) -> str:
    """Three digits, and never an exponent where people do not expect one."""
    return f"{value:.0f}" if 100 <= value < 1e6 else f"{value:.3g}"
