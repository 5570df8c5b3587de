"""From a vessel mask to the voxels of its middle lines, and the mask's holes and walls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.groups import linked_groups
from surgitwin.core.progress import Context

IntArray = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Padded:
    """A mask with an empty rim of one voxel, as the compiled loops take it.

    Attributes
    ----------
    shape
        With the rim, [k, j, i].
    flat
        0 or 1, in memory order.
    voxels
        Where ``flat`` is set, ascending.
    """

    shape: tuple[int, int, int]
    flat: NDArray[np.uint8]
    voxels: IntArray

    @staticmethod
    def of(mask: Mask) -> Padded:
        k, j, i = (n + 2 for n in mask.shape)
        grid = np.zeros((k, j, i), dtype=np.uint8)
        grid[1:-1, 1:-1, 1:-1] = mask
        flat = grid.reshape(-1)
        return Padded((k, j, i), flat, np.flatnonzero(flat.view(np.bool_)))

    def places(self, voxels: IntArray) -> IntArray:
        """[k, j, i] in the mask without its rim, (n, 3)."""
        return np.stack(np.unravel_index(voxels, self.shape), axis=1) - 1

    def without_cavities(self) -> tuple[Padded, int]:
        """This mask with the holes filled that it encloses on all sides, and how many voxels they had.

        A gap between two voxels of a row is open if a row beside it is open next to it, or holds an open gap there.
        """
        row, plane = self.shape[2], self.shape[1] * self.shape[2]
        start, stop = self._gaps()
        if start.size == 0:
            return self, 0
        outside = start.size
        pairs = [np.zeros((2, 0), dtype=np.int64)]
        for step in (row, -row, plane, -plane):
            low, high = start + step, stop + step
            first = np.searchsorted(stop, low, side="right")
            last = np.searchsorted(start, high, side="left")
            count = np.maximum(last - first, 0)
            own = np.repeat(np.arange(start.size), count)
            other = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
            opened = np.flatnonzero(self._open(low, high, row))
            pairs += [np.stack([own, other]), np.stack([opened, np.full(opened.size, outside)])]
        one, two = np.concatenate(pairs, axis=1)
        group = linked_groups(one, two, outside + 1)
        closed = np.flatnonzero(group[:-1] != group[-1])
        if closed.size == 0:
            return self, 0
        flat = self.flat.copy()
        for n in closed.tolist():
            flat[start[n] : stop[n]] = 1
        return Padded(self.shape, flat, np.flatnonzero(flat.view(np.bool_))), int((stop - start)[closed].sum())

    def _gaps(self) -> tuple[IntArray, IntArray]:
        """Background between two set voxels of one row: first voxel, and the one after the last."""
        a, b = self.voxels[:-1], self.voxels[1:]
        gap = (b - a > 1) & (a // self.shape[2] == b // self.shape[2])
        return a[gap] + 1, b[gap]

    def _open(self, low: IntArray, high: IntArray, row: int) -> NDArray[np.bool_]:
        """Whether a stretch of a row reaches beyond the row's first or last set voxel."""
        begin = low // row * row
        first = np.searchsorted(self.voxels, begin)
        behind = np.searchsorted(self.voxels, begin + row)
        some = np.append(self.voxels, 0)
        return np.asarray((first == behind) | (low < some[first]) | (high > some[behind - 1] + 1))

    def wall(self) -> IntArray:
        """The background voxels that share a face with the mask, (n, 3) [k, j, i]; some lie on the rim.

        The background voxel nearest to any point of the mask is one of them, whatever the spacing.
        """
        row, plane = self.shape[2], self.shape[1] * self.shape[2]
        found = []
        for step in (1, -1, row, -row, plane, -plane):
            beside = self.voxels + step
            found.append(beside[self.flat[beside] == 0])
        return self.places(np.unique(np.concatenate(found)))


def thinned(mask: Padded, even: bool = True, ctx: Context | None = None) -> IntArray:
    """The voxels of lines in the middle of ``mask`` that hang together as it does, (n, 3) [k, j, i] without the rim.

    By thinning in six directions (Lee, Kashyap, Chu, CVGIP 1994;56:462), of border voxels only.

    Parameters
    ----------
    even
        Take voxels in the order of `thinning_kernels.peel`, so that vessels of an even number of voxels keep their
        ends. Without it the lines are those of the paper.

    Raises
    ------
    Cancelled
    """
    from surgitwin.vessels.thinning_kernels import PLACES, peel

    ctx = ctx or Context()
    flat, voxels = mask.flat.copy(), mask.voxels
    strides = np.array([mask.shape[1] * mask.shape[2], mask.shape[2], 1])
    offsets = np.array(PLACES, dtype=np.int64) @ strides
    room = np.empty_like(voxels)
    idle = 0
    while idle < len(strides) * 2:
        ctx.check()
        idle = peel(flat, voxels, offsets, even, room[: voxels.size])
        voxels = voxels[flat[voxels] != 0]
    return mask.places(voxels)
