"""Size, place and intensities of segments, from their voxels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

LabelArray = NDArray[np.uint8] | NDArray[np.uint16]
PERCENTILES = (5, 50, 95)
_SLAB_VOXELS = 1 << 22
# Above so many cells of a histogram (label by intensity), values are collected and sorted instead.
_MOST_BINS = 1 << 24
_FEW = 4


@dataclass(frozen=True)
class Intensity:
    """Intensities of a segment's voxels: Hounsfield units in CT, the image's own units otherwise.

    ``sd`` is the standard deviation of these very voxels (division by their number); percentiles interpolate linearly
    between voxels.
    """

    mean: float
    sd: float
    p05: float
    p50: float
    p95: float

    def as_json(self) -> dict[str, float]:
        return {"mean": self.mean, "sd": self.sd, "p05": self.p05, "p50": self.p50, "p95": self.p95}


@dataclass(frozen=True)
class SegmentStatistics:
    """What a segment's voxels say.

    Attributes
    ----------
    centroid_mm
        Mean position of the voxel centres, LPS; None without voxels.
    box
        The smallest box around the voxels, in the image's indices.
    hu
        None without an image or without voxels.
    touches_edge
        The segment reaches the image's first or last voxel along some axis: it is cut off there.
    """

    voxels: int
    volume_ml: float
    centroid_mm: tuple[float, float, float] | None
    box: Box
    hu: Intensity | None
    touches_edge: bool

    def as_json(self, mesh: Mesh | None = None) -> dict[str, Any]:
        """Keys of ``stats``; what needs the surface is null without ``mesh``."""
        measured = mesh is not None and not mesh.empty
        return {
            "voxels": self.voxels,
            "volume_ml": self.volume_ml,
            "surface_volume_ml": mesh.volume_ml if mesh is not None and measured else None,
            "area_mm2": mesh.area_mm2 if mesh is not None and measured else None,
            "centroid_mm": None if self.centroid_mm is None else list(self.centroid_mm),
            "hu": None if self.hu is None else self.hu.as_json(),
            "touches_edge": self.touches_edge,
        }


def segment_statistics(
    mask: NDArray[np.bool_] | NDArray[np.uint8],
    voxels: NDArray[Any] | None,
    geometry: Geometry,
    box: Box | None = None,
    *,
    ctx: Context | None = None,
) -> SegmentStatistics:
    """Statistics of one segment.

    Parameters
    ----------
    mask
        Boolean (or zero and non-zero), shape [k, j, i] of ``box``.
    voxels
        The image's intensities in ``box``, same shape; None if there is no image.
    geometry
        Of the whole image.
    box
        Where ``mask`` lies in the image; None if it is as large as the image.

    Raises
    ------
    BadInput
        If the shapes do not fit each other.
    """
    labels = np.ascontiguousarray(mask if mask.dtype == np.bool_ else mask != 0).view(np.uint8)
    return _statistics(labels, voxels, geometry, box or geometry.full_box, [1], ctx or Context())[1]


def label_statistics(
    labels: LabelArray,
    voxels: NDArray[Any] | None,
    geometry: Geometry,
    values: Sequence[int] | None = None,
    box: Box | None = None,
    *,
    ctx: Context,
) -> dict[int, SegmentStatistics]:
    """Statistics of every label of a layer, from one pass over it; see `segment_statistics`.

    Parameters
    ----------
    labels
        uint8 or uint16, shape [k, j, i] of ``box``; 0 is background.
    voxels
        The image's intensities in ``box``, same shape; None if there is no image.
    geometry
        Of the whole image.
    values
        Labels wanted; None for all that occur. A wanted label without voxels has none in its statistics.
    box
        Where the arrays lie in the image; None if they are as large as the image.
    """
    return _statistics(labels, voxels, geometry, box or geometry.full_box, values, ctx)


def box_of_labels(labels: LabelArray, values: Sequence[int], ctx: Context) -> Box:
    """The smallest box around the voxels of some labels, empty without any; of more than a few, around all labels.

    What it calls leaves Python's lock alone, so that a window stays awake while a thread looks through an image.
    """
    whole = len(values) > _FEW
    hit_k = np.zeros(labels.shape[0], np.bool_)
    hit_j, hit_i = np.zeros(labels.shape[1], np.bool_), np.zeros(labels.shape[2], np.bool_)
    for slab in _slabs(labels.shape, ctx):
        part = labels[slab]
        mask: NDArray[np.bool_] = part != 0 if whole else np.zeros(part.shape, np.bool_)
        for value in () if whole else values:
            mask |= part == value
        rows: NDArray[np.bool_] = np.any(mask, axis=2)
        hit_k[slab] = rows.any(axis=1)
        hit_j |= rows.any(axis=0)
        hit_i |= np.any(mask, axis=(0, 1))
    hits = [np.flatnonzero(hit) for hit in (hit_i, hit_j, hit_k)]
    if any(hit.size == 0 for hit in hits):
        return Box((0, 0, 0), (0, 0, 0))
    (i0, i1), (j0, j1), (k0, k1) = ((int(hit[0]), int(hit[-1]) + 1) for hit in hits)
    return Box((i0, j0, k0), (i1, j1, k1))


def _statistics(
    labels: LabelArray,
    voxels: NDArray[Any] | None,
    geometry: Geometry,
    place: Box,
    values: Sequence[int] | None,
    ctx: Context,
) -> dict[int, SegmentStatistics]:
    shape = tuple(reversed(place.size_ijk))
    for array in (labels, voxels):
        if array is not None and array.shape != shape:
            raise BadInput(
                tr(
                    "An array of shape {shape} does not fit its place in the image, {place} (slices, rows, columns)."
                ).format(shape=array.shape, place=shape)
            )
    runs = _Runs.of(labels, ctx)
    known = np.unique(runs.label) if values is None else np.unique(np.asarray(values, np.int64))
    number = np.searchsorted(known, runs.label)
    wanted = np.flatnonzero(known[np.minimum(number, known.size - 1)] == runs.label) if known.size else number[:0]
    counts, sums, low, high = runs.only(wanted).gather(number[wanted], known.size)
    hu = _intensities(labels, voxels, known, counts, ctx) if voxels is not None else [None] * known.size
    result = {}
    for at, value in enumerate(known.tolist()):
        box = _placed(place, low[at], high[at]) if counts[at] else Box(place.start, place.start)
        centre = sums[at] / max(counts[at], 1) + place.start
        x, y, z = geometry.to_lps(centre).tolist()
        result[value] = SegmentStatistics(
            voxels=int(counts[at]),
            volume_ml=float(counts[at] * geometry.voxel_volume_mm3 / 1000.0),
            centroid_mm=(x, y, z) if counts[at] else None,
            box=box,
            hu=hu[at],
            touches_edge=bool(counts[at]) and box.touches_edge(geometry.size_ijk),
        )
    return result


def _placed(place: Box, low: NDArray[np.int64], high: NDArray[np.int64]) -> Box:
    i0, j0, k0 = (int(a) + b for a, b in zip(low, place.start, strict=True))
    i1, j1, k1 = (int(a) + 1 + b for a, b in zip(high, place.start, strict=True))
    return Box((i0, j0, k0), (i1, j1, k1))


def _slabs(shape: tuple[int, ...], ctx: Context) -> Iterator[slice]:
    step = max(1, _SLAB_VOXELS // max(shape[1] * shape[2], 1))
    for start in range(0, shape[0], step):
        ctx.check()
        yield slice(start, start + step)


@dataclass(frozen=True, eq=False)
class _Runs:
    """Runs of equal labels along i, without background: all that size and place need, in a hundredth of the numbers.

    ``first`` and ``last`` are the i of a run's ends, both inside.
    """

    label: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    j: NDArray[np.int64]
    k: NDArray[np.int64]

    @staticmethod
    def of(labels: LabelArray, ctx: Context) -> _Runs:
        _, rows, columns = labels.shape
        parts = [np.zeros((4, 0), np.int64)]
        for slab in _slabs(labels.shape, ctx):
            flat = np.ascontiguousarray(labels[slab]).reshape(-1, columns)
            change = np.ones(flat.shape, np.bool_)
            np.not_equal(flat[:, 1:], flat[:, :-1], out=change[:, 1:])
            start = np.flatnonzero(change)
            stop = np.append(start[1:], flat.size)
            label = flat.reshape(-1)[start].astype(np.int64)
            keep = np.flatnonzero(label)
            start, stop, label = start[keep], stop[keep], label[keep]
            row = start // columns + slab.start * rows
            parts.append(np.stack((label, start % columns, (stop - 1) % columns, row)))
        label, first, last, row = np.concatenate(parts, axis=1)
        return _Runs(label, first, last, row % max(rows, 1), row // max(rows, 1))

    def only(self, at: NDArray[np.int64]) -> _Runs:
        return _Runs(self.label[at], self.first[at], self.last[at], self.j[at], self.k[at])

    def gather(
        self, number: NDArray[np.int64], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """By label number: voxels; sums of (i, j, k); lowest and highest (i, j, k)."""
        lengths = self.last - self.first + 1
        counts: NDArray[np.int64] = np.bincount(number, minlength=size)
        voxels = np.bincount(number, lengths, size).astype(np.int64)  # exact: far fewer than 2^53 voxels
        middles = ((self.first + self.last) / 2, self.j, self.k)
        sums = np.stack([np.bincount(number, middle * lengths, size).astype(np.float64) for middle in middles], axis=1)
        low: NDArray[np.int64] = np.zeros((size, 3), np.int64)
        high: NDArray[np.int64] = np.zeros((size, 3), np.int64)
        order = np.argsort(number, kind="stable")
        occurs = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[occurs]
        if occurs.size:
            for axis, (lowest, highest) in enumerate(((self.first, self.last), (self.j, self.j), (self.k, self.k))):
                low[occurs, axis] = np.minimum.reduceat(lowest[order], starts)
                high[occurs, axis] = np.maximum.reduceat(highest[order], starts)
        return voxels, sums, low, high


def _intensities(
    labels: LabelArray, voxels: NDArray[Any], known: NDArray[np.int64], counts: NDArray[np.int64], ctx: Context
) -> list[Intensity | None]:
    """Intensities by label number."""
    number = np.full(int(max(np.iinfo(labels.dtype).max, known.max(initial=0))) + 1, -1, np.int64)
    positive = np.flatnonzero(known > 0)
    number[known[positive]] = positive
    if np.issubdtype(voxels.dtype, np.integer) and voxels.size:
        least, most = int(voxels.min()), int(voxels.max())
        if known.size * (most - least + 1) <= _MOST_BINS:
            table = _histogram(labels, voxels, number, known.size, least, most, ctx)
            return [_of_histogram(row, least) if n else None for row, n in zip(table, counts, strict=True)]
    return _of_values(labels, voxels, number, counts, ctx)


def _histogram(
    labels: LabelArray,
    voxels: NDArray[Any],
    number: NDArray[np.int64],
    size: int,
    least: int,
    most: int,
    ctx: Context,
) -> NDArray[np.int64]:
    """Voxels by label number and intensity above ``least``."""
    width = most - least + 1
    table = np.zeros(size * width, np.int64)
    for slab in _slabs(labels.shape, ctx):
        part = number[labels[slab]]
        wanted = part >= 0
        keys = part[wanted] * width + (voxels[slab][wanted].astype(np.int64) - least)
        table += np.bincount(keys, minlength=table.size)
    return table.reshape(size, width)


def _of_histogram(row: NDArray[np.int64], least: int) -> Intensity:
    filled = np.flatnonzero(row)
    counts, values = row[filled], filled.astype(np.float64) + least
    total = int(counts.sum())
    mean = float(counts @ values) / total
    sd = float(np.sqrt(counts @ (values - mean) ** 2 / total))
    ends = np.cumsum(counts)
    percentiles = []
    for percent in PERCENTILES:
        rank = percent / 100 * (total - 1)
        below = values[np.searchsorted(ends, int(rank), side="right")]
        above = values[np.searchsorted(ends, min(int(rank) + 1, total - 1), side="right")]
        percentiles.append(float(below + (above - below) * (rank - int(rank))))
    return Intensity(mean, sd, *percentiles)


def _of_values(
    labels: LabelArray, voxels: NDArray[Any], number: NDArray[np.int64], counts: NDArray[np.int64], ctx: Context
) -> list[Intensity | None]:
    """For images of real numbers, or of very many: every label's values are collected, then sorted."""
    values = np.empty(int(counts.sum()), voxels.dtype)
    ends = np.cumsum(counts)
    filled = ends - counts
    for slab in _slabs(labels.shape, ctx):
        part = number[labels[slab]]
        wanted = part >= 0
        part, found = part[wanted], voxels[slab][wanted]
        order = np.argsort(part, kind="stable")
        part, found = part[order], found[order]
        here = np.bincount(part, minlength=counts.size)
        values[np.arange(part.size) + np.repeat(filled - (np.cumsum(here) - here), here)] = found
        filled += here
    result: list[Intensity | None] = []
    for end, count in zip(ends.tolist(), counts.tolist(), strict=True):
        ctx.check()
        own = values[end - count : end].astype(np.float64)
        p05, p50, p95 = np.percentile(own, PERCENTILES).tolist() if count else (0.0, 0.0, 0.0)
        result.append(Intensity(float(own.mean()), float(own.std()), p05, p50, p95) if count else None)
    return result
