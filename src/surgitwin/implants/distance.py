"""How far points are from a closed surface, with their side: prepared once, then asked for every move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.core.triangle_tree import TriangleTree
from surgitwin.implants.poses import moved

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]


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
    """Distances to one surface: exact, through a tree of its triangles.

    The side of a point comes from the normal of the face, side or corner that its nearest place lies on (Baerentzen and
    Aanaes, IEEE Trans Vis Comput Graph 2005;11:243-253).

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
        mesh = usable(mesh, name, closed=closed)
        self.mesh = mesh
        self._tree = TriangleTree.of(mesh)
        self._normals = _feature_normals(mesh)

    def of(self, points_mm: FloatArray, matrix: FloatArray | None = None, *, limit_mm: float = np.inf) -> Nearest:
        """The signed distance of each point.

        Parameters
        ----------
        points_mm
            (n, 3). Fast if those that follow each other lie together; see `shape.order_of`.
        matrix
            4x4, brings the points to the surface's frame; None if they are in it.
        limit_mm
            Points further away are not looked for.
        """
        found = self._tree.nearest(points_mm, matrix, limit_mm=limit_mm)
        here = points_mm if matrix is None else moved(points_mm, matrix)
        normal = self._normals[found.triangles, found.features].astype(np.float64)
        normal[found.triangles < 0] = np.nan
        outside = np.einsum("ij,ij->i", here - found.points_mm, normal) >= 0.0
        distance = np.where(outside, found.away_mm, -found.away_mm)
        return Nearest(distance, found.points_mm, found.triangles, normal)

    def along(self, points_mm: FloatArray, direction: FloatArray, *, reach_mm: float) -> FloatArray:
        """How far each point, (n, 3), is from the surface along a direction; infinite where it is not met in reach."""
        return self._tree.along(points_mm, direction, reach_mm=reach_mm)


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
