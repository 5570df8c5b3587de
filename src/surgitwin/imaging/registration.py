"""Registration of one image onto another: rigid, affine and deformable, with itk.

A registration says where each point of the *fixed* image lies in the *moving* one: ``moving = matrix @ (p + u(p))``,
all in LPS millimetres, ``u`` being zero unless it is deformable. The similarity is Mattes' mutual information (Mattes
et al., IEEE Trans Med Imaging 2003;22:120-128), so that phases and modalities may differ; the deformation is a cubic
B-spline on top of the rigid motion (Rueckert et al., IEEE Trans Med Imaging 1999;18:712-721).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from surgitwin.core.errors import BadInput, Cancelled
from surgitwin.core.geometry import Box, FloatArray, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr

Kind = Literal["rigid", "affine", "deformable"]
WORK_MM = 2.0  # the images are compared on voxels of about this size, however fine they are
MOST_VOXELS = 6_000_000
LEVELS = ((4, 2.0), (2, 1.0), (1, 0.0))  # shrink factor, smoothing in voxels of the working image
SAMPLED = 60_000  # voxels that each step compares
BINS = 48
STEPS = 200
# A step of the deformable search costs samples times control points, so it takes fewer of both.
BEND_SAMPLES = 20_000
BEND_BINS = 32
BENDS = 20
CONTROL_MM = 40.0  # distance of the B-spline's control points at first; halved once
MOST_CONTROLS = 10  # along each axis at first; a larger image has them farther apart
GRID_MM = 6.0  # on which a deformation is kept
RAN_AWAY = 0.9  # of the rigid similarity; where there is nothing to stretch, samples alone make a little less of it
SEED = 20240611
SLAB = 16


@dataclass(frozen=True, eq=False)
class Registration:
    """Where points of the fixed image lie in the moving one.

    Attributes
    ----------
    matrix
        4x4, after the displacement.
    displacement_mm
        float32, [k, j, i, 3], on ``grid`` (in the fixed image's space); None unless deformable. Beyond the grid its
        border value holds.
    similarity
        Mutual information at the start and at the end, in nats; the larger, the more alike.
    """

    kind: Kind
    matrix: FloatArray
    displacement_mm: NDArray[np.float32] | None = None
    grid: Geometry | None = None
    similarity: tuple[float, float] = (0.0, 0.0)

    @staticmethod
    def identity() -> Registration:
        """For images that share a frame of reference."""
        return Registration("rigid", np.eye(4))

    def to_moving(self, points_mm: ArrayLike) -> FloatArray:
        """Points of the fixed image, (n, 3), in the moving one."""
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        points = points + self.displaced(points)
        return np.asarray(points @ self.matrix[:3, :3].T + self.matrix[:3, 3])

    def to_fixed(self, points_mm: ArrayLike) -> FloatArray:
        """Points of the moving image, (n, 3), in the fixed one; a deformation is inverted by fixed-point steps."""
        inverse = np.linalg.inv(self.matrix)
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        wanted: FloatArray = np.asarray(points @ inverse[:3, :3].T + inverse[:3, 3])
        found: FloatArray = wanted.copy()
        if self.displacement_mm is None:
            return found
        for _ in range(60):
            step = wanted - self.displaced(found) - found
            found += step
            if float(np.abs(step).max(initial=0.0)) < 1e-4:
                break
        return found

    def displaced(self, points_mm: FloatArray) -> FloatArray:
        """The displacement at points of the fixed image, linear between grid points."""
        if self.displacement_mm is None or self.grid is None:
            return np.zeros_like(points_mm)
        from scipy.ndimage import map_coordinates

        at = self.grid.to_index(points_mm)[:, ::-1].T
        parts = [
            map_coordinates(self.displacement_mm[..., axis], at, order=1, mode="nearest", output=np.float64)
            for axis in range(3)
        ]
        return np.stack(parts, axis=1)


def register(
    fixed: NDArray[Any],
    fixed_geometry: Geometry,
    moving: NDArray[Any],
    moving_geometry: Geometry,
    kind: Kind = "rigid",
    ctx: Context | None = None,
    *,
    start: Registration | None = None,
    within: NDArray[np.bool_] | None = None,
) -> Registration:
    """Find where the fixed image's points lie in the moving one.

    Parameters
    ----------
    fixed, moving
        [k, j, i].
    start
        Where to begin. Without it the centres of mass of what is not air are laid over each other.
    within
        Compare only there: a mask on the fixed image's grid.

    Raises
    ------
    BadInput
        If the images do not overlap, one is uniform, or the search fails.
    Cancelled
        If the job was cancelled.
    """
    ctx = ctx or Context()
    for name, image in ((tr("fixed"), fixed), (tr("moving"), moving)):
        low, high = float(np.min(image[::4, ::4, ::4])), float(np.max(image[::4, ::4, ::4]))
        if not high > low:
            raise BadInput(
                tr("The {name} image has one value everywhere; there is nothing to compare.").format(name=name)
            )
    ctx.progress(0.02, tr("Preparing the images"))
    target, template = _working(fixed, fixed_geometry), _working(moving, moving_geometry)
    mask = _mask(within, fixed_geometry, target) if within is not None else None
    began = start or _by_centres(target, template)
    before = _similarity(target, template, began)  # also refuses images that do not overlap
    found = _linear(target, template, began, affine=False, mask=mask, ctx=ctx.part(0.05, 0.5))
    after = rigid = _similarity(target, template, found)
    if kind == "affine":
        found = _linear(target, template, found, affine=True, mask=mask, ctx=ctx.part(0.5, 1.0))
    if kind == "deformable":
        found = _deformable(target, template, found, fixed_geometry, mask, ctx.part(0.5, 1.0))
    if kind != "rigid":
        after = _similarity(target, template, found)
        if after < RAN_AWAY * rigid:
            message = tr("Stretching or bending made the images much less alike than a rigid motion does. Use rigid.")
            raise BadInput(message)
    return replace(found, similarity=(before, after))


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
    itk = _itk()
    ctx = ctx or Context()
    source = _image(moving.view(np.uint8) if moving.dtype == np.bool_ else moving, moving_geometry)
    background = float(np.min(moving[::4, ::4, ::4])) if outside is None else outside
    result = np.empty(fixed_geometry.shape_kji, dtype=moving.dtype)
    transform = _transform(registration)
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


def landmark_errors_mm(registration: Registration, fixed_mm: ArrayLike, moving_mm: ArrayLike) -> FloatArray:
    """The target registration error at each pair of landmarks: how far the fixed one, carried over, misses the moving.

    Fitzpatrick, West, Maurer, IEEE Trans Med Imaging 1998;17:694-702.
    """
    difference = registration.to_moving(fixed_mm) - np.asarray(moving_mm, dtype=np.float64).reshape(-1, 3)
    return np.asarray(np.linalg.norm(difference, axis=1))


def _itk() -> Any:
    """SimpleITK, imported when it is needed; its own annotations are too loose to check against."""
    import SimpleITK

    return SimpleITK


# Between numpy and SimpleITK ------------------------------------------------------------------------------------


def _image(array: NDArray[Any], geometry: Geometry) -> Any:
    itk = _itk()
    image = itk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_mm)
    image.SetDirection(geometry.direction.reshape(-1).tolist())
    return image


def _working(array: NDArray[Any], geometry: Geometry) -> Any:
    """A float image on voxels of about `WORK_MM`, averaged so that nothing is skipped."""

    itk = _itk()
    factors = [max(1, round(WORK_MM / s)) for s in geometry.spacing_mm]
    while np.prod([n // f for n, f in zip(geometry.size_ijk, factors, strict=True)]) > MOST_VOXELS:
        factors = [f + 1 for f in factors]
    factors = [min(f, max(n // 8, 1)) for f, n in zip(factors, geometry.size_ijk, strict=True)]
    return itk.Cast(itk.BinShrink(_image(array, geometry), factors), itk.sitkFloat32)


def _mask(within: NDArray[np.bool_], geometry: Geometry, target: Any) -> Any:
    itk = _itk()
    if not within.any():
        raise BadInput(tr("The segment to compare within is empty."))
    image = _image(within.view(np.uint8), geometry)
    return itk.Resample(image, target, itk.Transform(), itk.sitkNearestNeighbor, 0)


def _by_centres(target: Any, template: Any) -> Registration:
    """Lay the middles of what is brighter than the background over each other."""

    itk = _itk()

    def centre(image: Any) -> FloatArray:
        array = itk.GetArrayViewFromImage(image)
        threshold = (float(array.min()) + float(array.mean())) / 2
        index = np.argwhere(array > threshold).mean(axis=0)[::-1]
        return np.asarray(image.TransformContinuousIndexToPhysicalPoint(index.tolist()))

    matrix = np.eye(4)
    matrix[:3, 3] = centre(template) - centre(target)
    return Registration("rigid", matrix)


def _transform(registration: Registration) -> Any:
    itk = _itk()
    linear = itk.AffineTransform(3)
    linear.SetMatrix(registration.matrix[:3, :3].reshape(-1).tolist())
    linear.SetTranslation(registration.matrix[:3, 3].tolist())
    if registration.displacement_mm is None or registration.grid is None:
        return linear
    field = _image(registration.displacement_mm.astype(np.float64), registration.grid)
    return itk.CompositeTransform([linear, itk.DisplacementFieldTransform(field)])


def _matrix_of(transform: Any) -> FloatArray:
    matrix = np.eye(4)
    origin = np.asarray(transform.TransformPoint((0.0, 0.0, 0.0)))
    for axis in range(3):
        unit = [0.0, 0.0, 0.0]
        unit[axis] = 1.0
        matrix[:3, axis] = np.asarray(transform.TransformPoint(unit)) - origin
    matrix[:3, 3] = origin
    return matrix


# The searches ---------------------------------------------------------------------------------------------------


def _method(target: Any, mask: Any, steps: int, stride: float) -> Any:
    itk = _itk()
    method = itk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(min(1.0, SAMPLED / float(np.prod(target.GetSize()))), SEED)
    method.SetInterpolator(itk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=stride,
        minStep=1e-4,
        numberOfIterations=steps,
        relaxationFactor=0.6,
        gradientMagnitudeTolerance=1e-8,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    smallest = min(target.GetSize())
    levels = [level for level in LEVELS if smallest / level[0] >= 16] or [LEVELS[-1]]
    method.SetShrinkFactorsPerLevel([factor for factor, _ in levels])
    method.SetSmoothingSigmasPerLevel([sigma for _, sigma in levels])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    if mask is not None:
        method.SetMetricFixedMask(mask)
    return method


def _watched(method: Any, target: Any, template: Any, ctx: Context, steps: int, what: str) -> Any:
    """Run a search with progress; the job's cancel stops it within a step."""

    done = [0]
    levels = len(LEVELS)

    itk = _itk()

    def step() -> None:
        done[0] += 1
        try:
            ctx.progress(min(done[0] / (steps * levels), 0.99), what)
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


def _linear(target: Any, template: Any, start: Registration, *, affine: bool, mask: Any, ctx: Context) -> Registration:
    itk = _itk()
    centre = target.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in target.GetSize()])
    transform = itk.AffineTransform(3) if affine else itk.VersorRigid3DTransform()
    transform.SetCenter(centre)
    rotation = start.matrix[:3, :3] if affine else _nearest_rotation(start.matrix[:3, :3])
    transform.SetMatrix(rotation.reshape(-1).tolist(), *(() if affine else (1e-6,)))
    moved = start.matrix[:3, :3] @ np.asarray(centre) + start.matrix[:3, 3]
    transform.SetTranslation((moved - np.asarray(centre)).tolist())
    # Longer strides let an affine search run away, and squeeze the image.
    method = _method(target, mask, STEPS, 0.1 if affine else 1.0)
    method.SetInitialTransform(transform, inPlace=True)
    _watched(method, target, template, ctx, STEPS, tr("Affine registration") if affine else tr("Rigid registration"))
    return Registration("affine" if affine else "rigid", _matrix_of(transform))


