"""The grid that a network works on, and the way from the image to it and back.

Its axes are the image's own, in the order and the directions that the model wants, so that nothing is turned and each
axis is resampled by itself; that is how such networks are trained. The middle of both grids is the same point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.segmenters.manifest import ModelInput

SAME = 1e-3  # spacings that differ by less than this part are the same
SLAB = 16  # slices resampled at a time
_SIDES = {
    "L": (1, 0, 0),
    "R": (-1, 0, 0),
    "P": (0, 1, 0),
    "A": (0, -1, 0),
    "S": (0, 0, 1),
    "I": (0, 0, -1),
}


@dataclass(frozen=True)
class ModelGrid:
    """Where the model's voxels lie in the image.

    Attributes
    ----------
    image
        The grid of the image.
    axes
        The axis of the image (0 is i) that each of the model's axes i, j, k runs along.
    flipped
        Whether it runs the other way.
    size_ijk
        Voxels of the model's grid.
    scale, offset
        ``scale * index + offset`` along each of the model's axes is the index in the image, counted from the end at
        which the model's axis starts.
    """

    image: Geometry
    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    size_ijk: tuple[int, int, int]
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]

    @staticmethod
    def of(image: Geometry, wanted: ModelInput) -> ModelGrid:
        """The grid on which a model that wants this sees an image."""
        axes, flipped = _nearest_axes(image, wanted.orientation)
        sizes: list[int] = []
        scales: list[float] = []
        offsets: list[float] = []
        for own, axis in enumerate(axes):
            count, spacing = image.size_ijk[axis], image.spacing_mm[axis]
            ratio = 1.0 if wanted.spacing_mm is None else wanted.spacing_mm[own] / spacing
            if abs(ratio - 1.0) < SAME:
                ratio = 1.0
            size = count if ratio == 1.0 else max(1, round(count / ratio))
            sizes.append(size)
            scales.append(ratio)
            offsets.append((count - 1) / 2 - ratio * (size - 1) / 2)
        return ModelGrid(image, axes, flipped, _three(sizes), _three(scales), _three(offsets))

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        i, j, k = self.size_ijk
        return k, j, i

    @property
    def seen_size_ijk(self) -> tuple[int, int, int]:
        """Voxels of the image along the model's axes."""
        return _three([self.image.size_ijk[axis] for axis in self.axes])

    @property
    def same(self) -> bool:
        """True if every voxel of the model is one of the image."""
        return self.scale == (1.0, 1.0, 1.0)

    @property
    def geometry(self) -> Geometry:
        """The model's grid in LPS millimetres."""
        affine = np.array(self.image.affine_lps)
        columns = np.zeros((4, 4))
        columns[3, 3] = 1.0
        for own, axis in enumerate(self.axes):
            last = self.image.size_ijk[axis] - 1
            sign = -1.0 if self.flipped[own] else 1.0
            columns[axis, own] = sign * self.scale[own]
            columns[axis, 3] = last - self.offset[own] if self.flipped[own] else self.offset[own]
        return Geometry.from_affine(self.size_ijk, affine @ columns)

    def seen(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """A view of an array on the image's grid with its axes as the model has them; writing into it writes there."""
        order = [2 - self.axes[2 - axis] for axis in range(3)]
        steps = tuple(slice(None, None, -1) if self.flipped[2 - axis] else slice(None) for axis in range(3))
        return voxels.transpose(order)[steps]

    def sample(
        self, voxels: NDArray[Any], clip: tuple[float, float] | None, ctx: Context, message: str
    ) -> NDArray[np.float32]:
        """The image on the model's grid, [k, j, i]: linear between voxels, the nearest voxel beyond the outermost.

        Parameters
        ----------
        voxels
            [k, j, i] on the image's grid.
        clip
            Values are brought into this range before they are mixed.
        """
        view = self.seen(voxels)
        found = np.empty(self.shape_kji, np.float32)
        scale, offset = self.scale[::-1], self.offset[::-1]
        for start in range(0, found.shape[0], SLAB):
            stop = min(start + SLAB, found.shape[0])
            low = max(int(np.floor(scale[0] * start + offset[0])), 0)
            high = min(int(np.ceil(scale[0] * (stop - 1) + offset[0])) + 1, view.shape[0])
            part = np.ascontiguousarray(view[low:high], dtype=np.float32)
            if clip is not None:
                np.clip(part, *clip, out=part)
            if self.same:
                found[start:stop] = part
            else:
                rows = (np.arange(start, stop), *(np.arange(count) for count in found.shape[1:]))
                ends = (offset[0] - low, *offset[1:])
                places = [scale[axis] * rows[axis] + ends[axis] for axis in range(3)]
                found[start:stop] = between(part, places)
            ctx.progress(stop / found.shape[0], message)
        return found


def between(values: NDArray[np.float32], places: Sequence[NDArray[np.floating[Any]]]) -> NDArray[np.float32]:
    """Values between voxels, linear along each axis by itself; beyond the outermost voxel its value.

    Parameters
    ----------
    values
        Any three axes.
    places
        For each axis the fractional indices wanted; the result has their counts as its shape. A whole index gives that
        voxel's value, to the last bit.
    """
    for axis, wanted in enumerate(places):
        count = values.shape[axis]
        inside = np.clip(wanted, 0.0, count - 1.0)
        lower = np.minimum(np.floor(inside).astype(np.intp), max(count - 2, 0))
        part = (inside - lower).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        if not part.any() and np.array_equal(lower, np.arange(count)):
            continue
        upper = np.minimum(lower + 1, count - 1)
        mixed = values.take(lower, axis=axis)
        mixed *= 1.0 - part
        mixed += values.take(upper, axis=axis) * part
        values = mixed
    return values


def _nearest_axes(image: Geometry, orientation: str) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Which axis of the image each of the model's axes is, and whether it runs the other way.

    All three are matched at once: near 45 degrees two axes of the image may both be nearest to one side.
    """
    wanted = np.array([_SIDES[letter] for letter in orientation], dtype=np.float64)
    cosines = wanted @ image.direction  # [model's axis, image's axis]
    best = max(permutations(range(3)), key=lambda order: sum(abs(cosines[own, axis]) for own, axis in enumerate(order)))
    turned = tuple(bool(cosines[own, axis] < 0) for own, axis in enumerate(best))
    return best, turned  # type: ignore[return-value]


def _three(values: list[Any]) -> tuple[Any, Any, Any]:
    first, second, third = values
    return first, second, third
