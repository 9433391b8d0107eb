"""The picture of a mesh: two cuts through its tetrahedra, a detail of one, and the dihedral angles."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.ndimage as ndi
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import hsv_to_rgb, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import LogLocator, MultipleLocator, NullFormatter

from femtms.mesh.angles import dihedral_angles
from femtms.mesh.tetmesh import TetMesh
from femtms.report.figures import Shown, check_picture_suffix, write_figure
from femtms.report.picture import INK, PLANES, edge_letters, number
from femtms.tissue import PROPERTIES, Tissue, name_of

WIDTH, HEIGHT = 11.0, 7.0  # inches
DETAIL_MM = 40.0
MARK = "#c0392b"
_CHUNK = 500_000  # tetrahedra whose angles are in memory at a time


def draw_mesh(mesh: TetMesh, path: str | Path, title: str = "") -> None:
    """Write the picture of a mesh as .png, .pdf or .svg; the tetrahedra are pixels in all of them.

    Raises FemtmsError for another suffix.
    """
    path = Path(path)
    check_picture_suffix(path)
    write_figure(mesh_figure(mesh, title), path)


def mesh_figure(mesh: TetMesh, title: str = "", dpi: float | None = None) -> Figure:
    """An axial and a coronal cut through the tetrahedra, a detail, and their dihedral angles.

    title  what the mesh is; numbers of nodes and tetrahedra and their size stand below it

    The cuts go through the centre of the grey matter, or of the mesh where there is none.
    """
    colours = _colours(mesh)
    fig = Shown(WIDTH, HEIGHT, dpi)
    fig.text(0.02, 0.975, title or "mesh", fontsize=min(12.5, 1300 / max(len(title), 1)), fontweight="bold", va="top",
             color=INK, parse_math=False)  # fmt: skip
    fig.text(0.02, 0.932, _caption(mesh), fontsize=9.5, va="top", color=INK)

    low, high = 1e3 * mesh.nodes.min(axis=0), 1e3 * mesh.nodes.max(axis=0)
    air = 0.09 * float((high - low).max())
    low, high = low - air, high + air
    size = high - low
    # two cuts of one scale and a square detail of the height of the higher one
    room, gap, tallest = 10.75, 0.6, 3.55
    scale = min(tallest / max(size[1], size[2]), (room - 3 * gap) / (2 * size[0] + max(size[1], size[2])))
    row = scale * max(size[1], size[2])
    top, left = HEIGHT - 0.85, gap
    centre = [_beside_nodes(mesh, axis, at) for axis, at in enumerate(_centre(mesh))]
    cuts = {axis: cut_polygons(mesh, axis, centre[axis]) for axis in (2, 1)}
    corner = _richest_window(mesh, *cuts[1])
    for axis in (2, 1):
        u, v = (d for d in range(3) if d != axis)
        ax = fig.add_axes(_place(left, top - scale * size[v], scale * size[u], scale * size[v]))
        _draw_cut(ax, mesh, colours, *cuts[axis], axis=axis, low=low, high=high, points_per_mm=72 * scale)
        edge_letters(ax, np.eye(3)[u], np.eye(3)[v])
        ax.set_title(f"{PLANES[axis]}, {'xyz'[axis]} = {number(1e3 * centre[axis])} mm", fontsize=10.5, pad=4)
        if axis == 1:
            ax.add_patch(Rectangle(tuple(corner), DETAIL_MM, DETAIL_MM, fill=False, ec=INK, lw=1.0, zorder=5))
        left += scale * size[u] + gap
    side = min(row, WIDTH - left - 0.15)
    ax = fig.add_axes(_place(left, top - side, side, side))
    window = np.array([corner[0], 0, corner[1]])
    _draw_cut(ax, mesh, colours, *cuts[1], axis=1, low=window, high=window + DETAIL_MM,
              points_per_mm=72 * side / DETAIL_MM)  # fmt: skip
    ax.set_title(f"detail of the coronal cut ({DETAIL_MM:g} mm)", fontsize=10.5, pad=4)

    below = top - row - 0.9
    _draw_angles(fig.add_axes(_place(0.75, 0.5, 6.4, below - 0.5)), mesh)
    shown = [int(t) for t in mesh.tissues][:24]
    handles = [Patch(fc=colours[t], ec=INK, lw=0.4, label=_label(t)) for t in shown]
    fig.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(7.5 / WIDTH, (below + 0.08) / HEIGHT), frameon=False,
        fontsize=9.5, ncols=1 if len(shown) <= 8 else 3, handlelength=1.4, handleheight=1.1, borderpad=0,
    )  # fmt: skip
    return fig


def cut_polygons(mesh: TetMesh, axis: int, at: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the plane in which coordinate `axis` is `at` m cuts tetrahedra: corners (p,4,2) in mm and their index (p,).

    The two coordinates are the other ones in their order.  A cut through three edges is a triangle, with its last
    corner twice.  A tetrahedron that only touches the plane from below has no polygon.
    """
    beyond = mesh.nodes[:, axis] > at
    count = np.zeros(len(mesh.tets), np.int8)
    for k in range(4):
        count += beyond[mesh.tets[:, k]]
    cut = np.flatnonzero((count > 0) & (count < 4))
    # nodes on this side of the plane first
    tets = np.take_along_axis(mesh.tets[cut], np.argsort(beyond[mesh.tets[cut]], axis=1, kind="stable"), axis=1)
    count = count[cut]
    corners = np.empty((len(cut), 4, 2))
    # the edges that are cut, in the order in which they follow each other around the polygon
    for beyond_plane, edges in (
        (1, ((0, 3), (1, 3), (2, 3), (2, 3))),
        (2, ((0, 2), (0, 3), (1, 3), (1, 2))),
        (3, ((0, 1), (0, 2), (0, 3), (0, 3))),
    ):
        own = np.flatnonzero(count == beyond_plane)
        for i, (a, b) in enumerate(edges):
            p, q = mesh.nodes[tets[own, a]], mesh.nodes[tets[own, b]]
            share = ((at - p[:, axis]) / (q[:, axis] - p[:, axis]))[:, None]
            corners[own, i] = 1e3 * np.delete(p + share * (q - p), axis, axis=1)
    return corners, cut


