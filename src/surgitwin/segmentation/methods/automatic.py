"""Methods that need nothing but a CT: body, bone, lungs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.ct_body import body
from surgitwin.segmentation.ct_bone import CORTEX_HU, bone
from surgitwin.segmentation.ct_lungs import lungs
from surgitwin.segmentation.methods.base import Inputs, MethodParams, SegmentMethod, setting
from surgitwin.segmentation.runs import Mask


class BodyParams(MethodParams):
    """No settings."""


class BoneParams(MethodParams):
    other_names: ClassVar[Mapping[str, str]] = {"low": "lower"}

    lower: float | None = setting(
        None, "HU", tr("Lowest value; found from the soft tissue if not given."), ge=-200, le=2000
    )
    cortex: float = setting(CORTEX_HU, "HU", tr("At least 2 % of every bone lie above this."), ge=-200, le=3000)
    marrow_mm: float = setting(4.0, "mm", tr("Close gaps of this radius and fill marrow; 0 leaves both."), ge=0, le=20)


class LungsParams(MethodParams):
    """No settings."""


def _body(inputs: Inputs, params: BodyParams, ctx: Context) -> Mask:
    return body(inputs.voxels, inputs.geometry, ctx)


def _bone(inputs: Inputs, params: BoneParams, ctx: Context) -> Mask:
    return bone(inputs.voxels, inputs.geometry, params.lower, params.cortex, params.marrow_mm, ctx)


def _lungs(inputs: Inputs, params: LungsParams, ctx: Context) -> Mask:
    return lungs(inputs.voxels, inputs.geometry, ctx)


METHODS: tuple[SegmentMethod[Any], ...] = (
    SegmentMethod("body", tr("Body"), tr("The patient without table and air, in CT."), BodyParams, _body, ct_only=True),
    SegmentMethod("bone", tr("Bone"), tr("Bones with their marrow, in CT."), BoneParams, _bone, ct_only=True),
    SegmentMethod(
        "lungs", tr("Lungs"), tr("Both lungs without the large airways, in CT."), LungsParams, _lungs, ct_only=True
    ),
)
