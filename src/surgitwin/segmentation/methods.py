"""The table of segmentation methods: what the command line and the panels are built from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.segmentation.ct_body import body
from surgitwin.segmentation.ct_bone import CORTEX_HU, bone
from surgitwin.segmentation.ct_lungs import lungs
from surgitwin.segmentation.intensity import check_range, region_grow, threshold
from surgitwin.segmentation.islands import fill_holes, keep_islands, largest_island
from surgitwin.segmentation.runs import Connectivity, Mask
from surgitwin.segmentation.smoothing import SmoothMethod, smooth


def _field(default: Any, unit: str, help_text: str, **limits: Any) -> Any:
    """A parameter with its unit; ``...`` as default means that it must be given."""
    return Field(default, description=help_text, json_schema_extra={"unit": unit}, **limits)


class MethodParams(BaseModel):
    """Parameters of a method; unknown names and numbers that are not finite are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


P = TypeVar("P", bound=MethodParams)
Run = Callable[[NDArray[Any], Geometry, P, Context, Mask | None], Mask]


@dataclass(frozen=True)
class SegmentMethod(Generic[P]):
    """One way to make or change a segment.

    Attributes
    ----------
    name
        As typed on the command line.
    Params
        The typed parameters, each with its unit (in ``json_schema_extra``), range and help.
    run
        ``run(voxels, geometry, params, ctx, current_mask)``; returns the mask, [k, j, i].
    needs_segment
        The method acts on an existing segment, handed over as ``current_mask``.
    ct_only
        The voxels must be HU.
    """

    name: str
    title: str
    help: str
    Params: type[P]
    run: Run[P]
    needs_segment: bool = False
    ct_only: bool = False

    def parse(self, settings: Mapping[str, Any]) -> P:
        """Typed parameters from names and values (text is converted).

        Raises
        ------
        BadInput
            One sentence that names the setting and what it may be.
        """
        known = self.Params.model_fields
        unknown = sorted(set(settings) - set(known))
        if unknown:
            message = tr("The method '{method}' has no setting '{name}'; it has: {known}.")
            listed = ", ".join(known) or tr("none")
            raise BadInput(message.format(method=self.name, name=unknown[0], known=listed))
        try:
            return self.Params.model_validate(dict(settings))
        except ValidationError as error:
            raise BadInput(_sentence(self.name, error)) from None

    def apply(
        self,
        voxels: NDArray[Any],
        geometry: Geometry,
        params: P,
        ctx: Context | None = None,
        current_mask: Mask | None = None,
    ) -> Mask:
        """Run the method with its inputs checked.

        Raises
        ------
        BadInput
            If the shapes differ, a segment is missing, or nothing is found.
        """
        if voxels.shape != geometry.shape_kji or (current_mask is not None and current_mask.shape != voxels.shape):
            raise BadInput(tr("The image, its geometry and the segment have different sizes."))
        if self.needs_segment and current_mask is None:
            raise BadInput(tr("The method '{method}' acts on a segment; name one.").format(method=self.name))
        return self.run(voxels, geometry, params, ctx or Context(), current_mask)


class ThresholdParams(MethodParams):
    low: float = _field(..., "HU", tr("Lowest value that belongs to the segment."))
    high: float = _field(3071.0, "HU", tr("Highest value that belongs to the segment."))

    @model_validator(mode="after")
    def _ordered(self) -> ThresholdParams:
        check_range(self.low, self.high)
        return self


