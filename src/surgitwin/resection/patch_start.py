"""Bézier patches to begin with: through a drawn line or ring, along a border between voxels, around a lesion.

Each is a first proposal that a person drags into place. How near it comes to what it was made from is returned with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.text import tr
from surgitwin.resection.bezier import BezierPatch, bernstein
from surgitwin.resection.margins import LesionSurface
from surgitwin.resection.patch_check import distance_mm

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Point = tuple[float, float, float]

SIZE = 6
_BEYOND_MM = 8.0  # how far a patch reaches past what it was made from
_NEAR_MM = 25.0
_SMOOTH = 1e-3
_CALM_RING = 1e-5
_TRIES = 40
_CLOSE_MM = 0.02
_FEW = 3000  # points of a lesion are enough to lay out a bowl
_BOWL_CELLS = 40
_LEAN = 0.7


@dataclass(frozen=True, eq=False)
class PatchStart:
    """A patch and a point on the side that goes.

    Attributes
    ----------
    rms_mm, largest_mm
        How far it lies from the line, ring or border that it was made from.
    margin_mm
        Its smallest distance to the lesion that it was made around; None if it was not.
    """

    patch: BezierPatch
    remove_point_mm: Point
    rms_mm: float
    largest_mm: float
    margin_mm: float | None = None


def inward(points_mm: FloatArray, organ_mm: FloatArray) -> FloatArray:
    """The way from a line on an organ's surface into the organ, a unit vector.

    Parameters
    ----------
    points_mm, organ_mm
        (n, 3) of the line, and (m, 3) centres of the organ's voxels, LPS.

    Raises
    ------
    BadInput
        If the organ is nowhere near the line.
    """
    from scipy.spatial import cKDTree

    away = cKDTree(points_mm).query(organ_mm, distance_upper_bound=_NEAR_MM)[0]
    near = organ_mm[np.isfinite(away)]
    if len(near) == 0:
        raise BadInput(tr("The drawn line is not on the organ: no part of the organ is within 25 mm of it."))
    way = near.mean(axis=0) - points_mm.mean(axis=0)
    length = float(np.linalg.norm(way))
    if length < 1e-6:
        way = organ_mm.mean(axis=0) - points_mm.mean(axis=0)
        length = max(float(np.linalg.norm(way)), 1e-9)
    return np.asarray(way / length)


def from_line(line_mm: ArrayLike, organ: BoolArray, box: Box, geometry: Geometry) -> PatchStart:
    """A patch that holds a line drawn across an organ and goes straight in and through.

    The smaller part of the organ goes.

    Raises
    ------
    BadInput
        If the line has fewer than two points or no length, or is not on the organ.
    """
    line = np.asarray(line_mm, dtype=np.float64).reshape(-1, 3)
    _check_length(line, 2)
    voxels = _voxels(organ, box, geometry)
    way = inward(line, voxels)
    depth = (voxels - line.mean(axis=0)) @ way
    along = _resampled(line, 40)
    reach = np.array([min(float(depth.min()), 0.0) - _BEYOND_MM, float(depth.max()) + _BEYOND_MM])
    # A curve of the patch's degree through the line, then the same at every depth.
    t = np.linspace(0.0, 1.0, len(along))
    flat = along - ((along - along[0]) @ way)[:, None] * way
    curve = _fitted_curve(t, flat)
    level = float(((along - along[0]) @ way).mean())
    depths = level + np.linspace(reach[0], reach[1], SIZE)
    patch = BezierPatch(curve[:, None, :] + depths[None, :, None] * way)
    away = np.linalg.norm(bernstein(SIZE - 1, t) @ curve - flat, axis=1)
    return PatchStart(patch, _smaller_side(patch, voxels), _rms(away), float(away.max()))


def from_ring(ring_mm: ArrayLike, organ: BoolArray, box: Box, geometry: Geometry) -> PatchStart:
    """A patch through a ring drawn on an organ, as calm as it can be inside the ring and beyond it.

    The smaller part of the organ goes.

    Raises
    ------
    BadInput
        If the ring has fewer than three points or no length, or is not on the organ.
    """
    ring = np.asarray(ring_mm, dtype=np.float64).reshape(-1, 3)
    _check_length(ring, 3)
    voxels = _voxels(organ, box, geometry)
    inward(ring, voxels)
    around = _resampled(np.concatenate([ring, ring[:1]]), 129)[:-1]
    middle = around.mean(axis=0)
    axes = np.linalg.svd(around - middle, full_matrices=False)[2]
    patch, away = _height_field(around, middle, axes, smooth=_CALM_RING)
    return PatchStart(patch, _smaller_side(patch, voxels), _rms(away), float(np.abs(away).max()))


def from_border(removed: BoolArray, organ: BoolArray, box: Box, geometry: Geometry) -> PatchStart:
    """A patch along the border between a removed part of an organ and the rest, smoothed.

    Raises
    ------
    BadInput
        If nothing or all of the organ is removed.
    """
    gone, kept = organ & removed, organ & ~removed
    faces = []
    for axis in range(3):
        first = tuple(slice(0, -1) if one == axis else slice(None) for one in range(3))
        second = tuple(slice(1, None) if one == axis else slice(None) for one in range(3))
        kji = np.argwhere((gone[first] & kept[second]) | (kept[first] & gone[second])).astype(np.float64)
        kji[:, axis] += 0.5
        faces.append(kji[:, ::-1])
    border = np.concatenate(faces)
    if len(border) == 0:
        raise BadInput(tr("The territories have no border within the organ: nothing or all of it goes."))
    points = geometry.to_lps(border + np.asarray(box.start))
    middle = points.mean(axis=0)
    axes = np.linalg.svd(points - middle, full_matrices=False)[2]
    patch, away = _height_field(points, middle, axes)
    removed_mm, kept_mm = (_voxels(part, box, geometry) for part in (gone, kept))
    heights = (removed_mm - middle) @ axes[2]
    # The side on which more of what goes and less of what stays lies, as shares of each.
    above = np.mean(heights > 0) - np.mean((kept_mm - middle) @ axes[2] > 0)
    x, y, z = (float(value) for value in removed_mm[int(np.argmax(heights if above >= 0 else -heights))])
    return PatchStart(patch, (x, y, z), _rms(away), float(np.abs(away).max()))


def around_lesion(
    lesion: LesionSurface, margin_mm: float, organ: BoolArray, box: Box, geometry: Geometry
) -> PatchStart:
    """A bowl around a lesion, open towards the nearest surface of the organ, that keeps a margin and hardly more.

    Its wall leans out by 45 degrees. It comes as near to the lesion as a patch of 6 by 6 control points can without
    coming nearer than the margin anywhere; `PatchStart.margin_mm` is measured from its triangles.

    Raises
    ------
    BadInput
        If the organ has no voxel, or the bowl does not keep the margin however deep it is laid.
    """
    from scipy.spatial import cKDTree

    if not organ.any():
        raise BadInput(tr("The organ has no voxel; segment it first."))
    rim = _rim(organ, box, geometry)
    nearest = rim[int(cKDTree(rim).query(lesion.centre)[1])]
    way = nearest - lesion.centre
    length = float(np.linalg.norm(way))
    way = way / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])
    axes = np.stack([*_across(way), way])
    # Voxels of the lesion must not end up on the patch itself, whatever margin was asked for.
    wanted = max(margin_mm, max(geometry.spacing_mm) / 2)
    patch = _bowl(lesion, wanted, axes)
    for _ in range(_TRIES):
        found = least_distance_mm(lesion, patch)
        short = wanted - found
        if -_CLOSE_MM <= short <= 0.0:
            break
        # A way towards the lesion shortens the distance by no more than itself; deeper, a little more is needed.
        patch = patch.moved((0.98 * short if short < 0.0 else 1.3 * short + 0.2 * _CLOSE_MM) * -way)
    if found < wanted:
        raise BadInput(tr("No surface around the lesion keeps {mm:g} mm. Try a smaller margin.").format(mm=margin_mm))
    x, y, z = (float(value) for value in lesion.xyz[:, int(np.argmax(lesion.along(way)))])
    return PatchStart(patch, (x, y, z), 0.0, 0.0, found)


def _bowl(lesion: LesionSurface, wanted: float, axes: FloatArray) -> BezierPatch:
    """The highest patch over the plane of the first two axes that keeps below the surface `wanted` around a lesion.

    Below a point of the lesion that surface is a ball's lower half, from 45 degrees on a cone; of all points the lowest
    counts. To be as high as can be, in all, and nowhere above is a linear programme for the heights.
    """
    from scipy.optimize import linprog

    local = ((lesion.xyz.T - lesion.centre) @ axes.T)[:: max(lesion.xyz.shape[1] // _FEW, 1)]
    wide = float(np.hypot(local[:, 0], local[:, 1]).max()) + wanted
    half = 1.6 * wide + _BEYOND_MM
    t = np.linspace(0.0, 1.0, _BOWL_CELLS + 1)
    side = half * (2.0 * t - 1.0)
    bend = wanted / np.sqrt(2.0)
    shell = np.full((len(t), len(t)), np.inf)
    for part in np.array_split(local, max(len(local) // 64, 1)):
        away = np.hypot(side[:, None, None] - part[:, 0], side[None, :, None] - part[:, 1])
        under = np.where(away < bend, -np.sqrt(np.maximum(wanted**2 - away**2, 0.0)), away - 2 * bend)
        shell = np.minimum(shell, (under + part[:, 2]).min(axis=-1))
    basis = bernstein(SIZE - 1, t)
    heights_at = (basis[:, None, :, None] * basis[None, :, None, :]).reshape(len(t) ** 2, SIZE**2)
    # What lies under the lesion counts most.
    beside = np.maximum(np.hypot(side[:, None], side[None, :]) - wide, 0.0) / wide
    weight = np.exp(-3.0 * beside).reshape(-1)
    top = float(shell.max())
    # Drawn on past its edges it must go on opening: its slope outwards there, by the first two rows of control points.
    slope = (SIZE - 1) / (2.0 * half)
    outwards = np.zeros((2, SIZE))
    outwards[0, :2], outwards[1, -2:] = (slope, -slope), (-slope, slope)
    edges = np.concatenate([np.kron(-outwards, basis), np.kron(basis, -outwards)])
    solved = linprog(
        -(weight @ heights_at) / weight.sum(),
        A_ub=np.concatenate([heights_at, edges]),
        b_ub=np.concatenate([shell.reshape(-1) - top, np.full(len(edges), -_LEAN)]),
        bounds=(None, None),
        method="highs",
    )
    if not solved.success:
        raise BadInput(tr("No surface could be laid around the lesion. Draw a ring around it instead."))
    x = np.linspace(-half, half, SIZE)
    grid = np.stack([*np.meshgrid(x, x, indexing="ij"), solved.x.reshape(SIZE, SIZE) + top], axis=-1)
    return BezierPatch(lesion.centre + grid @ axes)


def least_distance_mm(lesion: LesionSurface, patch: BezierPatch) -> float:
    """The smallest distance between a lesion's surface points and a patch's triangles; exact."""
    t = np.linspace(0.0, 1.0, patch.steps() + 1)
    at = patch.at(t, t)
    a, b, c, d = at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]
    triangles = np.concatenate([np.stack(three, axis=2).reshape(-1, 3, 3) for three in ((a, b, c), (a, c, d))])
    middle = triangles.mean(axis=1)
    radius = np.linalg.norm(triangles - middle[:, None], axis=2).max(axis=1)
    away = lesion.tree.query(middle)[0]
    least = float(away.min())
    # Only a triangle whose middle is nearer than the least distance and its own radius can hold a nearer place.
    order = np.argsort(away - radius)
    for part in np.array_split(order, max(len(order) // 64, 1)):
        part = part[away[part] - radius[part] < least]
        if len(part) == 0:
            break
        near = lesion.tree.query_ball_point(middle[part], least + radius[part])
        which = np.repeat(part, [len(one) for one in near])
        if len(which):
            points = lesion.xyz[:, np.concatenate(near).astype(np.int64)].T
            least = min(least, float(distance_mm(points, triangles[which]).min()))
    return least


def fitted_patch(grid_mm: FloatArray, rows: int = SIZE, columns: int = SIZE) -> BezierPatch:
    """The patch that comes nearest to a grid of points, (n, m, 3), in the sense of least squares."""
    u, v = (np.linspace(0.0, 1.0, count) for count in grid_mm.shape[:2])
    by_u, by_v = np.linalg.pinv(bernstein(rows - 1, u)), np.linalg.pinv(bernstein(columns - 1, v))
    return BezierPatch(np.stack([by_u @ grid_mm[..., axis] @ by_v.T for axis in range(3)], axis=-1))


def _height_field(
    points: FloatArray, middle: FloatArray, axes: FloatArray, smooth: float = _SMOOTH
) -> tuple[BezierPatch, FloatArray]:
    """A patch over the plane of the first two axes, its height along the third fitted to points; and how far they are.

    ``smooth`` weighs second differences of the control points, so that it stays calm where there are no points.
    """
    local = (points - middle) @ axes.T
    low, high = local[:, :2].min(axis=0) - _BEYOND_MM, local[:, :2].max(axis=0) + _BEYOND_MM
    t = (local[:, :2] - low) / (high - low)
    by_u, by_v = bernstein(SIZE - 1, t[:, 0]), bernstein(SIZE - 1, t[:, 1])
    basis = (by_u[:, :, None] * by_v[:, None, :]).reshape(len(points), -1)
    bend = np.diff(np.eye(SIZE), n=2, axis=0)
    calm = np.concatenate([np.kron(bend, np.eye(SIZE)), np.kron(np.eye(SIZE), bend)])
    weight = np.sqrt(max(smooth, 1e-9) * len(points))
    whole = np.concatenate([basis, weight * calm])
    heights = np.linalg.lstsq(whole, np.concatenate([local[:, 2], np.zeros(len(calm))]), rcond=None)[0]
    x, y = (np.linspace(a, b, SIZE) for a, b in zip(low, high, strict=True))
    grid = np.stack([*np.meshgrid(x, y, indexing="ij"), heights.reshape(SIZE, SIZE)], axis=-1)
    return BezierPatch(middle + grid @ axes), basis @ heights - local[:, 2]


def _fitted_curve(t: FloatArray, points: FloatArray) -> FloatArray:
    """Control points of the Bézier curve nearest to points, its ends on theirs."""
    basis = bernstein(SIZE - 1, t)
    ends = basis[:, [0, -1]] @ points[[0, -1]]
    inner = np.linalg.lstsq(basis[:, 1:-1], points - ends, rcond=None)[0]
    return np.concatenate([points[:1], inner, points[-1:]])


def _resampled(line: FloatArray, count: int) -> FloatArray:
    """Points evenly along a line."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], count)
    return np.stack([np.interp(at, along, line[:, axis]) for axis in range(3)], axis=1)


