"""A sac closed by a plane: the part of a closed surface above it, and the outline of the neck."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.groups import linked_groups
from surgitwin.core.mesh import Mesh
from surgitwin.core.text import tr
from surgitwin.simulators.aneurysm.plane import NeckPlane

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ON_PLANE = 1e-9  # of the mesh's size: a point this near counts as above


@dataclass(frozen=True, eq=False)
class ClosedSac:
    """The wall of a sac above its neck plane, LPS mm, normals outwards.

    Attributes
    ----------
    points, triangles
        (n, 3) and (m, 3): the wall, without the neck opening.
    outlines
        The rims of the wall in the plane, (k, 3) each, in order, the largest first. Seen against the normal a rim
        around the neck runs counter-clockwise, and one around a hole in the neck clockwise.
    """

    points: FloatArray
    triangles: IntArray
    outlines: tuple[FloatArray, ...]
    plane: NeckPlane

    @cached_property
    def area_mm2(self) -> float:
        """Area of the wall; the neck opening is not part of it."""
        a, b, c = (self.points[self.triangles[:, corner]] for corner in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2.0)

    @cached_property
    def volume_mm3(self) -> float:
        """Volume between wall and plane. Seen from a point of the plane the cap has no volume, so none is needed."""
        a, b, c = (self.points[self.triangles[:, corner]] - np.array(self.plane.point_mm) for corner in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)

    @cached_property
    def _neck(self) -> tuple[float, FloatArray]:
        """Area and centroid (in the plane's coordinates) of the opening, holes taken off."""
        total, moment = 0.0, np.zeros(2)
        for outline in self.outlines:
            places = self.plane.flat(outline)
            after = np.roll(places, -1, axis=0)
            cross = places[:, 0] * after[:, 1] - places[:, 1] * after[:, 0]
            total += float(cross.sum()) / 2.0
            moment += ((places + after) * cross[:, None]).sum(axis=0) / 6.0
        return total, moment / total

    @property
    def neck_area_mm2(self) -> float:
        return self._neck[0]

    @property
    def neck_centroid_mm(self) -> FloatArray:
        """(3,): centroid of the neck opening."""
        return np.asarray(self.plane.from_flat(self._neck[1][None])[0])

    def capped(self) -> Mesh:
        """The closed mesh of the sac, its neck covered by a flat cap.

        Raises
        ------
        BadInput
            If the outline crosses itself, so that no cap fits.
        """
        cap = _cap(self.points, self.triangles)
        if cap is None:
            raise BadInput(tr("The outline of the neck crosses itself and cannot be covered. Move the neck plane."))
        triangles = np.concatenate([self.triangles, cap]).astype(np.int32)
        return Mesh(self.points.astype(np.float32), triangles)


def close_sac(mesh: Mesh, plane: NeckPlane, inside_mm: FloatArray | None = None) -> ClosedSac:
    """The part of a closed surface that lies above a plane.

    Parameters
    ----------
    mesh
        Closed, LPS mm, normals outwards (a mesh that is inside out is turned).
    inside_mm
        (3,): a point of the sac, well above the plane. Where the plane leaves several parts, that whose wall is
        nearest to it is the sac; without it the part with the largest wall.

    Raises
    ------
    BadInput
        If the mesh is empty or open, or the plane misses it.
    """
    triangles = outward(mesh)
    points = mesh.points.astype(np.float64)
    height = plane.heights(points)
    near = ON_PLANE * float(np.ptp(points, axis=0).max())
    height[np.abs(height) < near] = near
    if not (np.any(height < 0) and np.any(height > 0)):
        message = tr("The neck plane misses the sac: all of it lies {side} the plane. Move the plane to the neck.")
        raise BadInput(message.format(side=tr("above") if np.all(height > 0) else tr("below")))
    points, triangles, rim = _clipped(points, triangles, height)
    points, triangles, rim = _part(points, triangles, rim, inside_mm)
    if not len(rim):
        raise BadInput(
            tr("The neck plane misses the sac: it cuts something else and leaves the sac whole. Move it to the neck.")
        )
    loops = [points[loop] for loop in _loops(rim)]
    loops.sort(key=lambda loop: -abs(_signed_area(plane.flat(loop))))
    return ClosedSac(points, triangles, tuple(loops), plane)


def outward(mesh: Mesh) -> IntArray:
    """The triangles of a closed mesh, turned so that normals point outwards.

    Raises
    ------
    BadInput
        If the mesh has no triangles, or is not closed.
    """
    if mesh.empty:
        raise BadInput(tr("The sac has no surface: its segment is empty."))
    triangles = mesh.triangles.astype(np.int64)
    tail, head = triangles.reshape(-1), np.roll(triangles, -1, axis=1).reshape(-1)
    count = len(mesh.points)
    forward, backward = np.sort(tail * count + head), np.sort(head * count + tail)
    if np.any(forward[1:] == forward[:-1]) or not np.array_equal(forward, backward):
        open_edges = np.setdiff1d(forward, backward).size
        message = tr(
            "The surface of the sac is not closed ({count} edges have no partner), so it has no volume. Make the"
            " surface from a segment, or close it first."
        )
        raise BadInput(message.format(count=open_edges))
    return triangles if mesh.volume_mm3 > 0 else triangles[:, ::-1]


def _clipped(points: FloatArray, triangles: IntArray, height: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
    """What lies above: points, triangles, and the directed edges of the wall in the plane, (k, 2)."""
    above = height[triangles] > 0
    count = above.sum(axis=1)
    one, two = (
        _odd_first(triangles[count == 1], above[count == 1]),
        _odd_first(triangles[count == 2], ~above[count == 2]),
    )
    edges = np.concatenate([one[:, [0, 1]], one[:, [0, 2]], two[:, [0, 1]], two[:, [0, 2]]])
    # Both triangles of an edge must find the very same point, so it is computed once, from the lower index.
    pairs, number = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    share = height[pairs[:, 0]] / (height[pairs[:, 0]] - height[pairs[:, 1]])
    new = points[pairs[:, 0]] + share[:, None] * (points[pairs[:, 1]] - points[pairs[:, 0]])
    number = number.reshape(-1) + len(points)
    ab1, ac1, ab2, ac2 = np.split(number, np.cumsum([len(one), len(one), len(two)]))
    made = [
        triangles[count == 3],
        np.stack([one[:, 0], ab1, ac1], axis=1),
        np.stack([ab2, two[:, 1], two[:, 2]], axis=1),
        np.stack([ab2, two[:, 2], ac2], axis=1),
    ]
    rim = np.concatenate([np.stack([ab1, ac1], axis=1), np.stack([ac2, ab2], axis=1)])
    return np.concatenate([points, new]), np.concatenate(made), rim


def _odd_first(triangles: IntArray, odd: NDArray[np.bool_]) -> IntArray:
    """Each triangle rolled so that the corner on its own side of the plane comes first."""
    order = (np.argmax(odd, axis=1)[:, None] + np.arange(3)) % 3 if len(odd) else np.zeros((0, 3), np.int64)
    return np.take_along_axis(triangles, order, axis=1)


def _part(
    points: FloatArray, triangles: IntArray, rim: IntArray, inside_mm: FloatArray | None
) -> tuple[FloatArray, IntArray, IntArray]:
    """The connected part that is the sac, its points numbered anew."""
    used = np.unique(triangles)
    renumber = np.zeros(len(points), np.int64)
    renumber[used] = np.arange(used.size)
    points, triangles, rim = points[used], renumber[triangles], renumber[rim]
    group = linked_groups(triangles[:, [0, 0]].reshape(-1), triangles[:, [1, 2]].reshape(-1), used.size)
    if inside_mm is not None:
        wanted = group[int(np.argmin(((points - inside_mm) ** 2).sum(axis=1)))]
    else:
        a, b, c = (points[triangles[:, corner]] for corner in range(3))
        areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        wanted = int(np.argmax(np.bincount(group[triangles[:, 0]], areas)))
    kept = group == wanted
    renumber = np.cumsum(kept) - 1
    return points[kept], renumber[triangles[kept[triangles[:, 0]]]], renumber[rim[kept[rim[:, 0]]]]


def _loops(rim: IntArray) -> list[IntArray]:
    """Closed walks along directed edges; each point of a closed surface's section has one edge in and one out."""
    after = dict(zip(rim[:, 0].tolist(), rim[:, 1].tolist(), strict=True))
    loops: list[IntArray] = []
    while after:
        start, point = next(iter(after.items()))
        loop = [start]
        del after[start]
        while point != start:
            loop.append(point)
            point = after.pop(point)
        loops.append(np.array(loop, np.int64))
    return loops


def _signed_area(places: FloatArray) -> float:
    after = np.roll(places, -1, axis=0)
    return float((places[:, 0] * after[:, 1] - places[:, 1] * after[:, 0]).sum() / 2.0)


def _cap(points: FloatArray, triangles: IntArray) -> IntArray | None:
    """Triangles over the open edges of a wall, facing away from it; None if the outline crosses itself."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkFiltersGeneral import vtkContourTriangulator

    tail, head = triangles.reshape(-1), np.roll(triangles, -1, axis=1).reshape(-1)
    forward, backward = tail * len(points) + head, head * len(points) + tail
    alone = ~np.isin(forward, backward)
    # The cap runs along the rim the other way round.
    loops = _loops(np.stack([head[alone], tail[alone]], axis=1))
    holder, lines = vtkPoints(), vtkCellArray()
    holder.SetData(numpy_to_vtk(np.ascontiguousarray(points), deep=True))  # type: ignore[no-untyped-call]
    for loop in loops:
        lines.InsertNextCell(len(loop) + 1)
        for point in [*loop.tolist(), int(loop[0])]:
            lines.InsertCellPoint(point)
    contour = vtkPolyData()
    contour.SetPoints(holder)
    contour.SetLines(lines)
    triangulator = vtkContourTriangulator()
    triangulator.SetInputData(contour)
    triangulator.Update()
    if triangulator.GetTriangulationError():
        return None
    made = triangulator.GetOutput().GetPolys().GetConnectivityArray()
    cells = vtk_to_numpy(made).astype(np.int64).reshape(-1, 3)  # type: ignore[no-untyped-call]
    return _facing_rim(cells, set(zip(head[alone].tolist(), tail[alone].tolist(), strict=True)))


def _facing_rim(cells: IntArray, rim: set[tuple[int, int]]) -> IntArray | None:
    """The cap's triangles turned so that their outer edges run as the rim asks; None if they do not cover it."""
    found = {edge for cell in cells.tolist() for edge in zip(cell, (*cell[1:], cell[0]), strict=True)}
    if rim <= found:
        return cells
    return cells[:, ::-1] if {(b, a) for a, b in rim} <= found else None
