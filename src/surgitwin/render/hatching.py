"""Stripes on surfaces in 3D: small textures that repeat along millimetres, the same on every driver."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.render.vtk_arrays import from_vtk, to_vtk

TEXELS = 64
STRIPES_MM = 5.0
DARK = 0.30
# Oblique to every side of the patient: whatever faces the viewer carries stripes.
ACROSS = np.array([0.80, 0.25, 0.55]) / np.linalg.norm([0.80, 0.25, 0.55])


def stripes() -> NDArray[np.uint8]:
    """One period of stripes along the diagonal, square, grey from dark to white: half and half."""
    row, column = np.indices((TEXELS, TEXELS))
    return _shades((row + column) % TEXELS / TEXELS)


def crossed() -> NDArray[np.uint8]:
    """One period of a net of diagonals: two thin lines, one each way."""
    row, column = np.indices((TEXELS, TEXELS))
    one, other = (row + column) % TEXELS / TEXELS, (row - column) % TEXELS / TEXELS
    return np.minimum(_shades(one, 0.30), _shades(other, 0.30))


def bands() -> NDArray[np.uint8]:
    """One period of stripes along the first coordinate."""
    return _shades(np.broadcast_to((np.arange(TEXELS) / TEXELS)[None, :], (4, TEXELS)))


def _shades(phase: Any, share: float = 0.42) -> NDArray[np.uint8]:
    """Dark over a share of the period, with soft edges of about a texel."""
    away = np.abs(np.asarray(phase) - 0.5)
    light = np.clip((away - share / 2) * TEXELS / 1.5 + 0.5, 0.0, 1.0)
    return np.asarray(np.rint(255 * (DARK + (1.0 - DARK) * light)), dtype=np.uint8)


def texture(pattern: NDArray[np.uint8]) -> Any:
    """A vtkTexture of a grey pattern, (rows, columns), that repeats and is smooth at any size."""
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkRenderingCore import vtkTexture

    rows, columns = pattern.shape
    image, made = vtkImageData(), vtkTexture()
    image.SetDimensions(columns, rows, 1)
    image.GetPointData().SetScalars(to_vtk(np.repeat(pattern.reshape(-1, 1), 3, axis=1)))
    made.SetInputData(image)
    made.RepeatOn()
    made.InterpolateOn()
    made.MipmapOn()
    made.SetColorModeToDirectScalars()
    return made


def stripe_surface(data: Any) -> None:
    """Give a vtkPolyData what `bands` needs: stripes at right angles to `ACROSS`, wherever its points lie."""
    if data.GetPointData().GetTCoords() is not None or data.GetPoints() is None:
        return
    phase = from_vtk(data.GetPoints().GetData()).astype(np.float64) @ ACROSS / STRIPES_MM
    data.GetPointData().SetTCoords(to_vtk(np.stack([phase, np.zeros_like(phase)], axis=-1).astype(np.float32)))