def _similarity(target: Any, template: Any, registration: Registration) -> float:
    """Mutual information in nats over all voxels of the fixed image that the moving one reaches.

    Counted here, for what itk's metric gives depends on how it sampled, so that two of its values cannot be compared.
    """
    itk = _itk()
    fixed = itk.GetArrayViewFromImage(target)
    nowhere = float(np.finfo(np.float32).min)
    moved = itk.Resample(template, target, _transform(registration), itk.sitkLinear, nowhere)
    moving = itk.GetArrayViewFromImage(moved)
    reached = moving > nowhere / 2
    if not reached.any():
        message = tr("The images do not overlap where they were laid over each other; they may show other regions.")
        raise BadInput(message)
    return mutual_information(fixed[reached], moving[reached])


def mutual_information(one: NDArray[Any], other: NDArray[Any], bins: int = BINS) -> float:
    """Mutual information of two samples of equal shape in nats: sum of p(a, b) log(p(a, b) / (p(a) p(b)))."""
    joint = np.histogram2d(one.reshape(-1), other.reshape(-1), bins=bins)[0]
    joint /= joint.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    some = joint > 0
    return float(np.sum(joint[some] * np.log(joint[some] / apart[some])))


def _nearest_rotation(matrix: FloatArray) -> FloatArray:
    u, _, v = np.linalg.svd(matrix)
    rotation = u @ np.diag([1.0, 1.0, float(np.sign(np.linalg.det(u @ v)))]) @ v
    return np.asarray(rotation)


