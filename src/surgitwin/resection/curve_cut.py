"""Cuts along a line drawn on an organ, straight in: a curtain, or for a ring a tube."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.text import tr
from surgitwin.resection.patch_check import as_floats, check_places, check_side
from surgitwin.resection.surface_cut import SurfaceCut

FloatArray = NDArray[np.float64]
_SAME_MM = 1e-6
_STRAIGHT = 8.0  # an open line's ends go on in the direction of their last millimetres


@dataclass(frozen=True, eq=False)
class DrawnCurve:
    """A line, (n, 3) LPS mm, and the direction in which it goes into the organ.

    Attributes
    ----------
    direction
        A unit vector; seen along it the line does not cross itself.
    depth_mm
        How deep the cut goes from the line's shallowest point; None for through and through.
    """

    points_mm: FloatArray
    closed: bool
    direction: FloatArray
    depth_mm: float | None

    @staticmethod
    def of(points_mm: Any, closed: bool, direction: Any, depth_mm: Any = None) -> DrawnCurve:
        """Checked; doubled points are dropped.

        Raises
        ------
        BadInput
            If there are too few points, a number is none, the direction has no length, or the line crosses itself.
        """
        points, along = _numbers(points_mm), _numbers(direction)
        if points.ndim != 2 or points.shape[1:] != (3,) or not np.isfinite(points).all():
            raise BadInput(tr("“points_mm” must be a list of places x, y, z in LPS mm."))
        if along.shape != (3,) or not np.isfinite(along).all() or np.linalg.norm(along) < _SAME_MM:
            raise BadInput(tr("“direction” must be x, y, z: the way into the organ, LPS."))
        depth = None if depth_mm is None else float(_numbers(depth_mm)) if np.ndim(depth_mm) == 0 else np.nan
        if depth is not None and not (np.isfinite(depth) and depth > 0):
            raise BadInput(tr("“depth_mm” must be a distance above 0, or left out for through and through."))
        if depth is not None and not closed:
            raise BadInput(tr("Only a ring has a depth; a line across the organ goes through and through."))
        check_places(points, tr("A point of the drawn line"))
        along = along / np.linalg.norm(along)
        flat = points - (points @ along)[:, None] * along
        keep = np.ones(len(points), dtype=np.bool_)
        keep[1:] = np.linalg.norm(np.diff(flat, axis=0), axis=1) > _SAME_MM
        if closed and keep.sum() > 1 and np.linalg.norm(flat[keep][0] - flat[keep][-1]) <= _SAME_MM:
            keep[np.flatnonzero(keep)[-1]] = False
        least = 3 if closed else 2
        if keep.sum() < least:
            raise BadInput(tr("A drawn line needs {least} different points at least.").format(least=least))
        curve = DrawnCurve(points[keep], closed, along, depth)
        if curve._crosses_itself():
            raise BadInput(tr("The drawn line crosses itself. Draw it again without a loop."))
        return curve

    def _flat(self) -> FloatArray:
        """The line seen along its direction, (n, 2)."""
        first, second = _across(self.direction)
        return np.stack([self.points_mm @ first, self.points_mm @ second], axis=1)

    def _crosses_itself(self) -> bool:
        line = self._flat()
        ends = np.roll(line, -1, axis=0) if self.closed else line[1:]
        starts = line if self.closed else line[:-1]
        count = len(starts)
        for one in range(count):
            others = np.arange(one + 2, count - (1 if self.closed and one == 0 else 0))
            if len(others) and _meet(starts[one], ends[one], starts[others], ends[others]).any():
                return True
        return False


def _numbers(value: Any) -> FloatArray:
    floats = as_floats(value)
    return np.full(1, np.nan) if floats is None else floats


def _across(direction: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors at right angles to a unit vector and to each other."""
    helper = np.zeros(3)
    helper[int(np.argmin(np.abs(direction)))] = 1.0
    first = np.cross(direction, helper)
    first /= np.linalg.norm(first)
    return first, np.cross(direction, first)


