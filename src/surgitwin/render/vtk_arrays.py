"""numpy arrays and meshes as VTK's own, sharing memory wherever VTK can."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.mesh import Mesh


def to_vtk(array: NDArray[Any]) -> Any:
    """A vtkDataArray on the memory of a contiguous array, shape (n,) or (n, components)."""
    from vtkmodules.util.numpy_support import numpy_to_vtk

    return numpy_to_vtk(np.ascontiguousarray(array), deep=False)  # type: ignore[no-untyped-call]


def from_vtk(array: Any) -> NDArray[Any]:
    """A numpy array on the memory of a vtkDataArray; copy it if the array's owner may change it."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    return np.asarray(vtk_to_numpy(array))  # type: ignore[no-untyped-call]


def image_data(array: NDArray[Any], spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Any:
    """A vtkImageData at the origin on the memory of a contiguous [k, j, i] array."""
    from vtkmodules.vtkCommonDataModel import vtkImageData

    image = vtkImageData()
    image.SetDimensions(array.shape[2], array.shape[1], array.shape[0])
    image.SetSpacing(*spacing)
    image.GetPointData().SetScalars(to_vtk(array.reshape(-1)))
    return image


def poly_data(mesh: Mesh) -> Any:
    """A vtkPolyData on the memory of a mesh."""
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    points, cells, data = vtkPoints(), vtkCellArray(), vtkPolyData()
    points.SetData(to_vtk(mesh.points.astype(np.float32, copy=False)))
    cells.SetData(3, to_vtk(mesh.triangles.astype(np.int32, copy=False).reshape(-1)))
    data.SetPoints(points)
    data.SetPolys(cells)
    if mesh.normals is not None:
        data.GetPointData().SetNormals(to_vtk(mesh.normals))
    return data


def with_normals(data: Any) -> Any:
    """The same triangles with smooth point normals, or with those that they have."""
    from vtkmodules.vtkFiltersCore import vtkTriangleMeshPointNormals

    if data.GetNumberOfPolys() == 0 or data.GetPointData().GetNormals() is not None:
        return data
    normals = vtkTriangleMeshPointNormals()
    normals.SetInputData(data)
    normals.Update()
    return normals.GetOutput()