def _check_length(line: FloatArray, least: int) -> None:
    if len(line) < least or np.linalg.norm(np.diff(line, axis=0), axis=1).sum() < 1.0:
        raise BadInput(tr("The drawn line is too short: draw it over the organ's surface."))


def _voxels(organ: BoolArray, box: Box, geometry: Geometry) -> FloatArray:
    """Centres of the organ's voxels, thinned out to some tens of thousands."""
    kji = np.argwhere(organ)
    kji = kji[:: max(len(kji) // 40_000, 1)]
    return geometry.to_lps(kji[:, ::-1] + np.asarray(box.start))


def _rim(organ: BoolArray, box: Box, geometry: Geometry) -> FloatArray:
    """Centres of the organ's outermost voxels."""
    from scipy import ndimage

    inner = ndimage.binary_erosion(organ)
    return geometry.to_lps(np.argwhere(organ & ~inner)[:, ::-1] + np.asarray(box.start))


def _smaller_side(patch: BezierPatch, voxels: FloatArray) -> Point:
    """A point beside the patch's middle, on the side of which there is less of the organ."""
    half = np.array([0.5])
    middle = patch.at(half, half)[0, 0]
    by_u, by_v = patch.slopes(half, half)
    normal = np.cross(by_u[0, 0], by_v[0, 0])
    length = float(np.linalg.norm(normal))
    normal = normal / length if length > 0 else np.array([0.0, 0.0, 1.0])
    more = np.count_nonzero((voxels - middle) @ normal > 0) * 2 > len(voxels)
    x, y, z = (float(value) for value in middle + (-2.0 if more else 2.0) * normal)
    return x, y, z


def _across(direction: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors at right angles to a unit vector and to each other."""
    helper = np.zeros(3)
    helper[int(np.argmin(np.abs(direction)))] = 1.0
    first = np.cross(direction, helper)
    first /= np.linalg.norm(first)
    return first, np.cross(direction, first)


def _rms(away: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(away))))
