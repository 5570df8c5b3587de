"""Deformable registration on top of a rigid motion: demons on locally normalised images, or a B-spline.

Where brightness rises and falls alike in both images (CT of any two phases), each is first normalised by the mean and
deviation of its neighbourhood, so that what an organ's contrast agent adds falls away, and diffeomorphic
demons (Thirion, Med Image Anal 1998;2:243-260; Vercauteren et al., NeuroImage 2009;45:S61-S72) move every voxel; the
displacement is smoothed at each step. Between modalities a cubic B-spline makes Mattes' mutual information largest
(Rueckert et al., IEEE Trans Med Imaging 1999;18:712-721). Either way the result is smoothed until it folds nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import Cancelled
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.imaging.registration_itk import itk_module, itk_transform, watched
from surgitwin.imaging.registration_linear import SEED
from surgitwin.imaging.registration_result import Registration

GRID_MM = 6.0  # on which a deformation is kept
# The sizes and weights below were chosen by benchmarks/validate_registration.py.
DEMONS_MM = 3.0
DEMONS_VOXELS = 2_000_000  # so that a step, and with it a cancel, takes well below a second
LEVELS = ((4, 60), (2, 60), (1, 30))  # shrink factor, steps
SMOOTH_VOXELS = 1.75  # of the displacement after each step
STRIDE_VOXELS = 2.0
AROUND_MM = 6.0  # the neighbourhood that a voxel is normalised by
EVEN = 0.07  # of the window: deviations well below this are noise, and are not blown up
SOFT_TISSUE_HU = (-250.0, 450.0)
ALIKE = 0.1  # correlation of the normalised images from which on demons are used; a CT and an MR make 0 or less
LEAST_JACOBIAN = 0.05
WITHIN_MM = 15.0  # the surroundings of a segment to compare within that count as well
# A step of the B-spline's search costs samples times control points, so it takes few of both.
BEND_SAMPLES = 20_000
BEND_BINS = 32
BENDS = 20
CONTROL_MM = 40.0  # distance of the B-spline's control points at first; halved once
MOST_CONTROLS = 10  # along each axis at first; a larger image has them farther apart


def deformable_search(
    target: Any, template: Any, start: Registration, fixed_geometry: Geometry, mask: Any, ctx: Context
) -> Registration:
    """Bend the fixed image's space so that ``start`` after it shows the same places.

    Parameters
    ----------
    target, template
        The fixed and the moving image as `registration_itk.working_image` gives them.
    mask
        Compare only there: on the target's grid; None for everywhere.

    Raises
    ------
    Cancelled
        If the job was cancelled.
    """
    grid = coarse_grid(fixed_geometry)
    one, other = _normalised_pair(target, template, start, mask)
    if _correlation(one, other) >= ALIKE:
        displacement = _by_demons(one, other, grid, ctx)
    else:
        displacement = _by_information(target, template, start, grid, mask, ctx)
    return Registration("deformable", start.matrix, unfolded(displacement, grid), grid)


def _normalised_pair(target: Any, template: Any, start: Registration, mask: Any) -> tuple[Any, Any]:
    """Both images on one grid of about `DEMONS_MM`, normalised; alike where there is nothing to compare."""
    itk = itk_module()
    factors = [max(1, round(DEMONS_MM / s)) for s in target.GetSpacing()]
    while np.prod([n / f for n, f in zip(target.GetSize(), factors, strict=True)]) > DEMONS_VOXELS:
        factors = [f + 1 for f in factors]
    fixed = itk.BinShrink(target, [min(f, n) for f, n in zip(factors, target.GetSize(), strict=True)])
    nowhere = float(np.finfo(np.float32).min)
    # The moving image is averaged like the fixed one, or what is left of its noise would pull.
    blurred = itk.SmoothingRecursiveGaussian(
        template, [0.3 * f * s for f, s in zip(factors, target.GetSpacing(), strict=True)]
    )
    moved = itk.Resample(blurred, fixed, itk_transform(start), itk.sitkLinear, nowhere)
    reached = moved > nowhere / 2
    if mask is not None:
        near = itk.SignedMaurerDistanceMap(mask, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
        near = itk.Resample(near, fixed, itk.Transform(), itk.sitkLinear, 2 * WITHIN_MM) < WITHIN_MM
        reached = itk.And(reached, near)
    one, other = _window(fixed), _window(itk.Mask(moved, moved > nowhere / 2, _lowest(template)))
    other = _normalised(_either(reached, other, one))
    one = _normalised(one)
    return one, _either(reached, other, one)


def _either(where: Any, one: Any, other: Any) -> Any:
    """``one`` where the mask holds, ``other`` elsewhere."""
    itk = itk_module()
    return itk.Mask(one, where) + itk.MaskNegated(other, where)


def _lowest(image: Any) -> float:
    return float(itk_module().GetArrayViewFromImage(image).min())


def _window(image: Any) -> Any:
    """Values from 0 to 1 over what tells tissues apart: soft tissue in Hounsfield units, else all but outliers."""
    itk = itk_module()
    array = itk.GetArrayViewFromImage(image)
    low, high = SOFT_TISSUE_HU
    if float(array.min()) > -500:  # not Hounsfield units with air
        low, high = (float(value) for value in np.quantile(array[::2, ::2, ::2], (0.01, 0.99)))
    span = max(high - low, 1e-6)
    return itk.Clamp((image - low) / span, itk.sitkFloat32, 0.0, 1.0)


def _normalised(image: Any) -> Any:
    """Each value less the mean around it, over the deviation around it."""
    itk = itk_module()
    mean = itk.SmoothingRecursiveGaussian(image, AROUND_MM)
    variance = itk.SmoothingRecursiveGaussian(image * image, AROUND_MM) - mean * mean
    return (image - mean) / itk.Sqrt(itk.Clamp(variance, itk.sitkFloat32, 0.0, 1.0) + EVEN**2)


def _correlation(one: Any, other: Any) -> float:
    """Pearson's on the coarsest level, over voxels in which the two are not equal by construction.

    Finer, what is still to be moved and noise would bring it near to what two modalities make.
    """
    itk = itk_module()
    factors = [min(LEVELS[0][0], max(n // 4, 1)) for n in one.GetSize()]
    coarse = [itk.BinShrink(image, factors) for image in (one, other)]
    a, b = (itk.GetArrayViewFromImage(image) for image in coarse)
    some = (a != b) & ((np.abs(a) > 0.05) | (np.abs(b) > 0.05))
    if np.count_nonzero(some) < 100:
        return 1.0
    return float(np.corrcoef(a[some], b[some])[0, 1])


def _by_demons(one: Any, other: Any, grid: Geometry, ctx: Context) -> NDArray[np.float32]:
    """The displacement on ``grid`` in LPS mm. The images are worked on as if their axes were those of space."""
    itk = itk_module()
    direction, origin = np.reshape(one.GetDirection(), (3, 3)), np.asarray(one.GetOrigin())
    for image in (one, other):
        image.SetDirection(np.eye(3).reshape(-1).tolist())
        image.SetOrigin((0.0, 0.0, 0.0))
    smallest = min(one.GetSize())
    levels = [level for level in LEVELS if smallest / level[0] >= 8] or [LEVELS[-1]]
    whole = sum(steps / factor**3 for factor, steps in levels)
    done, field = 0.0, None
    for factor, steps in levels:
        share = steps / factor**3 / whole
        fixed, moving = (itk.BinShrink(image, [factor] * 3) if factor > 1 else image for image in (one, other))
        field = _demons(fixed, moving, field, steps, ctx.part(done, done + share))
        done += share
    # Of the grid's points in the frame without direction; beyond the outermost voxels' centres their value holds.
    k, j, i = np.indices(grid.shape_kji)
    places = (grid.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3)) - origin) @ direction
    assert field is not None
    flat = Registration("deformable", np.eye(4), itk.GetArrayFromImage(field), _plain_geometry(field)).displaced(places)
    return np.asarray((flat @ direction.T).reshape((*grid.shape_kji, 3)).astype(np.float32))


def _plain_geometry(image: Any) -> Geometry:
    return Geometry.from_parts(image.GetSize(), image.GetSpacing(), image.GetOrigin())


def _demons(fixed: Any, moving: Any, field: Any, steps: int, ctx: Context) -> Any:
    """One level: ``steps`` steps from the displacement of the coarser one."""
    itk = itk_module()
    if field is None:
        begun = itk.Image(fixed.GetSize(), itk.sitkVectorFloat64)
        begun.CopyInformation(fixed)
    else:
        filled = itk.ResampleImageFilter()
        filled.SetReferenceImage(fixed)
        filled.SetUseNearestNeighborExtrapolator(True)
        begun = filled.Execute(field)
    search = itk.DiffeomorphicDemonsRegistrationFilter()
    search.SetNumberOfIterations(steps)
    search.SetStandardDeviations(SMOOTH_VOXELS)
    search.SetMaximumUpdateStepLength(STRIDE_VOXELS)
    what = tr("Deformable registration")

    def step() -> None:
        try:
            ctx.progress(min(search.GetElapsedIterations() / steps, 0.99), what)
        except Cancelled:  # no exception may pass through itk; `ctx.check` below raises it again
            search.StopRegistration()

    search.AddCommand(itk.sitkIterationEvent, step)
    found = search.Execute(fixed, moving, begun)
    ctx.check()
    return found


def _by_information(
    target: Any, template: Any, start: Registration, grid: Geometry, mask: Any, ctx: Context
) -> NDArray[np.float32]:
    """A cubic B-spline that makes the mutual information largest; for images whose brightness means other things."""
    itk = itk_module()
    extent = [n * s for n, s in zip(target.GetSize(), target.GetSpacing(), strict=True)]
    mesh = [min(max(1, round(length / CONTROL_MM)), MOST_CONTROLS) for length in extent]
    spline = itk.BSplineTransformInitializer(target, mesh, 3)
    method = itk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BEND_BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(min(1.0, BEND_SAMPLES / float(np.prod(target.GetSize()))), SEED)
    method.SetInterpolator(itk.sitkLinear)
    method.SetMovingInitialTransform(itk_transform(start))
    method.SetInitialTransformAsBSpline(spline, inPlace=True, scaleFactors=[1, 2])
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([1.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=1e-2, numberOfIterations=BENDS, relaxationFactor=0.7, gradientMagnitudeTolerance=1e-8
    )
    if mask is not None:
        method.SetMetricFixedMask(mask)
    found = watched(method, target, template, ctx, 2 * BENDS, tr("Deformable registration"))
    field = itk.TransformToDisplacementField(
        found if not isinstance(found, itk.CompositeTransform) else found.GetBackTransform(),
        itk.sitkVectorFloat64,
        grid.size_ijk,
        grid.origin_mm,
        grid.spacing_mm,
        grid.direction.reshape(-1).tolist(),
    )
    return np.asarray(itk.GetArrayFromImage(field).astype(np.float32))


def coarse_grid(geometry: Geometry) -> Geometry:
    """A grid of about `GRID_MM` over the same place."""
    size: Sequence[int] = [
        max(2, int(np.ceil((n - 1) * s / GRID_MM)) + 1)
        for n, s in zip(geometry.size_ijk, geometry.spacing_mm, strict=True)
    ]
    spacing = [
        max((n - 1) * s, s) / (m - 1) for n, s, m in zip(geometry.size_ijk, geometry.spacing_mm, size, strict=True)
    ]
    return Geometry.from_parts(tuple(size), tuple(spacing), geometry.origin_mm, geometry.direction)


def least_jacobian(displacement_mm: NDArray[np.floating[Any]], grid: Geometry) -> float:
    """The smallest determinant of the derivative of ``p + u(p)``; below 0 the deformation turns space inside out.

    Between grid points ``u`` is linear along each axis, so its derivative at a corner of a cell is made of the three
    edges there; all eight corners of every cell are asked.

    Parameters
    ----------
    displacement_mm
        [k, j, i, 3], LPS mm.
    """
    return float(_least_by_cell(displacement_mm, grid).min())


def _least_by_cell(displacement_mm: NDArray[np.floating[Any]], grid: Geometry) -> NDArray[np.float64]:
    u = np.asarray(displacement_mm, dtype=np.float64)
    edges = [np.diff(u, axis=axis) for axis in (2, 1, 0)]  # along i, j, k
    steps = grid.affine_lps[:3, :3]  # a column for each of i, j, k
    volume = float(np.linalg.det(steps))
    least = np.full([n - 1 for n in u.shape[:3]], np.inf)
    for corner in product((0, 1), repeat=3):
        k, j, i = (slice(at, n - 1 + at) for at, n in zip(corner, u.shape[:3], strict=True))
        along = edges[0][k, j] + steps[:, 0], edges[1][k, :, i] + steps[:, 1], edges[2][:, j, i] + steps[:, 2]
        determinant = np.einsum("...x,...x->...", along[0], np.cross(along[1], along[2]))
        np.minimum(least, determinant / volume, out=least)
    return least


def unfolded(displacement_mm: NDArray[np.float32], grid: Geometry) -> NDArray[np.float32]:
    """The displacement, smoothed around the places where `least_jacobian` is below `LEAST_JACOBIAN`, until none is."""
    from scipy.ndimage import binary_dilation, gaussian_filter

    field = displacement_mm
    bad = np.zeros(grid.shape_kji, dtype=np.bool_)
    while True:
        folded = _least_by_cell(field, grid) < LEAST_JACOBIAN
        if not folded.any():
            return field
        # What was smoothed once stays in the region, which grows: in the end it is all, and the field even.
        for k, j, i in product((0, 1), repeat=3):
            bad[k : k + folded.shape[0], j : j + folded.shape[1], i : i + folded.shape[2]] |= folded
        bad = binary_dilation(bad)
        weight = gaussian_filter(bad.astype(np.float32), 1.0, mode="nearest")[..., np.newaxis]
        smooth = gaussian_filter(field, (1.0, 1.0, 1.0, 0.0), mode="nearest")
        field = field + weight * (smooth - field)
