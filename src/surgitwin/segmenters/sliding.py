"""Run a network patch by patch over an image, and put its answers together on the image's own grid.

Where patches overlap their answers are averaged, weighted by a Gaussian that is highest in a patch's middle. Only the
slices that the present row of patches can still change are held, so memory does not grow with the image's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmenters.grids import ModelGrid, between

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
                if not np.isfinite(answer).all():
                    raise BadInput(tr("The network's answer for this image is not a number: it does not suit it."))
                if held.size == 0:
                    held = np.zeros((answer.shape[0], depth, *padded.shape[1:]), np.float32)
                    total = np.zeros((depth, *padded.shape[1:]), np.float32)
                held[:, :, j : j + height, i : i + width] += answer * weights
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
    labels
        uint16, on the image's grid, [k, j, i].
    """

    grid: ModelGrid
    labels: NDArray[np.uint16] = field(init=False)
    _done: int = field(default=0, init=False)  # slices of the image that have their labels
    _seen: int = field(default=0, init=False)  # slices of scores that came
    _last: Floats | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.labels = np.zeros(self.grid.image.shape_kji, np.uint16)

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

    Parameters
    ----------
    scores
        [class, k, j, i].
    places
        Fractional indices along k, j and i, each rising.
    """
    shape = tuple(len(along) for along in places)
    winners = scores.argmax(axis=0)
    best = np.full(shape, -np.inf, np.float32)
    labels = np.zeros(shape, np.uint16)
    for value in np.unique(winners):
        mask = winners == value
        near: list[slice] = []
        for axis, along in enumerate(places):
            hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
            near.append(slice(*np.searchsorted(along, (hit[0] - 1, hit[-1] + 1), side="left").tolist()))
        box = tuple(near)
        own = [along[part] for along, part in zip(places, box, strict=True)]
        score, touched = between(scores[value], own), between(mask.astype(np.float32), own)
        wins = (touched > 0) & (score > best[box])
        labels[box][wins] = value
        best[box][wins] = score[wins]
    return labels


def with_background(scores: Floats, threshold: float) -> Floats:
    """Scores of regions with a first class that wins where none of them is above the threshold."""
    nothing = np.full((1, *scores.shape[1:]), threshold, np.float32)
    return np.concatenate((nothing, scores))


def named_only(labels: NDArray[np.uint16], names: dict[int, str], channels: int) -> NDArray[Any]:
    """The labels without values that have no name."""
    table = np.array([value if value in names else 0 for value in range(channels)], np.uint16)
    return table[labels]