def _deformable(
    target: Any, template: Any, start: Registration, fixed_geometry: Geometry, mask: Any, ctx: Context
) -> Registration:
    itk = _itk()
    extent = [n * s for n, s in zip(target.GetSize(), target.GetSpacing(), strict=True)]
    mesh = [min(max(1, round(length / CONTROL_MM)), MOST_CONTROLS) for length in extent]
    spline = itk.BSplineTransformInitializer(target, mesh, 3)
    method = itk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BEND_BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(min(1.0, BEND_SAMPLES / float(np.prod(target.GetSize()))), SEED)
    method.SetInterpolator(itk.sitkLinear)
    method.SetMovingInitialTransform(_transform(start))
    method.SetInitialTransformAsBSpline(spline, inPlace=True, scaleFactors=[1, 2])
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=1e-2, numberOfIterations=BENDS, relaxationFactor=0.7, gradientMagnitudeTolerance=1e-8
    )
    if mask is not None:
        method.SetMetricFixedMask(mask)
    found = _watched(method, target, template, ctx, BENDS, tr("Deformable registration"))
    grid = _coarse(fixed_geometry)
    field = itk.TransformToDisplacementField(
        found if not isinstance(found, itk.CompositeTransform) else found.GetBackTransform(),
        itk.sitkVectorFloat64,
        grid.size_ijk,
        grid.origin_mm,
        grid.spacing_mm,
        grid.direction.reshape(-1).tolist(),
    )
    displacement = itk.GetArrayFromImage(field).astype(np.float32)
    return Registration("deformable", start.matrix, displacement, grid)


def _coarse(geometry: Geometry) -> Geometry:
    """A grid of about `GRID_MM` over the same place."""
    size: Sequence[int] = [
        max(2, int(np.ceil((n - 1) * s / GRID_MM)) + 1)
        for n, s in zip(geometry.size_ijk, geometry.spacing_mm, strict=True)
    ]
    spacing = [
        max((n - 1) * s, s) / (m - 1) for n, s, m in zip(geometry.size_ijk, geometry.spacing_mm, size, strict=True)
    ]
    return Geometry.from_parts(tuple(size), tuple(spacing), geometry.origin_mm, geometry.direction)
