"""The picture of a coil: its windings from three sides, and A and B on a plane in front of it."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from scipy.spatial import ConvexHull, KDTree

from femtms.coil.coil import Coil
from femtms.coil.elements import Currents, Dipoles
from femtms.coil.extent import bounds, corners
from femtms.coil.plane import PlaneMap, is_clear_of, plane_before
from femtms.coil.sampled import SampledField
from femtms.errors import FemtmsError
from femtms.report.figures import Shown, check_picture_suffix, write_figure
from femtms.report.marks import dipole_marks
from femtms.report.picture import INK, field_colours, number

WIDTH = 11.0  # inches, as all below; the height is that of what is in it
_TOP, _BOTTOM, _LEFT, _RIGHT, _BETWEEN = 1.3, 0.85, 0.62, 6.25, 1.2
_WIDEST, _HIGHEST = 4.0, 3.2  # of the view from the head, and of the maps, which have the same scale
_LABELS = 0.75  # between the two views from the sides
PLANE = "#00859e"  # of the line that marks the plane of the maps
CASING, WIRE, NEAR = "#e8e6e0", "#a65e2e", "#bcbcbc"
_FARTHEST_PLANE = 1.0  # m
_ARROWS = 15  # in a row


def draw_coil(coil: Coil, path: str | Path, z: float = 0.01, title: str = "") -> None:
    """Write `coil_figure` as .png, .pdf or .svg.  Raises FemtmsError for another suffix."""
    path = Path(path)
    check_picture_suffix(path)
    write_figure(coil_figure(coil, z, title), path)


def coil_figure(coil: Coil, z: float = 0.01, title: str = "", dpi: float | None = None) -> Figure:
    """A coil in its own frame: windings and casing, |A| and |B| on the plane at z m.

    The views show all windings, and the plane too.  In |B| grey is what is so near to a current element or a dipole
    that its B is not that of the wire that it stands for.  Arrows on |A| are E of a rising current in free space; its
    size for 1 A/µs in V/m is that of A for 1 A in µT·m.
    Raises FemtmsError when nothing of a sampled A is known on the plane.
    """
    if not abs(z) <= _FARTHEST_PLANE:
        raise FemtmsError(f"the plane must be within {1e3 * _FARTHEST_PLANE:g} mm of the coil; got z = {1e3 * z:g} mm")
    low, high = bounds(coil)
    plane = plane_before(coil, z)
    z_mm = 1e3 * z
    depth = np.array([min(1e3 * low[2], 0.0, z_mm), max(1e3 * high[2], z_mm)])
    depth = depth + 0.08 * np.ptp(depth) * np.array([-1, 1]) + np.array([-2, 2])
    window = 1e3 * (plane.origin[:2] + np.array([[plane.x[0], plane.y[0]], [plane.x[-1], plane.y[-1]]]))

    size = np.ptp(window, axis=0)
    scale = min(_WIDEST / size[0], _HIGHEST / size[1])  # inches per mm, the same in all panels
    width, height, deep = scale * size[0], scale * size[1], scale * float(np.ptp(depth))
    upper = max(height, 2 * deep + _LABELS)
    total = _TOP + upper + _BETWEEN + height + _BOTTOM
    fig = Shown(WIDTH, total, dpi)

    def panel(left: float, from_top: float, w: float, h: float) -> Axes:
        return fig.add_axes((left / WIDTH, 1 - (from_top + h) / total, w / WIDTH, h / total))

    title = title or coil.name
    fig.text(0.03, 1 - 0.2 / total, title, fontsize=min(13, 1300 / max(len(title), 1)),
             fontweight="bold", va="top", color=INK, parse_math=False)  # fmt: skip
    fig.text(0.03, 1 - 0.5 / total, _caption(coil), fontsize=9.5, va="top", color=INK, parse_math=False)
    views = (
        (panel(_LEFT, _TOP, width, height), (0, 1), "seen from the head"),
        (panel(_RIGHT, _TOP, width, deep), (0, 2), "from the side, along y"),
        (panel(_RIGHT, _TOP + deep + _LABELS, height, deep), (1, 2), "from the side, along x"),
    )
    for ax, axes, name in views:
        _draw_shape(ax, coil, axes)
        _frame(ax, "xyz"[axes[0]], "xyz"[axes[1]])
        ax.set(xlim=window[:, axes[0]], ylim=window[:, 1] if axes[1] == 1 else depth[::-1])  # the head is below
        ax.set_title(name, fontsize=10.5, pad=5)
        if axes[1] == 2:
            ax.axhline(z_mm, color=PLANE, lw=1.2, ls=(0, (5, 3)), zorder=5)
            ax.text(1.015, z_mm, f"z = {_signed(z_mm)}", color=PLANE, fontsize=9, va="center",
                    transform=ax.get_yaxis_transform())  # fmt: skip

    is_clear = is_clear_of(coil, z)
    near = near_elements(coil, plane.points)
    for left, values, name, arrows in (
        (_LEFT, plane.magA, "|A| (µT·m per A)  =  |E| in free space (V/m per A/µs)", -plane.A),
        (_RIGHT, np.where(near, np.nan, plane.magB), "|B| (µT per A)", None),
    ):
        place = (left, _TOP + upper + _BETWEEN, width, height)
        bar = panel(left + width + 0.12, place[1], 0.13, height)
        _draw_map(panel(*place), bar, plane, 1e6 * values, name, arrows, is_clear)
    fig.text(
        0.03, 0.18 / total,
        "Arrows: direction of E in free space while the current rises."
        + (" Lines: half of the largest value." if is_clear else " The plane cuts the coil: colours end at the "
           "99th percentile.")
        + (" Grey: too near to wires." if near.any() else ""),
        fontsize=9, color=INK,
    )  # fmt: skip
    return fig


def _caption(coil: Coil) -> str:
    """What the coil is, in a line or two."""
    names = {Currents: "current elements", Dipoles: "dipoles", SampledField: "samples of A"}
    counts = {kind: sum(len(group) for group in coil.elements if isinstance(group, kind)) for kind in names}
    parts = [f"{count:,} {names[kind]}" for kind, count in counts.items() if count]
    low, high = bounds(coil)
    parts.append("×".join(f"{1e3 * d:.0f}" for d in high - low) + " mm")
    if coil.max_didt is not None:
        parts.append(f"at most {1e-6 * coil.max_didt:.4g} A/µs")
    if coil.inductance is not None:
        parts.append(f"{1e6 * coil.inductance:.3g} µH")
    if coil.casing is not None:
        parts.append(f"casing of {len(coil.casing.triangles):,} triangles")
    source = coil.source if len(coil.source) < 150 else coil.source[:149] + "…"
    return ", ".join(parts) + (f"\n{source}" if source and source != coil.name else "")


def _draw_shape(ax: Axes, coil: Coil, axes: tuple[int, int]) -> None:
    """Casing, current elements, dipoles and outlines of a coil, projected on two of its axes, in mm."""
    uv = list(axes)
    if coil.casing is not None:
        triangles = 1e3 * coil.casing.nodes[coil.casing.triangles][:, :, uv]
        ax.add_collection(PolyCollection(list(triangles), facecolors=CASING, edgecolors=CASING, lw=0.4, zorder=1,
                                         rasterized=True))  # fmt: skip
    for group in coil.elements:
        if isinstance(group, Currents):
            step = group.vectors / np.maximum(np.linalg.norm(group.vectors, axis=1, keepdims=True), 1e-300)
            length = _spacing(group.positions, group.vectors)
            ends = 1e3 * (group.positions[:, None] + 0.5 * np.array([[-1.0], [1.0]]) * (length * step)[:, None])
            lines = LineCollection(list(ends[:, :, uv]), colors=WIRE, lw=0.45, alpha=0.55, zorder=3,
                                   rasterized=True)  # fmt: skip
            ax.add_collection(lines)
        elif isinstance(group, Dipoles):
            if axes == (0, 1):
                points, strength = dipole_marks(group.positions, group.vectors)
            else:
                size = np.linalg.norm(group.vectors, axis=1)
                points, strength = group.positions, size / max(float(size.max()), 1e-300)
            dot = np.clip(6000 / len(points), 1.5, 20.0) * strength
            u, v = (1e3 * points[:, axis] for axis in axes)
            ax.scatter(u, v, s=dot, color=WIRE, alpha=0.6, linewidths=0, zorder=3, rasterized=True)
        elif isinstance(group, SampledField) and len(coil.elements) == len(coil.sampled):  # there is nothing else
            grid = 1e3 * corners(group)[:, uv]
            outer = grid[ConvexHull(grid).vertices]
            ax.fill(*outer.T, fc="none", ec="#8a8a8a", lw=0.9, ls=":", zorder=2)
            u, v = grid.mean(axis=0)
            ax.text(u, v, "grid of A", fontsize=9, color="#6a6a6a", ha="center", va="center")
    for line in coil.outlines:
        ax.plot(*(1e3 * line[:, uv]).T, color=INK, lw=0.9, zorder=4, solid_capstyle="butt")


def _spacing(positions: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """How long (d,1) in m each current element is drawn: as long as it is, however many turns share it."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    step = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    return np.maximum(length, float(np.median(step)) if len(step) else 0.0)