def _meet(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> NDArray[np.bool_]:
    """Whether the stretch a-b meets any of the stretches c-d in the plane."""

    def side(p: FloatArray, q: FloatArray, r: FloatArray) -> FloatArray:
        return np.asarray(
            (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        )

    # Stretches of one straight line have no sides: there only what lies beside each other tells that they are apart.
    apart = (np.maximum(a, b) < np.minimum(c, d)) | (np.maximum(c, d) < np.minimum(a, b))
    crossed = (side(a, b, c) * side(a, b, d) <= 0) & (side(c, d, a) * side(c, d, b) <= 0)
    return np.asarray(crossed & ~apart.any(axis=-1))


def curve_cut(
    curve: DrawnCurve, box: Box, geometry: Geometry, remove_point_mm: tuple[float, float, float] | None = None
) -> SurfaceCut:
    """The curtain or tube along a drawn line, through a whole box.

    An open line goes on straight at both ends. A ring with a depth has a floor there: what lies deeper stays.

    Parameters
    ----------
    remove_point_mm
        A point on the side that goes; None for a ring, of which the inside goes.

    Raises
    ------
    BadInput
        If it is an open line and no side was given, if drawn on straight it meets itself in the box, or if the point
        that says which side goes lies on it.
    """
    corners = geometry.to_lps(_corners(box))
    everything = np.concatenate([curve.points_mm, corners])
    far = 2.0 * float(np.linalg.norm(everything.max(axis=0) - everything.min(axis=0))) + 1.0
    line = curve.points_mm
    if not curve.closed:
        if remove_point_mm is None:
            raise BadInput(tr("Say which side of the drawn line goes: a point on it."))
        line = _drawn_on(line, curve.direction, far)
        _check_ends(line, curve.direction, box, geometry)
    if curve.depth_mm is None:
        points, triangles = _walls(line, curve.closed, curve.direction, (-far, far))
    else:
        line = line - ((line - line[0]) @ curve.direction)[:, None] * curve.direction
        shallowest = float(((curve.points_mm - line[0]) @ curve.direction).min())
        points, triangles = _walls(line, True, curve.direction, (-far, shallowest + curve.depth_mm))
        floor = len(line) + _ears(curve._flat())
        triangles = np.concatenate([triangles, floor.astype(np.int32)])
    cut = SurfaceCut(points, triangles, remove_point_mm or _inside(curve, line), len(triangles))
    return check_side(cut)


def _corners(box: Box) -> FloatArray:
    low, high = np.asarray(box.start) - 1.5, np.asarray(box.stop) + 0.5
    return np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]) * (high - low) + low


def _drawn_on(line: FloatArray, direction: FloatArray, far: float) -> FloatArray:
    """The line with a far point at each end, straight on as its last millimetres run."""
    return np.concatenate([_beyond(line, direction, far), line, _beyond(line[::-1], direction, far)])


def _beyond(line: FloatArray, direction: FloatArray, far: float) -> FloatArray:
    """A far point before the line's first, (1, 3)."""
    flat = line - (line @ direction)[:, None] * direction
    away = np.linalg.norm(flat - flat[0], axis=1)
    enough = np.flatnonzero(away >= min(_STRAIGHT, away.max()))
    along = flat[0] - flat[int(enough[0])]
    return np.asarray(line[:1] + far * along / np.linalg.norm(along))


def _check_ends(line: FloatArray, direction: FloatArray, box: Box, geometry: Geometry) -> None:
    """Refuse a line, drawn on at both ends, whose straight ends meet it or each other where that is in the box."""
    first, second = _across(direction)
    flat = np.stack([line @ first, line @ second], axis=1)
    starts, ends = flat[:-1], flat[1:]
    for one, others in ((0, np.arange(2, len(starts))), (len(starts) - 1, np.arange(1, len(starts) - 2))):
        for other in others[_meet(starts[one], ends[one], starts[others], ends[others])]:
            a, b, c, d = starts[one], ends[one], starts[other], ends[other]
            ahead, across = b - a, d - c
            turn = float(ahead[0] * across[1] - ahead[1] * across[0])
            share = 0.0 if turn == 0.0 else float((c - a)[0] * across[1] - (c - a)[1] * across[0]) / turn
            # On one straight line they meet where the other one begins.
            place = line[other] if turn == 0.0 else line[one] + share * (line[one + 1] - line[one])
            if _through(place, direction, box, geometry):
                raise BadInput(
                    tr("Drawn on straight past its ends, the line crosses itself within the organ. Let its ends part.")
                )


