"""Which voxels appear inside an outline over a view: what scissors cut, and what a curve drawn in a slice encloses.

The answer is exact for every voxel's centre, but most voxels are never looked at: the straight line between two points
appears as a straight line, so a block of voxels appears within the rectangle around its corners, and the outline's
picture tells whether that lies wholly inside or outside. Only in blocks at the outline is each voxel looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.outlines import (
    INSIDE,
    MIXED,
    OUTSIDE,
    FloatArray,
    Lens,
    Limit,
    Outline,
    Projection,
    SliceLens,
    States,
)
from surgitwin.segmentation.runs import Mask
from surgitwin.segmentation.slabs import each_slab

IntArray = NDArray[np.int64]
BLOCK, PART = 16, 4  # edges, in voxels, of the blocks that are decided at once, and of the parts of undecided ones


def fill_outline(geometry: Geometry, lens: SliceLens, outline: Outline, ctx: Context | None = None) -> tuple[Box, Mask]:
    """The voxels inside an outline drawn in slices.

    Returns
    -------
    Where they lie, and the mask [k, j, i] of that box.

    Raises
    ------
    BadInput
        If no voxel's centre is inside.
    """
    box = _box_of(geometry, lens, outline)
    if box.empty:
        raise BadInput(tr("The outline lies outside the image."))
    i, j, k = box.size_ijk
    mask = inside_outline(np.ones((k, j, i), dtype=np.bool_), box, geometry, lens, outline, ctx)
    tight = Box.of_mask(mask)
    if tight.empty:
        raise BadInput(tr("The outline is smaller than a voxel; it holds no voxel's centre."))
    return tight.moved(box.start), mask[tight.slices]


def inside_outline(
    mask: Mask, box: Box, geometry: Geometry, lens: Lens, outline: Outline, ctx: Context | None = None
) -> Mask:
    """Which voxels of a mask appear inside an outline.

    Parameters
    ----------
    mask
        [k, j, i], of ``box``.

    Returns
    -------
    Boolean, of the mask's shape; a part of it.
    """
    ctx = ctx or Context()
    ctx.check()
    mask = np.ascontiguousarray(mask)
    look = _Look(_of_indices(lens.projection(), geometry.cropped(box)), outline, mask.shape)
    found = np.empty_like(mask)

    def work(layers: slice) -> None:
        slices = slice(layers.start * BLOCK, min(layers.stop * BLOCK, mask.shape[0]))
        _look_at_slices(look, slices.start, mask[slices], found[slices], ctx)

    each_slab(-(-mask.shape[0] // BLOCK), work, ctx, tr("Looking along the outline"))
    return found


def _of_indices(projection: Projection, geometry: Geometry) -> Projection:
    """The same for voxel indices i, j, k instead of LPS points."""
    limits = tuple(Limit(limit.row @ geometry.affine_lps, limit.low, limit.high) for limit in projection.limits)
    return Projection(projection.rows @ geometry.affine_lps, limits)


@dataclass(frozen=True, eq=False)
class _Look:
    """A view of voxels by their indices, and an outline in it."""

    projection: Projection
    outline: Outline
    shape: tuple[int, ...]

    def blocks(self, start: IntArray, size: int) -> States:
        """For blocks of voxels by their first (n, 3; i, j, k): whether all of it surely is inside or outside."""
        step = np.minimum(size, self.shape[::-1] - start) - 1
        seen, unseen = np.ones(len(start), dtype=np.bool_), np.zeros(len(start), dtype=np.bool_)
        for limit in self.projection.limits:
            least, most = _range(_corners(limit.row, start, step))
            seen &= (least > limit.low) & (most <= limit.high)
            unseen |= (most <= limit.low) | (least > limit.high)
        states = np.full(len(start), MIXED, dtype=np.uint8)
        # Where w is not positive at every corner, the corners say nothing of what is between them.
        sound = ~unseen & (_range(_corners(self.projection.rows[2], start, step))[0] > 0)
        start, step = start[sound], step[sound]
        rows = self.projection.rows
        if rows[2, :3].any():
            u, v, w = (_corners(row, start, step, range(3)) for row in rows)
            ranges = [_range([a / b for a, b in zip(side, w, strict=True)]) for side in (u, v)]
        else:
            ranges = [_range(_corners(row / rows[2, 3], start, step)) for row in rows[:2]]
        low, high = (np.stack(ends, axis=1) for ends in zip(*ranges, strict=True))
        states[sound] = self.outline.rectangles(low, high)
        states[(states == INSIDE) & ~seen] = MIXED
        states[unseen] = OUTSIDE
        return states

    def voxels(self, part: Mask, start: IntArray, above: int) -> IntArray:
        """The voxels of some slices' mask that are inside, of small blocks by their first; places in the flat mask.

        Parameters
        ----------
        above
            Number of slices before these.
        """
        steps = _starts((PART, PART, PART), 1).reshape(-1, 3)
        strides = np.array([1, part.shape[2], part.shape[1] * part.shape[2]])
        place = (start @ strides)[:, None] + steps @ strides
        there = np.ones(place.shape, dtype=np.bool_)
        for axis, count in enumerate(part.shape[::-1]):
            if (start[:, axis] > count - PART).any():
                there &= (start[:, axis, None] + steps[:, axis]) < count
        there &= part.reshape(-1)[np.minimum(place, part.size - 1)]
        start = start + np.array([0, 0, above])
        for limit in self.projection.limits:
            value = _values(limit.row, start, steps)
            there &= (value > limit.low) & (value <= limit.high)
        rows = [_values(row, start, steps)[there] for row in self.projection.rows]
        place = place[there]
        inside = self.outline.contains(np.stack([rows[0] / rows[2], rows[1] / rows[2]], axis=1))
        return np.asarray(place[inside])


def _look_at_slices(look: _Look, first: int, part: Mask, found: Mask, ctx: Context) -> None:
    """Fill ``found`` for the slices from ``first`` on, whose mask is ``part``."""
    blocks, above = _starts(part.shape, BLOCK), np.array([0, 0, first])
    coarse = look.blocks(blocks.reshape(-1, 3) + above, BLOCK).reshape(blocks.shape[:3])
    ctx.check()
    steps = _starts((BLOCK, BLOCK, BLOCK), PART).reshape(-1, 3)
    parts = (blocks[coarse == MIXED][:, None] + steps).reshape(-1, 3)
    parts = parts[np.all(parts < part.shape[::-1], axis=1)]
    states = look.blocks(parts + above, PART)
    ctx.check()
    fine = (coarse == INSIDE).repeat(BLOCK // PART, 0).repeat(BLOCK // PART, 1).repeat(BLOCK // PART, 2)
    i, j, k = (parts[states == INSIDE] // PART).T
    fine[k, j, i] = True
    for layer in range(-(-part.shape[0] // PART)):
        slices = slice(layer * PART, (layer + 1) * PART)
        wide = fine[layer].repeat(PART, 0).repeat(PART, 1)[: part.shape[1], : part.shape[2]]
        np.logical_and(part[slices], wide, out=found[slices])
    ctx.check()
    found.reshape(-1)[look.voxels(part, parts[states == MIXED], first)] = True


def _starts(shape: tuple[int, ...], size: int) -> IntArray:
    """The first voxel (i, j, k) of every block, as an array [block k, block j, block i, 3]."""
    k, j, i = np.meshgrid(*(np.arange(0, count, size) for count in shape), indexing="ij")
    return np.stack([i, j, k], axis=-1)


def _values(row: FloatArray, start: IntArray, steps: IntArray) -> FloatArray:
    """row . (i, j, k, 1) for the voxels of small blocks, [block, voxel]."""
    return np.asarray((start @ row[:3] + row[3])[:, None] + steps @ row[:3])


def _corners(row: FloatArray, start: IntArray, step: IntArray, axes: Iterable[int] | None = None) -> list[FloatArray]:
    """row . (i, j, k, 1) at the corners of blocks; without ``axes``, once for those where it is the same."""
    values = [start @ row[:3] + row[3]]
    for axis in np.flatnonzero(row[:3]) if axes is None else axes:
        values += [value + row[axis] * step[:, axis] for value in values]
    return values


def _range(values: list[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Least and greatest, element by element."""
    least, most = values[0], values[0]
    for value in values[1:]:
        least, most = np.minimum(least, value), np.maximum(most, value)
    return least, most


def _box_of(geometry: Geometry, lens: SliceLens, outline: Outline) -> Box:
    """The part of the grid where the outline's prism can have voxels."""
    low, high = outline.bounds
    lowest, highest = geometry.bounds_mm()
    half = None if lens.thickness_mm is None else lens.thickness_mm / 2
    along = (lowest[lens.axis], highest[lens.axis]) if half is None else (lens.centre_mm - half, lens.centre_mm + half)
    corners = np.array(
        [np.insert(np.array([u, v]), lens.axis, w) for u in (low[0], high[0]) for v in (low[1], high[1]) for w in along]
    )
    index = geometry.to_index(corners)
    start = np.clip(np.floor(index.min(axis=0)).astype(int), 0, geometry.size_ijk)
    stop = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, geometry.size_ijk)
    if np.any(stop <= start):
        return Box((0, 0, 0), (0, 0, 0))
    return Box((int(start[0]), int(start[1]), int(start[2])), (int(stop[0]), int(stop[1]), int(stop[2])))
