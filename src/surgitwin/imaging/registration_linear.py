"""Rigid and affine registration, and how alike two images are: Mattes' mutual information."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import FloatArray
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.imaging.registration_itk import itk_module, itk_transform, matrix_of, watched
from surgitwin.imaging.registration_result import Registration

LEVELS = ((4, 2.0), (2, 1.0), (1, 0.0))  # shrink factor, smoothing in voxels of the working image
SAMPLED = 60_000  # voxels that each step compares
BINS = 48
STEPS = 200
SEED = 20240611


def by_centres(target: Any, template: Any) -> Registration:
    """Lay the middles of what is brighter than the background over each other."""
    itk = itk_module()

    def centre(image: Any) -> FloatArray:
        array = itk.GetArrayViewFromImage(image)
        threshold = (float(array.min()) + float(array.mean())) / 2
        index = np.argwhere(array > threshold).mean(axis=0)[::-1]
        return np.asarray(image.TransformContinuousIndexToPhysicalPoint(index.tolist()))

    matrix = np.eye(4)
    matrix[:3, 3] = centre(template) - centre(target)
    return Registration("rigid", matrix)


def _method(target: Any, mask: Any, steps: int, stride: float) -> Any:
    itk = itk_module()
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


def linear_search(
    target: Any, template: Any, start: Registration, *, affine: bool, mask: Any, ctx: Context
) -> Registration:
    itk = itk_module()
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
    watched(
        method,
        target,
        template,
        ctx,
        STEPS * len(LEVELS),
        tr("Affine registration") if affine else tr("Rigid registration"),
    )
    return Registration("affine" if affine else "rigid", matrix_of(transform))


def _nearest_rotation(matrix: FloatArray) -> FloatArray:
    u, _, v = np.linalg.svd(matrix)
    rotation = u @ np.diag([1.0, 1.0, float(np.sign(np.linalg.det(u @ v)))]) @ v
    return np.asarray(rotation)


def similarity(target: Any, template: Any, registration: Registration) -> float:
    """Mutual information in nats over all voxels of the fixed image that the moving one reaches.

    Counted here, for what itk's metric gives depends on how it sampled, so that two of its values cannot be compared.
    """
    itk = itk_module()
    fixed = itk.GetArrayViewFromImage(target)
    nowhere = float(np.finfo(np.float32).min)
    moved = itk.Resample(template, target, itk_transform(registration), itk.sitkLinear, nowhere)
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
