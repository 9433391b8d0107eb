"""The picture of one simulation: |E| on the brain with the coil in place, and three cuts through the peak."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
import scipy.ndimage as ndi
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import MaxNLocator

from femtms.errors import FemtmsError
from femtms.field.statistics import weighted_percentiles
from femtms.mesh.locate import rasterised
from femtms.mesh.surface import Surface
from femtms.mesh.tetmesh import TetMesh
from femtms.mesh.volumes import VolumeChange
from femtms.report.figures import Shown
from femtms.report.render import Camera, Picture, render, smoothed, vertex_normals
from femtms.report.tissue_surface import TissueSurface
from femtms.tissue import Tissue, name_of

WIDTH, HEIGHT = 11.0, 7.4  # inches; in a print 7 inches wide the smallest text has 5.5 points
BRAIN = (int(Tissue.WM), int(Tissue.GM))

# (towards the negative, towards the positive end) of x, y, z in head coordinates
LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))
VIEWS = ("coil", "side", "above", "front")
CUTS = {"axial": 2, "coronal": 1, "sagittal": 0}
PLANES = {0: "sagittal", 1: "coronal", 2: "axial"}

ARROW = 45.0  # mm
INK = "#1a1a1a"
COIL_COLOURS = (INK, "#0f6e3c", "#2450b8", "#7a4a00", "#5f6670")  # one after the other, where there are several
PEAK = "#00a6d6"  # a hue that the colour map of the field does not contain
_ROW_OF_VIEWS, _ROW_OF_CUTS = 3.3, 3.4  # inches
# Greys of what carries no colour in a cut, from dark to light in the order of depth.
GREYS: dict[int, float] = {Tissue.CSF: 0.97, Tissue.BONE: 0.89, Tissue.COMPACT_BONE: 0.89, Tissue.SPONGY_BONE: 0.85}
GREY = 0.8  # of all others


@dataclass(frozen=True, eq=False)
class DrawnCoil:
    """A coil as it is drawn, in head coordinates and mm.

    pose      (4,4), columns x, y, z (into the head), centre
    lines     (p,3) each, windings and rims
    points    (d,3), drawn as dots of area strength (d,), 0 to 1
    casing    its housing, where that is known
    colour    of all of it, and the letter that names it, where there are several
    """

    pose: np.ndarray
    lines: Sequence[np.ndarray] = ()
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    strength: np.ndarray = field(default_factory=lambda: np.empty(0))
    casing: Surface | None = None
    colour: str = INK
    letter: str = ""


def field_colours() -> Colormap:
    """From light grey through yellow and red to purple; lightness falls all the way.

    The low end must be light: most of the brain is there, and a shaded relief shows on light colours only.
    It is matplotlib's inferno, reversed, without its black end and with grey in place of its bright yellow.
    """
    colours = colormaps["inferno_r"](np.linspace(0.03, 0.83, 256))
    grey = np.array([0.93, 0.92, 0.89, 1.0])
    mix = np.clip(1 - np.linspace(0, 1, 256) / 0.22, 0, 1)[:, None]
    return LinearSegmentedColormap.from_list("field", mix * grey + (1 - mix) * colours)


def cut_tets(
    mesh: TetMesh, axis: int, at: float, pixel: float = 0.5e-3, box: np.ndarray | None = None
) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Tetrahedron at each pixel of the plane where coordinate `axis` (0, 1, 2 for x, y, z) equals `at` m.

    pixel m; box (2,3) m, lower and upper corner of what is shown, the whole mesh if None.
    Returns indices (rows, columns), -1 outside, and the extent left, right, bottom, top in mm.
    Columns go along the first and rows along the second of the two other coordinates, from low to high
    (origin "lower"): the subject's left is on the left.
    """
    low, high = (mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)) if box is None else box
    shape = np.maximum(np.ceil((high - low) / pixel - 1e-6), 1).astype(int)
    shape[axis] = 1
    affine = np.diag([pixel, pixel, pixel, 1.0])
    affine[:3, 3] = low + pixel / 2
    affine[axis, 3] = at
    a, b, c, d = (mesh.nodes[:, axis] > at)[mesh.tets].T
    touching = np.flatnonzero((a | b | c | d) & ~(a & b & c & d))
    if len(touching) == 0:
        owner = np.full(shape, -1, np.int32)
    else:
        owner = rasterised(mesh.nodes, mesh.tets[touching], affine, (int(shape[0]), int(shape[1]), int(shape[2])))
        owner = np.where(owner >= 0, touching[owner], -1)
    u, v = (d for d in range(3) if d != axis)
    mm = 1e3 * low, 1e3 * (low + pixel * shape)
    extent = (float(mm[0][u]), float(mm[1][u]), float(mm[0][v]), float(mm[1][v]))
    return np.squeeze(owner, axis=axis).T, extent


