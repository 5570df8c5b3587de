"""How far points are from a closed surface, with their side: prepared once, then asked for every move."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

_THREADS = 2
_WORTH_THREADS = 4000
IDENTITY = np.eye(4)


@dataclass(frozen=True, eq=False)
class Nearest:
    """What was found for each of n points.

    Attributes
    ----------
    distance_mm
        (n,): positive outside the surface, negative inside, NaN beyond the limit that was asked for.
    nearest_mm
        (n, 3): the nearest place, in the surface's own frame.
    triangle
        (n,): the triangle that it lies on, as numbered in the mesh; -1 beyond the limit.
    normal
        (n, 3): the surface's outward unit normal there, of the face, or the mean at a side or corner.
    """

    distance_mm: FloatArray
    nearest_mm: FloatArray
    triangle: IntArray
    normal: FloatArray


class DistanceTo:
    """Distances to one surface: exact, through a tree of boxes.

    Parameters
    ----------
    mesh
        Triangles that share their vertices.
    closed
        False if it need not be closed; the side of a point then means little near its rim.

    Raises
    ------
    BadInput
        If the mesh is empty, has coordinates that are no numbers, or is open although it must be closed.
    """

    def __init__(self, mesh: Mesh, *, name: str = "", closed: bool = True) -> None:
        from surgitwin.implants.distance_kernels import build

        mesh = usable(mesh, name, closed=closed)
        self.mesh = mesh
        corners = np.ascontiguousarray(mesh.points[mesh.triangles], dtype=np.float32)
        count = len(corners)
        order = np.arange(count, dtype=np.int32)
        boxes, nodes = np.empty((2 * count + 1, 6), np.float32), np.zeros((2 * count + 1, 2), np.int32)
        middles = np.ascontiguousarray(corners.mean(axis=1), dtype=np.float32)
        used = build(corners, middles, order, boxes, nodes)
        self._order = order
        self._corners = np.ascontiguousarray(corners[order])
        self._normals = np.ascontiguousarray(_feature_normals(mesh)[order])
        self._boxes, self._nodes = boxes[:used].copy(), nodes[:used].copy()

    def of(self, points_mm: FloatArray, matrix: FloatArray | None = None, *, limit_mm: float = np.inf) -> Nearest:
        """The signed distance of each point.

        Parameters
        ----------
        points_mm
            (n, 3). Fast if those that follow each other lie together; see `together`.
        matrix
            4x4, brings the points to the surface's frame; None if they are in it.
        limit_mm
            Points further away are not looked for.
        """
        from surgitwin.implants.distance_kernels import signed_distances

        points = np.ascontiguousarray(points_mm, dtype=np.float64)
        pose = np.ascontiguousarray(IDENTITY if matrix is None else matrix, dtype=np.float64)
        count = len(points)
        distance, nearest = np.empty(count), np.full((count, 3), np.nan)
        triangle, feature = np.empty(count, np.int32), np.zeros(count, np.int8)

        def part(start: int, stop: int) -> None:
            some = slice(start, stop)
            found = (distance[some], nearest[some], triangle[some], feature[some])
            surface = (self._corners, self._normals, self._boxes, self._nodes)
            signed_distances(*surface, points[some], pose, float(limit_mm), *found)

        in_parts(part, count)
        known = triangle >= 0
        normal = np.full((count, 3), np.nan)
        normal[known] = self._normals[triangle[known], feature[known]]
        numbers = np.where(known, self._order[triangle], -1).astype(np.int32)
        return Nearest(distance, nearest, numbers, normal)

    def along(self, points_mm: FloatArray, direction: FloatArray, *, reach_mm: float) -> FloatArray:
        """How far each point, (n, 3), is from the surface along a direction; infinite where it is not met in reach."""
        from surgitwin.implants.distance_kernels import ray_lengths

        points = np.ascontiguousarray(points_mm, dtype=np.float64)
        unit = np.ascontiguousarray(direction / np.linalg.norm(direction), dtype=np.float64)
        length = np.empty(len(points))

        def part(start: int, stop: int) -> None:
            surface = (self._corners, self._boxes, self._nodes)
            ray_lengths(*surface, points[start:stop], unit, float(reach_mm), length[start:stop])

        in_parts(part, len(points))
        return length

    def together(self) -> IntArray:
        """The mesh's vertices in an order in which those that follow each other lie together."""
        corners = self.mesh.triangles[self._order].reshape(-1)
        _, first = np.unique(corners, return_index=True)
        return np.asarray(corners[np.sort(first)], dtype=np.int32)


