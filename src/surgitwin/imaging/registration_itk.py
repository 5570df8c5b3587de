"""Between numpy and SimpleITK: images, transforms, and a search that can be watched and cancelled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import FloatArray, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.imaging.registration_result import Registration

WORK_MM = 2.0  # the images are compared on voxels of about this size, however fine they are
MOST_VOXELS = 6_000_000


def itk_module() -> Any:
    """SimpleITK, imported when it is needed; its own annotations are too loose to check against."""
    import SimpleITK

    return SimpleITK


def itk_image(array: NDArray[Any], geometry: Geometry) -> Any:
    itk = itk_module()
    image = itk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_mm)
    image.SetDirection(geometry.direction.reshape(-1).tolist())
    return image


def working_image(array: NDArray[Any], geometry: Geometry) -> Any:
    """A float image on voxels of about `WORK_MM`, averaged so that nothing is skipped."""
    itk = itk_module()
    factors = [max(1, round(WORK_MM / s)) for s in geometry.spacing_mm]
    while np.prod([n // f for n, f in zip(geometry.size_ijk, factors, strict=True)]) > MOST_VOXELS:
        factors = [f + 1 for f in factors]
    factors = [min(f, max(n // 8, 1)) for f, n in zip(factors, geometry.size_ijk, strict=True)]
    return itk.Cast(itk.BinShrink(itk_image(array, geometry), factors), itk.sitkFloat32)


def mask_image(within: NDArray[np.bool_], geometry: Geometry, target: Any) -> Any:
    itk = itk_module()
    if not within.any():
        raise BadInput(tr("The segment to compare within is empty."))
    image = itk_image(within.view(np.uint8), geometry)
    return itk.Resample(image, target, itk.Transform(), itk.sitkNearestNeighbor, 0)


def itk_transform(registration: Registration) -> Any:
    itk = itk_module()
    linear = itk.AffineTransform(3)
    linear.SetMatrix(registration.matrix[:3, :3].reshape(-1).tolist())
    linear.SetTranslation(registration.matrix[:3, 3].tolist())
    if registration.displacement_mm is None or registration.grid is None:
        return linear
    field = itk_image(registration.displacement_mm.astype(np.float64), registration.grid)
    return itk.CompositeTransform([linear, itk.DisplacementFieldTransform(field)])


def matrix_of(transform: Any) -> FloatArray:
    matrix = np.eye(4)
    origin = np.asarray(transform.TransformPoint((0.0, 0.0, 0.0)))
    for axis in range(3):
        unit = [0.0, 0.0, 0.0]
        unit[axis] = 1.0
        matrix[:3, axis] = np.asarray(transform.TransformPoint(unit)) - origin
    matrix[:3, 3] = origin
    return matrix


def watched(method: Any, target: Any, template: Any, ctx: Context, steps: int, what: str) -> Any:
    """Run a search of at most ``steps`` steps with progress; the job's cancel stops it within one."""

    done = [0]

    itk = itk_module()

    def step() -> None:
        done[0] += 1
        try:
            ctx.progress(min(done[0] / steps, 0.99), what)
        except Cancelled:  # no exception may pass through itk; `ctx.check` below raises it again
            method.StopRegistration()

    method.AddCommand(itk.sitkIterationEvent, step)
    try:
        found = method.Execute(target, template)
    except RuntimeError as error:
        if ctx.cancelled:
            raise Cancelled from None
        if "Too many samples map outside" in str(error) or "All samples map outside" in str(error):
            message = tr("The images do not overlap where they were laid over each other; they may show other regions.")
            raise BadInput(message) from None
        raise BadInput(
            tr("The images could not be registered: the search went astray. Try rigid, or a region.")
        ) from None
    ctx.check()
    return found
