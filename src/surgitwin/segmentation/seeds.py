"""Grow from seeds: every voxel goes to the seed from which the way to it is shortest.

The way is paid by the differences of intensity along it and a little by its length, so that it follows structures and
avoids borders: a shortest-path forest, as in L. Zhu, I. Kolesov, Y. Gao, R. Kikinis, A. Tannenbaum, "An effective
interactive medical image segmentation method using fast GrowCut", MICCAI workshop 2014. Costs are whole numbers and
ties are broken by the smaller label, so the result does not depend on any order: an update after an edit of the seeds
is equal, voxel for voxel, to a run from nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

STEEPEST = 240  # of the 255 that one step may cost
STEP_COST = 1
SCALE = 1000.0  # whole numbers over the range of an image that is not in HU
COARSE_FROM = 2_000_000  # voxels; fewer are done at full resolution at once
COARSE_SCALE, FINE_SCALE = 2, 2  # cost of a difference, against the cost of a step
BUDGET = 1_500_000  # voxels between two looks at the cancel button
ENTRIES = 256
LARGEST = 2**31 - 1
UNREACHED = np.uint32(2**32 - 1)


class SeedGrowth:
    """The regions of one image and set of seeds; `update` follows edits of the seeds.

    Parameters
    ----------
    image
        int16, [k, j, i], from `prepared`.
    seeds
        uint8, of the same shape; 0 is undecided.
    corners
        Ways lead across edges and corners of voxels too: 26 neighbours instead of 6.
    """

    def __init__(
        self, image: NDArray[np.int16], seeds: NDArray[np.uint8], *, step_cost: int = STEP_COST, corners: bool = False
    ) -> None:
        if image.shape != seeds.shape:
            raise BadInput(tr("The seeds do not lie on the image's grid."))
        shape = tuple(n + 2 for n in image.shape)
        if np.prod(shape, dtype=np.int64) >= LARGEST:
            raise BadInput(tr("The image is too large to grow seeds in; crop it first."))
        self._inner = (slice(1, -1),) * 3
        self._image = np.zeros(shape, dtype=np.int16)
        self._image[self._inner] = image
        self._keys = np.zeros(shape, dtype=np.uint32)
        self._keys[self._inner] = UNREACHED
        row, plane = shape[2], shape[1] * shape[2]
        ways = [k * plane + j * row + i for k in (-1, 0, 1) for j in (-1, 0, 1) for i in (-1, 0, 1)]
        faces = {-1, 1, -row, row, -plane, plane}
        self._steps = np.array([way for way in ways if way in faces or (corners and way != 0)], dtype=np.int64)
        self._step_cost = step_cost
        self._seeds = np.zeros(shape, dtype=np.uint8)
        self._new_queue()
        self._first = seeds

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The label of each voxel, [k, j, i]; 0 where no seed has come to yet."""
        keys = self._keys[self._inner]
        found: NDArray[np.uint8] = keys.astype(np.uint8)
        found[keys == UNREACHED] = 0
        return found

    def run(self, ctx: Context | None = None) -> NDArray[np.uint8]:
        """Grow from the first seeds."""
        return self.update(self._first, ctx)

    def update(self, seeds: NDArray[np.uint8], ctx: Context | None = None) -> NDArray[np.uint8]:
        """Follow an edit of the seeds; costs what the regions that change are large.

        If it is cancelled, start again with a new object.
        """
        from surgitwin.segmentation.seed_kernels import forget, rim

        ctx = ctx or Context()
        flat = np.zeros(self._seeds.shape, dtype=np.uint8)
        flat[self._inner] = seeds
        flat, old, keys = flat.reshape(-1), self._seeds.reshape(-1), self._keys.reshape(-1)
        edited = np.flatnonzero(flat != old)
        lost = edited[old[edited] != 0].astype(np.int32)
        gained = edited[flat[edited] != 0].astype(np.int32)
        old[edited] = flat[edited]
        entering = gained
        if lost.size:
            every = np.empty(keys.size, dtype=np.int32)
            every[: lost.size] = lost
            image = self._image.reshape(-1)
            count = int(forget(image, keys, self._steps, every, lost.size, self._step_cost, STEEPEST))
            seen = np.zeros(keys.size, dtype=np.uint8)
            found = np.empty(keys.size, dtype=np.int32)
            beside = int(rim(keys, self._steps, every, count, seen, found))
            entering = np.concatenate([gained, found[:beside]])
        keys[gained] = flat[gained]
        entering = np.unique(entering)
        self._grow(entering[np.argsort(keys[entering], kind="stable")], ctx)
        return self.labels

    def settle(self, known: NDArray[np.bool_], labels: NDArray[np.uint8], ctx: Context) -> NDArray[np.uint8]:
        """Decide the rest where most of it is known already; costs what the rest is large.

        Parameters
        ----------
        known, labels
            [k, j, i]: where ``labels`` hold as if they were seeds.
        """
        self._keys[self._inner] = np.where(known, labels, UNREACHED)
        border = known.copy()
        inner = known[1:-1, 1:-1, 1:-1].copy()
        for axis in range(3):
            for step in (0, 2):
                part = tuple(slice(step, known.shape[n] - 2 + step) if n == axis else slice(1, -1) for n in range(3))
                inner &= known[part]
        border[1:-1, 1:-1, 1:-1] &= ~inner
        whole = np.zeros(self._keys.shape, dtype=np.bool_)
        whole[self._inner] = border
        self._grow(np.flatnonzero(whole).astype(np.int32), ctx)
        return self.labels

    def _new_queue(self) -> None:
        blocks = max(1024, self._image.size // ENTRIES // 8)
        self._entries = np.empty((blocks, ENTRIES), dtype=np.int32)
        self._links = np.full(blocks, -1, dtype=np.int32)
        self._heads = np.full(ENTRIES, -1, dtype=np.int32)
        self._fills = np.zeros(ENTRIES, dtype=np.int32)
        self._state = np.array([0, 0, 0, -1, 0], dtype=np.int64)

    def _grow(self, later: NDArray[np.int32], ctx: Context) -> None:
        from surgitwin.segmentation.seed_kernels import NEXT, USED, grow

        self._state[0] = 0
        self._state[NEXT] = 0
        done = False
        steps = 0
        while not done:
            ctx.check()
            share = min(0.99, steps * BUDGET / (1.1 * self._image.size))
            ctx.progress(share, tr("Growing from the seeds"))
            done = bool(
                grow(
                    self._image.reshape(-1),
                    self._keys.reshape(-1),
                    self._steps,
                    later,
                    BUDGET,
                    len(self._links),
                    self._step_cost,
                    STEEPEST,
                    self._entries,
                    self._links,
                    self._heads,
                    self._fills,
                    self._state,
                )
            )
            steps += 1
            if not done and self._state[USED] + 8 >= len(self._links):
                self._entries = np.concatenate([self._entries, np.empty_like(self._entries)])
                self._links = np.concatenate([self._links, np.full(len(self._links), -1, dtype=np.int32)])


def coarse_to_fine(image: NDArray[np.int16], seeds: NDArray[np.uint8], ctx: Context) -> NDArray[np.uint8]:
    """Regions of a large image: on voxels twice as wide, then at full resolution along their borders.

    The wide voxels average out noise, and the borders are decided by the image itself within a few voxels.

    Parameters
    ----------
    image, seeds
        As for `SeedGrowth`.
    """
    padded = [(0, n % 2) for n in image.shape]
    even, marked = np.pad(image, padded, mode="edge"), np.pad(seeds, padded)
    k, j, i = (n // 2 for n in even.shape)
    blocks = even.reshape(k, 2, j, 2, i, 2)
    mean = np.rint(blocks.mean(axis=(1, 3, 5), dtype=np.float32) * COARSE_SCALE).astype(np.int16)
    wide = SeedGrowth(mean, marked.reshape(k, 2, j, 2, i, 2).max(axis=(1, 3, 5)), corners=True)
    coarse = wide.run(ctx.part(0.0, 0.5))
    ctx.check()
    sure = _uniform(coarse)
    whole = tuple(slice(0, n) for n in image.shape)
    labels = coarse.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)[whole]
    known = sure.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)[whole]
    labels[seeds != 0] = seeds[seeds != 0]
    known |= seeds != 0
    ctx.check()
    fine = SeedGrowth(image * np.int16(FINE_SCALE), seeds)
    return fine.settle(known, labels, ctx.part(0.55, 1.0))