def near_elements(coil: Coil, points: np.ndarray) -> np.ndarray:
    """Whether points (r,c,3) m are nearer to an element of the coil than its elements follow each other.

    At this distance B of a straight row of current elements is within 2.3 % of that of a wire; nearer it is not.
    """
    near = np.zeros(points.shape[:2], bool)
    for group in coil.elements:
        if isinstance(group, Currents | Dipoles) and len(group) > 1:
            tree = KDTree(group.positions)
            if isinstance(group, Currents):
                step = np.median(_spacing(group.positions, group.vectors))
            else:
                step = np.median(tree.query(group.positions, k=2)[0][:, 1])
            near |= np.isfinite(tree.query(points, distance_upper_bound=float(step))[0])
    return near


def _signed(x: float) -> str:
    """As short as it can be, with the minus sign that the axes of the plots have."""
    return f"{x:g}".replace("-", "\N{MINUS SIGN}")


def _frame(ax: Axes, u: str, v: str) -> None:
    """Axes in mm of one scale."""
    ax.set_aspect("equal")
    ax.set_xlabel(f"{u} (mm)", fontsize=9.5, labelpad=2)
    ax.set_ylabel(f"{v} (mm)", fontsize=9.5, labelpad=1)
    ax.tick_params(labelsize=8.5)
    for spine in ax.spines.values():
        spine.set_color("#8a8a8a")