class RegionGrowParams(MethodParams):
    seed_mm: tuple[float, float, float] = _field(..., "mm", tr("Point to grow from: x, y, z in LPS."))
    low: float | None = _field(None, "HU", tr("Lowest value; or give a tolerance instead."))
    high: float | None = _field(None, "HU", tr("Highest value; or give a tolerance instead."))
    tolerance: float | None = _field(
        None, "HU", tr("Accept values this far from the median around the seed point."), ge=0
    )
    radius_mm: float | None = _field(None, "mm", tr("Grow no farther from the seed point than this."), gt=0)

    @field_validator("seed_mm", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = value.strip("[]() ").replace(",", " ").split()
        if len(parts) != 3:
            raise BadInput(tr("The seed point '{text}' needs three numbers: x,y,z in mm.").format(text=value))
        return parts

    @model_validator(mode="after")
    def _one_range(self) -> RegionGrowParams:
        pair = (self.low is not None, self.high is not None)
        if self.tolerance is None and not all(pair):
            raise BadInput(tr("Growing from a point needs either 'tolerance', or both 'low' and 'high'."))
        if self.tolerance is not None and any(pair):
            raise BadInput(tr("Growing from a point takes either 'tolerance' or 'low' and 'high', not both."))
        if self.low is not None and self.high is not None:
            check_range(self.low, self.high)
        return self


class BodyParams(MethodParams):
    """No settings."""


class BoneParams(MethodParams):
    low: float | None = _field(
        None, "HU", tr("Lowest value; found from the soft tissue if not given."), ge=-200, le=2000
    )
    cortex: float = _field(CORTEX_HU, "HU", tr("At least 2 % of every bone lie above this."), ge=-200, le=3000)
    marrow_mm: float = _field(4.0, "mm", tr("Close gaps of this radius and fill marrow; 0 leaves both."), ge=0, le=20)


class LungsParams(MethodParams):
    """No settings."""


class IslandParams(MethodParams):
    min_ml: float | None = _field(
        None, "ml", tr("Keep every island of at least this volume instead of the largest alone."), gt=0
    )
    connectivity: Connectivity = _field(
        "faces", "", tr("Voxels hang together across faces only, or across corners too.")
    )


class FillHolesParams(MethodParams):
    max_ml: float | None = _field(None, "ml", tr("Leave holes larger than this; all are filled if not given."), ge=0)


class SmoothParams(MethodParams):
    mm: float = _field(
        2.0, "mm", tr("Radius (median, opening, closing) or standard deviation (gaussian)."), gt=0, le=50
    )
    method: SmoothMethod = _field("median", "", tr("Kind of smoothing."))


def _threshold(
    voxels: NDArray[Any], geometry: Geometry, params: ThresholdParams, ctx: Context, current: Mask | None
) -> Mask:
    mask = threshold(voxels, params.low, params.high, ctx)
    if not mask.any():
        message = tr("No voxel lies between {low:g} and {high:g}; the image holds {least:g} to {most:g}.")
        least, most = float(np.nanmin(voxels)), float(np.nanmax(voxels))
        raise BadInput(message.format(low=params.low, high=params.high, least=least, most=most))
    return mask


def _region_grow(
    voxels: NDArray[Any], geometry: Geometry, params: RegionGrowParams, ctx: Context, current: Mask | None
) -> Mask:
    return region_grow(
        voxels,
        geometry,
        params.seed_mm,
        params.low,
        params.high,
        tolerance=params.tolerance,
        radius_mm=params.radius_mm,
        ctx=ctx,
    )


def _body(voxels: NDArray[Any], geometry: Geometry, params: BodyParams, ctx: Context, current: Mask | None) -> Mask:
    return body(voxels, geometry, ctx)


def _bone(voxels: NDArray[Any], geometry: Geometry, params: BoneParams, ctx: Context, current: Mask | None) -> Mask:
    return bone(voxels, geometry, params.low, params.cortex, params.marrow_mm, ctx)


def _lungs(voxels: NDArray[Any], geometry: Geometry, params: LungsParams, ctx: Context, current: Mask | None) -> Mask:
    return lungs(voxels, geometry, ctx)


def _islands(
    voxels: NDArray[Any], geometry: Geometry, params: IslandParams, ctx: Context, current: Mask | None
) -> Mask:
    mask = _given(current)
    if params.min_ml is None:
        return largest_island(mask, params.connectivity, ctx)
    kept = keep_islands(mask, geometry, params.min_ml, params.connectivity, ctx)
    if not kept.any():
        raise BadInput(tr("No island of the segment holds {ml:g} ml; give a smaller volume.").format(ml=params.min_ml))
    return kept


def _fill_holes(
    voxels: NDArray[Any], geometry: Geometry, params: FillHolesParams, ctx: Context, current: Mask | None
) -> Mask:
    return fill_holes(_given(current), geometry, params.max_ml, ctx)


def _smooth(voxels: NDArray[Any], geometry: Geometry, params: SmoothParams, ctx: Context, current: Mask | None) -> Mask:
    return smooth(_given(current), geometry, params.mm, params.method, ctx)


def _given(mask: Mask | None) -> Mask:
    if mask is None:
        raise BadInput(tr("This method acts on a segment; name one."))
    return mask


def _sentence(method: str, error: ValidationError) -> str:
    """The first complaint of pydantic as one sentence."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    if first["type"] == "missing":
        return tr("The method '{method}' needs the setting '{name}'.").format(method=method, name=name)
    reason = str(first["msg"])
    reason = reason[0].lower() + reason[1:]
    message = tr("The setting '{name}' of the method '{method}' cannot be {value!r}: {reason}.")
    return message.format(name=name, method=method, value=first["input"], reason=reason)


_ALL: tuple[SegmentMethod[Any], ...] = (
    SegmentMethod("threshold", tr("Threshold"), tr("All voxels with values in a range."), ThresholdParams, _threshold),
    SegmentMethod(
        "region-grow",
        tr("Grow from a point"),
        tr("The voxels in a range that hang together with the one at a point."),
        RegionGrowParams,
        _region_grow,
    ),
    SegmentMethod("body", tr("Body"), tr("The patient without table and air, in CT."), BodyParams, _body, ct_only=True),
    SegmentMethod("bone", tr("Bone"), tr("Bones with their marrow, in CT."), BoneParams, _bone, ct_only=True),
    SegmentMethod(
        "lungs", tr("Lungs"), tr("Both lungs without the large airways, in CT."), LungsParams, _lungs, ct_only=True
    ),
    SegmentMethod(
        "largest-island",
        tr("Largest island"),
        tr("Keep the largest connected part of a segment, or all above a volume."),
        IslandParams,
        _islands,
        needs_segment=True,
    ),
    SegmentMethod(
        "fill-holes",
        tr("Fill holes"),
        tr("Fill what a segment encloses."),
        FillHolesParams,
        _fill_holes,
        needs_segment=True,
    ),
    SegmentMethod(
        "smooth", tr("Smooth"), tr("Smooth the border of a segment."), SmoothParams, _smooth, needs_segment=True
    ),
)
METHODS: dict[str, SegmentMethod[Any]] = {method.name: method for method in _ALL}
