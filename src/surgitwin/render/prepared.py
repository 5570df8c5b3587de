"""What VTK needs of a mesh before it can be drawn, worked out ahead; may run on any thread, since nothing is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from surgitwin.core.mesh import Mesh
from surgitwin.render.vtk_arrays import from_vtk, poly_data, to_vtk, with_normals
from surgitwin.surfaces import is_closed

# Meshes below this many triangles are drawn as they are, also while the view turns.
COARSE_FROM = 6_000
COARSE_DIVISIONS = 16
# Where the processor draws, at rest: more in one mesh cost seconds a frame, and are smaller than a pixel.
FRUGAL_TRIANGLES = 100_000
FRUGAL_FROM, FRUGAL_DIVISIONS = 140_000, 96
# What one frame can take up beside being drawn; larger meshes go to the graphics card in pieces of this size.
PIECE_TRIANGLES = 60_000


@dataclass(frozen=True, eq=False)
class PreparedMesh:
    """A mesh in pieces with normals (vtkPolyData), and a coarse stand-in for while the view turns; None: not needed.

    Attributes
    ----------
    solid
        The mesh is closed and its triangles face outwards, so that those that face away are never seen. Looked for
        only where the processor draws: to leave them out halves the time of a frame there.
    """

    fine: tuple[Any, ...]
    coarse: Any = None
    solid: bool = False


class MeshStore:
    """Prepared meshes, for as long as somebody holds the mesh itself.

    Parameters
    ----------
    frugal
        Draw large meshes simplified and prepare stand-ins too: where the processor draws.
    """

    def __init__(self, frugal: bool) -> None:
        self.frugal = frugal
        self._known: WeakKeyDictionary[Mesh, PreparedMesh] = WeakKeyDictionary()

    def __contains__(self, mesh: Mesh) -> bool:
        return mesh in self._known

    def add(self, mesh: Mesh, prepared: PreparedMesh) -> None:
        self._known[mesh] = prepared

    def of(self, mesh: Mesh) -> PreparedMesh:
        """The prepared mesh, made here and now if it was not yet."""
        known = self._known.get(mesh)
        if known is None:
            known = self._known[mesh] = prepare_mesh(mesh, self.frugal)
        return known


def prepare_mesh(mesh: Mesh, frugal: bool) -> PreparedMesh:
    """Normals, and pieces that a frame can take up.

    With ``frugal`` a mesh of more than about 100 000 triangles is simplified to that (its vertices averaged in the
    cells of a grid, 0.5 % of its size wide), and there is a stand-in of a few thousand triangles (quadric clustering on
    a 16³ grid).
    """
    if not frugal:
        return PreparedMesh(tuple(pieces(with_normals(poly_data(mesh)))))
    solid = is_closed(mesh) and mesh.volume_mm3 > 0
    if len(mesh.triangles) < COARSE_FROM:
        return PreparedMesh(tuple(pieces(with_normals(poly_data(mesh)))), solid=solid)
    whole = poly_data(mesh)
    shown = with_normals(simplified(whole) if len(mesh.triangles) > FRUGAL_FROM else whole)
    from vtkmodules.vtkFiltersCore import vtkQuadricClustering

    clusters = vtkQuadricClustering()
    clusters.SetInputData(shown)
    clusters.AutoAdjustNumberOfDivisionsOff()
    clusters.SetNumberOfDivisions(COARSE_DIVISIONS, COARSE_DIVISIONS, COARSE_DIVISIONS)
    clusters.UseInternalTrianglesOff()
    clusters.Update()
    stand_in = clusters.GetOutput()
    if stand_in.GetNumberOfPolys() == 0 or 2 * stand_in.GetNumberOfPolys() > shown.GetNumberOfPolys():
        return PreparedMesh(tuple(pieces(shown)), solid=solid)
    return PreparedMesh(tuple(pieces(shown)), with_normals(stand_in), solid)


def simplified(data: Any) -> Any:
    """About `FRUGAL_TRIANGLES` of a vtkPolyData: the grid's width is tried once and then set right."""
    from vtkmodules.vtkFiltersCore import vtkBinnedDecimation

    divisions = FRUGAL_DIVISIONS
    result = data
    for _ in range(2):
        bins = vtkBinnedDecimation()
        bins.SetInputData(data)
        bins.SetPointGenerationModeToBinAverages()
        bins.AutoAdjustNumberOfDivisionsOff()
        bins.SetNumberOfDivisions(divisions, divisions, divisions)
        bins.Update()
        result = bins.GetOutput()
        found = result.GetNumberOfPolys()
        if found == 0:
            return data
        # A surface crosses as many cells as the square of their number along an edge.
        share = FRUGAL_TRIANGLES / found
        if 0.7 < share < 1.4:
            break
        divisions = max(8, round(divisions * share**0.5))
    return result


def pieces(data: Any) -> Iterator[Any]:
    """A vtkPolyData of triangles with normals, cut into pieces of at most `PIECE_TRIANGLES`."""
    if data.GetNumberOfPolys() <= PIECE_TRIANGLES:
        yield data
        return
    points = from_vtk(data.GetPoints().GetData())
    normals = from_vtk(data.GetPointData().GetNormals())
    triangles = from_vtk(data.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    count = -(-len(triangles) // PIECE_TRIANGLES)
    for part in np.array_split(triangles, count):
        low, high = int(part.min()), int(part.max()) + 1
        if high - low <= part.size:  # triangles that lie together mostly have points that do
            yield _piece(points[low:high].copy(), normals[low:high].copy(), part - low)
        else:
            used, local = np.unique(part, return_inverse=True)
            yield _piece(points[used], normals[used], local)


def _piece(points: Any, normals: Any, triangles: Any) -> Any:
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    place, cells, data = vtkPoints(), vtkCellArray(), vtkPolyData()
    place.SetData(to_vtk(points))
    cells.SetData(3, to_vtk(triangles.astype(np.int32).reshape(-1)))
    data.SetPoints(place)
    data.SetPolys(cells)
    data.GetPointData().SetNormals(to_vtk(normals))
    return data
