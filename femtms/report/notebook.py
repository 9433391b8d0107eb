"""What notebooks show of a field, a mesh and a coil: small tables."""

from collections.abc import Sequence
from html import escape

from femtms.coil.coil import Coil
from femtms.coil.extent import bounds
from femtms.field.field import Field
from femtms.mesh.tetmesh import TetMesh
from femtms.tissue import name_of


def html_of_field(field: Field) -> str:
    """The statistics of |E| by tissue, as on the command line, with the estimated error."""
    rows = [
        [s.tissue, f"{s.volume_ml:.4g}"]
        + [f"{x:.3g}" for x in (s.mean, s.median, s.p95, s.p99, s.p99_9, s.peak, s.focality_50_ml, s.focality_75_ml)]
        for s in field.summary().values()
    ]
    heads = ["tissue", "mL", "mean", "median", "95 %", "99 %", "99.9 %", "peak", "≥ 50 % mL", "≥ 75 % mL"]
    errors = [
        f" Estimated error of E in {s.tissue}: {100 * s.error:.2g} %." for s in field.summary().values() if s.error
    ]
    caption = f"{field.coil.name}, dI/dt = {1e-6 * field.didt:g} A/µs; |E| in V/m.{''.join(errors)}"
    return _table(caption, heads, rows)


def html_of_mesh(mesh: TetMesh) -> str:
    """Tetrahedra and volume by tissue."""
    rows = []
    for tag in mesh.tissues:
        own = mesh.tags == tag
        rows.append([name_of(tag), f"{own.sum():,}", f"{1e6 * mesh.volumes[own].sum():.4g}"])
    caption = f"{len(mesh.tets):,} tetrahedra, {len(mesh.nodes):,} nodes"
    return _table(caption, ["tissue", "tetrahedra", "mL"], rows)


def html_of_coil(coil: Coil) -> str:
    """Size, elements and limits."""
    low, high = bounds(coil)
    rows = [["size", "×".join(f"{1e3 * d:.0f}" for d in high - low) + " mm"], ["elements", f"{len(coil.positions):,}"]]
    if coil.max_didt is not None:
        rows.append(["largest dI/dt", f"{1e-6 * coil.max_didt:.4g} A/µs"])
    if coil.inductance is not None:
        rows.append(["inductance", f"{1e6 * coil.inductance:.3g} µH"])
    if coil.casing is not None:
        rows.append(["casing", f"{len(coil.casing.triangles):,} triangles"])
    return _table(coil.name, [], [*rows, ["source", coil.source or "not known"]])


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows with the first cell as their name; names out of files are text, not markup."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    body = "".join(
        f"<tr><th>{escape(first)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in rest)}</tr>"
        for first, *rest in rows
    )
    return f"<table><caption>{escape(caption)}</caption>{f'<tr>{head}</tr>' if heads else ''}{body}</table>"
