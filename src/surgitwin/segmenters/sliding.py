"""Run a network patch by patch over an image, and put its answers together on the image's own grid.

Where patches overlap their answers are averaged, weighted by a Gaussian that is highest in a patch's middle. Only the
slices that the present row of patches can still change are held, so memory does not grow with the image's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmenters.grids import ModelGrid, between

TILE = 32  # voxels of the image along each axis that are labelled at a time
SIGMAS_PER_PATCH = 8.0  # Isensee et al., Nature Methods 18 (2021): sigma is an eighth of the patch
Floats = NDArray[np.float32]
Network = Callable[[Floats], Floats]
"""A patch, [k, j, i], to scores, [channel, k, j, i]."""


def starts_along(count: int, patch: int, overlap: float) -> list[int]:
    """Where patches begin along an axis: evenly spread, from the first voxel to the last, overlapping by at least
    ``overlap`` of a patch.
    """
    if count <= patch:
        return [0]
    step = max(1, int(patch * (1.0 - overlap)))
    pieces = -(-(count - patch) // step)
    return [round(number * (count - patch) / pieces) for number in range(pieces + 1)]


def add(held: Floats, answer: Floats, weights: Floats) -> None:
    """Add the answer for a patch, [channel, k, j, i], to what is held at its place.

    Raises
    ------
    BadInput
        If it is no number.
    """
    if not np.isfinite(answer).all():
        raise BadInput(tr("The network's answer for this image is not a number: it does not suit it."))
    held += answer * weights


def gaussian(shape_kji: tuple[int, int, int]) -> Floats:
    """The weight of each voxel of a patch; 1 in the middle, nowhere 0."""
    lines = []
    for count in shape_kji:
        away = np.arange(count) - (count - 1) / 2
        lines.append(np.exp(-0.5 * (away * SIGMAS_PER_PATCH / count) ** 2))
    k, j, i = lines
    return np.asarray(k[:, None, None] * j[None, :, None] * i[None, None, :], dtype=np.float32)


@dataclass(frozen=True)
class Windows:
    """The patches over an image on the model's grid; a smaller image is padded on both sides.

    Attributes
    ----------
    shape_kji
        Of the image, without padding.
    patch_kji
        Of a patch.
    """

    shape_kji: tuple[int, int, int]
    patch_kji: tuple[int, int, int]
    overlap: float

    @property
    def padding(self) -> list[tuple[int, int]]:
        missing = [max(0, patch - count) for count, patch in zip(self.shape_kji, self.patch_kji, strict=True)]
        return [(count // 2, count - count // 2) for count in missing]

    @property
    def starts(self) -> list[list[int]]:
        """Along k, j and i, in the padded image."""
        return [
            starts_along(max(count, patch), patch, self.overlap)
            for count, patch in zip(self.shape_kji, self.patch_kji, strict=True)
        ]

    @property
    def count(self) -> int:
        return int(np.prod([len(places) for places in self.starts]))

    def held_bytes(self, channels: int) -> int:
        """Memory for the scores of the rows of patches that are held, and for what is handed out of them."""
        _, j, i = (max(count, patch) for count, patch in zip(self.shape_kji, self.patch_kji, strict=True))
        return int(self.patch_kji[0] * j * i * 4 * (2 * channels + 2) + np.prod(self.patch_kji) * 4 * channels * 2)

    def scores(self, image: Floats, network: Network, ctx: Context, message: str) -> Iterator[Floats]:
        """Finished slices of scores, [channel, k, j, i], in order; together they have the image's shape.

        Raises
        ------
        BadInput
            If the network answers with what is no number.
        """
        padding = self.padding
        padded = np.pad(image, padding) if any(map(any, padding)) else image
        weights, (along_k, along_j, along_i) = gaussian(self.patch_kji), self.starts
        depth, height, width = self.patch_kji
        held = total = np.empty(0, np.float32)
        begin, end = padding[0][0], padding[0][0] + self.shape_kji[0]
        inner = tuple(slice(before, before + n) for (before, _), n in zip(padding[1:], self.shape_kji[1:], strict=True))
        done, all_of_them = 0, self.count
        for row, k in enumerate(along_k):
            for j, i in product(along_j, along_i):
                patch = padded[k : k + depth, j : j + height, i : i + width]
                answer = network(np.ascontiguousarray(patch))
                if held.size == 0:
                    held = np.zeros((answer.shape[0], depth, *padded.shape[1:]), np.float32)
                    total = np.zeros((depth, *padded.shape[1:]), np.float32)
                add(held[:, :, j : j + height, i : i + width], answer, weights)
                total[:, j : j + height, i : i + width] += weights
                done += 1
                ctx.progress(done / all_of_them, message)
            final = (along_k[row + 1] if row + 1 < len(along_k) else padded.shape[0]) - k
            first, last = max(begin - k, 0), min(end - k, final)
            if last > first:
                yield (held[:, first:last] / total[first:last])[:, :, inner[0], inner[1]]
            held[:, : depth - final], total[: depth - final] = held[:, final:].copy(), total[final:].copy()
            held[:, depth - final :], total[depth - final :] = 0.0, 0.0


@dataclass
class Labeller:
    """Turns slices of scores on the model's grid into labels on the image's, as they come.

    Scores are interpolated, not labels, so borders do not follow the model's voxels. A voxel takes the class with the
    highest score among those that are highest at one of the voxels it is interpolated from.

    Attributes
    ----------
    classes
        How many there are, the background included.
    labels
        uint8 where that is enough, else uint16; on the image's grid, [k, j, i].
    """

    grid: ModelGrid
    classes: int
    labels: NDArray[Any] = field(init=False)
    _done: int = field(default=0, init=False)  # slices of the image that have their labels
    _seen: int = field(default=0, init=False)  # slices of scores that came
    _last: Floats | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.labels = np.zeros(self.grid.image.shape_kji, np.uint8 if self.classes <= 256 else np.uint16)

    def add(self, scores: Floats) -> None:
        """Take the next slices of scores, [class, k, j, i]."""
        view = self.grid.seen(self.labels)
        if self.grid.same:
            view[self._seen : self._seen + scores.shape[1]] = scores.argmax(axis=0)
            self._seen += scores.shape[1]
            return
        block = scores if self._last is None else np.concatenate((self._last, scores), axis=1)
        start = self._seen - (0 if self._last is None else 1)
        self._seen += scores.shape[1]
        self._last = scores[:, -1:].copy()
        places = self._places(2)
        ready = int(np.searchsorted(places, self._seen - 1, side="right"))
        if ready > self._done:
            wanted = [places[self._done : ready] - start, self._places(1), self._places(0)]
            view[self._done : ready] = highest(block, wanted)
            self._done = ready

    def _places(self, axis: int) -> NDArray[np.float64]:
        """Where the image's voxels lie along one of the model's axes, kept within its outermost voxels."""
        count, last = self.grid.seen_size_ijk[axis], self.grid.size_ijk[axis] - 1
        return np.clip((np.arange(count) - self.grid.offset[axis]) / self.grid.scale[axis], 0.0, last)


def highest(scores: Floats, places: list[NDArray[np.float64]]) -> NDArray[np.uint16]:
    """The class with the highest interpolated score at places along each axis; see `Labeller`.

    Most of an image lies inside one structure, so it is done in tiles: one where a single class wins needs no more.

    Parameters
    ----------
    scores
        [class, k, j, i].
    places
        Fractional indices along k, j and i, each rising.
    """
    winners = scores.argmax(axis=0).astype(np.uint16)
    labels = np.empty(tuple(len(along) for along in places), np.uint16)
    for tile in product(*(_tiles(along, count) for along, count in zip(places, winners.shape, strict=True))):
        here, there = tuple(part for part, _ in tile), tuple(part for _, part in tile)
        own = winners[there]
        if (own == own[0, 0, 0]).all():
            labels[here] = own[0, 0, 0]
        else:
            within = [along[part] - near.start for along, (part, near) in zip(places, tile, strict=True)]
            labels[here] = _highest_in(scores[(slice(None), *there)], own, within)
    return labels


def _tiles(places: NDArray[np.float64], count: int) -> list[tuple[slice, slice]]:
    """Stretches of places, each with the voxels that they are interpolated from."""
    found: list[tuple[slice, slice]] = []
    for start in range(0, len(places), TILE):
        part = slice(start, min(start + TILE, len(places)))
        low, high = int(np.floor(places[part.start])), int(np.ceil(places[part.stop - 1])) + 1
        found.append((part, slice(max(low, 0), min(high, count))))
    return found


def _highest_in(scores: Floats, winners: NDArray[np.uint16], places: list[NDArray[np.float64]]) -> NDArray[np.uint16]:
    best = np.full(tuple(len(along) for along in places), -np.inf, np.float32)
    labels = np.zeros(best.shape, np.uint16)
    for value in np.unique(winners):
        score = between(scores[value], places)
        wins = (touched(winners == value, places) & (score > best)).nonzero()
        labels[wins] = value
        best[wins] = score[wins]
    return labels


def touched(mask: NDArray[np.bool_], places: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
    """Where interpolation at these places takes anything from the mask."""
    for axis, along in enumerate(places):
        inside = np.clip(along, 0.0, mask.shape[axis] - 1.0)
        lower, upper = np.floor(inside).astype(np.intp), np.ceil(inside).astype(np.intp)
        mask = mask.take(lower, axis=axis) | mask.take(upper, axis=axis)
    return mask


def with_background(scores: Floats, threshold: float) -> Floats:
    """Scores of regions with a first class that wins where none of them is above the threshold."""
    nothing = np.full((1, *scores.shape[1:]), threshold, np.float32)
    return np.concatenate((nothing, scores))


def drop_unnamed(labels: NDArray[Any], names: Mapping[int, str], classes: int) -> None:
    """Set labels that have no name to 0, in place."""
    table = np.array([value if value in names else 0 for value in range(classes)], labels.dtype)
    for part in labels:
        part[...] = table[part]
