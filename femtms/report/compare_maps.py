"""Small pictures for side by side: |E| on the brain under each coil of one place, in one view and one colour scale."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO

import numpy as np
import scipy.ndimage as ndi
from PIL import Image, ImageDraw, ImageFont

from femtms.coil.coil import Coil
from femtms.coil.pose import Pose
from femtms.report.field_picture import drawn_coil
from femtms.report.picture import field_colours, letters
from femtms.report.render import OVERSAMPLING, Camera, render_each, vertex_normals
from femtms.report.tissue_surface import TissueSurface

SHAPE = (400, 440)  # pixels, height and width
_ROOM = 0.8  # of the picture that the brain takes
_INK, _HALO, _HEAD = (26, 26, 26), (255, 255, 255), 0.945
_ARROW_MM, _BAR_MM = 40.0, 50.0
_STEP_MM = 4.0  # of the grid in which the outline of the head is found, wider than the spacing of most nodes


@dataclass(frozen=True, eq=False)
class MapView:
    """What all maps of a place have in common.

    surface   of the brain
    head      (n,3) mm, nodes of the head, of which the outline is shown
    pose      of a coil: its z is the direction of sight
    """

    surface: TissueSurface
    head: np.ndarray
    pose: Pose

    def maps(self, values: Sequence[np.ndarray], limit: float, coils: Sequence[tuple[Coil, Pose]]) -> list[bytes]:
        """A PNG for each coil in its pose: values (s,) V/m on the surface, coloured up to `limit`."""
        nodes, faces = self.surface.smooth_nodes, self.surface.faces
        seen = render_each(self._camera, nodes, faces, np.stack(values, axis=1), self._normals)
        relief, colours = seen[0].relief(), field_colours()
        images = []
        for picture, (coil, pose) in zip(seen, coils, strict=True):
            shaded = replace(picture, shade=picture.shade * relief)
            rgba = shaded.coloured(colours(shaded.value / limit)[..., :3])
            rgb = rgba[..., 3:] * rgba[..., :3] + (1 - rgba[..., 3:]) * self._ground
            image = Image.fromarray((255 * rgb).round().astype(np.uint8))
            self._draw_coil(image, coil, pose)
            self._draw_marks(image)
            # 256 colours of its own are enough for the shades of a picture, a third of the bytes; those of a stronger
            # field would not do, as it may have no light ones
            images.append(_png(image.quantize(256, dither=Image.Dither.NONE)))
        return images

    @cached_property
    def _camera(self) -> Camera:
        looking = self.pose.rotation[:, 2]
        up = np.array([0.0, 0.0, 1.0]) if abs(looking[2]) < 0.8 else np.array([0.0, 1.0, 0.0])
        nodes = self.surface.nodes
        middle = (nodes.min(axis=0) + nodes.max(axis=0)) / 2
        uv = Camera(looking, up, middle, 1.0, SHAPE).project(nodes)[:, :2]
        low, high = uv.min(axis=0), uv.max(axis=0)
        pixel = float(((high - low) / (_ROOM * np.array(SHAPE[::-1]))).max())
        axes = Camera(looking, up, middle, 1.0, SHAPE).axes
        return Camera(looking, up, middle + (low + high) / 2 @ axes[:2], pixel, SHAPE)

    @cached_property
    def _normals(self) -> np.ndarray:
        return vertex_normals(self.surface.smooth_nodes, self.surface.faces)

    @cached_property
    def _ground(self) -> np.ndarray:
        """White with the head as a pale shape, (height, width, 1)."""
        camera, (height, width) = self._camera, SHAPE
        u, v, _ = camera.project(self.head).T
        step = max(1, round(_STEP_MM / camera.pixel))
        rows, columns = height / 2 - v / camera.pixel, width / 2 + u / camera.pixel
        pad = 10 * step
        edges = [np.arange(-pad, size + pad + step, step) for size in SHAPE]
        mask = np.histogram2d(rows, columns, bins=edges)[0] > 0
        mask = ndi.binary_fill_holes(ndi.binary_closing(mask, iterations=2))
        fine = ndi.zoom(ndi.gaussian_filter(mask.astype(float), 1.5), step, order=1, grid_mode=True, mode="nearest")
        inside = fine[pad : pad + height, pad : pad + width]
        ground: np.ndarray = np.where(inside > 0.5, _HEAD, 1.0)
        return ndi.gaussian_filter(ground, 0.7)[..., None]

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        """Points (p,3) m as (p,2) columns and rows of the oversampled layer."""
        uv = self._camera.project(1e3 * points)[:, :2] * [1, -1] / self._camera.pixel
        pixels: np.ndarray = OVERSAMPLING * (uv + np.array(SHAPE[::-1]) / 2)
        return pixels

    def _draw_coil(self, image: Image.Image, coil: Coil, pose: Pose) -> None:
        """From outside along its z a coil hides the brain, never the other way."""
        height, width = SHAPE
        layer = Image.new("RGBA", (OVERSAMPLING * width, OVERSAMPLING * height), (*_HALO, 0))
        draw = ImageDraw.Draw(layer)
        lines, points, strength = drawn_coil(coil, pose)
        metres = sum(float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum()) for line in lines)
        thickness = 1 if metres > 4 else 2  # many turns must not cover the brain
        paths = [[(float(x), float(y)) for x, y in self._pixels(line)] for line in lines]
        for colour, extra in ((_HALO, 2), (_INK, 0)):
            for path in paths:
                draw.line(path, fill=(*colour, 255), width=thickness + extra, joint="curve")
        size = np.clip(np.sqrt(4000 / max(len(points), 1)), 1.4, 4.0) * np.sqrt(strength)
        for (x, y), r in zip(self._pixels(points), size):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(*_INK, 190))
        self._draw_arrow(draw, pose)
        layer = layer.resize((width, height), Image.Resampling.BOX)
        image.paste(layer, mask=layer.getchannel("A"))

    def _draw_arrow(self, draw: ImageDraw.ImageDraw, pose: Pose) -> None:
        """Along the coil's y."""
        ends = pose.centre + 1e-3 * np.array([[0.0], [_ARROW_MM]]) * pose.rotation[:, 1]
        tail, tip = self._pixels(ends)
        along = tip - tail
        if np.linalg.norm(along) < 1:
            return
        along /= np.linalg.norm(along)
        across = np.array([-along[1], along[0]])
        for colour, extra in ((_HALO, 3), (_INK, 0)):
            head = [
                tip + extra * along,
                *(tip - (22 + extra) * along + side * (9 + extra) * across for side in (1, -1)),
            ]
            shaft = [tuple(map(float, tail)), tuple(map(float, tip - 18 * along))]
            draw.line(shaft, fill=(*colour, 255), width=4 + 2 * extra)
            draw.polygon([tuple(map(float, p)) for p in head], fill=(*colour, 255))

    def _draw_marks(self, image: Image.Image) -> None:
        """The length of _BAR_MM in the lower left corner, and anatomical directions at the edges."""
        draw, bottom = ImageDraw.Draw(image), SHAPE[0] - 12
        right = 10 + _BAR_MM / self._camera.pixel
        draw.line([(10, bottom), (right, bottom)], fill=_INK, width=3)
        font, (height, width), (across, up, _) = ImageFont.load_default(15), SHAPE, self._camera.axes
        draw.text((10, bottom - 5), f"{_BAR_MM:g} mm", fill=_INK, font=font, anchor="ls")
        for direction, place, anchor in (
            (up, (width / 2, 4), "mt"),
            (-up, (width / 2, height - 4), "mb"),
            (-across, (5, height / 2), "lm"),
            (across, (width - 5, height / 2), "rm"),
        ):
            draw.text(place, letters(direction), fill=_INK, font=font, anchor=anchor)


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def colour_stops(number: int = 17) -> list[str]:
    """The colour scale of the field as CSS colours, from low to high."""
    return [
        "#" + "".join(f"{round(255 * c):02x}" for c in rgb[:3]) for rgb in field_colours()(np.linspace(0, 1, number))
    ]


def nice_ticks(limit: float, most: int = 6) -> Sequence[float]:
    """Round values from 0 to at most `limit`, for a colour bar.

    >>> nice_ticks(1.57)
    [0.0, 0.5, 1.0, 1.5]
    """
    raw = limit / most
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(float(s * power) for s in (1, 2, 5, 10) if s * power >= raw)
    return [float(round(i * step, 10)) for i in range(int(limit / step + 1e-9) + 1)]