def _draw_cut(
    ax: Axes, mesh: TetMesh, colours: Mapping[int, tuple[float, float, float]], corners: np.ndarray, cut: np.ndarray, *,
    axis: int, low: np.ndarray, high: np.ndarray, points_per_mm: float,
) -> None:  # fmt: skip
    """The polygons in a window from low to high (3,) mm, coloured by tissue, and axes in mm."""
    u, v = (d for d in range(3) if d != axis)
    seen = (corners.max(axis=1) > low[[u, v]]).all(axis=1) & (corners.min(axis=1) < high[[u, v]]).all(axis=1)
    corners, cut = corners[seen], cut[seen]
    palette = np.array([colours[int(t)] for t in mesh.tissues])
    inks = palette[np.searchsorted(mesh.tissues, mesh.tags[cut])]
    width = _typical_side(corners) * points_per_mm if len(corners) else 1.0  # of a polygon on paper, in points
    lines = float(np.clip(0.055 * width, 0.04, 0.45))
    polygons = PolyCollection(
        corners,  # type: ignore[arg-type]
        facecolors=inks, edgecolors=(0.1, 0.1, 0.1, min(0.9, 0.35 + 0.1 * width)), linewidths=lines, zorder=1,
        rasterized=True,
    )  # fmt: skip
    ax.add_collection(polygons, autolim=False)
    ax.set(xlim=(low[u], high[u]), ylim=(low[v], high[v]), aspect="equal")
    ax.set_xlabel("xyz"[u] + " (mm)", fontsize=9.5, labelpad=1)
    ax.set_ylabel("xyz"[v] + " (mm)", fontsize=9.5, labelpad=-3)
    span = float(max(high[u] - low[u], high[v] - low[v]))
    step = next(s for s in (1, 2, 5, 10, 20, 40, 50, 100, 200, 500, 1000, 2000) if 6.5 * s >= span)
    for scale in (ax.xaxis, ax.yaxis):
        scale.set_major_locator(MultipleLocator(step))
    ax.tick_params(labelsize=8.5, length=2.5, pad=2)
    ax.set_facecolor("white")


def _typical_side(corners: np.ndarray) -> float:
    """A typical length in mm of the polygons (p,4,2): the root of the area that half of the cut lies below."""
    areas = np.sort(_areas(corners))
    total = np.cumsum(areas)
    return float(np.sqrt(areas[np.searchsorted(total, total[-1] / 2)]))


def _areas(corners: np.ndarray) -> np.ndarray:
    """Areas (p,) in mm² of the polygons (p,4,2)."""
    x, y = corners[..., 0], corners[..., 1]
    areas: np.ndarray = np.abs((x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)) / 2
    return areas


