"""Recognizes scenes in images by template matching, without training.

With m the mask of one shape in one size at one place and D the image's difference from its background, the
best color (least squares) explains ``sum_c <m, D_c>^2 / <m, m>`` of the energy of D. The template that
explains most decides. Some are blurred, so that soft edges are not recognized as another size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lexipix.scenes import layout
from lexipix.scenes.grammar import BACKGROUNDS, COLORS, PLACES, RGB, SHAPES, SIZES, Scene, SceneObject
from lexipix.scenes.shapes import masks

Floats = NDArray[np.float32]

_CHUNK = 512
# Variants of each template: displacement on each axis and blur in 32-pixel units, size as a factor.
_SHIFTS = (-1.2, -0.6, 0.0, 0.6, 1.2)
_FACTORS = (0.96, 1.04)
_BLURS = (0.0, 0.9)
# An object is recognized if the color of its best template has this distance (RGB, Euclidean) from the
# background and the template explains this share of the energy in its window. The smallest contrast of the
# grammar is 125.
_MIN_CONTRAST = 55.0
_MIN_EXPLAINED = 0.45


@dataclass(frozen=True)
class _Bank:
    """Templates of one size inside a window around a place."""

    window: int
    unit_rows: Floats  # (T, window * window): masks of unit norm
    norms: Floats  # (T,): norms of the masks before scaling
    shapes: NDArray[np.intp]  # (T,): index into SHAPES


class Oracle:
    """Recognizes objects and their attributes in rendered or generated images of ``image_size`` pixels."""

    def __init__(self, image_size: int = 32, max_objects: int = 2) -> None:
        self.image_size = image_size
        self.max_objects = max_objects
        self._scale = image_size / layout.UNIT
        # Windows of the outer places extend beyond the image.
        self._pad = int(np.ceil(4 * self._scale))
        self._banks = {size: self._bank(size) for size in SIZES}
        self._finder = self._finder_rows()

    def read(self, images: NDArray[np.uint8]) -> list[Scene]:
        """Scenes in RGB images, uint8 (N, image_size, image_size, 3); one without objects has none."""
        chunks = (images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK))
        return [scene for chunk in chunks for scene in self._read_chunk(chunk)]

    def _read_chunk(self, images: NDArray[np.uint8]) -> list[Scene]:
        planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32)
        # The background's color, (n, 3): the median of the border, which objects hardly reach
        border = [planes[:, :, 0], planes[:, :, -1], planes[:, :, 1:-1, 0], planes[:, :, 1:-1, -1]]
        ground = np.median(np.concatenate(border, axis=2), axis=2)
        pad = ((0, 0), (0, 0), (self._pad, self._pad), (self._pad, self._pad))
        rest = np.pad(planes - ground[:, :, None, None], pad)
        found: list[list[SceneObject]] = [[] for _ in images]
        looking = np.arange(len(images))
        for _ in range(self.max_objects):
            taken = [[PLACES.index(item.place) for item in found[i]] for i in looking]
            places = self._strongest_places(rest[looking], taken)
            still = [
                self._read_place(PLACES[place], looking[places == place], rest, ground, found)
                for place in np.unique(places)
            ]
            looking = np.sort(np.concatenate(still))
            if not len(looking):
                break
        backgrounds = _nearest(ground, BACKGROUNDS)
        return [Scene(tuple(objects), name) for objects, name in zip(found, backgrounds, strict=True)]

    def _strongest_places(self, rest: Floats, taken: list[list[int]]) -> NDArray[np.intp]:
        """Index of the place where a coarse template explains most of each image, (n,)."""
        inner = slice(self._pad, self._pad + self.image_size)
        flat = rest[:, :, inner, inner].reshape(len(rest) * 3, -1)
        projections = (flat @ self._finder.T).reshape(len(rest), 3, len(PLACES), -1)
        energy = np.square(projections).sum(axis=1).max(axis=2)
        for i, places in enumerate(taken):
            energy[i, places] = -1.0
        strongest: NDArray[np.intp] = energy.argmax(axis=1)
        return strongest

    def _read_place(
        self,
        place: str,
        group: NDArray[np.intp],
        rest: Floats,
        ground: Floats,
        found: list[list[SceneObject]],
    ) -> NDArray[np.intp]:
        """Move the object at a place of some images from ``rest`` to ``found``; returns those with one."""
        fits = [self._fit(place, size, rest[group]) for size in SIZES]
        templates, energies, all_colors, totals = (np.stack(parts) for parts in zip(*fits, strict=True))
        sizes = energies.argmax(axis=0)
        colors = all_colors[sizes, np.arange(len(group))]
        # The share refers to the big window, so that a small template inside a large blob is not accepted.
        explained = energies.max(axis=0) / np.maximum(totals[-1], 1e-6)
        seen = (np.linalg.norm(colors, axis=1) >= _MIN_CONTRAST) & (explained >= _MIN_EXPLAINED)
        names = _nearest(ground[group] + colors, COLORS)
        for k in np.flatnonzero(seen):
            size = SIZES[sizes[k]]
            bank, template = self._banks[size], templates[sizes[k], k]
            rows, columns = self._window(place, size)
            mask = (bank.unit_rows[template] * bank.norms[template]).reshape(bank.window, bank.window)
            rest[group[k]][:, rows, columns] -= colors[k][:, None, None] * mask
            found[group[k]].append(SceneObject(SHAPES[bank.shapes[template]], names[k], size, place))
        remaining: NDArray[np.intp] = group[seen]
        return remaining

    def _fit(self, place: str, size: str, rest: Floats) -> tuple[NDArray[np.intp], Floats, Floats, Floats]:
        """The best template of one size at one place for each of n images.

        Returns:
            Its number (n,), the energy that it explains (n,), its difference in color from the background
            (n, 3), and the energy in its window (n,).
        """
        bank = self._banks[size]
        rows, columns = self._window(place, size)
        window = rest[:, :, rows, columns].reshape(len(rest), 3, -1)
        projections = (window.reshape(len(rest) * 3, -1) @ bank.unit_rows.T).reshape(len(rest), 3, -1)
        energy = np.square(projections).sum(axis=1)
        template = energy.argmax(axis=1)
        every = np.arange(len(rest))
        color = projections[every, :, template] / bank.norms[template][:, None]
        return template, energy[every, template], color, np.square(window).sum(axis=(1, 2))

    def _window(self, place: str, size: str) -> tuple[slice, slice]:
        """Rows and columns of the padded image for templates of ``size`` at ``place``."""
        window = self._banks[size].window
        x, y = (round(v * self._scale - window / 2) + self._pad for v in layout.center(place, size))
        return slice(y, y + window), slice(x, x + window)

    def _bank(self, size: str) -> _Bank:
        reach = layout.RADII[size] * 1.1 + layout.POSITION_JITTER + 1.5
        window = 2 * int(np.ceil(reach * self._scale))
        grid = np.meshgrid(_SHIFTS, _SHIFTS, _FACTORS, indexing="ij")
        shift_y, shift_x, factor = (axis.ravel() for axis in grid)
        radius = layout.RADII[size] * factor * self._scale
        center_x, center_y = (window / 2 + shift * self._scale for shift in (shift_x, shift_y))
        kinds = []
        for shape in SHAPES:
            sharp = masks(shape, center_x, center_y, radius, window)
            kinds.append(np.concatenate([_blurred(sharp, blur * self._scale) for blur in _BLURS]))
        rows = np.concatenate(kinds).reshape(len(SHAPES) * len(kinds[0]), -1)
        norms = np.linalg.norm(rows, axis=1)
        shapes = np.repeat(np.arange(len(SHAPES)), len(kinds[0]))
        return _Bank(window, unit_rows=rows / norms[:, None], norms=norms, shapes=shapes)

    def _finder_rows(self) -> Floats:
        """Coarse templates over the whole image, (place * size * shape, pixels), to find the places."""
        templates = []
        for place in PLACES:
            for size in SIZES:
                lengths = (*layout.center(place, size), layout.RADII[size])
                x, y, radius = (np.array([length * self._scale]) for length in lengths)
                sharp = [masks(shape, x, y, radius, self.image_size) for shape in SHAPES]
                templates += [_blurred(mask, self._scale) for mask in sharp]
        rows = np.concatenate(templates).reshape(len(templates), -1)
        unit: Floats = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


def _nearest(colors: Floats, palette: dict[str, RGB]) -> list[str]:
    """Name of the nearest palette color (RGB, Euclidean) for each of n colors."""
    names, table = list(palette), np.array(list(palette.values()), np.float32)
    distance = np.square(colors[:, None] - table[None]).sum(axis=2)
    return [names[i] for i in distance.argmin(axis=1)]


def _blurred(planes: Floats, sigma: float) -> Floats:
    """Gaussian blur of (N, H, W) along both axes, zeros outside."""
    if sigma == 0:
        return planes
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / sigma))
    kernel = (kernel / kernel.sum()).astype(np.float32)
    for pad in (((0, 0), (reach, reach), (0, 0)), ((0, 0), (0, 0), (reach, reach))):
        axis = pad.index((reach, reach))
        planes = sliding_window_view(np.pad(planes, pad), len(kernel), axis) @ kernel
    return planes
