"""Grow from seeds: every voxel goes to the seed from which the way to it is shortest, and borders are tidied.

The way is paid by the differences of intensity along it, so that it follows structures and avoids borders: a
shortest-path forest, as in L. Zhu, I. Kolesov, Y. Gao, R. Kikinis, A. Tannenbaum, "An effective interactive medical
image segmentation method using fast GrowCut", MICCAI workshop 2014. Of ways of equal cost the one with fewer steps
counts, then the smaller label. What noise frays at the borders is then tidied: there, each voxel takes the label that
prevails among the voxels around it that are near and alike (a vote weighted as in C. Tomasi, R. Manduchi, "Bilateral
filtering for gray and color images", ICCV 1998). The result does not depend on any order: an update after an edit of
the seeds is equal, voxel for voxel, to a run from nothing.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

SCALE = 1000.0  # whole numbers over the range of an image that is not in HU
FINEST = 256  # at most so many steps are worth less than a difference of 1
SLAB = 32  # planes that one thread sweeps at a time
SHARE = 4  # planes whose borders one thread tidies at a time
EXPECTED_ROUNDS = 25
THREADS = min(4, os.cpu_count() or 1)
REACHES = (3, 2)  # each time that the borders are tidied, voxels that lie so many voxels apart are asked
NEAR_MM = 4.0  # standard deviation of their weight by distance
ALIKE = 25.0  # and by their difference in HU
LARGEST = 2**31 - 1


class SeedGrowth:
    """The regions of one image and set of seeds; `update` follows edits of the seeds.

    Parameters
    ----------
    image
        int16, [k, j, i], from `prepared`.
    seeds
        uint8, of the same shape; 0 is undecided.
    spacing_mm
        Along i, j, k.
    reaches
        How far apart the voxels lie that are asked, each time that the borders are tidied.

    Raises
    ------
    BadInput
        If the shapes differ, or ways through the image may cost more than there is room for.
    """

    def __init__(
        self,
        image: NDArray[np.int16],
        seeds: NDArray[np.uint8],
        spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
        *,
        reaches: tuple[int, ...] = REACHES,
    ) -> None:
        from surgitwin.segmentation.seed_kernels import FLAGS, UNREACHED

        if image.shape != seeds.shape:
            raise BadInput(tr("The seeds do not lie on the image's grid."))
        planes, rows, self._count = image.shape
        self._stride = -(-(self._count + 2) // 16) * 16
        shape = (planes + 2, rows + 2, self._stride)
        too_large = tr("The image is too large to grow seeds in; crop it first.")
        if np.prod(shape, dtype=np.int64) >= LARGEST:
            raise BadInput(too_large)
        inner = (slice(1, -1), slice(1, -1), slice(1, self._count + 1))
        padded = np.zeros(shape, dtype=np.int16)
        padded[inner] = image
        self._image = padded.reshape(-1)
        finest = _finest_scale(self._image, shape, self._count)
        if finest < 1:
            raise BadInput(too_large)
        self._scale = finest * 256
        self._keys = np.full(self._image.size, UNREACHED, dtype=np.uint32)
        self._flags = np.zeros((*shape[:2], FLAGS), dtype=np.uint8)
        self._seeds = np.zeros(image.shape, dtype=np.uint8)
        self._stages = [np.zeros(image.shape, dtype=np.uint8) for _ in range(len(reaches) + 1)]
        self._asked, self._alike = [_asked(reach, spacing_mm) for reach in reaches], _alike()
        bounds = np.linspace(0, planes, max(1, round(planes / SLAB)) + 1).astype(int).tolist()
        self._slabs = list(pairwise(bounds))
        self._first = seeds
        self._fresh = True

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The label of each voxel, [k, j, i]; 0 where no seed has come to yet."""
        return self._stages[-1].copy()

    def run(self, ctx: Context | None = None) -> NDArray[np.uint8]:
        """Grow from the first seeds."""
        return self.update(self._first, ctx)

    def update(self, seeds: NDArray[np.uint8], ctx: Context | None = None) -> NDArray[np.uint8]:
        """Follow an edit of the seeds; costs what the regions that change are large.

        If it is cancelled, start again with a new object.
        """
        ctx = ctx or Context()
        ctx.check()
        with ThreadPoolExecutor(THREADS) as pool:
            edited = self._edit(seeds)
            self._grow(pool, ctx.part(0.0, 0.7))
            self._tidy(pool, edited, ctx.part(0.7, 1.0))
        self._fresh = False
        return self.labels

    def _edit(self, seeds: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Take over the seeds, and forget what came from seeds that are no more.

        Returns the parts of rows that were edited.
        """
        from surgitwin.segmentation.seed_kernels import ALONG, PART, WAITING, forget

        new = np.ascontiguousarray(seeds, dtype=np.uint8)
        places = _differing(self._seeds.reshape(-1), new.reshape(-1))
        old, now = self._seeds.reshape(-1)[places], new.reshape(-1)[places]
        k, j, i = np.unravel_index(places, new.shape)
        inside = ((k + 1) * self._flags.shape[1] + j + 1) * self._stride + i + 1
        lost = inside[old != 0]
        if lost.size:
            every = np.empty(self._keys.size, dtype=np.int64)
            every[: lost.size] = lost
            ways = [(dk, dj, di) for dk in (-1, 0, 1) for dj in (-1, 0, 1) for di in (-1, 0, 1) if dk or dj or di]
            steps = np.array([(dk * self._flags.shape[1] + dj) * self._stride + di for dk, dj, di in ways])
            forget(self._image, self._keys, self._flags, self._stride, steps, every, lost.size, self._scale)
        gained = now != 0
        self._keys[inside[gained]] = now[gained]
        for flag in (WAITING, ALONG):
            self._flags[k[gained] + 1, j[gained] + 1, flag] = 1
        self._seeds.reshape(-1)[places] = now
        parts = np.zeros((*new.shape[:2], -(-new.shape[2] // PART)), dtype=np.uint8)
        parts[k, j, i // PART] = 1
        return parts

    def _grow(self, pool: ThreadPoolExecutor, ctx: Context) -> None:
        """Sweep until nothing changes; slabs that touch never at the same time."""
        from surgitwin.segmentation.seed_kernels import WAITING

        def one(slab: tuple[int, int]) -> None:
            self._sweep(*slab)

        rounds, working = 0, True
        while working:
            working = False
            for parity in (0, 1):
                ctx.progress(1.0 - 0.9 ** (60.0 * rounds / EXPECTED_ROUNDS), tr("Growing from the seeds"))
                slabs = self._slabs[parity::2]
                waiting = [(a, b) for a, b in slabs if self._flags[a + 1 : b + 1, 1:-1, WAITING].any()]
                working = working or bool(waiting)
                list(pool.map(one, waiting))
            rounds += 1

    def _sweep(self, start: int, stop: int) -> None:
        from surgitwin.segmentation.seed_kernels import sweep

        best = np.empty(self._stride, dtype=np.uint32)
        sweep(self._image, self._keys, self._flags, self._stride, self._count, start + 1, stop + 1, best, self._scale)

    def _tidy(self, pool: ThreadPoolExecutor, edited: NDArray[np.uint8], ctx: Context) -> None:
        """Bring the labels up to date, stage by stage, where a change reaches."""
        from scipy.ndimage import maximum_filter

        from surgitwin.segmentation.seed_kernels import read, vote

        changed = np.zeros(edited.shape, dtype=np.uint8)

        def take_over(slab: tuple[int, int]) -> None:
            read(self._keys, self._flags, self._stride, self._stages[0], changed, *slab)

        list(pool.map(take_over, self._slabs))
        for number, asked in enumerate(self._asked):
            ctx.progress(number / len(self._asked), tr("Tidying the borders"))
            reach = int(np.abs(asked[:, :3]).max())
            wide = 2 * reach + 1
            wanted = np.maximum(maximum_filter(changed, (wide, wide, 3), mode="constant"), edited)
            if self._fresh:
                wanted[:] = 1
            changed = np.zeros(edited.shape, dtype=np.uint8)
            before, after = self._stages[number], self._stages[number + 1]
            given = (before, self._seeds, self._image, self._stride, wanted, asked, self._alike, after, changed)
            some = [(k, k + SHARE) for k in range(0, len(edited), SHARE) if wanted[k : k + SHARE].any()]
            jobs = [pool.submit(vote, *given, first, min(last, len(edited))) for first, last in some]
            for job in jobs:
                job.result()


def _differing(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Where two flat arrays differ, found by eight bytes at a time."""
    whole = first.size // 8 * 8
    words = np.flatnonzero(first[:whole].view(np.uint64) != second[:whole].view(np.uint64))
    places = np.concatenate([(words[:, None] * 8 + np.arange(8)).reshape(-1), np.arange(whole, first.size)])
    return np.asarray(places[first[places] != second[places]])


def _finest_scale(image: NDArray[np.int16], shape: tuple[int, int, int], count: int) -> int:
    """How many steps may be worth one difference of 1, so that the longest way still fits into a key; a power of 2.

    No shortest way costs more than one along a line of each axis in turn.
    """
    from surgitwin.segmentation.seed_kernels import UNREACHED, steepest

    _, rows, stride = shape
    total = sum(int(steepest(image, rows, stride, count, step)) for step in (1, stride, rows * stride))
    fitting = ((UNREACHED >> 8) - sum(shape)) // max(total, 1)
    return min(FINEST, 1 << (fitting.bit_length() - 1)) if fitting > 0 else 0


def _asked(reach: int, spacing_mm: tuple[float, float, float]) -> NDArray[np.int64]:
    """Where the 27 voxels lie that are asked, so many voxels apart, and what each of them counts by its distance."""
    offsets = (np.indices((3, 3, 3)) - 1).reshape(3, -1).T * reach
    squared = ((offsets * spacing_mm[::-1]) ** 2).sum(axis=1)
    weights = np.rint(256 * np.exp(-squared / (2 * NEAR_MM**2)))
    return np.ascontiguousarray(np.column_stack([offsets, weights])[weights > 0].astype(np.int64))


def _alike() -> NDArray[np.int32]:
    """What a voxel counts by its difference."""
    steps = np.arange(4 * ALIKE)
    counts = np.rint(64 * np.exp(-(steps**2) / (2 * ALIKE**2))).astype(np.int32)
    return np.asarray(counts[: np.flatnonzero(counts)[-1] + 1])


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


def growing_box(seeds: NDArray[Any], geometry: Geometry, margin_mm: float | None) -> Box:
    """Where seeds grow: the box around them and so much more to each side, or the whole image.

    Raises
    ------
    BadInput
        If there are no seeds, only one, or more than 255.
    """
    if seeds.shape != geometry.shape_kji:
        raise BadInput(tr("The seeds do not lie on the image's grid."))
    marked = seeds != 0
    box = Box.of_mask(marked)
    if box.empty:
        raise BadInput(tr("The seeds are empty: mark each structure in the image first."))
    values = np.flatnonzero(np.bincount(seeds[marked]))
    if len(values) < 2:
        message = tr("There is one seed only, so everything would go to it. Mark the background as well.")
        raise BadInput(message)
    if values.max() > 255:
        raise BadInput(tr("Seeds may have values up to 255, not {value}.").format(value=int(values.max())))
    if margin_mm is None:
        return geometry.full_box
    reach = [int(np.ceil(margin_mm / s)) for s in geometry.spacing_mm]
    start = [max(a - r, 0) for a, r in zip(box.start, reach, strict=True)]
    stop = [min(b + r, n) for b, r, n in zip(box.stop, reach, geometry.size_ijk, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


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
    return SeedFollower().grow(voxels, seeds, geometry, in_hu=in_hu, margin_mm=margin_mm, ctx=ctx)


class SeedFollower:
    """Grows from seeds again and again; an edit of the seeds costs only what changes by it.

    Attributes
    ----------
    updates
        How many times the last growth could be followed up, since it was begun from nothing.
    """

    def __init__(self) -> None:
        self.updates = 0
        self._growth: SeedGrowth | None = None
        self._voxels: NDArray[Any] | None = None  # kept, so that no other image can come to lie in its place
        self._grown_in: tuple[Any, ...] = ()

    def grow(
        self,
        voxels: NDArray[Any],
        seeds: NDArray[Any],
        geometry: Geometry,
        *,
        in_hu: bool = True,
        margin_mm: float | None = None,
        ctx: Context | None = None,
    ) -> NDArray[np.uint8]:
        """As `grow_from_seeds`; for the same array of voxels and the same box by an update."""
        ctx = ctx or Context()
        if voxels.shape != seeds.shape:
            raise BadInput(tr("The seeds do not lie on the image's grid."))
        box = growing_box(seeds, geometry, margin_mm)
        marked = seeds[box.slices].astype(np.uint8, copy=False)
        growth, grown_in = self._growth, (voxels.__array_interface__["data"], geometry, in_hu, box)
        self._growth = None  # until the work is done, for a growth that was cancelled is good for nothing
        if growth is None or grown_in != self._grown_in:
            ctx.progress(0.01, tr("Preparing the image"))
            growth = SeedGrowth(prepared(voxels[box.slices], in_hu), marked, geometry.spacing_mm)
            self.updates = -1
        labels = growth.update(marked, ctx.part(0.05, 1.0))
        self._growth, self._grown_in, self._voxels = growth, grown_in, voxels
        self.updates += 1
        if box == geometry.full_box:
            return labels
        result = np.zeros(voxels.shape, dtype=np.uint8)
        result[box.slices] = labels
        return result
