"""Rays through a mesh by VTK's tree of cells, and places spread over it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context

FloatArray = NDArray[np.float64]
_AT_ONCE = 2000


class Tree:
    """A mesh prepared for many questions; it keeps single precision, so it moves the mesh near the origin first."""

    def __init__(self, mesh: Mesh) -> None:
        from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
        from vtkmodules.vtkCommonCore import vtkPoints
        from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData, vtkStaticCellLocator

        to_vtk: Any = numpy_to_vtk
        ids: Any = numpy_to_vtkIdTypeArray
        self.centre = mesh.points.mean(axis=0, dtype=np.float64)
        points: Any = vtkPoints()
        points.SetData(to_vtk(np.ascontiguousarray(mesh.points - self.centre), deep=True))
        cells: Any = vtkCellArray()
        cells.SetData(3, ids(np.ascontiguousarray(mesh.triangles, np.int64).reshape(-1), deep=True))
        self._data: Any = vtkPolyData()
        self._data.SetPoints(points)
        self._data.SetPolys(cells)
        self._locator: Any = vtkStaticCellLocator()
        self._locator.SetDataSet(self._data)
        self._locator.BuildLocator()
        self.size_mm = float(np.linalg.norm(np.ptp(mesh.points, axis=0)))

    def first_hits(self, starts: FloatArray, ways: FloatArray, ctx: Context) -> tuple[FloatArray, NDArray[np.int64]]:
        """How far each ray goes until it meets the mesh (inf: never), and the triangle that it meets (-1).

        Parameters
        ----------
        starts, ways
            LPS mm and unit vectors, shape (n, 3).
        """
        from vtkmodules.vtkCommonCore import mutable

        far = self.size_mm * 1.1 + 1.0
        lengths = np.full(len(starts), np.inf)
        met = np.full(len(starts), -1, np.int64)
        number: Any = mutable
        share, part, cell = number(0.0), number(0), number(0)
        place, local = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
        begin = starts - self.centre
        end = begin + far * ways
        for row in range(len(starts)):
            if row % _AT_ONCE == 0:
                ctx.progress(row / len(starts))
            if self._locator.IntersectWithLine(begin[row], end[row], 0.0, share, place, local, part, cell):
                lengths[row] = far * share.get()
                met[row] = cell.get()
        return lengths, met


def spread_over(mesh: Mesh, count: int) -> tuple[FloatArray, NDArray[np.int64], float]:
    """About ``count`` places evenly spread over a mesh, the triangle of each, and how far apart they are, mm.

    Small triangles are stepped through in their order by area, so that each stands for as much surface as the next;
    one place lies in the middle of its triangle, several in a large one follow the R2 sequence (Roberts 2018).
    """
    corners = mesh.points.astype(np.float64)[mesh.triangles]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    total = float(areas.sum())
    if total <= 0.0 or count < 1:
        return np.zeros((0, 3)), np.zeros(0, np.int64), 0.0
    share = total / count
    passed = np.floor(np.cumsum(areas) / share + 0.5).astype(np.int64)
    held = np.diff(np.concatenate(([0], passed)))
    triangle = np.repeat(np.arange(len(areas)), held)
    number = np.arange(triangle.size) - np.repeat(np.cumsum(held) - held, held)
    u = (0.5 + 0.7548776662466927 * number) % 1.0
    v = (0.5 + 0.5698402909980532 * number) % 1.0
    flip = u + v > 1.0
    u, v = np.where(flip, 1.0 - u, u), np.where(flip, 1.0 - v, v)
    alone = held[triangle] == 1
    u, v = np.where(alone, 1 / 3, u), np.where(alone, 1 / 3, v)
    a, b, c = corners[triangle].transpose(1, 0, 2)
    return a + u[:, None] * (b - a) + v[:, None] * (c - a), triangle, float(np.sqrt(share))