def _richest_window(mesh: TetMesh, corners: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """Lower left corner (2,) in mm of the detail: the tissues in it are as many and as even as anywhere in the cut.

    That is where the entropy of their shares is greatest; with grey matter in it, where there is some.
    """
    step = 2.0
    areas, middle = _areas(corners), corners.mean(axis=1)
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    edges = [np.arange(low[d], max(high[d], low[d] + DETAIL_MM) + 2 * step, step) for d in range(2)]
    window = int(DETAIL_MM / step)
    tags = mesh.tags[cut]
    shares = []
    for tag in np.unique(tags):
        own = tags == tag
        image = np.histogram2d(middle[own, 0], middle[own, 1], bins=edges, weights=areas[own])[0]
        shares.append(ndi.uniform_filter(image, window, mode="constant") / step**2)
    share = np.clip(np.stack(shares), 1e-9, 1)
    score = -(share * np.log(share)).sum(axis=0)
    if Tissue.GM in tags:
        score *= np.minimum(1, share[np.unique(tags).tolist().index(Tissue.GM)] / 0.2)
    # the window must not stick out
    half = window // 2
    inner = score[half : score.shape[0] - half + 1, half : score.shape[1] - half + 1]
    i, j = np.unravel_index(inner.argmax(), inner.shape)
    corner: np.ndarray = low + step * np.array([i, j])
    return corner


def _draw_angles(ax: Axes, mesh: TetMesh) -> None:
    """Numbers of dihedral angles, all and the smallest of each tetrahedron, in bins of 2 degrees around even ones."""
    every, least = np.zeros(91, np.int64), np.empty(len(mesh.tets))
    greatest = 0.0
    for start in range(0, len(mesh.tets), _CHUNK):
        angles = dihedral_angles(mesh.nodes, mesh.tets[start : start + _CHUNK])
        every += _in_bins(angles)
        least[start : start + _CHUNK] = angles.min(axis=1)
        greatest = max(greatest, float(angles.max()))
    for counts, colour, label in (
        (every, "#b9c4cf", "all dihedral angles"),
        (_in_bins(least), "#33658a", "smallest of each tetrahedron"),
    ):
        ax.stairs(counts, np.arange(-1, 182, 2), fill=True, color=colour, label=label, zorder=2)
    top = 10 ** np.ceil(np.log10(every.max()) + 1)
    for line, (value, name, style) in enumerate(
        ((float(least.min()), "min", "-"), (float(np.percentile(least, 1)), "1 %", "--"), (greatest, "max", "-"))
    ):
        ax.axvline(value, color=MARK, lw=1.0, ls=style, zorder=3)
        side = -1 if value > 150 else 1
        ax.annotate(
            f"{name} {value:.1f}°", (value, top), xytext=(4 * side, -2 - 12 * (line % 2)), textcoords="offset points",
            ha="left" if side > 0 else "right", va="top", fontsize=8.5, color=MARK, zorder=4,
            bbox={"fc": "white", "ec": "none", "pad": 0.8},
        )  # fmt: skip
    ax.set_yscale("log")
    ax.set(xlim=(-1, 181), ylim=(0.7, top))
    ax.yaxis.set_major_locator(LogLocator(10, numticks=6))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_locator(MultipleLocator(30))
    ax.set_xlabel("dihedral angle (°)", fontsize=9.5, labelpad=1)
    ax.set_ylabel("number in 2°", fontsize=9.5)
    ax.tick_params(labelsize=8.5, length=2.5, pad=2)
    for edge in ("top", "right"):
        ax.spines[edge].set_visible(False)
    ax.legend(fontsize=8.5, frameon=False, loc="lower left", bbox_to_anchor=(-0.01, 0.99), ncols=2, borderpad=0.3)


def _in_bins(angles: np.ndarray) -> np.ndarray:
    """How many angles are within 1° of 0, 2, … 180 degrees (91,)."""
    return np.bincount(((angles.ravel() + 1) / 2).astype(np.int64), minlength=91)


def _caption(mesh: TetMesh) -> str:
    some = mesh.tets[:: max(1, len(mesh.tets) // 200_000)]
    x = mesh.nodes[some]
    lengths = [1e3 * np.linalg.norm(x[:, a] - x[:, b], axis=1) for a in range(4) for b in range(a)]
    return (
        f"{len(mesh.nodes):,} nodes, {len(mesh.tets):,} tetrahedra; edges {np.median(lengths):.2g} mm (median); "
        f"{1e6 * mesh.volumes.sum():,.0f} mL"
    )


def _centre(mesh: TetMesh) -> np.ndarray:
    """Centre (3,) in m of the grey matter, or of the mesh."""
    own = mesh.tags == Tissue.GM
    if not own.any():
        own[:] = True
    centre: np.ndarray = mesh.volumes[own] @ mesh.centroids[own] / mesh.volumes[own].sum()
    return centre


def _beside_nodes(mesh: TetMesh, axis: int, at: float) -> float:
    """The coordinate `at` m, or one beside it where a plane of nodes lies: a cut along faces shows no tetrahedra."""
    edge = float(np.median(mesh.longest_edges))
    while (np.abs(mesh.nodes[:, axis] - at) < 1e-3 * edge).sum() > 10:
        at += 0.17 * edge
    return at


def _colours(mesh: TetMesh) -> dict[int, tuple[float, float, float]]:
    """Tissue number -> colour; hues far from each other for unknown numbers."""
    unknown = [int(t) for t in mesh.tissues if int(t) not in PROPERTIES]
    golden = (np.sqrt(5) - 1) / 2
    found = {t: tuple(hsv_to_rgb(((0.8 + i * golden) % 1, 0.45, 0.85))) for i, t in enumerate(unknown)}
    found |= {int(t): to_rgb(PROPERTIES[int(t)].colour) for t in mesh.tissues if int(t) in PROPERTIES}
    return found


def _label(tag: int) -> str:
    return PROPERTIES[tag].title if tag in PROPERTIES else name_of(tag)


def _place(left: float, bottom: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Inches on the page to the fractions that matplotlib wants."""
    return (left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT)
