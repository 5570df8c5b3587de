"""Registration of one image onto another: rigid, affine and deformable, with itk.

A registration says where each point of the *fixed* image lies in the *moving* one: ``moving = matrix @ (p + u(p))``,
all in LPS millimetres, ``u`` being zero unless it is deformable. The similarity of the rigid and affine searches is
Mattes' mutual information (Mattes et al., IEEE Trans Med Imaging 2003;22:120-128), so that phases and modalities may
differ; for the deformation see `registration_deformable`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.imaging.registration_carry import carried_mask, resampled
from surgitwin.imaging.registration_deformable import deformable_search, least_jacobian
from surgitwin.imaging.registration_itk import mask_image, working_image
from surgitwin.imaging.registration_linear import by_centres, linear_search, mutual_information, similarity
from surgitwin.imaging.registration_result import Kind, Registration, landmark_errors_mm

__all__ = [
    "Kind",
    "Registration",
    "carried_mask",
    "landmark_errors_mm",
    "least_jacobian",
    "mutual_information",
    "register",
    "resampled",
]

RAN_AWAY = 0.9  # of the rigid similarity; where there is nothing to stretch, samples alone make a little less of it


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
    target, template = working_image(fixed, fixed_geometry), working_image(moving, moving_geometry)
    mask = mask_image(within, fixed_geometry, target) if within is not None else None
    began = start or by_centres(target, template)
    before = similarity(target, template, began)  # also refuses images that do not overlap
    found = linear_search(target, template, began, affine=False, mask=mask, ctx=ctx.part(0.05, 0.5))
    after = rigid = similarity(target, template, found)
    if kind == "affine":
        found = linear_search(target, template, found, affine=True, mask=mask, ctx=ctx.part(0.5, 1.0))
    if kind == "deformable":
        found = deformable_search(target, template, found, fixed_geometry, mask, ctx.part(0.5, 1.0))
    if kind != "rigid":
        after = similarity(target, template, found)
        if after < RAN_AWAY * rigid:
            message = tr("Stretching or bending made the images much less alike than a rigid motion does. Use rigid.")
            raise BadInput(message)
    return replace(found, similarity=(before, after))