def _uniform(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a voxel and all of its 26 neighbours have one label."""
    high, low = labels, labels
    for axis in range(3):
        before, after = (np.roll(high, step, axis=axis) for step in (1, -1))
        under, over = (np.roll(low, step, axis=axis) for step in (1, -1))
        for rolled, end in ((before, 0), (after, -1), (under, 0), (over, -1)):
            edge = tuple(end if n == axis else slice(None) for n in range(3))
            rolled[edge] = (high if rolled is before or rolled is after else low)[edge]
        high = np.maximum(np.maximum(high, before), after)
        low = np.minimum(np.minimum(low, under), over)
    return np.asarray(high == low)


def prepared(voxels: NDArray[Any], in_hu: bool) -> NDArray[np.int16]:
    """An image as `SeedGrowth` wants it: whole numbers, one of them about one HU."""
    if in_hu:
        limited: NDArray[np.int16] = np.clip(voxels, -1024, 3071).astype(np.int16)
        return limited
    low, high = np.percentile(voxels[::2, ::2, ::2], [0.5, 99.5])
    if not high > low:
        raise BadInput(tr("The image has one value everywhere; seeds cannot grow by it."))
    scaled = (np.asarray(voxels, dtype=np.float32) - low) * (SCALE / (high - low))
    whole: NDArray[np.int16] = np.clip(np.rint(scaled), 0, SCALE).astype(np.int16)
    return whole


def grow_from_seeds(
    voxels: NDArray[Any],
    seeds: NDArray[Any],
    geometry: Geometry,
    *,
    in_hu: bool = True,
    margin_mm: float | None = None,
    ctx: Context | None = None,
) -> NDArray[np.uint8]:
    """The region of each seed, [k, j, i].

    Parameters
    ----------
    seeds
        Whole numbers up to 255, [k, j, i]; 0 is undecided.
    margin_mm
        Grow no farther beyond the box around all seeds than this; None: as far as the image goes.

    Raises
    ------
    BadInput
        If there are no seeds, only one, or more than 255.
    """
    ctx = ctx or Context()
    if seeds.shape != voxels.shape:
        raise BadInput(tr("The seeds do not lie on the image's grid."))
    box = Box.of_mask(seeds != 0)
    if box.empty:
        raise BadInput(tr("The seeds are empty: mark each structure in the image first."))
    values = np.flatnonzero(np.bincount(seeds[box.slices].reshape(-1)))
    values = values[values > 0]
    if len(values) < 2:
        message = tr("There is one seed only, so everything would go to it. Mark the background as well.")
        raise BadInput(message)
    if values.max() > 255:
        raise BadInput(tr("Seeds may have values up to 255, not {value}.").format(value=int(values.max())))
    if margin_mm is None:
        box = geometry.full_box
    else:
        reach = [int(np.ceil(margin_mm / s)) for s in geometry.spacing_mm]
        start = [max(a - r, 0) for a, r in zip(box.start, reach, strict=True)]
        stop = [min(b + r, n) for b, r, n in zip(box.stop, reach, geometry.size_ijk, strict=True)]
        box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    ctx.progress(0.01, tr("Preparing the image"))
    image = prepared(voxels[box.slices], in_hu)
    marked = seeds[box.slices].astype(np.uint8)
    if image.size > COARSE_FROM and min(image.shape) >= 8:
        grown = coarse_to_fine(image, marked, ctx.part(0.05, 1.0))
    else:
        grown = SeedGrowth(image, marked, corners=True).run(ctx.part(0.05, 1.0))
    if box == geometry.full_box:
        return grown
    result = np.zeros(voxels.shape, dtype=np.uint8)
    result[box.slices] = grown
    return result
