"""What VTK needs of a mesh before it can be drawn, worked out ahead; may run on any thread, since nothing is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from surgitwin.core.mesh import Mesh
from surgitwin.render.vtk_arrays import poly_data

# Meshes below this many triangles are drawn as they are, also while the view turns.
COARSE_FROM = 6_000
COARSE_DIVISIONS = 16


@dataclass(frozen=True, eq=False)
class PreparedMesh:
    """A mesh as vtkPolyData with normals, and a coarse stand-in for while the view turns (None: not needed)."""

    fine: Any
    coarse: Any = None


class MeshStore:
    """Prepared meshes, for as long as somebody holds the mesh itself.

    Parameters
    ----------
    coarse
        Prepare stand-ins too: worth it where the processor draws.
    """

    def __init__(self, coarse: bool) -> None:
        self.coarse = coarse
        self._known: WeakKeyDictionary[Mesh, PreparedMesh] = WeakKeyDictionary()

    def __contains__(self, mesh: Mesh) -> bool:
        return mesh in self._known

    def add(self, mesh: Mesh, prepared: PreparedMesh) -> None:
        self._known[mesh] = prepared

    def of(self, mesh: Mesh) -> PreparedMesh:
        """The prepared mesh, made here and now if it was not yet."""
        known = self._known.get(mesh)
        if known is None:
            known = self._known[mesh] = prepare_mesh(mesh, self.coarse)
        return known


def prepare_mesh(mesh: Mesh, coarse: bool) -> PreparedMesh:
    """Normals, and with ``coarse`` a stand-in of a few thousand triangles (quadric clustering on a 16³ grid)."""
    fine = poly_data(mesh)
    if not coarse or len(mesh.triangles) < COARSE_FROM:
        return PreparedMesh(fine)
    from vtkmodules.vtkFiltersCore import vtkQuadricClustering, vtkTriangleMeshPointNormals

    clusters, normals = vtkQuadricClustering(), vtkTriangleMeshPointNormals()
    clusters.SetInputData(fine)
    clusters.AutoAdjustNumberOfDivisionsOff()
    clusters.SetNumberOfDivisions(COARSE_DIVISIONS, COARSE_DIVISIONS, COARSE_DIVISIONS)
    clusters.UseInternalTrianglesOff()
    normals.SetInputConnection(clusters.GetOutputPort())
    normals.Update()
    stand_in = normals.GetOutput()
    if stand_in.GetNumberOfPolys() == 0 or 2 * stand_in.GetNumberOfPolys() > len(mesh.triangles):
        return PreparedMesh(fine)
    return PreparedMesh(fine, stand_in)