def _draw_map(
    ax: Axes, bar: Axes, plane: PlaneMap, values: np.ndarray, name: str, arrows: np.ndarray | None, is_clear: bool
) -> None:
    """Sizes (r,c) as colours with a line at half of the largest, and the directions of vectors (r,c,3)."""
    finite = values[np.isfinite(values)]
    limit = float(finite.max() if is_clear else np.percentile(finite, 99)) or 1.0  # at a wire it has no bound
    x, y = 1e3 * (plane.origin[0] + plane.x), 1e3 * (plane.origin[1] + plane.y)
    ax.set_facecolor(NEAR)
    image = ax.imshow(values, extent=(x[0], x[-1], y[0], y[-1]), origin="lower", cmap=field_colours(), vmin=0,
                      vmax=limit, interpolation="bilinear")  # fmt: skip
    if arrows is not None:
        every = max(len(x) // _ARROWS, 1)
        some = np.ix_(*(np.arange((n % every) // 2, n, every) for n in values.shape))
        u, v = (1e6 * arrows[..., d][some] / limit for d in (0, 1))
        ax.quiver(
            x[some[1].ravel()], y[some[0].ravel()], u, v, color=INK, scale=_ARROWS * 1.1, width=0.003, pivot="mid",
            headwidth=4, headlength=5, zorder=4,
        )  # fmt: skip
    _frame(ax, "x", "y")
    title = f"{name}\nz = {_signed(1e3 * plane.origin[2])} mm"
    if is_clear and np.ptp(finite) > 0:
        ax.contour(x, y, np.ma.masked_invalid(values), levels=[limit / 2], colors=[INK], linewidths=0.9)
        at = 1e3 * plane.largest(values)[1]
        title += f": at most {limit:.3g} at ({number(at[0])}, {number(at[1])}) mm"
    ax.set_title(title, fontsize=9.8)
    colours = ax.figure.colorbar(image, cax=bar, extend="max" if finite.max() > limit else "neither")
    colours.ax.tick_params(labelsize=8.5)
    if is_clear:
        colours.ax.axhline(limit / 2, color=INK, lw=0.9)