def in_parts(work: Callable[[int, int], None], count: int) -> None:
    """Call ``work(start, stop)`` for all of ``count`` things, on two threads where that pays."""
    if count < _WORTH_THREADS:
        work(0, count)
        return
    cuts = np.linspace(0, count, _THREADS + 1).astype(int)
    with ThreadPoolExecutor(_THREADS) as pool:
        for done in [pool.submit(work, int(a), int(b)) for a, b in pairwise(cuts)]:
            done.result()


def usable(mesh: Mesh, name: str, *, closed: bool = True) -> Mesh:
    """The mesh without triangles that have no area.

    Raises
    ------
    BadInput
        If it is empty, has coordinates that are no numbers, or is open although it must be closed.
    """
    from surgitwin.surfaces.check import is_closed

    about = {"name": name or tr("the surface")}
    if mesh.empty:
        raise BadInput(tr("“{name}” is empty, so nothing can be fitted to it. Segment it first.").format(**about))
    if not np.isfinite(mesh.points).all():
        raise BadInput(tr("“{name}” has points that are no numbers. Export it anew.").format(**about))
    if closed and not is_closed(mesh):
        message = tr("“{name}” is open, so it has no inside to measure against. Close its holes or segment it again.")
        raise BadInput(message.format(**about))
    if closed and mesh.volume_mm3 <= 0:
        message = tr("“{name}” is inside out: its triangles face inwards. Turn them around and read it again.")
        raise BadInput(message.format(**about))
    return mesh


def _feature_normals(mesh: Mesh) -> NDArray[np.float32]:
    """(m, 7, 3): unit normals of each triangle, of its sides (0-1, 1-2, 2-0) and of its corners.

    A side's is the mean of its two faces, a corner's that of its faces weighted by their angle there.
    """
    triangles = mesh.triangles.astype(np.int64)
    points = mesh.points.astype(np.float64)
    a, b, c = (points[triangles[:, n]] for n in range(3))
    face = _unit(np.cross(b - a, c - a))
    count = len(mesh.points)
    found = np.empty((len(triangles), 7, 3), np.float32)
    found[:, 0] = face
    tails, heads = triangles, np.roll(triangles, -1, axis=1)
    keys = np.minimum(tails, heads) * count + np.maximum(tails, heads)
    _, side = np.unique(keys.reshape(-1), return_inverse=True)
    side = side.reshape(keys.shape)
    sides = int(side.max()) + 1
    corner = np.stack([_angle(b - a, c - a), _angle(c - b, a - b), _angle(a - c, b - c)], axis=1)
    for axis in range(3):
        of_side = np.bincount(side.reshape(-1), np.repeat(face[:, axis], 3), sides)
        weighted = (corner * face[:, axis, None]).reshape(-1)
        of_corner = np.bincount(triangles.reshape(-1), weighted, count)
        found[:, 1:4, axis] = of_side[side]
        found[:, 4:7, axis] = of_corner[triangles]
    found[:, 1:] = _unit(found[:, 1:].astype(np.float64))
    return found


def _unit(vectors: FloatArray) -> FloatArray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1.0))


def _angle(one: FloatArray, two: FloatArray) -> FloatArray:
    across = np.linalg.norm(np.cross(one, two), axis=1)
    return np.asarray(np.arctan2(across, np.einsum("ij,ij->i", one, two)))
