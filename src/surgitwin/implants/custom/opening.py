"""Where the defect of a skull is, and the opening that it leaves in the bone, seen along the bone's thickness.

What the mirrored side has and the skull has not is more than the defect: sinuses differ between the sides, and a
mirrored table of bone stands some millimetres off the real one. An opening is where no bone of the skull is left
between inside and outside, as `Opening` finds it on a map around a centre fitted to the defect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.implants.custom.made import FloatArray, Notes
from surgitwin.implants.custom.symmetry import MirrorPlane
from surgitwin.surfaces.fields import Field, from_mask, grid_around, inside
from surgitwin.surfaces.solids import standing

COARSE_MM = 1.25
_LEAST_ML = 0.1
_PLACE_MM = 15.0
# The bone's thickness where it counts as bone, and how far the mirrored bone may be from it and still be the same bone.
_BONE_MM = 1.0
_ASIDE_MM = 5.0
_CELL_MM = 1.0
# A fitted centre is no nearer and no further: beyond, the bone is flat and its thickness runs in one direction.
_NEAREST_MM, _FURTHEST_MM = 25.0, 250.0


@dataclass(frozen=True, eq=False)
class Opening:
    """A map of directions from a centre, azimuthal equidistant, mm at the defect's distance.

    Attributes
    ----------
    frame
        4x4, LPS mm: its origin is the centre, its z points to the defect's middle.
    radius_mm
        Of the defect's middle from the centre.
    outside_mm
        [v, u]: how far a cell lies outside the opening, negative within it.
    """

    frame: FloatArray
    radius_mm: float
    low_mm: FloatArray
    outside_mm: NDArray[np.float64]

    def of(self, points_mm: FloatArray) -> FloatArray:
        """How far points lie outside the opening, along the bone, mm; negative within it."""
        from scipy.ndimage import map_coordinates

        cells = (_map(self.frame, self.radius_mm, points_mm) - self.low_mm) / _CELL_MM
        return np.asarray(map_coordinates(self.outside_mm, cells.T[::-1], order=1, mode="nearest"), np.float64)


def find_defect(
    skull: Mesh, plane: MirrorPlane, sliver_mm: float, at_mm: ArrayLike | None, notes: Notes, ctx: Context
) -> FloatArray:
    """Points, a coarse step apart, where the mirrored side has bone that is further than a sliver from the skull's.

    Raises
    ------
    BadInput
        If there is no such place, or none near ``at_mm``.
    """
    from scipy.ndimage import label

    grid = grid_around(skull, COARSE_MM, 3.0)
    own = from_mask(inside(skull, grid), grid)
    ctx.check()
    there = grid.points(np.ones(grid.values.shape, np.bool_))
    mirrored = own.at(plane.mirrored(there)).reshape(grid.values.shape)
    ctx.check()
    parts, count = label((mirrored < 0.0) & (own.values > sliver_mm), np.ones((3, 3, 3)))
    if not count:
        raise BadInput(tr("No defect was found: nothing is missing on one side of the plane that the other side has."))
    sizes = np.bincount(parts.ravel())[1:] * grid.spacing_mm**3 / 1000.0
    chosen = int(np.argmax(sizes)) + 1
    if at_mm is not None:
        points = grid.points(parts > 0)
        away = np.linalg.norm(points - np.asarray(at_mm, np.float64), axis=1)
        chosen = int(parts[parts > 0][int(np.argmin(away))])
        if away.min() > _PLACE_MM:
            message = tr("No defect was found within {mm:g} mm of that place.")
            raise BadInput(message.format(mm=_PLACE_MM))
    elif count > 1 and np.sort(sizes)[-2] > 0.4 * sizes.max():
        message = tr("Several places could be the defect; the largest was taken. Name another one with its place.")
        notes.say("defect-unsure", message)
    if sizes[chosen - 1] < _LEAST_ML:
        message = tr("No defect was found: what the two sides differ in is smaller than {ml:g} ml.")
        raise BadInput(message.format(ml=_LEAST_ML))
    return grid.points(parts == chosen)


def opening_of(defect: FloatArray, grid: Field, own: Field, mirrored: Field, near: NDArray[np.bool_]) -> Opening:
    """The opening at a defect.

    Parameters
    ----------
    own, mirrored
        Distances to the skull and to its mirror image.
    near
        The grid's nodes that may belong to it.
    """
    from scipy.ndimage import binary_closing, binary_fill_holes, binary_opening, distance_transform_edt, label

    middle = defect.mean(axis=0)
    centre = _centre(defect, (own.origin_mm + own.box_mm[1]) / 2)
    frame, radius = standing(centre, middle - centre), float(np.linalg.norm(middle - centre))
    bone = near & (own.values < 0) & (mirrored.values < _ASIDE_MM)
    wanted = near & (mirrored.values < 0)
    seen = _map(frame, radius, grid.points(bone | wanted))
    low, high = seen.min(axis=0) - 8.0, seen.max(axis=0) + 8.0
    shape = tuple(np.ceil((high - low) / _CELL_MM).astype(int) + 1)[::-1]

    def depth(chosen: NDArray[np.bool_]) -> FloatArray:
        """Millimetres of bone behind each cell."""
        points = grid.points(chosen)
        u, v = np.rint((_map(frame, radius, points) - low) / _CELL_MM).astype(int).T
        scale = (radius / np.linalg.norm(points - centre, axis=1)) ** 2
        cells = np.bincount(v * shape[1] + u, weights=scale, minlength=shape[0] * shape[1]).reshape(shape)
        from scipy.ndimage import gaussian_filter

        return np.asarray(gaussian_filter(cells, 0.6) * grid.spacing_mm**3 / _CELL_MM**2)

    bare = (depth(bone) < _BONE_MM) & (depth(wanted) > 0.3)
    disk = np.hypot(*np.mgrid[-2:3, -2:3]) <= 2.0
    bare = binary_fill_holes(binary_opening(binary_closing(bare, disk), disk))
    parts, count = label(bare)
    if count:
        u, v = np.rint((_map(frame, radius, defect) - low) / _CELL_MM).astype(int).T
        inside_map = (u >= 0) & (v >= 0) & (u < shape[1]) & (v < shape[0])
        votes = np.bincount(parts[v[inside_map], u[inside_map]], minlength=count + 1)
        votes[0] = 0
        bare = parts == int(np.argmax(votes)) if votes.any() else bare
    if not bare.any():
        # No hole goes through the bone: what is missing is a part of its thickness, and all of it is wanted.
        return Opening(frame, radius, low, np.full(shape, -np.inf))
    outside = distance_transform_edt(~bare) - distance_transform_edt(bare)
    return Opening(frame, radius, low, np.asarray((outside - np.sign(outside) * 0.5) * _CELL_MM, np.float64))


def _centre(defect: FloatArray, inner: FloatArray) -> FloatArray:
    """Of the sphere nearest to the points; of flat ones far behind them, on the side of ``inner``."""
    middle = defect.mean(axis=0)
    rows = defect - middle
    fit, *_ = np.linalg.lstsq(np.column_stack((2.0 * rows, np.ones(len(rows)))), (rows**2).sum(axis=1), rcond=None)
    way, radius = fit[:3], float(np.linalg.norm(fit[:3]))
    if not _NEAREST_MM <= radius <= _FURTHEST_MM:
        way = np.linalg.svd(rows[:: max(len(rows) // 5000, 1)], full_matrices=False)[2][2]
        way = way if way @ (inner - middle) >= 0 else -way
        radius = min(max(radius, _NEAREST_MM), _FURTHEST_MM) if radius > 0 else _FURTHEST_MM
    return np.asarray(middle + way / np.linalg.norm(way) * radius)


def _map(frame: FloatArray, radius_mm: float, points_mm: FloatArray) -> FloatArray:
    """Places on the map, (n, 2) mm."""
    local = (points_mm - frame[:3, 3]) @ frame[:3, :3]
    across = np.hypot(local[:, 0], local[:, 1])
    angle = np.arctan2(across, local[:, 2])
    return np.asarray(local[:, :2] * (radius_mm * angle / np.where(across > 0, across, 1.0))[:, None])