def _through(place: FloatArray, direction: FloatArray, box: Box, geometry: Geometry) -> bool:
    """Whether the straight line through a place passes through a box and a voxel around it."""
    start, along = geometry.to_index(np.stack([place, place + direction]))
    along = along - start
    low, high = np.asarray(box.start) - 1.0, np.asarray(box.stop, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (low - start) / along, (high - start) / along
    still = along == 0.0
    enter = np.where(still, np.where((start >= low) & (start <= high), -np.inf, np.inf), np.minimum(one, other))
    leave = np.where(still, np.inf, np.maximum(one, other))
    return bool(enter.max() <= leave.min())


def _walls(
    line: FloatArray, closed: bool, direction: FloatArray, reach: tuple[float, float]
) -> tuple[FloatArray, NDArray[np.int32]]:
    """A strip of triangles along the line, from one place along the direction to another."""
    n = len(line)
    points = np.concatenate([line + reach[0] * direction, line + reach[1] * direction])
    a = np.arange(n if closed else n - 1)
    b = (a + 1) % n
    triangles = np.concatenate([np.stack([a, b, a + n], axis=1), np.stack([b, b + n, a + n], axis=1)])
    return points, triangles.astype(np.int32)


def _ears(corners: FloatArray) -> NDArray[np.int64]:
    """A simple polygon, (n, 2), as triangles, (n - 2, 3): ears are cut off one by one (Meisters, 1975)."""
    turn = np.sum(corners[:, 0] * np.roll(corners[:, 1], -1) - corners[:, 1] * np.roll(corners[:, 0], -1))
    left = list(range(len(corners)) if turn > 0 else reversed(range(len(corners))))
    triangles: list[tuple[int, int, int]] = []
    while len(left) > 3:
        ear = next((n for n in range(len(left)) if _is_ear(corners, left, n)), 0)
        triangles.append((left[ear - 1], left[ear], left[(ear + 1) % len(left)]))
        left.pop(ear)
    triangles.append((left[0], left[1], left[2]))
    return np.array(triangles, dtype=np.int64)


def _is_ear(corners: FloatArray, left: list[int], n: int) -> bool:
    """Whether corner ``n`` can be cut off: it turns left and its triangle holds no other corner."""
    a, b, c = corners[left[n - 1]], corners[left[n]], corners[left[(n + 1) % len(left)]]

    def side(p: FloatArray, q: FloatArray, r: FloatArray) -> FloatArray:
        return np.asarray((q[0] - p[0]) * (r[..., 1] - p[1]) - (q[1] - p[1]) * (r[..., 0] - p[0]))

    if float(side(a, b, c)) <= 0:
        return False
    others = corners[[one for k, one in enumerate(left) if k not in (n, (n - 1) % len(left), (n + 1) % len(left))]]
    return not bool(((side(a, b, others) >= 0) & (side(b, c, others) >= 0) & (side(c, a, others) >= 0)).any())


def _inside(curve: DrawnCurve, line: FloatArray) -> tuple[float, float, float]:
    """A point inside a ring and above its floor: the middle of the widest stretch on a line across it."""
    flat = curve._flat()
    first, second = _across(curve.direction)
    ends = np.roll(flat, -1, axis=0)
    # The line across at half of the ring's height, moved off its corners by an odd share.
    height = float(flat[:, 1].min() + 0.4871 * np.ptp(flat[:, 1]))
    crossing = (flat[:, 1] > height) != (ends[:, 1] > height)
    a, b = flat[crossing], ends[crossing]
    x = np.sort(a[:, 0] + (height - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0]))
    wide = int(np.argmax(x[1::2] - x[::2]))
    middle = (x[2 * wide] + x[2 * wide + 1]) / 2
    depth = float((line @ curve.direction).min())
    px, py, pz = (float(value) for value in middle * first + height * second + depth * curve.direction)
    return px, py, pz
