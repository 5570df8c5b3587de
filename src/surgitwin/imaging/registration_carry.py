"""Images and segments of one grid on another, through a registration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.imaging.registration_itk import itk_image, itk_module, itk_transform
from surgitwin.imaging.registration_result import Registration

SLAB = 16


def resampled(
    moving: NDArray[Any],
    moving_geometry: Geometry,
    registration: Registration,
    fixed_geometry: Geometry,
    ctx: Context | None = None,
    *,
    outside: float | None = None,
    nearest: bool = False,
) -> NDArray[Any]:
    """The moving image on the fixed image's grid, [k, j, i], of the moving image's type.

    Parameters
    ----------
    outside
        Value where the moving image does not reach; without it its lowest.
    nearest
        Take the nearest voxel instead of interpolating: for labels.
    """
    itk = itk_module()
    ctx = ctx or Context()
    source = itk_image(moving.view(np.uint8) if moving.dtype == np.bool_ else moving, moving_geometry)
    background = float(np.min(moving[::4, ::4, ::4])) if outside is None else outside
    result = np.empty(fixed_geometry.shape_kji, dtype=moving.dtype)
    transform = itk_transform(registration)
    how = itk.sitkNearestNeighbor if nearest else itk.sitkLinear
    for k in range(0, result.shape[0], SLAB):
        ctx.progress(k / result.shape[0], tr("Bringing the image onto the grid"))
        ctx.check()
        stop = min(k + SLAB, result.shape[0])
        reference = itk.ResampleImageFilter()
        reference.SetTransform(transform)
        reference.SetInterpolator(how)
        reference.SetDefaultPixelValue(background)
        size = fixed_geometry.size_ijk
        reference.SetSize((size[0], size[1], stop - k))
        reference.SetOutputSpacing(fixed_geometry.spacing_mm)
        reference.SetOutputDirection(fixed_geometry.direction.reshape(-1).tolist())
        reference.SetOutputOrigin([float(v) for v in fixed_geometry.to_lps((0, 0, k))])
        part = itk.GetArrayViewFromImage(reference.Execute(source))
        result[k:stop] = part.astype(moving.dtype) if moving.dtype == np.bool_ else part
    return result


def carried_mask(
    mask: NDArray[np.bool_],
    source_geometry: Geometry,
    target_geometry: Geometry,
    registration: Registration,
    ctx: Context | None = None,
    *,
    to_fixed: bool = True,
) -> NDArray[np.bool_]:
    """A segment on the other image's grid: a voxel belongs to it if more than half of what surrounds it does.

    Parameters
    ----------
    to_fixed
        True if the mask lies on the moving image and goes to the fixed one; False the other way round.
    """
    from scipy.ndimage import map_coordinates

    ctx = ctx or Context()
    result = np.zeros(target_geometry.shape_kji, dtype=np.bool_)
    source = Box.of_mask(mask)
    box = _reached(source, source_geometry, target_geometry, registration, to_fixed)
    if source.empty or box.empty:
        return result
    weight = np.pad(mask[source.slices], 1).astype(np.float32)  # in a frame of what is not the segment
    start = np.asarray(source.start) - 1
    size = box.size_ijk
    plane = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="xy"), axis=-1).reshape(-1, 2)
    plane += np.asarray(box.start[:2])
    rows, columns = box.slices[1:]
    for k in range(box.start[2], box.stop[2]):
        ctx.progress((k - box.start[2]) / size[2], tr("Carrying the segment over"))
        ctx.check()
        points = target_geometry.to_lps(np.column_stack([plane, np.full(len(plane), k)]))
        other = registration.to_moving(points) if to_fixed else registration.to_fixed(points)
        index = (source_geometry.to_index(other) - start)[:, ::-1].T
        inside = map_coordinates(weight, index, order=1, mode="constant", cval=0.0, output=np.float32)
        result[k, rows, columns] = (inside > 0.5).reshape(size[1], size[0])
    return result


def _reached(
    source: Box, source_geometry: Geometry, target_geometry: Geometry, registration: Registration, to_fixed: bool
) -> Box:
    """A box of the target's grid outside of which nothing of ``source`` comes to lie.

    The linear part takes the corners of a box to those of a parallelepiped; the deformation moves no point farther
    than its largest displacement.
    """
    low, high = np.asarray(source.start) - 1.0, np.asarray(source.stop, dtype=np.float64)
    corners = np.array([[(low, high)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)])
    points = source_geometry.to_lps(corners)
    room = 0.0
    if registration.displacement_mm is not None:
        room = float(np.sqrt((registration.displacement_mm.astype(np.float64) ** 2).sum(axis=-1).max()))
    linear = registration.matrix[:3, :3]
    if to_fixed:
        inverse = np.linalg.inv(registration.matrix)
        points = points @ inverse[:3, :3].T + inverse[:3, 3]
    else:
        room *= float(np.linalg.norm(linear, 2))
        points = points @ linear.T + registration.matrix[:3, 3]
    index = target_geometry.to_index(points)
    # A step of one millimetre changes no index by more than the largest singular value of the inverse affine.
    reach = room * float(np.linalg.norm(target_geometry.inverse[:3, :3], 2)) + 1
    size = np.asarray(target_geometry.size_ijk)
    start = np.clip(np.floor(index.min(axis=0) - reach), 0, size).astype(int)
    stop = np.clip(np.ceil(index.max(axis=0) + reach) + 1, 0, size).astype(int)
    return Box((int(start[0]), int(start[1]), int(start[2])), (int(stop[0]), int(stop[1]), int(stop[2])))