def surface_field(
    mesh: TetMesh, magnE: np.ndarray, surface_tags: Sequence[int] = BRAIN
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The surface of some tissues with |E| on it: nodes (s,3) mm, faces (f,3), values (s,) V/m.

    The value at a node is the mean over the grey matter that meets there, weighted by volume, and over all of
    `surface_tags` where no grey matter does; all tetrahedra count when none of the tissues occurs.
    """
    surface = TissueSurface.of(mesh, surface_tags)
    return surface.nodes, surface.faces, surface.values(magnE)


def letters(direction: np.ndarray) -> str:
    """Anatomical name of a direction (3,), the strongest component first: "L", "AS".

    >>> letters(np.array([-1.0, 0, 0])), letters(np.array([0, 0.6, 0.8])), letters(np.array([0.2, 0, -1]))
    ('L', 'SA', 'I')
    """
    order = np.argsort(-np.abs(direction), kind="stable")
    return "".join(LETTERS[d][int(direction[d] > 0)] for d in order if abs(direction[d]) > 0.4)


def _views(pose: np.ndarray, peak: np.ndarray) -> dict[str, tuple[str, np.ndarray, np.ndarray]]:
    """Title, direction of sight and up of each of VIEWS: along the coil's axis, from the peak's side, above, before."""
    axis, left = pose[:3, 2] / np.linalg.norm(pose[:3, 2]), peak[0] < 0
    up, front = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    return {
        "coil": ("along the coil axis", axis, up if abs(axis[2]) < 0.8 else front),
        "side": ("from the left" if left else "from the right", np.array([1.0 if left else -1.0, 0.0, 0.0]), up),
        "above": ("from above", -up, front),
        "front": ("from the front" if peak[1] > 0 else "from behind", -front if peak[1] > 0 else front, up),
    }


def _panels(wanted: Sequence[str] | None, views: dict[str, tuple[str, np.ndarray, np.ndarray]]) -> list[str]:
    """The panels that are asked for; or the coil's view, the two others that differ most from it, and the cuts.

    Raises FemtmsError for what is none.
    """
    if wanted is None:
        axis = views["coil"][1]
        differing = [name for name in VIEWS[1:] if views[name][1] @ axis < np.cos(np.radians(30))]
        return ["coil", *differing[:2], *CUTS]
    names = [wanted] if isinstance(wanted, str) else list(wanted) if isinstance(wanted, Iterable) else []
    if not names or any(name not in (*VIEWS, *CUTS) for name in names):
        raise FemtmsError(f"panels must be some of {', '.join((*VIEWS, *CUTS))}; got {wanted!r:.80}")
    return names


def _halo(width: float) -> list[AbstractPathEffect]:
    """A white rim of `width` points, so that dark lines and letters can be read on any ground."""
    return [withStroke(linewidth=width, foreground="white")]


def _head_outline(ax: Axes, camera: Camera, nodes: np.ndarray) -> None:
    """The head behind the brain as a pale shape: where any of its nodes (n,3) mm are seen, holes filled."""
    left, right, bottom, top = camera.extent
    step = 4.0  # mm, wider than the spacing of nodes in most meshes
    u, v, _ = camera.project(nodes).T
    pad = 10 * step
    edges = [np.arange(low - pad, high + pad + step, step) for low, high in ((left, right), (bottom, top))]
    counts = np.histogram2d(u, v, bins=edges)[0]
    mask = ndi.binary_fill_holes(ndi.binary_closing(counts > 0, iterations=2))
    soft = ndi.gaussian_filter(mask.astype(float), 1.5)
    centres = [(e[1:] + e[:-1]) / 2 for e in edges]
    ax.contourf(*centres, soft.T, levels=[0.5, 2], colors=["#f1f1f1"], zorder=0)
    ax.contour(*centres, soft.T, levels=[0.5], colors=["#c4c4c4"], linewidths=0.7, zorder=0.1)


def _draw_casing(ax: Axes, camera: Camera, casing: Surface, colour: str) -> None:
    """The outline of a coil's housing (mm), and a tint of what it covers."""
    normals = vertex_normals(casing.nodes, casing.triangles)
    covered = render(camera, casing.nodes, casing.triangles, np.zeros(len(casing.nodes)), normals).covered
    left, right, bottom, top = camera.extent
    rows, columns = covered.shape
    x = left + (np.arange(columns) + 0.5) / columns * (right - left)
    y = top - (np.arange(rows) + 0.5) / rows * (top - bottom)
    if covered.any():
        soft = ndi.gaussian_filter(covered.astype(float), 2.0)
        ax.contourf(x, y, soft, levels=[0.5, 2], colors=[colour], alpha=0.07, zorder=2.5)
        ax.contour(
            x, y, soft, levels=[0.5], colors=[colour], linewidths=0.8, linestyles="dashed", alpha=0.7, zorder=2.6
        )


def _split(line: np.ndarray, picture: Picture) -> tuple[np.ndarray, np.ndarray]:
    """Visible and hidden parts of a polyline (p,3) mm as projected (s,2) mm; NaN where the other part is."""
    lengths = np.linalg.norm(np.diff(line, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    fine = np.union1d(along, np.linspace(0, along[-1], max(2, int(along[-1]))))  # about a point per mm
    points = np.stack([np.interp(fine, along, line[:, d]) for d in range(3)], axis=1)
    uv, hidden = picture.camera.project(points)[:, :2], picture.hides(points)[:, None]
    # the visible part keeps the first hidden point, so that no gap opens between the two
    kept = ~hidden
    kept[1:] |= kept[:-1].copy()
    return np.where(kept, uv, np.nan), np.where(hidden, uv, np.nan)


def _arrow(pose: np.ndarray) -> np.ndarray:
    """Tail and tip (2,3) mm of the arrow along a coil's y axis."""
    return pose[:3, 3] + np.array([[0.0], [ARROW]]) * pose[:3, 1]


def _draw_coil(ax: Axes, picture: Picture, coil: DrawnCoil, width: float, size: float) -> None:
    """Windings of a width in points (or dipoles as dots of an area), and the y axis; what the brain hides is faint."""
    for line in coil.lines:
        shown, hidden = _split(line, picture)
        ax.plot(*hidden.T, color=coil.colour, lw=0.8 * width, alpha=0.3, zorder=3, solid_capstyle="butt")
        ax.plot(*shown.T, color=coil.colour, lw=width, zorder=4, path_effects=_halo(width + 0.9), solid_capstyle="butt")
    if len(coil.points):
        uv, hidden = picture.camera.project(coil.points)[:, :2], picture.hides(coil.points)
        for chosen, alpha, zorder in ((hidden, 0.15, 3), (~hidden, 0.75, 4)):
            dots = size * coil.strength[chosen]
            u, v = uv[chosen].T
            ax.scatter(u, v, s=dots, color=coil.colour, alpha=alpha, linewidths=0, zorder=zorder)
    _draw_arrow(ax, picture.camera, coil)


def _draw_arrow(ax: Axes, camera: Camera, coil: DrawnCoil) -> None:
    """The y axis of a coil, with its letter."""
    tail, tip = camera.project(_arrow(coil.pose))[:, :2]
    length = float(np.linalg.norm(tip - tail))
    if length >= 0.2 * ARROW:  # not seen along the arrow
        style = {
            "arrowstyle": "-|>,head_width=0.22,head_length=0.5",
            "color": coil.colour,
            "lw": 1.6,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        arrow = ax.annotate("", xy=tuple(tip), xytext=tuple(tail), arrowprops=style, annotation_clip=False, zorder=6)
        if arrow.arrow_patch is not None:
            arrow.arrow_patch.set_path_effects(_halo(3.4))
    elif not coil.letter:
        return
    u, v = tip + 7 * (tip - tail) / max(length, 1.0)
    weight, slant = ("bold", "normal") if coil.letter else ("normal", "italic")
    ax.text(
        u, v, coil.letter or "y", ha="center", va="center", fontsize=10, color=coil.colour, zorder=6,
        path_effects=_halo(2.5), weight=weight, style=slant,
    )  # fmt: skip


def edge_letters(ax: Axes, right: np.ndarray, up: np.ndarray) -> None:
    """Anatomical directions at the four edges."""
    edges = (
        (-right, 0.03, 0.5, "left", "center"),
        (right, 0.97, 0.5, "right", "center"),
        (up, 0.5, 0.98, "center", "top"),
        (-up, 0.5, 0.02, "center", "bottom"),
    )
    for direction, x, y, ha, va in edges:
        ax.text(
            x, y, letters(direction), ha=ha, va=va, transform=ax.transAxes, fontsize=11, fontweight="bold",
            color=INK, zorder=9, path_effects=_halo(2.5),
        )  # fmt: skip


def _draw_view(
    ax: Axes, picture: Picture, colours: Colormap, limit: float, *, head: np.ndarray, peak: np.ndarray,
    coils: Sequence[DrawnCoil], title: str,
) -> None:  # fmt: skip
    camera = picture.camera
    shaded = Picture(camera, picture.value, picture.shade * picture.relief(), picture.depth)
    image = shaded.coloured(colours(shaded.value / limit)[..., :3])
    left, right, bottom, top = camera.extent
    _head_outline(ax, camera, head)
    ax.imshow(image, extent=camera.extent, zorder=1)
    metres = 1e-3 * sum(float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum()) for c in coils for line in c.lines)
    width = float(np.clip(1.9 / np.sqrt(1 + metres), 0.5, 1.5))  # many turns must not cover the brain
    size = float(np.clip(4000 / max(sum(len(coil.points) for coil in coils), 1), 2.0, 20.0))
    for coil in coils:
        if coil.casing is not None:
            _draw_casing(ax, camera, coil.casing, coil.colour)
        _draw_coil(ax, picture, coil, width, size)
    if not picture.hides(peak[None], tolerance=10.0)[0]:  # the peak lies within the tissue, not on its surface
        u, v, _ = camera.project(peak[None])[0]
        ax.plot(u, v, "o", ms=6, mfc="none", mec=PEAK, mew=1.6, zorder=7, path_effects=_halo(3))
    bar = max((b for b in (1, 2, 5, 10, 20, 50) if b < 0.25 * (right - left)), default=1)  # mm
    ax.plot([left + 4, left + 4 + bar], [bottom + 5, bottom + 5], color=INK, lw=2, zorder=8, solid_capstyle="butt")
    ax.text(
        left + 4 + bar / 2, bottom + 8, f"{bar} mm", ha="center", va="bottom", fontsize=8.5, color=INK,
        zorder=8, path_effects=_halo(2),
    )  # fmt: skip
    edge_letters(ax, camera.axes[0], camera.axes[1])
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    ax.axis("off")
    ax.set_title(title, fontsize=10.5, pad=3)


def _draw_cut(
    ax: Axes, mesh: TetMesh, magnE: np.ndarray, colours: Colormap, limit: float, *, axis: int,
    peak: np.ndarray, box: np.ndarray, coloured_tags: Sequence[int],
) -> set[int]:  # fmt: skip
    """The plane through the peak (3,) m within box (2,3) m: |E| in the brain, greys elsewhere, outlines.

    Returns the tissues that are grey.
    """
    owner, extent = cut_tets(mesh, axis, float(peak[axis]), box=box)
    tags = np.where(owner >= 0, mesh.tags[owner], 0)
    image = np.ones((*owner.shape, 4))
    for tag in np.unique(tags[tags > 0]):
        image[tags == tag, :3] = GREYS.get(tag, GREY)
    inside = np.isin(tags, coloured_tags)
    image[inside] = colours(magnE[owner[inside]] / limit)
    ax.imshow(image, origin="lower", extent=extent, interpolation="nearest")
    for tag in (0, *np.unique(tags[tags > 0])):
        soft = ndi.gaussian_filter((tags == tag).astype(float), 0.8)  # an outline through the pixels, not around them
        if soft.min() < 0.5 < soft.max():
            ax.contour(soft, levels=[0.5], extent=extent, origin="lower", colors=[INK], linewidths=0.35, alpha=0.8)
    u, v = (d for d in range(3) if d != axis)
    mm = 1e3 * peak
    left, right, bottom, top = extent
    gap = 7.0  # mm around the peak that the lines leave free
    for x, y in (
        ([left, mm[u] - gap], [mm[v], mm[v]]),
        ([mm[u] + gap, right], [mm[v], mm[v]]),
        ([mm[u], mm[u]], [bottom, mm[v] - gap]),
        ([mm[u], mm[u]], [mm[v] + gap, top]),
    ):
        ax.plot(x, y, color=PEAK, lw=0.8, alpha=0.9)
    edge_letters(ax, np.eye(3)[u], np.eye(3)[v])
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    ax.set_xlabel("xyz"[u] + " (mm)", fontsize=9.5, labelpad=1)
    ax.set_ylabel("xyz"[v] + " (mm)", fontsize=9.5, labelpad=-4)
    for scale in (ax.xaxis, ax.yaxis):
        scale.set_major_locator(MaxNLocator(6, steps=[1, 2, 4, 10]))
    ax.tick_params(labelsize=8.5, length=2.5, pad=2)
    ax.set_title(f"{PLANES[axis]}, {'xyz'[axis]} = {number(mm[axis])} mm", fontsize=10.5, pad=4)
    return {int(tag) for tag in np.unique(tags[tags > 0])} - set(coloured_tags)


def number(x: float) -> str:
    """One decimal, and the minus sign that the axes of the plots have."""
    return f"{round(x, 1) + 0.0:.1f}".replace("-", "\N{MINUS SIGN}")


def _shown_box(mesh: TetMesh, tags: Sequence[int]) -> np.ndarray:
    """Lower and upper corner (2,3) m of the cuts: the tissues, skull and scalp around them, some air."""
    around, air = 32e-3, 11e-3  # m; the letters stand in the air
    of_tissues = mesh.nodes[mesh.touched(np.isin(mesh.tags, tags))]
    low = np.maximum(of_tissues.min(axis=0) - around, mesh.nodes.min(axis=0) - air)
    high = np.minimum(of_tissues.max(axis=0) + around, mesh.nodes.max(axis=0) + air)
    return np.stack([low, high])


def draw_field(path: str | PathLike[str], mesh: TetMesh, magnE: np.ndarray, **options: Any) -> None:
    """Write `field_figure` as PNG."""
    field_figure(mesh, magnE, **options).savefig(path, format="png")


def field_figure(
    mesh: TetMesh,
    magnE: np.ndarray,
    *,
    peak: np.ndarray,
    coils: Sequence[DrawnCoil],
    title: str,
    panels: Sequence[str] | None = None,
    surface_tags: Sequence[int] = BRAIN,
    error: float | None = None,
    changes: Sequence[VolumeChange] = (),
    error_of: str = "E",
    dpi: float | None = None,
) -> Figure:
    """The brain's surface coloured by |E| from three sides with the coils, and three cuts.

    magnE (m,) V/m for each tetrahedron; peak (3,) m, through which the cuts go.
    coils    that are drawn; the view "coil" is along z of the first
    title    says which coil, where, and at which dI/dt
    error    the estimated relative one in grey matter, a share; error_of says whose
    panels   some of VIEWS and CUTS; None for "coil", two more views and all cuts
    changes  volumes that meshing changed by more than is worth a word
    dpi      None for that of prints
    Raises FemtmsError for other panels.
    """
    peak = np.asarray(peak, float)
    views = _views(np.asarray(coils[0].pose, float), 1e3 * peak)
    chosen = _panels(panels, views)
    in_views, in_cuts = [name for name in chosen if name in views], [name for name in chosen if name in CUTS]
    shown = tuple(int(t) for t in surface_tags if (mesh.tags == t).any()) or tuple(int(t) for t in mesh.tissues)
    core = np.isin(mesh.tags, [Tissue.GM] if Tissue.GM in shown else shown)
    limit = float(weighted_percentiles(magnE[core], mesh.volumes[core], (99.9,))[0]) or 1.0
    nearest = np.argmin(((mesh.centroids - peak) ** 2).sum(axis=1) + np.where(core, 0, np.inf))
    colours = field_colours()

    page = HEIGHT - (0 if in_views else _ROW_OF_VIEWS) - (0 if in_cuts else _ROW_OF_CUTS)
    fig = Shown(WIDTH, page, dpi)

    def place(left: float, bottom: float, width: float, height: float) -> Axes:
        return fig.add_axes((left / WIDTH, bottom / page, width / WIDTH, height / page))

    def write(text: str, from_top: float, size: float, **style: Any) -> None:
        fig.text(0.02, 1 - from_top / page, text, fontsize=size, va="top", color=INK, parse_math=False, **style)

    # a long name of a coil file must stay on the page
    write(title, 0.185, min(12.5, 1300 / max(len(title), 1)), fontweight="bold")
    note = _note(magnE, limit, nearest, peak, shown, error, error_of, coils)
    if changes:
        note += f"\nmeshing changed volumes: {', '.join(map(str, changes))}"
    write(note, 0.466, min(9.5, 9.5 * 155 / max(map(len, note.splitlines()))))

    if in_views:
        nodes, faces, values = surface_field(mesh, magnE, shown)
        nodes = smoothed(nodes, faces)
        normals = vertex_normals(nodes, faces)
        height, width = 2.95, 3.2  # inches of a view
        seen = [views[name] for name in in_views]
        extents = [part for coil in coils for part in (*coil.lines, coil.points, _arrow(coil.pose))]
        cameras = _cameras(seen, nodes, extents, (round(height * fig.dpi), round(width * fig.dpi)))
        first = 0.1 + 3.33 * (3 - len(seen)) / 2
        for column, (view, camera) in enumerate(zip(seen, cameras)):
            ax = place(first + column * 3.33, 3.5 if in_cuts else 0.1, width, height)
            picture = render(camera, nodes, faces, values, normals)
            head = 1e3 * mesh.outer_nodes
            _draw_view(ax, picture, colours, limit, head=head, peak=1e3 * peak, coils=coils, title=view[0])

    if in_cuts:
        box = _shown_box(mesh, shown)
        size = 1e3 * (box[1] - box[0])
        row, height, label = 10.0, 2.75, 0.62  # inches: width and height of the row of cuts, room for a label
        widths = [size[1 if CUTS[name] == 0 else 0] for name in in_cuts]
        scale = min(height / max(size[1:]), (row - len(in_cuts) * label) / sum(widths))  # inches per mm, of all cuts
        gap = (row - scale * sum(widths)) / len(in_cuts)
        left, grey = gap / 2 + label / 2, set()
        for name, wide in zip(in_cuts, widths):
            tall = size[1 if CUTS[name] == 2 else 2]
            ax = place(left, 0.42 + height - scale * tall, scale * wide, scale * tall)
            grey |= _draw_cut(ax, mesh, magnE, colours, limit, axis=CUTS[name], peak=peak, box=box, coloured_tags=shown)
            left += gap + scale * wide
        _legend(fig, sorted(grey))

    bottom = 1.1 if in_views and in_cuts else 0.55
    bar = fig.colorbar(
        ScalarMappable(Normalize(0, limit), colours), cax=place(10.15, bottom, 0.2, page - 1.6 - bottom), extend="max"
    )
    bar.set_label("|E| (V/m)", fontsize=11.5)
    bar.ax.tick_params(labelsize=10)
    return fig


def _note(
    magnE: np.ndarray, limit: float, nearest: Any, peak: np.ndarray, shown: Sequence[int], error: float | None,
    error_of: str, coils: Sequence[DrawnCoil],
) -> str:  # fmt: skip
    """What the colours and marks of a picture are."""
    tissues = "grey matter" if Tissue.GM in shown else ", ".join(name_of(tag) for tag in shown[:4])
    tissues += ", …" if Tissue.GM not in shown and len(shown) > 4 else ""
    position = ", ".join(number(x) for x in 1e3 * peak)
    found = f"largest: {magnE[nearest]:.3g} V/m in one tetrahedron at ({position}) mm (blue)"
    error_bar = "" if error is None else f", estimated error of {error_of} {100 * error:.2g} %"
    arrow = "letters: y of each coil" if len(coils) > 1 else "arrow: y of the coil"
    return f"99.9th percentile of |E| in {tissues}: {limit:.3g} V/m (end of the colours){error_bar};  {found};  {arrow}"


def _legend(fig: Figure, tissues: Sequence[int]) -> None:
    """Which grey is which tissue, below the bar of colours; tissues of one grey stand together."""
    names: dict[float, list[str]] = {}
    for tag in tissues:
        names.setdefault(GREYS.get(tag, GREY), []).append(name_of(tag))
    handles = [
        Patch(fc=str(grey), ec=INK, lw=0.4, label=", ".join(alike[:3]) + (", …" if len(alike) > 3 else ""))
        for grey, alike in sorted(names.items(), reverse=True)
    ]
    if handles:
        fig.legend(
            handles=handles, loc="lower right", bbox_to_anchor=(0.995, 0.0), frameon=False, fontsize=8,
            ncols=len(handles), handlelength=1.1, handleheight=0.9, columnspacing=1.2, borderpad=0.2,
        )  # fmt: skip


def _cameras(
    views: Sequence[tuple[str, np.ndarray, np.ndarray]],
    nodes: np.ndarray,
    coil: list[np.ndarray],
    shape: tuple[int, int],
) -> list[Camera]:
    """One camera for each view, of one scale at which the surface (n,3) mm and the coil fit into all of them.

    A coil counts as far as half the brain's size beyond it; what lies farther out is cut off.
    """
    middle = (nodes.min(axis=0) + nodes.max(axis=0)) / 2
    room = 0.84 * np.array([shape[1], shape[0]])  # pixels, without the letters at the edges
    centres, pixel = [], 0.0
    for _, looking, up in views:
        camera = Camera(looking, up, middle, 1.0, shape)
        brain = camera.project(nodes)[:, :2]
        first, last = brain.min(axis=0), brain.max(axis=0)
        farthest = (last - first) / 2
        all_points = np.concatenate([brain, *(camera.project(c)[:, :2] for c in coil)])
        low = np.maximum(all_points.min(axis=0), first - farthest)
        high = np.minimum(all_points.max(axis=0), last + farthest)
        pixel = max(pixel, float(((high - low) / room).max()))
        centres.append(middle + (low + high) / 2 @ camera.axes[:2])
    return [Camera(looking, up, centre, pixel, shape) for (_, looking, up), centre in zip(views, centres)]
